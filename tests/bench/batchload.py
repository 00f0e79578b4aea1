# SPDX-License-Identifier: MIT
"""Runs of tests/bench/batch.c, what a server does with files in memory, and what is
made of their figures."""

import json
import os
import statistics
import subprocess
from dataclasses import dataclass

import harness
from paired import Row, measured, quartiles

PROGRAM = harness.BUILD / "tests/bench/batch"
FILTER = harness.BUILD / "tests/bench/filter_exec"
FILES = 64
MODES = (None, "fuse", "auto")
FILTERS = {"": [], "filter": [FILTER], "filter at each entry": [FILTER, "-a"]}


@dataclass(frozen=True)
class Batch:
    """What is repeated."""
    size: int
    count: int
    blocking: bool = False
    filter: str = ""
    tmpfs: bool = False

    @property
    def name(self):
        kind = "blocking, " if self.blocking else ""
        kind += "filter run at each entry, " if self.filter == "filter at each entry" else ""
        kind += "tmpfs, " if self.tmpfs else ""
        return f"{kind}{self.size >> 10} KiB, batches of {self.count}"


def make_files(top, size):
    top.mkdir()
    for i in range(FILES):
        (top / f"f{i:02d}").write_bytes(os.urandom(size))


def once(batch, mode, files, work, seconds, warmup):
    """Figures of one run; with the library also what it promised."""
    stats = work / "stats"
    stats.unlink(missing_ok=True)
    env = harness.lib_env(None)
    if mode:
        # Without `ring` the library does nothing behind a filter.
        env = harness.lib_env(mode, stats=stats, **({"ring": 1} if batch.filter else {}))
    argv = [*FILTERS[batch.filter], PROGRAM, "-s", batch.size, "-n", batch.count,
            "-t", seconds, "-w", warmup, *(["-b"] if batch.blocking else []),
            files]
    done = subprocess.run([str(a) for a in argv], env=env, capture_output=True, text=True,
                          timeout=120)
    if done.returncode == 77:
        harness.skip(done.stderr.strip())
    if done.returncode:
        raise RuntimeError(f"{batch.name}, {mode or 'plain'}: {done.stderr.strip()}")
    figures = json.loads(done.stdout)
    lines = harness.read_stats(stats)
    # Of header, file and close of each.
    figures["promised"] = harness.total(lines, "promises.promised") / (3 * figures["all"])
    return figures


def _median(runs, key):
    return statistics.median(r[key] for r in runs)


def row(family, batch, files, work, opts):
    """Time per file plain and in fuse; CPU time and auto in the notes."""
    seconds, warmup, rounds = (0.06, 0.03, 3) if opts.quick else (0.07, 0.03, opts.rounds)
    tried = 0.3     # until auto has made up its mind
    plain, fuse, auto = measured(
        f"{family}: {batch.name}",
        lambda v, _: once(batch, MODES[v], files, work, seconds,
                          tried if MODES[v] == "auto" else warmup), rounds, len(MODES))
    gains = [p["wall_ns"] / f["wall_ns"] for p, f in zip(plain, fuse)]
    low, high = quartiles(gains)
    sides = {name: {k: _median(runs, k)
                    for k in ("files", "wall_ns", "cpu_ns", "process_ns", "waits", "promised")}
             for name, runs in (("plain", plain), ("fuse", fuse), ("auto", auto))}
    p, f, a = sides.values()
    notes = (f"CPU {p['process_ns']:,.0f}, {f['process_ns']:,.0f} ns"
             f" ({p['process_ns'] / f['process_ns']:.2f} x); auto {a['wall_ns']:,.0f} ns,"
             f" CPU {a['process_ns']:,.0f} ns")
    notes += f", promised {a['promised']:.0%}"
    if f["promised"] < 0.95:
        notes += f"; fuse promised {f['promised']:.0%}"
    return Row(family, batch.name, "ns/file", p["wall_ns"], f["wall_ns"],
               statistics.median(gains), low, high, rounds=rounds, notes=notes,
               extra={"size": batch.size, "batch": batch.count, "blocking": batch.blocking,
                      "filter": batch.filter, "sides": sides})
