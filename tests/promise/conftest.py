# SPDX-License-Identifier: MIT
"""The files that all programs of this suite send."""
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

import harness  # noqa: E402
from promise import Place, fill  # noqa: E402


@pytest.fixture(scope="session")
def place():
    with harness.disk_dir() as base:
        fill(base / "root")
        (base / "runs").mkdir()
        yield Place(base / "root", base / "runs")
