# SPDX-License-Identifier: MIT
"""
The two sites that are compared: each a tree behind a slow file system of its
own, a directory on tmpfs with things that are no files, and one outside of all
document roots that nobody may ever open.
"""
import contextlib
import gzip
import os
import stat
import subprocess

import harness
import sides
import webtree
from sides import pattern, put

DELAY_US = 2000

# How long the kernel may keep names and attributes: a second, or not at all.
MOUNTS = {"cached": [], "uncached": ["--entry-timeout", "0", "--attr-timeout", "0"]}

WARM = 24
LONG = "n" * 251 + ".txt"      # as long as a name may be
BELOW = "vhost", "second", "deep/er"


def mark(where):
    """A text that tells from which root it was served."""
    return f"this is {where}\n".encode()


def populate(top):
    webtree.populate(top)
    for sub in ("", *BELOW):
        at = os.path.join(top, sub)
        os.makedirs(f"{at}/warm")
        put(f"{at}/where.txt", mark(sub or "root"))
        for i in range(WARM):
            put(f"{at}/warm/w{i:02d}.txt", pattern(3000 + i, i))
    put(f"{top}/index.html", b"<html>top</html>\n")
    put(f"{top}/second/index.html", b"<html>second</html>\n")
    for name in ("grüße.txt", "plus+sign.txt", "per%cent.txt", "semi;colon.txt", "a?b.txt",
                 "small.txt%2f", "tab\there.txt", LONG):
        put(f"{top}/{name}", name.encode())
    os.symlink("loop-b", f"{top}/loop-a")
    os.symlink("loop-a", f"{top}/loop-b")
    os.symlink("indexed", f"{top}/linked-dir")
    os.mkdir(f"{top}/closed")
    put(f"{top}/closed/x.txt", b"in a directory that is closed to others")
    os.chmod(f"{top}/closed", 0o700)
    os.makedirs(f"{top}/d/e/f/g/h")
    put(f"{top}/d/e/f/g/h/i.txt", b"deep down")
    os.mkdir(f"{top}/unasked")
    os.mkfifo(f"{top}/unasked/fifo")
    os.mkdir(f"{top}/gz")
    put(f"{top}/gz/both.txt", b"packed and not packed" * 100)
    put(f"{top}/gz/both.txt.gz", gzip.compress(b"packed and not packed" * 100, mtime=0))
    put(f"{top}/gz/plain.txt", b"not packed")
    os.mkdir(f"{top}/try")
    put(f"{top}/try/name.txt", b"found by its suffix")
    for sub in ("dav", "dav2", "dav-tmp"):
        os.mkdir(f"{top}/{sub}")
        os.chmod(f"{top}/{sub}", 0o777)
    os.chmod(f"{top}/changing", 0o777)
    for at, dirs, _ in os.walk(top):
        for d in (at, *(os.path.join(at, d) for d in dirs)):
            os.utime(d, (sides.OLD, sides.OLD))


def populate_local(top):
    """What slowfs does not offer: device nodes. On tmpfs, and quick."""
    put(f"{top}/quick.txt", b"quick")
    os.mkdir(f"{top}/unasked")
    for sub in ("", "unasked/"):
        with contextlib.suppress(PermissionError):
            os.mknod(f"{top}/{sub}null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
            os.mknod(f"{top}/{sub}zero", stat.S_IFCHR | 0o666, os.makedev(1, 5))


def certificate(directory):
    """A key and a certificate for it, made by openssl."""
    paths = os.path.join(directory, "key.pem"), os.path.join(directory, "cert.pem")
    subprocess.run([harness.needs("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes",
                    "-days", "2", "-subj", "/CN=127.0.0.1", "-keyout", paths[0], "-out", paths[1]],
                   check=True, timeout=60, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.chmod(paths[0], 0o644)       # for servers that were never root
    return paths


@contextlib.contextmanager
def pair(mount):
    """Yields the two sides, each with its tree, .local, .outside, .tls and .slowfs."""
    with contextlib.ExitStack() as stack:
        top = os.path.realpath(stack.enter_context(harness.tmpfs_dir()))
        tls = certificate(top)
        found = []
        for name in ("bare", "auto"):
            work = os.path.join(top, name)
            backing, root = os.path.join(work, "tree"), os.path.join(work, "mnt")
            for d in (work, backing, root):
                os.mkdir(d)
            populate(backing)
            fs = stack.enter_context(harness.slowfs(backing, root, DELAY_US, MOUNTS[mount]))
            side = sides.Side(name, work, backing, root, mount)
            side.slowfs, side.tls = fs, tls
            side.local, side.outside = os.path.join(work, "local"), os.path.join(work, "outside")
            os.mkdir(side.local)
            populate_local(side.local)
            os.mkdir(side.outside)
            put(f"{side.outside}/secret.txt", b"outside of every document root\n")
            found.append(side)
        yield found
