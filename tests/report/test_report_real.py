# SPDX-License-Identifier: MIT
"""Recordings that the library itself has written: of processes that fork, change root
and user, run threads, fill the file or are killed; and that what is reported is what
the programs did."""
import json
import os
import subprocess
import textwrap

import pytest

import harness

TOOL = harness.BUILD / "fuse-aio"
PYTHON = "/usr/bin/python3"


def record(tmp_path, *command, options=(), env=(), status=0):
    """The report of a command that was recorded, and what record has said."""
    file = tmp_path / "recording"
    file.unlink(missing_ok=True)
    ran = subprocess.run([TOOL, "record", "-o", file, "--size", "4M", *options, "--", *command],
                         env=harness.lib_env(None) | dict(env), cwd=tmp_path, capture_output=True,
                         text=True, timeout=60)
    assert ran.returncode == status, ran.stderr
    return report(file), ran.stderr


def report(file, by="site"):
    made = subprocess.run([TOOL, "report", file, "--format", "json", "--by", by], check=True,
                          capture_output=True, text=True, timeout=60)
    return json.loads(made.stdout)


def script(text):
    return [PYTHON, "-c", textwrap.dedent(text)]


def count(found, op):
    return sum(c["count"] for c in found["calls"] if c["op"] == op)


@pytest.fixture
def files(tmp_path):
    for i in range(100):
        (tmp_path / f"f{i:02}").write_bytes(b"x" * (100 + i))
    return tmp_path


READ_ALL = """
for i in range(100):
    fd = os.open(f"f{i:02}", os.O_RDONLY)
    os.fstat(fd)
    os.read(fd, 1000)
    os.close(fd)
"""


def test_what_a_program_does(files):
    before, _ = record(files, *script("import os"))
    found, said = record(files, *script("import os" + READ_ALL), env={"FUSE_AIO_STATS": str(files / "stats")})
    assert [count(found, op) - count(before, op) for op in ("open", "fstat", "read", "close")] == [100] * 4
    mine = [s for s in found["sequences"] if s["signature"] == "open fstat read close"]
    assert mine and mine[0]["count"] >= 100
    assert sum(c["bytes"] for c in found["calls"]) - sum(c["bytes"] for c in before["calls"]) == \
        sum(100 + i for i in range(100))
    assert found["complete"] and found["dropped"] == 0
    assert "0 records dropped" in said
    rows = {r["name"]: r for r in report(files / "recording", "file")["rows"]}
    assert all(any(name.endswith(f"f{i:02}") for name in rows) for i in range(100))
    counted = harness.read_stats(files / "stats")[0]
    assert {k: v for k, v in found["counters"].items() if k in ("calls", "sequences", "passthrough")} == \
        {k: counted[k] for k in ("calls", "sequences", "passthrough")}


def test_killed(files):
    found, _ = record(files, *script("import os, signal" + READ_ALL + "os.kill(os.getpid(), 9)"),
                      status=128 + 9)
    assert count(found, "open") >= 100
    assert [p["end_ns"] for p in found["processes"]] == [None]


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_other_root_and_user(files):
    """Neither path of the recording nor right to it are left."""
    os.chmod(files, 0o755)
    found, _ = record(files, *script("""
        import os
        os.chroot(".")
        os.chdir("/")
        os.setgid(65534)
        os.setuid(65534)
        for i in range(100):
            os.close(os.open(f"/f{i:02}", os.O_RDONLY))
    """))
    assert len([r for r in report(files / "recording", "file")["rows"]
                if r["name"].startswith("/f")]) == 100
    assert count(found, "close") >= 100


def test_children(files):
    found, _ = record(files, *script("""
        import os
        for child in range(3):
            if os.fork() == 0:
                for i in range(20):
                    os.close(os.open(f"f{i:02}", os.O_RDONLY))
                os._exit(0)
        for child in range(3):
            os.wait()
        os.execv("/bin/cat", ["cat", "f00"])
    """))
    first = found["processes"][0]
    children = [p for p in found["processes"] if p["parent"] == first["process"]]
    assert len(children) == 3
    # The one that became another program is a process of its own, with the same number.
    assert any(p["program"].endswith("cat") and p["pid"] == first["pid"] for p in found["processes"])
    assert len(report(files / "recording", "thread")["rows"]) == 5
    found, _ = record(files, *script("""
        import os
        if os.fork() == 0:
            os.close(os.open("f00", os.O_RDONLY))
            os._exit(0)
        os.wait()
    """), options=["--pid-only"])
    assert len(found["processes"]) == 1


def test_threads(files):
    record(files, *script("""
        import os, threading
        def work():
            for i in range(100):
                os.close(os.open(f"f{i:02}", os.O_RDONLY))
        all = [threading.Thread(target=work) for _ in range(4)]
        [t.start() for t in all]
        [t.join() for t in all]
    """))
    rows = report(files / "recording", "thread")["rows"]
    assert len([r for r in rows if r["count"] == 200]) == 4


def test_full(files):
    """The program goes on, and what is missing is counted."""
    found, said = record(files, *script("""
        import os
        for i in range(100_000):
            os.close(os.open("f00", os.O_RDONLY))
        print(i)
    """), options=["--size", "1M"])
    assert found["dropped"] > 100_000
    assert 5_000 < count(found, "open") < 20_000
    assert str(found["dropped"]) in said.replace(",", "")


SOURCE = """
#include <fcntl.h>
#include <unistd.h>
__attribute__((noinline)) int inner(const char *path) { int fd = open(path, 0); close(fd); return fd + 1; }
__attribute__((noinline)) int by_one(void) { return inner("f01") + 1; }
__attribute__((noinline)) int by_other(void) { return inner("f02") + 2; }
int main(void) { int n = 0; for (int i = 0; i < 10; i++) n += by_one() + by_other(); return n == 0; }
"""


def test_stacks(files):
    """The same call site by two ways: known apart, with the functions' names."""
    harness.needs("gcc")
    (files / "two.c").write_text(SOURCE)
    subprocess.run(["gcc", "-O1", "-g", "-o", "two", "two.c"], cwd=files, check=True, timeout=60)
    found, _ = record(files, "./two", options=["--stacks"])
    stacks = [(" ".join(f["stack"]), f["count"]) for f in found["flame"]]
    for way in ("by_one", "by_other"):
        mine = [n for text, n in stacks if way in text and "inner" in text and text.endswith("open")]
        assert mine == [10], stacks
    assert found["stacks"]


def test_chains(files):
    """With the library at work: what was started and what came of it, and what it gained
    against a recording without."""
    with harness.tmpfs_dir() as work:
        tree = work / "files" / "d"
        tree.mkdir(parents=True)
        for i in range(60):
            (tree / f"f{i:02}").write_bytes(b"x" * 9000)
        with harness.slowfs(work / "files", work / "mnt") as fs:
            made = {}
            for mode in ("observe", "auto"):
                harness.drop_caches()
                found, _ = record(files, "tar", "-cf", files / "tar", "-C", fs.mountpoint, "d",
                                  options=["--mode", mode])
                made[mode] = found
                os.rename(files / "recording", files / mode)
    assert not made["observe"]["chains"]["started"] and not made["observe"]["chains"]["spans"]
    walks = [c for c in made["auto"]["chains"]["started"] if c["by"] == "walk"]
    assert walks and walks[0]["adopted"] >= 40
    assert len(made["auto"]["chains"]["spans"]) == sum(c["count"] for c in made["auto"]["chains"]["started"])
    assert all(s["start_ns"] <= s["end_ns"] for s in made["auto"]["chains"]["spans"])
    assert made["observe"]["estimate"]["hidden_ns"] > made["auto"]["estimate"]["hidden_ns"]
    said = subprocess.run([TOOL, "diff", files / "observe", files / "auto", "--format", "json"],
                          capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(said.stdout)


def test_no_file_to_record_into(files):
    """The library by itself: it says so in the log, and the program runs."""
    log = files / "log"
    ran = subprocess.run(["cat", "f00"], cwd=files, capture_output=True, text=True, timeout=60,
                         env=harness.lib_env("observe", record=files / "none", log=log))
    assert ran.stdout == "x" * 100
    assert "FUSE_AIO_RECORD" in log.read_text() or "none" in log.read_text()
