# SPDX-License-Identifier: MIT
"""That there was something to prove: on a cold file system the library does foresee
what tools come to, and what it started is used."""
from pathlib import Path

import pytest

import harness
import runs
import trees

PROGRAMS = Path(__file__).with_name("programs.py")

# What the program is called in its statistics, and a command.
TOOLS = {
    "tar": ("tar", "tar cf $WORK/t.tar tree"),
    "cp": ("cp", "cp -r tree $WORK/copy"),
    "grep": ("grep", "grep -r needle tree"),
    "rsync": ("rsync", "rsync -a tree $WORK/"),
    "zip": ("zip", "zip -qr $WORK/t.zip tree"),
    "python": ("python3", f"/usr/bin/python3 {PROGRAMS} only tree"),
    "du": ("du", "du -a tree"),
    "ls": ("ls", "ls -lR tree"),
    "find": ("find", "find tree -newer tree/d0/f00"),
}
OPENS = ("tar", "cp", "grep", "python")


def foreseen(side, comm):
    """(hits, misses, adopted) of the processes of that name."""
    lines = [s for s in runs.statistics(side) if s["comm"].startswith(comm)]
    assert lines, "no statistics"
    return tuple(harness.total(lines, n) for n in ("events.hits", "events.misses", "futures.adopted"))


def run(place, tool):
    comm, command = TOOLS[tool]
    with place.pair(trees.regular) as pair:
        runs.alike(place, pair, command, None)
        return foreseen(pair[1], comm)


@pytest.mark.on("slower")
@pytest.mark.parametrize("tool", TOOLS)
def test_foreseen(place, tool):
    hits, misses, adopted = run(place, tool)
    assert hits > 0 and hits >= misses, (hits, misses, adopted)
    if tool in OPENS:
        assert adopted > 0, (hits, misses, adopted)


@pytest.mark.on("uncached")
@pytest.mark.parametrize("tool", ["tar", "grep", "du"])
def test_foreseen_uncached(place, tool):
    hits, misses, adopted = run(place, tool)
    assert hits > 0, (hits, misses, adopted)


@pytest.mark.on("sshfs")
@pytest.mark.parametrize("tool", ["tar", "grep"])
def test_foreseen_on_sshfs(place, tool):
    """Listings bring attributes with them there: only opens wait."""
    hits, misses, adopted = run(place, tool)
    assert hits > 0, (hits, misses, adopted)


@pytest.mark.on("tmpfs")
@pytest.mark.parametrize("tool", ["tar", "du", "python"])
def test_hot(place, tool):
    """Nothing waits, so nothing is started; one call in a thousand may all the same."""
    hits, misses, adopted = run(place, tool)
    assert hits + misses <= 8, (hits, misses, adopted)


@pytest.mark.on("slower")
def test_observing_starts_nothing(place):
    with place.pair(trees.regular) as pair:
        command = "FUSE_AIO_MODE=observe exec tar cf $WORK/t.tar tree"
        runs.alike(place, pair, ["sh", "-c", command])
        assert foreseen(pair[1], "tar") == (0, 0, 0)
