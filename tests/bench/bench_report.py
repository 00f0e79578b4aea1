#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""How long `fuse-aio report` takes for a large recording and how much memory it
needs: writes one with --events calls (32 bytes each) of many files, sites and
threads, reports it in each format of --formats and removes it."""
import argparse
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "report"))
import recordings  # noqa: E402

CALL = [("kind", "u1"), ("words", "u1"), ("op", "u1"), ("flags", "u1"), ("id", "<u4"),
        ("start", "<u8"), ("took", "<u4"), ("site", "<u4"), ("value", "<u8")]
CALL_SIZE = 32
IN_BLOCK = (recordings.BLOCK - recordings.BLOCK_HEADER.size) // CALL_SIZE
STEPS = [recordings.OPS.index(op) for op in ("open", "fstat", "read", "close")]


def names(files, sites):
    """Blocks that say what identifiers mean."""
    r = recordings.Recording()
    t = r.process(1000, "program")
    t.begins(0, "/usr/bin/program", mode=1)
    t.module(0x400000, 0x500000, 0x400000, "/usr/bin/env")
    for i in range(sites):
        t.site(i + 1, 0x401000 + 16 * i, 0x402000 + 8 * (i % 100), 0x403000)
    for i in range(files):
        t.file(sites + i + 1, f"/srv/data/directory-{i // 100:06}/file-{i:08}", 0x801, i)
    return r


def calls(numpy, rng, block, thread, files, sites):
    """The bytes of a block: sequences of four calls, one in eight cold."""
    a = numpy.zeros(IN_BLOCK, CALL)
    n = numpy.arange(IN_BLOCK)
    a["kind"], a["words"] = recordings.CALL, CALL_SIZE // 8
    a["op"] = numpy.array(STEPS, "u1")[n % 4]
    a["id"] = sites + 1 + numpy.repeat(rng.integers(0, files, IN_BLOCK // 4 + 1), 4)[:IN_BLOCK]
    a["site"] = 1 + rng.integers(0, sites, IN_BLOCK)
    a["start"] = recordings.BEGIN + block * 10**8 + n * 40_000
    took = rng.lognormal(4, 1.5, IN_BLOCK) * numpy.where(rng.random(IN_BLOCK) < 0.125, 300, 1)
    a["took"] = numpy.clip(took, 1, 10**6)
    a["value"] = numpy.where(n % 4 == 2, 4096, 0)
    head = recordings.BLOCK_HEADER.pack(
        recordings.BLOCK_MAGIC, recordings.BLOCK_HEADER.size + a.nbytes, 1, 1000, 1000 + thread, 0,
        recordings.BEGIN + block, recordings.MONOTONIC + block, b"program")
    return (head + a.tobytes()).ljust(recordings.BLOCK, b"\0")


def write(path, options):
    """In a process of its own: what a process was before it ran a program counts as
    that program's memory."""
    import numpy
    blocks = -(-options.events // IN_BLOCK)
    rng = numpy.random.default_rng(1)
    known = names(options.files, options.sites)
    total = blocks + len(known.blocks)
    with open(path, "wb") as f:
        f.write(known.data(10**8 * blocks, blocks=total, next=total))
        for block in range(blocks):
            f.write(calls(numpy, rng, block, block % options.threads, options.files, options.sites))


def measure(path, arguments):
    """Seconds, seconds of CPU and MiB of one run."""
    start = time.monotonic()
    with open(os.devnull, "wb") as null:
        child = subprocess.Popen([options.tool, "report", *arguments, path], stdout=null)
        _, status, usage = os.wait4(child.pid, 0)
    if status:
        sys.exit(f"report {' '.join(arguments)}: status {status}")
    return time.monotonic() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--events", type=int, default=50_000_000)
    arguments.add_argument("--files", type=int, default=1_000_000)
    arguments.add_argument("--sites", type=int, default=2000)
    arguments.add_argument("--threads", type=int, default=16)
    arguments.add_argument("--directory", default=tempfile.gettempdir())
    arguments.add_argument("--formats", default="table,json,folded")
    arguments.add_argument("--by", default="file,fs,thread")
    arguments.add_argument("--tool", default=str(ROOT / "build" / "fuse-aio"))
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory(dir=options.directory, prefix="fuse_aio-report-") as place:
        path = os.path.join(place, "recording")
        writer = multiprocessing.Process(target=write, args=(path, options))
        writer.start()
        writer.join()
        if writer.exitcode:
            sys.exit("the recording could not be written")
        print(f"{options.events:,} calls of {options.files:,} files, {os.path.getsize(path) / 1e9:.2f} GB")
        runs = [["--format", f] for f in options.formats.split(",")]
        runs += [["--by", by] for by in options.by.split(",")]
        for run in runs:
            seconds, cpu, mib = measure(path, run)
            print(f"report {' '.join(run):22} {seconds:6.1f} s (CPU {cpu:.1f} s) {mib:6.0f} MiB", flush=True)
