# SPDX-License-Identifier: MIT
"""
A walker, with or without the library, and a changer that never has it, in step:
the walker says which name it comes to, the changer changes files, those that come
later and that very one, and answers. What the walker then sees of them must be
what they are: the answer came after the change.
"""
import contextlib
import json
import os
import random
import re
import signal
import socket
import subprocess
import tempfile

import changer
import harness
import runs
from sides import OLD, same

WALKER = harness.BUILD / "tests/tools/walker"
CHANGER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "changer.py")

FILES = 96
QUIET = 14      # names that nobody changes first: meanwhile the library learns
EVERY = 3       # then one name in so many is changed,
AHEAD = (0, 1, 5, 2, 12, 0, 30, 5)     # when the walker comes to a name so far before it
LIMIT_S = 40


def walked(base):
    """base/tree: files whose order by inode, by name and as listed are three different
    ones; base/aside for the changer."""
    rng = random.Random(11)
    for d in ("tree", "aside", "made"):
        os.mkdir(f"{base}/{d}")
    made, listed = list(range(FILES)), list(range(FILES))
    rng.shuffle(made)
    rng.shuffle(listed)
    for i in made:
        changer.write(f"{base}/made/f{i:04}", changer.content(i))
        os.utime(f"{base}/made/f{i:04}", (OLD, OLD))
    for i in listed:
        os.rename(f"{base}/made/f{i:04}", f"{base}/tree/f{i:04}")
    os.rmdir(f"{base}/made")


def names_in(path, order):
    with os.scandir(path) as listing:
        entries = list(listing)
    if order == "inode":
        entries.sort(key=lambda e: e.inode())
    elif order == "name":
        entries.sort(key=lambda e: e.name)
    return [e.name for e in entries]


def plan_for(names, fs):
    """The changes of each step. Kinds and distances have no common factor."""
    steps = [[] for _ in names]
    kinds = [k for k in changer.KINDS if fs != "sshfs" or k not in ("fifo", "linked")]
    for n, t in enumerate(range(QUIET, len(names), EVERY)):
        ahead = AHEAD[n % len(AHEAD)]
        steps[max(0, t - ahead)].append((kinds[n % len(kinds)], names[t], 5000 + t))
    return steps


def channel(way):
    """What one way of answering needs: the walker's options and descriptors, and the
    changer's."""
    if way in ("pipe", "poll", "child"):
        (a, b), (c, d) = os.pipe(), os.pipe()
        return (["--out", b, "--in", c], [b, c]), ({"in": a, "out": d}, [a, d])
    if way == "socket":
        one, two = (s.detach() for s in socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET))
        return (["--in", one], [one]), ({"in": two}, [two])
    if way == "memory":
        fd = os.memfd_create("step")
        os.ftruncate(fd, 4096)
        return (["--in", fd], [fd]), ({"in": fd}, [fd])
    return ([], []), ({}, [])


def start_changer(stack, options, fds):
    out = tempfile.TemporaryFile()
    stack.callback(out.close)
    proc = subprocess.Popen(["/usr/bin/python3", "-B", CHANGER, json.dumps(options)], pass_fds=fds,
                            stdin=subprocess.DEVNULL, stdout=out, start_new_session=True,
                            env=harness.lib_env(None))
    stack.callback(end, proc)
    proc.output = out
    harness.wait_until(lambda: said(proc).startswith("ready\n"), proc=proc, what="changer")
    return proc


def end(proc):
    if proc.poll() is None:
        proc.kill()
        proc.wait(10)


def said(proc):
    return os.pread(proc.output.fileno(), 1 << 24, 0).decode()


class Walk:
    """One side's walker and changer, from start to end."""

    def __init__(self, stack, side, way, options, at, behind):
        if not WALKER.exists():
            harness.skip(f"{WALKER} is not built (make programs)")
        self.side, self.way = side, way
        tree = os.path.join(side.root, "tree")
        self.names = names_in(tree, at)
        through = side.backing if behind else side.root
        (argv, mine), (more, its) = channel(way)
        fds = {*mine, *its}
        try:
            self.changer = start_changer(stack, {
                "way": way, "plan": plan_for(self.names, side.fs), "aside": os.path.join(through, "aside"),
                "directory": os.path.join(through, "tree"),
                "store": os.path.join(runs.stored(side), "tree"), **more}, its)
            if way == "signal":
                argv = ["--peer", self.changer.pid]
            self.run = stack.enter_context(contextlib.closing(runs.Run(
                side, [WALKER, *options, "--ack", way, *argv, tree], pass_fds=mine)))
        finally:
            for fd in fds:
                os.close(fd)        # each shall see the other's end

    def result(self):
        """(status, lines, errors) and what was true at each step."""
        status, out, err = self.run.wait()
        if self.way in ("signal", "memory"):
            self.changer.send_signal(signal.SIGTERM)
        self.changer.wait(10)
        return (status, out.decode().splitlines(), err), json.loads(said(self.changer)[6:])


STATS = re.compile(r" (?:lstat|stat|statx|fstat|xopen) (\S+(?: n\d+ s\d+(?: t\d+)?)?)")
READS = re.compile(r" read (\d+ g-?\d+\.\.-?\d+)")


def must_show(lines, log):
    """That the walker has seen what was true; returns how many names that were changed
    it came to."""
    seen = 0
    for line in lines:
        step, name = line.split()[:2]
        true = [t for n, changed, t in log if changed == name and n <= int(step)]
        if not true or true[-1] == "other":
            continue
        seen += 1
        if true[-1] is None:
            assert "ENOENT" in line, (line, true)
            continue
        stats, reads = STATS.findall(line), READS.findall(line)
        assert stats or reads, line
        assert all(s == true[-1][0] for s in stats), (line, true)
        assert all(r == true[-1][1] for r in reads), (line, true)
    return seen


def compare(place, way, options, order, behind=False):
    """Both sides; the outcome of the one with the library is what the plain one saw,
    and what was true."""
    found, walks = [], []
    with contextlib.ExitStack() as stack:
        pair = stack.enter_context(place.pair(walked))
        for side in pair:
            if place.cold:
                harness.drop_caches()
            walks.append(Walk(stack, side, way, ["--order", order, *options], order, behind))
            if place.cold:
                found.append(walks[-1].result())
        found = found or [w.result() for w in walks]
        stats = runs.statistics(pair[1])
        (plain, log), (lib, lib_log) = found
        assert plain[0] == 0 and not plain[2], plain
        assert log == lib_log
        assert must_show(plain[1], log) > len(log) // 2, "the test is broken: plain run sees nothing"
        same([plain, lib])
        return stats
