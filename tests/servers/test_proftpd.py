# SPDX-License-Identifier: MIT
"""
proftpd, which closes every descriptor it does not know at its start and
changes its credentials all the time, without and with the library. It comes
from get_proftpd.sh, as Debian's package cannot be installed beside vsftpd.
"""
import os
import shutil
import subprocess
import threading

import pytest

import ftp
import harness
from ftptree import populate
import sides
from sides import digest, eventually, pattern

TOP = os.path.join(str(harness.BUILD), "proftpd")
BINARY = os.path.join(TOP, "usr/sbin/proftpd")


def libraries():
    below = os.path.join(TOP, "usr/lib")
    return ":".join(os.path.join(below, d) for d in os.listdir(below) if "linux-gnu" in d)


def hashed(password):
    return subprocess.run([harness.needs("openssl"), "passwd", "-6", password], check=True,
                          capture_output=True, text=True, timeout=10).stdout.strip()


class Proftpd:
    def __init__(self, side):
        self.side, self.port = side, harness.free_port()
        self.dir = os.path.join(side.work, f"proftpd-{self.port}")
        os.mkdir(self.dir)
        password = hashed("secret")
        users = self.write("users", "".join(
            f"{name}:{password}:{uid}:{uid}::{home}:/bin/sh\n" for name, uid, home in (
                (ftp.USER, ftp.UID, side.root + "/home"), ("ftp", 65534, side.root))))
        groups = self.write("groups", f"{ftp.USER}:x:{ftp.UID}:\nnogroup:x:65534:\n")
        config = self.write("proftpd.conf", f"""
            ServerName test
            ServerIdent on "ready"
            ServerType standalone
            DefaultAddress 127.0.0.1
            Port {self.port}
            SocketBindTight on
            UseIPv6 off
            UseReverseDNS off
            User nobody
            Group nogroup
            AuthOrder mod_auth_file.c
            AuthUserFile {users}
            AuthGroupFile {groups}
            RequireValidShell off
            UseSendfile on
            AllowOverwrite on
            AllowStoreRestart on
            AllowRetrieveRestart on
            WtmpLog off
            UseLastlog off
            DelayEngine off
            ScoreboardFile {self.dir}/scoreboard
            PidFile {self.dir}/pid
            SystemLog {self.dir}/system.log
            TransferLog {self.dir}/transfer.log
            MaxInstances 60
            <Anonymous {side.root}>
                User ftp
                Group nogroup
                UserAlias anonymous ftp
                RequireValidShell off
            </Anonymous>
            """)
        env = side.env(prespawn=1) if side.with_library else side.env()
        env |= {"LD_LIBRARY_PATH": libraries(), "TZ": "UTC"}
        self.server = harness.Server([BINARY, "-n", "-q", "-c", config], env, ready=self.port)

    def write(self, name, text):
        path = os.path.join(self.dir, name)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, 0o600)
        return path

    @property
    def pid(self):
        return self.server.pid

    def sessions(self):
        return sides.descendants(self.pid)


@pytest.fixture(scope="module", params=sides.FILE_SYSTEMS)
def proftpds(request):
    if not os.access(BINARY, os.X_OK):
        pytest.skip("no build/proftpd: tests/servers/get_proftpd.sh fetches it")
    if os.geteuid() != 0:
        pytest.skip("proftpd must be started by root")
    with harness.disk_dir() as d:
        sides.put(f"{d}/big", pattern(16 << 20, 99), mode=0o444)
        with sides.made(request.param, lambda top: populate(top, f"{d}/big")) as trees:
            servers = [Proftpd(side) for side in trees]
            with sides.running([server.server for server in servers]):
                yield servers


@pytest.fixture
def every(proftpds):
    return lambda scenario: sides.compare(proftpds, scenario)


@pytest.mark.parametrize("user", ["anonymous", ftp.USER])
def test_downloads(every, user):
    top = "" if user == "anonymous" else "../"
    names = ["hello.txt", "empty", "page", "mid.bin", "big.bin", "link", "missing", "dangling",
             "secret", "few", "hello.txt"]

    def scenario(server):
        c = ftp.Client(server.port, user)
        got = [c.retr(top + n) for n in names]
        got += [c.retr(top + "mid.bin", at) for at in (0, 1, 131_072, 200_006, 200_007, 200_008)]
        got += [c.retr(f"{top}many/f{i:03d}.dat") for i in range(0, 500, 10)]
        return got, c.bye()
    got, _ = every(scenario)
    whole = pattern(200_007, 2)
    assert got[0] == got[5] == got[10] == digest(b"hello, world\n")
    assert got[3] == digest(whole) and got[4] == digest(pattern(16 << 20, 99))
    assert got[11:15] == [digest(whole[at:]) for at in (0, 1, 131_072, 200_006)]
    assert got[17:] == [digest(pattern(1 + i * 37, i)) for i in range(0, 500, 10)]


@pytest.mark.parametrize("how", ["epsv", "port"])
def test_other_connections(every, how):
    def scenario(server):
        c = ftp.Client(server.port)
        if how == "port":
            c.active()
        else:
            c.extended_passive()
        return c.retr("mid.bin"), c.listing("NLST few"), c.bye()
    got, *_ = every(scenario)
    assert got == digest(pattern(200_007, 2))


def test_uploads_and_changes(every):
    def scenario(server):
        c = ftp.Client(server.port, ftp.USER)
        c.store("STOR new", pattern(300_000, 3))
        c.store("APPE new", b"tail")
        got = [c.retr("new")]
        c.store("STOR new", b"shorter")
        got.append(c.retr("new"))
        c.store("STOR new", b"NOW", rest=4)
        got.append(c.retr("new"))
        for line in ("MKD d", "MKD d", "RNFR new", "RNTO d/old", "SIZE new", "SIZE d/old", "RMD d",
                     "CWD d", "SIZE old", "DELE old", "CDUP", "RMD d", "DELE missing",
                     "SITE CHMOD 600 mine.txt", "MDTM mine.txt"):
            c.cmd(line)
        return got, c.bye()
    got, _ = every(scenario)
    assert got[:2] == [digest(pattern(300_000, 3) + b"tail"), digest(b"shorter")]


def test_listings(every):
    what = ["LIST few", "NLST few", "MLSD few", "LIST -la few", "NLST many", "LIST missing",
            "NLST few/f01*"]

    def plain(listing):
        # MLSD names files by device and inode, and these are others in each tree.
        return listing and [x.split("unique=")[0] + x.rpartition(";")[2] for x in listing]

    def scenario(server):
        c = ftp.Client(server.port)
        return [plain(c.listing(w)) for w in what], c.bye()
    got, _ = every(scenario)
    assert len(got[4]) == 501


def test_aborted_and_abandoned(every):
    def scenario(server):
        idle = len(server.sessions())
        c = ftp.Client(server.port)
        data = c.start("RETR big.bin")
        ftp.read_all(data, 1 << 16)
        ftp.reset(data)
        first = c.reply()[:3]
        c.said.clear()
        got = first, c.retr("hello.txt")
        data = c.start("RETR big.bin")
        ftp.read_all(data, 1 << 16)
        c.vanish()
        data.close()
        return got, bool(eventually(lambda: len(server.sessions()) <= idle))
    (first, hello), left = every(scenario)
    assert first in ("426", "451") and hello == digest(b"hello, world\n") and left


def test_twenty_clients(every):
    def one(server, i, results):
        c = ftp.Client(server.port)
        results[i] = [c.retr(f"many/f{(i * 17 + k) % 500:03d}.dat") for k in range(5)]
        results[i] += [c.retr("mid.bin"), c.bye()]

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
    assert all(r[5] == digest(pattern(200_007, 2)) for r in results.values())


def test_lftp_mget(every):
    def scenario(server):
        here = os.path.join(server.dir, "mget")
        code, *_ = ftp.lftp(server, here, "mget -P 4 many/*", talk=False)
        shutil.rmtree(os.path.join(here, ".home"), ignore_errors=True)
        os.unlink(os.path.join(here, ".trace"))
        return code, sides.snapshot(here)
    code, files = every(scenario)
    assert code == 0 and len(files) == 500


def test_stop_and_statistics(proftpds):
    def scenario(server):
        c = ftp.Client(server.port)
        got = [c.retr(f"many/f{i:03d}.dat") for i in range(60)]
        c.bye()
        eventually(lambda: not server.sessions())
        return got, server.server.stop()
    got, _ = sides.compare(proftpds, scenario)
    assert got == [digest(pattern(1 + i * 37, i)) for i in range(60)]
    for server in proftpds[1:]:
        lines = server.side.stats_of("proftpd")
        assert harness.total(lines, "calls") > 60
        assert harness.total(lines, "sequences") > 0, lines
        if server.side.mode == "fuse":
            assert harness.total(lines, "promises.promised") > 0, lines
