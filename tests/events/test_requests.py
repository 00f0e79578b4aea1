# SPDX-License-Identifier: MIT
"""Requests in pieces, in number, with bodies, and bytes that are none."""
import pytest

from events import EDGE, each


@pytest.mark.parametrize("what", ["pieces", "bodies", "garbage", "files", "lories", "rewritten"])
def test_requests(place, tmpfs, what):
    each(place, tmpfs, what, ["lt", EDGE, "poll"])
