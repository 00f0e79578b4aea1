# SPDX-License-Identifier: MIT
"""
What can be seen of a server from outside: who opens a file, how much memory
and which descriptors its worker holds, and what the statistics say.
"""
import collections
import contextlib
import ctypes
import os
import re
import resource
import select
import struct
import threading

import harness
import webservers
import wire
from sides import eventually

IN_OPEN, IN_CLOSE_NOWRITE = 0x20, 0x10
_libc = ctypes.CDLL(None, use_errno=True)
EVENT = struct.Struct("iIII")


class Opens:
    """How often each of some paths is opened while the block runs: .counts()."""

    def __init__(self, *paths):
        self.fd = _libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
        self.names = {}
        for path in paths:
            # The closes as well: of two equal events in a row the kernel keeps one.
            w = _libc.inotify_add_watch(self.fd, path.encode(), IN_OPEN | IN_CLOSE_NOWRITE)
            if w < 0:
                raise OSError(ctypes.get_errno(), path)
            self.names[w] = os.path.basename(path)
        self.found = collections.Counter()
        self.stop = threading.Event()

    def _drain(self):
        with contextlib.suppress(BlockingIOError):
            data = os.read(self.fd, 1 << 16)
            at = 0
            while at < len(data):
                watch, mask, _, length = EVENT.unpack_from(data, at)
                at += EVENT.size + length
                if mask & IN_OPEN:
                    self.found[self.names.get(watch)] += 1

    def _run(self):
        while not self.stop.is_set():
            if select.select([self.fd], [], [], 0.02)[0]:
                self._drain()

    def counts(self):
        return dict(self.found)

    def __enter__(self):
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *exc):
        self.stop.set()
        self.thread.join()
        self._drain()
        os.close(self.fd)


class BlockedWriter:
    """Somebody who waits in open(O_WRONLY) until a FIFO has a reader."""

    def __init__(self, path):
        self.path, self.opened = path, threading.Event()

    def _open(self):
        fd = os.open(self.path, os.O_WRONLY)
        self.opened.set()
        os.close(fd)

    def __enter__(self):
        self.thread = threading.Thread(target=self._open, daemon=True)
        self.thread.start()
        return self

    def waits(self):
        return not self.opened.wait(0.15)

    def __exit__(self, *exc):
        fd = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)    # releases it
        self.thread.join(10)
        os.close(fd)


def anonymous_memory(pid):
    """Bytes of anonymous memory a process has touched."""
    with open(f"/proc/{pid}/status") as f:
        return int(re.search(r"RssAnon:\s+(\d+) kB", f.read())[1]) * 1024


def _own(server, fd, target):
    """The library's descriptors sit at the top of the table: its files, and one eventfd."""
    top = min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], 16384)
    return server.side.with_library and fd >= top - 16 and (
        target == server.stats or target == "anon_inode:[eventfd]")


def descriptors(server):
    """What the worker holds, and how many of each; and how many the library has there."""
    pid, found, own = webservers.worker(server), collections.Counter(), 0
    for fd in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):
            target = os.readlink(f"/proc/{pid}/fd/{fd}")
            if _own(server, int(fd), target):
                own += 1
                continue
            target = target.replace(server.dir, "DIR")
            found[re.sub(r"socket:\[\d+\]|pipe:\[\d+\]", "socket", target)] += 1
    return server.side.clean(dict(found)), own


def settled(server):
    """The descriptors of a server that has answered and is idle again."""
    with wire.Wire(server.port) as w:
        w.ask("/not-there")
    seen = [None, None, None]

    def stable():
        seen[:] = *seen[1:], descriptors(server)[0]
        return seen[0] == seen[1] == seen[2]
    eventually(stable, step=0.1)
    return collections.Counter(seen[2])


class Health:
    """A server before and after: same process, no descriptor more, this much more memory."""

    def __init__(self, server):
        self.server = server
        self.pid = webservers.worker(server)
        self.memory = anonymous_memory(self.pid)

    def _more(self):
        return collections.Counter(descriptors(self.server)[0]) - self.server.idle

    def check(self, patience):
        """Bytes by which it has grown."""
        assert webservers.worker(self.server) == self.pid
        if patience:
            eventually(lambda: not self._more(), patience)
            assert not self._more()
        assert descriptors(self.server)[1] <= 2     # its eventfd, and the statistics
        return anonymous_memory(self.pid) - self.memory


MIB = 1 << 20


def grew_alike(growth):
    """growth: [plain, with the library], in bytes."""
    assert growth[1] <= growth[0] + MIB, growth


def assert_ahead(stats):
    """That requests were looked ahead of, and that events were held meanwhile."""
    for name in ("events.peeks", "events.hits", "events.held"):
        assert harness.total(stats, name) > 0, (name, [s.get("events") for s in stats])
