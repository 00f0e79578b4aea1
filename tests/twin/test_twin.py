# SPDX-License-Identifier: MIT
"""Twin runs: every random program runs without and with the library, on a local
and on a slow file system, and what the two can see must be the same. One run is
a range of seeds; TWIN_SEEDS is how many programs to run in all (2200), TWIN_FIRST
the first seed. See twin.h for what is compared."""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest

import harness

TWIN = harness.BUILD / "tests/twin/twin"
PROGRAMS = 2200         # the sum over the tests below
FACTOR = int(os.environ.get("TWIN_SEEDS", PROGRAMS)) / PROGRAMS
FIRST = int(os.environ.get("TWIN_FIRST", "1"))
NOBODY = 65534          # twin refuses to run as root: its calls are random
CHUNK = 25              # programs of one launch: they share what the library learns
PER_MOUNT = 400         # slowfs holds a descriptor for each name the kernel remembers
MAX_SECONDS = 200 * max(1, FACTOR)


# Of one length: a path shows in the size of a symbolic link.
SIDES = ("bare", "with")


class Stage:
    """A directory that programs run in as nobody, and where its files are."""

    def __init__(self, scratch, run, backing):
        self.scratch, self.run, self.backing = Path(scratch), Path(run), Path(backing)
        # Where programs without privileges can reach them.
        self.twin = self.scratch / "twin"
        self.lib = self.scratch / "libfuse_aio.so"
        shutil.copy(TWIN, self.twin)
        shutil.copy(harness.LIB, self.lib)
        self.scratch.chmod(0o777)
        self.backing.chmod(0o777)

    def command(self, side, seeds, calls, log=None):
        argv = [self.twin, "--calls", calls, "--dir", self.run / side, "--backing", self.backing / side,
                "--seeds", f"{seeds[0]}-{seeds[-1]}"]
        return [str(a) for a in argv] + (["--log", str(log)] if log else [])

    def env(self, side, mode, stats=None):
        if side == "bare":
            return harness.lib_env(None)
        env = harness.lib_env(mode, stats)
        env["LD_PRELOAD"] = str(self.lib)
        return env


def _drop():
    return dict(user=NOBODY, group=NOBODY, extra_groups=[]) if os.geteuid() == 0 else {}


def _end(proc):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(proc.pid, signal.SIGKILL)     # its programs die with it (PDEATHSIG)
    proc.wait(10)


def run_all(commands, at_once):
    """Runs (argv, env) pairs, at most so many at a time; returns what went wrong."""
    waiting, running, wrong = list(commands), [], []
    end = time.monotonic() + MAX_SECONDS
    err = tempfile.TemporaryFile()
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                argv, env = waiting.pop(0)
                running.append((subprocess.Popen(
                    argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                    stderr=err, start_new_session=True, **_drop()), argv))
            if time.monotonic() > end:
                raise TimeoutError(f"still running: {[argv for _, argv in running]}")
            with contextlib.suppress(subprocess.TimeoutExpired):
                running[0][0].wait(0.1)
            for proc, argv in [r for r in running if r[0].poll() is not None]:
                if proc.returncode:
                    wrong.append(f"status {proc.returncode}: {' '.join(argv)}")
                running.remove((proc, argv))
    finally:
        for proc, _ in running:
            _end(proc)
    err.seek(0)
    text = err.read().decode(errors="replace")
    return wrong + ([text] if text else [])


def read_logs(directory, side):
    logs = {}
    for path in directory.glob(f"{side}-*.log"):
        for part in path.read_bytes().split(b"=== seed ")[1:]:
            seed, _, text = part.partition(b"\n")
            logs[int(seed)] = text
    return logs


def _differs(one, two, lines=8):
    a, b = one.split(b"\n"), two.split(b"\n")
    at = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
    show = [f"    {x.decode(errors='replace')}" for x in a[max(0, at - 6):at]]
    show += [f"  - {x.decode(errors='replace')}" for x in a[at:at + lines]]
    show += [f"  + {x.decode(errors='replace')}" for x in b[at:at + lines]]
    return "\n".join(show)


def reproduce(seed, mode, mount, calls):
    there = f"  mount: {mount}\n" if mount else ""
    return (f"{there}  mkdir -m 777 DIR; LD_PRELOAD={harness.LIB} FUSE_AIO_MODE={mode} setpriv "
            f"--reuid={NOBODY} --regid={NOBODY} --clear-groups {TWIN} --dir DIR "
            f"{'--backing BACKING ' if mount else ''}--calls {calls} --seed {seed}\n"
            "  (programs before it in the same launch may have taught the library: then "
            f"--seeds {first_of_chunk(seed)}-{seed})")


def first_of_chunk(seed):
    return FIRST + (seed - FIRST) // CHUNK * CHUNK


def compare(stage, mode, count, calls, at_once, mount=None, first=FIRST):
    """Runs the seeds on both sides and fails with the first differences."""
    seeds = range(first, first + count)
    stats = stage.scratch / f"stats-{mode}"
    commands = []
    logs = Path(tempfile.mkdtemp(dir=stage.scratch))
    logs.chmod(0o777)
    for at in range(0, count, CHUNK):
        for side in SIDES:
            tree = stage.backing / side
            tree.mkdir(exist_ok=True)
            tree.chmod(0o777)
            part = seeds[at:at + CHUNK]
            commands.append((stage.command(side, part, calls, logs / f"{side}-{part[0]}.log"),
                             stage.env(side, mode, stats)))
    wrong = run_all(commands, at_once)
    plain, lib = (read_logs(logs, side) for side in SIDES)
    assert sorted(plain) == list(seeds), f"plain run is incomplete: {wrong}"
    bad = [s for s in seeds if plain[s] != lib.get(s)]
    stuck = [s for s in seeds if b"STILL RUNNING" in plain[s]]
    text = "\n".join(f"seed {s}: (- without, + with the library)\n"
                     f"{_differs(plain[s], lib.get(s, b'no log'))}\n"
                     f"{reproduce(s, mode, mount, calls)}" for s in bad[:4])
    assert not stuck, f"programs that never end even without the library: {stuck}"
    assert not bad, f"{len(bad)} of {count} programs differ, mode {mode}, seeds {bad}\n{text}"
    assert not wrong, wrong
    return harness.read_stats(stats)


def _count(n):
    return max(CHUNK, int(n * FACTOR) // CHUNK * CHUNK)


@pytest.fixture
def built(library):
    if not TWIN.exists():
        pytest.skip(f"{TWIN} is not built")


def _report(where, mode, count, stats):
    print(f"twin {where} {mode}: {count} programs twice, seeds from {FIRST}, "
            f"{len(stats)} processes; calls {harness.total(stats, 'calls')}, chains "
            f"{harness.total(stats, 'chains')}, futures created "
            f"{harness.total(stats, 'futures.created')}, adopted "
            f"{harness.total(stats, 'futures.adopted')}")


@pytest.mark.limit(MAX_SECONDS + 40)
@pytest.mark.parametrize("mode,where,programs",
                         [("auto", "tmpfs", 450), ("fuse", "tmpfs", 250), ("auto", "disk", 250),
                          ("observe", "tmpfs", 150), ("off", "tmpfs", 75)])
def test_local(built, mode, where, programs):
    count = _count(programs)
    with contextlib.ExitStack() as stack:
        if where == "tmpfs":
            base = stack.enter_context(harness.tmpfs_dir())
        else:
            base = tempfile.mkdtemp(prefix="twin-")
            stack.callback(shutil.rmtree, base, ignore_errors=True)
        own = stack.enter_context(harness.tmpfs_dir())
        stats = compare(Stage(own, base, base), mode, count, 25, 3)
    _report(where, mode, count, stats)
    # Off is off: not even a line is written.
    assert mode == "off" or len(stats) >= count, "not every program left its statistics line"


@pytest.mark.limit(MAX_SECONDS + 40)
@pytest.mark.parametrize("mode,delay_us,timeout,programs",
                         [("auto", 300, 0, 350), ("auto", 500, 1, 225), ("fuse", 500, 1, 125),
                          ("auto", 1000, 1, 125), ("auto", 800, 0, 125),
                          ("observe", 300, 1, 75)])
def test_slow(built, tmpfs, mode, delay_us, timeout, programs):
    count = _count(programs)
    args = ["--entry-timeout", timeout, "--attr-timeout", timeout]
    mount = f"slowfs --delay-us {delay_us} {' '.join(map(str, args))} BACKING DIR"
    stats = []
    for at in range(0, count, PER_MOUNT):
        backing, mountpoint = tmpfs / f"b{at}", tmpfs / f"m{at}"
        backing.mkdir()
        with harness.slowfs(backing, mountpoint, delay_us, args), harness.tmpfs_dir() as own:
            stats += compare(Stage(own, mountpoint, backing), mode, min(PER_MOUNT, count - at),
                             12, 12, mount, FIRST + at)
    _report(f"slowfs {delay_us} us timeout {timeout}", mode, count, stats)
    assert len(stats) >= count, "not every program left its statistics line"
    if mode not in ("auto", "fuse"):
        assert harness.total(stats, "sqes") == 0
        return
    for counter in ("chains", "futures.created", "futures.adopted", "futures.settled"):
        assert harness.total(stats, counter) > 0, f"{counter} is 0: nothing was tested"


def test_refuses_root():
    """Random calls made by root would be a danger to the machine that tests."""
    if os.geteuid():
        pytest.skip("needs root")
    if not TWIN.exists():
        pytest.skip(f"{TWIN} is not built")
    with harness.tmpfs_dir() as base:
        r = subprocess.run([TWIN, "--dir", base], stderr=subprocess.PIPE, timeout=10)
    assert r.returncode == 2 and b"root" in r.stderr
