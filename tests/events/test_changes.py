# SPDX-License-Identifier: MIT
"""What happens to a connection while its event is held."""
from events import ALL, EDGE, OTHERS, each


def test_leaves(place, tmpfs):
    each(place, tmpfs, "deleted closed gone",
         ["lt", EDGE, "oneshot", "poll", "select", "lt soon", "et soon"])


def test_modified(place, tmpfs):
    each(place, tmpfs, "replaced to_none to_out to_same", ["lt", "et", "oneshot", "lt soon"])


def test_not_asked_for(place, tmpfs):
    each(place, tmpfs, "to_none to_out", ["poll", "select"])


def test_number_reused(place, tmpfs):
    each(place, tmpfs, "reused overwritten reused_by_pipe",
         ["lt", "et", "et soon", "poll", "select"])


def test_other_side_ends(place, tmpfs):
    each(place, tmpfs, "half reset",
         ["lt", "lt rdhup", EDGE, "et", "oneshot rdhup", "poll", "select"])


def test_this_side_ends(place, tmpfs):
    each(place, tmpfs, "shut", ["lt", "lt rdhup", EDGE, "et", "poll", "select"])


def test_read_without_event(place, tmpfs):
    each(place, tmpfs, "unasked unasked_again unasked_otherwise",
         ["lt", "et", "et both", *OTHERS])


def test_more_arrives(place, tmpfs):
    each(place, tmpfs, "more", [s for s in ALL if "oneshot" not in s])
