# SPDX-License-Identifier: MIT
"""Timeouts, signals and masks while something is held, and idleness."""
from events import ALL, OTHERS, assert_held, each, facts

MASKED = ["lt epoll_pwait", "et epoll_pwait2", "ppoll", "pselect"]


def fact(what, *wanted):
    """Held, and the first of these facts are as wanted."""
    def check(run):
        assert_held(run)
        assert facts(run, what)[:len(wanted)] == list(wanted), run
    return check


def test_timeouts(place, tmpfs):
    each(place, tmpfs, "timeouts", ALL, fact("empty", "several", "several", "several"))


def test_nanoseconds(place, tmpfs):
    each(place, tmpfs, "nanoseconds", ["et epoll_pwait2", "ppoll", "pselect"],
         fact("empty", "several"))


def test_without_end(place, tmpfs):
    each(place, tmpfs, "endless", ALL + ["lt soon", "et soon", "poll soon"])


def test_interrupted(place, tmpfs):
    each(place, tmpfs, "interrupted", ALL, fact("interrupted", "1"))


def test_mask_blocks(place, tmpfs):
    each(place, tmpfs, "mask_blocks", MASKED, fact("pending", "yes"))


def test_mask_opens(place, tmpfs):
    each(place, tmpfs, "mask_opens", MASKED, fact("interrupted", "1"))


def test_handler_waits(place, tmpfs):
    each(place, tmpfs, "waits_in_handler", ["lt", "et"])


def test_jump_out(place, tmpfs):
    each(place, tmpfs, "jumps", ["lt", "et", *OTHERS], fact("jumped out of the wait", "yes"))


def test_leftovers(place, tmpfs):
    each(place, tmpfs, "leftovers", ["poll"])


def test_always_writable(place, tmpfs):
    each(place, tmpfs, "polls_both", ["lt", *OTHERS])


def test_idle(place, tmpfs):
    each(place, tmpfs, "idle", ["lt", "et both", "oneshot", "poll", "select"])


def test_calm(place, tmpfs):
    each(place, tmpfs, "calm", ALL)
