# SPDX-License-Identifier: MIT
"""
Transfers that do not end well: aborted, abandoned, timed out, stopped by a
signal; and the ways of running vsftpd that leave no room for anything: the
seccomp sandbox and the one-process model. With and without the library.
"""
import contextlib
import ftplib
import os
import re
import signal
import socket

import pytest

import ftp
import harness
from sides import digest, eventually, pattern

IAC_IP, IAC_DM = b"\xff\xf4", b"\xff\xf2"


def after(c):
    """The session must be as good as new."""
    return c.retr("hello.txt"), c.cmd("PWD"), c.bye()


def test_abor_without_transfer(every):
    def scenario(server):
        c = ftp.Client(server.port)
        c.cmd("ABOR")
        c.sock.sendall(IAC_IP)
        c.sock.send(IAC_DM, socket.MSG_OOB)
        c.cmd("ABOR")
        return after(c)
    every(scenario)
    every(scenario, async_abor_enable="YES")


@pytest.mark.parametrize("name", ["big.bin", "lines.txt"])
def test_abor_plain(every, name):
    """Seen by vsftpd only after the transfer, which ends as the data connection does."""
    def scenario(server):
        c = ftp.Client(server.port)
        if name == "lines.txt":
            c.cmd("TYPE A")
        data = c.start("RETR " + name)
        ftp.read_all(data, 1 << 16)
        c.putcmd("ABOR")
        if name == "big.bin":
            ftp.reset(data)
        else:
            ftp.read_all(data)
            data.close()
        return c.reply(), c.reply(), after(c)
    first, *_ = every(scenario)
    assert first.startswith("426" if name == "big.bin" else "226")


@pytest.mark.parametrize("urgent", ["telnet", "synch", "ftplib"])
@pytest.mark.parametrize("verb", ["RETR", "STOR"])
def test_abor_urgent(every, urgent, verb):
    """async_abor_enable: the urgent data interrupts the transfer itself."""
    def scenario(server):
        c = ftp.Client(server.port)
        if verb == "RETR":
            data = c.start("RETR big.bin")
            ftp.read_all(data, 1 << 16)
        else:
            data = c.start("STOR incoming/aborted")
            data.sendall(pattern(100_000))
            path = f"{server.side.backing}/incoming/aborted"
            eventually(lambda: size(path) == 100_000)
        c.said.append("> urgent ABOR")
        if urgent == "telnet":
            c.sock.sendall(IAC_IP)
            c.sock.send(IAC_DM, socket.MSG_OOB)
            c.sock.sendall(b"ABOR\r\n")
        elif urgent == "synch":
            c.sock.send(IAC_IP + IAC_DM, socket.MSG_OOB)
            c.sock.sendall(b"ABOR\r\n")
        else:
            c.sock.sendall(b"ABOR\r\n", socket.MSG_OOB)
        if verb == "RETR":
            ftp.received(data)
        first = c.reply()
        data.close()
        return first, c.reply(), after(c)
    first, second, (hello, *_) = every(scenario, async_abor_enable="YES")
    # ftplib sends no Telnet signals, and vsftpd does not take the line for an ABOR.
    assert first.startswith("500" if urgent == "ftplib" else "426")
    assert hello == digest(b"hello, world\n")


def size(path):
    try:
        return os.stat(path).st_size
    except FileNotFoundError:
        return -1


@pytest.mark.parametrize("where", ["download", "upload", "listing", "before"])
def test_client_vanishes(every, where):
    def scenario(server):
        idle = len(server.sessions())
        c = ftp.Client(server.port)
        data = None
        if where == "download":
            data = c.start("RETR big.bin")
            ftp.read_all(data, 1 << 18)
        elif where == "upload":
            data = c.start("STOR incoming/half")
            data.sendall(pattern(123_456))
            path = f"{server.side.backing}/incoming/half"
            eventually(lambda: size(path) == 123_456)
        elif where == "listing":
            data = c.start("LIST many")
        if data:
            ftp.reset(data)
        c.vanish()
        left = eventually(lambda: len(server.sessions()) <= idle)
        again = ftp.Client(server.port)
        return left, c.said, again.retr("hello.txt"), again.bye()
    left, *_ = every(scenario)
    assert left


def test_data_connection_vanishes(every):
    """The peer of the data connection only; the session goes on."""
    def scenario(server):
        c = ftp.Client(server.port)
        for _ in range(3):
            data = c.start("RETR big.bin")
            ftp.read_all(data, 1 << 16)
            ftp.reset(data)
            c.reply()
        data = c.start("RETR big.bin")
        data.close()
        c.reply()
        return after(c)
    (hello, *_) = every(scenario)
    assert hello == digest(b"hello, world\n")


def test_idle_timeout(every):
    def scenario(server):
        quiet, busy = ftp.Client(server.port), ftp.Client(server.port)
        got = busy.retr("mid.bin")
        return got, [(c.reply(), c.reply(), c.said) for c in (quiet, busy)]
    _, ends = every(scenario, idle_session_timeout="1")
    assert all(first.startswith("421") for first, *_ in ends)


@pytest.mark.parametrize("what", ["RETR big.bin", "STOR incoming/slow", "LIST many"])
def test_data_timeout(every, what):
    def scenario(server):
        c = ftp.Client(server.port)
        data = c.start(what)
        if what.startswith("STOR"):
            data.sendall(b"and then nothing")
        if what.startswith("LIST"):
            ftp.read_all(data)
        first = c.reply()
        data.close()
        return first, c.reply(), c.said
    first, *_ = every(scenario, data_connection_timeout="1", idle_session_timeout="2")
    assert first[:3] in ("421", "226", "426")


def test_no_data_connection(every):
    """A passive port nobody connects to, and an active one nobody listens on."""
    def scenario(server):
        c = ftp.Client(server.port)
        c.cmd("PASV")
        c.cmd("RETR hello.txt")
        c.cmd("PORT 127,0,0,1,0,1")
        c.cmd("PORT 127,0,0,1,%d,%d" % divmod(harness.free_port(), 256))
        c.cmd("RETR hello.txt")
        c.cmd("RETR hello.txt")
        return after(c)
    every(scenario, accept_timeout="1", connect_timeout="1")


@pytest.mark.parametrize("whom", ["listener", "everybody"])
def test_sigterm_during_transfers(every, whom):
    def scenario(server):
        c = [ftp.Client(server.port) for _ in range(3)]
        data = [x.start("RETR big.bin") for x in c]
        got = [ftp.read_all(d, 1 << 16) for d in data]
        sessions = server.sessions()
        status = server.server.stop()
        if whom == "everybody":
            for pid in sessions:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
            ends = []
            for x, d, g in zip(c, data, got):
                try:
                    whole = ftp.received(d, g)[0] == ftp.BIG
                except ConnectionResetError:
                    whole = False
                ends.append((whole, x.reply()))
            return status, ends
        got = [ftp.received(d, g) for g, d in zip(got, data)]
        return status, got, [(x.finish(d), x.bye()) for x, d in zip(c, data)]
    status, *rest = every(scenario, own=True)
    if whom == "listener":
        assert all(size == ftp.BIG for size, _ in rest[0])
    else:
        # What sends goes on to the end of its file; nobody is left who would say so.
        assert rest[0] == [(True, "")] * 3


def test_sighup(every):
    """Rereads the configuration; sessions stay."""
    def scenario(server):
        c = ftp.Client(server.port)
        first = c.retr("mid.bin")
        os.kill(server.pid, signal.SIGHUP)
        again = ftp.Client(server.port)
        return first, again.retr("mid.bin"), c.retr("mid.bin"), again.bye(), c.bye()
    first, second, third, *_ = every(scenario, own=True)
    assert first == second == third == digest(pattern(200_007, 2))


@pytest.mark.parametrize("user", ["anonymous", ftp.USER])
def test_seccomp_sandbox(every, user):
    """Where the plain one dies of its filter, so must this one; where it serves, this one too."""
    def outcome(server, step):
        c = ftp.Client(server.port, None)
        with contextlib.suppress(ftplib.Error):
            c.sign_in(user)
        result = step(c)
        # Whether the parent's complaint or its end comes first is a matter of timing.
        if c.gone or any("OOPS" in line for line in c.said):
            result = "died"
        c.bye()
        return result, eventually(lambda: not server.sessions())

    def scenario(server):
        return [outcome(server, step) for step in (
            lambda c: c.cmd("PWD"), lambda c: c.cmd("SIZE mine.txt"), lambda c: c.cmd("CWD few"),
            lambda c: c.cmd("MDTM hello.txt"), lambda c: c.retr("hello.txt"),
            lambda c: c.retr("missing"), lambda c: c.listing("LIST few"),
            lambda c: c.cmd("MKD incoming/caged"))]
    got = every(scenario, own=True, seccomp_sandbox="YES")
    assert all(ended for _, ended in got)


def test_one_process_model(every):
    def scenario(server):
        c = ftp.Client(server.port)
        got = [c.retr(n) for n in ("hello.txt", "empty", "mid.bin", "big.bin", "missing")]
        got += [c.retr(f"many/f{i:03d}.dat") for i in range(50)]
        c.store("STOR incoming/one", pattern(5000))
        got.append(c.listing("NLST incoming"))
        return got, c.bye()
    got, _ = every(scenario, local_enable="NO", one_process_model="YES")
    assert got[2] == digest(pattern(200_007, 2)) and got[3][0] == ftp.BIG


def test_transfer_log(every):
    """What is logged, and in which order, apart from times, rates and process numbers."""
    def scenario(server):
        c = ftp.Client(server.port)
        for name in ("hello.txt", "mid.bin", "missing", "secret"):
            c.retr(name)
        c.store("STOR incoming/logged", b"line")
        c.cmd("DELE incoming/logged")
        c.bye()
        eventually(lambda: not server.sessions())
        with open(server.log) as f:
            lines = f.read().splitlines()
        drop = r"^.{24} \[pid \d+\]|\S+Kbyte/sec"
        return [ftp.normal(re.sub(drop, "", x)) for x in lines]
    lines = every(scenario, own=True, log_ftp_protocol="YES")
    assert sum("OK DOWNLOAD" in x for x in lines) == 2
