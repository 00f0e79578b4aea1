# SPDX-License-Identifier: MIT
"""Whose memory may be read: what may not is said to be so, and what can be done."""

import ctypes
import json
import platform
import shutil
import struct
import subprocess

import pytest

from harness import lib_env
from toptool import PROGRAMS, TOOL, caller, top

NOBODY = {"user": 65534, "group": 65534, "extra_groups": []}

pytestmark = pytest.mark.root


@pytest.fixture
def public(tmpfs):
    """Copies that every user may run."""
    for f in (TOOL, PROGRAMS / "caller"):
        shutil.copy(f, tmpfs)
    return tmpfs


@pytest.fixture
def env(public, library):
    shutil.copy(library, public / "library.so")
    return lib_env() | {"LD_PRELOAD": str(public / "library.so")}


def top_as_nobody(public, *args):
    return subprocess.run([public / "fuse-aio", "top", "--once", "-i", "0.1", *map(str, args)],
                          capture_output=True, text=True, timeout=60, env=lib_env(None), **NOBODY)


def test_anothers_process_is_not_permitted(public):
    with caller("/etc/passwd") as c:
        done = top_as_nobody(public, c.pid)
        assert done.returncode == 1 and not done.stdout
        assert f"process {c.pid} (caller) not permitted" in done.stderr and "root" in done.stderr


def test_hidden_ones_are_counted(public):
    with caller("/etc/passwd") as c:
        done = top_as_nobody(public)
        assert done.returncode == 0 and str(c.pid) not in done.stdout
        assert "may not be looked at: root may" in done.stdout


def test_ones_own_and_those_of_others(public, env):
    """Root sees both, a user its own."""
    with caller("/etc/passwd", program=public / "caller", env=env, **NOBODY) as theirs, \
            caller("/etc/passwd") as ours:
        theirs.tell("c")
        seen = top_as_nobody(public).stdout
        assert str(theirs.pid) in seen.split() and str(ours.pid) not in seen.split()
        seen = top("--once", "-i", "0.1").stdout
        assert str(theirs.pid) in seen.split() and str(ours.pid) in seen.split()


def refuse_reading():
    """As ptrace_scope does: the calls of the tool to read memory are not permitted."""
    number = {"x86_64": 310, "aarch64": 270}[platform.machine()]
    code = b"".join(struct.pack("=HBBI", *i) for i in [
        (0x20, 0, 0, 0), (0x15, 0, 1, number), (0x06, 0, 0, 0x50001), (0x06, 0, 0, 0x7FFF0000)])
    text = ctypes.create_string_buffer(code, len(code))
    program = ctypes.create_string_buffer(struct.pack("@HP", 4, ctypes.addressof(text)))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(38, 1, 0, 0, 0) == 0
    assert libc.prctl(22, 2, program, 0, 0) == 0


def test_known_by_name_where_memory_is_closed(public):
    """The maps say that it is there; the counters are out of reach."""
    with caller("/etc/passwd") as c, caller("/etc/passwd", env=lib_env(None)) as plain:
        done = subprocess.run([TOOL, "top", "--once", "--json", "-i", "0.1"], capture_output=True,
                              text=True, timeout=60, preexec_fn=refuse_reading)
        listed = {p["pid"]: p for p in json.loads(done.stdout)["processes"]}
        assert done.returncode == 0 and plain.pid not in listed
        assert listed[c.pid]["error"].startswith("not permitted")
        assert listed[c.pid]["program"] == "caller"
