#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""
Somebody else who changes the files that a walker reads: changer.py OPTIONS, a JSON
object. In lock-step it does what the plan says for a step when the walker says that
it comes to that step, then answers; running free it changes files at random and
keeps a table of generations. It never runs with the library.

A file of generation g is a number of records "g%014d\\n", as many as size(g) says.
"""
import json
import mmap
import os
import random
import select
import signal
import socket
import stat
import struct
import sys
import time

RECORD = 16
OLD = 1577934245    # a time that is not now


def size(g):
    """Another one for each of 239 generations in a row, and below a page."""
    return RECORD * (1 + g * 7 % 239)


def content(g):
    return b"g%014d\n" % g * (size(g) // RECORD)


def write(path, data, flags=os.O_TRUNC | os.O_CREAT):
    fd = os.open(path, os.O_WRONLY | flags, 0o644)
    try:
        os.write(fd, data)
    finally:
        os.close(fd)


# --- changes: (directory, side directory, name, generation) ----------------------

KINDS = {}


def kind(function):
    KINDS[function.__name__] = function
    return function


def _dated(path, g):
    os.utime(path, (OLD + g, OLD + g))


@kind
def rewritten(d, aside, name, g):
    write(f"{d}/{name}", content(g))
    _dated(f"{d}/{name}", g)


@kind
def replaced(d, aside, name, g):
    write(f"{aside}/{name}", content(g))
    _dated(f"{aside}/{name}", g)
    os.rename(f"{aside}/{name}", f"{d}/{name}")


@kind
def silently(d, aside, name, g):
    """Other bytes; size and time of modification stay: only the time of change tells."""
    path = f"{d}/{name}"
    st = os.stat(path)
    write(path, (b"g%014d\n" % g) * (st.st_size // RECORD), flags=0)
    os.utime(path, ns=(st.st_atime_ns, st.st_mtime_ns))


@kind
def appended(d, aside, name, g):
    write(f"{d}/{name}", content(g), flags=os.O_APPEND)
    _dated(f"{d}/{name}", g)


@kind
def removed(d, aside, name, g):
    os.unlink(f"{d}/{name}")


@kind
def emptied(d, aside, name, g):
    os.truncate(f"{d}/{name}", 0)
    _dated(f"{d}/{name}", g)


@kind
def cut(d, aside, name, g):
    os.truncate(f"{d}/{name}", RECORD)
    _dated(f"{d}/{name}", g)


@kind
def protected(d, aside, name, g):
    os.chmod(f"{d}/{name}", 0o400)


@kind
def linked(d, aside, name, g):
    """Another file's second name."""
    write(f"{aside}/first-{name}", content(g))
    _dated(f"{aside}/first-{name}", g)
    os.link(f"{aside}/first-{name}", f"{aside}/{name}")
    os.rename(f"{aside}/{name}", f"{d}/{name}")


@kind
def symlink(d, aside, name, g):
    write(f"{aside}/target-{name}", content(g))
    _dated(f"{aside}/target-{name}", g)
    os.symlink(f"../aside/target-{name}", f"{aside}/{name}")
    os.utime(f"{aside}/{name}", (OLD + g, OLD + g), follow_symlinks=False)
    os.rename(f"{aside}/{name}", f"{d}/{name}")


@kind
def directory(d, aside, name, g):
    os.unlink(f"{d}/{name}")
    os.mkdir(f"{d}/{name}")


@kind
def fifo(d, aside, name, g):
    os.mkfifo(f"{aside}/{name}", 0o600)
    _dated(f"{aside}/{name}", g)
    os.rename(f"{aside}/{name}", f"{d}/{name}")


@kind
def moved(d, aside, name, g):
    """Away, and a file of another generation in its place."""
    os.rename(f"{d}/{name}", f"{aside}/old-{name}")
    write(f"{d}/{name}", content(g))
    _dated(f"{d}/{name}", g)


@kind
def returned(d, aside, name, g):
    """Removed, and made again: on some file systems with the same inode number."""
    os.unlink(f"{d}/{name}")
    write(f"{d}/{name}", content(g))
    _dated(f"{d}/{name}", g)


@kind
def twice(d, aside, name, g):
    replaced(d, aside, name, g + 1000)
    rewritten(d, aside, name, g)


# --- what is true after a change, in the words that the walker prints --------------

def truth(path):
    try:
        st = os.lstat(path)
    except OSError:
        return None
    if not stat.S_ISREG(st.st_mode):
        return "other"
    with open(path, "rb") as f:
        data = f.read()
    found = {int(data[i + 1:i + RECORD]) for i in range(0, len(data), RECORD)} or {0}
    return [f"f{stat.S_IMODE(st.st_mode):03o} n{st.st_nlink} s{st.st_size} t{int(st.st_mtime)}",
            f"{len(data)} g{min(found)}..{max(found)}"]


# --- hearing of a step, and answering ---------------------------------------------

class Ended(Exception):
    pass


class Pipe:
    def __init__(self, o):
        self.input, self.output = o["in"], o["out"]

    def hear(self):
        data = os.read(self.input, 4)
        if len(data) < 4:
            raise Ended
        return struct.unpack("i", data)[0]

    def answer(self, n):
        os.write(self.output, b"k")


class Late(Pipe):
    """For one that polls first: it may find nothing for a moment."""

    def hear(self):
        select.select([self.input], [], [])
        return super().hear()

    def answer(self, n):
        time.sleep(0.0005)
        super().answer(n)


class Socket:
    def __init__(self, o):
        self.socket = socket.socket(fileno=o["in"])

    def hear(self):
        data = self.socket.recv(4)
        if len(data) < 4:
            raise Ended
        return struct.unpack("i", data)[0]

    def answer(self, n):
        self.socket.sendmsg([b"k"])


class Signal:
    WANTED = {signal.SIGUSR1, signal.SIGTERM}

    def __init__(self, o):
        self.n = -1

    def hear(self):
        info = signal.sigwaitinfo(self.WANTED)
        if info.si_signo == signal.SIGTERM:
            raise Ended
        self.peer = info.si_pid
        self.n += 1
        return self.n

    def answer(self, n):
        os.kill(self.peer, signal.SIGUSR2)


class Memory:
    def __init__(self, o):
        self.memory = mmap.mmap(o["in"], 4096)
        self.n = 0

    def hear(self):
        while struct.unpack_from("i", self.memory, 0)[0] == self.n:
            time.sleep(0.00005)
        self.n = struct.unpack_from("i", self.memory, 0)[0]
        return self.n - 1

    def answer(self, n):
        struct.pack_into("i", self.memory, 4, n + 1)


WAYS = {"pipe": Pipe, "poll": Late, "socket": Socket, "signal": Signal, "memory": Memory,
        "child": Pipe}


def lockstep(o):
    """Prints [step, name, truth] for each change."""
    way, plan, log = WAYS[o["way"]](o), o["plan"], []
    signal.signal(signal.SIGTERM, lambda *a: sys.exit(write_log(log)))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    try:
        while True:
            n = way.hear()
            for what, name, g in plan[n] if n < len(plan) else []:
                KINDS[what](o["directory"], o["aside"], name, g)
                log.append([n, name, truth(f"{o['store']}/{name}")])
            way.answer(n)
    except Ended:
        write_log(log)


def write_log(log):
    json.dump(log, sys.stdout)
    sys.stdout.flush()
    return 0


# --- running free ------------------------------------------------------------------

FREE = (replaced, rewritten, returned)      # by generation; the states between are known


def free(o):
    """Changes files until time is up; the table has, for each, the last generation
    that is complete and the last one that was begun."""
    rng, end = random.Random(o["seed"]), time.monotonic() + o["seconds"]
    generations = [0] * o["files"]
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while time.monotonic() < end:
        i = rng.randrange(o["files"])
        generations[i] += 1
        g = generations[i]
        os.pwrite(o["table"], struct.pack("q", g), i * 16 + 8)
        FREE[g % len(FREE)](o["directory"], o["aside"], f"f{i:04}", g)
        os.pwrite(o["table"], struct.pack("q", g), i * 16)
        if rng.random() < 0.2:
            time.sleep(rng.random() * 0.01)
    write_log(generations)


def main():
    o = json.loads(sys.argv[1])
    os.umask(0o022)
    if o["way"] == "signal":
        signal.pthread_sigmask(signal.SIG_BLOCK, Signal.WANTED)
    (free if o["way"] == "free" else lockstep)(o)


if __name__ == "__main__":
    main()
