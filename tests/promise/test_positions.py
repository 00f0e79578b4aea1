# SPDX-License-Identifier: MIT
"""What a file looks like after it has been sent: position, contents, attributes, by its
number, by another, to another process; and when it is changed meanwhile."""
import pytest

from promise import each

USES = ["tell", "read", "pread", "seek", "dup", "early_dup", "stat", "child", "pass", "proc",
        "stdio", "mmap", "copy", "flags", "offset"]


def test_uses(place):
    each(place, "use", [f"what={use} {kind}" for kind in ("", "nonblock v6", "no_head nodelay")
                        for use in USES])


def test_counts(place):
    each(place, "use", ["what=counts"])


def test_changes(place):
    """By the program itself, which nothing overtakes."""
    each(place, "changes", ["", "v6 nodelay", "nonblock", "no_head", "more"])
