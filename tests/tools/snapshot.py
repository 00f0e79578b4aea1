# SPDX-License-Identifier: MIT
"""All that can be seen of a tree when nobody is at work in it."""
import errno
import hashlib
import os
import stat
import time

RECENT_S = 3600


def _holes(path, size):
    """[(start, end) of data]; a file system that tells of none shows one piece."""
    pieces, at = [], 0
    fd = os.open(path, os.O_RDONLY)
    try:
        while at < size:
            start = os.lseek(fd, at, os.SEEK_DATA)
            at = os.lseek(fd, start, os.SEEK_HOLE)
            pieces.append((start, at))
    except OSError as e:
        if e.errno != errno.ENXIO:      # nothing but a hole is left
            raise
    finally:
        os.close(fd)
    return pieces


def _digest(path):
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()[:16]


def _attributes(path):
    try:
        return {n: os.getxattr(path, n, follow_symlinks=False)
                for n in os.listxattr(path, follow_symlinks=False)}
    except OSError:
        return {}


def _when(ns):
    """The files of the trees are years old: what a tool has made now is just new."""
    return "now" if time.time() - ns / 1e9 < RECENT_S else ns


def _one(path, st, holes):
    mode = stat.S_IMODE(st.st_mode)
    owner = (oct(mode), st.st_uid, st.st_gid, _when(st.st_mtime_ns), _attributes(path))
    if stat.S_ISREG(st.st_mode):
        return ("file", *owner, st.st_size, _digest(path),
                _holes(path, st.st_size) if holes else None)
    if stat.S_ISLNK(st.st_mode):
        return ("link", *owner[1:4], os.readlink(path))
    return (stat.S_IFMT(st.st_mode), *owner, st.st_rdev)


def of(top, holes=True, skip=()):
    """name -> what it is, of all below top; `hard links` is the list of groups. Names in
    `skip` are left out, with what is below them."""
    out, groups = {}, {}
    top = os.fsencode(top)
    skip = {os.fsencode(s) for s in skip}
    for at, dirs, files in os.walk(top):
        dirs[:] = [d for d in dirs if d not in skip]
        for name in dirs + [f for f in files if f not in skip]:
            path = os.path.join(at, name)
            rel = os.path.relpath(path, top)
            st = os.lstat(path)
            out[rel] = _one(path, st, holes)
            if st.st_nlink > 1 and not stat.S_ISDIR(st.st_mode):
                groups.setdefault((st.st_dev, st.st_ino), []).append(rel)
    out[b"hard links"] = sorted(sorted(g) for g in groups.values())
    return out


def blocks(top):
    return {os.path.relpath(p, top): os.lstat(p).st_blocks for p in _paths(top)}


def accessed(top):
    """The names whose access time is no longer the one that the tree was made with."""
    return sorted(os.path.relpath(p, top) for p in _paths(top)
                  if _when(os.lstat(p).st_atime_ns) == "now")


def _paths(top):
    for at, dirs, files in os.walk(top):
        for name in dirs + files:
            yield os.path.join(at, name)
