# SPDX-License-Identifier: MIT
"""All kinds of registrations and waits; order; other descriptors; wrong arguments."""
from events import ALL, EDGE, OTHERS, SETS, assert_equal, assert_held, each, facts


def test_traffic(place, tmpfs):
    each(place, tmpfs, "traffic", ALL + ["lt soon ptr", "et soon", "poll soon", "select soon",
                                         "et replaces"])


def test_exclusive(place, tmpfs):
    """Cannot be modified: whether such events can be held is not said."""
    each(place, tmpfs, "traffic", ["exclusive et", "exclusive lt"], assert_equal)


def test_readers(place, tmpfs):
    each(place, tmpfs, "traffic", ["et read", "et recvfrom", "et recvmsg", "lt readv"])


def test_client_process(place, tmpfs):
    each(place, tmpfs, "forked", ["et", "lt", "poll"])


def fast_first(run):
    assert_held(run)
    assert facts(run, "before the fast one") == ["0"], run


def test_fast_before_slow(place, tmpfs):
    each(place, tmpfs, "order", ALL + ["lt most=1", "et most=1"], fast_first)


def test_many_ready(place, tmpfs):
    each(place, tmpfs, "many", ["lt most=1", "et most=1", "et both most=2", "oneshot most=1",
                                "poll", "select"])


def test_writable_meanwhile(place, tmpfs):
    each(place, tmpfs, "writable", ["lt", EDGE, "et", *OTHERS])


def test_one_shot_is_one(place, tmpfs):
    each(place, tmpfs, "oneshot", ["oneshot both", "oneshot et both"], assert_equal)


def test_other_descriptors(place, tmpfs):
    each(place, tmpfs, "others", ["lt", "et", "poll", "select"])


def test_unix_sockets(place, tmpfs):
    each(place, tmpfs, "unix", ["lt", "et", "poll"])


def test_wrong_arguments(place, tmpfs):
    each(place, tmpfs, "errors", SETS[:2] + ["poll"])
