# SPDX-License-Identifier: MIT
"""The document root of all event-loop tests: a slow file system, with two more mounted
in it on which an open takes long."""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import harness  # noqa: E402
from events import DELAY_US, LATE_US, SOON_US, Place, fill_root  # noqa: E402
from zoo import fill  # noqa: E402


@pytest.fixture(scope="session")
def place():
    with harness.tmpfs_dir() as base:
        fill_root(base / "root")
        backings = {"main": base / "root"}
        for name in ("late", "soon"):
            fill(base / name)
            backings[name] = base / name
        with harness.slowfs(base / "root", base / "mnt", DELAY_US) as root, \
                harness.slowfs(base / "late", root.mountpoint / "late", DELAY_US,
                               ["--delay-open-us", LATE_US]), \
                harness.slowfs(base / "soon", root.mountpoint / "soon", DELAY_US,
                               ["--delay-open-us", SOON_US]):
            yield Place(root.mountpoint, backings)
