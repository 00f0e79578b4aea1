# SPDX-License-Identifier: MIT
"""The number of a file that has been sent and closed is free, for whatever makes a
descriptor next; and all numbers are those of a plain run."""
import pytest

from promise import each, many

MAKERS = ["open", "openat", "creat", "path", "dup", "fcntl", "cloexec", "socket", "udp",
          "socketpair", "pipe", "pipe2", "eventfd", "epoll_create", "epoll_create1", "timerfd",
          "signalfd", "memfd", "inotify", "inotify1", "syscall", "passed", "fopen", "fopen64",
          "freopen", "tmpfile", "popen", "opendir", "mkstemp", "shm", "pty", "pidfd"]
KINDS = ["", "position v6 nodelay", "rest sndbuf=16384", "sendmsg beyond nonblock", "no_head parts"]


@pytest.mark.parametrize("kind", KINDS)
def test_next_number(place, kind):
    each(place, f"number {kind}", [f"what={maker}" for maker in MAKERS])


def test_next_number_is_a_queue(place):
    each(place, "number", ["what=mq"])


def test_next_number_is_a_connection(place):
    each(place, "number what=accept", KINDS, many(4))


def test_closed_is_closed(place):
    each(place, "closed", [*KINDS, "cork", "writev twice", "two backwards", "more after_seek",
                           "send copy"])


def test_no_number_is_left(place):
    each(place, "exhausted", KINDS)
