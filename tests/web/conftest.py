# SPDX-License-Identifier: MIT
"""
Fixtures of the web suite. `both(scenario)` runs a scenario against a server
without and one with the library, at the same time, and compares; `pair` are the
two servers. The parameter is (kind of server, kind of mount).
"""
import os
import shutil
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
for there in ("../support", "../servers", "."):
    sys.path.insert(0, os.path.normpath(os.path.join(HERE, there)))

import sides                    # noqa: E402
import watch                    # noqa: E402
import webservers               # noqa: E402

# Timeouts of 0 take twice as long: where both mounts would show the same, one is used.
NGINX = [("nginx-nolog", "cached"), ("nginx-sendfile", "uncached")]
BODIES = NGINX + [("lighttpd-epoll", "cached")]     # these read what they refuse
LOOPS = BODIES + [("webfs", "cached")]
ALL = LOOPS + [("nginx-nosendfile", "cached"), ("lighttpd-poll", "cached")]
SERVERS = {"one": NGINX[:1], "nginx": NGINX, "bodies": BODIES, "loops": LOOPS, "all": ALL,
           "changes": ALL[:-1], "cached": [s for s in LOOPS if s[1] == "cached"],
           "uncached": [("nginx-sendfile", "uncached"), ("webfs", "uncached")],
           "stop": ALL + [("webfs", "uncached"), ("lighttpd-select", "cached")]}


def pytest_configure(config):
    config.addinivalue_line("markers", "servers(set): the pairs a test runs on, all if not given")


def pytest_generate_tests(metafunc):
    if "pair" in metafunc.fixturenames:
        marker = metafunc.definition.get_closest_marker("servers")
        wanted = SERVERS[marker.args[0] if marker else "all"]
        metafunc.parametrize("pair", wanted, indirect=True, ids=["-".join(w) for w in wanted])


@pytest.fixture(scope="session")
def farm():
    with webservers.Farm() as farm:
        yield farm


@pytest.fixture
def pair(farm, request):
    return farm.pair(*request.param, prepare=prepare)


@pytest.fixture(autouse=True)
def left_clean(farm):
    """One failure is enough: what a test has left must not show in the next one."""
    yield
    for side in (side for site in farm.sites.values() for side in site):
        for sub in ("changing", "dav", "dav2", "dav-tmp"):
            for name in os.listdir(os.path.join(side.backing, sub)):
                path = os.path.join(side.root, sub, name)   # so that the kernel knows
                if os.path.isdir(path) and not os.path.islink(path):
                    shutil.rmtree(path)
                else:
                    os.unlink(path)


def prepare(server):
    """Before it is asked for anything it is noted what it has open by itself."""
    server.idle = watch.settled(server)
    webservers.warm(server)


@pytest.fixture
def both(pair):
    return lambda scenario, *args: sides.compare(pair, scenario, *args)
