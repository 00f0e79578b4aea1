# SPDX-License-Identifier: MIT
"""Runs `fuse-aio report` and `fuse-aio diff` on recordings that a test has made."""
import json
import os
import subprocess

import harness

TOOL = harness.BUILD / "fuse-aio"


def tool(*args, **more):
    if not TOOL.exists():
        harness.skip(f"{TOOL} is not built")
    env = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "NO_COLOR")}
    return subprocess.run([TOOL, *map(str, args)], capture_output=True, text=True, timeout=60, env=env,
                          **more)


def report(path, *args):
    """Standard output of a report that must work and has nothing to complain about."""
    done = tool("report", *args, path)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def report_json(path, *args):
    return json.loads(report(path, "--format", "json", *args))


def by(items, key):
    return {item[key]: item for item in items}
