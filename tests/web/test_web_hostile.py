# SPDX-License-Identifier: MIT
"""
Clients that mean no good: the answers are those of the plain server, and
afterwards the worker is the same process, with the same descriptors, and has
grown by no more than the plain one and a mebibyte.
"""
import random
import selectors
import socket
import threading
import time

import pytest

from sides import digest, pattern, together
from watch import Health, grew_alike
from wire import Wire, raw, request, status

pytestmark = pytest.mark.servers("loops")


def healthy(pair, both, scenario, patience=None):
    """Runs the scenario between two looks at each worker; what it returned."""
    if patience is None:        # lighttpd takes its seconds, once is enough
        patience = 0 if pair[0].kind.comm == "lighttpd" else 10
    growth = {}

    def wrapped(server):
        health = Health(server)
        result = scenario(server)
        with Wire(server.port) as w:
            assert w.ask("/small.txt")[4] == digest(b"hello, world\n")
        growth[server.side.name] = health.check(patience)
        return result
    result = both(wrapped)
    grew_alike([growth[server.side.name] for server in pair])
    return result


def noise(seed):
    """Bytes that are no request, or almost one."""
    r = random.Random(seed)
    junk = r.randbytes(r.choice((1, 3, 17, 200, 1500)))
    letters = b"GET POST/ \t%2e.\r\n:HTTP1ost?#&=;\\\"'<>"
    text = bytes(r.choice(letters) for _ in range(r.randrange(400)))
    return r.choice((
        junk, text, b"GET /" + junk,
        b"GET /small.txt" + junk + b" HTTP/1.1\r\nHost: a.test\r\n\r\n",
        b"GET /" + text + b" HTTP/1.1\r\nHost: a.test\r\n\r\n", text + b"\r\n\r\n",
        b"GET /small.txt HTTP/1.1\r\n" + junk + b"\r\n\r\n",
        b"GET /small.txt HTTP/1.1\r\nHost: " + junk + b"\r\n\r\n",
        b"GET /small.txt HTTP/1.1\r\nHost: a.test\r\nRange: bytes=" + text + b"\r\n\r\n",
        bytes([0]) * r.randrange(1, 3000), b"\r\n" * r.randrange(1, 600),
        b" " * r.randrange(1, 3000),
        b"A" * r.randrange(1, 20_000), b"GET /" + b"a/" * r.randrange(1, 5000),
        b"GET /small.txt HTTP/1.1\r\n" + b"X: y\r\n" * r.randrange(1, 3000)))


@pytest.mark.servers("bodies")
def test_noise(pair, both):
    def scenario(server):
        return together(8, lambda i: [raw(server.port, noise(seed)) for seed in range(i, 200, 8)])
    answers = sum(healthy(pair, both, scenario), [])
    assert len({a[:12] for a in answers}) > 2


def test_noise_that_stays(pair, both):
    """The same on servers that may say what they like, with nobody listening."""
    def scenario(server):
        def work(i):
            for seed in range(1000 + i, 1200, 8):
                with Wire(server.port) as w:
                    try:
                        w.send(noise(seed))
                    except OSError:
                        w.close()
                        continue
                    if seed % 3:
                        w.reset()
        together(8, work)
    healthy(pair, both, scenario)


def test_half_requests(pair, both):
    """Every beginning of a request, given up in both ways there are."""
    text = request("/many/f050.bin", Range="bytes=5-")

    def scenario(server):
        def work(i):
            for n in range(i, len(text), 6):
                with Wire(server.port) as w:
                    w.send(text[:n])
                    time.sleep(0.001)
                    if n % 2:
                        w.reset()
            with Wire(server.port) as w:
                return w.ask("/many/f050.bin", Range="bytes=5-")
        return together(6, work)
    got = healthy(pair, both, scenario)
    assert got[0][4] == digest(pattern(16_000 + 50 * 37, 50)[5:])


@pytest.mark.servers("bodies")
def test_flood_of_misses(pair, both):
    """Two thousand names that do not exist; a few that do are asked for in between."""
    def scenario(server):
        each = 200 if server.kind.name == "nginx-nolog" else 30

        def work(i):
            found, codes = [], set()
            with Wire(server.port) as w:
                for n in range(each):
                    codes.add(status(w.ask(f"/none-{i}-{n}.txt")))
                    if n % 30 == 25:
                        found.append(w.ask(f"/many/f{i * 8 + n // 30:03d}.bin"))
            return found, codes
        return together(10, work)
    for found, codes in healthy(pair, both, scenario):
        assert codes == {404} and {status(f) for f in found} == {200}


class Drip:
    """A hundred connections that say one byte now and then."""

    def __init__(self, server, count=100):
        self.text = [request(f"/many/f{i:03d}.bin") for i in range(count)]
        self.wires, self.at = [Wire(server.port) for _ in range(count)], 0
        for w in self.wires:
            w.open()

    def run(self, seconds, stop):
        end = time.monotonic() + seconds
        while time.monotonic() < end and not stop.is_set():
            for w, text in zip(self.wires, self.text):
                w.sock.sendall(text[self.at:self.at + 1])
            self.at += 1
            time.sleep(0.04)

    def finish(self):
        """Half of them end what they began; the others leave."""
        for w in self.wires[::2]:
            w.close()
        rest = list(zip(self.wires, self.text))[1::2]
        for w, text in rest:
            w.sock.sendall(text[self.at:])
        got = [w.take() for w, _ in rest]
        for w, _ in rest:
            w.close()
        return got


@pytest.mark.servers("cached")
def test_slowloris(pair, both):
    def scenario(server):
        drip, stop = Drip(server), threading.Event()

        def work(i):
            if i == 0:
                return drip.run(0.9, stop)
            with Wire(server.port) as w:
                return [w.ask(f"/many/f{(i * 20 + n) % 200:03d}.bin") for n in range(10)]
        try:
            normal = together(5, work)
            return normal[1:], drip.finish()
        finally:
            stop.set()
            for w in drip.wires:
                w.close()
    normal, finished = healthy(pair, both, scenario)
    for i, answers in enumerate(normal, 1):
        for n, answer in enumerate(answers):
            at = (i * 20 + n) % 200
            assert answer[4] == digest(pattern(16_000 + at * 37, at))
    assert [f[4] for f in finished] == [digest(pattern(16_000 + at * 37, at))
                                        for at in range(1, 100, 2)]


@pytest.mark.servers("cached")
def test_many_connections(pair, both):
    """Three thousand of them, each closed at some point of a request or an answer."""
    text = request("/many/f060.bin")

    def one(server, n):
        with Wire(server.port) as w:
            w.open()
            if n % 16 == 0:
                w.send(text)                # leaves before the answer
            elif n % 16 == 1:
                w.send(text)
                w.sock.recv(1)              # leaves in the middle of it
            elif n % 3:
                w.send(text[:n % len(text)])
            if n % 4 < 2:
                w.reset()

    def scenario(server):
        each = 750 if server.kind.name == "nginx-nolog" else 225

        def work(i):
            for n in range(each):
                one(server, n)
                if n % 75 == 0:             # as far as the server has come
                    with Wire(server.port) as w:
                        assert status(w.ask("/small.txt")) == 200
        together(4, work)
    healthy(pair, both, scenario)


@pytest.mark.servers("cached")
def test_answers_nobody_takes(pair, both):
    """Downloads that stop in the middle; some go on, most are cut."""
    def scenario(server):
        wires = [Wire(server.port) for _ in range(24)]
        for i, w in enumerate(wires):
            if i < 22:
                w.open().setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            w.send(request("/large.bin" if i % 2 else "/mid.bin"))
        with selectors.DefaultSelector() as selector:
            selector.register(wires[-1].sock, selectors.EVENT_READ)
            assert selector.select(10)
        with Wire(server.port) as w:
            meanwhile = [w.ask("/many/f070.bin"), w.ask("/small.txt"), w.ask("/missing")]
        for i, w in enumerate(wires[:-2]):
            w.reset() if i % 3 else w.close()
        return meanwhile, [w.take() for w in wires[-2:]], [w.close() for w in wires]
    meanwhile, rest, _ = healthy(pair, both, scenario)
    assert status(meanwhile[0]) == 200
    assert rest[0][4] == digest(pattern(200_007, 2))


def test_nothing_is_left(pair, both):
    """After all of that, descriptors that were not there before the first connection."""
    def scenario(server):
        with Wire(server.port) as w:
            return w.ask("/mid.bin")
    got = healthy(pair, both, scenario, 15)
    assert got[4] == digest(pattern(200_007, 2))
