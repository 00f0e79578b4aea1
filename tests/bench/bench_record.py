# SPDX-License-Identifier: MIT
"""What it costs to look: nginx on files in memory, watched in the ways there are; and
what a recording foretells that `auto` would gain, held against what it then gains."""

import contextlib
import json
import shutil
import subprocess
import time

import bench_hot
import harness
import servers
import toolload
from paired import Row, quartiles

TOOL = harness.BUILD / "fuse-aio"
DELAY_US = 2000
DIRS = 20                       # with 50 files each
ROUNDS = 3

WAYS = {
    "fuse-aio record": (lambda out: [TOOL, "record", "-o", out, "--size", "1G", "--"], 0.97),
    "fuse-aio record --stacks": (lambda out: [TOOL, "record", "--stacks", "-o", out, "--size", "1G",
                                              "--"], 0.90),
    "strace -f -c": (lambda out: [harness.needs("strace"), "-f", "-c", "-o", out], None),
    "perf trace -s": (lambda out: [harness.needs("perf"), "trace", "-s", "-o", out], None),
}


def cost(way, opts):
    wrap, target = WAYS[way]
    plain = harness.lib_env(None)
    with harness.tmpfs_dir() as work, contextlib.ExitStack() as stack:
        bench_hot.tree(work / "files", bench_hot.FILES)
        ports = []
        for name, prefix in (("without", ()), ("with", wrap(work / "out"))):
            (work / name).mkdir()
            ports.append(harness.free_port())
            stack.enter_context(servers.nginx(work / "files", work / name, ports[-1], plain, wrap=prefix))
        return bench_hot.wrk_pair("record", f"nginx under {way}", ports, work, opts, target)


TOOLS = {
    "tar": ["tar", "-cf", "{out}", "."],
    "grep -r": ["grep", "-rc", "no such text", "."],
    "cp -r": ["cp", "-r", ".", "{out}"],
    "du -a": ["du", "-a", "."],
}


class Foretold:
    """One tool on a file system that waits: plain, recorded, and with the library."""

    def __init__(self, fs, work, command):
        self.fs, self.work, self.command = fs, work, command

    def run(self, env, *prefix):
        harness.drop_caches()
        out = self.work / "out"
        argv = [*prefix, *(str(out) if a == "{out}" else a for a in self.command)]
        start = time.perf_counter()
        subprocess.run(argv, cwd=self.fs.mountpoint, env=env, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL, timeout=300, check=False)
        took = time.perf_counter() - start
        if out.is_dir():
            shutil.rmtree(out)
        else:
            out.unlink(missing_ok=True)
        return took

    def foretold(self):
        """How many times faster `auto` would be, by a recording of a plain run."""
        file = self.work / "recording"
        self.run(harness.lib_env(None), TOOL, "record", "-o", file, "--size", "64M", "--")
        told = json.loads(subprocess.run([TOOL, "report", file, "--format", "json"], check=True,
                                         capture_output=True, text=True).stdout)
        return told["estimate"]["times"]

    def gained(self):
        return self.run(harness.lib_env(None)) / self.run(harness.lib_env("auto"))


def estimate(name, opts):
    with harness.tmpfs_dir() as work, contextlib.ExitStack() as stack:
        toolload.make_tree(work / "files", DIRS)
        fs = stack.enter_context(harness.slowfs(work / "files", work / "mnt", DELAY_US))
        tool = Foretold(fs, work, TOOLS[name])
        told, gains = [], []
        for _ in range(ROUNDS if opts.quick else opts.rounds):
            told.append(tool.foretold())
            gains.append(tool.gained())
        ratios = [t / g for t, g in zip(told, gains)]
        told.sort()
        gains.sort()
        low, high = quartiles(ratios)
        middle = len(gains) // 2
        return Row("estimate", f"{name}, slowfs 2 ms", "times faster", told[middle], gains[middle],
                   sorted(ratios)[middle], low, high, rounds=len(gains),
                   notes="foretold by a recording of a plain run : gained")


def run(opts, skipped):
    rows = []
    for part, names in ((cost, WAYS), (estimate, TOOLS)):
        for name in names:
            try:
                rows.append(part(name, opts))
            except harness.Missing as e:
                skipped.append(f"{name}: {e}")
    return rows
