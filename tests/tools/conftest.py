# SPDX-License-Identifier: MIT
"""
Fixtures of the tools suite. `pair` are two equal trees of trees.plain(), one for a
run without and one for a run with the library, on the file system that is the
parameter; `shared` is one tree that both see. A test names its file systems with
the marker `on`.
"""
import os
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
for there in ("../support", "../servers", "."):
    sys.path.insert(0, os.path.normpath(os.path.join(HERE, there)))

from places import Places   # noqa: E402
from trees import plain     # noqa: E402


def pytest_configure(config):
    config.addinivalue_line("markers", "on(kinds...): file systems, tmpfs and slow if not given")


def pytest_generate_tests(metafunc):
    if "place" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("on")
        kinds = marker.args if marker else ("tmpfs", "slow")
        metafunc.parametrize("place", kinds, indirect=True, scope="module")


@pytest.fixture(scope="module")
def places():
    """Of one module: a FUSE server holds a descriptor for each name it was asked for."""
    with Places() as all_of_them:
        yield all_of_them


@pytest.fixture(scope="module")
def place(places, request):
    return places[request.param]


@pytest.fixture
def pair(place):
    with place.pair(plain) as both:
        yield both


@pytest.fixture
def shared(place):
    with place.shared(plain) as both:
        yield both
