# SPDX-License-Identifier: MIT
"""
Files that somebody else changes while a program walks through them: the other says
so before the program comes to them, and then the program must see it. There is no
timing in this: see lockstep.py.
"""
import pytest

import lockstep

# What programs do with each name, and in which order they come to them.
HABITS = {
    "tar": ("readdir", "--form at --via fdopendir --do lstat,nofollow,fstat,read,fstat,close"),
    "tar-stream": ("stream", "--form at --via fdopendir --do lstat,nofollow,fstat,read,close"),
    "cp": ("inode", "--form path --do lstat,nofollow,fstat,read,close"),
    "grep": ("readdir", "--form at --do nofollow,fstat,read,close"),
    "du": ("readdir", "--form at --do lstat"),
    "find": ("stream", "--form here --do lstat"),
    "ls": ("name", "--form path --do statx"),
    "git": ("name", "--form path --do lstat,open,read,close"),
    "python": ("readdir", "--form path --do open,fstat,read,close"),
    "scandir": ("stream", "--form path --do stat,open,fstat,read,close,lstat"),
    "rsync": ("name", "--form here --do lstat,nofollow,fstat,pread,close"),
    "links": ("inode", "--form at --do statx,readlink,access,open,xopen,read,close,stat"),
    "slowly": ("name", "--form at --do stat,stat,open,fstat,fstat,pread,read,close,stat"),
}


def walk(place, habit, way="pipe", **more):
    order, options = HABITS[habit]
    return lockstep.compare(place, way, options.split(), order, **more)


@pytest.mark.on("slow")
@pytest.mark.parametrize("habit", HABITS)
def test_habits(place, habit):
    walk(place, habit)


@pytest.mark.on("slow")
@pytest.mark.parametrize("habit,way", [("tar", "poll"), ("tar", "socket"), ("tar", "signal"),
                                       ("find", "socket"), ("find", "signal"), ("du", "child")])
def test_ways_to_hear_of_it(place, habit, way):
    walk(place, habit, way)


@pytest.mark.on("slow")
@pytest.mark.parametrize("habit", ["tar", "find", "python"])
def test_heard_of_through_memory(place, habit):
    """No call lies between the change and the walker's next one: what is kept from
    before can only be found out to be old by asking again."""
    walk(place, habit, "memory")


@pytest.mark.on("uncached")
@pytest.mark.parametrize("habit", ["tar", "du", "git"])
def test_uncached(place, habit):
    """The kernel keeps nothing: another client's changes show at once."""
    walk(place, habit)
    walk(place, habit, behind=True)


@pytest.mark.xfail(strict=True, reason="names that were looked ahead are as old as the kernel lets "
                                       "them be, see docs/CONTRACT.md")
@pytest.mark.on("slow")
@pytest.mark.parametrize("habit", ["tar", "du", "python"])
def test_behind_the_mount(place, habit):
    """Another client's changes, where the kernel believes names and attributes for a
    second. What the program asks for the first time is fresh."""
    walk(place, habit, behind=True)


@pytest.mark.on("tmpfs", "disk", "overlay", "sshfs")
@pytest.mark.parametrize("habit", ["tar"])
def test_file_systems(place, habit):
    walk(place, habit)
