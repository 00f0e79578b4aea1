# SPDX-License-Identifier: MIT
"""A real sshfs mount over the loopback: an sshd of its own with its own keys and
configuration, on a high port, for the user who runs this. Nothing of the system's
configuration is read or changed."""

import contextlib
import os
import pwd
import subprocess
from pathlib import Path

import harness

RELAY = harness.BUILD / "tests/bench/relay"


def _key(keygen, path):
    subprocess.run([keygen, "-q", "-t", "ed25519", "-N", "", "-C", "bench", "-f", path],
                   check=True, capture_output=True, timeout=20)
    return Path(f"{path}.pub").read_text()


@contextlib.contextmanager
def _separation_directory():
    """What sshd wants to be there when root starts it; packages make it at boot."""
    path = Path("/run/sshd")
    if os.geteuid() != 0 or path.exists():
        yield
        return
    path.mkdir(mode=0o755)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            path.rmdir()


def _unmount(mountpoint):
    fusermount = harness.find_program("fusermount3")
    for option in ("-u", "-uz"):
        if subprocess.run([fusermount, option, mountpoint], capture_output=True,
                          timeout=20).returncode == 0:
            return


@contextlib.contextmanager
def sshfs(backing, work, delay_us=0):
    """Mounts `backing` on work/sshfs, with all that belongs to it below `work`; the
    connection delays by so much in either direction."""
    sshd, program, keygen, _ = harness.needs("sshd", "sshfs", "ssh-keygen", "fusermount3")
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        harness.skip("/dev/fuse is not usable here")
    keys, mountpoint = Path(work) / "ssh", Path(work) / "sshfs"
    keys.mkdir(mode=0o700)
    mountpoint.mkdir()
    sshd_port = port = harness.free_port()
    if delay_us:
        port = harness.free_port()
    host, own = _key(keygen, keys / "host"), _key(keygen, keys / "user")
    (keys / "authorized").write_text(own)
    (keys / "known").write_text(f"[127.0.0.1]:{port} {host}")
    (keys / "sshd.conf").write_text(f"""
Port {sshd_port}
ListenAddress 127.0.0.1
HostKey {keys}/host
AuthorizedKeysFile {keys}/authorized
PidFile {keys}/sshd.pid
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
StrictModes no
UsePAM no
Subsystem sftp internal-sftp
""")
    user = pwd.getpwuid(os.getuid()).pw_name
    options = [f"port={port}", f"IdentityFile={keys}/user", "IdentitiesOnly=yes",
               f"UserKnownHostsFile={keys}/known", "StrictHostKeyChecking=yes"]
    if os.geteuid() == 0:
        options.append("allow_other")       # the worker is somebody else
    argv = [program, "-f", "-F", "/dev/null", "-o", ",".join(options),
            f"{user}@127.0.0.1:{backing}", mountpoint]
    with contextlib.ExitStack() as stack:
        stack.enter_context(_separation_directory())
        stack.enter_context(harness.Server([sshd, "-D", "-e", "-f", keys / "sshd.conf"],
                                           harness.lib_env(None), ready=sshd_port))
        if delay_us:
            stack.enter_context(harness.Server([RELAY, port, sshd_port, delay_us], ready=port))
        stack.callback(_unmount, mountpoint)    # should it not do so when it ends
        stack.enter_context(harness.Server(argv, harness.lib_env(None),
                                           ready=lambda: os.path.ismount(mountpoint)))
        yield mountpoint
