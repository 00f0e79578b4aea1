# SPDX-License-Identifier: MIT
"""`fuse-aio diff`: two recordings beside each other."""
import json
import subprocess

import pytest

import recordings as R
from reports import TOOL, by, tool

MS, S = 1_000_000, 1_000_000_000


@pytest.fixture
def pair(tmp_path):
    """One that waits for its closes, one that does not and reads more."""
    a, b = R.Recording("prog"), R.Recording("prog")
    for r, took, mode, end in ((a, 80 * MS, 1, S), (b, 160_000, 0, 300 * MS)):
        t = r.process()
        t.begins(0, "/bin/prog", mode=mode)
        for i in range(10):
            t.call("close", i * 100 * MS, took)
            t.sequence("open close", i * 100 * MS, i * 100 * MS + took, took)
        t.ends(end)
    t.call("read", 0, 16_000)
    t.sequence("open read close", 0, 1, 16_000)
    return a.save(tmp_path / "a", S), b.save(tmp_path / "b", 300 * MS)


def test_json(pair):
    done = tool("diff", "--format", "json", *pair)
    assert (done.returncode, done.stderr) == (0, "")
    got = json.loads(done.stdout)
    calls = by(got["calls"], "op")
    assert list(calls) == ["read", "close"]
    assert calls["close"]["ratio"] == 500
    assert calls["close"]["a"] == {"count": 10, "blocked_ns": 800 * MS,
                                   "ns": dict.fromkeys(("p50", "p90", "p99", "max"), 80 * MS)}
    assert calls["read"]["a"] == {"count": 0, "blocked_ns": 0, "ns": None} and calls["read"]["ratio"] is None
    sequences = by(got["sequences"], "signature")
    assert list(sequences) == ["open close", "open read close"]
    assert sequences["open close"]["b"]["blocked_ns"] == 1_600_000
    assert got["gained_ns"] == 800 * MS - 1_616_000
    assert got["a"] == {"file": str(pair[0]), "duration_ns": S, "blocked_ns": 800 * MS, "hidden_ns": 800 * MS,
                        "wall_ns": S, "estimated_wall_ns": 200 * MS}
    assert got["b"]["wall_ns"] == 300 * MS


def test_table(pair):
    lines = tool("diff", *pair).stdout.splitlines()
    cells = [line.split() for line in lines]
    assert "10 80.0 ms 80.0 ms 800 ms 10 160 µs 160 µs 1.60 ms 500.00 close".split() in cells
    assert "- 1 16.0 µs 16.0 µs 16.0 µs read".split() in cells
    assert "hidden, as estimated from A:  800 ms" in lines
    assert "gained in B:                  798 ms" in lines
    assert "/bin/prog: 1.00 s in A, estimated 200 ms, 300 ms in B" in lines
    assert max(map(len, lines)) <= 100


def test_the_other_way_round(pair):
    lines = tool("diff", pair[1], pair[0]).stdout.splitlines()
    assert "gained in B:                  -798 ms" in lines


def test_errors(pair, tmp_path):
    done = tool("diff", pair[0], tmp_path / "none")
    assert (done.returncode, done.stdout) == (1, "") and done.stderr.count("\n") == 1
    for args in ([], [pair[0]], [*pair, pair[0]], ["-f", "html", *pair]):
        done = tool("diff", *args)
        assert done.returncode == 64 and done.stdout == "" and "fuse-aio diff: " in done.stderr
    with open("/dev/full", "wb") as full:
        done = subprocess.run([TOOL, "diff", *pair], stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
