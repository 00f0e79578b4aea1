# SPDX-License-Identifier: MIT
"""
Every way from a request to a file: the answers of event-loop servers on a slow
file system, status, headers but the date, and bytes, are those of the same
server without the library. All requests come in company, on many connections.
"""
import socket
import time
from email.utils import formatdate

import pytest

import website
from sides import OLD, digest, pattern, together
from webtree import LARGE
from wire import Wire, request, status

CONNECTIONS = 8
PLAIN = {
    "/small.txt": b"hello, world\n", "/empty.txt": b"", "/page.html": pattern(4096),
    "/mid.bin": pattern(200_007, 2), "/large.bin": pattern(LARGE, 3),
    "/name%20with%20blank.txt": b"blank", "/%73mall%2etxt": b"hello, world\n",
    "/gr%C3%BC%C3%9Fe.txt": "grüße.txt".encode(), "/plus+sign.txt": b"plus+sign.txt",
    "/per%25cent.txt": b"per%cent.txt", "/semi;colon.txt": b"semi;colon.txt",
    "/a%3Fb.txt": b"a?b.txt", "/small.txt%252f": b"small.txt%2f",
    "/" + website.LONG: website.LONG.encode(), "/small.txt?a=b&c=/mid.bin": b"hello, world\n",
    "/small.txt?": b"hello, world\n", "/link.txt": b"hello, world\n",
    "/linked-dir/": b"<html>the index</html>\n", "/indexed/": b"<html>the index</html>\n",
    "/": b"<html>top</html>\n", "/d/e/f/g/h/i.txt": b"deep down",
    "/d//e/f/g/h//i.txt": b"deep down",
}
ODD = ("/d/e/../../small.txt", "/tab%09here.txt", "/gr\u00fc\u00dfe.txt", "/indexed",
       "/listed/", "/listed", "/listed/below", "/bare/", "/bare",
       "/small.txt/", "/small.txt/x", "/missing", "/missing/", "/missing/x.txt", "/linked-dir",
       "/dangling.txt", "/loop-a", "/loop-a/x", "/secret.txt", "/closed/", "/closed/x.txt",
       "/SMALL.TXT", "/small.txt%00.html", "/small.txt%zz", "/small.txt#part", "/%2fsmall.txt",
       "/" + "n" * 256, "/" + "n/" * 120, "/" + "x" * 4000, "/" + "x" * 10000, "/?" + "q" * 10000,
       "/" + "%78" * 2000, "small.txt", "*", "/small.txt ", "/small .txt", "", "/.", "/..", "/...",
       "//", "///small.txt", "/./small.txt", "?small.txt", "/\\small.txt", "/~root/small.txt")


def spread(server, items, one, connections=CONNECTIONS, **options):
    """one(wire, item) for all items on several connections at once; item -> result."""
    def work(i):
        with Wire(server.port, **options) as w:
            return [(item, one(w, item)) for item in items[i::connections]]
    return dict(pair for part in together(connections, work) for pair in part)


def contents(got, want):
    """That the answers named in want are whole and have this content."""
    for item, body in want.items():
        assert status(got[item]) == 200 and got[item][4] == digest(body), item


def test_targets(both):
    def scenario(server):
        return [spread(server, targets, lambda w, t: w.ask(t))
                for targets in ([*PLAIN, *ODD], [*PLAIN, *ODD][::-4])]
    first, again = both(scenario)
    contents(first, PLAIN)
    contents(again, {t: PLAIN[t] for t in again if t in PLAIN})
    assert status(first["/missing"]) == 404
    assert status(first["/secret.txt"]) == 403
    assert status(first["/closed/x.txt"]) in (403, 404)
    assert status(first["/" + "x" * 10000]) in (400, 414, 431, "gone")


def test_methods(both):
    def scenario(server):
        items = [(m, t) for t in ("/small.txt", "/mid.bin", "/indexed", "/missing", "/")
                 for m in ("HEAD", "GET", "OPTIONS", "DELETE", "PUT", "get", "BREW", "POST",
                           "PROPFIND", "TRACE")]
        return spread(server, items, lambda w, item: w.ask(item[1], item[0]))
    got = both(scenario)
    assert status(got["HEAD", "/mid.bin"]) == 200 and got["HEAD", "/mid.bin"][4] == digest(b"")
    assert got["GET", "/mid.bin"][4] == digest(pattern(200_007, 2))


@pytest.mark.servers("bodies")
def test_post_with_body(both):
    hidden = request("/mid.bin") + request("/secret.txt") + b"PUT /small.txt HTTP/1.1\r\n\r\n"
    items = [("small", b"a=b"), ("hidden", hidden),
             ("large", b"GET /page.html HTTP/1.0\r\n" * 4000),
             ("chunked", b"5\r\nGET /\r\n0\r\n\r\n"), ("pieces", hidden), ("short", b"12345")]

    def one(w, item):
        name, body = item
        options = {"Transfer_Encoding": "chunked"} if name == "chunked" else {}
        data = request("/small.txt", method="POST", body=body, **options)
        if name == "short":     # the rest of the body comes when everybody has stopped waiting
            w.send(data[:-3], pause=0)
            w.send(b"", [0], 0.15)
            data = data[-3:]
        try:
            w.send(data, 30 if name == "pieces" else None, 0.001)
        except OSError:
            w.close()
            return ("gone",)
        first = w.take()
        return first, w.ask("/page.html")

    def scenario(server):
        return spread(server, items, one)
    got = both(scenario)
    for item in items[:2]:
        assert status(got[item][0]) in (400, 405, 501, 200), item
        assert got[item][1][4] == digest(pattern(4096))


RANGES = ("0-0", "0-99", "100-", "-50", "-0", "4095-4097", "199999-", "200006-200006", "200007-",
          "5-2", "x", "0-9,20-29", "20-29,0-9", "131072-131072", "0-200006", "-300000", "0-",
          "199000-,0-5", "1-1,3-3,5-5,-1", "18446744073709551615-", "99999999999999999999-5", "")


def test_ranges(both):
    def scenario(server):
        items = [(t, r) for t in ("/mid.bin", "/empty.txt", "/missing") for r in RANGES]
        items += [("/large.bin", r) for r in ("199999-", "0-0", "-5", "131072-131073,7000000-")]
        return spread(server, items, lambda w, i: w.ask(i[0], Range="bytes=" + i[1]))
    got = both(scenario)
    part = got["/large.bin", "199999-"]
    assert status(part) == 206 and part[4] == digest(pattern(LARGE, 3)[199_999:])
    assert got["/mid.bin", "-50"][4] == digest(pattern(200_007, 2)[-50:])


def test_conditions(both):
    late, early = "Thu, 02 Jan 2025 03:04:05 GMT", "Thu, 02 Jan 2014 03:04:05 GMT"
    exact = formatdate(OLD, usegmt=True)

    def scenario(server):
        with Wire(server.port) as w:
            tag = dict(w.ask("/mid.bin")[3]).get("ETag", '"none"')
        conditions = (dict(If_Modified_Since=exact), dict(If_Modified_Since=late),
                      dict(If_Modified_Since=early),
                      dict(If_None_Match=tag), dict(If_None_Match='"x"'), dict(If_Match=tag),
                      dict(If_Match='"x"'), dict(If_Unmodified_Since=early),
                      dict(If_Unmodified_Since=late), dict(If_None_Match="*"),
                      dict(If_Range=tag, Range="bytes=5-9"),
                      dict(If_Range='"x"', Range="bytes=5-9"))
        items = [(m, i) for m in ("GET", "HEAD") for i in range(len(conditions))]
        return spread(server, items, lambda w, i: w.ask("/mid.bin", i[0], **conditions[i[1]]))
    got = both(scenario)
    assert status(got["GET", 0]) == 304 and status(got["GET", 2]) == 200


@pytest.mark.servers("bodies")
def test_half_closed(both):
    """The client says that it will say no more, together with its request or a bit later."""
    def one(w, target):
        w.send(request(target, Connection="close"))
        time.sleep(0.001 * (len(target) % 3))
        w.sock.shutdown(socket.SHUT_WR)
        answer = w.take()
        w.close()
        return answer

    def scenario(server):
        return spread(server, [f"/many/f{n:03d}.bin" for n in range(100, 130)] + ["/x", "/xx"], one)
    got = both(scenario)
    assert got["/many/f100.bin"][4] == digest(pattern(16_000 + 3700, 100))


@pytest.mark.servers("bodies")
def test_pipelined(both):
    names = [f"/many/f{n:03d}.bin" for n in range(0, 200, 18)]
    names += ["/missing", "/indexed/", "/empty.txt"]

    def scenario(server):
        def work(i):
            order = names[i:] + names[:i]
            with Wire(server.port) as w:
                data = b"".join(request(t) for t in order)
                w.send(data, (None, 7, 40, 1000)[i % 4], 0.0005)
                return [(t, w.take()) for t in order]
        return together(4, work)
    for got in both(scenario):
        contents(dict(got), {"/many/f018.bin": pattern(16_000 + 18 * 37, 18), "/empty.txt": b""})


def test_split_requests(both):
    """At every byte of a request a pause, and one that has a pause at all of them."""
    text = request("/many/f033.bin?x")
    wanted = digest(pattern(16_000 + 33 * 37, 33))

    def one(w, pieces):
        w.send(text, list(pieces) or 1)
        return w.take()

    def scenario(server):
        items = [(n,) for n in range(1, len(text))] + [(), (4, 16), (len(text) - 3, 1, 1)]
        return spread(server, items, one)
    assert {got[4] for got in both(scenario).values()} == {wanted}


@pytest.mark.servers("loops")
def test_late_requests(both):
    """The second half comes after all limits on waiting have passed; others go on."""
    text = request("/many/f034.bin")

    def work(server, i):
        with Wire(server.port) as w:
            if i < 6:
                w.send(text, [(4, 9, 14, 20, 30, len(text) - 1)[i]], 0.4)
                return w.take()
            return [w.ask(f"/many/f{n:03d}.bin") for n in range(i * 20, i * 20 + 6)]

    def scenario(server):
        return together(9, lambda i: work(server, i))
    got = both(scenario)
    assert {g[4] for g in got[:6]} == {digest(pattern(16_000 + 34 * 37, 34))}


def test_versions_and_forms(both):
    forms = {
        "absolute": b"GET http://a.test/small.txt HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "absolute, other host": b"GET http://b.test/where.txt HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "absolute, port": b"GET http://b.test:80/where.txt HTTP/1.1\r\nHost: b.test\r\n\r\n",
        "absolute, bare": b"GET http://a.test HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "1.0": b"GET /small.txt HTTP/1.0\r\n\r\n",
        "1.0 with host": b"GET /where.txt HTTP/1.0\r\nHost: b.test\r\n\r\n",
        "1.0 kept": b"GET /small.txt HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        "no host": b"GET /small.txt HTTP/1.1\r\n\r\n",
        "two hosts": b"GET /where.txt HTTP/1.1\r\nHost: a.test\r\nHost: b.test\r\n\r\n",
        "upper case": b"GET /where.txt HTTP/1.1\r\nHOST: B.TEST\r\n\r\n",
        "no blank": b"GET /where.txt HTTP/1.1\r\nHost:b.test\r\n\r\n",
        "blanks": b"GET /where.txt HTTP/1.1\r\nHost:   b.test  \r\n\r\n",
        "dot": b"GET /where.txt HTTP/1.1\r\nHost: b.test.\r\n\r\n",
        "port": b"GET /where.txt HTTP/1.1\r\nHost: b.test:8080\r\n\r\n",
        "far away": b"GET /where.txt HTTP/1.1\r\n" + b"X: y\r\n" * 300 + b"Host: b.test\r\n\r\n",
        "host in a value": b"GET /where.txt HTTP/1.1\r\nX: Host: b.test\r\nHost: a.test\r\n\r\n",
        "line feeds": b"GET /where.txt HTTP/1.1\nHost: b.test\n\n",
        "mixed ends": b"GET /where.txt HTTP/1.1\r\nHost: b.test\n\r\n",
        "leading empty lines": b"\r\n\r\nGET /small.txt HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "two blanks": b"GET  /small.txt  HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "tab": b"GET\t/small.txt HTTP/1.1\r\nHost: a.test\r\n\r\n",
        "high version": b"GET /small.txt HTTP/1.9\r\nHost: a.test\r\n\r\n",
        "version 2": b"GET /small.txt HTTP/2.0\r\nHost: a.test\r\n\r\n",
        "raw utf-8": "GET /grüße.txt HTTP/1.1\r\nHost: a.test\r\n\r\n".encode(),
        "expect": b"POST /small.txt HTTP/1.1\r\nHost: a.test\r\nExpect: 100-continue\r\n"
                  b"Content-Length: 1\r\n\r\nx",
        "folded": b"GET /where.txt HTTP/1.1\r\nX: y\r\n Host: b.test\r\nHost: a.test\r\n\r\n",
    }

    def one(w, name):
        w.send(forms[name])
        if name == "mixed ends":    # which some take for an end and some wait for more
            w.sock.shutdown(socket.SHUT_WR)
        answer = w.take()
        w.close()
        return answer

    def scenario(server):
        return spread(server, list(forms), one)
    got = both(scenario)
    assert status(got["1.0"]) == 200 and got["1.0"][4] == digest(b"hello, world\n")


ROOTS = {"main": "root", "b.test": "vhost", "second": "second", "alias": "deep/er"}


@pytest.mark.servers("bodies")
def test_roots(both):
    """One name, four files: the listener, the host and the prefix tell which."""
    def work(server, i):
        got = []
        for name in list(ROOTS)[i % 4:] + list(ROOTS)[:i % 4]:
            port = server.ports["second" if name == "second" else "main"]
            prefix = "/alias" if name == "alias" else ""
            with Wire(port, "b.test" if name == "b.test" else "a.test") as w:
                got.append((name, w.ask(f"{prefix}/where.txt"), w.ask(f"{prefix}/warm"),
                            w.ask(f"{prefix}/warm/w{i:02d}.txt")))
        return got

    def scenario(server):
        return together(len(ROOTS), lambda i: work(server, i))
    for part in both(scenario):
        for name, where, _, _ in part:
            assert where[4] == digest(website.mark(ROOTS[name]))


@pytest.mark.servers("loops")
def test_hosts_on_one_connection(both):
    def one(w, n):
        return [w.ask("/where.txt", host=h)[4] for h in ("a.test", "b.test", "c.test", "b.test")]

    def scenario(server):
        return spread(server, list(range(8)), one)
    for got in both(scenario).values():
        if len(set(got)) > 1:   # webfs knows no hosts
            assert got[1] == got[3] == digest(website.mark("vhost"))
            assert got[0] == got[2] == digest(website.mark("root"))
