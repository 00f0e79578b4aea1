# SPDX-License-Identifier: MIT
"""The tree that the FTP servers serve: something of everything an FTP server meets."""
import os

import ftp
import sides


def populate(top, big):
    """The served tree. Its root is root's, as vsftpd demands of an anonymous root."""
    put, pattern = sides.put, sides.pattern
    put(f"{top}/hello.txt", b"hello, world\n")
    put(f"{top}/empty", b"")
    put(f"{top}/page", pattern(4096))
    put(f"{top}/mid.bin", pattern(200_007, 2))
    put(f"{top}/lines.txt", b"one\ntwo\r\n\nthree\n" * 9000 + b"no end of line")
    put(f"{top}/secret", b"not for you", mode=0)
    put(f"{top}/name with blank", b"blank")
    os.link(big, f"{top}/big.bin")
    os.symlink("hello.txt", f"{top}/link")
    os.symlink("nowhere", f"{top}/dangling")
    os.mkfifo(f"{top}/fifo")
    os.chmod(f"{top}/fifo", 0o666)
    for sub, count in (("few", 20), ("many", 500)):
        os.mkdir(f"{top}/{sub}")
        for i in range(count):
            put(f"{top}/{sub}/f{i:03d}.dat", pattern(1 + i * 37, i))
    put(f"{top}/few/.message", b"This directory has a few files.\n")
    os.makedirs(f"{top}/few/deep/deeper")
    put(f"{top}/few/deep/deeper/leaf", b"leaf")
    for sub, uid in (("incoming", ftp.UID), ("home", ftp.UID)):
        os.mkdir(f"{top}/{sub}")
        put(f"{top}/{sub}/mine.txt", b"mine\n" * 3000, mode=0o666)
        os.chown(f"{top}/{sub}", uid, uid)
        os.chown(f"{top}/{sub}/mine.txt", uid, uid)
        os.chmod(f"{top}/{sub}", 0o777)
    os.symlink("/etc/services", f"{top}/home/outside")
    for at, dirs, _ in os.walk(top):
        for d in dirs:
            os.utime(os.path.join(at, d), (sides.OLD, sides.OLD))
    os.utime(top, (sides.OLD, sides.OLD))
