# SPDX-License-Identifier: MIT
"""What is read from a process is what it counts: compared with the line that it
writes itself at its end; over forks, threads, exec and death."""

import json
import signal
import subprocess
import threading
import time

import pytest

from harness import lib_env, read_stats
from toptool import TOOL, caller, read, read_one, top


def check_totals(seen, line):
    """`seen` was read last, `line` was written at the end, which is one call itself."""
    totals = dict(seen["totals"])
    written = {k: v for k, v in line.items() if k in totals}
    written |= line["futures"] | line["events"] | line["promises"]
    totals["calls"] += 1
    totals["passthrough"] += 1
    assert totals == written
    assert {k: v for k, v in seen["fallbacks"].items() if v} == line["fallbacks"]
    assert [{k: v for k, v in r.items() if k != "mount"} for r in seen["regimes"]] == line["regimes"]
    assert seen["mode"] == line["mode"] and seen["program"] == line["comm"]


@pytest.mark.parametrize("mode", ["auto", "observe"])
def test_totals_are_those_of_the_statistics(tmp_path, mode):
    stats = tmp_path / "stats"
    with caller("/etc/passwd", "/etc/hosts", env=lib_env(mode, stats)) as c:
        for _ in range(40):
            c.tell("c")
        for _ in range(3):
            c.tell("t")
        seen = read_one(c.pid)
        assert c.end() == 0
    check_totals(seen, read_stats(stats)[0])
    assert seen["threads"] == 2 and not seen["off"]
    assert seen["totals"]["sequences"] > 10


def test_cold_file_system_and_chains(slow, tmp_path):
    fs = slow()
    for i in range(60):
        (fs.backing / f"f{i}").write_bytes(b"x" * 300000)
    stats = tmp_path / "stats"
    files = [f"{fs.mountpoint}/f{i}" for i in range(60)]
    with caller(*files, env=lib_env(stats=stats)) as c:
        c.tell("c")
        seen = read_one(c.pid)
        text = top("--once", "--interval", "0.1", c.pid).stdout
        assert c.end() == 0
    check_totals(seen, read_stats(stats)[0])
    opened = next(r for r in seen["regimes"] if r["op"] == "open")
    assert opened["cold"] and opened["wait_ns"] > 1000000
    assert opened["mount"] == str(fs.mountpoint)
    assert seen["totals"]["chains"] > 0
    assert f"cold: {fs.mountpoint} ({opened['dev']}): open " in text


def test_rates(tmp_path):
    """All calls between the two readings, divided by the time between them."""
    with caller("/etc/passwd") as c:
        c.tell("c")
        before = read_one(c.pid)
        timer = threading.Timer(0.5, lambda: [c.tell("c") for _ in range(100)])
        timer.start()
        done = read("--interval", "1.5", c.pid)["processes"][0]
        timer.join()
        calls = done["totals"]["calls"] - before["totals"]["calls"]
        assert calls >= 400
        assert done["rates"]["calls"] * done["seconds"] == pytest.approx(calls)
        assert 1.4 < done["seconds"] < 4
        assert read_one(c.pid)["rates"]["calls"] == 0


def test_all_processes_are_found():
    with caller("/etc/passwd") as one, caller("/etc/passwd") as two, \
            caller("/etc/passwd", env=lib_env(None)) as plain:
        for c in (one, two, plain):
            c.tell("c")
        pids = {p["pid"]: p for p in read()["processes"]}
        assert one.pid in pids and two.pid in pids and plain.pid not in pids
        assert pids[one.pid]["totals"]["calls"] == pids[two.pid]["totals"]["calls"] > 0


def test_library_of_another_name_and_deleted(tmp_path, library):
    """It is known by its note, in memory: the file may be gone."""
    copy = tmp_path / "other.so"
    copy.write_bytes(library.read_bytes())
    with caller("/etc/passwd", env=lib_env() | {"LD_PRELOAD": str(copy)}) as c:
        copy.unlink()
        c.tell("c")
        assert c.pid in {p["pid"] for p in read()["processes"]}


@pytest.mark.parametrize("env,mode", [
    (lib_env("off"), "off"), (lib_env(only="somebody"), "auto"), (lib_env("nonsense"), "off"),
])
def test_what_passes_through_is_off(env, mode):
    with caller("/etc/passwd", env=env) as c:
        c.tell("c")
        seen = read_one(c.pid)
        assert seen["off"] and seen["mode"] == mode and seen["threads"] == 0
        assert seen["program"] == "caller"
        assert top("--once", "-i", "0.1", c.pid).stdout.splitlines()[1].split()[2] == "off"


def test_forked_child_counts_for_itself(tmp_path):
    stats = tmp_path / "stats"
    with caller("/etc/passwd", env=lib_env(stats=stats)) as c:
        for _ in range(30):
            c.tell("c")
        child = c.tell("f")
        c.tell("c")
        parent, seen = read_one(c.pid), read_one(child)
        assert c.end() == 0
    lines = {line["pid"]: line for line in read_stats(stats)}
    check_totals(seen, lines[child])
    assert 0 < seen["totals"]["calls"] < parent["totals"]["calls"] == lines[c.pid]["calls"] - 1


def stream(*args):
    return subprocess.Popen([TOOL, "top", "--json", "--interval", "0.3", *map(str, args)],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def one(line):
    return json.loads(line)["processes"][0]


def test_exec_between_readings():
    """The new program has the old one's id and begins at nothing: no rate is made of that."""
    with caller("/etc/passwd") as c:
        for _ in range(200):
            c.tell("c")
        with stream(c.pid) as s:
            before = one(s.stdout.readline())
            assert c.tell("e") == c.pid
            c.tell("c")
            after = one(s.stdout.readline())
            then = one(s.stdout.readline())
            s.terminate()
        assert before["rates"]["calls"] == 0
        assert 0 < after["totals"]["calls"] < before["totals"]["calls"]
        assert after["rates"] is None
        assert then["rates"]["calls"] == 0


def test_death_between_readings():
    with caller("/etc/passwd") as c:
        with stream(c.pid) as s:
            one(s.stdout.readline())
            c.proc.send_signal(signal.SIGKILL)
            out, err = s.communicate(timeout=10)
        assert s.returncode == 0 and not err
        assert all(one(line)["pid"] == c.pid for line in out.splitlines())


def test_death_of_one_of_two():
    with caller("/etc/passwd") as c, caller("/etc/passwd") as d:
        with stream(c.pid, d.pid) as s:
            s.stdout.readline()
            assert c.end() == 0
            s.stdout.readline()
            assert one(s.stdout.readline()) == {"pid": c.pid, "program": "", "error": "has ended"}
            s.terminate()


def test_many_that_come_and_go():
    """Whatever is caught in its start or its end is left out; nothing goes wrong."""
    loop = subprocess.Popen(["/bin/sh", "-c", "while :; do /bin/true; done"], env=lib_env(),
                            stdin=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 1.5
        seen = 0
        while time.monotonic() < end:
            for p in read()["processes"]:
                assert p.get("error") is None, p
                seen += 1
        assert seen
    finally:
        loop.kill()
        loop.wait()
