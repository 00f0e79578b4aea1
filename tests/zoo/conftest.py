# SPDX-License-Identifier: MIT
"""The places where the zoo's programs run: one slow and one local file system for
all tests of a session."""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import harness  # noqa: E402
from zoo import DELAY_US, Place  # noqa: E402


@pytest.fixture(scope="session")
def slow_place():
    with harness.tmpfs_dir() as base:
        (base / "backing").mkdir()
        (base / "backing").chmod(0o755)
        with harness.slowfs(base / "backing", base / "mnt", DELAY_US) as fs:
            yield Place(base / "backing", fs.mountpoint, True)


@pytest.fixture(scope="session")
def local_place():
    with harness.tmpfs_dir() as base:
        yield Place(base, base, False)


@pytest.fixture
def shared(tmpfs):
    """A directory that every user can reach, for statistics and logs."""
    tmpfs.chmod(0o777)
    return tmpfs
