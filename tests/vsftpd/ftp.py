# SPDX-License-Identifier: MIT
"""
Running vsftpd and talking to it: a server that needs nothing of the machine
but root (users and PAM service exist in a mount namespace of its own), an FTP
client that writes down every line that passes on the control connection, and
the programs curl and lftp made to do the same.
"""
import contextlib
import ftplib
import os
import re
import socket
import ssl
import struct
import subprocess

import harness
from sides import descendants, digest, digest_all

USER, UID = "ftptest", 20123
PAM_SERVICE = "fuse_aio_ftp"
BIG = 32 << 20     # more than all buffers, and than may be promised in a process

NORMAL = (
    (re.compile(r"\d+(,\d+){5}"), "PASV"),
    (re.compile(r"\|\|\|\d+\|"), "EPSV"),
    (re.compile(r"^> EPRT .*"), "> EPRT"),
    # What was made a moment ago; the prepared files are from another year.
    (re.compile(r"\b[A-Z][a-z]{2} \d\d \d\d:\d\d\b"), "NOW"),
    (re.compile(r"^< 213 20[2-9][1-9]\d{10}$"), "< 213 NOW"),
)

CONFIG = dict(
    listen="YES", listen_address="127.0.0.1", background="NO", nopriv_user="nobody",
    pam_service_name=PAM_SERVICE, anonymous_enable="YES", no_anon_password="YES",
    local_enable="YES", write_enable="YES", anon_upload_enable="YES",
    anon_mkdir_write_enable="YES", anon_other_write_enable="YES",
    anon_world_readable_only="NO", anon_umask="022", file_open_mode="0666",
    ascii_download_enable="YES", ascii_upload_enable="YES", dirmessage_enable="YES",
    ls_recurse_enable="YES", mdtm_write="YES", delay_failed_login="0",
    connect_timeout="10", accept_timeout="10",
)

# Bound inside a private mount namespace: the machine's own files stay as they are,
# and mounts that come or go outside are still seen.
ENTER = ('mount --bind "$1/pam.d" /etc/pam.d && mount --bind "$1/passwd" /etc/passwd && '
         'shift && exec env "$@"')


def normal(line):
    for what, by in NORMAL:
        line = what.sub(by, line)
    return line


def can_isolate():
    """Why the servers cannot be run here, or None."""
    if os.geteuid() != 0:
        return "vsftpd must be started by root"
    probe = subprocess.run(["unshare", "--mount", "--propagation", "slave", "true"],
                           capture_output=True, timeout=10)
    return None if probe.returncode == 0 else "no private mount namespace can be had here"


class Vsftpd:
    """A running vsftpd on one side, with options that differ from CONFIG."""

    def __init__(self, side, name, options, env):
        self.side, self.port = side, harness.free_port()
        self.dir = os.path.join(side.work, "vsftpd-" + name)
        self.log = os.path.join(self.dir, "log")
        self._prepare(options)
        variables = side.env(**env)
        preload = [f"{k}={v}" for k, v in variables.items()
                   if k == "LD_PRELOAD" or k.startswith("FUSE_AIO_")]
        plain = {k: v for k, v in variables.items()
                 if k != "LD_PRELOAD" and not k.startswith("FUSE_AIO_")}
        plain["TZ"] = "UTC"
        self.server = harness.Server(
            ["unshare", "--mount", "--propagation", "slave", "sh", "-c", ENTER, "sh", self.dir,
             *preload, harness.needs("vsftpd"), os.path.join(self.dir, "vsftpd.conf")],
            plain, ready=self.port)

    def _prepare(self, options):
        os.makedirs(os.path.join(self.dir, "pam.d"))
        os.makedirs(os.path.join(self.dir, "empty"))
        with open(os.path.join(self.dir, "pam.d", PAM_SERVICE), "w") as f:
            # Whoever has the right name and any password but "wrong".
            f.write("auth [success=ignore default=die] pam_succeed_if.so quiet user = %s\n"
                    "auth required pam_permit.so\naccount required pam_permit.so\n"
                    "session required pam_permit.so\n" % USER)
        with open("/etc/passwd") as old, open(os.path.join(self.dir, "passwd"), "w") as new:
            new.write(old.read())
            new.write(f"{USER}:x:{UID}:{UID}::{self.side.root}/home:/bin/sh\n")
        conf = CONFIG | dict(listen_port=str(self.port), anon_root=self.side.root,
                             secure_chroot_dir=os.path.join(self.dir, "empty"),
                             xferlog_enable="YES", vsftpd_log_file=self.log) | options
        with open(os.path.join(self.dir, "vsftpd.conf"), "w") as f:
            f.writelines(f"{k}={v}\n" for k, v in conf.items())

    @property
    def pid(self):
        return self.server.pid

    def sessions(self):
        """The processes that serve clients, without what has ended already."""
        return descendants(self.pid)


class Client(ftplib.FTP_TLS):
    """
    An FTP client that remembers what was said and turns no reply into an
    exception. When the server has hung up it says nothing any more: whether
    that is seen as an end, a reset or a broken pipe is a matter of timing.
    """
    GONE = (EOFError, OSError)

    def __init__(self, port, user="anonymous", trust=None, timeout=30):
        context = None
        if trust:
            context = ssl.create_default_context(cafile=trust)
            context.check_hostname = False
        self.said, self.gone = [], False
        super().__init__(timeout=timeout, context=context)
        self.connect("127.0.0.1", port)
        self.tls = bool(trust)
        if user:
            self.sign_in(user)

    def sign_in(self, user, password="secret"):
        if self.tls and not isinstance(self.sock, ssl.SSLSocket):
            self.auth()
            self.prot_p()
        if self.cmd(f"USER {user}").startswith("331"):
            self.cmd(f"PASS {password}")
        self.cmd("TYPE I")

    def putline(self, line):
        self.said.append(normal("> " + line))
        super().putline(line)

    def getmultiline(self):
        reply = super().getmultiline()
        self.said.append(normal("< " + reply))
        # vsftpd's last words: what follows them is a matter of timing as well.
        self.gone = self.gone or reply.startswith("500 OOPS")
        return reply

    def makepasv(self):
        # 227 answers with the server's address; the port is what counts.
        return self.host, super().makepasv()[1]

    def hung_up(self):
        self.gone = True
        self.said.append("[gone]")

    def reply(self):
        try:
            return "" if self.gone else self.getresp()
        except ftplib.Error as e:
            return str(e)
        except self.GONE:
            self.hung_up()
            return ""

    def cmd(self, line):
        try:
            if not self.gone:
                self.putcmd(line)
        except self.GONE:
            self.hung_up()
        return self.reply()

    def start(self, line, rest=None):
        """Begins a transfer; the data connection, or None where it is refused."""
        try:
            return None if self.gone else self.ntransfercmd(line, rest)[0]
        except ftplib.Error:
            return None
        except self.GONE:
            self.hung_up()
            return None

    def finish(self, data):
        if isinstance(data, ssl.SSLSocket):
            with contextlib.suppress(OSError):
                data.unwrap()
        data.close()
        return self.reply()

    def fetch(self, line, read, rest=None):
        """What read(data connection) makes of a transfer, or None where it is refused."""
        data = self.start(line, rest)
        if data is None:
            return None
        got = read(data)
        self.finish(data)
        return got

    def retr(self, name, rest=None):
        return self.fetch("RETR " + name, received, rest)

    def listing(self, line):
        got = self.fetch(line, read_all)
        return got if got is None else [normal(x) for x in got.decode().split("\r\n")]

    def store(self, line, content, rest=None):
        data = self.start(line, rest)
        if data is not None:
            data.sendall(content)
            self.finish(data)

    def active(self, extended=False):
        """Lets the server connect to us, by PORT or by EPRT."""
        self.set_pasv(False)
        if extended:
            self.sendport = lambda host, port: self.sendeprt(host, port)

    def extended_passive(self):
        # ftplib asks with EPSV where the control connection is IPv6.
        self.af = socket.AF_INET6

    def bye(self):
        self.cmd("QUIT")
        self.close()
        return self.said

    def vanish(self):
        """Is gone without a word: a reset, not an end of stream."""
        reset(self.sock)
        self.close()


def read_all(sock, limit=None):
    parts, size = [], 0
    while limit is None or size < limit:
        block = sock.recv(1 << 18)
        if not block:
            break
        parts.append(block)
        size += len(block)
    return b"".join(parts)


def received(sock, head=b""):
    """The digest of what has come and of all that will."""
    return digest_all(sock.recv_into, head)


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def self_signed(directory):
    """A certificate with its key for 127.0.0.1, in one file."""
    path = os.path.join(directory, "server.pem")
    subprocess.run([harness.needs("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes",
                    "-days", "2", "-subj", "/CN=127.0.0.1", "-addext",
                    "subjectAltName=IP:127.0.0.1", "-keyout", path + ".key", "-out", path + ".crt"],
                   check=True, capture_output=True, timeout=60)
    with open(path, "wb") as both:
        for part in (".key", ".crt"):
            with open(path + part, "rb") as f:
                both.write(f.read())
    os.chmod(path, 0o600)
    return path


def curl(server, *args, user=None):
    """curl's exit status, its output and the control connection as -v shows it."""
    argv = [harness.needs("curl"), "-sv", "--max-time", "60", *args]
    if user:
        argv += ["-u", user + ":secret"]
    argv = [a.replace("FTP", f"ftp://127.0.0.1:{server.port}") for a in argv]
    done = subprocess.run(argv, capture_output=True, timeout=90, env=harness.lib_env(None))
    talk = [normal(x) for x in done.stderr.decode(errors="replace").splitlines()
            if x.startswith(("< ", "> "))]
    return done.returncode, digest(done.stdout), talk


def lftp(server, directory, script, talk=True):
    """lftp's exit status and what it said and heard; its files go to directory."""
    os.makedirs(directory, exist_ok=True)
    trace = os.path.join(directory, ".trace")
    home = os.path.join(directory, ".home")
    env = harness.lib_env(None) | {"HOME": home, "LFTP_HOME": home, "TZ": "UTC"}
    setup = ("set net:max-retries 1; set net:timeout 30; set ftp:ssl-allow no; "
             f"debug 9 -o {trace}; open ftp://127.0.0.1:{server.port}; ")
    done = subprocess.run([harness.needs("lftp"), "-c", setup + script], cwd=directory,
                          capture_output=True, timeout=120, env=env)
    lines = []
    if talk:
        with open(trace, errors="replace") as f:
            lines = [normal(x.rstrip().replace("---> ", "> ").replace("<--- ", "< "))
                     for x in f if x.startswith(("---> ", "<--- "))]
    return done.returncode, normal(done.stdout.decode(errors="replace")), lines
