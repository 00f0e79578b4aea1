# SPDX-License-Identifier: MIT
"""Signal handlers that send, open, or jump: what they send comes after what was sent
before, wherever the program was."""
import signal

import pytest

from promise import BIG, QUIET_S, each, many, run_once

FIRST = len("f03 has 9503 bytes\n") + 9503
ALL = len(f"big has {BIG} bytes\n") + BIG
WHATS = ["write", "file", "open"]
TO_OTHER = "number=1"


@pytest.mark.parametrize("what", WHATS)
def test_between_two_calls(place, what):
    """At every point of a sequence."""
    each(place, f"between what={what}",
         ["", TO_OTHER, "position v6", f"beyond sendmsg {TO_OTHER}", "parts send nodelay",
          f"twice more {TO_OTHER}", "no_head", f"two after_seek nonblock {TO_OTHER}"], many(2))


def handled(run, count):
    """Signals it, and waits for the handler's end."""
    run.signal(signal.SIGUSR1)
    assert run.until(lambda: run.flag() == count), run


def computing(run):
    run.connect(2)
    for stage in (1, 2, 3, 4):
        assert run.at(stage)
        handled(run, stage)
        run.go(stage)


@pytest.mark.parametrize("what", WHATS)
def test_while_it_computes(place, what):
    """With promises that nothing has committed yet."""
    each(place, f"computing what={what}",
         ["", TO_OTHER, f"v6 position {TO_OTHER}", "nodelay writev position", "no_head nonblock",
          f"cork send {TO_OTHER}"], computing)


def waiting(run):
    """The rest, if there is one, has been read: the handler comes in the wait itself."""
    peer, _ = run.connect(2)
    peer.wait(ALL if "rest" in run.words.split() else FIRST)
    assert run.at(1)
    run.asleep()
    handled(run, 1)
    run.give(b"x")


@pytest.mark.parametrize("what", WHATS)
@pytest.mark.parametrize("restart", ["", "restart"])
def test_in_a_wait(place, restart, what):
    each(place, f"waiting what={what} {restart}",
         ["", TO_OTHER, f"v6 nodelay {TO_OTHER}", f"rest sndbuf=16384 {TO_OTHER}",
          "rest sndbuf=16384", "nonblock"], waiting)


def with_a_rest(run):
    """The peer reads on only when the handler has run, or waits itself."""
    peer, _ = run.connect(slow=True), run.connect()
    if not run.promising:
        peer.wait(ALL)
    assert run.at(1)
    run.asleep()
    peer.wait(1000)
    run.signal(signal.SIGUSR1)
    run.until(lambda: run.flag() == 1, 0.1)
    peer.wait(ALL)
    run.saw("handler ran", run.until(lambda: run.flag() == 1))
    run.give(b"x")


@pytest.mark.parametrize("what", WHATS)
def test_to_another_in_a_wait_with_a_rest(place, what):
    each(place, f"waiting restart rest sndbuf=16384 what={what}", [TO_OTHER, f"{TO_OTHER} v6"],
         with_a_rest)


def test_out_of_a_wait(place):
    """By siglongjmp; the peer has read what there was."""
    def script(run):
        peer = run.connect()
        for i in range(4):
            while not run.at(i + 1, QUIET_S):
                peer.take()
            peer.wait(run.sent())
            run.asleep()
            run.signal(signal.SIGUSR1)
    each(place, "jumping", ["", "v6 nodelay", "rest", "rest sndbuf=16384"], script)


def test_storm(place):
    """A byte to another connection, thousands of times a second. A plain sendfile may be
    interrupted where the peer is slow, so that each run has counts of its own."""
    def script(run):
        _, other = run.connect(2)
        for p in run.peers:
            p.wait(seconds=15)
        run.saw("from handlers", bytes(other.got) == b"h" * run.flag())
        run.saw("some", run.flag() > 0)

    for style in ("seed=1", "seed=2 v6 nodelay", "seed=3 position", "seed=4 cork"):
        for mode in (None, "fuse"):
            run = run_once(place, f"storm count=1500 {style}", mode, script)
            assert (run.status, run.notes[:2]) == (0, [("from handlers", True), ("some", True)]), run
            assert (len(run.peers[0].got), run.peers[0].seen().end) == (run.sent(), "end"), run
        assert run.promised() > 0, run
