# SPDX-License-Identifier: MIT
"""A place on a real disk, for the benchmarks of files that are not in memory."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import harness

DISKS = ("ext2/ext3", "xfs", "btrfs", "f2fs")


@contextlib.contextmanager
def disk_dir(space):
    """A new directory on the disk that the build is on, with so many bytes free."""
    out = harness.BUILD / "bench"
    out.mkdir(parents=True, exist_ok=True)
    kind = subprocess.run(["stat", "-f", "-c", "%T", out], capture_output=True, text=True,
                          check=True, timeout=10).stdout.strip()
    if kind not in DISKS:
        harness.skip(f"{out} is on {kind}, not on a disk file system")
    if shutil.disk_usage(out).free < space:
        harness.skip(f"not enough space in {out}")
    if any(not p.stat().st_mode & 1 for p in (out, *out.parents)):
        harness.skip(f"{out} is closed to the server's user")
    if not harness.drop_caches():
        harness.skip("the page cache cannot be dropped without root")
    with tempfile.TemporaryDirectory(dir=out, prefix="tree-") as top:
        os.chmod(top, 0o755)
        yield Path(top)
