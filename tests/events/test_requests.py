# SPDX-License-Identifier: MIT
"""Requests in pieces, in number, with bodies, and bytes that are none."""
from events import EDGE, each


def test_requests(place, tmpfs):
    each(place, tmpfs, "pieces bodies garbage files lories rewritten", ["lt", EDGE, "poll"])
