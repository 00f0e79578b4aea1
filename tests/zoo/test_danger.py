# SPDX-License-Identifier: MIT
"""Locks, names, unmounting, privileges and filters: where a library that works
ahead and behind could do the most harm."""
import pytest

from harness import needs, total
from zoo import compare, learned


@pytest.mark.parametrize("kind", ["posix", "ofd", "flock", "relock", "threads", "exec"])
def test_locks(slow_place, shared, kind):
    run = compare(slow_place, f"locks {kind}", shared)
    assert total(run.stats, "chains") > 0


def test_names_go(slow_place, shared):
    learned(compare(slow_place, "names", shared))


@pytest.mark.root
@pytest.mark.parametrize("who", ["self", "looked", "by_number", "child", "spawned", "ended", "thread",
                                 "thread_looked"])
def test_umount(slow_place, shared, who):
    own = [needs("unshare"), "--mount", "--propagation", "private"]
    run = learned(compare(slow_place, f"umount {who}", shared, wrap=own))
    assert "EBUSY" not in run.out


@pytest.mark.root
@pytest.mark.parametrize("how", ["setuid", "seteuid", "setresuid", "setfsuid", "number",
                                 "setgroups", "capset", "chroot", "unshare", "files", "threads"])
def test_privileges(slow_place, shared, how):
    run = learned(compare(slow_place, f"privileges {how}", shared))
    if how not in ("chroot", "unshare", "files", "threads"):
        assert "secret EACCES" in run.out


@pytest.mark.root
@pytest.mark.xfail(strict=True, reason="setns and unshare(CLONE_NEWUSER) fail beside the kernel's workers")
def test_namespaces(slow_place, shared):
    learned(compare(slow_place, "privileges namespaces", shared))


@pytest.mark.parametrize("how", ["prctl", "number", "prctl_number", "in_flight", "threads",
                                 "one_thread", "forked", "vforked"])
def test_filter_installed(slow_place, shared, how):
    run = learned(compare(slow_place, f"filter {how}", shared), threads="thread" in how)
    assert run.status == 0 and "signal" not in run.out
    if how != "vforked":
        assert total(run.stats, "fallbacks.filter") > 0


@pytest.mark.parametrize("how", ["inherited", "refusing"])
def test_filter_inherited(slow_place, shared, how):
    run = compare(slow_place, f"filter {how}", shared)
    assert run.status == 0
    assert total(run.stats[-1:], "fallbacks.filter") == 1
    assert total(run.stats, "chains") == 0 and total(run.stats, "sqes") == 0


def test_ring_refused(slow_place, shared):
    run = compare(slow_place, "filter ring_refused", shared, env={"ring": 1})
    assert total(run.stats, "fallbacks.no_ring") > 0
    assert total(run.stats, "chains") > 0, "windows work without a ring"
    assert total(run.stats, "sqes") == 0


def test_filter_question(slow_place, shared):
    """Asking what filters there are (libseccomp does) installs none."""
    run = learned(compare(slow_place, "filter question", shared))
    assert total(run.stats, "fallbacks.filter") == 0


def test_filter_that_fails(slow_place, shared):
    compare(slow_place, "filter failing", shared)
