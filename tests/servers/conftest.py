# SPDX-License-Identifier: MIT
"""
Fixtures of the server suite: the served tree, on both file systems, and every
kind of server running without and with the library side by side.
"""
import contextlib
import os
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
for there in ("../support", "../vsftpd", "."):
    sys.path.insert(0, os.path.normpath(os.path.join(HERE, there)))

import daemons                          # noqa: E402
import sides                            # noqa: E402
from webtree import compare, populate   # noqa: E402


@pytest.fixture(scope="session", params=sides.FILE_SYSTEMS)
def trees(request):
    with sides.pair(request.param, populate) as pair:
        yield pair


@pytest.fixture(scope="session", params=list(daemons.KINDS))
def running(request, trees):
    """The same kind of server on both sides."""
    kind = daemons.KINDS[request.param]
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(kind.start(side)) for side in trees]


@pytest.fixture
def both(running):
    return lambda scenario, *args: compare(running, scenario, *args)
