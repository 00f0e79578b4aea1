# SPDX-License-Identifier: MIT
"""The estimate of what `auto` would gain: each part of its rule by itself."""
import recordings as R
from reports import report, report_json

US, MS, S = 1000, 1_000_000, 1_000_000_000


def estimate(tmp_path, fill, end=S):
    r = R.Recording()
    t = r.process()
    t.begins(0, "/bin/x", mode=1)
    for i in range(1, 40):
        t.file(i, f"/dir/{i}")
    t.file(50, "/other/50")
    for site in (1, 2):
        t.site(site, 0x1000 + site)
    fill(t)
    t.ends(end)
    got = report_json(r.save(tmp_path / "r", end))["estimate"]
    parts = got["close_ns"], got["window_ns"], got["walk_ns"], got["walks"]
    assert got["hidden_ns"] == sum(parts[:3])
    return parts, got


def test_cold_closes(tmp_path):
    def fill(t):
        t.call("close", 0, 3 * MS, 1)
        t.call("close", 10 * MS, 99_984, 1)
    assert estimate(tmp_path, fill)[0] == (3 * MS, 0, 0, 0)


def test_window_takes_what_is_between(tmp_path):
    def fill(t):
        t.call("open", 0, 2 * MS, 1, 1)
        t.call("read", 3 * MS, 5 * MS, 1, 2)       # 1 ms between them
        t.call("read", 9 * MS, 5 * MS, 1, 2)       # not the first read
        t.call("open", 20 * MS, 2 * MS, 2, 1)
        t.call("sendfile", 30 * MS, 5 * MS, 2, 2)  # more between them than it takes
        t.call("open", 40 * MS, 16 * US, 3, 1)
        t.call("read", 50 * MS, 5 * MS, 3, 2)      # the open was hot
        t.call("open", 58 * MS, 2 * MS, 50, 1)
        t.call("read", 59 * MS, 5 * MS, 50, 2)     # no time between them
        t.call("open", 65 * MS, 2 * MS, 4, 1)
        t.call("read", 70 * MS, 5 * MS, 5, 2)      # another file
    assert estimate(tmp_path, fill)[0] == (0, 6 * MS, 0, 0)


def test_walk(tmp_path):
    def fill(t):
        for i in range(1, 11):
            t.call("open", i * 10 * MS, 2 * MS, i, 1)
            t.call("read", i * 10 * MS + 3 * MS, MS, i, 2)
    # 30 ms in twenty calls: 150 µs each remain.
    assert estimate(tmp_path, fill)[0] == (0, 0, 30 * MS - 20 * 150 * US, 1)


def test_walk_of_names_in_an_open_directory(tmp_path):
    def fill(t):
        for i in range(101, 107):
            t.file(i, f"{i}", directory=i % 2 + 200)
            t.file(i + 10, f"sub/{i}", directory=200)
            t.file(i + 20, f"{i}", directory=202)
        t.file(200, "/even")
        t.file(201, "/odd")
        t.file(202, "/third")
        for i in range(101, 107):
            t.call("open", i * 10 * MS, 2 * MS, i, 1)               # two directories in turn
            t.call("stat", i * 10 * MS + 5 * MS, 2 * MS, i + 10, 2)
        for i in range(101, 107):
            t.call("open", S + i * 10 * MS, 4 * MS, i + 20, 1)
    assert estimate(tmp_path, fill, 3 * S)[0] == (0, 0, 36 * MS - 12 * 150 * US, 2)


def test_slow_walk_leaves_a_share(tmp_path):
    def fill(t):
        for i in range(1, 5):
            t.call("stat", i * 100 * MS, 64 * MS, i, 1)
    assert estimate(tmp_path, fill)[0] == (0, 0, 256 * MS - 4 * MS, 1)


def test_three_files_are_no_walk(tmp_path):
    def fill(t):
        for i in range(1, 4):
            t.call("open", i * 10 * MS, 2 * MS, i, 1)
            t.call("read", i * 10 * MS + 3 * MS, 4 * MS, i, 2)
    assert estimate(tmp_path, fill)[0] == (0, 3 * MS, 0, 0)


def test_same_file_again_is_no_walk(tmp_path):
    def fill(t):
        for i in range(10):
            t.call("stat", i * 10 * MS, 2 * MS, 1, 1)
    assert estimate(tmp_path, fill)[0] == (0, 0, 0, 0)


def test_another_directory_ends_a_walk(tmp_path):
    def fill(t):
        for n, i in enumerate([1, 2, 3, 50, 4, 5, 6]):
            t.call("stat", n * 10 * MS, 2 * MS, i, 1)
    assert estimate(tmp_path, fill)[0] == (0, 0, 0, 0)


def test_sites_walk_side_by_side(tmp_path):
    def fill(t):
        for i in range(1, 5):
            t.call("stat", i * 10 * MS, 2 * MS, i, 1)
            t.call("open", i * 10 * MS + 5 * MS, 2 * MS, i, 2)
    assert estimate(tmp_path, fill)[0] == (0, 0, 16 * MS - 8 * 150 * US, 2)


def test_short_waits_are_no_walk(tmp_path):
    def fill(t):
        for i in range(1, 11):
            t.call("stat", i * 10 * MS, 240 * US, i, 1)
    assert estimate(tmp_path, fill)[0] == (0, 0, 0, 0)


def test_wall(tmp_path):
    got = estimate(tmp_path, lambda t: t.call("close", 0, 750 * MS, 1))[1]
    assert (got["wall_ns"], got["times"]) == (S, 4.0)
    assert "/bin/x (100): 1.00 s -> 250 ms, 4.0 times faster" in report(tmp_path / "r")


def test_no_wall_of_several_threads(tmp_path):
    def fill(t):
        t.call("close", 0, 300 * MS, 1)
        t.recording.thread(t, 999).call("close", 0, 300 * MS, 2)
    got = estimate(tmp_path, fill)[1]
    assert (got["hidden_ns"], got["wall_ns"], got["times"]) == (600 * MS, None, None)
