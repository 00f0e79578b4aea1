# SPDX-License-Identifier: MIT
"""
Fixtures of the vsftpd suite. `every` runs one scenario against vsftpd without and
with the library, at the same time, and compares all that came out of it and the trees.
"""
import contextlib
import os
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
for there in ("../support", "../servers", "."):
    sys.path.insert(0, os.path.normpath(os.path.join(HERE, there)))

import ftp                      # noqa: E402
import harness                  # noqa: E402
import sides                    # noqa: E402
from ftptree import populate    # noqa: E402


@pytest.fixture(scope="session")
def big_file():
    """32 MiB that all trees link to: no scenario writes to it."""
    with harness.disk_dir() as d:
        sides.put(f"{d}/big", sides.pattern(ftp.BIG, 99), mode=0o444)
        yield f"{d}/big"


@pytest.fixture(scope="session", params=sides.FILE_SYSTEMS)
def farm(request, big_file):
    """The sides on one file system, and their servers, started when first wanted."""
    harness.needs("vsftpd", "unshare", "mount")
    if why := ftp.can_isolate():
        pytest.skip(why)
    with sides.made(request.param, lambda top: populate(top, big_file)) as trees, \
            Farm(trees) as farm:
        yield farm


class Farm(contextlib.ExitStack):
    def __init__(self, trees):
        super().__init__()
        self.sides, self.servers = trees, {}

    def make(self, side, name, options, env):
        """A server of its own for one scenario; the caller starts and ends it."""
        name = f"{name}-{len(os.listdir(side.work))}"
        return ftp.Vsftpd(side, name, options, env)

    def serving(self, options, env):
        """The servers of all sides that scenarios with the same options share."""
        key = (*sorted(options.items()), *sorted(env.items()))
        if key not in self.servers:
            servers = [self.make(side, f"{len(self.servers)}", options, env) for side in self.sides]
            self.enter_context(sides.running([server.server for server in servers]))
            self.servers[key] = servers
        return self.servers[key]


@pytest.fixture
def every(farm):
    """every(scenario, **options): runs it on each side, compares, returns the plain result."""
    def run(scenario, *args, env=None, own=False, **options):
        env = {"prespawn": 1} if env is None else env
        if not own:
            return sides.compare(farm.serving(options, env), scenario, *args)
        servers = [farm.make(side, scenario.__name__, options, env) for side in farm.sides]
        with sides.running([server.server for server in servers]):
            return sides.compare(servers, scenario, *args)
    return run
