# SPDX-License-Identifier: MIT
"""Runs `events` with and without the library over the same document root on slow
file systems, and compares what they print. They wait more than they work: several
runs go side by side."""
import contextlib
import itertools
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "zoo"))

from harness import BUILD, lib_env, read_stats, total  # noqa: E402
from zoo import Run, fill  # noqa: E402

EVENTS = BUILD / "tests" / "events" / "events"
DELAY_US = 2000
# Of every open: longer than an event may be kept back, and shorter.
LATE_US, SOON_US = 120000, 40000
BIG = 8 << 20
AT_ONCE = 8     # comparisons, of two processes each
TRIES = 3
LIMIT_S = 30

# How connections may be registered and waited for.
EDGE = "et both rdhup ptr"
SETS = ["lt", EDGE, "et fd epoll_pwait", "oneshot epoll_pwait2", "et oneshot ptr"]
OTHERS = ["poll", "ppoll", "select", "pselect"]
ALL = SETS + OTHERS


def fill_root(directory):
    """f00..f15 as in the zoo, large files, and names that are no files."""
    fill(directory)
    for name in ("late", "soon"):
        (directory / name).mkdir()
    part = bytes((7 * i + i // 251) % 251 for i in range(1 << 16))
    for i in range(2):
        (directory / f"big{i}").write_bytes(b"".join(part[j + i:] + part[:j + i]
                                                     for j in range(BIG >> 16)))
    (directory / "link").symlink_to("f03")
    (directory / "loop").symlink_to("loop")
    (directory / "dangling").symlink_to("nowhere")
    (directory / "empty").touch()
    os.mkfifo(directory / "fifo")


class Place:
    """The document root, and for each run a directory of its own in it."""

    def __init__(self, root, backings):
        self.root, self.backings = Path(root), backings
        self.turns = itertools.count()

    def own(self):
        name = f"own{next(self.turns)}"
        for where, backing in self.backings.items():
            (backing / name).mkdir()
            for i in range(3):
                (backing / name / f"w{i}").write_bytes(b"old" * 1000)
            if where == "main":
                with open(backing / name / "shrinks", "wb") as f:
                    f.truncate(BIG)
        return name


def facts(run, what):
    """What a run says really happened: lines that need not be the same."""
    start = f"~ {what}: "
    return [line[len(start):] for line in run.out.splitlines() if line.startswith(start)]


def told(run):
    return [line for line in run.out.splitlines() if not line.startswith("~ ")]


def assert_held(run):
    """The library has kept events back, and where the program looked, it saw so."""
    assert total(run.stats, "events.held") > 0, run
    seen = facts(run, "held")
    assert not seen or "yes" in seen, run


def assert_put_off(run):
    assert total(run.stats, "events.put_off") > 0, run


def assert_equal(run):
    """Where it is not said what the library does, as long as nobody can tell."""


def _once(place, words, env, stats=None):
    argv = [EVENTS, *words.split(), f"own={place.own()}"]
    try:
        done = subprocess.run(argv, cwd=place.root, env=env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=LIMIT_S)
        out, err, status = done.stdout, done.stderr, done.returncode
    except subprocess.TimeoutExpired as e:
        out, err, status = e.stdout or b"", e.stderr or b"", f"running after {LIMIT_S} s"
    return Run(out.decode(errors="replace"), err.decode(errors="replace"), status,
               read_stats(stats) if stats else [])


def compare(place, words, stats):
    """The run with the library, once it is known to be equal to the one without."""
    with ThreadPoolExecutor(2) as both:
        plain = both.submit(_once, place, words, lib_env(None))
        ours = both.submit(_once, place, words, lib_env(stats=stats), stats)
        plain, ours = plain.result(), ours.result()
    assert plain.status == 0 and "yes" not in facts(plain, "held"), f"without: {plain}"
    assert (ours.status, told(ours), ours.err) == (0, told(plain), plain.err), \
        f"without: {plain}\nwith: {ours}"
    return ours


def each(place, tmp, what, styles, check=assert_held):
    """Compares a command in all styles; fails with all that differ or do not hold."""
    if not EVENTS.exists():
        pytest.skip(f"{EVENTS} is not built (make programs)")

    def one(number, words):
        try:
            for left in reversed(range(TRIES)):
                run = compare(place, words, tmp / f"stats{number}")
                # Equal every time; at work at least once: the library lets a request
                # pass now and then, to measure.
                with contextlib.suppress(*[AssertionError] * bool(left)):
                    check(run)
                    break
        except AssertionError as e:
            return f"--- events {words}: {e}"
        return None
    words = [f"{command} {style}".strip() for command in what.split() for style in styles]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        wrong = [w for w in pool.map(one, range(len(words)), words) if w]
    assert not wrong, f"{len(wrong)} of {len(words)}:\n" + "\n".join(wrong)
