# SPDX-License-Identifier: MIT
"""`fuse-aio run`: what the program gets to see, and what its end becomes."""
import os
import shutil
import subprocess

import pytest

from command import compiled, environment, fuse_aio, script, tool
from harness import LIB, needs, read_stats


def variables(done):
    assert done.returncode == 0 and not done.stderr, done
    return dict(line.split("=", 1) for line in done.stdout.splitlines())


def test_environment_is_the_callers_and_the_preload():
    env = environment(SOMETHING="else")
    assert variables(fuse_aio("run", needs("env"), env=env)) == env | {"LD_PRELOAD": str(LIB)}


def test_options_become_variables(tmp_path):
    got = variables(fuse_aio("run", "--mode=observe", "--only", "env,tar", "--prespawn", "--stacks",
                             "--ring", "--log=log", "--stats", "s.%p", "--", "env", cwd=tmp_path))
    assert {k: v for k, v in got.items() if k.startswith("FUSE_AIO_") and k != "FUSE_AIO_LIB"} == {
        "FUSE_AIO_MODE": "observe", "FUSE_AIO_ONLY": "env,tar", "FUSE_AIO_PRESPAWN": "1",
        "FUSE_AIO_STACKS": "1", "FUSE_AIO_RING": "1", "FUSE_AIO_LOG": f"{tmp_path}/log",
        "FUSE_AIO_STATS": f"{tmp_path}/s.%p"}


def test_every_option_of_the_table_is_there():
    names = [line.split("=")[0] for line in fuse_aio("options").stdout.splitlines()
             if line.startswith("FUSE_AIO_") and "RECORD" not in line]     # fuse-aio record
    text = fuse_aio("run", "--help").stdout
    assert len(names) >= 7
    for name in names:
        assert "--" + name.removeprefix("FUSE_AIO_").lower() in text, name


def test_options_behind_the_program_are_its_own():
    done = fuse_aio("run", "--mode=off", "echo", "--mode=auto", "--help", "--", "-x")
    assert done.stdout == "--mode=auto --help -- -x\n"


def test_the_library_is_at_work(tmp_path):
    assert fuse_aio("run", "--stats", tmp_path / "s", "cat", LIB).returncode == 0
    assert [line["comm"] for line in read_stats(tmp_path / "s")] == ["cat"]


def test_preload_is_kept_behind(tmp_path):
    other = compiled(tmp_path / "other.so", "int other;\n", "-shared", "-fPIC")
    got = variables(fuse_aio("run", "env", env=environment(LD_PRELOAD=other)))
    assert got["LD_PRELOAD"] == f"{LIB}:{other}"


@pytest.mark.parametrize("form", ["{other}:{lib}", "{other} {link}"])
def test_preload_has_the_library_once(tmp_path, form):
    other = compiled(tmp_path / "other.so", "int other;\n", "-shared", "-fPIC")
    (tmp_path / "link.so").symlink_to(LIB)
    preload = form.format(lib=LIB, other=other, link=tmp_path / "link.so")
    assert variables(fuse_aio("run", "env", env=environment(LD_PRELOAD=preload)))["LD_PRELOAD"] == preload


def test_another_build_is_replaced(silent):
    got = variables(fuse_aio("run", "env", env=environment(LD_PRELOAD=silent)))
    assert got["LD_PRELOAD"] == str(LIB)


@pytest.mark.parametrize("place", ["bin", "lib", "lib/x86_64-linux-gnu", "lib64"])
def test_library_is_found_beside_the_tool(tmp_path, silent, place):
    if place.endswith("gnu") and os.uname().machine != "x86_64":
        pytest.skip("this machine's directory has another name")
    (tmp_path / "bin").mkdir()
    (tmp_path / place).mkdir(parents=True, exist_ok=True)
    program = shutil.copy(tool(), tmp_path / "bin")
    shutil.copy(silent, tmp_path / place)
    env = environment()
    del env["FUSE_AIO_LIB"]
    got = variables(fuse_aio("run", "env", env=env, program=program))
    assert got["LD_PRELOAD"] == f"{tmp_path}/{place}/libfuse_aio.so"


def test_no_library(tmp_path):
    env = environment()
    del env["FUSE_AIO_LIB"]
    done = fuse_aio("run", "env", env=env, program=shutil.copy(tool(), tmp_path))
    assert done.returncode == 125 and not done.stdout
    assert str(tmp_path) in done.stderr and "FUSE_AIO_LIB" in done.stderr


@pytest.mark.parametrize("lib,said", [("/nonexistent.so", "No such file"), ("/tmp", "not a file")])
def test_named_library_is_not_one(lib, said):
    done = fuse_aio("run", "env", env=environment(FUSE_AIO_LIB=lib))
    assert done.returncode == 125 and said in done.stderr and not done.stdout


def test_loader_cannot_be_told_of_spaces(tmp_path, silent):
    (tmp_path / "a b").mkdir()
    lib = shutil.copy(silent, tmp_path / "a b")
    done = fuse_aio("run", "env", env=environment(FUSE_AIO_LIB=lib))
    assert done.returncode == 125 and "spaces" in done.stderr


@pytest.mark.parametrize("argv,env", [
    (["--mode=of"], {}), ([], {"FUSE_AIO_MODE": "fast"}), ([], {"FUSE_AIO_RING": "yes"}),
    (["--stats=/nonexistent/s"], {}), (["--log", "/"], {}), (["--no-such"], {})])
def test_wrong_values(argv, env):
    done = fuse_aio("run", *argv, "echo", "ran", env=environment(**env))
    assert done.returncode == 125 and not done.stdout
    assert done.stderr.startswith("fuse-aio")


def test_option_beats_a_wrong_variable():
    assert fuse_aio("run", "--mode=off", "true", env=environment(FUSE_AIO_MODE="fast")).returncode == 0


def test_nothing_to_run():
    assert fuse_aio("run").returncode == 125
    assert fuse_aio("run", "--").returncode == 125


@pytest.mark.parametrize("text,status", [("exit 0", 0), ("exit 7", 7), ("exit 255", 255),
                                         ("kill -TERM $$", -15), ("kill -KILL $$", -9)])
def test_status_is_the_programs(text, status):
    assert fuse_aio("run", "sh", "-c", text).returncode == status


def test_not_found_and_not_executable(tmp_path):
    plain = tmp_path / "plain"
    plain.write_text("#!/bin/sh\n")
    lost = script(tmp_path / "lost", "#!/nonexistent/interpreter\n")
    for argv, status, said in [("no-such-program", 127, "not found in PATH"),
                               (tmp_path / "absent", 127, "No such file"),
                               (plain, 126, "Permission denied"), (tmp_path, 126, "Permission denied"),
                               (lost, 127, "/nonexistent/interpreter"), ("", 127, "not found")]:
        done = fuse_aio("run", argv)
        assert done.returncode == status and said in done.stderr, (argv, done)
        assert done.stderr.count("\n") == 1


def test_head_is_no_error():
    line = f"{tool()} run seq 100000 | head -1; {tool()} options | head -1"
    done = subprocess.run(["sh", "-c", line], env=environment(), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=20)
    assert done.stdout.startswith("1\nFUSE_AIO_MODE") and not done.stderr
