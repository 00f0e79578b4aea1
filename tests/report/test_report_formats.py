# SPDX-License-Identifier: MIT
"""Formats: the table in its width, folded stacks read back, traces held against the
Trace Event Format."""
import fcntl
import json
import os
import pty
import struct
import subprocess
import termios

import pytest

import recordings as R
from reports import TOOL, report, report_json, tool

US, MS = 1000, 1_000_000


@pytest.fixture
def path(tmp_path):
    return R.sample().save(tmp_path / "r", 2 * MS)


def test_table_says_it_all(path):
    lines = report(path).splitlines()
    assert lines[0] == "prog --fast"
    assert lines[1].endswith("2.00 ms, 2 processes, 7 calls, 548 µs in them")
    cells = [line.split() for line in lines]
    assert ["open", "2", "1", "50.0", "%", "0", "162", "µs", "1.66", "µs", "160", "µs", "160", "µs", "160",
            "µs"] in cells
    assert ["open", "1", "1", "0", "0", "0", "64.0", "KiB", "200", "µs", "200", "µs"] in cells
    for text in ("prog+0x820 < prog+0xd00", "open fstat read close", "until their limit",
                 "what a chain opened is not what the path means now", "8:1 (not mounted now)",
                 "closes 112 µs, windows 239 µs, walks 0"):
        assert any(text in line for line in lines), text


@pytest.mark.parametrize("what", ["site", "sequence", "file", "fs", "thread", "op"])
def test_table_fits(tmp_path, what):
    r = R.Recording(command="prog " + "x" * 500)
    t = r.process(comm="a-name-of-15-ch")
    t.begins(0, "/usr/" + "b" * 200)
    for i in range(1, 101):
        t.file(i, f"/{'ä' * 60}/{'d' * 100}/{i}", dev=i)
        t.site(i + 200, *range(i, i + 30))
        t.call("read", i * 10**9, 10**9, i, i + 200, 1 << 50)
        t.sequence("open read " * 8, 0, 10**12, 2**60 + i, 1 << 62)
    lines = report(r.save(tmp_path / "r", 10**14), "--by", what).splitlines()
    assert max(map(len, lines)) <= 100
    assert not [line for line in lines if line.endswith(" ")]


def in_terminal(path, columns, **env):
    """What a report writes to a terminal of that width."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    child = subprocess.Popen([TOOL, "report", path], stdout=theirs, stderr=theirs,
                             env={k: v for k, v in os.environ.items() if k != "NO_COLOR"} | env)
    os.close(theirs)
    text = b""
    try:
        while more := os.read(ours, 65536):
            text += more
    except OSError:     # what the kernel says when the other side is closed
        pass
    os.close(ours)
    assert child.wait(10) == 0
    return text.decode()


def test_terminal(path):
    if not TOOL.exists():
        pytest.skip("not built")
    assert "\x1b[1mCalls" in in_terminal(path, 120)
    plain = in_terminal(path, 100, NO_COLOR="1")
    assert "\x1b" not in plain and "Calls" in plain
    longest = [max(map(len, in_terminal(path, n, NO_COLOR="1").splitlines())) for n in (100, 300)]
    assert longest[0] <= 100 < longest[1] <= 300


def test_dropped_records_stand_out(tmp_path):
    r = R.sample()
    r.dropped = 1234
    path = r.save(tmp_path / "r", 2 * MS)
    done = tool("report", path)
    assert "INCOMPLETE: the recording was full, 1,234 records were dropped" in done.stdout
    assert "1234 records were dropped" in done.stderr and done.returncode == 0
    assert json.loads(tool("report", "-f", "json", path).stdout)["dropped"] == 1234


def test_folded(path):
    found = {}
    for line in report(path, "--format", "folded").splitlines():
        stack, blocked = line.rsplit(" ", 1)
        found[tuple(stack.split(";"))] = int(blocked)
    # 320 ns are no microsecond.
    assert found == {("prog", "prog+0xd00", "prog+0x820", "read"): 240,
                     ("prog", "prog+0xd00", "prog+0x810", "open"): 162,
                     ("prog", "prog+0xd00", "prog+0x820", "close"): 112,
                     ("child", "prog+0xd00", "prog+0x810", "stat"): 32,
                     ("worker", "0x99999", "read"): 2}


def test_folded_names_do_not_break_lines(tmp_path):
    r = R.Recording()
    t = r.process(comm="a;b\n c")
    t.module(0, 100, 0, "/m;n")
    t.site(1, 5)
    t.call("read", 0, 2000, site=1)
    assert report(r.save(tmp_path / "r", MS), "-f", "folded") == "a:b\\x0a c;m:n+0x5;read 2\n"


def check_trace(trace):
    """The rules of the Trace Event Format for the phases that are used."""
    slices = {}
    for e in trace["traceEvents"]:
        assert isinstance(e["pid"], int) and isinstance(e["tid"], int) and isinstance(e["name"], str)
        assert isinstance(e.get("args", {}), dict)
        if e["ph"] == "M":
            assert e["name"] in ("process_name", "thread_name") and isinstance(e["args"]["name"], str)
            continue
        assert e["ts"] >= 0 and e["cat"]
        if e["ph"] == "X":
            assert e["dur"] >= 0
        elif e["ph"] == "i":
            assert e["s"] in "gpt"
        else:
            assert e["ph"] in "bne"
            slices.setdefault((e["cat"], e["id"]), []).append((e["ph"], e["ts"]))
    for events in slices.values():
        assert "".join(phase for phase, _ in events) in ("be", "bne")
        assert [ts for _, ts in events] == sorted(ts for _, ts in events)


def test_perfetto(path):
    trace = json.loads(report(path, "--format", "perfetto"))
    check_trace(trace)
    events = trace["traceEvents"]
    assert {(e["name"], e["pid"], e["tid"]): e["args"]["name"] for e in events if e["ph"] == "M"} == {
        ("process_name", 100, 0): "/usr/bin/prog", ("process_name", 200, 0): "/usr/bin/child",
        ("thread_name", 100, 100): "prog", ("thread_name", 100, 101): "worker",
        ("thread_name", 200, 200): "child"}
    calls = [e for e in events if e["ph"] == "X"]
    assert len(calls) == 7
    assert calls[0] == {"ph": "X", "pid": 100, "tid": 100, "name": "open", "ts": 1.0, "dur": 160.0, "cat": "call",
                        "args": {"file": "/data/d/one", "site": "prog+0x810", "result": 3}}
    assert calls[4]["args"]["errno"] == 2 and calls[5]["args"]["settled"]
    assert [(e["ph"], e["name"], e["ts"]) for e in events if e.get("cat") == "chain"] == [
        ("b", "open", 100), ("n", "ready", 300), ("e", "open", 400), ("b", "walk", 100), ("e", "walk", 900)]
    assert [(e["name"], e["ts"]) for e in events if e["ph"] == "i"] == [("stale", 650)]
    assert len([e for e in events if e.get("cat") == "hold"]) == 4


def test_perfetto_leaves_out_short_calls_where_there_are_many(tmp_path):
    r = R.Recording()
    t = r.process()
    t.file(1, '/"\\')
    for i in range(100_000):
        t.call("read", i * US, 992)
    t.call("read", 10**9, 1008, 1)
    trace = json.loads(report(r.save(tmp_path / "r", 2 * 10**9), "-f", "perfetto"))
    check_trace(trace)
    calls = [e for e in trace["traceEvents"] if e["ph"] == "X"]
    assert [(e["dur"], e["args"]["file"]) for e in calls] == [(1.008, '/"\\')]


def test_output_file(path, tmp_path):
    out = tmp_path / "out"
    assert report(path, "-f", "json", "-o", out) == ""
    assert json.loads(out.read_text()) == report_json(path)
