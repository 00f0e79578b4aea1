# SPDX-License-Identifier: MIT
"""Sockets that do not block, and peers that do not read: what the kernel has no room for
is not acknowledged, and what was acknowledged arrives. How much that is differs from run
to run; whether it is a prefix of what the program sends over and over does not."""
import pytest

from promise import SOON_S, each

HEADER = b"h" * 200
ROUNDS = 4      # of stuff


def read_rounds(run, rounds, expected, exact=False, seconds=SOON_S):
    """In each the peer reads what was acknowledged; at the end it has read all of that and
    nothing else. `expected` gives what is sent in a round once, and what over and over."""
    peer = run.connect()
    whole = b""
    for i in range(rounds):
        assert run.at(2 * i + 1, seconds), run
        count = run.flag()
        first, unit = expected(run, i)
        whole += (first + unit * (count // len(unit) + 1))[:count]
        if exact:
            peer.wait(len(whole), 0.5)
            run.saw("missing", len(whole) - len(peer.got))
        run.go(2 * i + 1)
        peer.wait(len(whole))
        run.at(2 * i + 2)
        run.go(2 * i + 2)
    peer.wait()
    run.saw("in order", peer.got.startswith(whole))
    del peer.got[:len(whole)]


def file(run, name):
    return (run.directory.parent / name).read_bytes()


def stuffed(run, exact=False):
    def expected(run, i):
        header = b"" if "no_head" in run.words else HEADER
        return b"", header + file(run, "f07" if i % 2 else "big")
    read_rounds(run, ROUNDS, expected, exact)


@pytest.mark.parametrize("what", ["poll", "select", "epoll", "edge"])
def test_until_it_is_full(place, what):
    each(place, f"stuff nonblock what={what}",
         ["sndbuf=200000", "more sndbuf=300000", "no_head sndbuf=60000",
          "position sndbuf=200000 nodelay", "position no_head v6"], stuffed)


def test_what_is_acknowledged_has_gone(place):
    each(place, "stuff nonblock what=poll", [""], lambda run: stuffed(run, True))


def turns(run, seconds=SOON_S):
    answer = file(run, "f05")
    header = b"f05 has %d bytes\n" % len(answer)
    read_rounds(run, 3, lambda r, i: (header + answer, HEADER + file(r, "big")), seconds=seconds)


KINDS = ["", "v6 nodelay sndbuf=200000", "position sndbuf=60000", "nonblock sndbuf=300000"]


@pytest.mark.parametrize("how", ["fcntl", "ioctl"])
def test_blocking_and_not_in_turns(place, how):
    each(place, f"turns what={how}", KINDS, turns)


@pytest.mark.parametrize("how", ["dup", "child"])
def test_made_not_to_block_by_another_number(place, how):
    each(place, f"turns what={how}", [""], lambda run: turns(run, 1))


def test_dontwait(place):
    """A flag of one call, on a socket that blocks."""
    def script(run):
        files = b"".join(b"m" * 30000 + file(run, "f05")[:100] for _ in range(4))
        read_rounds(run, 1, lambda r, i: (files, b"m" * 30000))
    each(place, "dontwait", ["", "v6 nodelay", "sndbuf=400000"], script)


def test_limit_of_time(place):
    def script(run):
        read_rounds(run, 1, lambda r, i: (b"", HEADER + file(r, "big")), seconds=1)
    each(place, "limit", [""], script)


def loop(run):
    run.connect(slow="sndbuf" in run.words)


def test_event_loop(place):
    """Each file as far as it goes, then a wait for room: the peer has all of them."""
    each(place, "loops nonblock", ["", "v6", "nodelay", "sndbuf=100000", "sndbuf=16384 v6 nodelay"],
         loop)
