# SPDX-License-Identifier: MIT
"""Event-loop servers on files that block: one worker, many connections, every file
asked for once. What one blocking call stops here is all of them. nginx's own
remedy, `aio threads`, is measured beside it."""

import contextlib
import functools
import json
import os
import subprocess
import time

import eventload
import harness
import sshmount
from disk import disk_dir
from eventload import SIZE, absolute, httpload, ratio

DELAY_US = 2000
BOTH = ("plain", "library")
ALL = ("plain", "threads", "library")

TREE = 100000                   # files on the disk
TREE_DIRS = 100

DOWNLOADS = 100
DOWNLOAD_SIZE = 64 << 20
DOWNLOAD_RATE = 1000000         # bytes a second, each

HOT = "location /hot/ {{ alias {}/; }}"


# --- file systems ------------------------------------------------------------

@contextlib.contextmanager
def slow(backing, work):
    with harness.slowfs(backing, work / "slowfs", DELAY_US) as fs:
        yield fs.mountpoint


@contextlib.contextmanager
def serial(backing, work):
    """A device that serves one request after the other: an sftp server has one thread,
    and here each of its file calls takes 2 ms."""
    with slow(backing, work) as below, sshmount.sshfs(below, work) as mountpoint:
        yield mountpoint


# --- every file asked for once -----------------------------------------------

def cold(opts, name, mount, connections, names, rows_of, kinds=None, dirs=0, most=None):
    """Rounds of the sides `names` over at most so many files of a mount each, then
    rows_of({name: Side})."""
    seconds = 0.3 if opts.quick else 2
    count = (most or eventload.most_files()) // (4 if opts.quick else 1)
    with harness.tmpfs_dir() as work, contextlib.ExitStack() as stack:
        pool = eventload.Pool(work / "files", dirs)
        root = stack.enter_context(mount(work / "files", work))
        sides = eventload.start(stack, names, root, work, kinds)
        for side in sides:          # first touch, outside of the figures
            eventload.ask_pool(side, pool, 8, 0.3, 100)
        for _, side in eventload.rotate(sides, eventload.rounds_of(opts), name):
            side.runs.append(eventload.ask_pool(side, pool, connections, seconds, count))
        rows = rows_of({s.name: s for s in sides})
        stack.close()               # the statistics are there when the servers have ended
        return eventload.add_statistics(rows, work / "stats")


def against(name, sides, target, threads_target=None):
    """Rows of the library against the other sides there are."""
    rows = [ratio(name, sides["plain"], sides["library"], target)]
    if "threads" in sides:
        rows.append(ratio(f"{name}, against aio threads", sides["threads"], sides["library"],
                          threads_target))
    return rows


def idleness(name, sides, seconds):
    """Context switches of the servers while nobody asks for anything."""
    time.sleep(1)
    before = {n: eventload.switches(s.workers) for n, s in sides.items()}
    time.sleep(seconds)
    plain, library = ([eventload.switches(sides[n].workers) - before[n]] for n in BOTH)
    return absolute(f"{name}: context switches, {seconds} s idle afterwards",
                    "switches", plain, library, 0, difference=True)


def memory(name, sides, connections):
    plain, library = ([eventload.resident_kib(sides[n].workers)] for n in BOTH)
    return absolute(f"{name}: memory afterwards", "KiB", plain, library,
                    1024 + connections, difference=True)


def slowfs_64(opts):
    name = "nginx, slowfs 2 ms, 64 conn."

    def rows(sides):
        return [*against(name, sides, 40, 25), idleness(name, sides, 1 if opts.quick else 2)]
    return cold(opts, name, slow, 64, ALL, rows)


def slowfs_256(opts):
    name = "nginx, slowfs 2 ms, 256 conn."

    def rows(sides):
        return [*against(name, sides, 40), memory(name, sides, 256)]
    return cold(opts, name, slow, 256, BOTH, rows)


# The kernel sends one lookup per directory at a time to a file system made with such
# a libfuse as Debian's: hence more than one.
SSHFS_DIRS = 50


def sshfs_loopback(opts):
    name = "nginx, sshfs, loopback, 64 conn."
    return cold(opts, name, sshmount.sshfs, 64, BOTH, lambda sides: against(name, sides, 4),
                dirs=SSHFS_DIRS)


def sshfs_network(opts):
    name = "nginx, sshfs, 1 ms away, 64 conn."
    return cold(opts, name, functools.partial(sshmount.sshfs, delay_us=1000), 64, BOTH,
                lambda sides: against(name, sides, 4), dirs=SSHFS_DIRS)


def lighttpd(opts):
    name = "lighttpd, slowfs 2 ms, 64 conn."
    # lighttpd holds files open for some seconds, and slowfs then has to as well.
    return cold(opts, name, slow, 64, BOTH, lambda sides: against(name, sides, 20),
                eventload.LIGHTTPD, most=eventload.most_files() // 6)


def saturated(opts):
    name = "nginx, serial device, 64 conn."
    return cold(opts, name, serial, 64, BOTH, lambda sides: against(name, sides, 0.95))


# --- a disk ------------------------------------------------------------------

def disk(opts):
    name = "nginx, disk, cache dropped, 64 conn."
    total = TREE // 10 if opts.quick else TREE
    seconds = 0.3 if opts.quick else 2
    with contextlib.ExitStack() as stack:
        top = stack.enter_context(disk_dir(4 * TREE * SIZE))
        work = stack.enter_context(harness.tmpfs_dir())
        eventload.progress(f"{eventload.FAMILY}: {name}: making {total} files")
        eventload.write_files(top, range(total), TREE_DIRS)
        sides = eventload.start(stack, ALL, top, work)

        def run(side, seed, seconds):
            harness.drop_caches()
            return httpload(side, "-c", 64, "-t", seconds, "-n", total // 2, "-r", total,
                            "-s", seed, "-d", TREE_DIRS, "-l", SIZE)

        for side in sides:
            run(side, 0, 0.3)
        for rnd, side in eventload.rotate(sides, eventload.rounds_of(opts), name):
            side.runs.append(run(side, rnd + 1, seconds))
        rows = against(name, {s.name: s for s in sides}, 1.9, 1.0)
        stack.close()
        return eventload.add_statistics(rows, work / "stats")


# --- large downloads beside a small hot file ---------------------------------

def _large_files(top, count):
    """Holes for the most part: what they hold in memory is what is cached of them."""
    top.mkdir()
    page = os.urandom(4096)
    for i in range(count):
        with open(top / f"f{i:07d}", "wb") as f:
            f.truncate(DOWNLOAD_SIZE)
            for at in range(0, DOWNLOAD_SIZE, DOWNLOAD_SIZE // 8):
                os.pwrite(f.fileno(), page, at)


def downloads(opts):
    count = 30 if opts.quick else DOWNLOADS
    name = f"{count} downloads at 1 MB/s from slowfs 2 ms, nginx"
    seconds = 1.5 if opts.quick else 6
    program = harness.BUILD / "tests/bench/downloads"
    with harness.tmpfs_dir() as work, contextlib.ExitStack() as stack:
        _large_files(work / "files", count)
        eventload.write_files(work / "hot", [0], size=1024)
        root = stack.enter_context(slow(work / "files", work))
        sides = eventload.start(stack, BOTH, root, work, extra=HOT.format(work / "hot"))

        def run(side):
            harness.drop_caches()
            before = eventload.cpu_seconds(side.workers)
            done = subprocess.run(
                [program, str(side.port), str(count), str(DOWNLOAD_RATE), str(seconds),
                 "/hot/f0000000"], capture_output=True, text=True, errors="replace",
                timeout=120)
            if done.returncode:
                raise RuntimeError(f"{side.name}: {done.stderr.strip()}")
            figures = json.loads(done.stdout)
            used = eventload.cpu_seconds(side.workers) - before
            gigabytes = figures["all_kbs"] * figures["seconds"] / 1e6
            figures["cpu_per_gb"] = used / max(gigabytes, 1e-6)
            return figures

        for _, side in eventload.rotate(sides, eventload.rounds_of(opts), name):
            side.runs.append(run(side))
        plain, library = sides
        shown = {k: (eventload.median(plain, k), eventload.median(library, k))
                 for k in ("median_kbs", "p50_ms", "max_ms", "cpu_per_gb")}
        rows = [absolute(f"{name}: slowest client", "kB/s", plain.of("slowest_kbs"),
                         library.of("slowest_kbs"), 950, at_most=False,
                         notes="middle {:.0f}, {:.0f} kB/s".format(*shown["median_kbs"])
                         + "; CPU {:.2f}, {:.2f} s/GB".format(*shown["cpu_per_gb"])),
                absolute(f"{name}: a hot 1 KiB file during it, p99", "ms", plain.of("p99_ms"),
                         library.of("p99_ms"), 5,
                         notes="p50 {:.1f}, {:.1f} ms".format(*shown["p50_ms"])
                         + "; longest {:.1f}, {:.1f} ms".format(*shown["max_ms"]))]
        for row in rows:
            row.extra = {"sides": shown}
        stack.close()
        return eventload.add_statistics(rows, work / "stats")


# --- nine hot requests to a cold one -----------------------------------------

def mixed(opts):
    name = "nginx, 90 % hot, 10 % slowfs 2 ms, 64 conn."
    seconds = 0.4 if opts.quick else 2
    count = eventload.most_files() // (4 if opts.quick else 1)
    with harness.tmpfs_dir() as work, contextlib.ExitStack() as stack:
        pool = eventload.Pool(work / "files")
        eventload.write_files(work / "hot", range(eventload.HOT_FILES), prefix="/hot/")
        root = stack.enter_context(slow(work / "files", work))
        sides = eventload.start(stack, BOTH, root, work, extra=HOT.format(work / "hot"))
        for _, side in eventload.rotate(sides, eventload.rounds_of(opts), name):
            side.runs.append(eventload.ask_pool(side, pool, 64, seconds, count, "-m", 90))
        plain, library = sides
        rows = [ratio(name, plain, library)]
        for p in ("p50_ms", "p99_ms"):
            rows.append(absolute(f"{name}: {p[:3]} of the hot", "ms",
                                 *([r["hot"][p] for r in s.runs] for s in sides)))
        stack.close()
        return eventload.add_statistics(rows, work / "stats")


PARTS = (slowfs_64, slowfs_256, sshfs_loopback, sshfs_network, disk, downloads, lighttpd, mixed,
         saturated)


def run(opts, skipped):
    rows = []
    for part in PARTS:
        try:
            rows += part(opts)
        except harness.Missing as e:
            skipped.append(f"{part.__name__}: {e}")
    return rows
