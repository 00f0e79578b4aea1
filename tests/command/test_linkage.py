# SPDX-License-Identifier: MIT
"""Programs in which preloading does nothing: each is told of, and that it is true is seen
by what the loader then does."""
import os
import subprocess

import pytest

from command import USER, compiled, environment, fuse_aio, script
from harness import LIB, needs

HELLO = '#include <stdio.h>\nint main(void) { puts("ran"); }\n'
GO_SECTION = '__asm__(".section .go.buildinfo,\\"aw\\"\\n.ascii \\"Go buildinf:\\"\\n.previous");\n'
GO_NOTE = ('__asm__(".section .note.go.buildid,\\"a\\",@note\\n.long 4,4,4\\n.asciz \\"Go\\"\\n'
           '.byte 0\\n.ascii \\"1234\\"\\n.previous");\n')


def warned(argv, what, **more):
    """One warning and the program's output; with --strict the error and no output."""
    done = fuse_aio("run", "--", *argv, **more)
    assert done.stdout == "ran\n" and done.returncode == 0, done
    assert done.stderr.count("\n") == 1 and "warning" in done.stderr and what in done.stderr, done
    strict = fuse_aio("run", "--strict", *argv, **more)
    assert strict.returncode == 125 and not strict.stdout and what in strict.stderr


def not_warned(argv, **more):
    done = fuse_aio("run", "--strict", *argv, **more)
    assert done.returncode == 0 and not done.stderr, done
    return done


@pytest.mark.parametrize("flags", [["-static"], ["-static-pie"]])
def test_static(tmp_path, flags):
    warned([compiled(tmp_path / "p", HELLO, *flags)], "linked statically")


@pytest.mark.parametrize("mark", [GO_SECTION, GO_NOTE], ids=["section", "note"])
@pytest.mark.parametrize("flags", [[], ["-static"]])
def test_go(tmp_path, mark, flags):
    warned([compiled(tmp_path / "p", mark + HELLO, *flags)], "Go program")


def test_dynamic(tmp_path):
    not_warned([compiled(tmp_path / "p", HELLO)])
    not_warned([compiled(tmp_path / "q", HELLO, "-no-pie")])


def test_real_go(tmp_path):
    go = needs("go")
    (tmp_path / "main.go").write_text('package main\nfunc main() { println("ran") }\n')
    subprocess.run([go, "build", "-o", "p", "main.go"], cwd=tmp_path, check=True)
    assert "Go program" in fuse_aio("run", tmp_path / "p").stderr


def patched(tmp_path, at, value):
    path = tmp_path / "p"
    data = bytearray(open(needs("true"), "rb").read())
    data[at] = value
    path.write_bytes(data)
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("at,value", [(18, 8), (4, 1)], ids=["machine", "class"])
def test_foreign(tmp_path, at, value):
    done = fuse_aio("run", "--strict", patched(tmp_path, at, value))
    assert done.returncode == 125 and "another kind of processor" in done.stderr


def test_other_libc(tmp_path):
    path = compiled(tmp_path / "p", HELLO, "-Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1")
    done = fuse_aio("run", "--strict", path)
    assert done.returncode == 125 and "not glibc" in done.stderr


def test_missing_loader(tmp_path):
    path = compiled(tmp_path / "p", HELLO, "-Wl,--dynamic-linker=/nonexistent/ld-linux-x86-64.so.2")
    done = fuse_aio("run", path)
    assert done.returncode == 127 and "loader is not there" in done.stderr


@pytest.mark.parametrize("size", [0, 3, 4, 20, 64, 100])
def test_cut_off(tmp_path, size):
    """Not a crash; what becomes of it is the kernel's and the shell's business."""
    path = tmp_path / "p"
    path.write_bytes(open(needs("true"), "rb").read()[:size])
    path.chmod(0o755)
    assert fuse_aio("run", path, cwd=tmp_path).returncode in (0, 2, 125, 126, 127)


def test_scripts(tmp_path):
    static = compiled(tmp_path / "interpreter", HELLO, "-static")
    warned([script(tmp_path / "a", f"#!{static}\n")], "linked statically")
    warned([script(tmp_path / "b", f"#! {tmp_path}/a -x\n")], "linked statically")
    warned([script(tmp_path / "c", "#!/usr/bin/env interpreter\n")], "linked statically",
           env=environment(PATH=f"{tmp_path}:{os.environ['PATH']}"))
    done = not_warned([script(tmp_path / "d", "#!/bin/sh\necho $0 $1 $LD_PRELOAD\n"), "x"])
    assert done.stdout == f"{tmp_path}/d x {LIB}\n"
    assert not_warned([script(tmp_path / "e", "echo no line\n")]).stdout == "no line\n"


def test_scripts_of_scripts(tmp_path):
    path = tmp_path / "loop"
    script(path, f"#!{path}\n")
    done = fuse_aio("run", path)
    assert done.returncode == 126 and "symbolic links" in done.stderr


@pytest.mark.root
@pytest.mark.parametrize("mode,owner,ignored", [(0o4755, 65534, True), (0o2755, 65534, True),
                                                (0o4755, 0, False), (0o2745, 65534, False)])
def test_set_id(copy, mode, owner, ignored):
    """Root that starts root's setuid program gains nothing by it: then it is preloaded."""
    env = copy(needs("env"), mode, owner)
    done = fuse_aio("run", env)
    assert ("LD_PRELOAD=" not in done.stdout) == ignored, done
    assert ("setuid" in done.stderr) == ignored, done
    assert fuse_aio("run", "--strict", env).returncode == (125 if ignored else 0)


@pytest.mark.root
def test_capabilities(copy, public):
    if os.statvfs(public).f_flag & os.ST_NOSUID:
        pytest.skip("/dev/shm is mounted nosuid")
    env = copy(needs("env"), to=public)
    subprocess.run([needs("setcap"), "cap_net_raw+ep", env], check=True)
    for user, ignored in ((USER, True), (0, False)):
        done = fuse_aio("run", env, env=environment(FUSE_AIO_LIB=public / "libfuse_aio.so"),
                        program=public / "fuse-aio", user=user, group=user, extra_groups=[])
        assert ("LD_PRELOAD=" not in done.stdout) == ignored, done
        assert ("file capabilities" in done.stderr) == ignored, done


@pytest.mark.root
def test_no_new_privileges(copy):
    """Where exec grants nothing the loader ignores nothing."""
    env = copy(needs("env"), 0o4755, 65534)
    done = subprocess.run([needs("setpriv"), "--no-new-privs", *fuse_aio("run", env).args],
                          env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert "LD_PRELOAD=" in done.stdout and not done.stderr
