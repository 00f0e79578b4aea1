# SPDX-License-Identifier: MIT
"""
Files that somebody changes all the time, without a word. Of each visit it is known
which generation of the file was complete before it and which one had been begun
when it was over; what the program has seen must be one of these, or one of the
states that a change passes through, and never an older one again.
"""
import contextlib
import json
import os
import re
import tempfile

import pytest

import changer
import lockstep
import runs

FILES = 24
SECONDS = 3
LINE = re.compile(r"\d+ f(\d+) \d+ (-?\d+)(.*) (-?\d+)$")
SIZES = re.compile(r" (lstat|fstat|stat) (?:f644 n[01] s(\d+) t-?\d+|(E\w+))")
READ = re.compile(r" read (\d+) g(-?\d+)\.\.(-?\d+) ")


def generation_0(base):
    for d in ("tree", "aside"):
        os.mkdir(f"{base}/{d}")
    for i in range(FILES):
        changer.write(f"{base}/tree/f{i:04}", changer.content(0))


def states(low, high):
    """Sizes that a file may have had, None: it was not there."""
    sizes = {changer.size(g) for g in range(low, high + 1)}
    for g in range(low + 1, high + 1):
        how = changer.FREE[g % len(changer.FREE)]
        if how is not changer.replaced:
            sizes.add(0)
        if how is changer.returned:
            sizes.add(None)
    return sizes


def check(line):
    """What is wrong with a line of the walker's."""
    parsed = LINE.match(line)
    assert parsed, line
    low, high = int(parsed[2]), int(parsed[4])
    allowed, what = states(low, high), parsed[3]
    for _, size, error in SIZES.findall(what):
        if error not in ("", "ENOENT") or (int(size) if size else None) not in allowed:
            return "a size that it never had"
    if " open E" in what and (" open ENOENT" not in what or None not in allowed):
        return "an open that cannot fail"
    for length, first, last in READ.findall(what):
        if int(length) not in allowed:
            return "a length that it never had"
        if int(length) and not low <= int(first) <= int(last) <= high:
            return "bytes that are not of its time"
    return None


WALKERS = [["--order", order, *options.split(), *table]
           for order, options in (("readdir", "--form at --do lstat,open,fstat,read,close"),
                                  ("stream", "--form path --do open,fstat,read,close"))
           for table in ([], ["--table-mapped"])]


class Free:
    """Four walkers and a changer on one file system."""

    def __init__(self, stack, place):
        self.side = stack.enter_context(place.pair(generation_0))[1]
        table = stack.enter_context(tempfile.TemporaryFile(dir=self.side.work))
        os.ftruncate(table.fileno(), 65536)
        fd, tree = table.fileno(), f"{self.side.root}/tree"
        self.changer = lockstep.start_changer(stack, {
            "way": "free", "files": FILES, "seconds": SECONDS, "seed": 5, "table": fd,
            "directory": tree, "aside": f"{self.side.root}/aside"}, [fd])
        self.walkers = [stack.enter_context(contextlib.closing(runs.Run(
            self.side, [lockstep.WALKER, *options, "--table", fd, "--seconds", SECONDS, tree],
            pass_fds=[fd]))) for options in WALKERS]

    def check(self):
        for options, walker in zip(WALKERS, self.walkers):
            status, out, err = walker.wait(whole=True)
            assert status == 0 and not err, (self.side.fs, options, status, err)
            lines = out.decode().splitlines()
            wrong = [(why, line) for line in lines if (why := check(line))]
            assert not wrong, (self.side.fs, options, len(wrong), len(lines), wrong[:10])
            assert len(lines) > 100
        self.changer.wait(20)
        assert sum(json.loads(lockstep.said(self.changer)[6:])) > 30


def test_free(places):
    """Only walkers with the library: what they may see is known without a plain run.
    Two of them ask for generations by a call, two read them from memory."""
    with contextlib.ExitStack() as stack:
        for one in [Free(stack, places[kind]) for kind in ("slow", "uncached", "tmpfs")]:
            one.check()
