# SPDX-License-Identifier: MIT
"""What is large, deep, cut short or killed: the result is the plain one's, and
nothing is left behind that keeps a file system busy."""
import contextlib
import os
import signal
import subprocess
import threading
import time

import pytest

import harness
import runs
import trees
from sides import Side

MANY = 12_000
PATIENCE_S = 1      # for what the kernel tidies up after a killed process


def many(base):
    os.mkdir(f"{base}/many")
    for i in range(MANY):
        os.close(os.open(f"{base}/many/name-{i * 7919 % MANY:06}", os.O_CREAT | os.O_WRONLY, 0o644))


@pytest.mark.on("tmpfs")
def test_very_large_directory(place):
    with place.shared(many) as shared:
        for command in ("du -a many | cksum", "ls -U many | cksum", "ls -f many | head -1",
                        "find many -name '*77*' -size 0 | cksum", "find many -quit",
                        "grep -r x many; echo $?"):
            runs.alike(place, shared, command)


@pytest.mark.on("tmpfs")
def test_very_large_directory_removed(place):
    with place.pair(many) as pair:
        runs.alike(place, pair, "rm -r many && ls")


LONG_NAME = "a-name-of-some-sixty-characters-so-that-paths-become-longer-than"


@pytest.mark.on("slow")
@pytest.mark.parametrize("name", ["level", LONG_NAME], ids=["short", "long"])
def test_deep_tree(place, name):
    """Many levels; with long names the whole path is longer than PATH_MAX."""
    with place.pair(lambda base: trees.deep(base, 100 if name == LONG_NAME else 40, name)) as pair:
        for command in ("du -a deep | cksum", "find deep -type f -newermt 2020-01-02 | wc -l",
                        "tar cf $WORK/t.tar deep; tar tf $WORK/t.tar | cksum",
                        "grep -rc needle deep | cksum; rm -r deep; ls"):
            runs.alike(place, pair, command, None)


SHORT = {
    "ls": "ls tree/d0 | head -1; du -a tree | head -2",
    "find": "find tree | head -3; find tree -type f -size +4k -print -quit",
    "grep": "grep -rq needle tree; echo $?; grep -rm 1 needle tree/d0",
    "tar": "tar c tree 2>/dev/null | head -c 5000 | cksum",
    "cat": "cat tree/d?/f* | head -c 100; cmp tree/big tree/d0/f05",
}


@pytest.mark.on("slow")
@pytest.mark.parametrize("name", SHORT)
def test_cut_short(place, shared, name):
    """Programs that stop before they have come to the names that were foreseen."""
    runs.alike(place, shared, SHORT[name], None)


@pytest.mark.on("slow")
def test_few_descriptors(place, shared):
    """What runs ahead takes none of the descriptors that the program may have."""
    for command in ("tar cf $WORK/t.tar tree", "grep -r needle tree", "cp -r tree $WORK/copy"):
        runs.alike(place, shared, f"ulimit -n 9; exec {command}", None, counted=False)


@pytest.mark.on("slow")
def test_fifos_stay_alone(place):
    """Who waits for a FIFO's reader goes on waiting while tools pass by."""
    with place.pair(trees.fifos) as pair:
        for side in pair:
            path, opened = f"{side.root}/tree/f21", threading.Event()
            writer = threading.Thread(target=wait_for_reader, args=(path, opened), daemon=True)
            writer.start()
            try:
                for command in ("du -a tree", "tar cf $WORK/t.tar tree", "grep -r needle tree",
                                "cp -r tree $WORK/copy", "ls -lR tree"):
                    with contextlib.closing(runs.Run(side, command)) as run:
                        run.wait()
                assert not opened.is_set()
            finally:
                os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
                writer.join(10)


def wait_for_reader(path, opened):
    fd = os.open(path, os.O_WRONLY)
    opened.set()
    os.close(fd)


# --- nothing keeps the file system busy ------------------------------------------

def unmounted_after(mountpoint, patience):
    """Seconds until it could be unmounted; without patience the first try counts."""
    start, fusermount = time.monotonic(), harness.needs("fusermount3")
    while True:
        done = subprocess.run([fusermount, "-u", str(mountpoint)], capture_output=True, text=True,
                              timeout=20, env=harness.lib_env(None))
        took = time.monotonic() - start
        if done.returncode == 0 or took > patience:
            return took if done.returncode == 0 else done.stderr
        time.sleep(0.01)


@contextlib.contextmanager
def own_mount(tmpfs, delay_us=2000):
    """A side of its own, with the library, on a mount that nobody else uses."""
    backing, work = tmpfs / "backing", tmpfs / "work"
    backing.mkdir()
    work.mkdir()
    trees.plain(str(backing))
    with harness.slowfs(backing, tmpfs / "mnt", delay_us) as fs:
        yield Side("auto", str(work), str(backing), str(fs.mountpoint), "slow")


@pytest.mark.parametrize("command", [
    "grep -r needle tree", "grep -rq needle tree", "tar cf $WORK/t.tar tree", "du -a tree",
    "find tree -type f -quit", "find tree/d0 -type f -exec cat {} +"])
def test_unmounted_after_the_end(tmpfs, command):
    with own_mount(tmpfs) as side:
        with contextlib.closing(runs.Run(side, ["sh", "-c", f"exec {command}"])) as run:
            run.wait()
            took = unmounted_after(side.root, 0)
            assert isinstance(took, float), took


@pytest.mark.parametrize("sig", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.parametrize("command", [
    "exec grep -r needle tree", "exec tar cf $WORK/t.tar tree", "exec rsync -a tree $WORK/",
    "exec find tree -size +1k -exec cksum {} ';'", "tar c tree | sleep 5"])
def test_unmounted_after_a_kill(tmpfs, command, sig):
    """In the middle of it, with everything on its way that there may be."""
    with own_mount(tmpfs) as side:
        with contextlib.closing(runs.Run(side, command)) as run:
            time.sleep(0.12)
            run.kill(sig)
            status, _, _ = run.wait()
            took = unmounted_after(side.root, PATIENCE_S)
            assert isinstance(took, float), took
            assert status != 0


@pytest.mark.on("slow")
def test_killed_in_the_middle_of_writing(place, pair):
    """What is there after a kill is whole as far as it goes: each file is a beginning
    of the right one."""
    side = pair[1]
    with contextlib.closing(runs.Run(side, ["cp", "-r", "tree", "copy"])) as run:
        time.sleep(0.15)
        run.kill()
        run.wait()
    for at, _, files in os.walk(os.path.join(side.backing, "copy")):
        for name in files:
            path = os.path.join(at, name)
            if os.path.isfile(path) and not os.path.islink(path):
                with open(path, "rb") as f, open(path.replace("/copy", "/tree", 1), "rb") as whole:
                    data = f.read()
                    assert whole.read(len(data)) == data, path
