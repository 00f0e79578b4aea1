# SPDX-License-Identifier: MIT
"""The USDT probes: those that the page lists are there, and the scripts see them."""
import os
import re
import signal
import subprocess
import time

import pytest

import harness
from harness import LIB, ROOT, needs, skip

PAGE = (ROOT / "docs/PROBES.md").read_text()


def test_page_lists_the_probes():
    notes = subprocess.run(["readelf", "-n", LIB], capture_output=True, text=True, check=True).stdout
    there = set(re.findall(r"Provider: fuse_aio\s+Name: (\w+)", notes))
    assert there == set(re.findall(r"^\| `(\w+)` \|", PAGE, re.M))


def traced(script, env, cwd, *command):
    """What the script prints of a program that it watches from its beginning."""
    if os.geteuid():
        skip("bpftrace needs root")
    bpftrace = needs("bpftrace")
    worker = subprocess.Popen(["sh", "-c", 'read line; exec "$@"', "sh", *command], env=env, cwd=cwd,
                              stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
    trace = subprocess.Popen([bpftrace, "-p", str(worker.pid), ROOT / "docs/bpftrace" / script],
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        said = []
        for line in trace.stdout:
            if line.startswith("Attaching"):
                break
            said.append(line.strip())
        else:
            skip("bpftrace does not work here: " + " ".join(said))
        time.sleep(1)               # it says so before it has done it
        worker.communicate(b"go\n", timeout=60)
        trace.send_signal(signal.SIGINT)
        return trace.communicate(timeout=30)[0]
    finally:
        for process in (worker, trace):
            process.kill()
            process.wait()


def test_chains():
    with harness.tmpfs_dir() as work:
        files = work / "files" / "d"
        files.mkdir(parents=True)
        for i in range(40):
            (files / f"f{i:02d}").write_bytes(b"x" * 5000)
        with harness.slowfs(work / "files", work / "mnt") as fs:
            out = traced("chains.bt", harness.lib_env("auto"), fs.mountpoint, "tar", "-cf", work / "tar", "d")
    adopted = re.search(r"@adopted: (\d+)", out)
    assert adopted and 20 <= int(adopted.group(1)) <= 40, out
    started = re.search(r"@started\[walk\]: (\d+)", out)
    assert started and int(started.group(1)) >= int(adopted.group(1)), out
    assert "@kilocycles[5]" in out


@pytest.mark.parametrize("script", ["held.bt", "fallbacks.bt"])
def test_attaches(script):
    assert "ERROR" not in traced(script, harness.lib_env("auto"), "/", "true")
