# SPDX-License-Identifier: MIT
"""One slow reader in front of fifty fast ones, at a server that serves one after the
other: how long until the fast ones are served?"""

import selectors
import socket
import threading
import time

FAST = 50
BIG, SMALL = 900 << 10, 16 << 10
STEP, PAUSE = 64 << 10, 0.1     # the slow one reads so much in so many seconds
RECEIVE_BUFFER = 32 << 10
# The server's. Over the loopback, with its long segments, the kernel would let it be some
# megabytes: all of the file; over an Ethernet it begins at 87 KB.
SEND_BUFFER = 64 << 10
TIMEOUT = 30


def _connect(port, path, receive_buffer=0):
    s = socket.socket()
    s.settimeout(TIMEOUT)
    if receive_buffer:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    s.connect(("127.0.0.1", port))
    s.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
    return s


def _check(got, wanted, who):
    head, _, body = bytes(got).partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.0 200") or body != wanted:
        raise RuntimeError(f"{who}: {head[:60]!r} and {len(body)} bytes, not the"
                           f" {len(wanted)} of the file")


class Slow(threading.Thread):
    """Reads its file by and by."""

    def __init__(self, port, path):
        super().__init__(daemon=True)
        self.got, self.error, self.ended = bytearray(), None, None
        self.began = time.perf_counter()
        self.sock = _connect(port, path, RECEIVE_BUFFER)
        self.sock.recv(1, socket.MSG_PEEK)      # the server is at it

    def run(self):
        try:
            due = time.perf_counter()
            while self._step():
                due += PAUSE
                time.sleep(max(0, due - time.perf_counter()))
            self.ended = time.perf_counter() - self.began
        except OSError as e:
            self.error = e
        finally:
            self.sock.close()

    def _step(self):
        wanted = len(self.got) + STEP
        while len(self.got) < wanted:
            part = self.sock.recv(wanted - len(self.got))
            if not part:
                return False
            self.got += part
        return True


def _fast(port, path, content):
    """All at once; seconds until the last one has everything."""
    began = time.perf_counter()
    got = {_connect(port, path): bytearray() for _ in range(FAST)}
    with selectors.DefaultSelector() as selector:
        for s in got:
            selector.register(s, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(TIMEOUT)
            if not ready:
                raise RuntimeError(f"no answer for {TIMEOUT} s")
            for key, _ in ready:
                part = key.fileobj.recv(1 << 16)
                got[key.fileobj] += part
                if not part:
                    selector.unregister(key.fileobj)
    took = time.perf_counter() - began
    for s, bytes_ in got.items():
        s.close()
        _check(bytes_, content, "a fast reader")
    return took


def once(port, big, small):
    """(seconds until the fast ones are served, until the slow one is); big and small
    are (path, content)."""
    slow = Slow(port, big[0])
    slow.start()
    took = _fast(port, *small)
    slow.join(TIMEOUT)
    if slow.error or slow.ended is None:
        raise RuntimeError(f"the slow reader: {slow.error or 'not served'}")
    _check(slow.got, big[1], "the slow reader")
    return took, slow.ended
