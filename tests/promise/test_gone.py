# SPDX-License-Identifier: MIT
"""The peer goes: in between, or while the rest of an answer is on its way. The program
hears of it as it would have, SIGPIPE with each EPIPE, and nobody else is concerned."""
import signal

import pytest

from promise import BIG, each

ASKS = ["poll", "select", "recv", "read", "option", "write", "send", "sendfile",
        "shutdown", "name"]
SIGPIPES = ["ignored", "handled", "blocked"]
FIRST = len("f01 has 3501 bytes\n") + 3501
ALL = len(f"big has {BIG} bytes\n") + BIG
RESET, END = True, False


def goes(at, reset):
    """Before an answer, between its header and its file, or behind its end."""
    def script(run):
        peer = run.connect()
        for stage in (1, 2, 3):
            assert run.at(stage)
            if stage == at:
                peer.wait(FIRST)
                # What is not read when it closes would make a reset of its end.
                peer.take()
                run.leave(peer, reset)
                # How much has gone by then, nobody is told.
                del peer.got[FIRST:]
            run.go(stage)
    return script


def asked(place, styles, at, reset):
    each(place, "gone", styles, goes(at, reset))


@pytest.mark.parametrize("at", [1, 2, 3])
def test_reset(place, at):
    """Each way to ask, first thing behind an answer that nobody wanted."""
    asked(place, [f"what={ask} sigpipe={SIGPIPES[i % 3]}" for i, ask in enumerate(ASKS)],
          at, RESET)


@pytest.mark.parametrize("at", [1, 2, 3])
def test_end(place, at):
    """The peer has closed in order: only the first send after that is answered by a reset,
    and that send, an answer as a whole, is none that fails."""
    # When the reset has come getpeername fails: a matter of when the answer was sent.
    asks = ASKS[:-1] if at == 3 else ASKS
    asked(place, [f"what={ask} count=4 sigpipe={SIGPIPES[i % 3]}" for i, ask in enumerate(asks)],
          at, END)


@pytest.mark.parametrize("at", [1, 3])
def test_reset_and_epoll(place, at):
    asked(place, ["what=epoll", "what=epoll sigpipe=handled"], at, RESET)


def test_end_and_epoll(place):
    asked(place, ["what=epoll count=4", "what=epoll count=4 sigpipe=blocked"], 3, END)


@pytest.mark.parametrize("at", [1, 3])
def test_signals(place, at):
    styles = [f"sigpipe={how} {kind}" for how in SIGPIPES
              for kind in ("", "v6 nodelay", "nonblock")]
    asked(place, styles, at, RESET)
    asked(place, [f"{style} count=4" for style in styles], at, END)


@pytest.mark.parametrize("reset", [RESET, END])
def test_killed_by_sigpipe(place, reset):
    def script(run):
        peer = run.connect()
        assert run.at(1)
        peer.wait(FIRST)
        run.leave(peer, reset)
        run.go(1)

    def check(run):
        # It leaves no statistics.
        assert run.status == -signal.SIGPIPE, run
    each(place, "dies sigpipe=default", ["", "v6", "nonblock", "nodelay"], script, check)


@pytest.mark.parametrize("reset", [RESET, END])
def test_others_are_served(place, reset):
    """Among them the one that has the number afterwards."""
    def script(run):
        peer, _, _ = run.connect(3)
        assert run.at(1)
        peer.wait(FIRST)
        run.leave(peer, reset)
        run.go(1)
    each(place, "others", ["", "v6 nodelay", "nonblock"], script)


@pytest.mark.parametrize("reset", [RESET, END])
def test_number_renewed_at_once(place, reset):
    def script(run):
        peers = run.connect(10)
        for i in range(5):
            assert run.at(2 * i + 1)
            run.leave(peers[2 * i], reset)
            run.go(2 * i + 1)
            assert run.at(2 * i + 2)
            run.go(2 * i + 2)
    each(place, "renewed", ["", "v6 nodelay", "nonblock"], script)


@pytest.mark.parametrize("sigpipe", SIGPIPES)
def test_while_a_rest_is_on_its_way(place, sigpipe):
    """Reset while the program waits for another, whose call it is that goes on."""
    def script(run):
        slow, other = run.connect(slow=True), run.connect()
        if not run.promising:
            slow.wait(ALL)
        assert run.at(1)
        run.asleep()
        run.leave(slow)
        slow.got.clear()
        other.send(b"x")
    each(place, f"lost sndbuf=16384 sigpipe={sigpipe}", ["", "v6"], script)


def test_closed_with_a_rest(place):
    """SO_LINGER of no time: the peer has a part of it at most, and a reset."""
    def script(run):
        slow, other = run.connect(slow=True), run.connect()
        if not run.promising:
            slow.wait(ALL)
        assert run.at(1)
        other.wait(FIRST)
        slow.wait()
        run.saw("ended by a reset", slow.end == "reset")
        del slow.got[1000:]
    each(place, "aborted sndbuf=16384", ["", "v6"], script)
