# SPDX-License-Identifier: MIT
"""
Fixtures of the vsftpd suite. `both` runs one scenario against vsftpd without
and with the library, and compares all that came out of it and both trees.
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
    """64 MiB that all trees link to: no scenario writes to it."""
    with harness.tmpfs_dir() as d:
        sides.put(f"{d}/big", sides.pattern(ftp.BIG, 99), mode=0o444)
        yield f"{d}/big"


@pytest.fixture(scope="session", params=sides.FILE_SYSTEMS)
def farm(request, big_file):
    """The two sides on one file system, and their servers, started when first wanted."""
    harness.needs("vsftpd", "unshare", "mount")
    if why := ftp.can_isolate():
        pytest.skip(why)
    with sides.pair(request.param, lambda top: populate(top, big_file)) as pair, \
            Farm(pair) as farm:
        yield farm


class Farm(contextlib.ExitStack):
    def __init__(self, pair):
        super().__init__()
        self.sides, self.servers = pair, {}

    def start(self, side, name, options, env):
        """A server of its own for one scenario; the caller ends it."""
        name = f"{name}-{len(os.listdir(side.work))}"
        return ftp.Vsftpd(side, name, options, env)

    def server(self, side, options, env):
        """A server that scenarios with the same options share."""
        key = (side.name, *sorted(options.items()), *sorted(env.items()))
        if key not in self.servers:
            server = self.start(side, f"{len(self.servers)}", options, env)
            self.enter_context(server.server)
            self.servers[key] = server
        return self.servers[key]


@pytest.fixture
def both(farm):
    """both(scenario, **options): runs it on each side, compares, returns the plain result."""
    def run(scenario, *args, env=None, own=False, **options):
        results = []
        env = {"prespawn": 1} if env is None else env
        for side in farm.sides:
            if own:
                server = farm.start(side, scenario.__name__, options, env)
                with server.server:
                    result = scenario(server, *args)
            else:
                server = farm.server(side, options, env)
                result = scenario(server, *args)
            results.append({"result": side.clean(result), "tree": sides.snapshot(side.backing)})
        return sides.same(results)["result"]
    return run
