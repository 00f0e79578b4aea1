# SPDX-License-Identifier: MIT
"""Servers on files that are in memory: there is nothing to gain, and the library
must cost next to nothing."""

import contextlib
import os
import re
import subprocess
import time

import harness
import servers
from paired import ratio_row

SIZE = 16384
FILES = 64
TARGET = 0.98

LUA = """
local i = 0
function request()
    i = (i + 1) % COUNT
    return wrk.format("GET", string.format("/f%04d", i))
end
"""


def both(stack, make, root, work):
    """The server twice, without and with the library; their ports."""
    ports = []
    for name, env in (("without", harness.lib_env(None)), ("with", harness.lib_env("auto"))):
        place = work / name
        place.mkdir()
        ports.append(harness.free_port())
        stack.enter_context(make(root, place, ports[-1], env))
    return ports


def tree(root, count, size=SIZE):
    root.mkdir()
    for i in range(count):
        (root / f"f{i:04d}").write_bytes(os.urandom(size))


def wrk_row(make, opts):
    with harness.tmpfs_dir() as work, contextlib.ExitStack() as stack:
        tree(work / "files", FILES)
        ports = both(stack, make, work / "files", work)
        return wrk_pair("hot", f"{make.__name__}, 16 KiB, 64 connections", ports, work, opts, TARGET)


def wrk_rate(ports, work, seconds):
    """A function of (variant, round): requests a second of the server on that port. Each
    has been asked already, outside of the figures."""
    wrk = harness.needs("wrk")
    script = work / "many.lua"
    script.write_text(LUA.replace("COUNT", str(FILES)))

    def run(variant, _):
        out = subprocess.run([wrk, "-t1", "-c64", f"-d{seconds}s", "-s", script,
                              f"http://127.0.0.1:{ports[variant]}/"],
                             capture_output=True, text=True, check=True, timeout=60).stdout
        if "Non-2xx" in out or "Socket errors" in out:
            raise RuntimeError("wrk: " + out)
        return float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))

    for variant in range(len(ports)):
        run(variant, 0)
    return run


def wrk_rounds(opts):
    return 3 if opts.quick else max(opts.rounds, 7)


def wrk_pair(family, name, ports, work, opts, target):
    """Requests a second of the servers on two ports, in turn."""
    rate = wrk_rate(ports, work, 1 if opts.quick else 2)
    return ratio_row(family, name, "requests/s", rate, wrk_rounds(opts), target)


def nginx_wrk(opts):
    return wrk_row(servers.nginx, opts)


def lighttpd_wrk(opts):
    return wrk_row(servers.lighttpd, opts)


def vsftpd_retr(opts):
    count = 100 if opts.quick else 400
    rounds = 3 if opts.quick else max(opts.rounds, 7)
    with harness.tmpfs_dir() as work, contextlib.ExitStack() as stack:
        tree(work / "files", 64)
        ports = both(stack, servers.vsftpd, work / "files", work)
        clients = [servers.FtpClient(p) for p in ports]
        for c in clients:
            stack.callback(c.close)

        def run(variant, _):
            start = time.perf_counter()
            for i in range(count):
                if len(clients[variant].get(f"f{i % 64:04d}")) != SIZE:
                    raise RuntimeError("vsftpd: wrong length")
            return count / (time.perf_counter() - start)

        for variant in (0, 1):
            run(variant, 0)
        return ratio_row("hot", "vsftpd RETR, 16 KiB, one client", "files/s", run, rounds, TARGET)


PARTS = (nginx_wrk, lighttpd_wrk, vsftpd_retr)
