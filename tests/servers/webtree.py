# SPDX-License-Identifier: MIT
"""
The tree that all web servers serve.
"""
import os

import sides

LARGE = 8 << 20


def populate(top):
    put, pattern = sides.put, sides.pattern
    put(f"{top}/small.txt", b"hello, world\n")
    put(f"{top}/empty.txt", b"")
    put(f"{top}/page.html", pattern(4096))
    put(f"{top}/mid.bin", pattern(200_007, 2))
    put(f"{top}/large.bin", pattern(LARGE, 3))
    put(f"{top}/secret.txt", b"not for you", mode=0)
    put(f"{top}/name with blank.txt", b"blank")
    os.symlink("small.txt", f"{top}/link.txt")
    os.symlink("nowhere", f"{top}/dangling.txt")
    os.mkfifo(f"{top}/fifo")
    os.chmod(f"{top}/fifo", 0o666)
    for sub in ("indexed", "listed", "listed/below", "bare", "many", "changing"):
        os.mkdir(f"{top}/{sub}")
    put(f"{top}/indexed/index.html", b"<html>the index</html>\n")
    put(f"{top}/listed/one.txt", b"1")
    put(f"{top}/listed/two.txt", b"22")
    for i in range(200):
        put(f"{top}/many/f{i:03d}.bin", pattern(16_000 + i * 37, i))
    for at, dirs, _ in os.walk(top):
        for d in dirs:
            os.utime(os.path.join(at, d), (sides.OLD, sides.OLD))
    os.utime(top, (sides.OLD, sides.OLD))
