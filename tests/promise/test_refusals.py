# SPDX-License-Identifier: MIT
"""What nothing is promised about: outputs that are no connections, inputs that this program
has not opened to read, arguments that are wrong. All is as the kernel says."""
import fcntl
import os

import pytest

from promise import as_it_comes, difference, each, made, many, none_made, run_once


def test_outputs(place):
    each(place, "outputs", ["", "v6"], lambda run: None, none_made)


@pytest.mark.parametrize("kind", ["", "v6 nodelay", "nonblock"])
def test_inputs(place, kind):
    """Each beside a file for which there are promises."""
    runs = []
    for mode in (None, "fuse"):
        # Opened by another; its position is that one's as well.
        file = os.open(place.root / "f03", os.O_RDONLY)
        inherited = fcntl.fcntl(file, fcntl.F_DUPFD, 200)
        os.close(file)
        runs.append(run_once(place, f"inputs number={inherited} {kind}", mode,
                             lambda run: run.connect(), inherits=(inherited,)))
        os.close(inherited)
    found = difference(*runs)
    assert found is None, found
    made(runs[1])


def test_arguments(place):
    each(place, "arguments", ["", "v6 nodelay", "nonblock"])


def test_size_that_is_none(place):
    each(place, "attribute", [""], check=as_it_comes)


def test_shut_by_itself(place):
    each(place, "shut", ["", "sigpipe=handled", "sigpipe=handled v6", "sigpipe=blocked"], many(3))
    # Who dies of it, with the second, leaves no statistics.
    each(place, "shut", ["sigpipe=default"], many(2), as_it_comes)
