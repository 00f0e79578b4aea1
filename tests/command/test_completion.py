# SPDX-License-Identifier: MIT
"""Completion, asked of the real shells. What each must offer is taken from --help."""
import os
import pty
import re
import select
import signal
import subprocess
import time

import pytest

from command import environment, fuse_aio, tool
from harness import BUILD, ROOT, needs

FILES = ROOT / "tools" / "completion"
COMMANDS = {"run", "record", "report", "diff", "top", "doctor", "options", "counters"}


def environ(home):
    return environment(PATH=f"{BUILD}:{os.environ['PATH']}", TERM="dumb", COLUMNS="200",
                       LINES="100", PS1="", HOME=home)


class Terminal:
    """A shell on a terminal, to which a line and a key are typed. Another key then makes it
    say that it has done what came before."""

    def __init__(self, home, argv, setup, key):
        self.key = key
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir("/")
            os.execvpe(argv[0], argv, environ(home))
        self.type(setup + "\n")
        self.read("READY")

    def type(self, text):
        os.write(self.fd, text.encode())

    def read(self, until, patience=20.0):
        out, end = "", time.monotonic() + patience
        while until not in out:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.fd], [], [], left)[0]:
                raise TimeoutError(f"no {until}: {out}")
            out += os.read(self.fd, 65536).decode(errors="replace")
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", out)

    def __call__(self, line):
        """The words that are shown."""
        self.type(line + self.key + "\x18m")
        found = self.read("MARK").replace(line, " ").replace("MARK", "")
        self.type("\x15")       # the line goes
        return set(found.split())

    def close(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


def bash(home):
    main = "/usr/share/bash-completion/bash_completion"
    if not os.path.exists(main):
        pytest.skip("bash-completion is not installed")
    return Terminal(home, [needs("bash"), "--norc", "--noprofile", "-i"],
                    "bind 'set completion-query-items 0'; bind 'set page-completions off'; "
                    "bind 'set show-all-if-ambiguous on'; bind 'set enable-bracketed-paste off'; "
                    f". {main}; . {FILES}/fuse-aio.bash; bind -x '\"\\C-xm\": echo MA''RK'; "
                    "PS1='$ '; echo REA''DY", "\t")


def zsh(home):
    return Terminal(home, [needs("zsh"), "-f", "-i"],
                    f"fpath=({FILES} $fpath); autoload -U compinit; compinit -D -u; LISTMAX=10000; "
                    "PS1=; mark() { print -n MA''RK }; zle -N mark; bindkey '^Xm' mark; "
                    "zle-line-init() { print -n REA''DY }; zle -N zle-line-init", "\x04")


class Fish:
    def __init__(self, home):
        self.fish, self.environ = needs("fish"), environ(home)

    def __call__(self, line):
        text = f"source {FILES}/fuse-aio.fish; complete -C '{line}'"
        done = subprocess.run([self.fish, "--no-config", "-c", text], env=self.environ, cwd="/",
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=20)
        assert not done.stderr
        return {row.split("\t")[0] for row in done.stdout.splitlines()}

    def close(self):
        pass


@pytest.fixture(scope="module", params=[bash, zsh, Fish], ids=lambda s: s.__name__.lower())
def shell(request, tmp_path_factory):
    tool()
    shell = request.param(tmp_path_factory.mktemp("home"))
    yield shell
    shell.close()


def offered(found):
    return {word.split("=")[0] for word in found if word.startswith("--") and word != "--"}


def test_commands(shell):
    assert COMMANDS <= shell("fuse-aio ")
    found = shell("fuse-aio r")
    assert {"run", "record", "report"} <= found and "doctor" not in found


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_options(shell, command):
    text = fuse_aio(command, "--help").stdout
    wanted = set(re.findall(r"^ +(?:-., )?(--[a-z-]+)", text, re.M))
    if not wanted:
        pytest.skip(f"fuse-aio {command} has no options yet")
    assert offered(shell(f"fuse-aio {command} --")) == wanted


@pytest.mark.parametrize("line,values", [
    ("run --mode=", {"auto", "observe", "off", "fuse"}), ("record --mode=", {"auto", "observe"})])
def test_values(shell, line, values):
    found = {word.split("=")[-1] for word in shell("fuse-aio " + line)}
    assert values <= found and ("off" in found) == ("off" in values)


@pytest.mark.parametrize("line", ["run /usr/lib/os-rel", "run --mode=off /usr/lib/os-rel",
                                  "record -o x -- cat /usr/lib/os-rel", "report /usr/lib/os-rel"])
def test_programs_and_files(shell, line, tmp_path):
    """A file that is there once only: bash completes the word instead of listing it."""
    if not os.path.exists("/usr/lib/os-release"):
        pytest.skip("no /usr/lib/os-release")
    if line.startswith("run"):
        path = tmp_path / "only-this-one"
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
        line, wanted = line.replace("/usr/lib/os-rel", f"{tmp_path}/only-"), "only-this-one"
    else:
        wanted = "os-release"
    found = " ".join(shell("fuse-aio " + line))
    assert wanted in found or wanted.removeprefix("os-rel").removeprefix("only-") in found


def test_options_of_the_program_are_not_ours(shell):
    assert not offered(shell("fuse-aio run -- true --")) & {"--mode", "--prespawn"}
