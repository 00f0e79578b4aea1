# SPDX-License-Identifier: MIT
"""What the benchmarks of event-loop servers share: servers side by side on one
root, files that each run has for itself, the load client, the figures of each
side, and rows made of them."""

import contextlib
import json
import os
import resource
import statistics
import subprocess
import time
from dataclasses import dataclass, field

import harness
import servers
from paired import Row, progress, quartiles

FAMILY, MORE = "events", "events_more"
SIZE = 16384
HOT_FILES = 64                  # as many as httpload asks for
SIDES = {"plain": (servers.nginx, None), "threads": (servers.nginx_threads, None),
         "library": (servers.nginx, "auto")}
LIGHTTPD = {"plain": (servers.lighttpd, None), "library": (servers.lighttpd, "auto")}
FORKING = (servers.nginx, servers.nginx_threads)
EVENTS = ("peeks", "hits", "misses", "held", "late", "put_off")
FUTURES = ("created", "settled", "adopted", "dropped")


# --- the sides ---------------------------------------------------------------

@dataclass
class Side:
    """One running server: its worker processes, and the figures of its runs."""
    name: str
    port: int
    workers: list
    runs: list = field(default_factory=list)

    def of(self, key):
        return [run[key] for run in self.runs]


def children(pid):
    found = []
    for entry in os.listdir("/proc"):
        with contextlib.suppress(OSError, ValueError):
            with open(f"/proc/{int(entry)}/stat") as f:
                if int(f.read().rsplit(")", 1)[1].split()[1]) == pid:
                    found.append(int(entry))
    return found


def start(stack, names, root, work, kinds=None, extra=""):
    """Starts a server per name, all on the same root; [Side]. The library writes its
    statistics to work/stats when its server ends."""
    sides = []
    for name in names:
        make, mode = (kinds or SIDES)[name]
        env = harness.lib_env(mode, stats=work / "stats") if mode else harness.lib_env(None)
        place = work / f"server-{name}"
        place.mkdir()
        port = harness.free_port()
        server = stack.enter_context(make(root, place, port, env, **({"extra": extra} if extra
                                                                     else {})))
        workers = [server.pid]
        if make in FORKING:
            workers = harness.wait_until(lambda: children(server.pid), what="nginx worker")
        sides.append(Side(name, port, workers))
    return sides


def cpu_seconds(pids):
    """CPU time of the processes so far, to the nanosecond: the process clock covers
    all threads, and the kernel's io-wq workers are threads of the process."""
    return sum(time.clock_gettime((~pid << 3) | 2) for pid in pids)


def resident_kib(pids):
    """Memory in KiB, pages shared with other processes counted in parts."""
    sum_ = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup") as f:
            sum_ += next(int(line.split()[1]) for line in f if line.startswith("Pss:"))
    return sum_


def switches(pids):
    """Context switches so far of the processes' own threads. The kernel's workers are
    left out: those that have nothing to do go away by themselves."""
    sum_ = 0
    for pid in pids:
        with open(f"/proc/{pid}/status") as f:
            sum_ += sum(int(line.split()[1]) for line in f if "_ctxt_switches" in line)
    return sum_


def rotate(sides, rounds, what):
    """(round, side); another one goes first in every round."""
    for i in range(rounds):
        k = i % len(sides)
        for side in sides[k:] + sides[:k]:
            progress(f"{FAMILY}: {what}, {side.name}, round {i + 1} of {rounds}")
            yield i, side
    progress("")


def rounds_of(opts):
    return 2 if opts.quick else opts.rounds


# --- the files ---------------------------------------------------------------

def write_files(top, numbers, dirs=0, prefix="/", size=SIZE):
    """Files that httpload knows: each begins with the path that it is asked for by."""
    for d in range(dirs):
        os.makedirs(f"{top}/d{d:02d}", exist_ok=True)
    os.makedirs(top, exist_ok=True)
    rest = os.urandom(size)
    for i in numbers:
        name = f"d{i % dirs:02d}/f{i:07d}" if dirs else f"f{i:07d}"
        head = f"{prefix}{name}\n".encode()
        fd = os.open(f"{top}/{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.write(fd, head + rest[len(head):])
        os.close(fd)


class Pool:
    """Files of which each is asked for once; made when they are needed."""

    def __init__(self, top, dirs=0):
        self.top, self.dirs = top, dirs
        self.next = self.made = 0
        write_files(top, (), dirs)

    def reserve(self, count):
        """Number of the first of so many unused files."""
        if self.next + count > self.made:
            write_files(self.top, range(self.made, self.next + count), self.dirs)
            self.made = self.next + count
        return self.next


def most_files():
    """What slowfs can remember at once: it keeps a descriptor for each file."""
    return min(16000, resource.getrlimit(resource.RLIMIT_NOFILE)[1] * 3 // 4)


# --- the client --------------------------------------------------------------

def httpload(side, *options):
    """One run of the load client; its figures and what it cost the server."""
    program = harness.BUILD / "tests/bench/httpload"
    before = cpu_seconds(side.workers)
    done = subprocess.run([program, *map(str, options), str(side.port)], capture_output=True,
                          text=True, errors="replace", timeout=180)
    if done.returncode:
        raise RuntimeError(f"{side.name}: {done.stderr.strip()}")
    figures = json.loads(done.stdout)
    figures.update(figures["all"])
    figures["cpu"] = (cpu_seconds(side.workers) - before) / figures["requests"] * 1000
    return figures


def ask_pool(side, pool, connections, seconds, count, *options):
    """A run over files that nobody has asked for, with nothing cached."""
    first = pool.reserve(count)
    if harness.drop_caches():
        time.sleep(0.05)        # the file system is still being told what to forget
    figures = httpload(side, "-c", connections, "-t", seconds, "-n", count, "-f", first,
                       "-d", pool.dirs, "-l", SIZE, *options)
    pool.next += figures["issued"]
    return figures


# --- rows --------------------------------------------------------------------

def median(side, key):
    return round(statistics.median(side.of(key)), 4)


def ratio(name, without, with_, target=None):
    """Rates of two sides against each other; latencies and CPU time in the notes."""
    ratios = [b / a for a, b in zip(without.of("rate"), with_.of("rate"))]
    low, high = quartiles(ratios)
    sides = {label: {k: median(side, k) for k in ("rate", "p50_ms", "p99_ms", "cpu")}
             for label, side in (("without", without), ("with", with_))}
    a, b = sides.values()
    notes = (f"p50 {a['p50_ms']:.1f}, {b['p50_ms']:.1f} ms; "
             f"p99 {a['p99_ms']:.1f}, {b['p99_ms']:.1f} ms; "
             f"CPU {a['cpu']:.3f}, {b['cpu']:.3f} s/1000")
    return Row(FAMILY, name, "requests/s", a["rate"], b["rate"], statistics.median(ratios), low,
               high, target, False, len(ratios), notes, {"sides": sides})


def absolute(name, unit, without, with_, target=None, at_most=True, difference=False, notes=""):
    """Values of two sides; the target is about the second, or about the difference."""
    values = [b - a for a, b in zip(without, with_)] if difference else with_
    low, high = quartiles(values)
    return Row(MORE, name, unit, statistics.median(without), statistics.median(with_),
               statistics.median(values), low, high, target, at_most, len(values), notes)


def add_statistics(rows, stats, cold=True):
    """What the library says it did, once its server has ended. On cold files it has to
    have done something, or a figure says nothing about it."""
    lines = harness.read_stats(stats)
    events = {k: harness.total(lines, f"events.{k}") for k in EVENTS}
    futures = {k: harness.total(lines, f"futures.{k}") for k in FUTURES}
    for row in rows:
        row.extra.update(events=events, futures=futures)
        idle = not events["hits"] and not events["put_off"]
        said = "nothing looked ahead" if idle else \
            f"hits {events['hits']:,}, misses {events['misses']:,}, put off {events['put_off']:,}"
        if cold:
            row.notes = "; ".join(filter(None, (row.notes, said)))
    return rows
