# SPDX-License-Identifier: MIT
"""
Starts, stops and accidents while requests are being held: reload, both kinds of
stop, clients that are killed, few descriptors, other users, and a file system
that says nothing for longer than anything may be held.
"""
import contextlib
import os
import signal
import subprocess
import time

import pytest

import harness
import webservers
from rawhttp import content
from sides import compare, digest, pattern, together
from test_nginx_reload import load, reload
from test_web_answers import PLAIN, contents, spread
from watch import Health, grew_alike, settled
from wire import Wire, request, status

HELD = 24


@contextlib.contextmanager
def own(farm, kind, mount="cached"):
    """A pair of servers that a test may end."""
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(webservers.KINDS[kind].start(side))
                   for side in farm.site(mount)]
        together(2, lambda i: webservers.warm(servers[i]))
        yield servers


def file_of(n):
    return f"/many/f{n % 200:03d}.bin", digest(pattern(16_000 + n % 200 * 37, n % 200))


def begun(server, count=HELD):
    """Connections that have sent all of a request but its end, and been noticed."""
    wires = [Wire(server.port) for _ in range(count)]
    for i, w in enumerate(wires):
        w.send(request(file_of(i * 3)[0])[:-2])
    with Wire(server.port) as w:
        assert status(w.ask("/small.txt")) == 200     # accepted after the others
    return wires


def ends(wires, then):
    """All requests are complete at once; then() happens; what each connection got."""
    for w in wires:
        w.send(b"\r\n")
    then()
    got = [w.take() for w in wires]
    for w in wires:
        w.close()
    return [content(g) == file_of(i * 3)[1] for i, g in enumerate(got)]


def test_reload(farm):
    """Four times new workers while clients ask; none of the requests is lost."""
    with own(farm, "nginx-nolog") as servers:
        def scenario(server):
            held = ends(begun(server), lambda: os.kill(server.pid, signal.SIGHUP))
            wrong, result = load(server, lambda: reload(server))
            return held, wrong, result, server.stop(signal.SIGQUIT)
        held, wrong, result, code = compare(servers, scenario)
    assert all(held) and not any(wrong) and result == ["reloaded"] and code == 0


@pytest.mark.parametrize("kind", ["nginx-nolog", "lighttpd-epoll"])
def test_graceful_stop(farm, kind):
    """What is complete when the stop is asked for is still answered, all of it."""
    with own(farm, kind) as servers:
        def scenario(server):
            wires = begun(server)
            held = ends(wires, lambda: os.kill(server.pid, server.kind.graceful))
            return held, server.proc.wait(15)
        held, code = compare(servers, scenario)
    assert all(held) and code == 0


@pytest.mark.parametrize("kind", ["nginx-nolog", "lighttpd-epoll", "webfs"])
def test_stop_at_once(farm, kind):
    """SIGTERM with requests that nobody will answer: it ends in time."""
    with own(farm, kind) as servers:
        def scenario(server):
            wires = begun(server)
            for w in wires:
                w.send(b"\r\n")
            os.kill(server.pid, signal.SIGTERM)
            start = time.monotonic()
            code = server.proc.wait(15)
            for w in wires:
                w.close()
            return code, time.monotonic() - start < 5
        assert compare(servers, scenario)[1]
    assert harness.total(harness.read_stats(servers[1].stats), "calls") > 0


@pytest.mark.servers("cached")
def test_clients_that_are_killed(pair, both):
    curl, growth = harness.needs("curl"), {}

    def scenario(server):
        health = Health(server)
        for n in range(3):
            urls = [f"http://127.0.0.1:{server.port}{file_of(i)[0]}" for i in range(60)]
            client = subprocess.Popen([curl, "-s", "-Z", "--parallel-immediate", *urls],
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                      env=harness.lib_env(None))
            time.sleep(0.02 + 0.02 * n)
            client.kill()
            client.wait()
        with Wire(server.port) as w:
            got = w.ask(file_of(7)[0])
        growth[server.side.name] = health.check(0 if server.kind.comm == "lighttpd" else 10)
        return got
    assert content(both(scenario)) == file_of(7)[1]
    grew_alike([growth[server.side.name] for server in pair])


@pytest.mark.servers("loops")
def test_stalled_file_system(pair, both):
    """No reply for longer than anything may be held; then all of them."""
    def scenario(server):
        fs = server.side.slowfs

        def work(i):
            with Wire(server.port) as w:
                # An odd one is a request of a connection that is known already.
                first = w.ask("/small.txt") if i % 2 else None
                at_the_gate.append(i)
                while len(at_the_gate) < 12:
                    time.sleep(0.005)
                return first, [w.ask(file_of(40 + i * 2 + k)[0]) for k in range(2)]
        at_the_gate = []

        def stall():
            while len(at_the_gate) < 12:
                time.sleep(0.001)
            try:
                os.kill(fs.pid, signal.SIGSTOP)
                time.sleep(0.35)
            finally:
                os.kill(fs.pid, signal.SIGCONT)
        return together(13, lambda i: work(i) if i < 12 else stall())
    for i, (_, answers) in enumerate(both(scenario)[:12]):
        for k, answer in enumerate(answers):
            assert content(answer) == file_of(40 + i * 2 + k)[1]


@pytest.mark.root
@pytest.mark.parametrize("kind", ["nginx-user", "lighttpd-user", "nginx-single", "nginx-few"])
def test_starts(farm, kind):
    """Started as nobody; in one process only; with 64 descriptors."""
    harness.needs("setpriv")
    with own(farm, kind) as servers:
        def scenario(server):
            return spread(server, list(PLAIN), lambda w, t: w.ask(t), 10), [
                Wire(server.port).ask(t)[1] for t in ("/secret.txt", "/fifo", "/missing")]
        got, codes = compare(servers, scenario)
        contents(got, PLAIN)
        # Who never was another user may read everything.
        assert codes[0] == (200 if kind == "nginx-single" else 403) and codes[2] == 404
        for server in servers:
            assert server.stop(server.kind.graceful) == 0
    assert harness.total(harness.read_stats(servers[1].stats), "calls") > 0


def test_no_descriptors_left(farm):
    """More connections than descriptors: some wait, some get an error; afterwards all is well."""
    def scenario(server):
        server.idle = settled(server)
        health = Health(server)
        wires = [Wire(server.port) for _ in range(80)]
        for i, w in enumerate(wires):
            w.send(request(file_of(i)[0]))
        for w in wires:
            w.sock.settimeout(0.5)
        got = [w.take() for w in wires]
        for w in wires:
            w.close()
        right = [content(g) == file_of(i)[1] or g[0] in ("gone", "timeout") or status(g) == 500
                 for i, g in enumerate(got)]
        with Wire(server.port) as w:
            after = [w.ask(file_of(i)[0]) for i in range(5)]
        growth[server.side.name] = health.check(10)
        return all(right), after
    growth = {}
    with own(farm, "nginx-few") as servers:
        right, after = compare(servers, scenario)
    assert right and [content(a) for a in after] == [file_of(i)[1] for i in range(5)]
    grew_alike([growth[server.side.name] for server in servers])
