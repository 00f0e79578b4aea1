#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs all tests and sums them up: the unit tests, plain and under the
sanitizers, then the suites with real programs. The last line counts; skipped
tests are named above it. Options: --only SUITE (repeatable), --list."""
import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from summary import read_junit, run_cmocka

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build"

# In order: what is quick and basic first.
SUITES = ["unit", "asan", "ubsan", "tsan", "library", "support", "zoo", "events", "twin", "vsftpd",
          "servers", "web", "tools", "page"]
SANITIZERS = ("asan", "ubsan", "tsan")
LIMIT_S = 600


def cmocka(suite):
    """Builds (for a sanitizer) and runs the unit tests."""
    build = BUILD if suite == "unit" else BUILD / suite
    if suite in SANITIZERS:
        made = subprocess.run(["make", "-s", "-j2", suite, "GOAL=units"], cwd=ROOT)
        if made.returncode:
            return 0, 1, [], [(suite, "does not build")]
    return run_cmocka(build / "unit")


def pytest(suite):
    """Runs a directory of pytest files and reads its result file."""
    result = BUILD / "junit" / f"{suite}.xml"
    result.parent.mkdir(parents=True, exist_ok=True)
    result.unlink(missing_ok=True)
    command = ["/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider",
               f"--junit-xml={result}", f"tests/{suite}"]
    try:
        subprocess.run(command, cwd=ROOT, timeout=LIMIT_S, env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"})
    except subprocess.TimeoutExpired:
        return 0, 1, [], [(suite, f"not finished after {LIMIT_S} s")]
    if not result.exists():
        return 0, 1, [], [(suite, "ended without a result")]
    return read_junit(result)


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--only", action="append", choices=SUITES, metavar="SUITE")
    arguments.add_argument("--list", action="store_true")
    options = arguments.parse_args()
    if options.list:
        print("\n".join(SUITES))
        return 0
    passed, failed, skipped, failures = 0, 0, [], []
    for suite in options.only or SUITES:
        print(f"== {suite}", flush=True)
        start = time.monotonic()
        run = cmocka if suite == "unit" or suite in SANITIZERS else pytest
        p, f, s, why = run(suite)
        passed, failed = passed + p, failed + f
        skipped += [(suite, *item) if isinstance(item, tuple) else (suite, item) for item in s]
        failures += [(suite, *item) for item in why]
        print(f"== {suite}: {p} passed, {f} failed, {len(s)} skipped, "
              f"{time.monotonic() - start:.0f} s", flush=True)
    for item in skipped:
        print("skipped:", *item)
    for item in failures:
        print("FAILED:", *item)
    print(f"{passed} passed, {failed} failed, {len(skipped)} skipped")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
