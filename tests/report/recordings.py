# SPDX-License-Identifier: MIT
"""Writes recordings as include/fuse_aio_recording.h describes them, for tests that
know every number in them. Times are given in ns since the beginning; with the
default clock a cycle is one, and times of calls are rounded down to 16 of them.

    python3 recordings.py DIRECTORY    writes the seeds of the fuzzer
"""
import itertools
import struct
import sys
from pathlib import Path

INCLUDE = Path(__file__).resolve().parents[2] / "include"
MAGIC, VERSION, HEADER, BLOCK = b"FUSEAIO\x1a", 1, 4096, 65536
BLOCK_MAGIC = 0x4b4c4246
HEADER_FIELDS = struct.Struct("<8sIIIIQQQQQQQQQIIII1024s")
BLOCK_HEADER = struct.Struct("<IIIIIIQQ16s")
CALL, SEQUENCE, CHAIN, HOLD, FALLBACK, FILE, SITE, MODULE, PROCESS, COUNTERS, REGIME = range(1, 12)
FAILED, SETTLED, FORESEEN = 1, 2, 4
STACKS, PID_ONLY = 1, 2
BY_OPEN, BY_STAT, BY_REQUEST, BY_WALK = range(4)
ADOPTED, USED, DROPPED, FAILURE = range(4)
BEGIN = 5_000_000_000       # the cycle counter at the beginning
MONOTONIC = 77_000_000_000  # and the clock, ns
STARTED = 1_700_000_000     # seconds


def names(table, macro):
    """First arguments, or quoted names of OP, of the lines of a table in include/."""
    found = []
    for line in (INCLUDE / table).read_text().splitlines():
        if line.startswith(macro + "("):
            found.append(line[len(macro) + 1:].split(",")[0])
    return found


OPS = [name.lower() for name in names("fuse_aio_ops.def", "OP")]
COUNTER_NAMES = names("fuse_aio_counters.def", "COUNTER")
FALLBACK_NAMES = names("fuse_aio_counters.def", "FALLBACK")


def signature(text):
    """Of "open fstat read close"."""
    value = 0
    for step in text.split():
        value = value << 4 | (OPS.index(step) + 1)
    return value


def padded(text):
    data = text if isinstance(text, bytes) else text.encode()
    return data + b"\0" * (-len(data) % 8)


class Thread:
    """What one thread writes: methods by kind of record."""

    def __init__(self, recording, process, pid, tid, comm):
        self.recording, self.process, self.pid, self.tid, self.comm = recording, process, pid, tid, comm
        self.block = None

    def raw(self, data):
        """Bytes of a record; takes a new block if this one is full."""
        if self.block is None or BLOCK_HEADER.size + len(self.block[1]) + len(data) > BLOCK:
            self.block = [self, bytearray()]
            self.recording.blocks.append(self.block)
        self.block[1].extend(data)

    def record(self, kind, op=0, flags=0, id=0, body=b""):
        self.raw(struct.pack("<BBBBI", kind, 1 + len(body) // 8, op, flags, id) + body)

    def cycles(self, ns):
        return self.recording.cycles(ns)

    def call(self, op, start, took, file=0, site=0, value=0, flags=0):
        took = int(took / self.recording.ns_per_cycle) // 16
        self.record(CALL, OPS.index(op), flags, file,
                    struct.pack("<QIIQ", self.cycles(start), took, site, value & (1 << 64) - 1))

    def sequence(self, text, start, end, blocked, bytes=0, file=0, site=0, calls=0):
        blocked = int(blocked / self.recording.ns_per_cycle)
        self.record(SEQUENCE, id=file,
                    body=struct.pack("<QQQQQII", self.cycles(start), self.cycles(end), blocked,
                                     signature(text), bytes, site, calls))

    def chain(self, by, fate, start, ready, end, file=0, bytes=0):
        self.record(CHAIN, by, fate, file,
                    struct.pack("<QQQQ", self.cycles(start), self.cycles(ready) if ready else 0,
                                self.cycles(end), bytes))

    def hold(self, start, end, late=False, descriptor=7):
        self.record(HOLD, 0, int(late), descriptor,
                    struct.pack("<QQ", self.cycles(start), self.cycles(end)))

    def fallback(self, reason, when):
        self.record(FALLBACK, FALLBACK_NAMES.index(reason), body=struct.pack("<Q", self.cycles(when)))

    def file(self, id, path, dev=0, ino=0, directory=0):
        self.record(FILE, id=id, body=struct.pack("<QQII", dev, ino, directory, 0) + padded(path))

    def site(self, id, *frames):
        self.record(SITE, id=id, body=struct.pack(f"<{len(frames)}Q", *frames))

    def module(self, low, high, bias, path):
        self.record(MODULE, body=struct.pack("<QQQ", low, high, bias) + padded(path))

    def begins(self, at, program, parent=0, mode=0):
        self.record(PROCESS, 0, id=parent,
                    body=struct.pack("<QQII", self.cycles(at), MONOTONIC + at, self.pid, mode) + padded(program))

    def ends(self, at):
        self.record(PROCESS, 1, body=struct.pack("<QQII", self.cycles(at), MONOTONIC + at, self.pid, 0))

    def counters(self, **n):
        self.record(COUNTERS, 0, body=struct.pack(f"<{len(COUNTER_NAMES)}Q",
                                                  *(n.get(c, 0) for c in COUNTER_NAMES)))

    def fallbacks(self, **n):
        self.record(COUNTERS, 1, body=struct.pack(f"<{len(FALLBACK_NAMES)}Q",
                                                  *(n.get(c, 0) for c in FALLBACK_NAMES)))

    def regime(self, dev, op, wait, cold):
        self.record(REGIME, OPS.index(op), int(cold), body=struct.pack("<QQ", dev, wait))


class Recording:
    def __init__(self, command="prog --fast", hz=1_000_000_000, flags=0, ns_per_cycle=1.0):
        """hz: what the header says, 0: nothing; then ns_per_cycle is what is true."""
        self.command, self.hz, self.flags = command, hz, flags
        self.ns_per_cycle = 1e9 / hz if hz else ns_per_cycle
        self.blocks = []
        self.dropped = 0
        self._processes = itertools.count(1)

    def cycles(self, ns):
        return BEGIN + round(ns / self.ns_per_cycle)

    def process(self, pid=100, comm="prog", tid=None):
        """The first thread of a new process."""
        return Thread(self, next(self._processes), pid, tid or pid, comm)

    def thread(self, of, tid, comm=None):
        return Thread(self, of.process, of.pid, tid, comm or of.comm)

    def header(self, end=None, **other):
        """end: ns; None: killed. Fields may be replaced by name."""
        field = {"magic": MAGIC, "version": VERSION, "header_size": HEADER, "block_size": BLOCK,
                 "flags": self.flags, "blocks": max(len(self.blocks), 16), "next": len(self.blocks),
                 "dropped": self.dropped, "hz": self.hz, "time_ns": STARTED * 10**9,
                 "begin": BEGIN, "begin_ns": MONOTONIC,
                 "end": 0 if end is None else self.cycles(end),
                 "end_ns": 0 if end is None else MONOTONIC + end,
                 "next_id": 0, "next_process": 0, "first_pid": 100, "reserved": 0,
                 "command": self.command.encode()[:1023]} | other
        return HEADER_FIELDS.pack(*field.values()).ljust(HEADER, b"\0")

    def data(self, end=None, **other):
        parts = [self.header(end, **other)]
        for i, (thread, records) in enumerate(self.blocks):
            head = BLOCK_HEADER.pack(BLOCK_MAGIC, BLOCK_HEADER.size + len(records), thread.process,
                                     thread.pid, thread.tid, 0, BEGIN + i, MONOTONIC + int(i * self.ns_per_cycle),
                                     thread.comm.encode()[:15])
            parts.append((head + bytes(records)).ljust(BLOCK, b"\0"))
        return b"".join(parts)

    def save(self, path, end=None, **other):
        Path(path).write_bytes(self.data(end, **other))
        return path


def sample():
    """A little of everything: two processes, a thread, all kinds of records."""
    r = Recording(flags=STACKS)
    a = r.process(100, "prog")
    a.begins(0, "/usr/bin/prog", mode=1)
    a.module(0x1000, 0x2000, 0x800, "/nonexistent/prog")
    a.site(1, 0x1010, 0x1500)
    a.site(2, 0x1020, 0x1500)
    a.site(3, 0x99999)
    a.file(10, "/data/d", dev=0x801)
    a.file(11, "one", dev=0x801, ino=5, directory=10)
    a.file(12, "/data/d/one", dev=0x801, ino=5)
    a.file(13, "/data/two", dev=0x802, ino=6)
    a.call("open", 1000, 160_000, 11, 1, 3)
    a.call("fstat", 200_000, 320, 11, 2)
    a.call("read", 400_000, 240_000, 11, 2, 4096)
    a.call("close", 700_000, 112_000, 12, 2)
    a.sequence("open fstat read close", 1000, 812_000, 512_320, 4096, 11, 1, 4)
    a.call("open", 900_000, 1600, 13, 1, 2, FAILED)
    t = r.thread(a, 101, "worker")
    t.call("read", 500_000, 1600, 13, 3, 100, SETTLED)
    t.chain(BY_OPEN, ADOPTED, 100_000, 300_000, 400_000, 11, 65536)
    t.chain(BY_WALK, DROPPED, 100_000, 0, 900_000, 13)
    t.hold(200_000, 700_000)
    t.hold(200_000, 1_000_000, late=True)
    t.fallback("stale", 650_000)
    b = r.process(200, "child")
    b.begins(950_000, "/usr/bin/child", parent=1, mode=0)
    b.site(20, 0x1010, 0x1500)
    b.call("stat", 960_000, 32_000, 13, 20, 0, FORESEEN)
    b.regime(0x801, "open", 160_000, True)
    b.counters(calls=6, hits=4, misses=1)
    b.fallbacks(stale=2, no_ring=1)
    b.ends(1_900_000)
    a.counters(calls=5, hits=1)
    a.ends(1_950_000)
    return r


def squeezed(data, piece=2048):
    """As tests/fuzz/fuzz_recording.c takes it: without the room in header and blocks."""
    parts = [data[:HEADER_FIELDS.size]]
    for at in range(HEADER, len(data), BLOCK):
        assert not any(data[at + piece:at + BLOCK])
        parts.append(data[at:at + piece])
    return b"".join(parts)


def seeds():
    """Small files for the fuzzer, by name."""
    odd = sample()
    odd.process(7, "x").raw(struct.pack("<BBBBI", 200, 1, 0, 0, 0) + struct.pack("<BBBBI", CALL, 0, 0, 0, 0))
    found = {"sample": sample().data(2_000_000), "killed": sample().data(), "odd": odd.data(1),
             "timeless": sample().data(2_000_000, hz=0)}
    found = {name: squeezed(data) for name, data in found.items()}
    # The last byte chooses what the rows are by; the one before is free.
    return found | {f"by-{i}": found["sample"] + bytes([0x10 + i]) for i in range(6)} | {
        "foreign": b"#!/bin/sh\n", "magic": MAGIC}


if __name__ == "__main__":
    for name, data in seeds().items():
        (Path(sys.argv[1]) / name).write_bytes(data)
