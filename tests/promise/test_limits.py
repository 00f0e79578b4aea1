# SPDX-License-Identifier: MIT
"""How much may be promised and not sent, and what the program is free to do meanwhile:
serve others; whatever it does to the connection itself comes after the rest."""
import pytest

from promise import BIG, QUIET_S, SOON_S, collect, each, many

PART = len("a header\n") + BIG
ALL = len(f"big has {BIG} bytes\n") + BIG
MIB = 1 << 20
KERNEL = 512 << 10      # more than the kernel takes of a connection with small buffers
SLOW = "sndbuf=16384"


def stuck(run, limit):
    """The program goes on by itself until it has been promised so much, and not further."""
    assert run.until(lambda: run.sent() > limit // 2), run
    run.at(99, QUIET_S)
    assert run.sent() < limit + KERNEL * len(run.peers), run


def test_one_connection(place):
    """The second answer does not fit behind the first."""
    def script(run):
        run.connect(slow=True)
        if run.promising:
            assert run.at(1), run
            run.asleep()
            assert not run.at(2, QUIET_S), run
    each(place, f"one_socket {SLOW}", ["", "v6 nodelay"], script)


def little(run):
    run.connect(slow=True)
    if run.promising:
        stuck(run, MIB)


def test_small_ones_add_up(place):
    each(place, f"little count=27 nodelay {SLOW}", ["", "position v6"], little)


def test_waits_without_the_processor(place):
    def script(run):
        little(run)
        if run.promising:
            before = run.ticks()
            run.at(99, 0.3)
            assert run.ticks() - before < 5, run
    each(place, f"little count=27 nodelay {SLOW}", [""] * 4, script)


def test_many_connections(place):
    """More than is allowed in all; the memory is given back."""
    def script(run):
        run.connect(21, slow=True)
        if run.promising:
            stuck(run, 16 * MIB)
        collect(run.peers, seconds=15)
    each(place, f"many_sockets count=21 {SLOW}", [""], script)


def test_large_and_many(place):
    each(place, "huge", ["", "position v6", "beyond"])
    each(place, "long_header", ["", "v6 nodelay", SLOW])
    each(place, "many_parts", ["", "v6 nodelay"], many(4))


# --- a rest that is on its way ---

def free(run, slow):
    """With promises the program is, though nobody has read; without, somebody must."""
    if not run.promising:
        slow.wait(ALL)
    assert run.at(1), f"the program is not free: {run}"


def answer_length(i):
    size = 500 + i * 3001
    return len(f"f{i:02} has {size} bytes\n") + size


def others(run, seconds=SOON_S):
    what = run.words.split("what=")[1].split()[0]
    slow = run.connect(slow=True)
    other = None if what == "accept" else run.connect()
    free(run, slow)
    for i in range(5):
        if what == "accept":
            other = run.connect()
        before = len(other.got)
        other.send(b"x")
        other.wait(before + answer_length(i), seconds)
        assert len(other.got) == before + answer_length(i), f"no answer {i}: {run}"
    if run.promising:
        assert not slow.got and run.at(2), run


def test_others_are_served(place):
    each(place, f"beside {SLOW}", [f"what={what} {kind}" for kind in ("", "v6 nodelay position")
                                   for what in ("accept", "recv", "read", "recvmsg", "poll",
                                                "select")], others)


def test_others_are_served_with_epoll(place):
    each(place, f"beside {SLOW}", ["what=epoll"], lambda run: others(run, 1))


THEN = ["close", "linger", "shutdown", "dup2", "close_range", "cloexec", "write", "number",
        "child", "children", "vfork", "recv", "options", "thread"]
THEN_QUIET = {"quiet": 5, "nonblocking": 1}     # bytes for each that is told


def then(run):
    slow = run.connect(slow=True)
    run.connect()
    free(run, slow)
    if "what=recv" in run.words:
        slow.send(b"x")
    while not run.at(2, QUIET_S / 10):
        slow.take()
    run.go(3)


def test_then(place):
    each(place, f"then {SLOW}", [f"what={what} {kind}" for kind in ("", "v6 nodelay")
                                 for what in THEN], then)


def test_then_passed_on(place):
    each(place, f"then {SLOW}", ["what=pass"], then)


def test_then_without_waiting(place):
    """As much as goes, which is nobody's to say."""
    def script(run):
        then(run)
        what = run.words.split("what=")[1].split()[0]
        run.peers[0].wait()
        del run.peers[0].got[ALL:ALL + run.flag(1) * THEN_QUIET[what]]
    each(place, f"then {SLOW}", [f"what={what}" for what in THEN_QUIET], script)
