# SPDX-License-Identifier: MIT
"""In everything that waits: what was sent before has gone, or goes meanwhile; the wait
ends as it would have; handlers run at once."""
import signal

import pytest

from promise import BIG, STAGE, each, made

BY_INPUT = ["read", "readv", "poll", "ppoll", "select", "pselect", "epoll", "epoll_pwait",
            "splice", "syscall"]
BY_STDIO = ["fgets", "fread", "getline"]        # not seen: getc, scanf (docs/CONTRACT.md)
BY_PEER = ["recv", "recvfrom", "recvmsg", "read_peer"]
BY_SIGNAL = ["pause", "sigsuspend", "sigwait"]
BY_TIME = ["sleep", "usleep", "nanosleep", "clock_nanosleep", "poll_time", "timerfd"]
BY_PROCESS = ["waitpid", "wait", "waitid", "flock", "setlkw", "lockf", "system", "mq_receive"]
ALL = BY_INPUT + BY_STDIO + BY_PEER + ["accept"] + BY_SIGNAL + BY_TIME + BY_PROCESS

SLOW = "rest sndbuf=16384"
WAITING, AFTER = 2, 9       # stages
F03 = 500 + 3 * 3001
FIRST = {False: len(f"f03 has {F03} bytes\n") + F03, True: len(f"big has {BIG} bytes\n") + BIG}


def end_wait(run, what, peer):
    """As this wait is to end."""
    if what in BY_PEER:
        peer.send(b"x")
    elif what == "accept":
        run.connect()
    elif what in BY_SIGNAL:
        run.asleep()
        run.signal(signal.SIGUSR2 if what == "sigwait" else signal.SIGUSR1)
    elif what not in BY_TIME:
        run.give(b"x\n")


def free_to_wait(run, rest):
    """With promises a program whose peer does not read has come to its wait already."""
    if rest and run.promising:
        assert run.at(WAITING), f"the program is not free: {run}"


def in_the_wait(run, what, peer, rest):
    free_to_wait(run, rest)
    peer.wait(FIRST[rest])
    run.saw("sent before or in the wait", len(peer.got) - FIRST[rest])
    run.at(WAITING)
    run.saw("still waiting", run.word(STAGE) < AFTER)
    end_wait(run, what, peer)
    run.saw("ends", run.at(AFTER))


def each_wait(place, names, style="", script=in_the_wait, rests=("", SLOW)):
    """Each of them, with and without a rest that the peer has not read."""
    def play(run):
        rest = SLOW in run.words
        peer = run.connect(slow=rest)
        run.at(1)
        run.go(1)
        script(run, run.words.split("what=")[1].split()[0], peer, rest)
    each(place, f"waits {style}",
         [f"what={name} {more}" for more in rests for name in names], play)


def test_input(place):
    each_wait(place, BY_INPUT)


def test_stdio(place):
    each_wait(place, BY_STDIO)


def test_peers(place):
    each_wait(place, [*BY_PEER, "accept"])


def test_signals(place):
    each_wait(place, BY_SIGNAL)


def test_time(place):
    each_wait(place, BY_TIME)


def test_other_processes(place):
    each_wait(place, BY_PROCESS)


def interrupted(run, what, peer, rest):
    """The handler runs at once; then the call ends, or goes on."""
    if rest and run.promising:
        free_to_wait(run, rest)
    else:
        peer.wait(FIRST[rest])
    run.at(WAITING)
    run.asleep()
    run.signal(signal.SIGUSR1)
    run.saw("handler ran", run.until(lambda: run.flag() == 1, 2))
    goes_on = not run.at(AFTER, 0.1)
    # What is on its way may keep the program a little longer than the call.
    peer.wait(FIRST[rest])
    goes_on = goes_on and not run.at(AFTER, 0.1)
    run.saw("goes on", goes_on)
    if goes_on:
        end_wait(run, what, peer)
    run.saw("ends", run.at(AFTER))


INTERRUPTED = [*BY_INPUT[:-2], "recv", "recvmsg", "read_peer", "accept"]


@pytest.mark.parametrize("style", ["", "restart"])
def test_handlers_in_waits(place, style):
    # With a rest, a handler that comes while some of it is sent has come before the wait.
    each_wait(place, INTERRUPTED, style, interrupted, rests=("",))


def limited(run):
    rest = SLOW in run.words
    peer, _ = run.connect(2, slow=rest)
    if rest and run.promising:
        assert run.at(AFTER), f"the limit does not hold: {run}"
    peer.wait(FIRST[rest])


def test_limits_of_time(place):
    each(place, "limited", [""], limited)


def full_pipe(run):
    rest = SLOW in run.words
    peer = run.connect(slow=rest)
    run.at(1)
    run.go(1)
    free_to_wait(run, rest)
    peer.wait(FIRST[rest])
    run.saw("sent", len(peer.got))
    run.at(WAITING)
    run.go(2)
    run.saw("ends", run.at(AFTER))


def test_full_pipe(place):
    each(place, "full_pipe", ["", SLOW], full_pipe)

