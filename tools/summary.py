#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""Runs the unit tests and adds up results, theirs and other JUnit files.

    summary.py --cmocka DIR    every DIR/test_*, 60 s each, JUnit into DIR/junit
    summary.py FILE.xml ...    only adds up

Ends with one line `N passed, N failed, N skipped`; the exit status is 1 when
something failed.
"""
import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET

LIMIT_S = 60
TAIL = 25  # lines of a crashed program's output that are worth showing


class Summary:
    """What is added up: counts, names of skipped tests, (name, message) of failures."""

    def __init__(self):
        self.passed = 0
        self.skipped = []
        self.failures = []

    def add(self, passed, failed, skipped, failures):
        """Takes what read_junit() returns; `failed` is len(failures)."""
        assert failed == len(failures)
        self.passed += passed
        self.skipped += skipped
        self.failures += failures

    @property
    def failed(self):
        return len(self.failures)

    def line(self):
        return f"{self.passed} passed, {self.failed} failed, {len(self.skipped)} skipped"

    def show(self, out=sys.stdout):
        """Failures with messages, skipped tests by name, and the one last line."""
        for name, message in self.failures:
            print(f"FAILED {name}", file=out)
            for row in message.strip().splitlines():
                print(f"    {row}", file=out)
        for name in self.skipped:
            print(f"skipped {name}", file=out)
        print(self.line(), file=out, flush=True)


def read_junit(path):
    """(passed, failed, skipped names, [(name, message)]) of one JUnit file.

    A file that cannot be read as XML counts as one failure.
    """
    passed, skipped, failures = 0, [], []
    try:
        root = ET.parse(path).getroot()
    except (OSError, ET.ParseError) as e:
        return 0, 1, [], [(os.path.basename(path), f"no readable result: {e}")]
    for suite in root.iter("testsuite"):
        for case in suite.findall("testcase"):
            group = case.get("classname") or suite.get("name") or ""
            name = f"{group}.{case.get('name', '?')}"
            bad = [x for x in case if x.tag in ("failure", "error")]
            skip = case.find("skipped")
            if bad:
                failures.append((name, "\n".join(
                    (x.text or x.get("message") or "").strip() for x in bad)))
            elif skip is not None:
                why = skip.get("message")
                skipped.append(f"{name}: {why}" if why else name)
            else:
                passed += 1
    return passed, len(failures), skipped, failures


def run_bounded(argv, env, limit=LIMIT_S):
    """(status, output): the process group is killed when the limit passes; None then."""
    with tempfile.TemporaryFile() as out:
        p = subprocess.Popen(argv, env=env, stdin=subprocess.DEVNULL, stdout=out,
                             stderr=subprocess.STDOUT, start_new_session=True)
        try:
            status = p.wait(limit)
        except subprocess.TimeoutExpired:
            status = None
        finally:
            try:
                os.killpg(p.pid, signal.SIGKILL)  # what it may have left, too
            except (ProcessLookupError, PermissionError):
                pass
            p.wait()
        out.seek(0)
        return status, out.read().decode(errors="replace")


def tail(output):
    return "\n".join(output.strip().splitlines()[-TAIL:])


def run_program(program, junit_dir, limit=LIMIT_S):
    """Runs one cmocka program; the same four values as read_junit()."""
    name = os.path.basename(program)
    xml = os.path.join(junit_dir, name + ".xml")
    if os.path.exists(xml):
        os.unlink(xml)  # cmocka writes into no existing file
    scratch = tempfile.mkdtemp(prefix="fa-unit-")
    env = dict(os.environ, CMOCKA_MESSAGE_OUTPUT="xml", CMOCKA_XML_FILE=xml, TMPDIR=scratch)
    env.pop("LD_PRELOAD", None)
    env = {k: v for k, v in env.items() if not k.startswith("FUSE_AIO_")}
    try:
        status, output = run_bounded([os.path.abspath(program)], env, limit)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    passed, skipped, failures = 0, [], []
    if os.path.exists(xml):
        passed, _, skipped, failures = read_junit(xml)
    if status is None:
        failures.append((name, f"still running after {limit} s\n{tail(output)}"))
    elif status < 0:
        failures.append((name, f"ended by signal {-status}\n{tail(output)}"))
    elif status != 0 and not failures:
        failures.append((name, f"exit status {status}\n{tail(output)}"))
    elif not passed and not skipped and not failures:
        failures.append((name, f"no results\n{tail(output)}"))
    # cmocka's format has no place for a reason; the test has said it.
    why = dict(re.findall(r"^skipped (\w+): (.*)$", output, re.M))
    skipped = [f"{s}: {why[s.split('.')[-1]]}" if s.split(".")[-1] in why else s
               for s in skipped]
    if failures and os.path.exists(xml):
        said = [r for r in output.splitlines() if re.match(r"\S+\.c:\d+: ", r)]
        if said:
            failures[-1] = (failures[-1][0], failures[-1][1] + "\n" + "\n".join(said[-TAIL:]))
    return passed, len(failures), skipped, failures


def cmocka_programs(directory):
    found = [os.path.join(directory, n) for n in sorted(os.listdir(directory))
             if n.startswith("test_")]
    return [p for p in found if os.path.isfile(p) and os.access(p, os.X_OK)]


def run_cmocka(directory, progress=None):
    """Every test_* of the directory, added up; the same four values as read_junit()."""
    junit_dir = os.path.join(directory, "junit")
    os.makedirs(junit_dir, exist_ok=True)
    total = Summary()
    programs = cmocka_programs(directory)
    if not programs:
        total.add(0, 1, [], [(str(directory), "there is no test_* to run")])
    for program in programs:
        one = run_program(program, junit_dir)
        total.add(*one)
        if progress:
            progress(f"{os.path.basename(program)}: {one[0]} passed, {one[1]} failed, "
                     f"{len(one[2])} skipped")
    return total.passed, total.failed, total.skipped, total.failures


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--cmocka", metavar="DIR", action="append", default=[],
                   help="run every test_* in it")
    p.add_argument("junit", nargs="*", help="JUnit files to add")
    args = p.parse_args()
    total = Summary()
    if not args.cmocka and not args.junit:
        p.error("nothing to add up")
    for directory in args.cmocka:
        total.add(*run_cmocka(directory, print))
    for path in args.junit:
        total.add(*read_junit(path))
    total.show()
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
