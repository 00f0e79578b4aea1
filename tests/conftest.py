# SPDX-License-Identifier: MIT
"""Shared by all pytest drivers: the path to the harness, a time limit on every
test, an orderly end on SIGTERM, and the fixtures most of them need."""

import contextlib
import os
import signal
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent / "support"))

import harness  # noqa: E402

DEFAULT_LIMIT = 120


def pytest_configure(config):
    config.addinivalue_line("markers",
                            f"limit(seconds): time limit of a test, {DEFAULT_LIMIT} s if not given")
    config.addinivalue_line("markers", "root: needs root")

    # Whoever runs the tests in the background or under nohup ignores some, and what
    # they start would inherit that.
    for ignored in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        if signal.getsignal(ignored) == signal.SIG_IGN:
            signal.signal(ignored, signal.SIG_DFL)

    # As on Ctrl-C: the context managers unwind, so mounts and servers go away.
    def terminated(signum, frame):
        raise KeyboardInterrupt
    signal.signal(signal.SIGTERM, terminated)


class OutOfTime(BaseException):
    """Not an Exception: a test's own `except Exception` must not swallow it."""


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    marker = item.get_closest_marker("limit")
    seconds = marker.args[0] if marker else DEFAULT_LIMIT

    def expired(signum, frame):
        raise OutOfTime(f"test was still running after {seconds} s")

    before = signal.signal(signal.SIGALRM, expired)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def pytest_runtest_setup(item):
    if item.get_closest_marker("root") and os.geteuid() != 0:
        pytest.skip("needs root")


@pytest.fixture
def tmpfs():
    """A directory on tmpfs."""
    with harness.tmpfs_dir() as path:
        yield path


@pytest.fixture
def library():
    """Path of the library; skips where it is not built."""
    if not harness.LIB.exists():
        pytest.skip(f"{harness.LIB} is not built")
    return harness.LIB


@pytest.fixture
def slow():
    """slow(delay_us=2000, args=[]) mounts a slow file system over a new directory
    on tmpfs; .backing and .mountpoint, unmounted at the end of the test. Both can be
    reached by every user, which pytest's own tmp_path cannot."""
    with contextlib.ExitStack() as stack:
        def mount(delay_us=2000, args=()):
            base = stack.enter_context(harness.tmpfs_dir())
            backing = base / "backing"
            backing.mkdir()
            fs = stack.enter_context(harness.slowfs(backing, base / "mnt", delay_us, args))
            fs.backing = backing
            return fs

        yield mount
