# SPDX-License-Identifier: MIT
"""Other preloaded libraries, options, privileged and static programs."""
import os
import shutil
import subprocess

import pytest

from harness import ROOT, lib_env, total
from zoo import compare, learned, once, program

DEBIAN = {"libfaketime": "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
          "libjemalloc": "/usr/lib/x86_64-linux-gnu/libjemalloc.so.2",
          "libeatmydata": "/usr/lib/x86_64-linux-gnu/libeatmydata.so"}


def beside(other, first):
    """Environment with another library before or after ours, or alone."""
    def alter(env):
        ours = env.get("LD_PRELOAD")
        both = [str(other), ours] if first else [ours, str(other)]
        return env | {"LD_PRELOAD": ":".join(p for p in both if p)}
    return alter


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("argv", ["reader", "forks none"])
@pytest.mark.parametrize("name", ["early_preload", "malloc_preload"])
def test_beside_ours(slow_place, shared, name, first, argv):
    learned(compare(slow_place, argv, shared, alters=beside(program(name), first)))


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("name", DEBIAN)
def test_beside_debians(slow_place, shared, name, first):
    if not os.path.exists(DEBIAN[name]):
        pytest.skip(f"{name} is not installed")
    learned(compare(slow_place, "reader", shared, alters=beside(DEBIAN[name], first)))


@pytest.mark.root
def test_rights_go_while_a_thread_opens_ahead(slow_place, shared):
    learned(compare(slow_place, "privileges threads", shared,
                    alters=beside(program("slow_rights_preload"), False)))


@pytest.mark.root
def test_more_rights_than_the_caller(slow_place, shared):
    """AT_SECURE: the loader may ignore the library, and the library the environment."""
    copies = shared / "copies"
    copies.mkdir(mode=0o755)
    copies.chmod(0o755)
    copy = copies / "reader"
    shutil.copy(program("reader"), copy)
    copy.chmod(0o4755)
    if os.statvfs(copy).f_flag & os.ST_NOSUID:
        pytest.skip("no setuid programs on /dev/shm here")
    stats = shared / "stats"

    def env(mode):
        return lib_env(mode, **({"stats": stats} if mode else {}))
    more = {"user": 65534, "group": 65534, "extra_groups": []}
    plain = once(slow_place, [copy], env(None), **more)
    ours = once(slow_place, [copy], env("auto"), **more)
    assert "f00" in plain.out and (plain.out, plain.status) == (ours.out, ours.status)
    assert not stats.exists()


def test_static_program(slow_place, shared):
    """The loader has no part in it, so neither have we."""
    static = shared / "static"
    source = ROOT / "tests/zoo/reader.c"
    built = subprocess.run(["cc", "-static", "-O1", "-D_GNU_SOURCE", "-o", static, source],
                           capture_output=True, text=True, timeout=60)
    if built.returncode:
        pytest.skip("no static libc to link with")
    stats = shared / "stats"
    plain = once(slow_place, [static], lib_env(None))
    ours = once(slow_place, [static], lib_env(stats=stats))
    assert (plain.out, plain.err, plain.status) == (ours.out, ours.err, ours.status)
    assert not stats.exists()


@pytest.mark.parametrize("only,works", [("reader", True), ("other,reader", True), ("read", False),
                                        ("readers,xreader", False), (",", False)])
def test_only(slow_place, shared, only, works):
    run = compare(slow_place, "reader", shared, env={"only": only})
    assert len(run.stats) == works
    if works:
        learned(run)


@pytest.mark.parametrize("mode,works", [("off", False), ("nonsense", False), ("observe", True),
                                        ("AUTO", False), ("", True)])
def test_mode(slow_place, shared, mode, works):
    run = compare(slow_place, "reader", shared, alters=lambda e: (
        e | {"FUSE_AIO_MODE": mode} if "FUSE_AIO_MODE" in e else e))
    assert len(run.stats) == works
    if mode == "observe":
        assert total(run.stats, "sqes") == 0 and total(run.stats, "sequences") > 0
        assert total(run.stats, "futures.created") == 0


@pytest.mark.parametrize("path", ["/nowhere/file", "/proc/self/status", "/", "/dev/full", "/dev/null",
                                  "x" * 300, "/" + "y" * 5000, "%p%p%p%"])
def test_unwritable(slow_place, local_place, shared, path):
    """Neither statistics nor a log: the program runs, and says nothing about it."""
    def alter(env):
        return env | {"FUSE_AIO_STATS": path, "FUSE_AIO_LOG": path} if "FUSE_AIO_MODE" in env else env
    compare(slow_place, "reader", shared, alters=alter)


@pytest.mark.parametrize("variable,value", [
    ("FUSE_AIO_RING", "1"), ("FUSE_AIO_PRESPAWN", "1"), ("FUSE_AIO_STACKS", "1"),
    ("FUSE_AIO_RING", "2"), ("FUSE_AIO_PRESPAWN", ""), ("FUSE_AIO_STACKS", "yes")])
def test_switches(slow_place, shared, variable, value):
    run = compare(slow_place, "reader", shared, alters=lambda e: (
        e | {variable: value} if "FUSE_AIO_MODE" in e else e))
    if value in ("1", ""):
        learned(run)


def test_log_says_each_thing_once(slow_place, shared):
    log = shared / "log"
    compare(slow_place, "kinds", shared, env={"log": log})
    reasons = [line.split(": ")[1] for line in log.read_text().splitlines()]
    assert len(reasons) == len(set(reasons))

