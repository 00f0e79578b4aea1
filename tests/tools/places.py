# SPDX-License-Identifier: MIT
"""
The file systems that the tools run on. A place has a store, where trees are made
without a delay, and two doors to it, one for the plain run and one for the run
with the library: mounts of their own where caches would else make the second run
another one than the first.
"""
import contextlib
import os
import shutil
import subprocess
import sys
import tempfile

import harness
import sides

sys.path.insert(0, str(harness.ROOT / "tests/bench"))

import sshmount  # noqa: E402

SIDES = ("bare", "auto")    # of one length: paths appear in what is compared
SLOW_US = 2000
LESS_SLOW_US = 300
# What makes and changes files is not what is waited for here.
QUICK = ("create", "write", "setattr", "mknod", "mkdir", "symlink", "link", "unlink", "rmdir",
         "rename", "rename2", "setxattr", "getxattr", "listxattr", "fallocate", "release")
UNCACHED = ("--entry-timeout", 0, "--attr-timeout", 0)
IMAGE_BYTES = 400 << 20


class Place:
    """`cold` empties the machine's caches before each run; the runs then come one
    after the other."""

    def __init__(self, name, work, store, doors, cold=False):
        self.name, self.work, self.store, self.doors = name, work, store, doors
        self.cold = cold
        self.number = 0

    @contextlib.contextmanager
    def pair(self, *builders):
        """Two equal trees: the sides may change theirs."""
        self.number += 1
        with self._sides([f"{self.number}.{s}" for s in SIDES], builders) as pair:
            yield pair

    @contextlib.contextmanager
    def shared(self, *builders):
        """One tree that both sides see, to be read only."""
        self.number += 1
        with self._sides([f"{self.number}.both"] * 2, builders) as pair:
            yield pair

    @contextlib.contextmanager
    def _sides(self, names, builders):
        works = [os.path.join(self.work, f"{self.number}.{s}") for s in SIDES]
        stores = [os.path.join(self.store, n) for n in names]
        try:
            for path in (*works, *dict.fromkeys(stores)):
                os.makedirs(path)
                os.chmod(path, 0o777)
            for path in dict.fromkeys(stores):
                for build in builders:
                    build(path)
            yield [sides.Side(side, work, store, self._door(door, name, store), self.name)
                   for side, work, name, store, door in zip(SIDES, works, names, stores, self.doors)]
        finally:
            self._done(names)
            for path in {*works, *stores}:
                remove(path)

    def _door(self, door, name, store):
        return os.path.join(door, name)

    def _done(self, names):
        pass


class Overlay(Place):
    """Trees are in a lower layer: what is changed is copied up."""

    def __init__(self, name, work, store, base):
        super().__init__(name, work, store, (base, base))
        self.mounted = contextlib.ExitStack()

    def _door(self, door, name, store):
        there = os.path.join(door, name)
        if not os.path.ismount(there):
            upper, scratch = there + ".upper", there + ".work"
            for path in (there, upper, scratch):
                os.makedirs(path)
                os.chmod(path, 0o777)
            mount("-t", "overlay", "overlay", "-o",
                  f"lowerdir={store},upperdir={upper},workdir={scratch}", there)
            self.mounted.callback(unmount, there)
        return there

    def _done(self, names):
        self.mounted.close()


def remove(path):
    """Also what has lost its permissions, or has paths longer than the kernel takes."""
    shutil.rmtree(path, ignore_errors=True)
    if os.path.lexists(path):
        subprocess.run(["rm", "-rf", path], env=harness.lib_env(None), timeout=60)


def mount(*args):
    if os.geteuid() != 0:
        harness.skip("needs root: mount")
    done = subprocess.run(["mount", *args], capture_output=True, text=True, timeout=30,
                          env=harness.lib_env(None))
    if done.returncode:
        harness.skip(f"mount {' '.join(args[:2])}: {done.stderr.strip()}")


def unmount(path):
    done = subprocess.run(["umount", path], capture_output=True, timeout=30,
                          env=harness.lib_env(None))
    if done.returncode:
        subprocess.run(["umount", "-l", path], capture_output=True, timeout=30,
                       env=harness.lib_env(None))
        raise RuntimeError(f"{path} is busy: {done.stderr.decode()}")


# --- the kinds ------------------------------------------------------------------

def tmpfs(stack, base):
    store = os.path.join(base, "store")
    return Place("tmpfs", base, store, (store, store))


def slow(delay_us=LESS_SLOW_US, args=(), name="slow"):
    args = [*args, *(a for op in QUICK for a in ("--delay-op", f"{op}=0"))]

    def make(stack, base):
        store = os.path.join(base, "store")
        os.makedirs(store)
        doors = [str(stack.enter_context(
            harness.slowfs(store, os.path.join(base, s), delay_us, args)).mountpoint)
            for s in SIDES]
        return Place(name, base, store, doors)
    return make


def sshfs(stack, base):
    store, doors = os.path.join(base, "store"), []
    os.makedirs(store)
    for side in SIDES:
        work = os.path.join(base, "ssh." + side)
        os.makedirs(work)
        doors.append(str(stack.enter_context(sshmount.sshfs(store, work))))
    return Place("sshfs", base, store, doors)


def disk(stack, base):
    """Whatever holds build/, with nothing of it in memory."""
    if not harness.drop_caches():
        harness.skip("the page cache cannot be emptied (needs root)")
    store = tempfile.mkdtemp(prefix="tools-", dir=harness.BUILD)
    stack.callback(remove, store)
    os.chmod(store, 0o755)
    return Place("disk", base, store, (store, store), cold=True)


def image(kind):
    """A file system in a file on tmpfs."""
    def make(stack, base):
        mkfs = harness.needs(f"mkfs.{kind}")
        if not harness.drop_caches():
            harness.skip("the page cache cannot be emptied (needs root)")
        path, store = os.path.join(base, "image"), os.path.join(base, "store")
        os.makedirs(store)
        with open(path, "wb") as f:
            f.truncate(IMAGE_BYTES)
        made = subprocess.run([mkfs, "-q", path], capture_output=True, text=True, timeout=60)
        if made.returncode:
            harness.skip(f"mkfs.{kind}: {made.stderr.strip()}")
        mount("-o", "loop", path, store)
        stack.callback(unmount, store)
        return Place(kind, base, store, (store, store), cold=True)
    return make


def overlay(stack, base):
    store = os.path.join(base, "lower")
    os.makedirs(store)
    place = Overlay("overlay", base, store, os.path.join(base, "merged"))
    stack.callback(place.mounted.close)
    return place


KINDS = {"tmpfs": tmpfs, "slow": slow(), "slower": slow(SLOW_US, name="slower"),
         "uncached": slow(args=UNCACHED, name="uncached"), "sshfs": sshfs, "disk": disk,
         "overlay": overlay, "xfs": image("xfs"), "btrfs": image("btrfs")}


class Places:
    """Makes each kind when it is first asked for."""

    def __init__(self):
        self.stack = contextlib.ExitStack()
        self.made = {}

    def __getitem__(self, kind):
        if kind not in self.made:
            self.made[kind] = KINDS[kind](self.stack, self._base())
        return self.made[kind]

    def _base(self):
        path = os.path.realpath(self.stack.enter_context(harness.tmpfs_dir()))
        os.chmod(path, 0o755)
        return path

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.stack.close()
