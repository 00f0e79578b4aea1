# SPDX-License-Identifier: MIT
"""Whatever else somebody can notice of a program comes after what it has sent before:
who sees the effect finds all bytes in the connection's queue."""
import contextlib
import fcntl
import os
import socket

import pytest

from promise import SOON_S, each, made

ROUNDS = 4
HEADER = 20     # "fNN has NNN bytes\n", about

# Effects of which standard output or error shows a byte. Formatted and single characters of
# stdio are not seen by the library: docs/CONTRACT.md.
BY_PIPE = ["pipe", "writev", "puts", "fflush", "fwrite", "splice",
           "vmsplice", "sendfile", "fork", "clone", "vfork", "spawn", "system", "popen",
           "syscall", "kill"]
BY_ERROR = ["perror"]
BY_NAME = ["creat", "open", "mkdir", "symlink", "link", "rename", "fopen"]
BY_SIZE = ["file", "pwrite", "truncate", "copying"]


def rounds(run, effect, count=ROUNDS):
    """In each: lets the program send, waits for the effect, and counts what is there."""
    peer = run.connect()
    for i in range(count):
        run.at(2 * i + 1)
        before = len(peer.got)
        run.go(2 * i + 1)
        came = effect(run, i)
        peer.take()
        early = len(peer.got)
        run.at(2 * i + 2)
        # Seen first, then counted: what the program is told comes before the effect.
        run.saw(f"{i}: effect {came}, missing", run.sent() - early)
        run.saw("of", run.sent() - before)
        run.go(2 * i + 2)


def by_output(run):
    rounds(run, lambda r, i: r.received(len(r.out) + 1))


def by_error(run):
    sizes = [0]

    def seen(r, i):
        def more():
            return os.fstat(r.err_file.fileno()).st_size > sizes[-1]
        came = r.until(more, step=0)
        sizes.append(os.fstat(r.err_file.fileno()).st_size)
        return came
    rounds(run, seen)


def by_name(run):
    rounds(run, lambda r, i: r.until(lambda: os.path.lexists(r.directory / f"n{i}"), step=0))


def by_size(run):
    path = run.directory / "file0"
    rounds(run, lambda r, i: r.until(lambda: path.stat().st_size > i, step=0))


def by_lock(run):
    def free(r, i):
        path = r.directory / f"n{i}"
        # Taken before the program has it: then that waits, and this is not the test.
        r.until(path.exists, step=0)
        with open(path) as f:
            def locks():
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    return True
            return r.until(locks, step=0)
    rounds(run, free)


def by_mapping(run):
    path = run.directory / "file0"
    rounds(run, lambda r, i: r.until(lambda: path.read_bytes()[i:i + 1] == b"x", step=0))


@contextlib.contextmanager
def listening(kind):
    with socket.socket(socket.AF_INET, kind) as s:
        s.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            s.listen(16)
        s.settimeout(SOON_S)
        yield s, s.getsockname()[1]


def effects(place, names, script):
    each(place, f"elsewhere nodelay count={ROUNDS}", [f"what={name}" for name in names], script)


def test_pipes(place):
    effects(place, BY_PIPE, by_output)


def test_standard_error(place):
    effects(place, BY_ERROR, by_error)


def test_names(place):
    effects(place, BY_NAME, by_name)


def test_contents(place):
    effects(place, BY_SIZE, by_size)


def test_shared_memory(place):
    """The call that maps it; what is stored later nobody sees coming."""
    effects(place, ["mmap"], by_mapping)


def test_locks(place):
    effects(place, ["unlock"], by_lock)


@pytest.mark.parametrize("what", ["udp", "sendto"])
def test_datagrams(place, what):
    with listening(socket.SOCK_DGRAM) as (sock, port):
        def script(run):
            rounds(run, lambda r, i: sock.recv(10))
        for mode_of_one in ("", "v6"):
            each_alone(place, f"elsewhere nodelay count={ROUNDS} what={what} number={port}",
                       script, mode_of_one)


def test_unix_datagrams(place):
    path = place.root / "socket"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(path))
        sock.settimeout(SOON_S)

        def script(run):
            rounds(run, lambda r, i: sock.recv(10))
        each_alone(place, f"elsewhere nodelay count={ROUNDS} what=unix with={path}", script)


@pytest.mark.parametrize("what", ["tcp", "connect"])
def test_other_connections(place, what):
    with listening(socket.SOCK_STREAM) as (sock, port):
        def script(run):
            other = []

            def effect(r, i):
                if what == "connect" or not other:
                    other.append(sock.accept()[0])
                if what == "tcp":
                    return other[0].recv(1)
                return "accepted"
            rounds(run, effect)
            for o in other:
                o.close()
        each_alone(place, f"elsewhere nodelay count={ROUNDS} what={what} number={port}", script)


@pytest.mark.parametrize("what", ["hangup", "close"])
def test_end_of_another(place, what):
    with listening(socket.SOCK_STREAM) as (sock, port):
        def script(run):
            other = []

            def effect(r, i):
                other.append(sock.accept()[0])
                other[0].settimeout(SOON_S)
                return other[0].recv(1)
            rounds(run, effect, 1)
            other[0].close()
        each_alone(place, f"elsewhere nodelay count=1 what={what} number={port}", script)


def each_alone(place, words, script, *styles):
    """One listener for all: a run after the other."""
    from promise import difference, run_once
    for style in styles or ("",):
        plain = run_once(place, f"{words} {style}", None, script)
        ours = run_once(place, f"{words} {style}", "fuse", script)
        found = difference(plain, ours)
        assert found is None, found
        made(ours)
