# SPDX-License-Identifier: MIT
"""
nginx changes its workers (SIGHUP) and its whole program (SIGUSR2) while
requests come in: none is lost, with and without the library.
"""
import contextlib
import os
import signal
import threading

import pytest

import daemons
import harness
import sides
from rawhttp import Browser, at_once, content
from sides import descendants, digest, eventually, pattern

CLIENTS, ROUNDS = 8, 40


def load(server, between):
    """Clients that ask all the time; between() runs meanwhile, and its result comes along."""
    stop = threading.Event()

    def work(i):
        wrong, rounds = [], 0
        while rounds < ROUNDS or not stop.is_set():
            n = (i * 31 + rounds) % 200
            # One request a connection: nginx may close an idle one at any moment.
            browser = Browser(server.port)
            got = browser.ask(f"/many/f{n:03d}.bin", Connection="close")
            if content(got) != digest(pattern(16_000 + n * 37, n)):
                wrong.append((n, got))
            rounds += 1
        return wrong

    result = []

    def change():
        try:
            result.append(between())
        finally:
            stop.set()
    changer = threading.Thread(target=change, daemon=True)
    changer.start()
    wrong = at_once(CLIENTS, work)
    changer.join(60)
    return wrong, result


def reload(server):
    old = set(descendants(server.pid))
    for _ in range(4):
        before = set(descendants(server.pid))
        os.kill(server.pid, signal.SIGHUP)
        if not eventually(lambda: set(descendants(server.pid)) - before):
            return "no new workers came"
    gone = eventually(lambda: not old & set(descendants(server.pid)), timeout=20)
    return "reloaded" if gone else "the old workers stay"


def read_pid(path):
    with contextlib.suppress(OSError, ValueError):
        with open(path) as f:
            return int(f.read())
    return None


# nginx takes SIGUSR2 only when its parent is not the one it had at its start, as if it were
# its own predecessor's child. So whoever starts it leaves; the session keeps a leader.
LEAVE = """( "$@" &
n=0; until [ -s nginx.pid ] || [ $n -ge 100 ]; do n=$((n + 1)); sleep 0.1; done )
exec sleep 600"""


def orphan(server):
    """The same server, but ready only when its parent has gone."""
    def left_alone():
        with open(f"/proc/{server.pid}/comm") as f:
            return f.read() == "sleep\n"
    server.argv = ["sh", "-c", LEAVE, "sh", *server.argv]
    server.ready = left_alone
    return server


def has_ended(pid):
    """Also true of a process that nobody has waited for."""
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def upgrade(server):
    pid_file = os.path.join(server.dir, "nginx.pid")
    old = read_pid(pid_file)
    os.kill(old, signal.SIGUSR2)
    if not eventually(lambda: read_pid(pid_file) not in (None, old), timeout=20):
        return "no new master came"
    new = read_pid(pid_file)
    eventually(lambda: descendants(new))
    os.kill(old, signal.SIGQUIT)
    if not eventually(lambda: has_ended(old), timeout=20):
        return "the old master stays"
    with open(f"/proc/{new}/maps") as f:
        loaded = "libfuse_aio" in f.read()
    return "upgraded", loaded == server.side.with_library, len(descendants(new))


@pytest.mark.parametrize("name", ["nginx-epoll", "nginx-threads"])
@pytest.mark.parametrize("how", [reload, upgrade], ids=["reload", "upgrade"])
def test_under_load(trees, name, how):
    def scenario(server):
        wrong, result = load(server, lambda: how(server))
        browser = Browser(server.port)
        result.append(browser.ask("/small.txt"))
        browser.close()
        master = read_pid(os.path.join(server.dir, "nginx.pid"))
        os.kill(master, signal.SIGQUIT)
        result.append(bool(eventually(lambda: has_ended(master), timeout=20)))
        return wrong, result

    servers = [daemons.KINDS[name].start(side) for side in trees]
    if how is upgrade:
        servers = [orphan(server) for server in servers]
    with sides.running(servers):
        wrong, (changed, after, ended) = sides.compare(servers, scenario)
    assert wrong == [[]] * CLIENTS
    assert changed == ("reloaded" if how is reload else ("upgraded", True, 2))
    assert content(after) == digest(b"hello, world\n") and ended
    for side in trees[1:]:
        assert harness.total(side.stats_of("nginx"), "calls") > CLIENTS * ROUNDS
