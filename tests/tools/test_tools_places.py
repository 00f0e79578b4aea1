# SPDX-License-Identifier: MIT
"""A few tools on every other kind of file system: each names, stores and caches in
its own way."""
import os
from pathlib import Path

import pytest

import harness
import runs

PROGRAMS = Path(__file__).with_name("programs.py")

READS = {
    "tar": "tar cf $WORK/t.tar tree; tar tf $WORK/t.tar",
    "grep": "grep -r needle tree; du -ab tree",
    "find": "find tree -newer tree/d1/f05 -size -9k -printf '%p %s %m %n\\n'; ls -lR tree",
    "walk": f"/usr/bin/python3 {PROGRAMS} walk tree",
    "cp": "cp -a tree/d0 tree/d2 $WORK/; rsync -aH tree/d1 tree/d2 $WORK/",
}
WRITES = {
    "cp": "cp -a tree/d0 tree/d3 out/; rsync -aH tree/d1 tree/d2 out/; rsync -aHi --delete tree/d0/ out/d1/",
    "mv": "mv tree/d0 out/ && mv tree/d1/f* out/d0/sub/ && ls -R out; rm -r tree/d2/f0*; ls -R tree",
    "rewrite": f"/usr/bin/python3 {PROGRAMS} rewrite tree/d1/sub at; sed -i s/needle/thread/ tree/d2/f1*",
}
MANY = ("disk", "overlay", "xfs", "btrfs", "sshfs", "uncached")


@pytest.mark.on(*MANY)
def test_reads(place, shared):
    harness.needs("rsync")
    for name, command in READS.items():
        runs.alike(place, shared, command, None)
        if name == "tar":
            runs.files_alike(shared, "t.tar")
    runs.works_alike(shared, holes=False)


@pytest.mark.on(*MANY)
def test_writes(place, pair):
    for side in pair:
        os.mkdir(os.path.join(side.root, "out"))
    for command in WRITES.values():
        runs.alike(place, pair, command, None)
    runs.trees_alike(pair, holes=place.name not in ("xfs", "btrfs", "disk"))
