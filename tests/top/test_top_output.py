# SPDX-License-Identifier: MIT
"""What other programs get: plain text, JSON, the text format of Prometheus; and what
is said when it cannot be had."""

import json
import os
import re
import subprocess
import time

import pytest

from harness import lib_env, wait_until
from toptool import TOOL, caller, liar, read_one, top

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)')


def parse_labels(text):
    labels, at = {}, 0
    while at < len(text):
        m = LABEL.match(text, at)
        assert m and m[1] not in labels, text
        labels[m[1]] = re.sub(r"\\(.)", lambda e: {"n": "\n"}.get(e[1], e[1]), m[2])
        at = m.end()
    return labels


def parse_prometheus(text):
    """Strictly: HELP and TYPE once and before the samples, which stand together."""
    metrics, name, seen = {}, None, set()
    assert text.endswith("\n")
    for line in text[:-1].split("\n"):
        if line.startswith("# HELP "):
            name = line.split(" ", 3)[2]
            assert name not in metrics and re.fullmatch(NAME, name)
            assert line.split(" ", 3)[3]
            metrics[name] = {"type": None, "samples": []}
        elif line.startswith("# TYPE "):
            _, _, of, kind = line.split(" ")
            assert of == name and metrics[name]["type"] is None and kind in ("counter", "gauge")
            assert (kind == "counter") == name.endswith("_total")
            metrics[name]["type"] = kind
        else:
            m = re.fullmatch(rf"({NAME})(?:\{{(.*)\}})? (-?\d+(?:\.\d+)?)", line)
            assert m and m[1] == name and metrics[name]["type"], line
            labels = parse_labels(m[2] or "")
            assert (name, *labels.items()) not in seen
            seen.add((name, *labels.items()))
            metrics[name]["samples"].append((labels, float(m[3])))
    return metrics


def value(metrics, name, **labels):
    found = [v for ls, v in metrics["fuse_aio_" + name]["samples"] if labels.items() <= ls.items()]
    assert len(found) == 1, (name, labels, found)
    return found[0]


def test_prometheus_once(slow, tmp_path):
    fs = slow(args=[])
    for i in range(8):
        (fs.backing / f"f{i}").write_bytes(b"x" * 1000)
    target = tmp_path / "fuse_aio.prom"
    target.write_text("old")
    with caller(*[f"{fs.mountpoint}/f{i}" for i in range(8)]) as c:
        c.tell("c")
        seen = read_one(c.pid)
        start = time.monotonic()
        done = top("--once", "--prometheus", target, "--interval", "30", c.pid)
        assert done.returncode == 0 and not done.stdout and not done.stderr
        assert time.monotonic() - start < 10    # totals need no second reading
    metrics = parse_prometheus(target.read_text())
    who = {"pid": str(c.pid), "program": "caller"}
    for name, total in seen["totals"].items():
        if name == "waited_ns":
            assert value(metrics, "waited_seconds_total", **who) == pytest.approx(total / 1e9)
        else:
            assert value(metrics, name + "_total", **who) == total
    for reason, total in seen["fallbacks"].items():
        assert value(metrics, "fallbacks_total", reason=reason, **who) == total
    assert seen["regimes"]
    for r in seen["regimes"]:
        labels = {"device": r["dev"], "mountpoint": r["mount"], "op": r["op"], **who}
        assert value(metrics, "wait_seconds", **labels) == pytest.approx(r["wait_ns"] / 1e9)
        assert value(metrics, "cold", **labels) == r["cold"]
    assert value(metrics, "threads", **who) == 1 and value(metrics, "off", mode="auto", **who) == 0
    assert os.listdir(tmp_path) == ["fuse_aio.prom"]
    assert target.stat().st_mode & 0o777 == 0o644


def test_prometheus_escapes(tmp_path):
    with liar("truth", 'a"b\\c\nd') as proc:
        assert top("--once", "--prometheus", tmp_path / "f", proc.pid).returncode == 0
    metrics = parse_prometheus((tmp_path / "f").read_text())
    assert value(metrics, "calls_total", program='a"b\\c\\x0ad') == 30


def test_prometheus_without_a_process(tmp_path):
    with liar("version") as proc:
        done = top("--once", "--prometheus", tmp_path / "f")
    assert done.returncode == 0
    metrics = parse_prometheus((tmp_path / "f").read_text())
    assert value(metrics, "unreadable_processes") >= 1
    assert not [1 for ls, _ in metrics["fuse_aio_calls_total"]["samples"] if ls["pid"] == str(proc.pid)]


def test_prometheus_is_never_half_there(tmp_path):
    """Whoever reads the file at any time finds one that is whole, and new ones come."""
    target = tmp_path / "f"
    with caller("/etc/passwd") as c:
        with subprocess.Popen([TOOL, "top", "-i", "0.1", "--prometheus", target, str(c.pid)],
                              stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as tool:
            wait_until(target.exists, proc=tool)
            inodes, end = set(), time.monotonic() + 1.5
            while time.monotonic() < end:
                with open(target) as f:
                    inodes.add(os.fstat(f.fileno()).st_ino)
                    assert "fuse_aio_cold" in parse_prometheus(f.read())
            tool.terminate()
            assert tool.wait(10) == -15 and not tool.stderr.read()
        assert len(inodes) > 1 and os.listdir(tmp_path) == ["f"]


@pytest.mark.parametrize("target,why", [
    ("missing/f", "No such file"), (".", "no regular file"), ("link", "no regular file"),
])
def test_prometheus_where_nothing_can_be_written(tmp_path, target, why):
    (tmp_path / "link").symlink_to("/dev/null")
    done = top("--once", "--prometheus", tmp_path / target)
    assert done.returncode == 1 and why in done.stderr and len(done.stderr.splitlines()) == 1
    assert os.listdir(tmp_path) == ["link"] and (tmp_path / "link").is_symlink()


def test_json_is_a_line_for_each_reading():
    with caller("/etc/passwd") as c, liar("cyclic") as bad:
        with subprocess.Popen([TOOL, "top", "--json", "-i", "0.2"], stdout=subprocess.PIPE,
                              text=True, stdin=subprocess.DEVNULL) as tool:
            lines = [json.loads(tool.stdout.readline()) for _ in range(3)]
            tool.terminate()
        for line in lines:
            assert line["version"] == 1 and line["hidden"] >= 0 and line["left_out"] == 0
            by = {p["pid"]: p for p in line["processes"]}
            assert set(by[bad.pid]) == {"pid", "program", "error"}
            assert set(by[c.pid]) == {"pid", "program", "mode", "off", "threads", "seconds", "rates",
                                      "totals", "fallbacks", "regimes"}
            assert set(by[c.pid]["rates"]) == set(by[c.pid]["totals"])
        times = [line["time"] for line in lines]
        assert times[0] < times[1] < times[2] <= time.time()


def test_reader_that_has_seen_enough():
    for before in ("", "trap '' PIPE;"):
        script = f"set -o pipefail; ({before} exec {TOOL} top --json -i 0.1) | head -n 2"
        done = subprocess.run(["bash", "-c", script], capture_output=True, timeout=20, text=True,
                              stdin=subprocess.DEVNULL)
        assert len(done.stdout.splitlines()) == 2 and not done.stderr
        assert done.returncode == (0 if before else 128 + 13)


@pytest.mark.parametrize("args", [["--json"], []])
def test_full_disk(args):
    with open("/dev/full", "w") as full:
        done = subprocess.run([TOOL, "top", "--once", "-i", "0.1", *args], stdout=full, timeout=20,
                              stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 1 and "No space left" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_plain_text_has_no_colours_and_is_aligned():
    with caller("/etc/passwd") as c, liar("truth", "\u65e5\u672c") as proc:
        env = lib_env(None) | {"LC_ALL": "C.UTF-8"}
        text = subprocess.run([TOOL, "top", "--once", "-i", "0.1", str(c.pid), str(proc.pid)], env=env,
                              capture_output=True, text=True, timeout=20).stdout
    assert "\x1b" not in text
    header, *rows = [line for line in text.splitlines() if not line.startswith("        ")]
    at = header.index("MODE")
    for row in rows:
        wide = row.count("\u65e5") + row.count("\u672c")
        assert row[at - wide:].startswith("auto") and len(row) + wide == len(header)
    assert "        fallbacks: stale 3" in text.splitlines()


def test_locale_that_cannot_show_a_name():
    with liar("truth", "gr\u00fc\u00df") as proc:
        env = lib_env(None) | {"LC_ALL": "C"}
        text = subprocess.run([TOOL, "top", "--once", "-i", "0.1", str(proc.pid)], env=env,
                              capture_output=True, timeout=20).stdout
    assert b"gr?? " in text and text.isascii()


@pytest.mark.parametrize("args,status,why", [
    (["4194305"], 1, "no process 4194305"), (["0"], 64, "no process id"), (["-3"], 64, "3"),
    (["12x"], 64, "no process id"), (["99999999999999999999"], 64, "no process id"),
    (["--interval", "0"], 64, "0.1 to 3600"), (["--interval", "nan"], 64, "0.1 to 3600"),
    (["--interval", "1s"], 64, "0.1 to 3600"), (["--once", "--prometheus"], 64, "argument"),
    ([], 1, "--once"),
])
def test_bad_arguments(args, status, why):
    done = top(*args)
    assert done.returncode == status and why in done.stderr and not done.stdout


def test_help_fits_a_screen():
    text = top("--help").stdout.splitlines()
    assert len(text) <= 24 and max(map(len, text)) <= 80
