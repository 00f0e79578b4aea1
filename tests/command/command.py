# SPDX-License-Identifier: MIT
"""Runs build/fuse-aio, and makes the small programs and libraries that it is shown."""
import mmap
import os
import struct
import subprocess
from pathlib import Path

import pytest

from harness import BUILD, LIB, lib_env, needs

TOOL = BUILD / "fuse-aio"
USER = 54321            # nobody else's
LIMIT_S = 60

HEADER = struct.Struct("<8s4I5Q4Q4I1024s")
HEADER_SIZE, BLOCK = 4096, 65536
FIELDS = ("magic version header_size block_size flags blocks next dropped hz time_ns begin_cycles "
          "begin_ns end_cycles end_ns next_id next_process first_pid reserved command").split()


def tool():
    if not TOOL.exists():
        pytest.skip(f"{TOOL} is not built")
    return str(TOOL)


def environment(**more):
    """An environment without the library's variables, which finds the tested library."""
    return lib_env(None) | {"FUSE_AIO_LIB": str(LIB)} | {k: str(v) for k, v in more.items()}


def fuse_aio(*argv, env=None, program=None, **more):
    more.setdefault("timeout", LIMIT_S)
    return subprocess.run([program or tool(), *map(str, argv)], env=env or environment(),
                          text=True, errors="surrogateescape", stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)


def compiled(path, source, *flags):
    """A program or library made of C text."""
    gcc = needs("gcc")
    done = subprocess.run([gcc, "-x", "c", "-", "-o", str(path), *flags], input=source, text=True,
                          stderr=subprocess.PIPE)
    if done.returncode:
        pytest.skip(f"gcc {' '.join(flags)}: {done.stderr.splitlines()[0]}")
    return path


def script(path, text):
    path.write_text(text)
    path.chmod(0o755)
    return path


def header(path):
    data = Path(path).read_bytes()[:HEADER_SIZE]
    assert len(data) == HEADER_SIZE
    fields = dict(zip(FIELDS, HEADER.unpack_from(data)))
    fields["command"] = fields["command"].split(b"\0")[0].decode()
    return fields


def take_blocks(path, blocks, processes=1, dropped=0):
    """What the library does to a recording: maps it, and takes blocks."""
    fd = os.open(path, os.O_RDWR)
    with mmap.mmap(fd, 0) as m:
        def add(name, n):
            at = 24 + 8 * (FIELDS.index(name) - 5)
            struct.pack_into("<Q", m, at, struct.unpack_from("<Q", m, at)[0] + n)
        add("next", blocks)
        add("dropped", dropped)
        at = HEADER.size - 1024 - 12
        struct.pack_into("<I", m, at, struct.unpack_from("<I", m, at)[0] + processes)
        for i in range(blocks):
            at = HEADER_SIZE + i * BLOCK
            if at < len(m):
                m[at:at + 4] = b"FBLK"
    os.close(fd)
