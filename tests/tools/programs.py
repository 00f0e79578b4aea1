# SPDX-License-Identifier: MIT
"""
Python programs that walk trees as programs do, run on both sides by name:
programs.py NAME [ARGUMENTS]. Whatever they are told they print.
"""
import hashlib
import os
import stat
import sys


def show(*words):
    print(*(os.fsdecode(w).encode("unicode_escape", "surrogateescape").decode("ascii")
            if isinstance(w, (str, bytes)) else w for w in words))


def attempt(call, *args, **more):
    """The result, or the name of the error."""
    try:
        return call(*args, **more)
    except OSError as e:
        return type(e).__name__


def brief(st):
    if isinstance(st, str):
        return st
    return (oct(st.st_mode), st.st_nlink, st.st_uid, st.st_gid, st.st_mtime_ns,
            0 if stat.S_ISDIR(st.st_mode) else st.st_size)


def digest(path):
    with open(path, "rb") as f:
        data = f.read()
        return len(data), hashlib.sha256(data).hexdigest()[:16], brief(os.fstat(f.fileno()))


def regular(path):
    return stat.S_ISREG(os.lstat(path).st_mode)


def walk(top):
    """os.walk, and every file opened and read."""
    for at, dirs, files in os.walk(os.fsencode(top)):
        show(at, len(dirs), len(files))
        for name in files:
            path = os.path.join(at, name)
            show(path, attempt(digest, path) if regular(path) else attempt(os.readlink, path))


def only(top):
    """os.walk and open, and nothing else: what is not a regular file is known by its name."""
    for at, dirs, files in os.walk(top):
        for name in files:
            if name.startswith("f"):
                with open(os.path.join(at, name), "rb") as f:
                    show(at, name, hashlib.sha256(f.read()).hexdigest()[:16])


def entries(top):
    """os.scandir, with what its entries say by themselves and when they are asked."""
    with os.scandir(os.fsencode(top)) as listing:
        for e in listing:
            show(e.path, e.is_dir(follow_symlinks=False), e.is_symlink(), attempt(e.is_file),
                 attempt(lambda: brief(e.stat(follow_symlinks=False))),
                 attempt(lambda: brief(e.stat())))
            if e.is_dir(follow_symlinks=False):
                attempt(entries, e.path)
            elif e.is_file(follow_symlinks=False):
                show(attempt(digest, e.path))


def by_descriptor(top):
    """os.fwalk, files opened and statted below the directory's descriptor."""
    for at, dirs, files, fd in os.fwalk(os.fsencode(top)):
        for name in sorted(files):
            show(at, name, brief(os.stat(name, dir_fd=fd, follow_symlinks=False)))
            if stat.S_ISREG(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode):
                opener = lambda path, flags: os.open(path, flags, dir_fd=fd)   # noqa: E731
                with open(name, "rb", opener=opener) as f:
                    show(hashlib.sha256(f.read()).hexdigest()[:16])


def back_and_forth(top):
    """Everything read forwards, backwards, and some of it in the middle of a listing."""
    names = sorted(n for n in os.listdir(os.fsencode(top)) if regular(os.path.join(os.fsencode(top), n)))
    for order in (names, names[::-1], names[::3] + names[1::3]):
        for name in order:
            show(name, digest(os.path.join(os.fsencode(top), name)))
            show(attempt(os.stat, os.path.join(os.fsencode(top), b"not-" + name)))


def descriptors(top):
    """Which numbers files get, and which are open while some are."""
    held = []
    for n, name in enumerate(sorted(os.listdir(top))):
        path = os.path.join(top, name)
        if not regular(path):
            continue
        fd = os.open(path, os.O_RDONLY)
        show(name, fd, len(os.read(fd, 1 << 20)))
        if n % 5 == 0:
            held.append(fd)
        else:
            os.close(fd)
        show(sorted(int(d) for d in os.listdir("/proc/self/fd")))


# --- programs that change what they walk through --------------------------------

def _paths(form, top, name, fd):
    """How a name is given: (path, arguments that say below what)."""
    if form == "at":
        return name, {"dir_fd": fd}
    return (name if form == "here" else os.path.join(top, name)), {}


def _read_all(path, below):
    opener = lambda p, flags: os.open(p, flags, **below)   # noqa: E731
    with open(path, "rb", opener=opener) as f:
        return hashlib.sha256(f.read()).hexdigest()[:16], f.seek(0, 2), os.fstat(f.fileno()).st_size


def _write(path, below, data, flags=os.O_WRONLY | os.O_TRUNC):
    fd = os.open(path, flags | os.O_CREAT, 0o640, **below)
    os.write(fd, data)
    os.close(fd)


def _size_and_mode(path, below):
    st = attempt(os.stat, path, follow_symlinks=False, **below)
    return st if isinstance(st, str) else (st.st_size, oct(st.st_mode), st.st_nlink)


def rewrite(top, form):
    """Each file of a directory: stat, rewrite it longer, stat, read back, rename, stat
    under both names, remove; with the names that come later changed now and then."""
    fd = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    if form == "here":
        os.chdir(top)
    names = sorted(os.listdir("." if form == "here" else top))
    for n, name in enumerate(names):
        path, below = _paths(form, top, name, fd)
        new, _ = _paths(form, top, name + ".new", fd)
        later, _ = _paths(form, top, names[(n + 3) % len(names)], fd)
        show(name, _size_and_mode(path, below))
        show("read", attempt(_read_all, path, below))
        _write(path, below, b"longer than before " * (200 + n))
        show("rewritten", _size_and_mode(path, below), attempt(_read_all, path, below))
        _write(path, below, b"and more", os.O_WRONLY | os.O_APPEND)
        show("appended", _size_and_mode(path, below), attempt(_read_all, path, below))
        if n % 4 == 1 and n + 3 < len(names):
            _write(later, below, b"changed before its turn " * n)
        if n % 4 == 3 and n + 3 < len(names):
            os.chmod(later, 0o600, **below)
        if n % 8 == 2 and n + 3 < len(names):
            os.unlink(later, **below)
        rename = {"src_dir_fd": fd, "dst_dir_fd": fd} if below else {}
        os.rename(path, new, **rename)
        show("old name", _size_and_mode(path, below), attempt(_read_all, path, below))
        show("new name", _size_and_mode(new, below), attempt(_read_all, new, below))
        if n % 2:
            os.unlink(new, **below)
            show("removed", _size_and_mode(new, below), attempt(_read_all, new, below))
    show(sorted(os.listdir("." if form == "here" else top)))


def two_passes(top, form):
    """Reads all, changes all without looking, reads all again in the same order."""
    fd = os.open(top, os.O_RDONLY | os.O_DIRECTORY)
    if form == "here":
        os.chdir(top)
    names = os.listdir("." if form == "here" else top)
    for turn in range(3):
        for n, name in enumerate(names):
            path, below = _paths(form, top, name, fd)
            show(turn, name, _size_and_mode(path, below), attempt(_read_all, path, below))
        for n, name in enumerate(names):
            path, below = _paths(form, top, name, fd)
            if n % 3 == turn:
                _write(path, below, b"turn %d of %d " % (turn, n) * (n + 1))
            elif n % 7 == turn:
                attempt(os.unlink, path, **below)
            elif n % 5 == turn:
                attempt(os.truncate, path, 7) if not below else _write(path, below, b"")


if __name__ == "__main__":
    sys.stdout.reconfigure(line_buffering=False)
    globals()[sys.argv[1]](*sys.argv[2:])
