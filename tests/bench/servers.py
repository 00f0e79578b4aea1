# SPDX-License-Identifier: MIT
"""Real servers with the smallest configuration that serves a directory, and the
clients that ask them: for the benchmarks and the demo. Every server listens on
the loopback only and keeps all its files in the directory it is given."""

import ftplib
import grp
import http.client
import os
import pwd
import subprocess
from pathlib import Path

import harness


def _user(*names):
    for name in names:
        try:
            pwd.getpwnam(name)
            return name
        except KeyError:
            continue
    harness.skip("no unprivileged user account: " + ", ".join(names))


def _write(path, text):
    Path(path).write_text(text)
    return str(path)


def nginx(root, work, port, env, extra="", wrap=()):
    """`extra` is what else is to stand in the server's block, `wrap` a command that runs it."""
    program = harness.needs("nginx")
    work = Path(work)
    temp = "\n".join(f"{kind}_temp_path {work}/tmp-{kind};"
                     for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    user = f"user {_user('www-data', 'nobody')};" if os.geteuid() == 0 else ""
    conf = _write(work / "nginx.conf", f"""
daemon off; worker_processes 1; pid {work}/nginx.pid; error_log {work}/error.log; {user}
events {{ worker_connections 512; }}
http {{
    access_log off; sendfile on; keepalive_requests 100000000;
    {temp}
    server {{ listen 127.0.0.1:{port}; root {root}; {extra} }}
}}
""")
    return harness.Server([*wrap, program, "-p", work, "-e", work / "error.log", "-c", conf], env,
                          ready=port)


def nginx_threads(root, work, port, env, extra=""):
    """nginx with its own remedy against files that block."""
    build = subprocess.run([harness.needs("nginx"), "-V"], capture_output=True, text=True,
                           timeout=10).stderr
    if "--with-threads" not in build:
        harness.skip("this nginx is built without threads")
    return nginx(root, work, port, env, "aio threads; " + extra)


def lighttpd(root, work, port, env):
    program = harness.needs("lighttpd")
    # It keeps what it opened for some seconds: cold files come faster than they go.
    user = f"""server.username = "{_user("www-data", "nobody")}"
server.max-fds = 40000
""" if os.geteuid() == 0 else ""
    conf = _write(Path(work) / "lighttpd.conf", f"""
server.document-root = "{root}"
server.bind = "127.0.0.1"
server.port = {port}
server.max-keep-alive-requests = 60000
server.max-connections = 512
{user}
""")
    return harness.Server([program, "-D", "-f", conf], env, ready=port)


def apache(root, work, port, env, override="All", workers=1):
    """`override` is what .htaccess files may set, `workers` how many processes wait."""
    program = harness.needs("apache2")
    modules = Path("/usr/lib/apache2/modules")
    for name in ("mpm_prefork", "authz_core"):
        if not (modules / f"mod_{name}.so").exists():
            harness.skip(f"apache2 has no {name} here")
    user = f"User {_user('www-data', 'nobody')}\n" if os.geteuid() == 0 else ""
    conf = _write(Path(work) / "apache.conf", f"""
ServerRoot {work}
ServerName localhost
PidFile {work}/apache.pid
Listen 127.0.0.1:{port}
LoadModule mpm_prefork_module {modules}/mod_mpm_prefork.so
LoadModule authz_core_module {modules}/mod_authz_core.so
{user}StartServers {workers}
MinSpareServers 1
MaxSpareServers {workers}
MaxRequestWorkers {max(4, workers)}
MaxKeepAliveRequests 0
KeepAliveTimeout 60
EnableSendfile On
ErrorLog {work}/error.log
DocumentRoot {root}
<Directory />
    AllowOverride {override}
</Directory>
<Directory {root}>
    Require all granted
</Directory>
""")
    return harness.Server([program, "-D", "FOREGROUND", "-f", conf], env, ready=port)


def busybox(root, work, port, env):
    del work
    program = harness.needs("busybox")
    return harness.Server([program, "httpd", "-f", "-p", f"127.0.0.1:{port}", "-h", root], env,
                          ready=port)


def webfs(root, work, port, env):
    program = harness.needs("webfsd")
    types = _write(Path(work) / "mime.types", "text/plain txt\n")
    user = []
    if os.geteuid() == 0:
        account = pwd.getpwnam(_user("www-data", "nobody"))
        user = ["-u", account.pw_name, "-g", grp.getgrgid(account.pw_gid).gr_name]
    return harness.Server([program, "-F", "-4", "-i", "127.0.0.1", "-n", "127.0.0.1", "-p", port,
                           "-r", root, "-f", "index.html", "-m", types, "-c", "128", *user], env,
                          ready=port)


def vsftpd(root, work, port, env):
    program = harness.needs("vsftpd")
    if os.geteuid() != 0:
        harness.skip("vsftpd needs root")
    empty = Path(work) / "empty"
    empty.mkdir(exist_ok=True)
    user = _user("ftp", "nobody")
    conf = _write(Path(work) / "vsftpd.conf", f"""
listen=YES
listen_ipv6=NO
listen_address=127.0.0.1
listen_port={port}
background=NO
anonymous_enable=YES
local_enable=NO
no_anon_password=YES
anon_root={root}
ftp_username={user}
nopriv_user=nobody
secure_chroot_dir={empty}
seccomp_sandbox=NO
pasv_enable=YES
pasv_address=127.0.0.1
connect_from_port_20=NO
xferlog_enable=NO
""")
    os.chmod(conf, 0o644)
    if "LD_PRELOAD" in env:
        # A session may make no process of its own later (RLIMIT_NPROC is 0).
        env = {**env, "FUSE_AIO_PRESPAWN": "1"}
    return harness.Server([program, conf], env, ready=port)


class HttpClient:
    """One client that asks for one file after the other."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def get(self, path):
        self.connection.request("GET", "/" + path)
        response = self.connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise RuntimeError(f"GET /{path}: status {response.status}")
        return body

    def close(self):
        self.connection.close()


class FtpClient:
    def __init__(self, port):
        self.ftp = ftplib.FTP(timeout=30)
        self.ftp.connect("127.0.0.1", port)
        self.ftp.login()

    def get(self, path):
        parts = []
        self.ftp.retrbinary("RETR " + path, parts.append, blocksize=1 << 18)
        return b"".join(parts)

    def close(self):
        self.ftp.quit()
        self.ftp.close()


CLIENTS = {nginx: HttpClient, lighttpd: HttpClient, apache: HttpClient, busybox: HttpClient,
           webfs: HttpClient, vsftpd: FtpClient}
