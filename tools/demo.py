#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The main job, to be watched: real servers serve real files from a file system
that takes 2 ms for every answer, to a real client, in turn without and with the
library. Every byte that arrives is compared. Ends with one table, and takes away
everything it started, also when interrupted."""

import contextlib
import hashlib
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests/support"), str(ROOT / "tests/bench")]

import bench_events  # noqa: E402
import eventload  # noqa: E402
import harness  # noqa: E402
import servers  # noqa: E402

DELAY_US = 2000
ROUNDS = 8
SIDES = ("without", "with")
SERVERS = (("vsftpd", servers.vsftpd, "ftp"), ("nginx", servers.nginx, "http"),
           ("busybox httpd", servers.busybox, "http"),
           ("Apache prefork", servers.apache, "http"))


def say(text=""):
    print(text, flush=True)


def colour(code, text):
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return text
    return f"\033[{code}m{text}\033[0m"


# --- the files ---------------------------------------------------------------

def site(rng):
    """A small web site as {path: bytes}: pages, styles, scripts, pictures."""
    words = ("the server waits for its files and the client waits for the server "
             "while nobody does any work at all").split()

    def prose(n):
        return " ".join(rng.choice(words) for _ in range(n))

    files = {}
    for i in range(14):
        body = "\n".join(f"<p>{prose(rng.randrange(60, 200))}.</p>" for _ in range(12))
        files[f"articles/{i:02d}.html"] = (
            f"<!doctype html><title>Article {i}</title><link rel=stylesheet href=../site.css>"
            f"<img src=../img/{i:02d}.jpg>\n{body}\n").encode()
        files[f"img/{i:02d}.jpg"] = b"\xff\xd8\xff\xe0" + rng.randbytes(rng.randrange(8, 90) << 10)
    files["site.css"] = b"".join(b".c%d { margin: %dpx }\n" % (i, i % 40) for i in range(300))
    files["app.js"] = b"".join(b"function f%d(x) { return x + %d }\n" % (i, i) for i in range(900))
    files["data/measurements.csv"] = b"".join(
        b"%d,%.5f\n" % (i, rng.random()) for i in range(15000))
    files["data/archive.tar.gz"] = b"\x1f\x8b" + rng.randbytes(400 << 10)
    return files


def write_site(top, files):
    for path, content in files.items():
        target = top / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


# --- one visit ---------------------------------------------------------------

def fetch_with_curl(curl, scheme, port, where, paths, into):
    """One curl that gets all files one after the other; returns seconds."""
    config = into / "curl.conf"
    config.write_text("".join(
        f'url = "{scheme}://127.0.0.1:{port}/{where}/{p}"\noutput = "{into}/{n}"\n'
        for n, p in enumerate(paths)))
    start = time.perf_counter()
    done = subprocess.run([curl, "-q", "--silent", "--show-error", "--fail", "--noproxy", "*",
                           "--max-time", "60", "-K", config], capture_output=True, text=True,
                          timeout=120)
    took = time.perf_counter() - start
    if done.returncode:
        raise RuntimeError(f"curl: {done.stderr.strip()}")
    return took


def fetch_with_python(make, port, where, paths, into):
    client = servers.CLIENTS[make](port)
    start = time.perf_counter()
    try:
        for n, p in enumerate(paths):
            (into / str(n)).write_bytes(client.get(f"{where}/{p}"))
        return time.perf_counter() - start
    finally:
        client.close()


def visit(make, scheme, port, where, files, work):
    """Gets the whole site once: (files per second, were all bytes right)."""
    curl = harness.find_program("curl")
    into = work / "arrived"
    into.mkdir()
    try:
        paths = list(files)
        if curl:
            took = fetch_with_curl(curl, scheme, port, where, paths, into)
        else:
            took = fetch_with_python(make, port, where, paths, into)
        same = all(hashlib.sha256((into / str(n)).read_bytes()).digest()
                   == hashlib.sha256(files[p]).digest() for n, p in enumerate(paths))
        return len(paths) / took, same
    finally:
        shutil.rmtree(into)


# --- one server --------------------------------------------------------------

def compare(make, scheme, root, files, work):
    """Both sides of one server, in turn: (rates, all bytes right, statistics)."""
    stats = work / "stats"
    rates, same = ([], []), True
    with contextlib.ExitStack() as stack:
        ports = []
        for side, env in zip(SIDES, (harness.lib_env(None),
                                     harness.lib_env("auto", stats=stats))):
            place = work / side
            place.mkdir()
            ports.append(harness.free_port())
            stack.enter_context(make(root, place, ports[-1], env))
        for rnd in range(ROUNDS):
            for side in ((0, 1) if rnd % 2 == 0 else (1, 0)):
                # A copy of its own for each visit, so that nothing is cached.
                rate, right = visit(make, scheme, ports[side], f"{make.__name__}-{rnd}-{side}",
                                    files, work)
                rates[side].append(rate)
                same = same and right
    return rates, same, harness.read_stats(stats)


@contextlib.contextmanager
def file_system(files, work):
    """The document root, slow where that is possible; says which it is."""
    backing = work / "backing"
    for _, make, _ in SERVERS:
        for rnd in range(ROUNDS):
            for side in (0, 1):
                write_site(backing / f"{make.__name__}-{rnd}-{side}", files)
    try:
        fs = harness.slowfs(backing, work / "mnt", DELAY_US)
        mounted = fs.__enter__()
    except harness.Missing as e:
        say(f"No slow file system: {e}. Serving from memory: nothing to gain there.")
        yield backing
        return
    try:
        yield mounted.mountpoint
    finally:
        fs.__exit__(None, None, None)


HEAD = ("server", "files/s without", "files/s with", "ratio", "waits hidden", "bytes identical")


def show(lines, head=HEAD):
    widths = [max(len(line[i]) for line in [head] + lines) for i in range(len(head))]

    def text(line):
        return [c.ljust(w) if i == 0 else c.rjust(w)
                for i, (c, w) in enumerate(zip(line, widths))]

    say()
    say("  " + "  ".join(colour("1", c) for c in text(head)))
    say("  " + "  ".join("-" * w for w in widths))
    for line in lines:
        cells = text(line)
        cells[3] = colour("32" if float(line[3].split()[0]) >= 1 else "31", cells[3])
        if line[5] != "yes":
            cells[5] = colour("31;1", cells[5])
        say("  " + "  ".join(cells))
    say()


# --- many clients, one event loop --------------------------------------------

CLIENTS, CROWD_ROUNDS, CROWD_SECONDS = 64, 3, 1
CROWDS = (("nginx, 1 worker", None), ("lighttpd", eventload.LIGHTTPD))


def crowd(kinds, work):
    """64 clients at once, every file of 16 KiB asked for once; the load client checks
    each answer: (figures of each run) of the two sides."""
    count = eventload.most_files() // 3
    with contextlib.ExitStack() as stack:
        pool = eventload.Pool(work / "files")
        root = stack.enter_context(bench_events.slow(work / "files", work))
        sides = eventload.start(stack, bench_events.BOTH, root, work, kinds)
        for side in sides:
            eventload.ask_pool(side, pool, CLIENTS, 0.5, count)
        for _, side in eventload.rotate(sides, CROWD_ROUNDS, "demo"):
            side.runs.append(eventload.ask_pool(side, pool, CLIENTS, CROWD_SECONDS, count))
    return sides


def show_crowds(notes):
    lines = []
    for title, kinds in CROWDS:
        say(f"  {title} ...")
        try:
            with harness.tmpfs_dir() as work:
                sides = crowd(kinds, work)
        except harness.Missing as e:
            notes.append(f"{title} with {CLIENTS} clients was left out: {e}.")
            continue
        a, b = (statistics.median(s.of("rate")) for s in sides)
        p, q = (statistics.median(s.of("p99_ms")) for s in sides)
        lines.append((title, f"{a:,.0f}", f"{b:,.0f}", f"{b / a:.1f} x", f"{p:,.0f}, {q:,.0f} ms",
                      "yes"))
    if lines:
        show(lines, ("server", "requests/s without", "requests/s with", "ratio",
                     "99 % answered within", "answers right"))
        say(f"  Median of {CROWD_ROUNDS} runs in turn, {CLIENTS} clients, files of 16 KiB, every one "
            "asked for once.")
    return lines


def run():
    if not harness.LIB.exists():
        say(f"demo: {harness.LIB} is not built: run make")
        return 1
    files = site(random.Random(2006))
    size = sum(map(len, files.values()))
    lines, notes, all_same = [], [], True
    with harness.tmpfs_dir() as work, file_system(files, work) as root:
        say(f"{len(files)} files, {size / 1024:,.0f} KiB, every one asked for once a visit; "
            f"each request to the file system takes {DELAY_US / 1000:g} ms.")
        for title, make, scheme in SERVERS:
            place = work / make.__name__
            place.mkdir()
            place.chmod(0o755)
            say(f"  {title} ...")
            try:
                rates, same, stats = compare(make, scheme, root, files, place)
            except harness.Missing as e:
                notes.append(f"{title} was left out: {e}.")
                continue
            a, b = map(statistics.median, rates)
            all_same = all_same and same
            lines.append((title, f"{a:.0f}", f"{b:.0f}", f"{b / a:.2f} x",
                          f"{harness.total(stats, 'futures.settled'):,}", "yes" if same else "NO"))
    if lines:
        show(lines)
        say(f"  Median of {ROUNDS} visits in turn, one client. 'waits hidden': results that were on")
        say("  their way, or there, before the server asked for them (futures settled).\n")
    crowds = show_crowds(notes)
    if not lines and not crowds:
        say("Nothing could be shown:")
    for note in notes:
        say("  " + note)
    return 0 if all_same and (lines or crowds) else 1


def main():
    def terminated(signum, frame):
        # Once: the clean-up that follows must not be interrupted in turn.
        for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(s, signal.SIG_IGN)
        raise KeyboardInterrupt

    for s in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(s, terminated)
    try:
        return run()
    except KeyboardInterrupt:
        say("\ninterrupted; everything has been taken away again")
        return 130


if __name__ == "__main__":
    sys.exit(main())
