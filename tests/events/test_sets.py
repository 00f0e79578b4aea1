# SPDX-License-Identifier: MIT
"""Several sets, sets in sets, and sets that threads and children share."""
from events import EDGE, assert_equal, each


def test_sets(place, tmpfs):
    each(place, tmpfs, "two set_dup_changes set_closed set_over", ["lt", EDGE, "oneshot"])


def test_same_connection(place, tmpfs):
    """Whether anything is held for the one or the other is not said."""
    each(place, tmpfs, "shared shared_read", ["lt", "et"], assert_equal)


def test_nested(place, tmpfs):
    """most=1: the inner set is waited for by poll()."""
    each(place, tmpfs, "nested", ["lt", "et", "lt most=1", "et most=1", "lt soon", "et soon"])
    each(place, tmpfs, "nested_beside", ["lt", "et", "lt soon", "et soon"])


def test_two_numbers(place, tmpfs):
    each(place, tmpfs, "set_dup socket_dup", ["lt"])
    each(place, tmpfs, "socket_twice", ["lt", "et"])


def test_thread_comes_later(place, tmpfs):
    each(place, tmpfs, "thread_later", ["lt", "et"])


def test_threads(place, tmpfs):
    each(place, tmpfs, "threads", ["oneshot", "oneshot et ptr"], assert_equal)


def test_fork_while_held(place, tmpfs):
    each(place, tmpfs, "fork_held clone_held fork_idle fork_closes", ["lt", "et"])


def test_set_shared_before(place, tmpfs):
    """Whether anything is held in a set that others have as well is not said."""
    each(place, tmpfs, "fork_shared fork_killed fork_serves", ["lt"], assert_equal)


def test_exec_while_held(place, tmpfs):
    each(place, tmpfs, "spawn", ["lt"])
    each(place, tmpfs, "exec", ["lt"], assert_equal)
