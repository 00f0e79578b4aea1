# SPDX-License-Identifier: MIT
"""
What the server suites share: a tree that exists once for each side, that is, for
the server that runs plain and for the same server with the library in each of
its modes, on a local directory or behind the slow file system, and the means to
run something on all sides at once and to compare what came out of it.
"""
import concurrent.futures
import contextlib
import difflib
import hashlib
import os
import pprint
import stat
import time

import harness

# The sides and their modes. The names are of one length, for paths appear in replies
# with their sizes; the plain side comes first: it is what is right.
MODES = {"bare": None, "auto": "auto", "fuse": "fuse"}

FILE_SYSTEMS = ("local", "slow")
SLOW_US = int(os.environ.get("FUSE_AIO_TEST_SLOW_US", "800"))

# A day in the past: listings and validators then carry a date that both trees share.
OLD = 1577934245

_hashes = {}


class Side:
    """One of the runs that are compared."""

    def __init__(self, name, work, backing, root, fs):
        self.name, self.fs = name, fs
        self.work = work            # private files of this side: configs, logs, pid files
        self.backing = backing      # the tree, where it can be read without a delay
        self.root = root            # the tree, as the server sees it
        self.mode = MODES[name]
        self.with_library = self.mode is not None
        self.stats = os.path.join(work, "stats.json")

    def env(self, **opts):
        if not self.with_library:
            return harness.lib_env(None)
        return harness.lib_env(self.mode, stats=self.stats, **opts)

    def stats_of(self, comm):
        if not os.path.exists(self.stats):
            return []
        return [s for s in harness.read_stats(self.stats) if s["comm"].startswith(comm)]

    def clean(self, value):
        """Takes out of a text, or all texts in a value, what names this side."""
        if isinstance(value, str):
            return value.replace(self.root, "ROOT").replace(self.work, "WORK")
        if isinstance(value, bytes):
            return value.replace(self.root.encode(), b"ROOT").replace(self.work.encode(), b"WORK")
        if isinstance(value, (list, tuple)):
            return type(value)(self.clean(v) for v in value)
        if isinstance(value, dict):
            return {k: self.clean(v) for k, v in value.items()}
        return value


@contextlib.contextmanager
def made(fs, populate, names=tuple(MODES)):
    """Yields the sides, each with a tree of its own made by populate(directory)."""
    with contextlib.ExitStack() as stack:
        top = os.path.realpath(stack.enter_context(harness.disk_dir()))
        os.chmod(top, 0o755)
        sides = []
        for name in names:
            work, backing = os.path.join(top, name), os.path.join(top, name, "tree")
            os.makedirs(backing)
            os.chmod(work, 0o755)
            populate(backing)
            root = backing
            if fs == "slow":
                root = os.path.join(work, "mnt")
                os.makedirs(root)
                stack.enter_context(harness.slowfs(backing, root, delay_us=SLOW_US))
            sides.append(Side(name, work, backing, root, fs))
        yield sides


def put(path, data, mode=0o644, when=OLD):
    with open(path, "wb") as f:
        f.write(data)
    os.chmod(path, mode)
    os.utime(path, (when, when))


def pattern(size, seed=1):
    """Bytes without a short period, so that a shifted or repeated block is seen."""
    block = hashlib.shake_128(b"%d" % seed).digest(65521)
    return (block * (size // len(block) + 1))[:size]


def digest(data):
    return len(data), hashlib.sha256(data).hexdigest()[:16]


def digest_all(read_into, head=b""):
    """The digest of all that can be read, without keeping it: that would take most time."""
    size, seen = len(head), hashlib.sha256(head)
    block = bytearray(1 << 18)
    view = memoryview(block)
    while got := read_into(block):
        size += got
        seen.update(view[:got])
    return size, seen.hexdigest()[:16]


def _file_digest(path, st):
    key = (st.st_dev, st.st_ino, st.st_mtime_ns, st.st_size)
    if key not in _hashes:
        h = hashlib.sha256()
        with open(path, "rb") as f:
            while block := f.read(1 << 20):
                h.update(block)
        _hashes[key] = h.hexdigest()[:16]
    return _hashes[key]


def snapshot(top):
    """name -> (kind, mode, size, content) of all that is below top."""
    out = {}
    for at, dirs, files in os.walk(top):
        for name in dirs + files:
            path = os.path.join(at, name)
            st = os.lstat(path)
            mode = stat.S_IMODE(st.st_mode)
            rel = os.path.relpath(path, top)
            if stat.S_ISREG(st.st_mode):
                out[rel] = ("file", oct(mode), st.st_uid, st.st_size, _file_digest(path, st))
            elif stat.S_ISLNK(st.st_mode):
                out[rel] = ("link", os.readlink(path))
            else:
                out[rel] = (stat.S_IFMT(st.st_mode), oct(mode), st.st_uid)
    return out


def descendants(pid):
    """The processes below pid; they come and go, so a vanished one is no error."""
    found, todo = [], [pid]
    while todo:
        at = todo.pop()
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{at}/task"):
                with open(f"/proc/{at}/task/{task}/children") as f:
                    kids = [int(k) for k in f.read().split()]
                found += kids
                todo += kids
    return found


def eventually(condition, timeout=10, step=0.02):
    """Waits for a condition, at most timeout seconds; returns its last value."""
    end = time.monotonic() + timeout
    while not (value := condition()) and time.monotonic() < end:
        time.sleep(step)
    return value


def together(count, work):
    """work(i) for each i < count at once; their results in order, or the first exception."""
    pool = concurrent.futures.ThreadPoolExecutor(max(count, 1))
    try:
        futures = [pool.submit(work, i) for i in range(count)]
        concurrent.futures.wait(futures)
        return [f.result() for f in futures]
    finally:
        pool.shutdown(wait=False)   # when the test's time is over it must not wait for what hangs


@contextlib.contextmanager
def running(servers):
    """
    Starts the servers of all sides, and ends them, at once. It is the main thread
    that starts them: they are to die with it, not with a helper.
    """
    try:
        for server in servers:
            server.launch()
        yield [server.await_ready() for server in servers]
    finally:
        together(len(servers), lambda i: servers[i].close())


def compare(servers, scenario, *args):
    """
    Runs a scenario against the servers of all sides at once, for it mostly waits:
    results and trees must be the same.
    """
    def one(i):
        side = servers[i].side
        result = side.clean(scenario(servers[i], *args))
        return {"result": result, "tree": snapshot(side.backing)}
    return same(together(len(servers), one))["result"]


def same(results):
    """Compares what the sides gave, in their order; the plain one is what is right."""
    plain, *others = results
    for name, lib in zip(list(MODES)[1:], others):
        if lib != plain:
            texts = [pprint.pformat(r, width=110).splitlines() for r in (plain, lib)]
            diff = difflib.unified_diff(*texts, "without the library", f"with it, mode {name}",
                                        n=2, lineterm="")
            raise AssertionError("the runs differ:\n" + "\n".join(list(diff)[:80]))
    return plain
