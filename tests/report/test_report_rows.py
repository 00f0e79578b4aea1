# SPDX-License-Identifier: MIT
"""The rows of a report: what is one site, one file, one file system."""
import os

import pytest

import recordings as R
from reports import by, report_json

MS = 1_000_000


@pytest.fixture
def rows(tmp_path):
    """rows(by) of the sample: name -> (count, cold, bytes, blocked)"""
    path = R.sample().save(tmp_path / "r", 2 * MS)

    def get(what):
        got = report_json(path, "--by", what)
        assert got["by"] == what
        blocked = [row["blocked_ns"] for row in got["rows"]]
        assert blocked == sorted(blocked, reverse=True)
        return {row["name"]: tuple(row[k] for k in ("count", "cold", "bytes", "blocked_ns"))
                for row in got["rows"]}
    return get


def test_by_site(rows):
    # 1 in the parent and 20 in the child, which has no modules of its own, are one.
    assert rows("site") == {"prog+0x820": (3, 2, 4096, 352_320), "prog+0x810": (3, 1, 0, 193_600),
                            "0x99999": (1, 0, 100, 1600)}


def test_by_file(rows):
    # A path and the same path relative to a directory are one.
    assert rows("file") == {"/data/d/one": (4, 3, 4096, 512_320), "/data/two": (3, 0, 100, 35_200)}


def test_by_fs(rows):
    assert rows("fs") == {"8:1": (4, 3, 4096, 512_320), "8:2": (3, 0, 100, 35_200)}


def test_by_thread(rows):
    assert rows("thread") == {"prog/100": (5, 3, 4096, 513_920), "child/200": (1, 0, 0, 32_000),
                              "worker/101": (1, 0, 100, 1600)}


def test_by_op(rows):
    assert rows("op") == {"read": (2, 1, 4196, 241_600), "open": (2, 1, 0, 161_600),
                          "close": (1, 1, 0, 112_000), "stat": (1, 0, 0, 32_000), "fstat": (1, 0, 0, 320)}


def test_by_sequence(rows):
    assert rows("sequence") == {"open fstat read close": (1, 1, 4096, 512_320)}


def test_what_is_not_known(tmp_path):
    r = R.Recording()
    r.process().call("read", 0, 160, file=5, site=6)
    path = r.save(tmp_path / "r", MS)
    assert [report_json(path, "--by", what)["rows"][0]["name"] for what in ("site", "file", "fs")] == [
        "(call site not known)", "(file not known)", "(file system not known)"]


def test_mount_point(tmp_path):
    r = R.Recording()
    t = r.process()
    t.file(1, "/proc/x", dev=os.stat("/proc").st_dev)
    t.call("read", 0, 160, 1)
    assert report_json(r.save(tmp_path / "r", MS), "--by", "fs")["rows"][0]["detail"] == "/proc"


@pytest.mark.parametrize("paths", [["/a/b/c"], ["/a/b/", "c"], ["/", "a/b/c"], ["/a", "b", "c"], ["/a", "b//", "c/"]])
def test_ways_to_write_one_path(tmp_path, paths):
    r = R.Recording()
    t = r.process()
    t.file(100, "/a/b/c")
    for i, path in enumerate(paths):
        t.file(i + 1, path, directory=i)
    t.call("read", 0, 160, 100)
    t.call("read", 1000, 160, len(paths))
    rows = report_json(r.save(tmp_path / "r", MS), "--by", "file")["rows"]
    assert [(row["name"], row["count"]) for row in rows] == [("/a/b/c", 2)]


def test_names_that_come_late_and_directories_in_a_circle(tmp_path):
    r = R.Recording()
    t, u = r.process(1), r.process(2)
    t.call("read", 0, 1600, 1)
    t.call("read", 0, 160, 2)
    u.file(1, "name", directory=9)
    u.file(9, "/dir")
    u.file(2, "x", directory=3)
    u.file(3, "y", directory=2)
    rows = by(report_json(r.save(tmp_path / "r", MS), "--by", "file")["rows"], "name")
    assert rows["/dir/name"]["count"] == 1 and len(rows) == 2


@pytest.mark.parametrize("path,shown", [(b"/a\xff\x1b[31mb\n", r"/a\xff\x1b[31mb\x0a"), ("/ä;\"\\".encode(), "/ä;\"\\"),
                                        (b"/\xc3", r"/\xc3"), (b"/\xed\xa0\x80", r"/\xed\xa0\x80")])
def test_names_are_harmless(tmp_path, path, shown):
    r = R.Recording()
    t = r.process()
    t.file(1, path)
    t.call("read", 0, 160, 1)
    assert report_json(r.save(tmp_path / "r", MS), "--by", "file")["rows"][0]["name"] == shown


def test_top(tmp_path):
    r = R.Recording()
    t = r.process()
    for i in range(1, 51):
        t.file(i, f"/{i}")
        t.call("read", 0, i * 160, i)
    path = r.save(tmp_path / "r", MS)
    names = [row["name"] for row in report_json(path, "--by", "file", "--top", "7")["rows"]]
    assert names == [f"/{i}" for i in range(50, 43, -1)]


def test_a_thread_keeps_its_last_name(tmp_path):
    r = R.Recording()
    t = r.process(comm="before")
    t.call("read", 0, 160)
    r.thread(t, t.tid, "after").call("read", 1000, 160)
    rows = report_json(r.save(tmp_path / "r", MS), "--by", "thread")["rows"]
    assert [(row["name"], row["count"]) for row in rows] == [("after/100", 2)]
