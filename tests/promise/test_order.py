# SPDX-License-Identifier: MIT
"""The order of bytes: on one connection in all mixes of header, file and trailer, on
several at once, and on walks at random."""
import pytest

from promise import SOON_S, as_it_comes, each, many

KINDS = ["", "nodelay", "v6", "v6 nodelay"]


def test_all_mixes(place):
    each(place, "mixes", KINDS)


def by_request(run):
    peer = run.connect()
    for i in range(150):
        peer.send(b"?")
        if run.at(i + 1):
            peer.wait(run.flag(), seconds=1)
        run.saw(f"all of {i}", len(peer.got) - run.flag())
    peer.socket.shutdown(1)


def test_nothing_stays_behind(place):
    """Each request is answered in full before the program waits for the next."""
    each(place, "asked", ["seed=1", "seed=2 v6", "seed=3 nodelay"], by_request)


@pytest.mark.parametrize("number", [2, 5, 17])
def test_several_connections(place, number):
    each(place, f"interleaved number={number} count=60",
         [f"{kind} seed={seed}" for seed in (1, 2, 3) for kind in ("", "v6 nodelay")],
         many(number))


WALK = "walk count=600"


def test_walks(place):
    each(place, WALK, [f"seed={seed}" for seed in range(1, 21)] +
         [f"v6 seed={seed}" for seed in range(21, 25)], many(3))


def test_walks_that_do_not_block(place):
    """All fits into the buffers: nothing has to wait."""
    each(place, "walk count=120 nonblock sndbuf=4194304",
         [f"seed={seed}" for seed in range(31, 41)], many(3))


def test_two_numbers(place):
    each(place, "two_numbers", [f"count=4 what={how}{rest}" for how in ("dup", "fcntl", "passed")
                                for rest in ("", " rest sndbuf=16384")], check=as_it_comes)


def test_renumbered(place):
    each(place, "renumbered count=12", ["", "sendmsg", "v6"], many(2))


def slow_one_first(run):
    a, b = run.connect(2)
    for i in range(8):
        run.at(i + 1)
        b.wait(len(b.got) + 1)
        a.take()
        run.saw(f"{i}: all of the first", len(a.got) // 50000)
        b.take()
        run.go(i + 1)


def test_order_between_connections(place, slow):
    """The file of the first is cold, that of the second is not."""
    fs = slow(delay_us=3000)
    for i in range(8):
        (fs.backing / f"c{i:02}").write_bytes(bytes([65 + i]) * 50000)
    each(place, f"cold_first nodelay count=8 with={fs.mountpoint}", ["", "v6 position"],
         slow_one_first)


def requests(run):
    peer = run.connect()
    for _ in range(60):
        peer.send(b"?" * 50)
        peer.take()
    peer.socket.shutdown(1)
