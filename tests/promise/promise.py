# SPDX-License-Identifier: MIT
"""Runs `promise` without the library and with it, plays the other end of its
connections in the same way each time, and compares all that both have seen: results
on the board, bytes, how connections and the program ended.

A script is a function of a Run: it connects, reads, signals, and tells with `saw` what
must be the same. In mode fuse the statistics must show that promises were made, or
equality proves nothing; PROMISE_NOT_YET=1 takes that out."""
import contextlib
import hashlib
import itertools
import mmap
import os
import re
import selectors
import socket
import struct
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness import BUILD, lib_env, read_stats, total

PROGRAM = BUILD / "tests" / "promise" / "promise"
BOARD = 8 << 20
STAGE, GO, PORT, USED, FLAGS, TEXT = 0, 4, 8, 12, 16, 32
NOT_YET = os.environ.get("PROMISE_NOT_YET") == "1"

LIMIT_S = 20    # of a run
SOON_S = 5      # what has not come by then does not come
QUIET_S = 0.1   # nothing more comes after that
AT_ONCE = 4     # comparisons, of two or three processes each
SMALL = 8192    # buffers of peers that are slow
BIG = 900 << 10

SIZES = {"empty": 0, "one": 1, "page": 4096, "big": BIG, "huge": 8 << 20}


def fill(directory):
    """The files: f00..f15 as in the zoo, and the odd ones."""
    directory.mkdir()
    seed = hashlib.shake_256(b"promise").digest(1 << 16)

    def bytes_of(number, size):
        turned = seed[number * 97:] + seed[:number * 97]
        return (turned * (size // len(turned) + 1))[:size]
    for i in range(16):
        (directory / f"f{i:02}").write_bytes(bytes_of(i, 500 + i * 3001))
    for i, (name, size) in enumerate(SIZES.items()):
        (directory / name).write_bytes(bytes_of(20 + i, size))


class Place:
    """The directory that all programs run in, and for each run one of its own in it."""

    def __init__(self, root, tmp):
        self.root, self.tmp = Path(root), Path(tmp)
        self.turns = itertools.count()

    def own(self):
        name = f"own{next(self.turns)}"
        (self.root / name).mkdir()
        return name


class Peer:
    """One end of a connection: what has come, and how it ended."""

    def __init__(self, port, family=socket.AF_INET, slow=False):
        self.socket = socket.socket(family)
        if slow:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_OOBINLINE, 1)
        self.socket.settimeout(SOON_S)
        self.socket.connect(("127.0.0.1" if family == socket.AF_INET else "::1", port))
        self.socket.setblocking(False)
        self.got = bytearray()
        self.end = None

    def take(self, most=1 << 18):
        """What there is, without waiting; how many bytes."""
        before = len(self.got)
        while self.end is None and len(self.got) - before < most:
            try:
                part = self.socket.recv(min(most, 1 << 18))
            except BlockingIOError:
                break
            except ConnectionResetError:
                self.end = "reset"
                break
            if not part:
                self.end = "end"
            self.got += part
        return len(self.got) - before

    def wait(self, count=None, seconds=SOON_S):
        """Reads until there are `count` bytes, or the end."""
        collect([self], count, seconds)
        return self

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def close(self):
        self.end = self.end or "closed here"
        self.socket.close()

    def send(self, data):
        self.socket.setblocking(True)
        self.socket.sendall(data)
        self.socket.setblocking(False)

    def seen(self):
        return Seen(bytes(self.got), self.end or "open")


class Seen:
    """Bytes and an end; equal if both are."""

    def __init__(self, data, end):
        self.data, self.end = data, end

    def __eq__(self, other):
        return (self.data, self.end) == (other.data, other.end)

    def __repr__(self):
        return f"{len(self.data)} bytes {hashlib.sha1(self.data).hexdigest()[:8]}, {self.end}"


def collect(peers, count=None, seconds=SOON_S):
    """Reads from all of them until each has `count` bytes, or its end."""
    end = time.monotonic() + seconds
    with selectors.DefaultSelector() as ready:
        for p in peers:
            if p.end is None and (count is None or len(p.got) < count):
                ready.register(p.socket, selectors.EVENT_READ, p)
        while ready.get_map() and (left := end - time.monotonic()) > 0:
            for key, _ in ready.select(left):
                p = key.data
                p.take(1 << 18 if count is None else max(count - len(p.got), 1))
                if p.end is not None or (count is not None and len(p.got) >= count):
                    ready.unregister(p.socket)


class Run:
    """The program, from its start to its end."""

    def __init__(self, place, words, mode, log=False, family=socket.AF_INET, inherits=()):
        self.mode, self.words = mode, words
        self.promising = mode == "fuse" and not NOT_YET
        self.family = socket.AF_INET6 if "v6" in words.split() else family
        self.notes, self.peers, self.status, self.err, self.out = [], [], None, b"", b""
        number = next(place.turns)
        self.own = place.own()
        self.directory = place.root / self.own
        base = place.tmp / f"{number}"
        self.stats_file = base.with_suffix(".stats") if mode else None
        self.log_file = base.with_suffix(".log") if log and mode else None
        more = {"log": self.log_file} if self.log_file else {}
        path = base.with_suffix(".board")
        with open(path, "wb") as f:
            f.truncate(BOARD)
        with open(path, "r+b") as f:
            self.board = mmap.mmap(f.fileno(), BOARD)
        self.err_file = open(base.with_suffix(".err"), "w+b")
        argv = [PROGRAM, path, *words.split(), f"own={self.own}"]
        self.process = subprocess.Popen(argv, cwd=place.root, pass_fds=inherits,
                                        env=lib_env(mode, stats=self.stats_file, **more),
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.err_file, bufsize=0)
        os.set_blocking(self.process.stdout.fileno(), False)
        self.late = time.monotonic() + LIMIT_S

    # --- the board ---

    def word(self, at):
        return struct.unpack_from("=I", self.board, at)[0]

    def flag(self, i=0):
        return self.word(FLAGS + 4 * i)

    def text(self):
        return self.board[TEXT:TEXT + self.word(USED)].decode(errors="replace")

    def until(self, check, seconds=SOON_S, step=0.0005):
        """True as soon as check() is; False after a while, or where nothing can change
        any more."""
        end = min(time.monotonic() + seconds, self.late)
        while not check():
            if time.monotonic() > end or self.process.poll() is not None:
                return bool(check())
            time.sleep(step)
        return True

    def at(self, stage, seconds=SOON_S):
        return self.until(lambda: self.word(STAGE) >= stage, seconds)

    def go(self, stage):
        struct.pack_into("=I", self.board, GO, stage)

    def asleep(self):
        """Waits until the program is in a call that waits."""
        def sleeps():
            with contextlib.suppress(OSError):
                stat = Path(f"/proc/{self.process.pid}/stat").read_text()
                return stat.rsplit(")", 1)[1].split()[0] == "S"
            return True
        for _ in range(3):
            if not self.until(sleeps, 2):
                return False
            time.sleep(0.005)
        return sleeps()

    def ticks(self):
        """Of the clock that its time on the processor is counted in, so far."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text()
        return sum(map(int, stat.rsplit(")", 1)[1].split()[11:13]))

    # --- the other end ---

    def connect(self, count=1, slow=False):
        assert self.until(lambda: self.word(PORT)), "the program does not listen"
        new = [Peer(self.word(PORT), self.family, slow) for _ in range(count)]
        self.peers += new
        return new if count > 1 else new[0]

    def saw(self, what, value=None):
        self.notes.append((what, value))

    def leave(self, peer, reset=True):
        """The peer goes, and the program's side of the connection has heard of it."""
        ends = (f":{self.word(PORT):04X}", f":{peer.socket.getsockname()[1]:04X}")
        table = "/proc/net/tcp" + ("6" if self.family == socket.AF_INET6 else "")

        def heard():
            fields = [line.split() for line in Path(table).read_text().splitlines()]
            return not any(f[1].endswith(ends[0]) and f[2].endswith(ends[1]) and f[3] == "01"
                           for f in fields)
        (peer.reset if reset else peer.close)()
        assert self.until(heard), "the connection is still established"

    def give(self, data=b"x"):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(data)

    def received(self, count=1, seconds=SOON_S):
        """Bytes from standard output, as many as are asked for."""
        def enough():
            self.out += self.process.stdout.read() or b""
            return len(self.out) >= count
        return self.until(enough, seconds, 0)

    def signal(self, number):
        self.process.send_signal(number)

    def finish(self):
        """Reads all that is still to come, until the program has ended."""
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        collect([p for p in self.peers if p.end is None], None, SOON_S)
        try:
            self.status = self.process.wait(SOON_S)
        except subprocess.TimeoutExpired:
            self.status = "does not end"
            self.process.kill()
            self.process.wait(SOON_S)
        for i, p in enumerate(self.peers):
            p.take(1 << 30)
            self.saw(f"peer {i}", p.seen())
        self.until_closed()

    def until_closed(self):
        os.set_blocking(self.process.stdout.fileno(), False)
        with contextlib.suppress(OSError):
            while part := self.process.stdout.read():
                self.out += part
        self.err_file.seek(0)
        self.err = self.err_file.read()

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(SOON_S)
        for p in self.peers:
            p.socket.close()
        self.process.stdout.close()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        self.err_file.close()

    # --- what is compared ---

    @property
    def stats(self):
        return read_stats(self.stats_file) if self.stats_file else []

    @property
    def log(self):
        return self.log_file.read_text() if self.log_file and self.log_file.exists() else ""

    def told(self):
        return [line for line in self.text().splitlines() if not line.startswith("~ ")]

    def sent(self):
        """Bytes that the program was told were sent, so far."""
        return sum(map(int, re.findall(r"\b(?:head|body|sent|first|last): (\d+)", self.text())))

    def facts(self, pattern):
        """What a line says that need not be the same in all runs."""
        return re.findall(f"(?m)^~ {pattern}", self.text())

    def promised(self):
        return total(self.stats, "promises.promised")

    def __repr__(self):
        text = self.text()
        return (f"[{self.mode or 'plain'}] status {self.status}, {self.notes}, "
                f"out {self.out[-200:]}, err {self.err[-300:]}, "
                f"{total(self.stats, 'promises.promised')} promised\n...{text[-1500:]}")


def read_all(run):
    """The script of most: one connection, read to its end."""
    run.connect()


def many(count):
    return lambda run: run.connect(count)


def run_once(place, words, mode, script, **more):
    run = Run(place, words, mode, **more)
    try:
        script(run)
        run.finish()
    finally:
        run.close()
    return run


def difference(plain, ours):
    """What is not the same, in a few lines; None: nothing."""
    for what in ("status", "notes", "out", "err"):
        a, b = getattr(plain, what), getattr(ours, what)
        if a != b:
            if what == "notes":
                a, b = first_note(a, b)
            return f"{what}:\nwithout {a}\nwith    {b}\n{ours}"
    for n, (a, b) in enumerate(itertools.zip_longest(plain.told(), ours.told())):
        if a != b:
            before = "\n".join(plain.told()[max(0, n - 6):n])
            return f"line {n}, after\n{before}\nwithout {a}\nwith    {b}"
    return None


def first_note(a, b):
    for x, y in itertools.zip_longest(a, b):
        if x != y:
            if x and y and isinstance(x[1], Seen) and isinstance(y[1], Seen):
                d, e = x[1].data, y[1].data
                at = next((i for i, (m, n) in enumerate(zip(d, e)) if m != n),
                          min(len(d), len(e)))
                around = slice(max(0, at - 40), at + 40)
                return f"{x}, at {at}: {d[around]}", f"{y}, at {at}: {e[around]}"
            return x, y
    return a, b


def made(run):
    assert run.promised() > 0 or NOT_YET, f"nothing was promised: {run}"


def none_made(run):
    assert run.promised() == 0, f"{run.promised()} were promised: {run}"


def as_it_comes(run):
    """Whether anything is promised here is not said, as long as nobody can tell."""


def compare(place, words, script=read_all, check=made, auto=False, **more):
    """Runs in each mode; the run in mode fuse, once all are known to be equal."""
    modes = [None, "fuse"] + (["auto"] if auto else [])
    with ThreadPoolExecutor(len(modes)) as pool:
        runs = list(pool.map(lambda m: run_once(place, words, m, script, **more), modes))
    for run in runs[1:]:
        found = difference(runs[0], run)
        assert found is None, f"in mode {run.mode}: {found}"
    assert "line " not in str(runs[0].status), runs[0]
    check(runs[1])
    return runs[1]


def each(place, command, styles, script=read_all, check=made, **more):
    """Compares a command in all styles, the first of them in mode auto as well; fails
    with all that differ."""
    if not PROGRAM.exists():
        pytest.skip(f"{PROGRAM} is not built (make programs)")

    def one(number, style):
        words = f"{command} {style}".strip()
        try:
            compare(place, words, script, check, number == 0, **more)
        except Exception as e:
            return f"--- promise {words}: {type(e).__name__}: {e}"
        return None
    with ThreadPoolExecutor(AT_ONCE) as pool:
        wrong = [w for w in pool.map(one, range(len(styles)), styles) if w]
    if wrong:
        pytest.fail(f"{len(wrong)} of {len(styles)}:\n" + "\n".join(wrong), pytrace=False)
