# SPDX-License-Identifier: MIT
"""A process may have anything in its memory: it gets a line that says so, and the
others are read as ever."""

import contextlib
import json
import os
import time

import pytest

from toptool import caller, liar, read, read_one, top

LIES = {
    "cyclic": "list of threads does not end", "huge": "counts", "sum": "counts",
    "nowhere": "addresses", "wraps": "addresses", "thread": "addresses", "hints": "addresses",
    "mode": "mode", "version": "version 9", "counters": "another version", "regimes": "sizes",
    "regime_size": "sizes", "op": "sizes", "score": "sizes", "dev": "sizes",
}


def read_all(pid):
    """With what is wrong, which ends a reading of single processes."""
    return [p for p in read()["processes"] if p["pid"] == pid]


def test_the_truth_is_read():
    """What the lies are made of is right but for the lie."""
    with liar("truth") as proc:
        seen = read_one(proc.pid)
    assert seen["threads"] == 3 and seen["mode"] == "auto" and not seen["off"]
    assert seen["totals"]["calls"] == 30 and seen["totals"]["passthrough"] == 18
    assert {k: v for k, v in seen["fallbacks"].items() if v} == {"stale": 3}
    assert [(r["dev"], r["op"], r["wait_ns"], r["cold"]) for r in seen["regimes"]] == [
        ("0:5", "open", 2000000, True)]


@pytest.mark.parametrize("kind", LIES)
def test_lie(kind):
    with liar(kind) as proc:
        done = top("--once", proc.pid)
        assert done.returncode == 1 and not done.stdout
        assert f"process {proc.pid} (liar)" in done.stderr and LIES[kind] in done.stderr
        assert len(done.stderr.splitlines()) == 1
        process, = read_all(proc.pid)
        assert LIES[kind] in process["error"] and "totals" not in process


def test_table_that_changes_meanwhile():
    """By chance it may have held still for as long as a reading takes."""
    with liar("restless") as proc:
        process, = read_all(proc.pid)
        assert "changes all the time" in process.get("error", "") or process["totals"]["calls"] == 30


def test_garbled_headers():
    """Whatever it is taken for, reading it is over soon and breaks nothing."""
    with contextlib.ExitStack() as stack:
        procs = [stack.enter_context(liar(f"garble{seed}")) for seed in range(40)]
        start = time.monotonic()
        listed = {p["pid"]: p for p in read()["processes"]}
        assert time.monotonic() - start < 2     # no reading had to be given up
        found = [listed[p.pid] for p in procs if p.pid in listed]
        for process in found:
            assert "did not end" not in process.get("error", "")
        assert 0 < len(found) < len(procs)


def test_memory_that_never_comes():
    """It costs two seconds, once, and only itself."""
    with liar("silent") as proc, caller("/etc/passwd") as c:
        c.tell("c")
        start = time.monotonic()
        done = top("--once", "--interval", "0.1", "--json")
        assert time.monotonic() - start < 8
        listed = {p["pid"]: p for p in json.loads(done.stdout)["processes"]}
        assert "did not end" in listed[proc.pid]["error"]
        assert listed[c.pid]["totals"]["calls"] > 0 and listed[c.pid]["rates"]["calls"] == 0


@pytest.mark.parametrize("name,shown", [
    (b"a\x1b[2Jb\rc\n\x07", r"a\x1b[2Jb\x0dc\x0a\x07"),
    (b"\xff\xc0\x80z\xe2\x82", r"\xff\xc0\x80z\xe2\x82"),
    ("gr\u00fc\u00df \u65e5\u672c".encode(), "gr\u00fc\u00df \u65e5\u672c"),
    ("\u202egnp\u2066x\u0085".encode(), r"\xe2\x80\xaegnp\xe2\x81\xa6x\xc2\x85"),
    (b'"\\{}', '"\\{}'),
    (b"x" * 64, "x" * 63),
])
def test_name(name, shown):
    with liar("truth", os.fsdecode(name)) as proc:
        assert read_one(proc.pid)["program"] == shown
        text = top("--once", "-i", "0.1", proc.pid).stdout
        assert not any(ord(c) < 32 and c != "\n" for c in text)
        assert len(text.splitlines()) <= 4


def test_table_of_an_ordinary_program_is_not_sought():
    """The name of a file alone makes nobody have the library."""
    with caller("/etc/passwd", env=os.environ | {"LD_PRELOAD": ""}) as c:
        done = top("--once", c.pid)
        assert done.returncode == 1
        assert "does not have the library" in done.stderr and "fuse-aio run" in done.stderr
