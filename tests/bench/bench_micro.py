# SPDX-License-Identifier: MIT
"""What one interposed call costs on hot data, beside a preload that only forwards."""

import json
import statistics
import subprocess

import harness
from paired import Row, progress, quartiles

FAMILY = "microcosts"
VARIANTS = ("plain", "null", "off", "auto", "observe")
TARGETS = {"off": 15, "auto": 15, "observe": 60}


def environment(variant):
    if variant in ("plain", "null"):
        env = harness.lib_env(None)
        if variant == "null":
            env["LD_PRELOAD"] = str(harness.BUILD / "tests/bench/null_preload")
        return env
    return harness.lib_env(variant)


def run(opts):
    program = harness.BUILD / "tests/bench/micro"
    rounds = opts.rounds if not opts.quick else 3
    calls = 400 if opts.quick else 1000
    results = {v: [] for v in VARIANTS}
    per_go = {}
    with harness.tmpfs_dir() as work:
        for i in range(rounds):
            for v in VARIANTS if i % 2 == 0 else reversed(VARIANTS):
                progress(f"{FAMILY}: {v}, round {i + 1} of {rounds}")
                out = subprocess.run([program, work, str(calls)], env=environment(v),
                                     capture_output=True, check=True, timeout=120).stdout
                figures = json.loads(out)
                results[v].append({k: f[0] for k, f in figures.items()})
                per_go = {k: f[1] for k, f in figures.items()}
    progress("")
    rows = []
    for op, calls_in_it in per_go.items():
        plain = statistics.median(r[op] for r in results["plain"])
        for v in VARIANTS[1:]:
            over = [(r[op] - p[op]) / calls_in_it
                    for r, p in zip(results[v], results["plain"])]
            low, high = quartiles(over)
            rows.append(Row(FAMILY, f"{op}, {v}", "ns",
                            plain, statistics.median(r[op] for r in results[v]),
                            statistics.median(over), low, high, TARGETS.get(v), True, rounds,
                            extra={"op": op, "variant": v}))
    return rows
