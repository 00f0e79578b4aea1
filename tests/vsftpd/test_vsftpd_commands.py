# SPDX-License-Identifier: MIT
"""
vsftpd's other commands: listings, questions about files, and changes to the
tree, by anonymous, local and guest users, with and without the library.
"""
import ftplib

import pytest

import ftp


def talk(server, lines, user="anonymous"):
    c = ftp.Client(server.port, user)
    for line in lines:
        c.cmd(line)
    return c.bye()


@pytest.mark.parametrize("user", ["anonymous", ftp.USER])
def test_listings(every, user):
    what = ["LIST", "NLST", "LIST few", "NLST few", "LIST -a", "LIST -R few", "LIST -la few",
            "NLST few/f01*", "LIST many", "LIST missing", "LIST hello.txt", "NLST *.txt",
            "LIST few/*.{dat,none}", "MLSD", "MLSD few", "LIST -t few", "LIST -r few"]

    def scenario(server):
        c = ftp.Client(server.port, user)
        return [c.listing(w) for w in what], c.bye()
    got, said = every(scenario)
    assert len(got[8]) == (501 if user == "anonymous" else 1)
    assert said[-1].startswith("< 221")


def test_questions(every):
    lines = [f"{verb} {name}".rstrip() for verb in ("SIZE", "MDTM", "STAT", "MLST")
             for name in ("hello.txt", "empty", "big.bin", "missing", "dangling", "few", "fifo",
                          "secret", "link", "")]
    lines += ["PWD", "SYST", "FEAT", "HELP", "NOOP", "STAT", "SITE HELP", "OPTS UTF8 ON", "MODE B",
              "STRU R", "TYPE L 8", "ALLO 10", "ACCT", "XYZZY", "EPSV ALL"]
    said = every(talk, lines)
    assert "< 213 13" in said
    assert "< 213 20200102030405" in said


@pytest.mark.parametrize("user", ["anonymous", ftp.USER])
def test_changes(every, user):
    top = "incoming/" if user == "anonymous" else ""

    def scenario(server):
        c = ftp.Client(server.port, user)
        c.store(f"STOR {top}victim", b"contents")
        back = ["CDUP"] * len(f"{top}d".split("/"))
        for line in (f"MKD {top}d", f"MKD {top}d", f"MKD {top}d/e", f"CWD {top}d", "PWD", *back,
                     "PWD", f"RMD {top}d", f"RMD {top}d/e", f"RMD {top}d", f"RMD {top}missing",
                     f"RNFR {top}victim", f"RNTO {top}renamed", f"SIZE {top}victim",
                     f"SIZE {top}renamed", f"RNFR {top}missing", f"RNTO {top}x", "RNTO x",
                     f"RNFR {top}renamed", "NOOP", f"RNTO {top}again",
                     f"MDTM 20010203040506 {top}renamed", f"SITE CHMOD 600 {top}renamed",
                     f"DELE {top}renamed", f"DELE {top}renamed", f"DELE {top}again",
                     f"DELE {top}", "DELE hello.txt", "RNFR hello.txt", "RNTO bye.txt", "MKD x",
                     "RMD few", "SITE UMASK 077", "SITE UMASK"):
            c.cmd(line)
        c.store(f"STOR {top}masked", b"contents")
        return c.bye()
    said = every(scenario)
    assert "< 350 Ready for RNTO." in said and "< 250 Rename successful." in said


def test_rename_under_reader(every):
    """Names move between downloads of one session: always the file that is there now."""
    def scenario(server):
        c = ftp.Client(server.port)
        for i in (1, 2):
            c.store(f"STOR incoming/n{i}", b"file %d" % i * 2000 * i)
        got = []
        for _ in range(6):
            got += [c.retr("incoming/n1"), c.retr("incoming/n2")]
            for old, new in (("n1", "n3"), ("n2", "n1"), ("n3", "n2")):
                c.cmd(f"RNFR incoming/{old}")
                c.cmd(f"RNTO incoming/{new}")
        c.cmd("DELE incoming/n1")
        got.append(c.retr("incoming/n1"))
        c.cmd("RNFR incoming/n2")
        c.cmd("RNTO incoming/n1")
        got.append(c.retr("incoming/n1"))
        return got, c.bye()
    got, _ = every(scenario)
    assert got[0] == got[3] == got[4] and got[1] == got[2] == got[5] and got[0] != got[1]
    assert got[-2] is None and got[-1] is not None


def test_directories_and_messages(every):
    said = every(talk, ["CWD few", "PWD", "CWD deep/deeper", "PWD", "SIZE leaf", "CDUP", "CDUP",
                       "PWD", "CWD ..", "CWD ..", "PWD", "CWD missing", "CWD hello.txt",
                       "CWD secret", "CWD ~", "CWD few/deep/../../many", "SIZE f000.dat",
                       "CWD /few", "CWD"])
    assert any("This directory has a few files." in line for line in said)


def test_logins(every):
    def scenario(server):
        said = []
        for user, password in (("ftp", "x"), (ftp.USER, "y"), ("nobody", "x"), ("root", "x"),
                               ("no such user", "x"), ("", "")):
            c = ftp.Client(server.port, None)
            c.cmd("PWD")
            c.cmd("RETR hello.txt")
            c.sign_in(user, password)
            c.cmd("PWD")
            said.append(c.bye())
        return said
    said = every(scenario)
    assert sum("< 230 Login successful." in s for s in said) == 2


def test_login_again(every):
    def scenario(server):
        c = ftp.Client(server.port)
        c.cmd("USER " + ftp.USER)
        c.cmd("PASS x")
        return c.retr("hello.txt"), c.bye()
    every(scenario)


def test_too_many_connections(every):
    def scenario(server):
        clients = [ftp.Client(server.port) for _ in range(2)]
        try:
            ftp.Client(server.port)
            why = None
        except ftplib.Error as e:
            why = str(e)
        return why, [c.bye() for c in clients]
    why, _ = every(scenario, own=True, max_per_ip="2")
    assert why and why.startswith("421")


@pytest.mark.parametrize("options", [
    dict(chroot_local_user="YES", allow_writeable_chroot="YES"),
    dict(chroot_local_user="YES"),
    dict(guest_enable="YES", guest_username=ftp.USER, allow_writeable_chroot="YES"),
], ids=["chroot", "chroot-writable-root", "guest"])
def test_chroot(every, options):
    def scenario(server):
        c = ftp.Client(server.port, ftp.USER)
        said = []
        for name in ("mine.txt", "outside", "/etc/services", "../hello.txt", "mine.txt"):
            said.append(c.retr(name))
        c.store("STOR kept", b"in the cage")
        for line in ("PWD", "CWD ..", "PWD", "SIZE /mine.txt", "DELE kept"):
            c.cmd(line)
        said.append(c.listing("LIST"))
        return said, c.bye()
    got, _ = every(scenario, **options)
    assert not any(got[1:4])


def test_without_chroot(every):
    """The same names, for contrast: here they lead out of the home directory."""
    def scenario(server):
        c = ftp.Client(server.port, ftp.USER)
        return [c.retr(n) for n in ("mine.txt", "../hello.txt", "outside")], c.bye()
    got, _ = every(scenario)
    assert all(got)
