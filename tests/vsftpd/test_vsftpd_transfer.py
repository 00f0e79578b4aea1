# SPDX-License-Identifier: MIT
"""
Files to and from vsftpd over every kind of data connection: whole, in part,
appended, in ASCII, and refused. Compared with and without the library: every
line of the control connection, the bytes, and the tree afterwards.
"""
import os
import threading

import pytest

import ftp
from sides import digest, pattern

HELLO = digest(b"hello, world\n")


def opening(client, how):
    if how == "epsv":
        client.extended_passive()
    elif how != "pasv":
        client.active(extended=how == "eprt")
    return client


@pytest.mark.parametrize("how", ["pasv", "epsv", "port", "eprt"])
def test_data_connections(every, how):
    def scenario(server):
        c = opening(ftp.Client(server.port), how)
        got = [c.retr("hello.txt"), c.retr("mid.bin"), c.listing("LIST few")]
        c.store(f"STOR incoming/{how}", pattern(70_000, 7))
        got.append(c.retr(f"incoming/{how}"))
        return got, c.bye()
    (hello, mid, listing, stored), said = every(scenario)
    assert hello == HELLO
    assert mid == digest(pattern(200_007, 2))
    assert len(listing) == 22
    assert stored == digest(pattern(70_000, 7))
    assert any("227" in x for x in said) == (how == "pasv")
    assert any("PORT" in x or "EPRT" in x for x in said) == (how in ("port", "eprt"))


@pytest.mark.parametrize("user", ["anonymous", ftp.USER])
@pytest.mark.parametrize("sendfile", ["YES", "NO"])
def test_retr(every, user, sendfile):
    top = "" if user == "anonymous" else "../"

    def scenario(server):
        c = ftp.Client(server.port, user)
        names = ["hello.txt", "empty", "page", "mid.bin", "big.bin", "link", "hello.txt"]
        return [c.retr(top + n) for n in names], c.bye()
    (hello, empty, page, mid, big, link, again), _ = every(scenario, use_sendfile=sendfile)
    assert hello == link == again == HELLO
    assert empty == digest(b"")
    assert page == digest(pattern(4096))
    assert mid == digest(pattern(200_007, 2))
    assert big[0] == ftp.BIG


def test_retr_refused(every):
    names = ["missing", "dangling", "secret", "fifo", "few", "few/missing/x", "hello.txt/x",
             "", "x" * 300, "/etc/services", "../../etc/services", "name with blank",
             "a/" * 300 + "b"]

    def scenario(server):
        c = ftp.Client(server.port)
        return [c.retr(n) for n in names], c.bye()
    got, _ = every(scenario)
    assert [n for n, g in zip(names, got) if g] == ["name with blank"]


def test_rest(every):
    at = [0, 1, 4096, 131_072, 199_999, 200_006, 200_007, 200_008, 10**7, 2**40]

    def scenario(server):
        c = ftp.Client(server.port)
        got = [c.retr("mid.bin", n) for n in at]
        c.cmd("REST 5")
        c.cmd("NOOP")
        got += [c.retr("hello.txt"), c.retr("big.bin", ftp.BIG - 100_000)]
        for bad in ("REST -1", "REST x", "REST", "REST 99999999999999999999"):
            c.cmd(bad)
            c.retr("hello.txt")
        return got, c.bye()
    got, _ = every(scenario)
    whole = pattern(200_007, 2)
    assert got[:10] == [digest(whole[n:]) for n in at]
    assert got[11][0] == 100_000


def test_store_and_append(every):
    def scenario(server):
        c = ftp.Client(server.port)
        c.store("STOR incoming/new", pattern(300_000, 3))
        c.store("STOR incoming/none", b"")
        c.store("APPE incoming/new", b"tail")
        c.store("APPE incoming/fresh", b"first")
        got = [c.retr("incoming/new"), c.retr("incoming/none"), c.retr("incoming/fresh")]
        c.store("STOR incoming/new", b"shorter now")
        got.append(c.retr("incoming/new"))
        c.store("STOR incoming/new", b"NOW", rest=8)
        got.append(c.retr("incoming/new"))
        c.store("STOR incoming/hole", b"far", rest=5000)
        got.append(c.retr("incoming/hole"))
        for refused in ("STOR hello.txt", "STOR incoming", "STOR nowhere/x", "APPE few/f001.dat",
                        "STOR"):
            c.store(refused, b"never")
        return got, c.bye()
    got, _ = every(scenario)
    assert got[0] == digest(pattern(300_000, 3) + b"tail")
    assert got[1:4] == [digest(b""), digest(b"first"), digest(b"shorter now")]


def test_store_unique(every):
    def scenario(server):
        c = ftp.Client(server.port)
        for _ in range(3):
            c.store("STOU incoming/unique", b"one of several")
        return c.listing("NLST incoming"), c.bye()
    names, _ = every(scenario)
    assert sum("unique" in n for n in names) == 3


def test_store_then_read_in_one_session(every):
    """What a session has just written must be what it reads, at every size."""
    sizes = [1, 4095, 4096, 131_071, 131_073, 1_500_000]

    def scenario(server):
        c = ftp.Client(server.port)
        got = []
        for i, size in enumerate(sizes):
            c.store("STOR incoming/again", pattern(size, i))
            got += [c.retr("incoming/again"), c.cmd("SIZE incoming/again")]
        return got, c.bye()
    got, _ = every(scenario)
    assert got[::2] == [digest(pattern(size, i)) for i, size in enumerate(sizes)]


def test_ascii(every):
    def scenario(server):
        c = ftp.Client(server.port)
        c.cmd("TYPE A")
        got = [c.retr("lines.txt"), c.retr("empty"), c.retr("mid.bin"), c.cmd("SIZE lines.txt")]
        c.store("STOR incoming/ascii", b"a\r\nb\r\n\r\nc")
        c.cmd("TYPE I")
        got += [c.retr("incoming/ascii"), c.retr("lines.txt")]
        return got, c.bye()
    got, _ = every(scenario)
    assert got[4] == digest(b"a\nb\n\nc")
    assert got[0][0] > got[5][0]


def test_changing_file(every):
    """Between two downloads the file is replaced, rewritten, cut and removed by others."""
    def scenario(server):
        root = server.side.root
        path = f"{root}/incoming/changing"
        c = ftp.Client(server.port)
        got = []

        def look():
            got.extend([c.cmd("SIZE incoming/changing"), c.retr("incoming/changing")])

        look()
        for i, size in enumerate((5000, 5000, 90_000, 3)):
            with open(path + ".tmp", "wb") as f:
                f.write(pattern(size, i))
            os.rename(path + ".tmp", path)
            look()
        with open(path, "wb") as f:
            f.write(b"rewritten in place")
        look()
        os.truncate(path, 9)
        look()
        with open(path, "ab") as f:
            f.write(pattern(150_000))
        look()
        os.unlink(path)
        look()
        return got, c.bye()
    got, _ = every(scenario)
    sizes = [g and g[0] for g in got[1::2]]
    assert sizes == [None, 5000, 5000, 90_000, 3, 18, 9, 150_009, None]
    assert got[3] != got[5]


def test_growing_and_shrinking_while_open(every):
    """A file that is cut or grows while its transfer runs: the reply says so."""
    def scenario(server, change):
        path = f"{server.side.root}/incoming/moving"
        with open(path, "wb") as f:
            f.write(pattern(32 << 20))
        c = ftp.Client(server.port)
        data = c.start("RETR incoming/moving")
        first = ftp.read_all(data, 1 << 16)
        change(path)
        size, _ = ftp.received(data, first)
        c.finish(data)
        os.unlink(path)
        # How far it had come when the file was cut is a matter of timing.
        return size == 32 << 20, c.bye()

    def grow(path):
        with open(path, "ab") as f:
            f.write(b"more")

    def cut(path):
        os.truncate(path, 1 << 15)

    whole, said = every(scenario, grow)
    assert whole and "< 226 Transfer complete." in said
    whole, said = every(scenario, cut)
    assert not whole


def test_upload_while_downloading(every):
    """vsftpd's locks order the two: the reader waits for the whole upload."""
    def scenario(server):
        up, down = ftp.Client(server.port), ftp.Client(server.port)
        up.store("STOR incoming/shared", pattern(100_000, 1))
        first = down.retr("incoming/shared")
        data = up.start("STOR incoming/shared")
        data.sendall(pattern(400_000, 2)[:150_000])
        got = []
        reader = threading.Thread(target=lambda: got.append(down.retr("incoming/shared")))
        reader.start()
        reader.join(0.3)
        waited = reader.is_alive()
        data.sendall(pattern(400_000, 2)[150_000:])
        up.finish(data)
        reader.join(30)
        return first, waited, got, up.bye(), down.bye()
    first, waited, got, *_ = every(scenario)
    assert first == digest(pattern(100_000, 1))
    assert waited and got == [digest(pattern(400_000, 2))]


def test_download_while_uploading(every):
    """The other way round: the writer waits until the reader has all it began to read."""
    def scenario(server):
        up, down = ftp.Client(server.port), ftp.Client(server.port)
        up.store("STOR incoming/held", pattern(16 << 20, 1))
        data = down.start("RETR incoming/held")
        head = ftp.read_all(data, 1 << 16)
        writer = threading.Thread(target=lambda: up.store("STOR incoming/held", b"new content"))
        writer.start()
        writer.join(0.3)
        waited = writer.is_alive()
        got = ftp.received(data, head)
        down.finish(data)
        writer.join(30)
        return got, waited, down.retr("incoming/held"), up.bye(), down.bye()
    got, waited, after, *_ = every(scenario)
    assert waited and got == digest(pattern(16 << 20, 1))
    assert after == digest(b"new content")
