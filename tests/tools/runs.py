# SPDX-License-Identifier: MIT
"""
Runs a command on both sides, plain and with the library, and compares what it has
printed, how it has ended and what it has left. The plain run is what is right.
"""
import contextlib
import os
import shlex
import signal
import subprocess
import tempfile
import time

import harness
import snapshot
from sides import digest, same

LIMIT_S = 40
SHOWN = 200_000     # longer output is compared by its digest
NOBODY = 65534


def environment(side, counted=True):
    """What makes the tools' output depend on nothing but the tree. A file for what the
    library counts can be seen among a process's descriptors: not everybody gets one."""
    env = side.env()
    if not counted:
        env.pop("FUSE_AIO_STATS", None)
    for name in ("LS_COLORS", "TAR_OPTIONS", "GREP_OPTIONS", "GZIP", "RSYNC_RSH", "MAKEFLAGS"):
        env.pop(name, None)
    return env | {"LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": side.work, "TMPDIR": side.work,
                  "PYTHONDONTWRITEBYTECODE": "1", "WORK": side.work}


def argv_of(command):
    """A list as it is; a string is the shell's, with $WORK a fast directory."""
    return ["sh", "-c", command] if isinstance(command, str) else [str(a) for a in command]


class Run:
    """A command that was started in a side's tree, in a session of its own."""

    def __init__(self, side, command, counted=True, stdin=None, **more):
        self.side, self.argv = side, argv_of(command)
        self.out, self.err = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        self.proc = subprocess.Popen(self.argv, cwd=side.root, env=environment(side, counted),
                                     stdin=subprocess.DEVNULL if stdin is None else stdin,
                                     stdout=self.out, stderr=self.err,
                                     start_new_session=True, **more)
        self.end = time.monotonic() + LIMIT_S

    def wait(self, whole=False):
        """(status, output, errors); of long output a digest, if it is not wanted whole."""
        try:
            self.proc.wait(max(0.1, self.end - time.monotonic()))
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"{self.side.name}: {shlex.join(self.argv)}: not finished after "
                               f"{LIMIT_S} s\n{self.processes()}{self.printed(self.err)}") from None
        return self.proc.returncode, self.printed(self.out, whole), self.printed(self.err)

    def processes(self):
        """What they are waiting for, when they should have ended."""
        text = subprocess.run(["ps", "-o", "pid,ppid,stat,wchan:24,args", "-g", str(self.proc.pid)],
                              capture_output=True, text=True, timeout=10).stdout
        for pid in (line.split()[0] for line in text.splitlines()[1:]):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/syscall") as f:
                text += f"{pid}: {f.read()}"
            with contextlib.suppress(OSError):
                files = [f"{n} {os.readlink(f'/proc/{pid}/fd/{n}')}" for n in os.listdir(f"/proc/{pid}/fd")]
                text += f"{pid}: {files}\n"
        return text

    def printed(self, file, whole=False):
        file.seek(0)
        text = self.side.clean(file.read())
        return text if whole or len(text) <= SHOWN else digest(text)

    def kill(self, sig=signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.proc.pid, sig)       # ours: the session is its own

    def close(self):
        if self.proc.poll() is None:
            self.kill()
            self.proc.wait(10)
        self.out.close()
        self.err.close()


def prepare(side, command):
    """Runs it plain and where the tree is stored, before the sides look at it."""
    env = harness.lib_env(None) | {"LC_ALL": "C.UTF-8", "TZ": "UTC"}
    subprocess.run(["sh", "-c", command], cwd=side.backing, env=env, check=True, timeout=LIMIT_S,
                   stdin=subprocess.DEVNULL)


def results(place, pair, command, **more):
    """What each side gave. On two doors both run at once."""
    found, runs = [], []
    with contextlib.ExitStack() as stack:
        for side in pair:
            if place.cold:
                harness.drop_caches()
            runs.append(stack.enter_context(contextlib.closing(Run(side, command, **more))))
            if place.cold or place.doors[0] == place.doors[1]:
                found.append(runs[-1].wait())
        return found or [run.wait() for run in runs]


def alike(place, pair, command, status=0, **more):
    """Runs it on both sides, and compares what it gave: (status, output, errors).
    `status` is what it must end with, None: whatever the plain run did."""
    seen = same(results(place, pair, command, **more))
    assert status is None or seen[0] == status, seen
    return seen


def trees_alike(pair, at=".", **options):
    """Compares what is below a directory of both sides' trees, read where it is stored."""
    return same([snapshot.of(os.path.join(stored(side), at), **options) for side in pair])


def works_alike(pair, at=".", **options):
    """The same for the sides' fast directories."""
    return same([snapshot.of(os.path.join(side.work, at), skip=("stats.json",), **options)
                 for side in pair])


def stored(side):
    """Where a tree can be read without a delay; for an overlay that is the mount only."""
    return side.root if side.fs == "overlay" else side.backing


def files_alike(pair, *names):
    """Compares files in the fast directories, byte by byte."""
    for name in names:
        found = []
        for side in pair:
            with open(os.path.join(side.work, name), "rb") as f:
                found.append(digest(f.read()))
        same(found)


def statistics(side):
    return harness.read_stats(side.stats) if os.path.exists(side.stats) else []


def ready_for_nobody(side):
    """So that a process without privileges can write what the library counts."""
    os.chmod(side.work, 0o777)
    with open(side.stats, "a"):
        os.chmod(side.stats, 0o666)


def as_nobody():
    if os.geteuid() != 0:
        return {}
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []}
