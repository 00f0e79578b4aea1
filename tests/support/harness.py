# SPDX-License-Identifier: MIT
"""What every test driver, the benchmarks and the demo share: the environment
that loads the library, a slow file system over a directory, servers started and
ended without leaving anything behind, and the statistics the library writes.
Works with or without pytest; without it, skip() raises Missing."""

import contextlib
import ctypes
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build"
LIB = Path(os.environ.get("FUSE_AIO_LIB") or BUILD / "libfuse_aio.so").resolve()
SLOWFS = BUILD / "slowfs"

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


class Missing(Exception):
    """This machine lacks something that was asked for."""


def skip(reason):
    if "pytest" in sys.modules:
        import pytest
        pytest.skip(reason)
    raise Missing(reason)


# --- programs and environment ------------------------------------------------

def find_program(name):
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/local/sbin"
    return shutil.which(name, path=path)


def needs(*programs):
    """Absolute paths of the programs (one: a string); skips if one is missing."""
    found = [find_program(p) for p in programs]
    lacking = [p for p, f in zip(programs, found) if not f]
    if lacking:
        skip("not installed: " + ", ".join(lacking))
    return found[0] if len(found) == 1 else found


def lib_env(mode="auto", stats=None, **opts):
    """A copy of the environment that loads the library in the given mode, or,
    with mode None, one that surely does not."""
    env = {k: v for k, v in os.environ.items()
           if k != "LD_PRELOAD" and not k.startswith("FUSE_AIO_")}
    if mode is None:
        return env
    if not LIB.exists():
        skip(f"{LIB} is not built")
    env["LD_PRELOAD"] = str(LIB)
    env["FUSE_AIO_MODE"] = mode
    if stats is not None:
        env["FUSE_AIO_STATS"] = str(stats)
    for key, value in opts.items():
        env["FUSE_AIO_" + key.upper()] = str(value)
    return env


# --- waiting -----------------------------------------------------------------

def wait_until(check, timeout=10.0, step=0.02, proc=None, what="it"):
    """Calls check() until it is true; returns its value. Bounded."""
    end = time.monotonic() + timeout
    while True:
        value = check()
        if value:
            return value
        if proc is not None and proc.poll() is not None:
            raise RuntimeError(f"{what}: process ended with status {proc.returncode}")
        if time.monotonic() >= end:
            raise TimeoutError(f"{what}: not there after {timeout} s")
        time.sleep(step)


_ports_given = set()


def free_port():
    """
    A port that nobody listens on, and that was not given before: servers are
    started several at a time. Not one of those that the kernel chooses from, or
    a connection of another test might get it before the server does.
    """
    with open("/proc/sys/net/ipv4/ip_local_port_range") as f:
        end = int(f.read().split()[0])
    if end < 20000:
        end = 1 << 16
    while True:
        port = random.SystemRandom().randrange(10000, end)  # five digits: they show in replies
        with socket.socket() as s, contextlib.suppress(OSError):
            s.bind(("127.0.0.1", port))
            if port not in _ports_given:
                _ports_given.add(port)
                return port


def _port_listens(port):
    # Reading the kernel's table instead of connecting: a trial connection would
    # be a request to the server, and the twin runs count those.
    wanted = f":{port:04X}"
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError), open(table) as f:
            for line in f:
                field = line.split()
                if field[3] == "0A" and field[1].endswith(wanted):
                    return True
    return False


def wait_port(port, timeout=10, proc=None):
    wait_until(lambda: _port_listens(port), timeout, proc=proc, what=f"port {port}")


# --- processes ---------------------------------------------------------------

def _die_with_parent():
    # Only from the main thread: the signal comes when the *thread* that forked
    # ends, and a helper thread may end long before the test does.
    if threading.current_thread() is not threading.main_thread():
        return None
    parent = os.getpid()

    def child():
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:
            os._exit(1)
    return child


def _proc(pid):
    """(ppid, session, start time) of a process, None if it has ended."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            rest = f.read().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return (int(rest[1]), int(rest[3]), rest[19]) if rest[0] != "Z" else None


def _proc_table():
    found = {int(entry): _proc(entry) for entry in os.listdir("/proc") if entry.isdigit()}
    return {pid: what for pid, what in found.items() if what}


def _family(pid, known):
    """Adds to known (pid -> start time) everything descended from pid or in the
    session it leads; what was known stays, so a daemon that left is kept."""
    table = _proc_table()
    grown = True
    ours = set(known) | {pid}
    while grown:
        grown = False
        for p, (ppid, session, start) in table.items():
            if p not in ours and (ppid in ours or session == pid):
                ours.add(p)
                grown = True
    for p in ours:
        if p in table and p != os.getpid():
            known.setdefault(p, table[p][2])


def _alive(known):
    return [p for p, start in known.items() if (now := _proc(p)) and now[2] == start]


class Server:
    """A program in a session of its own. `ready` is a port or a callable."""

    def __init__(self, argv, env=None, cwd=None, stdin=None, ready=None, timeout=15,
                 stdout=None):
        self.argv = [str(a) for a in argv]
        self.env, self.cwd, self.stdin, self.stdout = env, cwd, stdin, stdout
        self.ready, self.timeout = ready, timeout
        self.proc = None
        self.family = {}

    @property
    def pid(self):
        return self.proc.pid

    def start(self):
        self.launch()
        return self.await_ready()

    def launch(self):
        """Starts it without waiting: several may be on their way at a time."""
        self.err = tempfile.TemporaryFile()
        stdin = subprocess.DEVNULL if self.stdin is None else self.stdin
        stdout = self.err if self.stdout is None else self.stdout
        self.proc = subprocess.Popen(self.argv, env=self.env, cwd=self.cwd, stdin=stdin,
                                     stdout=stdout, stderr=self.err,
                                     start_new_session=True, preexec_fn=_die_with_parent())

    def await_ready(self):
        try:
            if callable(self.ready):
                wait_until(self.ready, self.timeout, proc=self.proc, what=self.argv[0])
            elif self.ready is not None:
                wait_port(self.ready, self.timeout, self.proc)
        except BaseException as e:
            self.close()
            if isinstance(e, (RuntimeError, TimeoutError)):
                raise RuntimeError(f"{' '.join(self.argv)}: {e}\n{self.stderr()}") from None
            raise
        return self

    def stderr(self):
        """What it has written to standard output and standard error so far."""
        size = os.fstat(self.err.fileno()).st_size
        return os.pread(self.err.fileno(), size, 0).decode(errors="replace")

    def stop(self, sig=signal.SIGTERM, timeout=10):
        """Ends it; its exit status (negative: the signal), as subprocess has it."""
        if self.proc.poll() is None:
            _family(self.pid, self.family)
            self.proc.send_signal(sig)
        return self.proc.wait(timeout)

    def close(self):
        if self.proc is None:
            return
        _family(self.pid, self.family)
        try:
            if self.proc.poll() is None:
                self.proc.terminate()
                self.proc.wait(3)
        except subprocess.TimeoutExpired:
            self.proc.kill()
            self.proc.wait(10)
        finally:
            self._reap_family()

    def _reap_family(self):
        # SIGTERM first: children (FTP sessions, workers) write their statistics
        # line only when they end by themselves.
        end = time.monotonic() + 3
        _family(self.pid, self.family)
        for sig in (signal.SIGTERM, signal.SIGKILL):
            for p in _alive(self.family):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(p, sig)
            while _alive(self.family) and time.monotonic() < end:
                time.sleep(0.02)
            end = time.monotonic() + 3

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc):
        self.close()


# --- file systems ------------------------------------------------------------

@contextlib.contextmanager
def _new_dir(base):
    if not os.access(base, os.W_OK):
        skip(f"{base} is not writable")
    path = Path(tempfile.mkdtemp(prefix="fuse_aio-", dir=base))
    try:
        path.chmod(0o755)       # servers that gave up root must get in
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def tmpfs_dir():
    """A new directory on tmpfs (Path), removed afterwards."""
    return _new_dir("/dev/shm")


def disk_dir():
    """The same on a disk: only there promised files are read in the ring."""
    return _new_dir("/var/tmp")


def knows_nowait(directory):
    """Can files there be read without waiting (RWF_NOWAIT)?"""
    with tempfile.TemporaryFile(dir=directory) as f:
        f.write(b"x")
        f.flush()
        try:
            return os.preadv(f.fileno(), [bytearray(1)], 0, os.RWF_NOWAIT) >= 0
        except BlockingIOError:
            return True
        except OSError:
            return False


def _is_mounted(mountpoint):
    wanted = str(mountpoint).replace("\\", "\\134").replace(" ", "\\040")
    with open("/proc/self/mounts") as f:
        return any(line.split()[1] == wanted for line in f)


class SlowFs:
    """A mounted slowfs: .mountpoint, .pid, .counts()"""

    def __init__(self, proc, mountpoint, counts_file):
        self.proc, self.mountpoint, self._counts = proc, Path(mountpoint), counts_file

    @property
    def pid(self):
        return self.proc.pid

    def counts(self):
        """Requests so far, by operation."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._counts)
        self.proc.send_signal(signal.SIGUSR1)
        wait_until(lambda: os.path.exists(self._counts), proc=self.proc, what="counts")
        with open(self._counts) as f:
            return json.load(f)


def _unmount(proc, mountpoint):
    fusermount = find_program("fusermount3")

    def unmount(option):
        if _is_mounted(mountpoint):
            subprocess.run([fusermount, option, str(mountpoint)], stdout=subprocess.DEVNULL,
                           stderr=subprocess.DEVNULL, timeout=20)
        return not _is_mounted(mountpoint)

    try:
        # Whoever used it may need a moment to go.
        wait_until(lambda: unmount("-u"), timeout=1, step=0.1)
    except TimeoutError:
        unmount("-uz")
        proc.terminate()
    for end, patience in ((proc.terminate, 1), (proc.kill, 5)):
        try:
            proc.wait(patience)
            return
        except subprocess.TimeoutExpired:
            end()
    proc.wait(10)


@contextlib.contextmanager
def slowfs(backing, mountpoint, delay_us=2000, args=()):
    """Mounts slowfs; the directory `mountpoint` is made if need be."""
    if not SLOWFS.exists():
        skip(f"{SLOWFS} is not built")
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        skip("/dev/fuse is not usable here")
    needs("fusermount3")
    mountpoint = os.path.realpath(mountpoint)
    os.makedirs(mountpoint, exist_ok=True)
    args = [str(a) for a in args]
    counts_dir = tempfile.mkdtemp(prefix="slowfs-")
    counts = os.path.join(counts_dir, "counts")
    if "--counts" not in args:
        args += ["--counts", counts]
    else:
        counts = args[args.index("--counts") + 1]
    argv = [str(SLOWFS), "--delay-us", str(delay_us), *args, str(backing), mountpoint]
    err = tempfile.TemporaryFile()
    # A session of its own: Ctrl-C must reach this program first, which then unmounts.
    proc = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=err, stderr=err,
                            start_new_session=True, env=lib_env(None),
                            preexec_fn=_die_with_parent())
    try:
        try:
            wait_until(lambda: _is_mounted(mountpoint), proc=proc, what="slowfs")
        except (RuntimeError, TimeoutError) as e:
            err.seek(0)
            text = err.read().decode(errors="replace")
            if "Operation not permitted" in text:
                skip("mounting FUSE file systems is not permitted here")
            raise RuntimeError(f"{' '.join(argv)}: {e}\n{text}") from None
        yield SlowFs(proc, mountpoint, counts)
    finally:
        _unmount(proc, mountpoint)
        shutil.rmtree(counts_dir, ignore_errors=True)


def drop_caches():
    """Empties the page, dentry and inode caches; False where that is not allowed."""
    try:
        os.sync()
        with open("/proc/sys/vm/drop_caches", "w") as f:
            f.write("3")
        return True
    except OSError:
        return False


# --- statistics --------------------------------------------------------------

def read_stats(path):
    """The lines in a FUSE_AIO_STATS file; in all of its files if it has a %p."""
    path = Path(path)
    if "%p" in path.name:
        files = sorted(path.parent.glob(path.name.replace("%p", "*")))
    else:
        files = [path] if path.exists() else []
    return [json.loads(line) for f in files for line in f.read_text().splitlines() if line]


def total(stats, name):
    """The sum over lines of a counter; name may be dotted, "futures.adopted"."""
    result = 0
    for line in stats:
        for key in name.split("."):
            line = line.get(key, 0) if isinstance(line, dict) else 0
        result += line or 0
    return result
