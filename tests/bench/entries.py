# SPDX-License-Identifier: MIT
"""Kernel entries of a running server, counted by perf while it is asked for files.

Not by strace: it makes a call that waits of every call, 100 us and more, and the
library then does for files in memory what it does for those on a slow file system."""

import contextlib
import json
import os
import signal
import subprocess

import eventload
import harness

EVENT = "raw_syscalls:sys_enter"
TIMEOUT = 20


class Perf:
    """perf stat on processes and what they will fork, told when to count."""

    def __init__(self, pids):
        ours, self.answers = os.pipe(), os.pipe()
        self.orders = ours[1]
        self.proc = subprocess.Popen(
            [harness.needs("perf"), "stat", "-x,", "-D", "-1", "--control",
             f"fd:{ours[0]},{self.answers[1]}", "-e", EVENT, "-p",
             ",".join(map(str, pids))], pass_fds=(ours[0], self.answers[1]),
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        os.close(ours[0])
        os.close(self.answers[1])

    def order(self, what):
        """Returns when it is done."""
        with contextlib.suppress(BrokenPipeError):
            os.write(self.orders, what + b"\n")
        if not os.read(self.answers[0], 16).startswith(b"ack"):
            harness.skip("perf cannot count: " + (self.proc.stderr.read().strip() or "no answer"))

    def close(self):
        """The entries that were counted; stops it."""
        self.proc.send_signal(signal.SIGINT)
        text = self.proc.communicate(timeout=TIMEOUT)[1]
        os.close(self.orders)
        os.close(self.answers[0])
        return sum(int(line.split(",")[0]) for line in text.splitlines()
                   if EVENT in line and line[0].isdigit())


def per_file(server, port, connections, seconds, size):
    """Entries per file over so many seconds; the files are those of
    eventload.write_files() below /hot/."""
    perf = Perf([server.pid, *eventload.children(server.pid)])
    try:
        perf.order(b"enable")
        done = subprocess.run(
            [harness.BUILD / "tests/bench/httpload", "-c", str(connections), "-t", str(seconds),
             "-m", "100", "-l", str(size), str(port)], capture_output=True, text=True,
            errors="replace", timeout=60)
        perf.order(b"disable")
    finally:
        count = perf.close()
    if done.returncode:
        raise RuntimeError(done.stderr.strip())
    return count / json.loads(done.stdout)["all"]["requests"]
