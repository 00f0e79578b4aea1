# SPDX-License-Identifier: MIT
"""Directories that are opened ahead: a program goes through a directory of directories
as du does, says which one it comes to, and somebody else changes that one and later
ones before it goes on. It must find what is there."""
import contextlib
import os
from pathlib import Path

import pytest

import harness
import runs

DIRS, QUIET = 90, 30
WALKER = """
import os, sys
ack, go = int(sys.argv[1]), int(sys.argv[2])
for name in os.listdir("aside"):            # so that it is known that everything waits
    os.stat("aside/" + name)
top = os.open(sys.argv[3], os.O_RDONLY | os.O_DIRECTORY)
names = sorted(os.listdir(top))
for name in names:
    os.stat(name, dir_fd=top, follow_symlinks=False)
for i, name in enumerate(names):
    if i % 6 == 0:      # more often, and asking again would cost what opening ahead gains
        os.write(ack, name.encode() + b"\\n")
        os.read(go, 1)
    try:
        fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=top)
    except OSError as e:
        print(name, e.strerror, sep="|")
        continue
    st = os.fstat(fd)
    print(name, oct(st.st_mode), st.st_mtime_ns, sorted(os.listdir(fd)), fd, sep="|")
    os.close(fd)
"""


def directories(base):
    """base/tree: directories of one file each; base/aside: what takes their place."""
    for place in ("tree", "aside"):
        for i in range(DIRS):
            os.makedirs(f"{base}/{place}/d{i:03}")
            Path(f"{base}/{place}/d{i:03}/{place}").touch()


def add(top, name):
    (top / "tree" / name / "new").touch()


def remove(top, name):
    (top / "tree" / name / "tree").unlink()


def touch(top, name):
    os.utime(top / "tree" / name, (5, 5))


def chmod(top, name):
    os.chmod(top / "tree" / name, 0o700)


def replace(top, name):
    """By another directory."""
    os.rename(top / "tree" / name, top / "aside" / (name + ".old"))
    os.rename(top / "aside" / name, top / "tree" / name)


def take_away(top, name):
    os.rename(top / "tree" / name, top / "aside" / (name + ".old"))


def put_file(top, name):
    take_away(top, name)
    (top / "tree" / name).touch()


def put_link(top, name):
    take_away(top, name)
    os.symlink("../aside/" + name, top / "tree" / name)


INSIDE = (add, remove, touch, chmod)
NAMES = (replace, take_away, put_file, put_link)


def walk(side, top, kinds):
    """What the program has printed; changes go through `top`."""
    (said, ack), (go, answer) = os.pipe(), os.pipe()
    changed = set()
    with contextlib.ExitStack() as stack:
        for fd in (said, answer):
            stack.callback(os.close, fd)
        try:
            run = stack.enter_context(contextlib.closing(runs.Run(
                side, ["/usr/bin/python3", "-c", WALKER, ack, go, "tree"], pass_fds=(ack, go))))
        finally:
            os.close(ack)
            os.close(go)
        said = stack.enter_context(os.fdopen(os.dup(said)))
        for n, line in enumerate(said):
            at = int(line.strip()[1:])
            for k, ahead in enumerate((0, 1, 5, 14)):
                if QUIET <= at + ahead < DIRS and at + ahead not in changed:
                    changed.add(at + ahead)
                    kinds[(n + k) % len(kinds)](top, f"d{at + ahead:03}")
            os.write(answer, b".")
        return run.wait()


def both(place, kinds, behind=False):
    with place.pair(directories) as pair:
        found = []
        for side in pair:
            if place.cold:
                harness.drop_caches()
            status, out, err = walk(side, Path(side.backing if behind else side.root), kinds)
            assert status == 0 and not err, err
            found.append([line.split("|") for line in out.decode().splitlines()])
        adopted = harness.total(runs.statistics(pair[1]), "futures.adopted")
    plain, lib = found
    assert len(plain) == DIRS
    # Times of what was made meanwhile differ from side to side, and of another client's
    # changes the kernel's cached attributes may know or not.
    told = (0, 3, 4) if behind else (0, 1, 3, 4)
    assert [[line[i] for i in told if i < len(line)] for line in plain] == \
        [[line[i] for i in told if i < len(line)] for line in lib]
    return adopted


def proves(place, kinds, **more):
    """On a busy machine running ahead may gain nothing, and is given up."""
    assert any(both(place, kinds, **more) > 5 for _ in range(4)), "nothing was opened ahead"


@pytest.mark.on("slower")
@pytest.mark.parametrize("kinds", [INSIDE, NAMES], ids=["inside", "names"])
def test_changed_on_this_machine(place, kinds):
    proves(place, kinds)


@pytest.mark.on("slower")
def test_changed_inside_behind_the_mount(place):
    proves(place, INSIDE, behind=True)


@pytest.mark.on("uncached")
@pytest.mark.parametrize("kinds", [INSIDE, NAMES], ids=["inside", "names"])
def test_uncached(place, kinds):
    both(place, kinds, behind=True)
