# SPDX-License-Identifier: MIT
"""
The end of the servers that the whole suite has asked: they stop in order, and
the statistics prove that what was compared had been looked ahead of.
"""
import pytest

import harness
from rawhttp import content
from sides import digest, pattern, together
from watch import assert_ahead
from wire import Wire


def busy(server):
    """Files that nobody has asked for yet, on sixteen connections."""
    def work(i):
        with Wire(server.port) as w:
            return [content(w.ask(f"/many/f{n:03d}.bin")) for n in range(i, 80, 16)]
    return together(16, work)


@pytest.mark.servers("stop")
def test_looked_ahead(farm, pair, both):
    for i, got in enumerate(both(busy)):
        assert got == [digest(pattern(16_000 + n * 37, n)) for n in range(i, 80, 16)]
    codes = farm.end(pair)
    assert codes[0] == codes[1]
    assert_ahead(harness.read_stats(pair[1].stats))
