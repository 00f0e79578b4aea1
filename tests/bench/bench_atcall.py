# SPDX-License-Identifier: MIT
"""Where the open of a cold file belongs: in place with a WILLNEED behind it, or on
a ring that the caller waits for. docs/ARCHITECTURE.md builds on this."""

import contextlib
import os
import subprocess
import tempfile

import harness
from paired import ratio_row

FILES = {"slowfs 2 ms": 40, "local disk, page cache dropped": 400}


def _case(where, modes, label, top, opts, reset):
    """Rates of two modes of atcall over files that each run has for itself."""
    program = harness.BUILD / "tests/bench/atcall"
    rounds = 3 if opts.quick else opts.rounds
    count = FILES[where]

    def run(variant, rnd):
        first = (rnd * 2 + variant) * count
        reset()
        out = subprocess.run([program, modes[variant], top, str(first), str(count)],
                             capture_output=True, check=True, timeout=120).stdout
        return 1e9 / float(out)

    return ratio_row("atcall", f"{label}, {where}", "files/s", run, rounds,
                     notes=f"{modes[0]} : {modes[1]}")


def _fill(top, opts, count):
    for i in range((3 if opts.quick else opts.rounds) * 2 * count):
        (top / f"f{i}").write_bytes(os.urandom(16384))


def run(opts, skipped):
    rows = []
    cases = ((("plain", "hint"), "window behind the open"), (("hint", "ring"), "open on the ring"))
    for modes, label in cases:
        with harness.tmpfs_dir() as work, contextlib.suppress(harness.Missing):
            (work / "files").mkdir()
            where = "slowfs 2 ms"
            _fill(work / "files", opts, FILES[where])
            with harness.slowfs(work / "files", work / "mnt", 2000) as fs:
                rows.append(_case(where, modes, label, fs.mountpoint, opts, lambda: None))
    if not harness.drop_caches():
        skipped.append("atcall on the local disk: the page cache cannot be dropped without root")
        return rows
    for modes, label in cases:
        with tempfile.TemporaryDirectory(dir=harness.BUILD, prefix="atcall-") as top:
            where = "local disk, page cache dropped"
            _fill(harness.Path(top), opts, FILES[where])
            os.sync()
            rows.append(_case(where, modes, label, top, opts, harness.drop_caches))
    return rows
