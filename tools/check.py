#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs all tests and sums them up: the unit tests, plain and under the
sanitizers, then the suites with real programs, three at a time, for most of them
wait. What a suite prints comes when it has ended. The last line counts; skipped
tests are named above it."""
import argparse
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from summary import read_junit, run_cmocka

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"

# In order: what is basic first, then what takes long; what computes between what waits.
SUITES = ["unit", "library", "support", "twin", "servers", "asan", "vsftpd", "web", "zoo",
          "ubsan", "events", "promise", "tsan", "tools", "command", "top", "report", "page"]
SANITIZERS = ("asan", "ubsan", "tsan")
LIMIT_S = 600


def output_of(command, **more):
    """Runs it and gives all that it prints; None: it took too long."""
    try:
        return subprocess.run(command, cwd=ROOT, timeout=LIMIT_S, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", **more)
    except subprocess.TimeoutExpired as late:
        said = late.output or ""
        return subprocess.CompletedProcess(command, None,
                                           said if isinstance(said, str) else said.decode(errors="replace"))


def cmocka(suite):
    """Builds (for a sanitizer) and runs the unit tests."""
    build = BUILD if suite == "unit" else BUILD / suite
    if suite in SANITIZERS:
        made = output_of(["make", "-s", "-j2", suite, "GOAL=units"])
        if made.returncode != 0:
            return made.stdout, (0, 1, [], [(suite, "does not build")])
    return "", run_cmocka(build / "unit")


def pytest(suite):
    """Runs a directory of pytest files and reads its result file."""
    result = BUILD / "junit" / f"{suite}.xml"
    result.parent.mkdir(parents=True, exist_ok=True)
    result.unlink(missing_ok=True)
    ran = output_of(["/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider",
                     f"--junit-xml={result}", f"tests/{suite}"],
                    env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"})
    if ran.returncode is None:
        return ran.stdout, (0, 1, [], [(suite, f"not finished after {LIMIT_S} s")])
    if not result.exists():
        return ran.stdout, (0, 1, [], [(suite, "ended without a result")])
    return ran.stdout, read_junit(result)


def one(suite):
    """A suite's counts; prints what it has printed, in one piece."""
    start = time.monotonic()
    said, (passed, failed, skipped, why) = (
        cmocka if suite == "unit" or suite in SANITIZERS else pytest)(suite)
    sys.stdout.write(f"{said}== {suite}: {passed} passed, {failed} failed, {len(skipped)} skipped, "
                     f"{time.monotonic() - start:.0f} s\n")
    sys.stdout.flush()
    return passed, failed, skipped, why


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--only", action="append", choices=SUITES, metavar="SUITE")
    arguments.add_argument("--list", action="store_true")
    arguments.add_argument("--jobs", type=int, default=3, help="suites at a time (default: 3)")
    options = arguments.parse_args()
    if options.list:
        print("\n".join(SUITES))
        return 0
    suites = options.only or SUITES
    passed, failed, skipped, failures = 0, 0, [], []
    with ThreadPoolExecutor(options.jobs) as pool:
        for suite, (p, f, s, why) in zip(suites, pool.map(one, suites)):
            passed, failed = passed + p, failed + f
            skipped += [(suite, *item) if isinstance(item, tuple) else (suite, item) for item in s]
            failures += [(suite, *item) for item in why]
    for item in skipped:
        print("skipped:", *item)
    for item in failures:
        print("FAILED:", *item)
    print(f"{passed} passed, {failed} failed, {len(skipped)} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
