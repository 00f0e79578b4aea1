# SPDX-License-Identifier: MIT
"""`fuse-aio record`: the file that it makes. Most is seen with a library that does
nothing, and a program that does to the file what the library would."""
import os
import stat
import subprocess
import time

import pytest

from command import BLOCK, HEADER_SIZE, compiled, environment, fuse_aio, header, tool
from harness import LIB, needs

MIB = 1 << 20


def taker(*counts):
    """A command that takes blocks of the recording."""
    here = os.path.dirname(__file__)
    return ["/usr/bin/python3", "-c",
            f"import os, sys; sys.path[:0] = [{here!r}, {here + '/../support'!r}]\n"
            f"from command import take_blocks\n"
            f"take_blocks(os.environ['FUSE_AIO_RECORD'], {', '.join(map(str, counts))})"]


def test_environment_and_room_while_it_runs(tmp_path, silent, silent_env):
    text = 'env; stat -c "%s %b %B %a" "$FUSE_AIO_RECORD"'
    done = fuse_aio("record", "-o", "r", "--size=4M", "sh", "-c", text, cwd=tmp_path, env=silent_env)
    *lines, room = done.stdout.splitlines()
    got = dict(line.split("=", 1) for line in lines)
    assert got["LD_PRELOAD"] == str(silent)
    assert got["FUSE_AIO_RECORD"] == f"{tmp_path}/r"
    assert got["FUSE_AIO_MODE"] == "observe"
    assert "FUSE_AIO_STACKS" not in got and "ARGP_HELP_FMT" not in got
    size, blocks, unit, mode = room.split()
    assert int(size) == 4 * MIB + HEADER_SIZE and mode == "600"
    assert int(blocks) * int(unit) >= int(size)         # nothing is sparse


def test_options_in_environment_and_header(tmp_path, silent_env):
    done = fuse_aio("record", "-o", tmp_path / "r", "--mode=auto", "--stacks", "--pid-only", "env",
                    env=silent_env)
    assert "FUSE_AIO_MODE=auto\n" in done.stdout and "FUSE_AIO_STACKS=1\n" in done.stdout
    assert header(tmp_path / "r")["flags"] == 3


def test_default_name_and_size(tmp_path, silent_env):
    fuse_aio("record", "true", cwd=tmp_path, env=silent_env)
    assert os.listdir(tmp_path) == ["fuse-aio.rec"]
    assert header(tmp_path / "fuse-aio.rec")["blocks"] == 256 * MIB // BLOCK


def test_header(tmp_path, silent_env):
    before = time.monotonic_ns(), time.time_ns()
    fuse_aio("record", "-o", tmp_path / "r", "--size=1M", "sleep", "0.3", env=silent_env)
    after = time.monotonic_ns(), time.time_ns()
    h = header(tmp_path / "r")
    assert h["magic"] == b"FUSEAIO\x1a" and h["version"] == 1
    assert (h["header_size"], h["block_size"], h["blocks"]) == (HEADER_SIZE, BLOCK, 16)
    assert (h["flags"], h["next"], h["dropped"], h["first_pid"], h["reserved"]) == (0, 0, 0, 0, 0)
    assert h["command"] == "sleep 0.3"
    assert before[0] < h["begin_ns"] < h["end_ns"] < after[0]
    assert before[1] < h["time_ns"] < after[1]
    ns = h["end_ns"] - h["begin_ns"]
    assert ns > 300_000_000
    measured = (h["end_cycles"] - h["begin_cycles"]) * 1e9 / ns
    assert abs(measured / h["hz"] - 1) < 0.002
    assert (tmp_path / "r").stat().st_size == HEADER_SIZE


def test_long_command_is_cut_off(tmp_path, silent_env):
    fuse_aio("record", "-o", tmp_path / "r", "true", "x" * 600, "y" * 600, "z", env=silent_env)
    command = header(tmp_path / "r")["command"]
    assert len(command) == 1023 and command.startswith("true " + "x" * 600 + " yyy")


@pytest.mark.parametrize("blocks,size", [(3, 3), (16, 16), (25, 16)])
def test_cut_to_what_was_used(tmp_path, silent_env, blocks, size):
    done = fuse_aio("record", "-o", tmp_path / "r", "--size=1M", *taker(blocks, 2, 7), env=silent_env)
    h = header(tmp_path / "r")
    assert done.returncode == 0 and h["next"] == blocks and h["end_ns"]
    assert (tmp_path / "r").stat().st_size == HEADER_SIZE + size * BLOCK
    assert done.stderr.count("\n") == 1
    for said in (f"{tmp_path}/r", "2 processes", "7 records dropped", "--size"):
        assert said in done.stderr, done.stderr


def test_why_nothing_was_recorded(tmp_path, silent_env):
    def why(*argv, **more):
        text = fuse_aio("record", "-o", tmp_path / "r", *argv,
                        env=silent_env | more).stderr.splitlines()[-1]
        assert "nothing was recorded" in text
        return text

    assert "linked statically" in why(compiled(tmp_path / "p", "int main(void) { }", "-static"))
    assert "FUSE_AIO_ONLY=nginx" in why("true", FUSE_AIO_ONLY="nginx")
    assert "did not start" in why("true")


@pytest.mark.parametrize("argv,status", [(["sh", "-c", "exit 3"], 3), (["true"], 0),
                                         (["sh", "-c", "kill -9 $$"], 137),
                                         (["sh", "-c", "kill -SEGV $$"], 139)])
def test_status(tmp_path, silent_env, argv, status):
    done = fuse_aio("record", "-o", tmp_path / "r", "--", *argv, env=silent_env)
    assert done.returncode == status
    assert header(tmp_path / "r")["end_ns"]


def test_program_not_found_leaves_the_old_recording(tmp_path, silent_env):
    fuse_aio("record", "-o", tmp_path / "r", "true", env=silent_env)
    old = (tmp_path / "r").read_bytes()
    assert fuse_aio("record", "-o", tmp_path / "r", "no-such", env=silent_env).returncode == 127
    assert (tmp_path / "r").read_bytes() == old and os.listdir(tmp_path) == ["r"]


def test_program_that_does_not_start_leaves_no_recording(tmp_path, silent_env):
    lost = compiled(tmp_path / "lost", "int main(void) { return 0; }",
                    "-Wl,--dynamic-linker=/nonexistent/ld-linux.so")
    done = fuse_aio("record", "-o", tmp_path / "new", lost, env=silent_env)
    assert done.returncode == 127 and "loader is not there" in done.stderr
    assert os.listdir(tmp_path) == ["lost"]


def test_foreign_file_is_kept(tmp_path, silent_env):
    precious = tmp_path / "precious"
    for content in (b"x", b"FUSEAIO", b"FUSEAIO\x1b" + bytes(5000)):
        precious.write_bytes(content)
        done = fuse_aio("record", "-o", precious, "echo", "ran", env=silent_env)
        assert done.returncode == 125 and "not a recording" in done.stderr and not done.stdout
        assert precious.read_bytes() == content


def test_empty_file_and_old_recording_are_replaced(tmp_path, silent_env):
    (tmp_path / "r").touch(0o644)
    for what in ("first", "second"):
        done = fuse_aio("record", "-o", tmp_path / "r", "echo", what, env=silent_env)
        assert done.stdout == what + "\n"
        assert header(tmp_path / "r")["command"] == "echo " + what
        assert stat.S_IMODE((tmp_path / "r").stat().st_mode) == 0o600
    (tmp_path / "link").symlink_to("r")
    fuse_aio("record", "-o", tmp_path / "link", "echo", "third", env=silent_env)
    assert (tmp_path / "link").is_symlink() and header(tmp_path / "r")["command"] == "echo third"


def test_two_at_once(tmp_path, silent_env):
    inner = fuse_aio("record", "-o", tmp_path / "r", tool(), "record", "-o", tmp_path / "r", "echo",
                     "ran", env=silent_env)
    assert inner.returncode == 125 and "is being recorded to" in inner.stderr and not inner.stdout
    assert (tmp_path / "r").stat().st_size == HEADER_SIZE


@pytest.mark.parametrize("name,said", [("/dev/null", "not a recording"), ("/tmp", "not a recording"),
                                       ("/nonexistent/r", "No such file"), ("new/", "not the name")])
def test_bad_names(tmp_path, silent_env, name, said):
    done = fuse_aio("record", "-o", name, "echo", "ran", env=silent_env, cwd=tmp_path)
    assert done.returncode == 125 and said in done.stderr and not done.stdout
    assert done.stderr.count("\n") == 1 and not os.listdir(tmp_path)


@pytest.mark.parametrize("size,blocks", [("1M", 16), ("1048576", 16), ("1.5M", 24), ("2048K", 32)])
def test_sizes(tmp_path, silent_env, size, blocks):
    assert fuse_aio("record", "-o", tmp_path / "r", "--size", size, "true", env=silent_env).returncode == 0
    assert header(tmp_path / "r")["blocks"] == blocks


@pytest.mark.parametrize("option", ["--size=0", "--size=-1M", "--size=1000", "--size=65G", "--size=2X",
                                    "--size=nan", "--size=1Mb", "--duration=0", "--duration=x",
                                    "--duration=-1", "--duration=nan", "--mode=off", "--mode="])
def test_wrong_options(tmp_path, silent_env, option):
    done = fuse_aio("record", "-o", tmp_path / "r", option, "echo", "ran", env=silent_env)
    assert done.returncode == 125 and option in done.stderr and not done.stdout
    assert not os.listdir(tmp_path)


def test_pid_is_an_honest_error(tmp_path):
    for form in (["-p", "1"], ["--pid=1"], ["-p1", "true"]):
        done = fuse_aio("record", *form, cwd=tmp_path)
        assert done.returncode == 125 and done.stderr.count("\n") == 1
        assert "only when a program starts" in done.stderr and "restart it" in done.stderr
    assert not os.listdir(tmp_path)


@pytest.mark.root
def test_disk_full(tmp_path, silent_env):
    small = tmp_path / "small"
    small.mkdir()
    if subprocess.run([needs("mount"), "-t", "tmpfs", "-o", "size=8M", "none", small]).returncode:
        pytest.skip("mounting is not permitted here")
    try:
        fuse_aio("record", "-o", small / "r", "--size=1M", "echo", "old", env=silent_env)
        done = fuse_aio("record", "-o", small / "r", "--size=32M", "echo", "ran", env=silent_env)
        assert done.returncode == 125 and not done.stdout
        assert "no room for 32 MiB" in done.stderr and "8 MiB are free" in done.stderr
        assert os.listdir(small) == ["r"] and header(small / "r")["command"] == "echo old"
    finally:
        subprocess.run(["umount", small], check=True)


def test_file_size_limit(tmp_path, silent_env):
    done = fuse_aio("record", "-o", tmp_path / "r", "echo", "ran", env=silent_env,
                    preexec_fn=lambda: __import__("resource").setrlimit(1, (MIB, MIB)))
    assert done.returncode == 125 and "File too large" in done.stderr and not os.listdir(tmp_path)


def test_the_library_records(tmp_path):
    if b"FUSE_AIO_RECORD" not in LIB.read_bytes():
        pytest.skip("the library is built without recording")
    done = fuse_aio("record", "-o", tmp_path / "r", "cat", "/etc/passwd", env=environment())
    assert done.returncode == 0 and "1 process," in done.stderr
    assert header(tmp_path / "r")["next"] >= 1
