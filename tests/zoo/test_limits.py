# SPDX-License-Identifier: MIT
"""Limits on descriptors, processes and memory."""
import pytest

from harness import total
from zoo import compare, learned


@pytest.mark.parametrize("how", ["no_descriptors", "few_descriptors"])
def test_descriptors(slow_place, shared, how):
    learned(compare(slow_place, f"limits {how}", shared))


@pytest.mark.root
def test_no_processes(slow_place, shared):
    run = compare(slow_place, "limits no_processes", shared)
    assert total(run.stats, "fallbacks.no_workers") > 0
    assert total(run.stats, "sqes") == 0


@pytest.mark.root
def test_one_process(slow_place, shared):
    run = compare(slow_place, "limits one_process", shared)
    # A wait to its limit at every close would be a hang to whoever uses it.
    assert total(run.stats, "fallbacks.timeout") <= 2, run


@pytest.mark.root
@pytest.mark.xfail(strict=True, reason="the kernel counts its workers as the user's processes")
def test_one_child(slow_place, shared):
    compare(slow_place, "limits two_processes", shared)


@pytest.mark.root
@pytest.mark.parametrize("how,prespawn", [("server", 0), ("server", 1), ("later", 0)])
def test_processes_forbidden_later(slow_place, shared, how, prespawn):
    run = compare(slow_place, f"limits {how}", shared, env={"prespawn": prespawn},
                  alters=lambda e: e | ({"ZOO_IDLE": "1"} if "FUSE_AIO_MODE" in e else {}))
    assert total(run.stats, "fallbacks.timeout") <= 2, run
    if how == "server" and not prespawn:
        assert total(run.stats, "fallbacks.no_workers") > 0, run
    if how == "later":
        learned(run)


@pytest.mark.root
@pytest.mark.parametrize("how", ["no_memory", "no_locked", "small_program"])
def test_memory(slow_place, shared, how):
    run = compare(slow_place, f"limits {how}", shared)
    assert total(run.stats, "fallbacks.timeout") <= 2, run


def test_program_with_four_descriptors(slow_place, shared):
    compare(slow_place, "limits four", shared)
