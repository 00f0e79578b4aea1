# SPDX-License-Identifier: MIT
"""The screen, in tmux: what stands on it after keys, resizes and signals, and that the
terminal is given back."""

import contextlib
import itertools
import os
import pty
import re
import select
import signal
import subprocess
import time

import pytest

from harness import lib_env, needs, wait_until
from toptool import TOOL, caller, liar


class Tmux:
    """A terminal of its own with a shell in it."""

    def __init__(self, tmux, socket, width, height):
        self.argv = [tmux, "-L", socket, "-f", "/dev/null"]
        self.run("new-session", "-d", "-x", str(width), "-y", str(height),
                 "env PS1='$ ' ENV= sh")
        self.run("set-option", "-g", "status", "off")
        self.resize(width, height)

    def run(self, *args):
        return subprocess.run(self.argv + list(args), check=True, capture_output=True, timeout=10,
                              text=True, env=lib_env(None) | {"LC_ALL": "C.UTF-8"}).stdout

    def type(self, *keys):
        self.run("send-keys", *keys)

    def command(self, line):
        self.run("send-keys", "-l", line)
        self.run("send-keys", "Enter")

    def resize(self, width, height):
        self.run("resize-window", "-x", str(width), "-y", str(height))

    def screen(self, colours=False):
        return self.run("capture-pane", "-p", *(["-e"] if colours else []))

    def lines(self):
        return self.screen().split("\n")

    def shows(self, pattern, colours=False):
        """Waits until the pattern is there; returns the screen."""
        return wait_until(lambda: (s := self.screen(colours)) and re.search(pattern, s, re.M) and s,
                          what=pattern)

    def pid(self):
        """Of the tool, a child of the shell."""
        shell = self.run("display-message", "-p", "#{pane_pid}").strip()
        with open(f"/proc/{shell}/task/{shell}/children") as f:
            return int(f.read().split()[0])


number = itertools.count()


@pytest.fixture
def terminal(request):
    tmux = needs("tmux")
    with contextlib.ExitStack() as stack:
        def make(width=120, height=24):
            t = Tmux(tmux, f"fuse_aio-top-{os.getpid()}-{next(number)}", width, height)
            stack.callback(subprocess.run, t.argv + ["kill-server"], capture_output=True)
            t.shows(r"^\$")
            return t
        yield make


def start(t, *args, env=""):
    t.command(f"{env} {TOOL} top -i 0.3 {' '.join(map(str, args))}; echo status $?")
    t.shows(r"^fuse-aio top: ")


def rows(t):
    return [line for line in t.lines() if re.match(r" *\d+ \w.* (auto|off|observe) ", line)]


def test_table_keys_and_quit(terminal):
    t = terminal()
    with caller("/etc/passwd") as c, liar("truth", "gr\u00fc\u00df\u65e5") as proc, liar("cyclic") as bad:
        start(t, c.pid, proc.pid)
        t.shows(rf"{c.pid} caller +auto +0 +0 ")
        assert "gr\u00fc\u00df\u65e5" in t.screen()
        first, second = (int(r.split()[0]) for r in rows(t))
        assert first < second       # no calls: in order of their numbers
        t.shows(rf"^{first} ")      # details of the first one
        t.type("r", "<", "<", "<", "<")
        t.shows("by PID reversed")
        assert [int(r.split()[0]) for r in rows(t)] == [second, first]
        t.type("Down")
        t.shows(rf"^{first} \S+: auto")
        t.type("Up", "j", "k")
        t.shows(rf"^{second} \S+: auto")
        t.type("h")
        t.shows("any key goes back")
        t.type("h")
        t.shows("^fuse-aio top: 2 processes")
        t.type("p")
        t.shows("PAUSED")
        c.tell("c")
        time.sleep(0.5)
        assert "fallbacks: stale 3" in t.screen() or "fallbacks: none" in t.screen()
        t.type("p")
        t.shows("by PID reversed *$")
        t.type("q")
        screen = t.shows("^status 0")
        assert "fuse-aio top:" not in screen.replace("fuse-aio top -i", "")     # it is as it was
        assert bad.poll() is None


def test_details_and_trouble(terminal):
    t = terminal(140, 30)
    with liar("truth") as proc, liar("cyclic") as bad:
        start(t)
        t.shows(rf"{bad.pid} liar +cannot be read: its list of threads does not end")
        t.type("End")
        for _ in range(40):
            if re.search(rf"^{proc.pid} liar: auto", t.screen(), re.M):
                break
            t.type("Up")
            time.sleep(0.1)
        t.shows(rf"^{proc.pid} liar: auto\s*\n^fallbacks: stale 3\s*\n^cold: .*\(?0:5\)?: open 2.0 ms")
        proc.kill()
        wait_until(lambda: f"{proc.pid} liar" not in t.screen())
        t.type("q")
        t.shows("^status 0")


def test_sizes(terminal):
    """From one row of one column to a wall."""
    t = terminal()
    with contextlib.ExitStack() as stack:
        cs = [stack.enter_context(caller("/etc/passwd")) for _ in range(6)]
        start(t, *[c.pid for c in cs])
        for width, height in [(40, 12), (10, 3), (1, 1), (2, 2), (20, 1), (200, 2), (500, 80),
                              (80, 24), (40, 8)]:
            t.resize(width, height)
            t.type("Down", "h", "h", "Up", "End", "PPage", "Home", "NPage")
            time.sleep(0.15)
        t.shows(r"^ +PID PROGRAM +CALLS/s CHAIN/s$")
        assert all(len(line) <= 40 for line in t.lines())
        t.resize(200, 24)
        t.shows(r"PID PROGRAM +MODE +THR CALLS/s LOOK% .* FALLB *$")
        t.type("Home")
        t.resize(60, 5)
        t.shows("^fuse-aio top")
        t.type("End")       # two rows are shown, the last one among them
        wait_until(lambda: max(c.pid for c in cs) in [int(r.split()[0]) for r in rows(t)])
        t.type("q")
        t.resize(100, 24)
        t.shows("^status 0")


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT])
def test_signals_give_the_terminal_back(terminal, sig):
    t = terminal()
    start(t)
    assert t.run("display-message", "-p", "#{alternate_on}").strip() == "1"
    os.kill(t.pid(), sig)
    if sig == signal.SIGINT:        # the shell ends its line as well
        t.command("echo status $?")
        t.shows(r"^status \d+")
    else:
        t.shows(f"^status {128 + sig}")
    assert t.run("display-message", "-p", "#{alternate_on} #{cursor_flag}").strip() == "0 1"
    t.command("echo seen")
    t.shows("^seen")


def test_stopped_and_gone_on(terminal):
    t = terminal()
    start(t)
    t.type("C-z")
    t.shows("Stopped|Suspended|^\\$ *$")
    assert t.run("display-message", "-p", "#{alternate_on}").strip() == "0"
    t.command("fg")
    t.shows("^fuse-aio top: ")
    t.type("q")
    t.shows("fg")


def test_no_color(terminal):
    t = terminal()
    with liar("cyclic") as bad:
        start(t)
        coloured = t.shows(rf"{bad.pid} liar +cannot", colours=True)
        assert re.search(r"\x1b\[(\d+;)*33", coloured)
        t.type("q")
        t.shows("^status 0")
        t.command("clear")
        start(t, env="NO_COLOR=1")
        plain = t.shows(rf"{bad.pid} liar +cannot", colours=True)
        assert not re.search(r"\x1b\[(\d+;)*3[0-7]m", plain)
        t.type("q")


@pytest.mark.parametrize("term", ["", "no-such-terminal", "dumb"])
def test_terminal_that_will_not_do(term):
    control, terminal = pty.openpty()
    try:
        env = lib_env(None) | {"TERM": term}
        done = subprocess.run([TOOL, "top"], stdin=terminal, stdout=terminal, stderr=subprocess.PIPE,
                              text=True, timeout=20, env=env)
    finally:
        os.close(control)
        os.close(terminal)
    assert done.returncode == 1 and "--once" in done.stderr and repr(term) in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_terminal_that_goes_away():
    control, terminal = pty.openpty()
    tool = subprocess.Popen([TOOL, "top"], stdin=terminal, stdout=terminal, stderr=terminal,
                            env=lib_env(None) | {"TERM": "xterm"})
    os.close(terminal)
    try:
        assert select.select([control], [], [], 10)[0]
        os.read(control, 65536)
        os.close(control)
        assert tool.wait(10) == -signal.SIGHUP
    finally:
        tool.kill()
        tool.wait()
