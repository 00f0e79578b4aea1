#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""All benchmarks: prints a table, writes build/bench/results.json and SVG charts,
and with --publish the charts and docs/PERFORMANCE.md as well."""

import argparse
import datetime
import json
import os
import platform
import signal
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support")]

import bench_atcall  # noqa: E402
import bench_events  # noqa: E402
import bench_fuse  # noqa: E402
import bench_hot  # noqa: E402
import bench_micro  # noqa: E402
import bench_record  # noqa: E402
import bench_slow  # noqa: E402
import bench_tools  # noqa: E402
import harness  # noqa: E402
import report  # noqa: E402


def rows_of(parts):
    """Scenarios that give one row each; what this machine lacks is left out."""
    def run(opts, skipped):
        rows = []
        for part in parts:
            try:
                rows.append(part(opts))
            except harness.Missing as e:
                skipped.append(f"{part.__name__}: {e}")
        return rows
    return run


SCENARIOS = {
    "micro": lambda opts, skipped: bench_micro.run(opts),
    "hot": rows_of(bench_hot.PARTS),
    "slow": bench_slow.run,
    "events": bench_events.run,
    "tools": bench_tools.run,
    "record": bench_record.run,
    "atcall": bench_atcall.run,
    "fuse": bench_fuse.run,
    "slowfs": rows_of((bench_slow.capacity,)),
}


def machine():
    cpu = platform.processor() or platform.machine()
    with open("/proc/cpuinfo") as f:
        for line in f:
            if line.startswith("model name"):
                cpu = line.split(":", 1)[1].strip()
                break
    return {"cpu": cpu, "cores": os.cpu_count(), "kernel": platform.release(),
            "arch": platform.machine(), "libc": " ".join(platform.libc_ver()),
            "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")}


def arguments():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--quick", action="store_true", help="fewer and shorter runs, a minute or two")
    p.add_argument("--only", action="append", choices=SCENARIOS, metavar="NAME",
                   help="only this scenario (repeatable): " + ", ".join(SCENARIOS))
    p.add_argument("--match", default="", metavar="TEXT",
                   help="of tools and fuse only what has this in its name")
    p.add_argument("--rounds", type=int, default=5, help="pairs per figure, at least 5")
    p.add_argument("--publish", action="store_true",
                   help="also write docs/PERFORMANCE.md and docs/img")
    opts = p.parse_args()
    if opts.rounds < 5:
        p.error("--rounds: at least 5")
    if opts.publish and (opts.quick or opts.match):
        p.error("--publish wants the full runs: not with --quick or --match")
    return opts


def main():
    opts = arguments()

    def terminated(signum, frame):
        raise KeyboardInterrupt
    signal.signal(signal.SIGTERM, terminated)

    needed = [harness.LIB, harness.SLOWFS,
              *(harness.BUILD / "tests/bench" / n
                for n in ("atcall", "batch", "blocking_server", "downloads", "filter_exec",
                          "httpload", "micro", "null_preload", "relay", "slowfs_depth",
                          "toolrun"))]
    for path in needed:
        if not path.exists():
            sys.exit(f"bench: {path} is not built: run make bench")
    out = harness.BUILD / "bench"
    out.mkdir(parents=True, exist_ok=True)
    rows, skipped = [], []
    for name in opts.only or SCENARIOS:
        try:
            found = SCENARIOS[name](opts, skipped)
        except harness.Missing as e:
            skipped.append(f"{name}: {e}")
            continue
        report.print_rows(found)
        rows += found
    results = {"machine": machine(), "quick": opts.quick, "skipped": skipped,
               "rows": [r.as_dict() for r in rows]}
    (out / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    charts = report.charts(rows, out)
    for line in skipped:
        print("left out:", line)
    print(f"\n{out / 'results.json'}" + "".join(f"\n{c}" for c in charts))
    if opts.publish:
        report.publish(results, rows, charts, harness.ROOT / "docs")
    missed = [r for r in rows if r.met is False]
    print(f"\n{sum(r.met is True for r in rows)} targets met, {len(missed)} missed"
          + "".join(f"\n  missed: {r.family}: {r.name}: {report.value_text(r)}"
                    f" (target {report.target_text(r)})" for r in missed))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
