# SPDX-License-Identifier: MIT
"""What the tests of `fuse-aio top` share: the tool, a program that makes calls when
it is told to, and one that lies."""

import contextlib
import json
import subprocess

import harness

TOOL = harness.BUILD / "fuse-aio"
PROGRAMS = harness.BUILD / "tests/top"


def top(*args, **more):
    """Runs the tool to its end; .returncode, .stdout, .stderr."""
    return subprocess.run([TOOL, "top", *map(str, args)], capture_output=True, text=True, timeout=60,
                          stdin=subprocess.DEVNULL, env=harness.lib_env(None), **more)


def read(*args):
    """One reading of JSON."""
    done = top("--once", "--json", "--interval", "0.1", *args)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return json.loads(done.stdout)


def read_one(pid):
    process, = read(pid)["processes"]
    assert process["pid"] == pid
    return process


class Caller:
    """A running tests/top/caller.c, or liar.c."""

    def __init__(self, proc):
        self.proc, self.pid = proc, proc.pid

    def tell(self, command):
        """Sends a command and waits for the answer: the id of the process that it is from."""
        self.proc.stdin.write(command)
        self.proc.stdin.flush()
        return self.answer(command)

    def answer(self, expected):
        said = self.proc.stdout.readline().split()
        if expected == "e":
            expected = "!"
        assert said and said[0] == expected, said
        return int(said[1])

    def end(self):
        self.proc.stdin.close()
        return self.proc.wait(10)


@contextlib.contextmanager
def started(argv, env, cwd=None, **more):
    proc = subprocess.Popen([str(a) for a in argv], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                            text=True, env=env, cwd=cwd, **more)
    try:
        yield proc
    finally:
        # Its input ends first: so does a child of its that waits for commands.
        with contextlib.suppress(OSError):
            proc.stdin.close()
        proc.terminate()
        proc.wait(10)
        proc.stdout.close()


@contextlib.contextmanager
def caller(*files, program=None, env=None, **more):
    """caller.c under the library, waiting for commands."""
    if not TOOL.exists() or not (PROGRAMS / "caller").exists():
        harness.skip("not built: make all programs")
    argv = [program or PROGRAMS / "caller", *files]
    with started(argv, env or harness.lib_env(), **more) as proc:
        made = Caller(proc)
        made.answer("!")
        yield made


@contextlib.contextmanager
def liar(kind, name=None):
    """liar.c; skips where the kernel does not allow what it needs."""
    if not (PROGRAMS / "liar").exists():
        harness.skip("not built: make programs")
    argv = [PROGRAMS / "liar", kind] + ([name] if name else [])
    with started(argv, harness.lib_env(None)) as proc:
        if proc.stdout.readline() != "ready\n":
            harness.skip(f"{kind}: not allowed on this machine")
        yield proc
