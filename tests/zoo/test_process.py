# SPDX-License-Identifier: MIT
"""Children, threads, signals, cancellation, and descriptors closed wholesale."""
import resource

import pytest

from zoo import compare, learned, lines


@pytest.mark.parametrize("how", ["vfork", "clone", "number", "fails", "high", "spawned", "shells"])
def test_children_on_our_memory(slow_place, shared, how):
    run = learned(compare(slow_place, f"vfork {how}", shared))
    assert any(s["comm"] == "vfork" and s["futures"]["adopted"] for s in run.stats)


@pytest.mark.parametrize("how,count", [("fork", 201), ("number", 41), ("early", 9), ("daemon", 3),
                                       ("threads", 49), ("none", 1), ("masks", 1)])
def test_children(slow_place, shared, how, count):
    run = learned(compare(slow_place, f"forks {how}", shared))
    assert lines(run) == count


@pytest.mark.xfail(strict=True, reason="the kernel's workers are threads of the process")
def test_threads_of_our_own(slow_place, shared):
    learned(compare(slow_place, "forks count", shared))


@pytest.mark.parametrize("how,count", [("ends", 7), ("exec", 1)])
def test_ends_with_work_on_its_way(slow_place, shared, how, count):
    """Death by signal and exec write no line."""
    run = learned(compare(slow_place, f"forks {how}", shared))
    assert lines(run) == count


@pytest.mark.parametrize("how", ["nested", "forks", "jumps", "interrupts"])
def test_signal_handlers(slow_place, shared, how):
    compare(slow_place, f"signals {how}", shared)


@pytest.mark.parametrize("how", ["open", "close", "pending"])
def test_cancel(slow_place, shared, how):
    learned(compare(slow_place, f"cancel {how}", shared))


@pytest.mark.parametrize("how", ["loop", "closefrom", "range", "listed", "captured", "dups", "all", "standard"])
@pytest.mark.parametrize("where", ["slow", "local"])
def test_close_everything(slow_place, local_place, shared, how, where):
    log = shared / "log"
    log.touch()
    run = compare(slow_place if where == "slow" else local_place, f"closeall {how}", shared,
                  env={"log": log},
                  preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024)))
    if how != "all":
        assert lines(run) == 1, "the statistics line was still written"
        if where == "slow":
            learned(run)
