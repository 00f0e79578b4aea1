# SPDX-License-Identifier: MIT
"""What is no recording, or no longer a whole one: a line that says so, and what is
good in it."""
import json
import os
import signal
import struct
import subprocess

import pytest

import recordings as R
from reports import TOOL, tool

MS = 1_000_000


def refused(path, text):
    done = tool("report", path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"fuse-aio: {path}: ") and text in done.stderr
    assert done.stderr.count("\n") == 1
    return True


def test_no_recordings(tmp_path):
    path = tmp_path / "r"
    assert refused(path, "No such file")
    assert refused(tmp_path, "a directory")
    path.touch()
    assert refused(path, "empty")
    for data in (b"x", b"#!/bin/sh\n" * 10000, R.MAGIC[:7]):
        path.write_bytes(data)
        assert refused(path, "not a recording")


def test_damaged_headers(tmp_path):
    r = R.sample()
    path = tmp_path / "r"
    path.write_bytes(r.header()[:100])
    assert refused(path, "cut short within its first page")
    assert refused(r.save(path, 1, version=2), "format 2, made by another version")
    assert refused(r.save(path, 1, version=0x01000000), "byte order")
    assert refused(r.save(path, 1, block_size=4096), "damaged")
    assert refused(r.save(path, 1, header_size=0), "damaged")


def test_no_regular_file(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    assert refused(tmp_path / "fifo", "no regular file")
    assert refused("/dev/zero", "no regular file")


def test_unreadable(tmpfs):
    path = R.sample().save(tmpfs / "r", MS)
    path.chmod(0)
    nobody = {"user": 65534} if os.geteuid() == 0 else {}
    try:
        done = tool("report", path, **nobody)
    except PermissionError:
        pytest.skip("another user cannot run the program where it is")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"fuse-aio: {path}: Permission denied\n")


def partial(path, *complaints):
    """The report of a file that is not whole."""
    done = tool("report", "--format", "json", path)
    assert done.returncode == 0
    lines = done.stderr.splitlines()
    assert len(lines) == len(complaints) and all(c in line for c, line in zip(complaints, lines)), done.stderr
    return json.loads(done.stdout)


def test_killed(tmp_path):
    got = partial(R.sample().save(tmp_path / "r"), "killed, or still going on")
    assert not got["complete"] and sum(c["count"] for c in got["calls"]) == 7
    # Until the last thing that happened.
    assert got["duration_ns"] == 1_950_000


def test_room_that_was_not_used(tmp_path):
    r = R.sample()
    path = r.save(tmp_path / "r", blocks=1000)
    os.truncate(path, R.HEADER + 1000 * R.BLOCK)
    assert sum(c["count"] for c in partial(path, "killed")["calls"]) == 7


def test_taken_but_not_begun(tmp_path):
    r = R.sample()
    path = r.save(tmp_path / "r", 2 * MS, blocks=10, next=7)
    os.truncate(path, R.HEADER + 10 * R.BLOCK)
    assert partial(path)["passed_over"] == 0


def test_cut_at_every_thousand_bytes(tmp_path):
    r = R.Recording()
    t = r.process()
    t.begins(0, "/bin/x")
    for i in range(1, 1801):
        t.file(i, f"/{i}")
        t.call("read", i * 1000, 160, i)
    data = r.data(5 * MS)
    sizes = range(0, len(data), 1000)
    assert len(sizes) > 130
    path, seen = tmp_path / "r", -1
    for size in sizes:
        path.write_bytes(data[:size])
        done = tool("report", "-f", "json", path)
        if size < R.HEADER:
            assert done.returncode == 1 and done.stderr.count("\n") == 1
            continue
        assert done.returncode == 0 and "cut short" in done.stderr
        got = json.loads(done.stdout)
        count = sum(c["count"] for c in got["calls"])
        assert count >= seen and not got["complete"]
        seen = count
    assert 1750 < seen <= 1800


def test_records_that_make_no_sense(tmp_path):
    r = R.Recording()
    t = r.process()
    t.raw(struct.pack("<BBBBIQ", 99, 2, 0, 0, 0, 0))                    # a kind of later times
    t.raw(struct.pack("<BBBBI", R.CALL, 1, 0, 0, 0))                    # too short for a call
    t.raw(struct.pack("<BBBBI24x", R.CALL, 4, 77, 0, 0))                # a class of later times
    t.chain(77, 0, 0, 0, 0)
    t.raw(struct.pack("<BBBBIQ", R.FALLBACK, 2, 250, 0, 0, 0))
    t.call("read", 0, 160)
    t.raw(struct.pack("<BBBBI", R.CALL, 0, 0, 0, 0))                    # without a length: the last
    t.call("read", 0, 160)
    got = partial(r.save(tmp_path / "r", MS), "passed over 6 blocks or records")
    assert got["passed_over"] == 6 and got["calls"][0]["count"] == 1


def test_blocks_that_make_no_sense(tmp_path):
    r = R.Recording()
    for i in range(3):
        r.process(i).call("read", 0, 160)
    data = bytearray(r.data(MS))
    data[R.HEADER:R.HEADER + 4] = b"????"                               # no block
    at = R.HEADER + R.BLOCK + 4
    data[at:at + 4] = struct.pack("<I", 1 << 30)                        # more used than there is
    path = tmp_path / "r"
    path.write_bytes(data)
    got = partial(path, "passed over 3 blocks or records")
    assert got["calls"][0]["count"] == 2


def test_no_clock(tmp_path):
    r = R.Recording(hz=0)
    r.process().call("read", 0, 160)
    got = partial(r.save(tmp_path / "r", begin_ns=0), "killed", "how long a cycle is")
    assert got["calls"][0]["blocked_ns"] == 160


def test_usage():
    for args in ([], ["a", "b"], ["--format", "x", "a"], ["--by", "x", "a"], ["--top", "0", "a"],
                 ["--top", "x", "a"]):
        done = tool("report", *args)
        assert done.returncode == 64 and done.stdout == "" and "fuse-aio report: " in done.stderr
    help_text = tool("report", "--help").stdout
    assert "--by" in help_text and len(help_text.splitlines()) < 24


@pytest.mark.parametrize("format", ["table", "json", "folded", "perfetto"])
def test_output_that_cannot_be_written(tmp_path, format):
    path = R.sample().save(tmp_path / "r", 2 * MS)
    done = tool("report", "-f", format, "-o", tmp_path / "no" / "where", path)
    assert done.returncode == 1 and "No such file" in done.stderr
    done = tool("report", "-f", format, "-o", "/dev/full", path)
    assert (done.returncode, done.stderr) == (1, "fuse-aio: /dev/full: No space left on device; "
                                                 "it is not complete\n")
    with open("/dev/full", "wb") as full:
        done = subprocess.run([TOOL, "report", "-f", format, path], stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (1, "fuse-aio: writing: No space left on device\n")


@pytest.mark.parametrize("handler", [signal.SIG_DFL, signal.SIG_IGN])
@pytest.mark.parametrize("format", ["table", "json", "folded", "perfetto"])
def test_reader_that_goes(tmp_path, format, handler):
    r = R.Recording()
    t = r.process()
    for i in range(1, 3001):
        t.site(i, i)
        t.call("read", i * 1000, 16000, site=i)
    path = r.save(tmp_path / "r", 10 * MS)
    child = subprocess.Popen([TOOL, "report", "-f", format, "--top", "3000", path], stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, restore_signals=False,
                             preexec_fn=lambda: signal.signal(signal.SIGPIPE, handler))
    child.stdout.read(1)
    child.stdout.close()
    assert child.stderr.read() == b""
    child.stderr.close()
    child.wait(20)
