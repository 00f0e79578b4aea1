# SPDX-License-Identifier: MIT
"""Servers on a file system that takes 2 ms to answer, one client, every file asked
for once: what the library is for. Also how many files that file system itself can
carry, so that it is never what gets measured."""

import contextlib
import json
import os
import subprocess
import time

import harness
import servers
from paired import Row, quartiles, ratio_row

TARGET = 1.4
DELAY_US = 2000
SIZES = {"16 KiB": 16 << 10, "256 KiB": 256 << 10, "1 MiB": 1 << 20}
TIMEOUTS = {"1 s": [], "0 s": ["--entry-timeout", "0", "--attr-timeout", "0"]}


class Requests:
    """What each side asked of the file system, by operation."""

    def __init__(self, fs):
        self.fs = fs
        self.sums = ({}, {})

    @contextlib.contextmanager
    def counted_for(self, variant):
        before = self.fs.counts()
        yield
        for op, n in self.fs.counts().items():
            if n != before[op] and op not in ("forget", "batch_forget"):
                self.sums[variant][op] = self.sums[variant].get(op, 0) + n - before[op]

    def per_file(self, files):
        return [{op: round(n / files, 2) for op, n in sums.items()} for sums in self.sums]


def make_files(top, name, rounds, count, content):
    """Every run gets files of its own, so that nothing is cached."""
    for rnd in range(rounds):
        for variant in (0, 1):
            for i in range(count):
                path = top / name(variant, rnd, i)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)


def one_case(make, label, size, timeouts, opts, target, depth=0, family="slow",
             modes=(None, "auto")):
    """Both servers up at once on one mount, asked in turn."""
    rounds = 3 if opts.quick else opts.rounds
    count = 12 if opts.quick else 30
    below = "/".join(f"d{i}" for i in range(depth))
    content = os.urandom(size)

    def name(variant, rnd, i):
        return os.path.join(f"r{rnd}-{variant}", below, f"f{i:03d}")

    with harness.tmpfs_dir() as work:
        make_files(work / "files", name, rounds, count, content)
        stats = work / "stats"
        with contextlib.ExitStack() as stack:
            fs = stack.enter_context(harness.slowfs(work / "files", work / "mnt", DELAY_US,
                                                    timeouts))
            requests = Requests(fs)
            ports = []
            for n, env in enumerate((harness.lib_env(modes[0]),
                                     harness.lib_env(modes[1], stats=stats))):
                place = work / f"server{n}"
                place.mkdir()
                ports.append(harness.free_port())
                stack.enter_context(make(fs.mountpoint, place, ports[-1], env))

            def run(variant, rnd):
                with requests.counted_for(variant):
                    client = servers.CLIENTS[make](ports[variant])
                    try:
                        start = time.perf_counter()
                        for i in range(count):
                            if client.get(name(variant, rnd, i)) != content:
                                raise RuntimeError(f"{label}: wrong bytes")
                        return count / (time.perf_counter() - start)
                    finally:
                        client.close()

            row = ratio_row(family, label, "files/s", run, rounds, target)
        # The servers have ended: their statistics are there.
        lines = harness.read_stats(stats)
        row.extra = {
            "server": make.__name__,
            "requests_per_file": requests.per_file(count * rounds),
            "futures": {k: harness.total(lines, f"futures.{k}")
                        for k in ("created", "settled", "adopted", "dropped")},
        }
        per_file = [sum(r.values()) for r in row.extra["requests_per_file"]]
        row.notes = f"{per_file[0]:.1f}, {per_file[1]:.1f} requests a file"
        return row


def _cases(opts):
    """(server, label, size, timeouts, target, directories above the file)"""
    for server in (servers.busybox, servers.vsftpd):
        for size in SIZES if not opts.quick else ["16 KiB"]:
            for timeout in TIMEOUTS if not opts.quick else ["1 s"]:
                yield (server, f"{server.__name__}, {size}, timeouts {timeout}",
                       SIZES[size], TIMEOUTS[timeout], TARGET, 0)
    yield servers.nginx, "nginx, 16 KiB, timeouts 1 s", 16 << 10, [], None, 0
    yield servers.nginx, "nginx, 256 KiB, timeouts 1 s", 256 << 10, [], None, 0
    yield servers.apache, "apache, .htaccess, 4 levels, 16 KiB, timeouts 1 s", 16 << 10, [], None, 4


def run(opts, skipped):
    rows = []
    for server, label, size, timeouts, target, depth in _cases(opts):
        if opts.quick and server is servers.nginx and size != 16 << 10:
            continue
        try:
            rows.append(one_case(server, label, size, timeouts, opts, target, depth))
        except harness.Missing as e:
            skipped.append(f"{label}: {e}")
    return rows


def capacity(opts):
    """Files per second of slowfs itself: lookup, open, read 16 KiB, flush, release."""
    program = harness.BUILD / "tests/bench/slowfs_depth"
    rounds = 2 if opts.quick else 3
    count = 4000
    rates = {1: [], 128: []}
    with harness.tmpfs_dir() as work:
        files = work / "files"
        files.mkdir()
        for i in range(count):
            (files / f"f{i:06d}").write_bytes(b"x" * 16384)
        for _ in range(rounds):
            for depth in rates:
                with harness.slowfs(files, work / "mnt", DELAY_US) as fs:
                    n = count if depth > 1 else 100
                    out = subprocess.run([program, fs.mountpoint, str(n), str(depth)],
                                         capture_output=True, check=True, timeout=60).stdout
                    rates[depth].append(json.loads(out)["files_per_s"])
    mid = sorted(rates[128])[rounds // 2]
    low, high = quartiles(rates[128])
    return Row("slowfs", "slowfs itself, depth 1 and 128", "files/s",
               sorted(rates[1])[rounds // 2], mid, mid, low, high, 5000, False, rounds)
