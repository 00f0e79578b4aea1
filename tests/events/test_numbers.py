# SPDX-License-Identifier: MIT
"""Descriptor numbers are the program's own."""
from events import assert_equal, each


def test_numbers(place, tmpfs):
    each(place, tmpfs, "listed over full", ["lt", "et", "poll"])


def test_everything_closed(place, tmpfs):
    each(place, tmpfs, "close_loop closefrom close_range", ["lt", "poll"])


def test_everything_closed_by_listing(place, tmpfs):
    """The library's own go too, and with them the statistics."""
    each(place, tmpfs, "close_listed close_unsharing", ["lt", "poll"], assert_equal)


def test_one_closed(place, tmpfs):
    each(place, tmpfs, "close_one", ["lt", "et"])


def test_limit_falls(place, tmpfs):
    each(place, tmpfs, "limited", ["lt", "poll"])
