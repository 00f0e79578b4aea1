# SPDX-License-Identifier: MIT
"""
vsftpd under clients people use, alone and many at once: curl, lftp, TLS; and
what the library's statistics say it did in the sessions meanwhile.
"""
import json
import os
import shutil
import threading
import time

import pytest

import ftp
import harness
from sides import digest, eventually, pattern, snapshot


@pytest.mark.parametrize("how", [[], ["--disable-epsv"], ["-P", "127.0.0.1"],
                                 ["-P", "127.0.0.1", "--disable-eprt"]],
                         ids=["epsv", "pasv", "eprt", "port"])
def test_curl(every, how):
    def scenario(server):
        upload = os.path.join(server.dir, "upload")
        with open(upload, "wb") as f:
            f.write(pattern(50_000))
        return [ftp.curl(server, *how, *args) for args in (
            ["FTP/hello.txt"], ["FTP/empty"], ["FTP/mid.bin"], ["-r", "100-", "FTP/mid.bin"],
            ["-C", "199999", "FTP/mid.bin"], ["FTP/missing"], ["FTP/few/"], ["-l", "FTP/few/"],
            ["-I", "FTP/hello.txt"], ["--use-ascii", "FTP/lines.txt"],
            ["FTP/hello.txt", "FTP/few/f003.dat", "FTP/few/deep/deeper/leaf"],
            ["-T", upload, "FTP/incoming/curl"], ["-a", "-T", upload, "FTP/incoming/curl"],
            ["-Q", "DELE incoming/curl", "FTP/hello.txt"])] + [
            # curl breaks this one off; whether vsftpd is done by then is a matter of timing.
            ftp.curl(server, *how, "-r", "100-199", "FTP/mid.bin")[:2]]
    got = every(scenario)
    assert got[0][1] == digest(b"hello, world\n") and got[3][1][0] == 199_907
    assert got[-1] == (0, digest(pattern(200_007, 2)[100:200]))
    assert got[5][0] != 0


def test_curl_big(every):
    code, (size, _), _ = every(lambda server: ftp.curl(server, "FTP/big.bin"))
    assert code == 0 and size == ftp.BIG


@pytest.mark.parametrize("parallel", [1, 4])
def test_lftp_mget(every, parallel):
    def scenario(server):
        here = os.path.join(server.dir, "mget")
        shutil.rmtree(here, ignore_errors=True)
        # With several connections which of them fetches what is a matter of timing.
        done = ftp.lftp(server, here, f"mget -P {parallel} many/*; ls many", parallel == 1)
        shutil.rmtree(os.path.join(here, ".home"), ignore_errors=True)
        os.unlink(os.path.join(here, ".trace"))
        return done, snapshot(here)
    (code, listing, _), files = every(scenario)
    assert code == 0 and len(files) == 500 and len(listing.splitlines()) == 500


def test_lftp_mirror(every):
    def scenario(server):
        here = os.path.join(server.dir, "mirror")
        shutil.rmtree(here, ignore_errors=True)
        return ftp.lftp(server, here, "mirror few here; cd incoming; mirror -R here there; "
                        "ls there; rm -r there", talk=False), snapshot(os.path.join(here, "here"))
    (code, *_), files = every(scenario)
    assert code == 0 and len(files) == 23


def test_twenty_clients(every):
    def one(server, i, results):
        c = ftp.Client(server.port, ftp.USER if i % 4 == 0 else "anonymous")
        top = "../" if i % 4 == 0 else ""
        got = []
        for k in range(4):
            got += [c.retr(f"{top}many/f{(i * 17 + k) % 500:03d}.dat"), c.retr(top + "mid.bin"),
                    c.retr(top + "hello.txt"), c.cmd(f"SIZE {top}many/f{i:03d}.dat")]
            c.store(f"STOR {top}incoming/client{i}", pattern(10_000 + i, i))
        got.append(c.retr(f"{top}incoming/client{i}"))
        c.cmd(f"DELE {top}incoming/client{i}")
        results[i] = got, c.bye()

    def scenario(server):
        results = {}
        threads = [threading.Thread(target=one, args=(server, i, results)) for i in range(20)]
        for t in threads:
            t.start()
        for t in threads:
            t.join(60)
        return results
    results = every(scenario)
    assert len(results) == 20
    for i, (got, _) in results.items():
        assert got[-1] == digest(pattern(10_000 + i, i))
        assert got[1] == digest(pattern(200_007, 2))


@pytest.fixture(scope="module")
def certificate():
    with harness.tmpfs_dir() as d:
        yield ftp.self_signed(d)


def tls_options(certificate):
    return dict(ssl_enable="YES", allow_anon_ssl="YES", rsa_cert_file=certificate,
                require_ssl_reuse="NO", force_local_data_ssl="NO", force_local_logins_ssl="NO",
                ssl_ciphers="HIGH")


def test_tls(every, certificate):
    def scenario(server):
        c = ftp.Client(server.port, trust=certificate + ".crt")
        got = [c.retr(n) for n in ("hello.txt", "empty", "mid.bin", "missing", "big.bin")]
        got += [c.retr("mid.bin", 1000), c.listing("NLST few")]
        c.store("STOR incoming/tls", pattern(80_000, 8))
        got.append(c.retr("incoming/tls"))
        c.cmd("PROT C")
        c.prot_c()
        got.append(c.retr("mid.bin"))
        c.cmd("DELE incoming/tls")
        return got, c.bye()
    got, said = every(scenario, **tls_options(certificate))
    assert got[0] == digest(b"hello, world\n")
    assert got[2] == got[8] == digest(pattern(200_007, 2))
    assert got[4][0] == ftp.BIG and got[7] == digest(pattern(80_000, 8))
    assert any(line.startswith("< 234") for line in said)


def test_tls_curl(every, certificate):
    def scenario(server):
        tls = ["--ssl-reqd", "--cacert", certificate + ".crt"]
        return [ftp.curl(server, *tls, *args, user=user)[:2] for user in (None, ftp.USER)
                for args in (["FTP/mid.bin"], ["FTP//hello.txt"], ["FTP/few/"])]
    got = every(scenario, **tls_options(certificate))
    assert got[0] == (0, digest(pattern(200_007, 2)))


def test_tls_twenty_clients(every, certificate):
    def scenario(server):
        results = [None] * 20

        def one(i):
            c = ftp.Client(server.port, trust=certificate + ".crt")
            results[i] = [c.retr("mid.bin"), c.retr(f"many/f{i:03d}.dat"), c.bye()]
        threads = [threading.Thread(target=one, args=(i,)) for i in range(20)]
        for t in threads:
            t.start()
        for t in threads:
            t.join(60)
        return results
    results = every(scenario, **tls_options(certificate))
    assert all(r[0] == digest(pattern(200_007, 2)) for r in results)


def session_lines(side, run):
    """The statistics of the processes that one run of sessions leaves behind."""
    before = len(side.stats_of("vsftpd"))
    expect = run()
    # Two processes to each session; the one that serves is not always the first to end.
    eventually(lambda: len(side.stats_of("vsftpd")) >= before + 2 * expect)
    return side.stats_of("vsftpd")[before:]


def describe(side):
    """What the library should have found: the device, and how long an open there takes."""
    before = time.perf_counter()
    with open(side.root + "/hello.txt", "rb") as f:
        took = time.perf_counter() - before
        dev = os.fstat(f.fileno()).st_dev
    return f"{side.root} is {os.major(dev)}:{os.minor(dev)}, an open takes {took * 1e6:.0f} us"


def serving_lines(server):
    """The statistics of the processes that have sent the files of three sessions."""
    def run():
        for _ in range(3):
            c = ftp.Client(server.port)
            for i in range(60):
                assert c.retr(f"many/f{i:03d}.dat") == digest(pattern(1 + i * 37, i))
            c.bye()
        return 3
    serving = [s for s in session_lines(server.side, run) if s["calls"] > 60]
    assert len(serving) >= 3
    assert all(s["mode"] == server.side.mode for s in serving)
    return serving


def test_promises_in_sessions(farm):
    """The comparisons would all succeed with plain calls: here there must have been promises."""
    serving = serving_lines(farm.serving({}, {"prespawn": 1})[2])
    assert harness.total(serving, "promises.promised") >= 3 * 60, serving
    assert harness.total(serving, "promises.broken") == 0, serving


def test_library_works_in_sessions(farm):
    """The comparisons would all succeed with no library at all: here it must have worked."""
    server = farm.serving({}, {"prespawn": 1})[1]
    side = server.side
    serving = serving_lines(server)
    assert sum(s["sequences"] for s in serving) > 0
    asynchronous = harness.total(serving, "chains") + harness.total(serving, "futures.created")
    if side.fs == "slow":
        assert asynchronous > 0, f"{describe(side)}\n{json.dumps(serving, indent=1)}"
    else:
        # A busy machine may make a hot file look slow for a moment, but only then.
        assert asynchronous < harness.total(serving, "sequences") / 10, serving


def test_learns_in_a_server_that_is_not_new(farm):
    """What a session takes for slow must not depend on how long the listener has been up."""
    side = farm.sides[1]
    if side.fs != "slow":
        pytest.skip("only a slow file system has anything to learn")
    server = farm.make(side, "not-new", {}, {"prespawn": 1})
    with server.server:
        # Past 2^32 ns, where a clock kept in too few bits begins anew.
        time.sleep(4.4)

        def run():
            c = ftp.Client(server.port)
            for i in range(60):
                c.retr(f"many/f{i:03d}.dat")
            c.bye()
            return 1
        lines = session_lines(side, run)
        eventually(lambda: not server.sessions())
    assert harness.total(lines, "chains") > 0, f"{describe(side)}\n{json.dumps(lines, indent=1)}"


def test_without_prespawn(every):
    """No workers can be made in a session then; what it serves stays the same."""
    def scenario(server):
        c = ftp.Client(server.port)
        got = [c.retr(f"many/f{i:03d}.dat") for i in range(100)]
        return got, c.retr("big.bin"), c.bye()
    got, *_ = every(scenario, env={})
    assert got == [digest(pattern(1 + i * 37, i)) for i in range(100)]
