# SPDX-License-Identifier: MIT
"""Every sum of a report, from recordings whose numbers are known."""
import pytest

import recordings as R
from reports import by, report_json

US, MS = 1000, 1_000_000


@pytest.fixture
def sample(tmp_path):
    return report_json(R.sample().save(tmp_path / "r", 2 * MS))


def test_header(sample):
    assert {k: sample[k] for k in ("version", "command", "started", "duration_ns", "complete", "stacks",
                                   "dropped", "passed_over")} == {
        "version": 1, "command": "prog --fast", "started": "2023-11-14T22:13:20Z", "duration_ns": 2 * MS,
        "complete": True, "stacks": True, "dropped": 0, "passed_over": 0}
    assert sample["processes"] == [
        {"process": 1, "pid": 100, "parent": 0, "program": "/usr/bin/prog", "mode": "observe",
         "begin_ns": 0, "end_ns": 1950 * US},
        {"process": 2, "pid": 200, "parent": 1, "program": "/usr/bin/child", "mode": "auto",
         "begin_ns": 950 * US, "end_ns": 1900 * US}]


def test_calls(sample):
    calls = by(sample["calls"], "op")
    assert list(calls) == ["open", "stat", "fstat", "read", "close"]
    assert {k: v for k, v in calls["open"].items() if k != "ns"} == {
        "op": "open", "count": 2, "failed": 1, "cold": 1, "settled": 0, "foreseen": 0, "bytes": 0,
        "blocked_ns": 161_600}
    # 1600 is in the bucket from 1600 to 1663.
    assert calls["open"]["ns"] == {"p50": 1663, "p90": 160_000, "p99": 160_000, "max": 160_000}
    assert calls["read"]["bytes"] == 4196 and calls["read"]["settled"] == 1
    assert calls["stat"]["foreseen"] == 1
    assert sum(h[2] for h in by(sample["histograms"], "op")["read"]["buckets"]) == 2
    assert by(sample["histograms"], "op")["fstat"]["buckets"] == [[320, 335, 1]]


def test_percentiles(tmp_path):
    r = R.Recording()
    t = r.process()
    for i in range(1, 1001):
        t.call("read", i * MS, i * 16)
    ns = report_json(r.save(tmp_path / "r", 2000 * MS))["calls"][0]["ns"]
    for share, name in ((500, "p50"), (900, "p90"), (990, "p99")):
        assert share * 16 <= ns[name] <= share * 16 * 17 / 16
    assert ns["max"] == 16_000


def test_cold_is_from_100_us(tmp_path):
    r = R.Recording()
    t = r.process()
    t.call("stat", 0, 99_984)
    t.call("stat", MS, 100_000)
    assert report_json(r.save(tmp_path / "r", 2 * MS))["calls"][0]["cold"] == 1


def test_a_failed_read_has_no_bytes(tmp_path):
    r = R.Recording()
    r.process().call("read", 0, 160, value=5, flags=R.FAILED)
    assert report_json(r.save(tmp_path / "r", MS))["calls"][0]["bytes"] == 0


def test_sequences(sample):
    assert sample["sequences"] == [{
        "signature": "open fstat read close", "count": 1, "bytes": 4096, "blocked_ns": 512_320,
        "ns": {"p50": 512_320, "p90": 512_320, "p99": 512_320, "max": 512_320}}]


def test_longest_signature(tmp_path):
    text = " ".join(["open", "read"] * 8)
    r = R.Recording()
    r.process().sequence(text, 0, 1000, 160)
    assert report_json(r.save(tmp_path / "r", MS))["sequences"][0]["signature"] == text


def test_chains(sample):
    started = by(sample["chains"]["started"], "by")
    assert started["open"] == {"by": "open", "count": 1, "adopted": 1, "used": 0, "dropped": 0, "failed": 0,
                               "bytes": 65536, "ready_ns": dict.fromkeys(("p50", "p90", "p99", "max"), 200 * US)}
    assert started["walk"]["dropped"] == 1 and started["walk"]["ready_ns"] is None
    assert sample["chains"]["spans"] == [
        {"start_ns": 100 * US, "ready_ns": 300 * US, "end_ns": 400 * US, "by": "open", "fate": "adopted",
         "file": "/data/d/one"},
        {"start_ns": 100 * US, "ready_ns": None, "end_ns": 900 * US, "by": "walk", "fate": "dropped",
         "file": "/data/two"}]


def test_many_chains_are_sampled_evenly(tmp_path):
    r = R.Recording()
    t = r.process()
    for i in range(9000):
        t.chain(R.BY_REQUEST, R.USED, i * 1000, 0, i * 1000 + 500)
    chains = report_json(r.save(tmp_path / "r", 10 * MS))["chains"]
    starts = [s["start_ns"] for s in chains["spans"]]
    assert chains["started"][0]["count"] == 9000 and 1000 < len(starts) <= 2000
    assert {b - a for a, b in zip(starts, starts[1:])} == {8000}


def test_held_and_fallbacks(sample):
    assert (sample["held"]["count"], sample["held"]["late"], sample["held"]["ns"]["max"]) == (2, 1, 800 * US)
    found = by(sample["fallbacks"], "reason")
    # One process has a sum, the other, which was killed, a record.
    assert {k: v["count"] for k, v in found.items()} == {"no_ring": 1, "stale": 3}
    assert found["stale"]["help"] == "what a chain opened is not what the path means now"
    assert list(sample["counters"]) == R.COUNTER_NAMES
    assert sample["counters"]["calls"] == 11 and sample["counters"]["hits"] == 5


def test_sums_that_are_written_again(tmp_path):
    """The larger are the later ones, wherever they stand in the file."""
    r = R.Recording()
    t = r.process()
    for n in (5, 9, 7):
        t.counters(calls=n)
        t.fallbacks(stale=n)
    got = report_json(r.save(tmp_path / "r", MS))
    assert (got["counters"]["calls"], got["fallbacks"][0]["count"]) == (9, 9)


def test_regimes_of_processes_are_merged(tmp_path):
    r = R.Recording()
    for pid, wait, cold in ((1, 5000, True), (2, 9000, False)):
        r.process(pid).regime(0x801, "read", wait, cold)
    assert report_json(r.save(tmp_path / "r", MS))["regimes"] == [
        {"dev": "8:1", "mount": None, "op": "read", "wait_ns": 9000, "cold": True}]


def test_heat(tmp_path):
    r = R.Recording()
    t = r.process()
    for i in range(100):
        t.call("read", i * 2 * MS, 1600 if i % 2 else 160_000)
    heat = report_json(r.save(tmp_path / "r", 199_999_999))["heat"]
    assert heat["step_ns"] == MS
    assert heat["levels_ns"] == [2**n for n in range(10, 18)]
    assert [sum(row) for row in heat["rows"]] == [50] + [0] * 6 + [50]
    assert {len(row) for row in heat["rows"]} == {200}
    assert [n for n, count in enumerate(heat["rows"][-1]) if count] == list(range(0, 200, 4))


def test_clock_from_moments(tmp_path):
    r = R.Recording(hz=0, ns_per_cycle=0.5)
    r.process().call("read", 100_000, 64_000)
    got = report_json(r.save(tmp_path / "r", 10 * MS))
    assert (got["duration_ns"], got["calls"][0]["blocked_ns"]) == (10 * MS, 64_000)


def test_clock_of_slow_counter(tmp_path):
    r = R.Recording(hz=25_000_000)
    r.process().call("read", 100_000, 64_000)
    got = report_json(r.save(tmp_path / "r", 10 * MS))
    assert (got["duration_ns"], got["calls"][0]["blocked_ns"]) == (10 * MS, 64_000)


def test_flame(sample):
    assert sample["flame"] == [
        {"stack": ["prog", "prog+0xd00", "prog+0x820", "read"], "blocked_ns": 240_000, "count": 1},
        {"stack": ["prog", "prog+0xd00", "prog+0x810", "open"], "blocked_ns": 161_600, "count": 2},
        {"stack": ["prog", "prog+0xd00", "prog+0x820", "close"], "blocked_ns": 112_000, "count": 1},
        {"stack": ["child", "prog+0xd00", "prog+0x810", "stat"], "blocked_ns": 32_000, "count": 1},
        {"stack": ["worker", "0x99999", "read"], "blocked_ns": 1600, "count": 1},
        {"stack": ["prog", "prog+0xd00", "prog+0x820", "fstat"], "blocked_ns": 320, "count": 1}]
