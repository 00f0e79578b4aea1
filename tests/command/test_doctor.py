# SPDX-License-Identifier: MIT
"""`fuse-aio doctor`: its verdicts where something stands in the way, and that it gets to
them with whatever it is denied."""
import contextlib
import ctypes
import json
import os
import pty
import resource
import shutil
import signal
import struct
import subprocess

import pytest

from command import USER, compiled, environment, fuse_aio, script, tool
from harness import needs

IO_URING_SETUP = 425
ERRNO, KILL, ALLOW = 0x50000 | 1, 0x80000000, 0x7fff0000


def doctor(*argv, **more):
    """Its verdict and its lines by name (the last of each)."""
    done = fuse_aio("doctor", "--json", *argv, **more)
    assert not done.stderr, done
    report = json.loads(done.stdout)
    checks = report["checks"]
    worst = max(checks, key=lambda c: ["ok", "warn", "bad"].index(c["verdict"]))["verdict"]
    assert report["verdict"] == worst
    assert done.returncode == ["ok", "warn", "bad"].index(worst)
    return worst, {c["what"]: c for c in checks}


def filtered(action):
    """Puts a filter in place that answers io_uring_setup so."""
    def install():
        code = [(0x20, 0, 0, 0), (0x15, 0, 1, IO_URING_SETUP), (6, 0, 0, action), (6, 0, 0, ALLOW)]
        text = ctypes.create_string_buffer(b"".join(struct.pack("<HBBI", *c) for c in code))
        program = ctypes.create_string_buffer(struct.pack("<HxxxxxxQ", len(code), ctypes.addressof(text)))
        libc = ctypes.CDLL(None)
        libc.prctl(38, 1, 0, 0, 0)
        if libc.prctl(22, 2, ctypes.c_void_p(ctypes.addressof(program)), 0, 0):
            os._exit(96)
    return install


def as_user(public, *argv, nproc=None, **more):
    def limit():
        if nproc is not None:
            resource.setrlimit(resource.RLIMIT_NPROC, (nproc, nproc))
    env = environment()
    del env["FUSE_AIO_LIB"]
    return doctor(*argv, program=str(public / "fuse-aio"), env=env, cwd=public, user=USER, group=USER,
                  extra_groups=[], preexec_fn=limit, **more)


@pytest.fixture
def disk(tmp_path):
    for i in range(40):
        (tmp_path / f"f{i}").write_text("x" * 5000)
    return tmp_path


def test_here(disk, library):
    worst, checks = doctor("--path", disk, "tar")
    if worst != "ok":
        pytest.skip("something does stand in the way here: " + str(checks))
    assert set(checks) == {"seccomp", "container", "sysctl", "descriptors", "processes", "ring", "worker",
                           "install", "library", "stacks", "files", "program", "kind"}
    assert checks["files"]["files"] == 32
    assert 0 < checks["files"]["open_us"] < 100000
    assert "directories" in checks["kind"]["found"]


def test_text(disk):
    done = fuse_aio("doctor", "--path", disk)
    lines = done.stdout.splitlines()
    assert "\033" not in done.stdout and max(map(len, lines)) < 80
    assert all(line[:6] in ("ok    ", "warn  ", "bad   ", "      ") for line in lines[:-1])
    assert lines[-1].startswith(("Nothing stands", "The library can"))


def test_nothing_is_left_behind(tmp_path):
    doctor("--path", tmp_path, env=environment(TMPDIR=tmp_path))
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("action", [ALLOW, ERRNO, KILL])
def test_filter(disk, action):
    worst, checks = doctor("--path", disk, preexec_fn=filtered(action))
    assert worst == "bad" and checks["seccomp"]["verdict"] == "bad"
    assert "FUSE_AIO_RING" in checks["seccomp"]["advice"] and "ring" not in checks


@pytest.mark.parametrize("action,verdict,said", [(ALLOW, "ok", "all flags"),
                                                 (ERRNO, "warn", "Operation not permitted"),
                                                 (KILL, "bad", "signal 31")])
def test_filter_that_the_operator_answers_for(disk, action, verdict, said):
    env = environment(FUSE_AIO_RING="1")
    checks = doctor("--path", disk, preexec_fn=filtered(action), env=env)[1]
    assert checks["seccomp"]["verdict"] == "ok"
    assert checks["ring"]["verdict"] == verdict and said in checks["ring"]["found"]


@pytest.mark.parametrize("limit", [4, 5, 6, 8, 16, 64])
def test_few_descriptors(disk, limit):
    worst, checks = doctor("--path", disk, preexec_fn=lambda: resource.setrlimit(
        resource.RLIMIT_NOFILE, (limit, limit)))
    assert worst == ("warn" if limit < 64 else "ok"), checks
    assert str(limit) in checks["descriptors"]["found"]
    if limit >= 16:
        assert checks["library"]["verdict"] == "ok" and checks["files"]["files"] == 32


@pytest.mark.root
@pytest.mark.parametrize("limit", [0, 1])
def test_no_processes(public, limit):
    worst, checks = as_user(public, nproc=limit)
    assert worst == "warn"
    assert f"RLIMIT_NPROC is {limit}" in checks["processes"]["found"]
    for what in ("ring", "library", "files"):
        assert checks[what]["verdict"] == "warn" and "Resource temporarily" in checks[what]["found"]


@pytest.mark.root
def test_no_worker(public):
    """Room for the trial, but for no worker of its ring."""
    checks = as_user(public, nproc=2)[1]
    assert checks["ring"]["verdict"] == "ok"
    assert checks["worker"]["verdict"] == "warn" and "RLIMIT_NPROC" in checks["worker"]["advice"]
    assert "install" not in checks


@pytest.mark.root
def test_unreadable_library(public):
    (public / "libfuse_aio.so").chmod(0o600)
    worst, checks = as_user(public)
    assert worst == "bad"
    assert checks["library"]["found"] == f"{public}/libfuse_aio.so: Permission denied"


@pytest.mark.parametrize("content,said", [(b"", "file too short"), (b"\x7fELF" * 100, "ELF class"),
                                          (b"no library" * 100, "invalid ELF")],
                         ids=["empty", "odd", "text"])
def test_broken_library(tmp_path, disk, content, said):
    lib = tmp_path / "lib.so"
    lib.write_bytes(content)
    worst, checks = doctor("--path", disk, env=environment(FUSE_AIO_LIB=lib))
    assert worst == "bad" and said in checks["library"]["found"]


def test_missing_and_other_library(disk, silent):
    worst, checks = doctor("--path", disk, env=environment(FUSE_AIO_LIB="/nonexistent"))
    assert worst == "bad" and "FUSE_AIO_LIB=/nonexistent" in checks["library"]["found"]
    assert doctor("--path", disk, env=environment(FUSE_AIO_LIB=silent))[1]["library"]["verdict"] == "bad"


def test_environment_does_not_hide_the_library(disk, library):
    env = environment(FUSE_AIO_MODE="off", FUSE_AIO_ONLY="nginx", FUSE_AIO_STATS="/nonexistent/x")
    assert doctor("--path", disk, env=env)[1]["library"]["verdict"] == "ok"


def test_nowhere_to_write(disk):
    checks = doctor("--path", disk, env=environment(TMPDIR="/nonexistent"))[1]
    assert checks["library"]["verdict"] == "warn" and "not tried" in checks["library"]["found"]


def test_slow_files(slow):
    fs = slow(delay_us=1000)
    (fs.backing / "d").mkdir()
    for i in range(12):
        (fs.backing / "d" / f"f{i}").write_text("x")
    found = doctor("--path", fs.mountpoint)[1]["files"]
    assert found["kind"] == "fuse" and found["files"] == found["waited"] == 12
    assert found["open_us"] >= 1000 and "walks through directories gain" in found["found"]


def test_server_that_does_not_answer(slow):
    fs = slow()
    os.kill(fs.pid, signal.SIGSTOP)
    try:
        found = doctor("--path", fs.mountpoint)[1]["files"]
    finally:
        os.kill(fs.pid, signal.SIGCONT)
    assert found["verdict"] == "warn" and "did not answer" in found["found"]


def test_mounts_below_are_found(slow):
    fs = slow(delay_us=300)
    (fs.backing / "f").write_text("x")
    done = fuse_aio("doctor", "--json", cwd=fs.mountpoint.parent)
    paths = [c["path"] for c in json.loads(done.stdout)["checks"] if c["what"] == "files" and "path" in c]
    assert str(fs.mountpoint) in paths


def test_special_files_are_not_touched(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to(".")
    (tmp_path / "name\udcff\n").write_text("x")
    assert doctor("--path", tmp_path)[1]["files"]["files"] == 1


def test_paths_that_cannot_be_measured(tmp_path):
    (tmp_path / "empty").mkdir()
    odd = tmp_path / "odd\udcff"
    odd.mkdir()
    for path, said in [(tmp_path / "empty", "no files"), (tmp_path / "absent", "No such file"),
                       (tool(), "Not a directory"), (odd, "odd?"), ("/proc/self/fd", "(proc)")]:
        found = doctor("--path", path)[1]["files"]
        assert found["verdict"] == "warn" and said in found["found"], found


def test_memory(tmpfs):
    (tmpfs / "f").write_text("x")
    found = doctor("--path", tmpfs)[1]["files"]
    assert found["kind"] == "memory" and found["verdict"] == "warn"


def test_programs(tmp_path, disk):
    static = compiled(tmp_path / "static", "int main(void) { }", "-static")
    for name, verdict, said in [(static, "bad", "statically"), ("no-such-program", "bad", "not found"),
                                (script(tmp_path / "s", "#!/bin/sh\n"), "ok", "interpreter of a script")]:
        worst, checks = doctor("--path", disk, "--", name)
        assert checks["program"]["verdict"] == verdict and said in checks["program"]["found"]
        assert verdict != "bad" or worst == "bad"


@pytest.mark.root
def test_setuid_program(copy, disk):
    found = doctor("--path", disk, copy(needs("true"), 0o4755, 65534))[1]["program"]
    assert found["verdict"] == "bad" and "setuid" in found["found"]


def test_known_program(tmp_path, disk):
    server = shutil.copy(needs("true"), tmp_path / "vsftpd")
    checks = doctor("--path", disk, server, "/etc/vsftpd.conf", "--json")[1]
    assert "FUSE_AIO_PRESPAWN=1" in checks["kind"]["advice"]


def test_wrong_options():
    assert fuse_aio("doctor", "--no-such").returncode == 125


def test_head_is_no_error(disk):
    done = subprocess.run(["sh", "-c", f"{tool()} doctor --path {disk} | head -1"], env=environment(),
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=20)
    assert done.stdout.count("\n") == 1 and not done.stderr


@pytest.mark.parametrize("none,coloured", [("", True), ("1", False)])
def test_colours_on_a_terminal(disk, none, coloured):
    pid, fd = pty.fork()
    if pid == 0:
        os.execve(tool(), [tool(), "doctor", "--path", str(disk)], environment(NO_COLOR=none))
    out = b""
    with contextlib.suppress(OSError):      # EIO: it has ended
        while more := os.read(fd, 4096):
            out += more
    os.close(fd)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) in (0, 1, 2)
    assert b"seccomp" in out and (b"\033[3" in out) == coloured
