# SPDX-License-Identifier: MIT
"""The trees that the tools work on. Two made by the same function are equal in all
that tools show, but for inode numbers and times of change."""
import contextlib
import functools
import gzip
import os
import random
import stat

from sides import OLD, pattern

SIZES = (0, 1, 100, 4096, 5000, 20000, 70000)
BIG = 3 << 20
LARGE = 1500

ODD_NAMES = [b"with space", b"new\nline", "ünïcödé-日本".encode(), b"n" * 255, b"-dash",
             b"back\\slash", b".hidden", b"tab\there", b"'quoted\"", b"not-utf8-\xff\xfe",
             b"*", b"$(echo no)"]


@functools.lru_cache(None)
def text(i, size):
    """Lines, some of which have the word that grep looks for."""
    lines = b"".join(b"line %d of file %d%s\n" % (n, i, b" needle" * ((n + i) % 37 == 0))
                     for n in range(size // 12))
    return lines[:size]


@functools.lru_cache(None)
def content(i, size):
    return text(i, size) if i % 3 else pattern(size, i)


def put(path, data, mode=0o644):
    with open(path, "wb") as f:
        f.write(data)
    os.chmod(path, mode)


def _special(top):
    os.mkfifo(f"{top}/fifo", 0o600)
    os.mknod(f"{top}/socket", 0o666 | stat.S_IFSOCK)
    os.symlink("sub/f10", f"{top}/good")
    os.symlink("nowhere/at/all", f"{top}/dangling")
    os.symlink("loop2", f"{top}/loop1")
    os.symlink("loop1", f"{top}/loop2")
    os.symlink(".", f"{top}/self")
    os.symlink("../d0", f"{top}/directory")


def _links(top):
    put(f"{top}/d1/first", pattern(9000, 77))
    os.link(f"{top}/d1/first", f"{top}/d1/second")
    os.link(f"{top}/d1/first", f"{top}/d2/third")


def _sparse(path):
    with open(path, "wb") as f:
        f.write(b"head" * 1000)
        f.seek(1 << 20)
        f.write(b"middle" * 1000)
        f.truncate(2 << 20)


def _kinds(top):
    """What file(1) tells apart."""
    put(f"{top}/a.gz", gzip.compress(text(1, 5000), mtime=0))
    put(f"{top}/b.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x10\0\0\0\x10\x08\6\0\0\0\x1f\xf3\xffa")
    put(f"{top}/c.sh", b"#!/bin/sh\necho hello\n", 0o755)
    put(f"{top}/d.c", b"#include <stdio.h>\nint main(void)\n{\n\treturn 0;\n}\n")
    put(f"{top}/e.tar", b"ustar-name".ljust(257, b"\0") + b"ustar\00000".ljust(255, b"\0"))


def _attributes(top):
    for i in range(4):
        with contextlib.suppress(OSError):      # not all file systems have them
            os.setxattr(f"{top}/d0/sub/f1{i}", "user.note", b"value %d" % i)
    os.chmod(f"{top}/d0/sub/f10", 0o4755)
    os.chmod(f"{top}/d0/sub/f11", 0o400)
    os.chmod(f"{top}/d0/sub/f12", 0)
    if os.geteuid() == 0:
        os.chown(f"{top}/d0/sub/f13", 1234, 4321)
        os.lchown(f"{top}/d3/dangling", 1234, 4321)


def age(top):
    """Times in the past, each another one; directories after what is in them."""
    n = 0
    for at, dirs, files in os.walk(os.fsencode(top), topdown=False):
        for name in sorted(files + dirs):
            path = os.path.join(at, name)
            n += 1
            when = (OLD + n) * 10**9 + 123456789 * (n % 7)
            os.utime(path, ns=(when, when), follow_symlinks=False)
    os.utime(top, (OLD, OLD))


def plain(base):
    """base/tree: about 150 names in 8 directories, three deep, of every kind."""
    top = f"{base}/tree"
    os.mkdir(top)
    for i in range(4):
        os.mkdir(f"{top}/d{i}")
        os.mkdir(f"{top}/d{i}/sub")
        for j in range(12):
            put(f"{top}/d{i}/f{j:02}", content(i * 12 + j, SIZES[j % len(SIZES)]))
        for j in range(10, 20):
            put(f"{top}/d{i}/sub/f{j}", content(i * 7 + j, SIZES[(i + j) % 5]))
    os.mkdir(f"{top}/d3/sub/deep")
    os.mkdir(f"{top}/d3/closed")
    for name in ODD_NAMES:
        put(os.path.join(os.fsencode(f"{top}/d3/sub/deep"), name), name * 20)
    put(f"{top}/d3/closed/inside", b"needle\n")
    put(f"{top}/big", content(0, BIG))
    _sparse(f"{top}/sparse")
    _special(f"{top}/d3")
    _links(top)
    _kinds(f"{top}/d2/sub")
    _attributes(top)
    age(top)
    os.chmod(f"{top}/d3/closed", 0)
    os.utime(f"{top}/d3/closed", (OLD, OLD))


def regular(base):
    """base/tree: regular files only, in two directories: what everybody reads to the end."""
    top = f"{base}/tree"
    os.mkdir(top)
    for d in range(2):
        os.mkdir(f"{top}/d{d}")
        for i in range(40):
            put(f"{top}/d{d}/f{i:02}", text(i, 300 + 700 * (i % 9)))
    age(top)


def large(base, n=LARGE, size=200):
    """base/large: one directory of many small files, made in no order."""
    top = f"{base}/large"
    os.mkdir(top)
    order = list(range(n))
    random.Random(7).shuffle(order)
    for i in order:
        with open(f"{top}/file-{i:05}", "wb") as f:
            f.write(text(i, size + i % 100))
        os.utime(f"{top}/file-{i:05}", (OLD + i, OLD + i))
    os.utime(top, (OLD, OLD))


def deep(base, levels=100, name="level"):
    """base/deep: directories in each other, a file in each. Made step by step, for
    the whole path may be longer than the kernel takes."""
    at = os.open(base, os.O_RDONLY | os.O_DIRECTORY)
    name_at = "deep"
    for i in range(levels):
        os.mkdir(name_at, 0o755, dir_fd=at)
        below = os.open(name_at, os.O_RDONLY | os.O_DIRECTORY, dir_fd=at)
        os.close(at)
        at, name_at = below, f"{name}-{i:03}"
        fd = os.open("file", os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=at)
        os.write(fd, text(i, 1000))
        os.utime(fd, (OLD + i, OLD + i))
        os.close(fd)
    os.close(at)


def fifos(base, n=40):
    """base/tree: a FIFO among the files now and then."""
    top = f"{base}/tree"
    os.mkdir(top)
    for i in range(n):
        if i % 8 == 5:
            os.mkfifo(f"{top}/f{i:02}")
        else:
            put(f"{top}/f{i:02}", text(i, 2000))
    age(top)
