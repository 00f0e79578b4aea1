# SPDX-License-Identifier: MIT
"""
Files that change between request and answer. A request that is sent when a
change is complete gets the new content, however much was started for earlier
ones; one that is on its way meanwhile gets some version, and all of it. Each
version is one byte repeated, with a length of its own.
"""
import os
import threading
import time

import pytest

from sides import digest, together
from wire import Wire, request, status

ROUNDS = {"cached": 4, "uncached": 3}


def version(n):
    """The nth version of a file."""
    return bytes([33 + n % 200]) * (9000 + 37 * (n % 200))


def write(path, data):
    """In place, and complete before anybody sees the end of this call."""
    with open(path, "wb") as f:
        f.write(data)


def replace(path, data, mode=0o644):
    write(path + ".new", data)
    os.chmod(path + ".new", mode)
    os.rename(path + ".new", path)


def abandon(server, url):
    """A whole request whose sender is gone at once: what was begun for it stays unused."""
    w = Wire(server.port)
    w.send(request(url))
    w.reset()


def outcome(answer):
    """What may be compared of a file that is new: its dates are not."""
    return (status(answer), answer[4] if status(answer) == 200 else None)


CHANGES = {}


def change(function):
    CHANGES[function.__name__] = function
    return function


@change
def replaced(path, n):
    replace(path, version(n))
    return 200, digest(version(n))


@change
def rewritten(path, n):
    """Nothing but the bytes and the times is new."""
    same_length = bytes([33 + n]) * 9000
    write(path, same_length)
    return 200, digest(same_length)


@change
def truncated(path, n):
    with open(path, "r+b") as f:
        f.truncate(100 + n)
    return 200, digest(version(0)[:100 + n])


@change
def grown(path, n):
    with open(path, "ab") as f:
        f.write(b"and more" * 20_000)
    return 200, digest(version(0) + b"and more" * 20_000)


@change
def removed(path, n):
    os.unlink(path)
    return 404, None


@change
def closed(path, n):
    os.chmod(path, 0)
    return 403, None


@change
def moved(path, n):
    """Another file takes the name, the old one keeps its inode and its content."""
    os.rename(path, path + ".old")
    write(path, version(n + 100))
    return 200, digest(version(n + 100))


@change
def linked(path, n):
    os.unlink(path)
    os.symlink("../page.html", path)
    return 200, None


@change
def directory(path, n):
    os.unlink(path)
    os.mkdir(path)
    return None, None


def clear(path):
    for p in (path, path + ".old", path + ".new"):
        if os.path.isdir(p) and not os.path.islink(p):
            os.rmdir(p)
        elif os.path.lexists(p):
            os.unlink(p)


def round_of(server, wires, how, n, path):
    """One change of one file: (what a request got, what it must get) of each."""
    url = f"/changing/{os.path.basename(path)}"
    a, b, late = wires
    clear(path)
    replace(path, version(0))
    seen = [(outcome(a.ask(url)), (200, digest(version(0))))]
    abandon(server, url)
    late.send(request(url), pause=0)        # may see the old one or the new one
    if n % 2:
        time.sleep(0.004 * n)
    expected = CHANGES[how](path, n)
    seen += [(outcome(w.ask(url)), expected) for w in (b, a)]
    between = outcome(late.take())
    if how in ("replaced", "removed"):      # the others pass through more states than two
        assert between in ((200, digest(version(0))), expected)
    return seen


def rounds_of(server, how, at):
    path = f"{at}/changing/{how}.bin"
    try:
        with Wire(server.port) as a, Wire(server.port) as b, Wire(server.port) as late:
            return [pair for n in range(1, ROUNDS[server.side.fs] + 1)
                    for pair in round_of(server, (a, b, late), how, n, path)]
    finally:
        clear(path)


def all_changes(server, at):
    hows = list(CHANGES)
    if server.kind.comm == "lighttpd":
        hows.remove("closed")   # it keeps what it has open for a while, and asks for no mode again
    return together(len(hows), lambda i: rounds_of(server, hows[i], at))


def check(seen):
    for got, (code, content) in seen:
        if code is not None:
            assert got[0] == code, seen
        if content is not None:
            assert got[1] == content, seen


@pytest.mark.servers("changes")
def test_changed_by_others(both):
    def scenario(server):
        return all_changes(server, server.side.root)    # the kernel knows of each
    for seen in both(scenario):
        check(seen)


@pytest.mark.servers("uncached")
def test_changed_behind_the_mount(both):
    """As another client of the same server does it. The kernel keeps nothing, so neither may we."""
    def scenario(server):
        return all_changes(server, server.side.backing)
    for seen in both(scenario):
        check(seen)


@pytest.mark.servers("loops")
def test_replaced_all_the_time(both):
    """Readers during hundreds of replacements: only whole versions, never an older one again."""
    def scenario(server):
        path, stop, last = f"{server.side.root}/changing/busy.bin", threading.Event(), [0]
        replace(path, version(0))

        def writer(i):
            n = 0
            end = time.monotonic() + 0.8
            while time.monotonic() < end:
                n += 1
                replace(path, version(n))
                last[0] = n
                time.sleep(0.003)
            stop.set()
            return []

        def reader(i):
            bad, sizes = [], {len(version(n)): n for n in range(200)}
            with Wire(server.port) as w:
                while not stop.is_set():
                    least = last[0]
                    answer = w.ask("/changing/busy.bin")
                    body = w.body if status(answer) == 200 else b""
                    n = sizes.get(len(body), -1)
                    if answer[5:] != ("whole",) or body != version(n) or n < least:
                        bad.append((answer, least, body[:1]))
            return bad
        wrong = together(7, lambda i: writer(i) if i == 0 else reader(i))
        with Wire(server.port) as w:
            final = w.ask("/changing/busy.bin")[4] == digest(version(last[0]))
        os.unlink(path)
        return [w[:3] for w in wrong], final
    wrong, final = both(scenario)
    assert not any(wrong) and final


# --- by the server itself ---------------------------------------------------------

def steps(server, where, i, n):
    """PUT, GET, COPY, MOVE, DELETE: what was asked, the outcome, and what it must be."""
    name, copy, new = (f"/{where}/{kind}{i}.bin" for kind in "abc")
    first, second = version(n * 2 + i), version(n * 2 + i + 1)
    with Wire(server.port) as a, Wire(server.port) as b:
        b.ask(name)
        seen = []

        def ask(w, target, method="GET", code=200, content=None, **options):
            answer = w.ask(target, method, **options)
            seen.append((method, target, outcome(answer), (code, content and digest(content))))
        ask(a, name, "PUT", 201, body=first)
        ask(b, name, content=first)
        abandon(server, name)
        ask(b, name, "PUT", 204, body=second)
        ask(a, name, content=second)
        ask(a, name, "HEAD", content=b"")
        if where == "dav":
            ask(a, name, "COPY", 204, Destination=copy)
            ask(b, copy, content=second)
            abandon(server, copy)
            ask(a, name, "MOVE", 204, Destination=new, Overwrite="T")
            ask(b, name, code=404)
            ask(a, new, content=second)
            ask(a, copy, "DELETE", 204)
            ask(b, copy, code=404)
            name = new
        abandon(server, name)
        ask(b, name, "DELETE", 204)
        ask(a, name, code=404)
        ask(b, name, code=404)
    return seen


@pytest.mark.servers("nginx")
@pytest.mark.parametrize("where", ["dav", "dav2"])
def test_dav(both, where):
    """The temporary file of a PUT is renamed (dav) or copied (dav2)."""
    def scenario(server):
        rounds = 3 if where == "dav" and server.side.fs == "cached" else 1
        return together(4, lambda i: [steps(server, where, i, n) for n in range(rounds)])
    for part in both(scenario):
        for seen in part:
            for method, target, got, want in seen:
                assert got[0] == want[0], (method, target, seen)
                if want[1]:
                    assert got[1] == want[1], (method, target, seen)


@pytest.mark.servers("nginx")
def test_dav_pipelined(both):
    """All requests are there before the first is answered; they are carried out in order."""
    def work(server, i):
        name = f"/dav/p{i}.bin"
        one, two = version(i), version(i + 50)
        order = [("GET", None, 404), ("PUT", one, 201), ("GET", one, 200), ("PUT", two, 204),
                 ("GET", two, 200), ("DELETE", None, 204), ("GET", None, 404)]
        data = b"".join(request(name, method=m, body=body if m == "PUT" else None)
                        for m, body, _ in order)
        with Wire(server.port) as w:
            w.send(data, [None, 400, 3000][i % 3], 0.001)
            return [(m, outcome(w.take(m)), code, body and digest(body)) for m, body, code in order]

    def scenario(server):
        return together(6, lambda i: work(server, i))
    for seen in both(scenario):
        for method, got, code, content in seen:
            assert got[0] == code, seen
            if method == "GET" and content:
                assert got[1] == content, seen


@pytest.mark.servers("nginx")
def test_dav_by_many(both):
    """Several put and remove the same file, several get it: whole versions or nothing."""
    def scenario(server):
        end = time.monotonic() + 0.8
        contents = {digest(version(n)) for n in range(200)}

        def work(i):
            bad, n = [], 0
            with Wire(server.port) as w:
                while time.monotonic() < end:
                    n += 1
                    if i < 2:
                        got = w.ask("/dav/shared.bin", "PUT", body=version(n * 2 + i))
                        right = status(got) in (201, 204)
                    elif i == 2 and n % 4 == 0:
                        got = w.ask("/dav/shared.bin", "DELETE")
                        right = status(got) in (204, 404)
                    else:
                        got = w.ask("/dav/shared.bin")
                        right = status(got) == 404 or outcome(got)[1] in contents
                    if not right:
                        bad.append(got)
            return bad[:3]
        wrong = together(7, work)
        with Wire(server.port) as w:
            w.ask("/dav/shared.bin", "PUT", body=version(7))
            final = outcome(w.ask("/dav/shared.bin"))
            w.ask("/dav/shared.bin", "DELETE")
        return wrong, final
    wrong, final = both(scenario)
    assert not any(wrong) and final == (200, digest(version(7)))
