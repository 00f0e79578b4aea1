# SPDX-License-Identifier: MIT
"""However a program ends, or becomes another or two: what it has sent before arrives, in
order and whole; unless it is killed, when at least nothing comes that was not sent."""
import signal

import pytest

from promise import as_it_comes, each, made, run_once

BY_EXIT = ["exit", "exit_handler", "quick_exit", "_exit", "_Exit", "syscall", "return",
           "handler"]
BY_EXEC = ["execv", "execl", "execvp", "cloexec"]
BY_CHILD = ["spawn", "vfork_exec", "system", "popen", "child", "orphan"]
BY_SIGNAL = ["abort", "raise", "kill", "killing", "raw_kill"]
BY_ALARM = ["alarm", "late_handler"]
KINDS = ["", "v6 nodelay position", "nonblock cork", "rest sndbuf=16384", "rest"]


def each_end(place, ends, kinds=KINDS, check=made):
    """A peer that is slow has to be waited for."""
    def script(run):
        run.connect(slow="sndbuf" in run.words)
    each(place, "end", [f"what={end} {kind}" for kind in kinds for end in ends], script, check)


def test_exit(place):
    each_end(place, BY_EXIT)


def test_quick_exit_handler(place):
    each_end(place, ["quick_exit_handler"])


def test_exec(place):
    """The program that comes next has statistics of its own."""
    def check(run):
        (made if run.words.split("what=")[1].split()[0] in ("execv", "execl") else
         as_it_comes)(run)
    each_end(place, BY_EXEC, check=check)


def test_children(place):
    each_end(place, BY_CHILD)


def test_killed_by_itself(place):
    """What was sent before has gone, whoever kills it afterwards."""
    each_end(place, BY_SIGNAL, KINDS[:3], as_it_comes)
    # These wait for a rest as well.
    each_end(place, ["abort", "raw_kill"], KINDS[3:], as_it_comes)


def test_ended_in_a_pause(place):
    each_end(place, BY_ALARM, KINDS[:3], as_it_comes)


# --- by others ---

def killed(place, words, script):
    """The peer's bytes are the first of those that a plain run sends."""
    plain = run_once(place, words, None, script)
    ours = run_once(place, words, "fuse", script)
    assert (ours.status, ours.told()) == (plain.status, plain.told()), f"{plain}\n{ours}"
    whole, part = plain.peers[0].seen(), ours.peers[0].seen()
    assert whole.data.startswith(part.data), ours
    assert (whole.end, part.end) == ("end", "end"), ours
    return plain, ours


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT])
@pytest.mark.parametrize("kind", ["count=2", "count=3 v6 nodelay", "count=4 nonblock"])
def test_killed_with_promises(place, kind, number):
    def script(run):
        run.connect()
        assert run.at(1)
        run.signal(number)
    plain, ours = killed(place, f"ended {kind}", script)
    assert ours.status == -number, ours
    # There was something to lose, or this proves nothing.
    assert len(ours.peers[0].got) < len(plain.peers[0].got), ours


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_killed_in_a_wait(place, number):
    def script(run):
        peer = run.connect()
        assert run.at(1)
        run.go(1)
        peer.wait(run.sent())
        run.saw("before the end", len(peer.got))
        run.asleep()
        run.signal(number)
    each(place, "ended", ["count=3", "count=2 v6 nodelay", "count=5 nonblock"], script,
         as_it_comes)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_killed_with_a_rest(place, number):
    """The peer has not read when it is killed; without promises, it must have."""
    def script(run):
        peer = run.connect(slow=True)
        if not run.promising:
            peer.wait(900 << 10)
        assert run.at(1)
        run.go(1)
        run.asleep()
        run.signal(number)
    killed(place, "ended rest sndbuf=16384", script)


def test_ended_by_the_other_end(place):
    """The end of its input: what is left arrives."""
    def script(run):
        run.connect(slow="rest" in run.words)
        if "rest" in run.words and not run.promising:
            run.peers[0].wait(900 << 10)
        assert run.at(1)
        run.go(1)
        run.asleep()
    each(place, "ended", ["count=3", "rest sndbuf=16384", "rest sndbuf=16384 v6 nodelay"], script)
