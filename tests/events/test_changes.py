# SPDX-License-Identifier: MIT
"""What happens to a connection while its event is held."""
import pytest

from events import ALL, EDGE, OTHERS, each


@pytest.mark.parametrize("what", ["deleted", "closed", "gone"])
def test_leaves(place, tmpfs, what):
    each(place, tmpfs, what, ["lt", EDGE, "oneshot", "poll", "select", "lt soon", "et soon"])


@pytest.mark.parametrize("what", ["replaced", "to_none", "to_out", "to_same"])
def test_modified(place, tmpfs, what):
    each(place, tmpfs, what, ["lt", "et", "oneshot", "lt soon"])


def test_not_asked_for(place, tmpfs):
    each(place, tmpfs, "to_none to_out", ["poll", "select"])


@pytest.mark.parametrize("what", ["reused", "overwritten", "reused_by_pipe"])
def test_number_reused(place, tmpfs, what):
    each(place, tmpfs, what, ["lt", "et", "et soon", "poll", "select"])


@pytest.mark.parametrize("what", ["half", "reset"])
def test_other_side_ends(place, tmpfs, what):
    each(place, tmpfs, what, ["lt", "lt rdhup", EDGE, "et", "oneshot rdhup", "poll", "select"])


def test_this_side_ends(place, tmpfs):
    each(place, tmpfs, "shut", ["lt", "lt rdhup", EDGE, "et", "poll", "select"])


def test_read_without_event(place, tmpfs):
    each(place, tmpfs, "unasked unasked_again", ["lt", "et", "et both", *OTHERS])
    each(place, tmpfs, "unasked_otherwise", ["lt", "et", "poll"])


def test_more_arrives(place, tmpfs):
    each(place, tmpfs, "more", [s for s in ALL if "oneshot" not in s])
