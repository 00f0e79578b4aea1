# SPDX-License-Identifier: MIT
"""Runs the zoo's programs with and without the library, each run in a fresh
directory of the same files on a slow or a local file system, and compares what
they print and how they end."""
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from harness import BUILD, lib_env, read_stats, total

PROGRAMS = BUILD / "tests" / "zoo"
DELAY_US = 1000
LIMIT_S = 60


def program(name):
    path = PROGRAMS / name
    if not path.exists():
        pytest.skip(f"{path} is not built (make programs)")
    return path


def fill(directory):
    """f00..f15 of different sizes, readable by all, and one that is not."""
    directory.mkdir()
    directory.chmod(0o755)
    for i in range(16):
        path = directory / f"f{i:02}"
        path.write_bytes(bytes((i + j * 7) % 256 for j in range(500 + i * 3001)))
        path.chmod(0o644)
    secret = directory / "secret"
    secret.write_bytes(b"secret" * 100)
    secret.chmod(0o400)


class Place:
    """A directory tree for runs: .backing is where it is made, .root where programs
    see it."""

    def __init__(self, backing, root, slow):
        self.backing, self.root, self.slow = Path(backing), Path(root), slow
        self.runs = 0

    def new(self):
        self.runs += 1
        top = self.backing / f"r{self.runs}"
        top.mkdir()
        top.chmod(0o755)
        fill(top / "d")
        return Path(self.root) / top.name / "d"

    def done(self, directory):
        shutil.rmtree(self.backing / directory.parent.name, ignore_errors=True)


class Run:
    def __init__(self, out, err, status, stats):
        self.out, self.err, self.status, self.stats = out, err, status, stats

    def __repr__(self):
        return f"status {self.status}\n{self.out}{self.err}stats: {self.stats}"


def once(place, argv, env, stats=None, **more):
    """One run in a new directory."""
    cwd = place.new()
    try:
        done = subprocess.run([str(a) for a in argv], cwd=cwd, env=env, text=True,
                              errors="replace", stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=LIMIT_S, **more)
    finally:
        place.done(cwd)
    return Run(done.stdout, done.stderr, done.returncode,
               read_stats(stats) if stats else [])


def compare(place, argv, tmp, wrap=(), env=None, alters=None, **more):
    """Runs without, in mode fuse and in auto; the outcome in auto, once it is known to be
    equal. `alters` changes what the environment of both has been made to."""
    name, *rest = argv if isinstance(argv, (list, tuple)) else argv.split()
    command = [*wrap, program(name), *rest]
    alters = alters or (lambda e: e)
    plain = once(place, command, alters(lib_env(None)), **more)
    runs = {}
    for mode in ("fuse", "auto"):
        stats = tmp / "stats"
        stats.unlink(missing_ok=True)
        stats.touch()
        stats.chmod(0o666)
        run = once(place, command, alters(lib_env(mode, stats, **(env or {}))), stats, **more)
        assert (run.status, run.out, run.err) == (plain.status, plain.out, plain.err), \
            f"without: {plain}\nin mode {mode}: {run}"
        runs[mode] = run
    return runs["auto"]


def learned(run, closes=True, threads=False):
    """The library was at work in this run: without that, equality proves nothing.
    A process with threads opens nothing ahead."""
    assert total(run.stats, "futures.created" if threads else "futures.adopted") > 0, run
    if closes:
        assert total(run.stats, "sqes") > 0, run
    return run


def lines(run):
    return len(run.stats)
