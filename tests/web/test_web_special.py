# SPDX-License-Identifier: MIT
"""
nginx where the way to a file has a turn of its own: FIFOs and devices that must
never be opened ahead, aliases, links that are refused, caches, other protocols
on the same event loop, and connections that are no requests.
"""
import os
import subprocess

import pytest

import harness
import website
from sides import digest, pattern, together
from watch import BlockedWriter, Opens
from webservers import NGINX_ROOTS
from wire import Wire, raw, request, status

pytestmark = pytest.mark.servers("nginx")
SMALL = b"hello, world\n"


def crowd(server, targets, host="a.test", port="main", rounds=2, **options):
    """Each of four connections asks for everything; the first one's answers, if all agree."""
    def work(i):
        with Wire(server.ports[port], host, **options) as w:
            return [[w.ask(t) for t in targets] for _ in range(rounds)]
    runs = together(4, work)
    assert all(run[n] == runs[0][0] for run in runs for n in range(rounds))
    return dict(zip(targets, runs[0][0]))


def test_fifo_is_not_opened_ahead(both):
    """nginx opens a FIFO as often as it is asked for it, and not at all behind `if (-f)`."""
    def scenario(server):
        asked, unasked = f"{server.side.root}/fifo", f"{server.side.root}/unasked/fifo"
        with Opens(asked, unasked) as opens, BlockedWriter(unasked) as writer:
            got = crowd(server, ("/fifo", "/small.txt", "/unasked/fifo", "/page.html"))
            waited = writer.waits()
            counts = opens.counts()
        return got, waited, counts
    got, waited, counts = both(scenario)
    assert waited and counts == {"fifo": 8}
    assert status(got["/fifo"]) == status(got["/unasked/fifo"]) == 404
    assert status(got["/small.txt"]) == 200


@pytest.mark.servers("bodies")
def test_devices_are_not_opened_ahead(both):
    def scenario(server):
        at = server.side.local
        nodes = [f"{at}/{d}{n}" for d in ("", "unasked/") for n in ("null", "zero")]
        if not all(map(os.path.exists, nodes)):
            harness.skip("device nodes cannot be made here")
        with Opens(*nodes) as opens:
            got = crowd(server, ("/local/null", "/local/zero", "/local/unasked/null",
                                 "/local/quick.txt", "/local/unasked/zero", "/small.txt"))
            return got, opens.counts()
    got, _ = both(scenario)
    assert {status(got[t]) for t in got if "null" in t or "zero" in t} <= {403, 404}
    assert got["/local/quick.txt"][4] == digest(b"quick")


TRAVERSAL = (
    "/../outside/secret.txt", "/%2e%2e/outside/secret.txt", "/..%2foutside%2fsecret.txt",
    "/%2e%2e%2foutside/secret.txt", "/%252e%252e/outside/secret.txt", "/.%2e/outside/secret.txt",
    "/indexed/../../outside/secret.txt", "/indexed/%2e%2e/%2e%2e/outside/secret.txt",
    "/..;/outside/secret.txt", "/..\\outside\\secret.txt", "/..%5coutside%5csecret.txt",
    "/%c0%ae%c0%ae/outside/secret.txt", "/%00/../../outside/secret.txt",
    "/....//outside/secret.txt",
    "/warm/..%2f..%2foutside/secret.txt", "//../outside/secret.txt", "/./../outside/secret.txt",
    "/alias/../../outside/secret.txt", "/alias/%2e%2e/%2e%2e/outside/secret.txt",
    "/alias..%2f..%2foutside/secret.txt", "/files../where.txt", "/files..%2fwhere.txt",
    "/re/second/..%2f..%2foutside/secret.txt", "/outside/secret.txt", "/small.txt/../where.txt",
    "/%2e", "/%2e%2e", "/%2e%2e/", "/indexed/..", "/indexed/%2e%2e", "/a/b/../../where.txt",
    "/where.txt%20", "/where.txt.", "/where.txt%0a", "/%77here.txt", "/where.txt%00", "/%",
    "/%e", "/%2", "/where.txt%2", "/%u0077here.txt", "/where.txt;x=y", "/where.txt&x=y")


@pytest.mark.servers("loops")
def test_traversal(both):
    """Nothing outside of the root is even opened."""
    def scenario(server):
        with Opens(f"{server.side.outside}/secret.txt") as opens:
            got = crowd(server, TRAVERSAL, rounds=1)
            return got, opens.counts()
    got, opened = both(scenario)
    assert opened == {}
    assert digest(b"outside of every document root\n") not in [g[4] for g in got.values()
                                                                if len(g) > 4]


def test_ways_to_a_file(both):
    targets = ("/alias/where.txt", "/alias/", "/alias", "/files/where.txt", "/files",
               "/fileswhere.txt",
               "/re/second/where.txt", "/re/deep/er/where.txt", "/rewritten/where.txt",
               "/rewritten/warm/w03.txt", "/denied/where.txt", "/self/where.txt",
               "/self/warm/w05.txt",
               "/self/missing", "/err/missing", "/err/none.txt", "/gz/both.txt", "/gz/plain.txt",
               "/try/name.txt", "/try/name", "/try/missing", "/try/", "/listed/", "/listed",
               "/listed/one.txt",
               "/local/quick.txt", "/local/missing", "/unasked/x", "/unasked/fifo/x", "/where.txt")

    def scenario(server):
        return crowd(server, targets, rounds=1)
    got = both(scenario)
    for target, where in (("/alias/where.txt", "deep/er"), ("/rewritten/where.txt", "second"),
                          ("/self/where.txt", "second"), ("/re/second/where.txt", "second")):
        assert got[target][4] == digest(website.mark(where)), target
    assert status(got["/denied/where.txt"]) == 403
    assert got["/try/name"][4] == digest(b"found by its suffix")
    assert got["/try/missing"][4] == digest(SMALL)
    assert got["/err/missing"][4] == digest(pattern(4096))


@pytest.mark.servers("one")
def test_packed_files(both):
    def scenario(server):
        def work(i):
            with Wire(server.port) as w:
                plain = w.ask("/gz/both.txt")
                packed = w.ask("/gz/both.txt", Accept_Encoding="gzip")
                return plain, packed, w.ask("/gz/plain.txt", Accept_Encoding="gzip")
        return together(6, work)
    for plain, packed, other in both(scenario):
        assert plain[4] == digest(b"packed and not packed" * 100) and packed[4][0] < 200
        assert ("Content-Encoding", "gzip") in packed[3] and other[4] == digest(b"not packed")


@pytest.mark.parametrize("host", ["links.test", "kept.test", "none.test"])
def test_links_and_caches(both, host):
    """disable_symlinks (a walk with openat), open_file_cache, a root that is not there."""
    targets = ("/small.txt", "/link.txt", "/dangling.txt", "/loop-a", "/linked-dir/", "/missing",
               "/indexed/", "/indexed", "/d/e/f/g/h/i.txt", "/secret.txt", "/closed/x.txt", "/fifo",
               "/mid.bin", "/many/f011.bin")

    def scenario(server):
        return crowd(server, targets, host)
    got = both(scenario)
    assert status(got["/link.txt"]) == {"links.test": 403, "kept.test": 200, "none.test": 404}[host]
    assert status(got["/mid.bin"]) == (404 if host == "none.test" else 200)


@pytest.mark.servers("one")
def test_tls(both):
    targets = ("/small.txt", "/mid.bin", "/indexed/", "/indexed", "/missing", "/secret.txt",
               "/many/f003.bin", "/many/f004.bin", "/name%20with%20blank.txt")

    def scenario(server):
        port = server.ports["tls"]
        garbage = [raw(port, data) for data in (request("/small.txt"), b"\x16\x03\x01\x02\x00\x01",
                                                b"GET ", bytes(range(256)))]
        return crowd(server, targets, "127.0.0.1", "tls", tls=True), garbage
    got, garbage = both(scenario)
    assert got["/mid.bin"][4] == digest(pattern(200_007, 2)) and b" 400 " in garbage[0]


@pytest.mark.servers("one")
def test_other_protocols(both):
    """HTTP/2 without TLS, and the PROXY line before the request."""
    targets = ["/small.txt", "/mid.bin", "/missing", "/many/f005.bin", "/listed", "/indexed/"]
    curl = harness.needs("curl")

    def h2(port):
        urls = [f"http://127.0.0.1:{port}{t}" for t in targets]
        form = "\n%{http_version} %{http_code} %{size_download}\n"
        run = subprocess.run([curl, "-sS", "--http2-prior-knowledge", "-w", form, *urls],
                             capture_output=True, timeout=30, env=harness.lib_env(None))
        return digest(run.stdout), run.stderr, b"\n2 200 13\n" in run.stdout

    def scenario(server):
        two = together(4, lambda i: h2(server.ports["h2"]))
        raw(server.ports["h2"], b"PRI * HTTP/2.0\r\n")      # the answer is a matter of timing
        odd = raw(server.ports["h2"], request("/small.txt"))
        line = b"PROXY TCP4 192.0.2.1 192.0.2.2 1000 80\r\n"
        proxied = crowd(server, targets, port="proxied", prefix=line)
        bare = raw(server.ports["proxied"], request("/small.txt"))
        return two, odd, proxied, bare, raw(server.port, line + request("/small.txt"))
    two, _, proxied, _, refused = both(scenario)
    assert all(ok for _, _, ok in two) and proxied["/mid.bin"][4] == digest(pattern(200_007, 2))
    assert b" 400 " in refused


def test_all_roots_at_once(both):
    """Every root of the server in one turn of its loop."""
    def work(server, i):
        port, host, at, prefix = NGINX_ROOTS[i % len(NGINX_ROOTS)]
        with Wire(server.ports[port], host) as w:
            return at, [w.ask(f"/{prefix}where.txt"), w.ask(f"/{prefix}warm/w{i:02d}.txt")]

    def scenario(server):
        return together(18, lambda i: work(server, i))
    for i, (at, got) in enumerate(both(scenario)):
        assert got[0][4] == digest(website.mark(at or "root"))
        assert got[1][4] == digest(pattern(3000 + i, i))
