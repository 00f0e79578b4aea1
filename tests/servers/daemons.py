# SPDX-License-Identifier: MIT
"""
The servers under test: how each is configured, started in the foreground on a
port of its own, and asked to stop. One entry in KINDS per variant.
"""
import os
import signal

import harness

AS_ROOT = os.geteuid() == 0
SERVING_USER, SERVING_GROUP = "nobody", "nogroup"


class Kind:
    """What is to be known of a server: see the fields."""

    def __init__(self, name, command, comm, graceful=signal.SIGTERM, finishes=False,
                 threads=False):
        self.name = name
        self.command = command      # command(side, directory, port) -> argv
        self.comm = comm            # as the kernel names the process
        self.graceful = graceful    # the signal that asks it to stop in order
        self.finishes = finishes    # whether it then still ends what it has begun
        self.threads = threads      # whether it has any: nothing is promised then

    def start(self, side, **opts):
        """A harness.Server that is not running yet, with its port."""
        port = harness.free_port()
        directory = os.path.join(side.work, f"{self.name}-{port}")
        os.mkdir(directory)
        os.chmod(directory, 0o777)      # some open their logs only when they are somebody else
        argv = self.command(side, directory, port)
        server = harness.Server(argv, side.env(**opts) | {"TZ": "UTC"}, cwd=directory, ready=port)
        server.port, server.side, server.kind, server.dir = port, side, self, directory
        return server


def write(directory, name, text):
    path = os.path.join(directory, name)
    with open(path, "w") as f:
        f.write(text)
    return path


MIME = {"html": "text/html", "txt": "text/plain", "bin": "application/octet-stream"}


def nginx(http="sendfile on;", workers=2):
    def command(side, directory, port):
        # nginx empties its environment; a new binary gets only what is named here.
        keep = "".join(f"env {name};\n" for name in ("LD_PRELOAD", "FUSE_AIO_MODE",
                                                     "FUSE_AIO_STATS"))
        user = f"user {SERVING_USER} {SERVING_GROUP};" if AS_ROOT else ""
        types = " ".join(f"{kind} {ext};" for ext, kind in MIME.items())
        conf = write(directory, "nginx.conf", f"""
            {user} {keep}
            daemon off; worker_processes {workers}; pid {directory}/nginx.pid;
            error_log {directory}/error.log;
            events {{ worker_connections 256; }}
            http {{
                types {{ {types} }} default_type text/plain; access_log {directory}/access.log;
                client_body_temp_path {directory}/t1; proxy_temp_path {directory}/t2;
                fastcgi_temp_path {directory}/t3; uwsgi_temp_path {directory}/t4;
                scgi_temp_path {directory}/t5; tcp_nopush on;
                {http}
                server {{ listen 127.0.0.1:{port} backlog=256; root {side.root}; index index.html;
                          location /listed {{ autoindex on; }} }}
            }}""")
        return [harness.needs("nginx"), "-e", f"{directory}/error.log", "-c", conf]
    return command


def lighttpd(handler):
    def command(side, directory, port):
        user = (f'server.username = "{SERVING_USER}"\nserver.groupname = "{SERVING_GROUP}"\n'
                if AS_ROOT else "")
        types = ", ".join(f'".{ext}" => "{kind}"' for ext, kind in MIME.items())
        conf = write(directory, "lighttpd.conf", f"""{user}
            server.document-root = "{side.root}"
            server.bind = "127.0.0.1"
            server.port = {port}
            server.event-handler = "{handler}"
            server.errorlog = "{directory}/error.log"
            server.stat-cache-engine = "disable"
            index-file.names = ( "index.html" )
            dir-listing.activate = "enable"
            etag.use-inode = "disable"
            mimetype.assign = ( {types} )
            """)
        return [harness.needs("lighttpd"), "-D", "-f", conf]
    return command


def apache(mpm):
    def command(side, directory, port):
        modules = "/usr/lib/apache2/modules"
        if not os.path.exists(f"{modules}/mod_mpm_{mpm}.so"):
            harness.skip(f"Apache's {mpm} MPM is not installed")
        load = "".join(f"LoadModule {name}_module {modules}/mod_{name}.so\n"
                       for name in (f"mpm_{mpm}", "authz_core", "mime", "dir", "autoindex"))
        user = f"User {SERVING_USER}\nGroup {SERVING_GROUP}\n" if AS_ROOT else ""
        types = "".join(f"AddType {kind} .{ext}\n" for ext, kind in MIME.items())
        write(directory, "mime.types", "")
        conf = write(directory, "apache.conf", f"""
{load}{user}{types}
ServerRoot {directory}
ServerName 127.0.0.1
PidFile {directory}/apache.pid
DefaultRuntimeDir {directory}
Listen 127.0.0.1:{port}
ErrorLog {directory}/error.log
TypesConfig {directory}/mime.types
LogFormat "%h %r %>s %b" short
CustomLog {directory}/access.log short
DocumentRoot {side.root}
DirectoryIndex index.html
EnableSendfile On
FileETag MTime Size
ServerSignature Off
StartServers {16 if mpm == 'prefork' else 2}
MaxRequestWorkers 100
<Directory {side.root}>
    Require all granted
    AllowOverride All
    Options Indexes FollowSymLinks
</Directory>
""")
        return [harness.needs("apache2"), "-DFOREGROUND", "-f", conf]
    return command


def busybox(side, directory, port):
    return [harness.needs("busybox"), "httpd", "-f", "-p", f"127.0.0.1:{port}", "-h", side.root]


def webfs(side, directory, port):
    types = write(directory, "mime.types", "".join(f"{k} {e}\n" for e, k in MIME.items()))
    user = ["-u", SERVING_USER, "-g", SERVING_GROUP] if AS_ROOT else []
    return [harness.needs("webfsd"), "-F", "-4", "-i", "127.0.0.1", "-n", "127.0.0.1", "-p", port,
            "-r", side.root, "-f", "index.html", "-m", types, "-c", "128", *user]


def python(side, directory, port):
    return [harness.needs("python3"), "-m", "http.server", "--bind", "127.0.0.1",
            "--directory", side.root, port]


def nginx_kind(name, *args, threads=False, **opts):
    return Kind("nginx-" + name, nginx(*args, **opts), "nginx", signal.SIGQUIT, True, threads)


KINDS = {kind.name: kind for kind in (
    nginx_kind("epoll"),
    nginx_kind("threads", "sendfile on; aio threads;", threads=True),
    # One worker: what a cache holds depends on who has asked whom before.
    nginx_kind("filecache", "sendfile on; open_file_cache max=500; open_file_cache_valid 1h; "
               "open_file_cache_errors on;", workers=1),
    nginx_kind("nosendfile", "sendfile off;"),
    nginx_kind("symlinks", "sendfile on; disable_symlinks on;"),
    Kind("lighttpd-epoll", lighttpd("linux-sysepoll"), "lighttpd", signal.SIGINT, True),
    Kind("lighttpd-poll", lighttpd("poll"), "lighttpd", signal.SIGINT, True),
    Kind("apache-prefork", apache("prefork"), "apache2", signal.SIGWINCH, True),
    Kind("apache-event", apache("event"), "apache2", signal.SIGWINCH, True, threads=True),
    Kind("busybox", busybox, "busybox"),
    Kind("webfs", webfs, "webfsd"),
    Kind("python", python, "python3", signal.SIGINT, threads=True),
)}
