# SPDX-License-Identifier: MIT
"""
Web servers nobody has changed, serving the same tree without and with the
library: every status, every header but the date, every byte.
"""
import os
import time

import pytest

import harness
from rawhttp import Browser, Download, at_once, content
import sides
from sides import OLD, descendants, digest, eventually, pattern, put
from webtree import LARGE

SMALL = digest(b"hello, world\n")
PATHS = ("/small.txt", "/empty.txt", "/page.html", "/mid.bin", "/missing", "/small.txt/x",
         "/indexed/", "/indexed", "/listed/", "/bare/", "/link.txt", "/dangling.txt", "/secret.txt",
         "/name%20with%20blank.txt", "/small.txt?query=1", "//small.txt", "/indexed/../small.txt",
         "/../../etc/services", "/" + "x" * 300, "/many/f017.bin", "/small.txt")


@pytest.mark.parametrize("version", [11, 10])
def test_paths(every, version):
    def scenario(server):
        browser = Browser(server.port, version)
        got = [(path, browser.ask(path)) for path in PATHS]
        if server.kind.comm in ("nginx", "lighttpd"):    # others open it and wait for a writer
            got.insert(9, ("fifo", browser.ask("/fifo")))
        large = browser.ask("/large.bin")
        browser.close()
        return got, large, browser.connections
    got, large, connections = every(scenario)
    assert content(got[0][1]) == content(got[-1][1]) == SMALL
    assert content(got[1][1]) == digest(b"")
    assert content(got[3][1]) == digest(pattern(200_007, 2))
    assert got[4][1][1] == 404
    assert content(large) == digest(pattern(LARGE, 3))
    if version == 10:
        assert connections > len(PATHS)


def test_keep_alive(every):
    def scenario(server):
        browser = Browser(server.port)
        got = [browser.ask(f"/many/f{i % 200:03d}.bin", Connection="keep-alive") for i in range(60)]
        browser.close()
        return got, browser.connections
    got, _ = every(scenario)
    assert [content(g) for g in got] == [digest(pattern(16_000 + i * 37, i)) for i in range(60)]


def test_methods_and_conditions(every):
    late, early = "Thu, 02 Jan 2025 03:04:05 GMT", "Thu, 02 Jan 2014 03:04:05 GMT"

    def scenario(server):
        browser = Browser(server.port)
        got = [browser.ask(path, "HEAD") for path in PATHS if len(path) < 100]
        first = browser.ask("/mid.bin")
        tags = [v for k, v in first[3] if k.lower() == "etag"] or ['"none"']
        for conditions in (dict(If_Modified_Since=late), dict(If_Modified_Since=early),
                           dict(If_None_Match=tags[0]), dict(If_None_Match='"x"'),
                           dict(If_Match='"x"'), dict(If_Unmodified_Since=early),
                           dict(If_Range=tags[0], Range="bytes=5-9"),
                           dict(If_Range='"x"', Range="bytes=5-9")):
            got.append(browser.ask("/mid.bin", **conditions))
        got += [browser.ask("/small.txt", method) for method in ("OPTIONS", "DELETE", "BREW")]
        browser.close()
        return got
    every(scenario)


def test_ranges(every):
    ranges = ("0-0", "0-99", "100-", "-50", "4095-4097", "199999-", "200006-200006", "200007-",
              "5-2", "x", "0-9,20-29", "131072-131072", "0-200006", "-300000")

    def scenario(server):
        browser = Browser(server.port)
        got = [(r, browser.ask("/mid.bin", Range="bytes=" + r)) for r in ranges]
        got.append(("large", browser.ask("/large.bin", Range=f"bytes={LARGE // 2}-")))
        got += [(r, browser.ask("/empty.txt", Range="bytes=" + r)) for r in ("0-", "-1")]
        browser.close()
        return got
    got = dict(every(scenario))
    if got["0-99"][1] == 206:
        assert content(got["0-99"]) == digest(pattern(200_007, 2)[:100])
        assert content(got["large"]) == digest(pattern(LARGE, 3)[LARGE // 2:])


CHANGES = ("replaced", "rewritten", "truncated", "grown", "removed", "a directory", "a link")


def change(path, how, round_):
    """Changes a file as others do it, not as the server would notice it."""
    if how == "replaced":
        put(path + ".new", pattern(30_000 + round_, round_), when=OLD + round_)
        os.rename(path + ".new", path)
    elif how == "rewritten":
        put(path, pattern(30_000 + round_, round_ + 50), when=OLD + 100 + round_)
    elif how == "truncated":
        os.truncate(path, 4000)
    elif how == "grown":
        with open(path, "ab") as f:
            f.write(pattern(140_000, round_ + 70))
    elif how == "removed":
        os.unlink(path)
    elif how == "a directory":
        os.unlink(path)
        os.mkdir(path)
    elif how == "a link":
        os.unlink(path)
        os.symlink("../small.txt", path)
    if os.path.exists(path) and not os.path.islink(path):
        os.utime(path, (OLD + 200 + round_,) * 2)


def clear(path):
    if os.path.isdir(path) and not os.path.islink(path):
        os.rmdir(path)
    elif os.path.lexists(path):
        os.unlink(path)


@pytest.mark.parametrize("how", CHANGES)
def test_changing_files(every, how):
    """Between two requests for it a file changes: the second sees it as it is now."""
    def scenario(server):
        path = f"{server.side.root}/changing/{how.replace(' ', '-')}.bin"
        url = f"/changing/{os.path.basename(path)}"
        browser = Browser(server.port)
        got = []
        for round_ in range(3):
            clear(path)
            put(path, pattern(50_000, 40 + round_), when=OLD - round_)
            got += [browser.ask(url), browser.ask(url)]
            change(path, how, round_)
            got += [browser.ask(url), browser.ask(url, "HEAD")]
        clear(path)
        got.append(browser.ask(url))
        browser.close()
        return server.kind.name, got
    # nginx's open_file_cache may serve the old file for an hour: the same on all sides.
    name, got = every(scenario)
    if "filecache" in name:
        return
    assert [content(got[i]) for i in (0, 4, 8)] == [digest(pattern(50_000, 40 + i))
                                                    for i in range(3)]
    if how == "replaced":
        assert [content(got[i]) for i in (2, 6, 10)] == [digest(pattern(30_000 + i, i))
                                                         for i in range(3)]
    if how == "removed":
        assert got[2][1] == 404


def test_sixty_four_connections(every):
    def work(server, i):
        browser = Browser(server.port)
        names = [f"/many/f{(i * 7 + k) % 200:03d}.bin" for k in range(4)]
        got = [browser.ask(name) for name in (*names, "/small.txt", "/missing", "/mid.bin")]
        browser.close()
        return got

    def scenario(server):
        # busybox lets 9 wait for it, and whoever is turned away comes again seconds later.
        return at_once(64, lambda i: work(server, i), 8 if server.kind.comm == "busybox" else 64)
    results = every(scenario)
    for i, got in enumerate(results):
        want = [digest(pattern(16_000 + n * 37, n)) for n in ((i * 7 + k) % 200 for k in range(4))]
        assert [content(g) for g in got] == [*want, SMALL, None, digest(pattern(200_007, 2))]


def test_clients_that_leave(every):
    """Clients that do not read, and are cut in the middle of a response, hold up nobody
    and leave nothing behind."""
    def scenario(server):
        begin = time.monotonic()
        held = [Download(server.port, "/large.bin") for _ in range(10)]
        for d in held:
            d.sock.close()
        browser = Browser(server.port)
        got = browser.ask("/mid.bin")
        browser.close()
        took = time.monotonic() - begin
        assert took < 10, f"{server.side.name}: took {took:.1f} s"
        # A cache of open files is meant to keep it; lighttpd takes its seconds, once is enough.
        if server.kind.name in ("nginx-filecache", "lighttpd-poll"):
            return got, True
        return got, bool(eventually(lambda: not files_open(server, "large.bin")))
    got, closed = every(scenario)
    assert content(got) == digest(pattern(200_007, 2)) and closed


def files_open(server, name):
    """Descriptors of the server's processes that are open on a file of that name."""
    found = []
    for pid in [server.pid, *descendants(server.pid)]:
        try:
            fds = os.listdir(f"/proc/{pid}/fd")
        except OSError:
            continue
        for fd in fds:
            try:
                target = os.readlink(f"/proc/{pid}/fd/{fd}")
            except OSError:
                continue
            if target.endswith("/" + name):
                found.append((pid, fd))
    return found


def test_graceful_stop(trees, running):
    """Asked to stop in the middle of a response; then the statistics tell who did the work."""
    kind = running[0].kind
    before = {side: len(side.stats_of(kind.comm)) for side in trees}

    def scenario(server):
        browser = Browser(server.port)
        warm = [browser.ask(f"/many/f{i:03d}.bin") for i in range(0, 200, 2)]
        browser.close()
        held = Download(server.port, "/large.bin")
        server.proc.send_signal(kind.graceful)
        end = held.rest() if kind.finishes else held.sock.close()
        return warm, end, server.proc.wait(20)
    with sides.running([kind.start(side) for side in trees]) as servers:
        warm, end, status = sides.compare(servers, scenario)
    assert all(content(w) for w in warm)
    if kind.finishes:
        assert end == (digest(pattern(LARGE, 3)), "closed") and status == 0
    for side in trees[1:]:
        lines = side.stats_of(kind.comm)[before[side]:]
        assert sum(s["calls"] for s in lines) > 100, lines
        if kind.comm != "busybox":      # which leaves closing its file to its end
            assert harness.total(lines, "sequences") > 0, lines
        promised = harness.total(lines, "promises.promised")
        if side.mode == "fuse" or kind.threads:     # in auto it is as has been measured
            # Nothing is promised with threads, nor of the only file of a forked process.
            assert (promised > 0) == (not kind.threads and kind.comm != "busybox"), lines
        assert harness.total(lines, "promises.broken") == 0, lines
