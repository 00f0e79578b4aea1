# SPDX-License-Identifier: MIT
"""slowfs is what everything else is measured on: it must pass through exactly,
answer as late as it was told, take any number of requests at once, fail where
asked to, and leave nothing behind."""

import contextlib
import errno
import fcntl
import json
import os
import random
import signal
import stat
import subprocess
import threading
import time

import pytest

import harness


def describe(top):
    """Everything about a tree that a pass-through may not change."""
    found, links = {}, {}
    for base, dirs, files in os.walk(top):
        for name in sorted(dirs + files):
            path = os.path.join(base, name)
            st = os.lstat(path)
            entry = [stat.filemode(st.st_mode), st.st_uid, st.st_gid, st.st_nlink,
                     st.st_mtime_ns if not stat.S_ISDIR(st.st_mode) else 0]
            if stat.S_ISREG(st.st_mode):
                with open(path, "rb") as f:
                    entry += [st.st_size, f.read()]
                with contextlib.suppress(OSError):
                    entry.append({a: os.getxattr(path, a) for a in os.listxattr(path)})
            elif stat.S_ISLNK(st.st_mode):
                entry.append(os.readlink(path))
            # Hard links: which names belong together, not their numbers.
            entry.append(links.setdefault((st.st_dev, st.st_ino), os.path.relpath(path, top)))
            found[os.path.relpath(path, top)] = entry
    return found


def random_changes(top, seed, steps=400):
    """The same calls for the same seed; what they return, as a list."""
    rng = random.Random(seed)
    names = [f"{d}{n}" for d in ("", "d1/", "d2/", "d1/d3/") for n in "abcdef"]
    log = []

    def write(path):
        flags = rng.choice([os.O_CREAT, os.O_CREAT | os.O_TRUNC, os.O_CREAT | os.O_EXCL,
                            os.O_CREAT | os.O_APPEND, os.O_APPEND, 0])
        mode = rng.choice([0o644, 0o600, 0o666, 0o755])
        data = rng.randbytes(rng.choice([0, 1, 4095, 4096, 5000, 200000]))
        fd = os.open(path, os.O_RDWR | flags, mode)
        try:
            return os.write(fd, data), os.fstat(fd).st_size, os.pread(fd, 100, 50)
        finally:
            os.close(fd)

    def attributes(path):
        os.utime(path, ns=(1, rng.randrange(10**18)), follow_symlinks=False)
        os.setxattr(path, "user.k", rng.randbytes(20), follow_symlinks=False)

    calls = [
        write, write, write, attributes, os.mkdir, os.unlink, os.rmdir,
        lambda p: os.rename(p, os.path.join(top, rng.choice(names))),
        lambda p: os.link(p, os.path.join(top, rng.choice(names)), follow_symlinks=False),
        lambda p: os.symlink(rng.choice(names), p),
        lambda p: os.chmod(p, rng.choice([0o600, 0o644, 0o751])),
        lambda p: os.truncate(p, rng.choice([0, 10, 4096, 9999])),
        lambda p: os.mkfifo(p + ".fifo", 0o640),
        lambda p: sorted(os.listdir(p)),
        os.readlink,
        lambda p: open_read(p),
    ]

    def open_read(path):
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            return os.read(fd, 300000)
        finally:
            os.close(fd)

    for _ in range(steps):
        path = os.path.join(top, rng.choice(names))
        try:
            log.append(rng.choice(calls)(path))
        except OSError as e:
            log.append(errno.errorcode[e.errno])
    for base, dirs, files in os.walk(top):
        for name in files + dirs:
            os.utime(os.path.join(base, name), ns=(5, 5), follow_symlinks=False)
    return log


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("args", [[], ["--entry-timeout", "0", "--attr-timeout", "0"],
                                  ["--readdirplus", "--keep-cache"]])
def test_same_results_and_same_tree_as_plain_directory(slow, tmpfs, seed, args):
    fs = slow(delay_us=0, args=args)
    for top in (tmpfs, fs.mountpoint):
        os.mkdir(top / "d1")
        os.mkdir(top / "d2")
        os.mkdir(top / "d1/d3")
    plain = random_changes(str(tmpfs), seed)
    through = random_changes(str(fs.mountpoint), seed)
    assert through == plain
    assert any(isinstance(x, str) for x in plain) and any(isinstance(x, bytes) for x in plain)
    wanted = describe(tmpfs)
    assert describe(fs.backing) == wanted
    assert describe(fs.mountpoint) == wanted


def test_requests_of_one_file(slow):
    fs = slow(delay_us=0)
    (fs.backing / "f").write_bytes(b"x" * 16384)
    before = fs.counts()
    fd = os.open(fs.mountpoint / "f", os.O_RDONLY)
    assert os.read(fd, 16384) == b"x" * 16384
    os.close(fd)
    harness.wait_until(lambda: fs.counts()["release"] == 1)
    after = fs.counts()
    used = {k: after[k] - before[k] for k in after if after[k] != before[k]}
    used.pop("getattr", None)
    assert used == {"lookup": 1, "open": 1, "read": 1, "flush": 1, "release": 1}


def call_for(op, mnt):
    """A call that waits for one request of this kind; (prepare, call)."""
    f, d = mnt / "f", mnt / "d"

    def opened():
        return os.open(f, os.O_RDWR)

    return {
        "lookup": (lambda: None, lambda _: os.stat(mnt / "g")),
        "getattr": (lambda: os.stat(f), lambda _: os.stat(f)),
        "setattr": (lambda: None, lambda _: os.chmod(f, 0o600)),
        "open": (lambda: None, lambda _: os.close(opened())),
        "read": (opened, lambda fd: os.pread(fd, 10, 0)),
        "write": (opened, lambda fd: os.pwrite(fd, b"x", 0)),
        "flush": (opened, os.close),
        "opendir": (lambda: None, lambda _: os.close(os.open(d, os.O_DIRECTORY))),
        "readdir": (lambda: None, lambda _: os.listdir(d)),
        "create": (lambda: None, lambda _: os.close(os.open(mnt / "n", os.O_CREAT | os.O_RDWR))),
        "mkdir": (lambda: None, lambda _: os.mkdir(mnt / "n")),
        "unlink": (lambda: None, lambda _: os.unlink(f)),
        "statfs": (lambda: None, lambda _: os.statvfs(mnt)),
        "symlink": (lambda: None, lambda _: os.symlink("x", mnt / "n")),
    }[op]


@pytest.mark.parametrize("spelling", ["--delay-op", "--delay-OP-us"])
@pytest.mark.parametrize("op", ["lookup", "getattr", "setattr", "open", "read", "write", "flush",
                                "opendir", "readdir", "create", "mkdir", "unlink", "statfs",
                                "symlink"])
def test_each_operation_waits_and_others_do_not(slow, op, spelling):
    delay = 0.4
    us = str(int(delay * 1e6))
    option = ["--delay-op", f"{op}={us}"] if spelling == "--delay-op" else [f"--delay-{op}-us", us]
    fs = slow(delay_us=0, args=option + ["--attr-timeout", "0"])
    (fs.backing / "f").write_bytes(b"abc")
    (fs.backing / "g").write_bytes(b"abc")
    (fs.backing / "d").mkdir()
    prepare, call = call_for(op, fs.mountpoint)
    value = prepare()
    before = fs.counts()[op]
    start = time.monotonic()
    call(value)
    took = time.monotonic() - start
    if op in ("read", "write"):
        os.close(value)
    # Only the lower bound can be relied on, and it is the one that counts.
    requests = fs.counts()[op] - before
    assert requests >= 1
    assert took >= delay


@pytest.mark.parametrize("others", [0, 20000])
def test_shorter_delays_overtake(slow, others):
    fs = slow(delay_us=others, args=["--delay-op", "read=1500000"])
    (fs.backing / "f").write_bytes(b"abc")
    done = threading.Event()

    def reader():
        (fs.mountpoint / "f").read_bytes()
        done.set()

    t = threading.Thread(target=reader)
    t.start()
    harness.wait_until(lambda: fs.counts()["read"] == 1)
    os.listdir(fs.mountpoint)
    assert not done.is_set()
    t.join(20)
    assert done.is_set()


@pytest.mark.parametrize("op", ["lookup", "open"])
def test_any_number_at_once_in_one_directory(slow, op):
    fs = slow(delay_us=0, args=["--delay-op", f"{op}=3000000"])
    for i in range(40):
        (fs.backing / f"f{i}").write_bytes(b"abc")
    finished = []

    def opener(i):
        os.close(os.open(fs.mountpoint / f"f{i}", os.O_RDONLY))
        finished.append(i)

    threads = [threading.Thread(target=opener, args=(i,)) for i in range(40)]
    for t in threads:
        t.start()
    harness.wait_until(lambda: fs.counts()[op] == 40)
    assert not finished
    for t in threads:
        t.join(30)
    assert len(finished) == 40


def test_timeouts(slow):
    for args, again in (([], 0), (["--entry-timeout", "0", "--attr-timeout", "0"], 1)):
        fs = slow(delay_us=0, args=["--entry-timeout", "1000", "--attr-timeout", "1000"] + args)
        (fs.backing / "f").write_bytes(b"abc")
        os.stat(fs.mountpoint / "f")
        before = fs.counts()
        os.stat(fs.mountpoint / "f")
        assert fs.counts()["lookup"] - before["lookup"] == again


def test_keep_cache(slow):
    for args, reads in (([], 2), (["--keep-cache"], 1)):
        fs = slow(delay_us=0, args=args)
        (fs.backing / "f").write_bytes(b"abc")
        for _ in range(2):
            assert (fs.mountpoint / "f").read_bytes() == b"abc"
        assert fs.counts()["read"] == reads


def test_readdirplus_only_when_asked_for(slow):
    for args, plus in (([], False), (["--readdirplus"], True)):
        fs = slow(delay_us=0, args=args)
        for i in range(300):
            (fs.backing / f"f{i}").write_bytes(b"abc")
        with os.scandir(fs.mountpoint) as it:
            assert sorted(e.name for e in it) == sorted(f"f{i}" for i in range(300))
        assert (fs.counts()["readdirplus"] > 0) == plus


def test_nth_read_fails(slow):
    fs = slow(delay_us=0, args=["--fail-read", "2"])
    for name in "abc":
        (fs.backing / name).write_bytes(b"data")
    # Unbuffered and of odd size, so that each is exactly one request.
    results = []
    for name in "abc":
        fd = os.open(fs.mountpoint / name, os.O_RDONLY | os.O_DIRECT)
        try:
            results.append(os.pread(fd, 4096, 0))
        except OSError as e:
            results.append(e.errno)
        os.close(fd)
    assert results == [b"data", errno.EIO, b"data"]


def test_nth_open_fails(slow):
    fs = slow(delay_us=0, args=["--fail-open", "2"])
    (fs.backing / "a").write_bytes(b"data")
    results = []
    for _ in range(3):
        try:
            results.append((fs.mountpoint / "a").read_bytes())
        except OSError as e:
            results.append(e.errno)
    assert results == [b"data", errno.ENOENT, b"data"]


def test_nth_read_is_short(slow):
    fs = slow(delay_us=0, args=["--short-read", "2", "--attr-timeout", "0"])
    (fs.backing / "a").write_bytes(b"0123456789")
    # The kernel takes a short answer for the end of the file until it asks again.
    results = []
    for _ in range(3):
        fd = os.open(fs.mountpoint / "a", os.O_RDONLY)
        results.append(os.pread(fd, 4096, 0))
        os.close(fd)
    assert results == [b"0123456789", b"01234", b"0123456789"]


def test_unlinked_file_stays_readable(slow):
    fs = slow(delay_us=0)
    (fs.mountpoint / "a").write_bytes(b"data")
    with open(fs.mountpoint / "a", "rb") as f:
        os.unlink(fs.mountpoint / "a")
        assert not (fs.backing / "a").exists()
        assert f.read() == b"data"
        assert os.fstat(f.fileno()).st_nlink == 0


def test_locks_are_local(slow):
    fs = slow(delay_us=0)
    (fs.backing / "a").write_bytes(b"data")
    with open(fs.mountpoint / "a", "r+b") as f, open(fs.mountpoint / "a", "r+b") as g:
        fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with pytest.raises(BlockingIOError):
            fcntl.flock(g, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.lockf(f, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_holes_and_large_files(slow):
    fs = slow(delay_us=0)
    data = random.Random(1).randbytes(3 << 20)
    path = fs.mountpoint / "big"
    with open(path, "wb") as f:
        f.seek(4 << 20)
        f.write(data)
    with open(path, "rb") as f:
        assert os.lseek(f.fileno(), 0, os.SEEK_DATA) == 4 << 20
        f.seek(0)
        assert f.read() == bytes(4 << 20) + data
    assert (fs.backing / "big").read_bytes() == bytes(4 << 20) + data
    fd = os.open(path, os.O_RDWR)
    os.posix_fallocate(fd, 0, 8 << 20)
    os.close(fd)
    assert os.stat(fs.backing / "big").st_size == 8 << 20


def test_directory_position(slow):
    fs = slow(delay_us=0)
    for i in range(1000):
        (fs.backing / f"file-with-a-long-name-{i:04}").write_bytes(b"")
    names = sorted(os.listdir(fs.backing))
    fd = os.open(fs.mountpoint, os.O_RDONLY)
    first = os.listdir(fd)
    os.lseek(fd, 0, os.SEEK_SET)
    again = os.listdir(fd)
    os.close(fd)
    assert sorted(first) == names and sorted(again) == names


@pytest.mark.root
def test_other_users_get_what_is_theirs(slow):
    fs = slow(delay_us=0)
    fs.backing.chmod(0o777)
    (fs.backing / "secret").write_bytes(b"x")
    (fs.backing / "secret").chmod(0o600)
    (fs.backing / "group").mkdir()
    os.chown(fs.backing / "group", 0, 4242)
    (fs.backing / "group").chmod(0o2777)
    script = (f"cd {fs.mountpoint}; umask 022; echo a > file; mkdir dir; ln -s x link;"
              f"mkfifo fifo; echo b > group/file; cat secret; echo status $?")
    out = subprocess.run(["sh", "-c", script], user=65534, group=65534, extra_groups=[],
                         capture_output=True, text=True, timeout=30)
    assert "Permission denied" in out.stderr and "status 1" in out.stdout
    made = {n: os.lstat(fs.backing / n) for n in ("file", "dir", "link", "fifo", "group/file")}
    assert {n: st.st_uid for n, st in made.items()} == dict.fromkeys(made, 65534)
    assert {n: st.st_gid for n, st in made.items()} == {**dict.fromkeys(made, 65534),
                                                        "group/file": 4242}
    assert stat.S_IMODE(made["file"].st_mode) == 0o644


def test_forgotten_files_hold_no_descriptors(slow):
    fs = slow(delay_us=0)

    def descriptors():
        return len(os.listdir(f"/proc/{fs.pid}/fd"))

    for i in range(300):
        (fs.mountpoint / f"f{i}").write_bytes(b"x")
    assert descriptors() >= 300
    for i in range(300):
        os.unlink(fs.mountpoint / f"f{i}")
    harness.wait_until(lambda: descriptors() < 50, what="descriptors")


def start(*args):
    if not harness.SLOWFS.exists():
        pytest.skip(f"{harness.SLOWFS} is not built")
    return subprocess.Popen([str(harness.SLOWFS), *map(str, args)], stderr=subprocess.PIPE,
                            text=True)


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signal_unmounts_even_in_use(slow, tmp_path, sig):
    fs = slow(delay_us=0, args=["--counts", tmp_path / "counts", "--delay-op", "read=60000000"])
    (fs.backing / "a").write_bytes(b"data")
    arrived = []

    def reader():
        fd = os.open(fs.mountpoint / "a", os.O_RDONLY)
        arrived.append(os.read(fd, 100))
        with contextlib.suppress(OSError):      # the mount may be gone by now
            os.close(fd)

    blocked = threading.Thread(target=reader)
    blocked.start()
    harness.wait_until(lambda: fs.counts()["read"] == 1)
    fs.proc.send_signal(sig)
    assert fs.proc.wait(20) == 0
    # Its answer came at once instead of after a minute.
    blocked.join(20)
    assert arrived == [b"data"]
    assert not os.path.ismount(fs.mountpoint)
    assert json.loads((tmp_path / "counts").read_text())["read"] == 1


def test_ends_by_itself_when_unmounted(slow):
    fs = slow(delay_us=0)
    subprocess.run([harness.needs("fusermount3"), "-u", fs.mountpoint], check=True, timeout=20)
    assert fs.proc.wait(20) == 0


BAD = [
    ([], "backing directory and a mount point"),
    (["one"], "backing directory and a mount point"),
    (["a", "b", "c"], "backing directory and a mount point"),
    (["--delay-us", "x", ".", "."], "--delay-us: 'x'"),
    (["--delay-us", "-1", ".", "."], "--delay-us: '-1'"),
    (["--delay-us", "99999999999999999999", ".", "."], "--delay-us"),
    (["--delay-op", "read", ".", "."], "OP=MICROSECONDS"),
    (["--delay-op", "rad=5", ".", "."], "'rad'"),
    (["--delay-op", "forget=5", ".", "."], "'forget'"),
    (["--delay-rad-us", "5", ".", "."], "'--delay-rad-us'"),
    (["--entry-timeout", "soon", ".", "."], "--entry-timeout: 'soon'"),
    (["--attr-timeout", "-1", ".", "."], "--attr-timeout: '-1'"),
    (["--max-background", "70000", ".", "."], "--max-background"),
    (["--fail-read", "", ".", "."], "--fail-read"),
    ([".", ".", "--counts"], "'--counts'"),
    (["/nonexistent/backing", "."], "/nonexistent/backing"),
    ([".", "/nonexistent/mnt"], "/nonexistent/mnt"),
    (["/etc/passwd", "."], "/etc/passwd"),
]


@pytest.mark.parametrize("args,text", BAD, ids=[" ".join(a) or "none" for a, _ in BAD])
def test_bad_options_get_one_clear_line(args, text):
    p = start(*args)
    _, err = p.communicate(timeout=20)
    assert p.returncode == 2
    assert err.startswith("slowfs: ") and err.count("\n") == 1
    assert text in err


def test_help():
    if not harness.SLOWFS.exists():
        pytest.skip(f"{harness.SLOWFS} is not built")
    out = subprocess.run([str(harness.SLOWFS), "--help"], capture_output=True, text=True,
                         timeout=20)
    assert out.returncode == 0 and "--delay-us" in out.stdout
