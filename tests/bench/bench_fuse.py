# SPDX-License-Identifier: MIT
"""What promises change: entries into the kernel, time and CPU per file, a server with a
slow reader; whether `auto` knows when they pay, and whether `fuse` loses what `auto`
gains on files that wait."""

import contextlib
import functools
import os
import statistics

import batchload
import bench_hot
import bench_slow
import entries
import eventload
import harness
import servers
import slowreader
from batchload import Batch
from disk import disk_dir
from paired import Row, better_row, measured, quartiles

MODES = (None, "fuse", "auto")
VARIANTS = ("plain", "fuse", "auto")
NO_LOSS = 0.97


class Hot:
    """Files that are in memory, and belong to a disk: those of tmpfs a ring reads with
    its workers, since the kernel does not know that it need not wait for them."""

    def __init__(self, stack):
        self.stack = stack
        self.top = None

    def tree(self, name, fill):
        """A directory with what fill(directory) puts there, once."""
        if self.top is None:
            self.top = self.stack.enter_context(disk_dir(1 << 28))
        path = self.top / name
        if not path.exists():
            fill(path)
            os.sync()       # nothing of it is to be written while something is measured
        return path


def start(stack, make, root, work, modes=MODES):
    """The server in each mode; [(server, port)], its statistics in work/stats-N."""
    sides = []
    for n, mode in enumerate(modes):
        place = work / f"server{n}"
        place.mkdir()
        port = harness.free_port()
        env = harness.lib_env(mode, stats=work / f"stats-{n}") if mode else harness.lib_env(None)
        sides.append((stack.enter_context(make(root, place, port, env)), port))
    return sides


def promised(work, side):
    """What a side of start() has promised; the server has ended."""
    lines = harness.read_stats(work / f"stats-{side}")
    return {k: harness.total(lines, f"promises.{k}") for k in ("promised", "commits", "broken")}


def unless_promised(row, work, side=1):
    """Says of a row if there were no promises in it, and of any that was broken."""
    row.extra["promises"] = found = promised(work, side)
    said = [] if found["promised"] else ["fuse promised nothing"]
    if found["broken"]:
        said.append(f"{found['broken']} promises broken")
    row.notes = "; ".join(filter(None, (row.notes, *said)))
    return row


# --- entries into the kernel -------------------------------------------------

CONNECTIONS = 16
ONE_BY_ONE = 4                  # busybox: a process for each, and a queue of nine
ENTRIES_SIZE = 4096
SERVERS = {
    "nginx": servers.nginx,
    "nginx, tcp_nopush on": functools.partial(servers.nginx, extra="tcp_nopush on;"),
    "apache prefork, AllowOverride None":
        functools.partial(servers.apache, override="None", workers=CONNECTIONS),
    "apache prefork, AllowOverride All":
        functools.partial(servers.apache, override="All", workers=CONNECTIONS),
    "busybox httpd": servers.busybox,
    "webfs": servers.webfs,
}
HALF = 0.5


def entries_tree(top):
    eventload.write_files(top / "hot", range(eventload.HOT_FILES), prefix="/hot/",
                          size=ENTRIES_SIZE)


def entries_of(name, opts, hot):
    rounds, seconds = (2, 0.2) if opts.quick else (opts.rounds, 0.3)
    with harness.tmpfs_dir() as work, contextlib.ExitStack() as stack:
        # Apache looks for .htaccess in each directory above, of which there shall be few.
        root = work / "files"
        root.symlink_to(hot.tree("entries", entries_tree))
        sides = start(stack, SERVERS[name], root, work)
        connections = ONE_BY_ONE if SERVERS[name] is servers.busybox else CONNECTIONS

        def run(variant, _):
            return entries.per_file(*sides[variant], connections, seconds, ENTRIES_SIZE)

        for variant in range(len(sides)):       # what is learned first is not counted
            run(variant, 0)
        each = measured(f"fuse_entries: {name}", run, rounds, len(sides))
        stack.close()           # the statistics are there when the servers have ended
        ratios = [f / p for p, f in zip(*each[:2])]
        low, high = quartiles(ratios)
        middle = [statistics.median(side) for side in each]
        row = Row("fuse_entries", name, "entries/file", *middle[:2], statistics.median(ratios),
                  low, high, HALF, True, rounds, f"auto {middle[2]:.1f}",
                  {"entries": dict(zip(VARIANTS, middle))})
        return unless_promised(row, work)


def entries_cases(opts, hot):
    for name in SERVERS:
        yield f"entries: {name}", functools.partial(entries_of, name, opts, hot)


# --- time and CPU per file ---------------------------------------------------

SIZES = (4 << 10, 16 << 10, 64 << 10)
COUNTS = (1, 2, 4, 8, 16, 32, 64)


def batches_of(opts, filter_):
    sizes, counts = ((16 << 10,), (1, 8, 32)) if opts.quick else (SIZES, COUNTS)
    for size in sizes:
        for count in counts:
            yield Batch(size, count, filter=filter_)
    for count in counts:
        if filter_:
            yield Batch(16 << 10, count, filter="filter at each entry")
        else:
            yield Batch(16 << 10, count, blocking=True)
    if not filter_:
        for count in (1, 8, 32):
            yield Batch(16 << 10, count, tmpfs=True)


def batch_files(batch, work, hot):
    if batch.tmpfs:
        batchload.make_files(work / "files", batch.size)
        return work / "files"
    return hot.tree(f"batch-{batch.size}", lambda top: batchload.make_files(top, batch.size))


def batch_row(family, batch, opts, hot):
    with harness.tmpfs_dir() as work:
        return batchload.row(family, batch, batch_files(batch, work, hot), work, opts)


def batch_cases(opts, hot):
    for family, filter_ in (("fuse_batch", ""), ("fuse_filter", "filter")):
        for batch in batches_of(opts, filter_):
            label = "behind a filter: " if filter_ else "batch: "
            yield label + batch.name, functools.partial(batch_row, family, batch, opts, hot)


# --- a slow reader -----------------------------------------------------------

def blocking_server(root, work, port, env):
    del work
    return harness.Server([harness.BUILD / "tests/bench/blocking_server", port, root,
                           slowreader.SEND_BUFFER], env, ready=port)


READER_FILES = {"/big": slowreader.BIG, "/small": slowreader.SMALL}


def reader_tree(top):
    top.mkdir()
    for path, size in READER_FILES.items():
        (top / path[1:]).write_bytes(os.urandom(size))


def reader_rows(opts, hot):
    rounds = 2 if opts.quick else opts.rounds
    with harness.tmpfs_dir() as work, contextlib.ExitStack() as stack:
        root = hot.tree("reader", reader_tree)
        files = [(path, (root / path[1:]).read_bytes()) for path in READER_FILES]
        sides = start(stack, blocking_server, root, work)
        each = measured("fuse_reader", lambda v, _: slowreader.once(sides[v][1], *files), rounds,
                        len(sides))
        stack.close()
        return [reader_row(side, each, work) for side in (1, 2)]


def reader_row(side, each, work):
    fast, slow = ([[r[k] * 1000 for r in runs] for runs in each] for k in (0, 1))
    gains = [a / b for a, b in zip(fast[0], fast[side])]
    low, high = quartiles(gains)
    ends = [statistics.median(slow[s]) for s in (0, side)]
    row = Row("fuse_reader", f"50 fast readers behind a slow one, {VARIANTS[side]}", "ms",
              statistics.median(fast[0]), statistics.median(fast[side]), statistics.median(gains),
              low, high, 3 if side == 1 else None, False, len(gains),
              "the slow one has its file after {:,.0f}, {:,.0f} ms".format(*ends))
    if side == 1:
        return unless_promised(row, work)
    row.extra["promises"] = promised(work, side)
    return row


def reader_cases(opts, hot):
    yield "a slow reader", functools.partial(reader_rows, opts, hot)


# --- auto against the better of plain and fuse -------------------------------

def auto_nginx(name, size, opts, hot):
    with harness.tmpfs_dir() as work, contextlib.ExitStack() as stack:
        root = hot.tree(f"wrk-{size}", lambda top: bench_hot.tree(top, bench_hot.FILES, size))
        ports = [port for _, port in start(stack, servers.nginx, root, work)]
        row = better_row("fuse_auto", name, "requests/s", bench_hot.wrk_rate(ports, work, 1),
                         bench_hot.wrk_rounds(opts), VARIANTS, NO_LOSS)
        stack.close()
        return unless_promised(row, work)


def auto_batch(name, batch, opts, hot):
    seconds, warmup = (0.2, 0.3) if opts.quick else (0.4, 0.3)
    with harness.tmpfs_dir() as work:
        files = batch_files(batch, work, hot)

        def run(variant, _):
            figures = batchload.once(batch, MODES[variant], files, work, seconds, warmup)
            return 1e9 / figures["wall_ns"]

        return better_row("fuse_auto", name, "files/s", run, bench_hot.wrk_rounds(opts),
                          VARIANTS, NO_LOSS)


def auto_cases(opts, hot):
    for size in (4 << 10, 16 << 10):
        name = f"nginx, {size >> 10} KiB, 64 connections"
        yield f"auto: {name}", functools.partial(auto_nginx, name, size, opts, hot)
    for count in (1, 32):
        batch = Batch(16 << 10, count)
        label = f"auto: {batch.name}"
        yield label, functools.partial(auto_batch, batch.name, batch, opts, hot)


# --- files that wait ---------------------------------------------------------

def cold_cases(opts, hot):
    del hot
    for make in (servers.busybox, servers.nginx):
        for label, size in list(bench_slow.SIZES.items())[:1 if opts.quick else 2]:
            name = f"{make.__name__}, {label}, one client"
            yield f"cold: {name}", functools.partial(
                bench_slow.one_case, make, name, size, [], opts, NO_LOSS, family="fuse_cold",
                modes=("auto", "fuse"))


PARTS = (entries_cases, batch_cases, reader_cases, auto_cases, cold_cases)


def run(opts, skipped):
    rows = []
    with contextlib.ExitStack() as stack:
        hot = Hot(stack)
        for name, measure in (case for part in PARTS for case in part(opts, hot)):
            if opts.match not in name:
                continue
            try:
                found = measure()
            except harness.Missing as e:
                skipped.append(f"{name}: {e}")
            else:
                rows += found if isinstance(found, list) else [found]
    return rows
