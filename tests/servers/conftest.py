# SPDX-License-Identifier: MIT
"""
Fixtures of the server suite: the served tree, on both file systems, and every
kind of server running without and with the library side by side.
"""
import os
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
for there in ("../support", "../vsftpd", "."):
    sys.path.insert(0, os.path.normpath(os.path.join(HERE, there)))

import daemons                          # noqa: E402
import sides                            # noqa: E402
from webtree import populate    # noqa: E402


@pytest.fixture(scope="session", params=sides.FILE_SYSTEMS)
def trees(request):
    with sides.made(request.param, populate) as trees:
        yield trees


@pytest.fixture(scope="session", params=list(daemons.KINDS))
def running(request, trees):
    """The same kind of server on all sides."""
    kind = daemons.KINDS[request.param]
    with sides.running([kind.start(side) for side in trees]) as servers:
        yield servers


@pytest.fixture
def every(running):
    """every(scenario): runs it on each side, compares, returns the plain result."""
    return lambda scenario, *args: sides.compare(running, scenario, *args)
