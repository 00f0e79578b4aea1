# SPDX-License-Identifier: MIT
"""Kinds of files, bad pointers, travelling descriptors, threads, memory, errors."""
import pytest

import harness
from harness import total
from zoo import DELAY_US, Place, compare, learned


def hot(run):
    """Nothing is submitted for hot files, but for a call that lost its processor now and
    then and looked like one that waited."""
    assert total(run.stats, "sqes") * 10 < total(run.stats, "calls"), run


@pytest.mark.parametrize("argv", ["kinds", "pointers", "descriptors travel", "descriptors over",
                                  "descriptors behind"])
@pytest.mark.parametrize("where", ["slow", "local"])
def test_files(slow_place, local_place, shared, argv, where):
    run = compare(slow_place if where == "slow" else local_place, argv, shared)
    if where == "slow":
        learned(run)
    else:
        hot(run)


@pytest.mark.parametrize("argv", ["descriptors race", "descriptors busy", "threads"])
def test_threads(slow_place, shared, argv):
    run = compare(slow_place, argv, shared)
    assert total(run.stats, "sqes") > 0


@pytest.mark.limit(60)
def test_memory_is_bounded(local_place, shared):
    run = compare(local_place, "memory", shared)
    assert run.out == "bounded\n"
    assert total(run.stats, "calls") > 1000000
    hot(run)


@pytest.mark.parametrize("what", ["read", "open"])
def test_injected_error(shared, what):
    """Whoever gets the error of the server, the program sees it once at most, and the
    next call is right."""
    for n in (1, 20, 45):
        with harness.tmpfs_dir() as base:
            (base / "backing").mkdir()
            with harness.slowfs(base / "backing", base / "mnt", DELAY_US,
                                [f"--fail-{what}", str(n)]) as fs:
                place = Place(base / "backing", fs.mountpoint, True)
                run = compare(place, "reader count", shared)
                assert run.status == 0 and "one error" in run.out


@pytest.mark.xfail(strict=True, reason="events come from what is opened ahead and closed behind")
def test_watching_oneself(slow_place, shared):
    learned(compare(slow_place, "watch", shared))
