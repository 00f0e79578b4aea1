# SPDX-License-Identifier: MIT
"""`fuse-aio record` and the life of what it runs: signals, time limits, daemons, and a
file that is only cut when nobody writes to it."""
import contextlib
import os
import pty
import signal
import subprocess
import time

import pytest

from command import HEADER_SIZE, fuse_aio, header, take_blocks, tool

SIZE = HEADER_SIZE + (1 << 20)


def alive(pid):
    with contextlib.suppress(OSError), open(f"/proc/{pid}/stat") as f:
        return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    return False


@contextlib.contextmanager
def begun(tmp_path, env, text, *options):
    """Recording a shell script in the background, which has said "up"."""
    argv = [tool(), "record", "-o", "r", "--size=1M", *options, "sh", "-c", text]
    proc = subprocess.Popen(argv, cwd=tmp_path, env=env, text=True, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
    try:
        assert proc.stdout.readline() == "up\n"
        yield proc
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(proc.pid, signal.SIGKILL)
        proc.communicate()


def finished(path):
    return header(path)["end_ns"] and path.stat().st_size == HEADER_SIZE


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT])
def test_signal_is_passed_on(tmp_path, silent_env, sig):
    name = sig.name.removeprefix("SIG")
    text = f"trap 'exit 9' {name}; echo up; while :; do sleep 0.05; done"
    with begun(tmp_path, silent_env, text) as proc:
        proc.send_signal(sig)
        proc.communicate(timeout=10)
    assert proc.returncode == 9 and finished(tmp_path / "r")


def test_signal_that_ends_the_program(tmp_path, silent_env):
    with begun(tmp_path, silent_env, "echo up; exec sleep 20") as proc:
        proc.send_signal(signal.SIGTERM)
        proc.communicate(timeout=10)
    assert proc.returncode == 128 + signal.SIGTERM and finished(tmp_path / "r")


def test_terminals_interrupt(tmp_path, silent_env):
    """It reaches both: the program ends as it likes, and just once; the file is finished."""
    text = "n=0; trap 'n=$((n+1))' INT; echo up; sleep 1; sleep 0.3; exit $((40+n))"
    pid, fd = pty.fork()
    if pid == 0:
        os.chdir(tmp_path)
        os.execve(tool(), [tool(), "record", "-o", "r", "sh", "-c", text], silent_env)
    said = b""
    try:
        while b"up" not in said:
            said += os.read(fd, 1000)
        os.write(fd, b"\x03")
        with contextlib.suppress(OSError):
            while said_now := os.read(fd, 1000):
                said += said_now
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 41
        assert finished(tmp_path / "r"), said
    finally:
        os.close(fd)


def test_dispositions_and_mask_are_the_callers(tmp_path, silent_env):
    def ignore():
        for sig in (signal.SIGINT, signal.SIGPIPE, signal.SIGCHLD):
            signal.signal(sig, signal.SIG_IGN)

    text = "grep -E 'Sig(Blk|Ign)' /proc/self/status"
    want = fuse_aio("run", "sh", "-c", text, env=silent_env, preexec_fn=ignore)
    done = fuse_aio("record", "-o", tmp_path / "r", "sh", "-c", text + "; exit 6", env=silent_env,
                    preexec_fn=ignore)
    assert done.stdout == want.stdout and "SigIgn" in done.stdout
    assert done.returncode == 6


def test_nobody_reads_what_is_said(tmp_path, silent_env):
    read, write = os.pipe()
    os.close(read)
    proc = subprocess.run([tool(), "record", "-o", "r", "sh", "-c", "exit 8"], cwd=tmp_path,
                          env=silent_env, stderr=write, timeout=10)
    os.close(write)
    assert proc.returncode == 8 and finished(tmp_path / "r")


def test_duration(tmp_path, silent_env):
    start = time.monotonic()
    done = fuse_aio("record", "-o", tmp_path / "r", "--duration=0.4", "sleep", "20", env=silent_env)
    assert 0.4 <= time.monotonic() - start < 4
    assert done.returncode == 143 and "SIGTERM" in done.stderr and "SIGKILL" not in done.stderr
    assert finished(tmp_path / "r")


def test_duration_that_is_not_needed(tmp_path, silent_env):
    done = fuse_aio("record", "-o", tmp_path / "r", "--duration=20", "true", env=silent_env)
    assert done.returncode == 0 and "SIGTERM" not in done.stderr


def test_duration_and_who_does_not_listen(tmp_path, silent_env):
    """Five seconds later all are killed, those too that have left their session."""
    text = ("trap '' TERM; setsid sh -c 'trap \"\" TERM; echo $$ > pid; sleep 60; sleep 60' &"
            "sleep 60; sleep 60")
    start = time.monotonic()
    done = fuse_aio("record", "-o", "r", "--duration=0.3", "sh", "-c", text, env=silent_env, cwd=tmp_path)
    assert 5 < time.monotonic() - start < 9
    assert done.returncode == 137 and "SIGKILL" in done.stderr and finished(tmp_path / "r")
    assert not alive(int((tmp_path / "pid").read_text()))


def test_daemon_is_waited_for(tmp_path, silent_env):
    text = "setsid sh -c 'echo $$ > pid; sleep 1.6' > /dev/null 2>&1 & exit 4"
    done = fuse_aio("record", "-o", "r", "sh", "-c", text, env=silent_env, cwd=tmp_path)
    assert done.returncode == 4 and "goes on and is waited for" in done.stderr
    assert not alive(int((tmp_path / "pid").read_text())) and finished(tmp_path / "r")


def test_stragglers_need_no_word(tmp_path, silent_env):
    done = fuse_aio("record", "-o", "r", "sh", "-c", "sleep 0.3 & exit 0", env=silent_env, cwd=tmp_path)
    assert "goes on" not in done.stderr and finished(tmp_path / "r")


def test_interrupted_wait_leaves_the_file_whole(tmp_path, silent_env):
    """A process that still maps the file must be able to write everywhere in it."""
    text = "setsid sleep 30 > /dev/null 2>&1 & echo $! > pid; echo up; exit 5"
    with begun(tmp_path, silent_env, text) as proc:
        sleeper = int((tmp_path / "pid").read_text())
        try:
            assert "waited for" in proc.stderr.readline()
            take_blocks(tmp_path / "r", 2)
            proc.send_signal(signal.SIGINT)
            said = proc.communicate(timeout=10)[1]
            assert proc.returncode == 5 and "keeps its full size" in said and alive(sleeper)
        finally:
            os.kill(sleeper, signal.SIGKILL)
    assert (tmp_path / "r").stat().st_size == SIZE and not header(tmp_path / "r")["end_ns"]


def test_killed_recorder_leaves_what_there_is(tmp_path, silent_env):
    with begun(tmp_path, silent_env, "echo up; exec sleep 30") as proc:
        proc.kill()
        proc.wait()
        take_blocks(tmp_path / "r", 3)
        assert header(tmp_path / "r")["next"] == 3 and (tmp_path / "r").stat().st_size == SIZE
    done = fuse_aio("record", "-o", tmp_path / "r", "true", env=silent_env)
    assert done.returncode == 0 and finished(tmp_path / "r")
