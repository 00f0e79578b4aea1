# SPDX-License-Identifier: MIT
"""
The event-loop servers under test: one configuration each with everything that
makes the way from a request to a file longer than "root plus target", and the
pairs of servers that the tests share.
"""
import contextlib
import os
import signal
import subprocess

import daemons
import harness
import website
import wire
from daemons import AS_ROOT, MIME, SERVING_GROUP, SERVING_USER, write
from sides import descendants, together

PORTS = "main", "second", "tls", "h2", "proxied"


class Kind(daemons.Kind):
    """A kind with more than one port; origins are the roots a server has."""

    def __init__(self, name, command, comm, graceful, origins, ports=PORTS[:2], wrap=()):
        super().__init__(name, command, comm, graceful, True)
        self.ports, self.origins, self.wrap = ports, origins, list(wrap)

    def start(self, side, **opts):
        side_ports = {name: harness.free_port() for name in self.ports}
        directory = os.path.join(side.work, f"{self.name}-{side_ports['main']}")
        os.mkdir(directory)
        os.chmod(directory, 0o777)
        env = side.env(**opts) | {"TZ": "UTC"}
        stats = os.path.join(directory, "stats.json")
        if side.with_library:
            env["FUSE_AIO_STATS"] = stats
        argv = self.command(side, directory, side_ports)
        if self.wrap:       # the wrapper itself runs without the library
            ours = [k for k in env if k == "LD_PRELOAD" or k.startswith("FUSE_AIO_")]
            argv = [*self.wrap, harness.needs("env"), *(f"{k}={env.pop(k)}" for k in ours), *argv]
        server = harness.Server(argv, env, cwd=directory, ready=side_ports["main"])
        server.stats = stats
        server.port, server.ports = side_ports["main"], side_ports
        server.side, server.kind, server.dir = side, self, directory
        return server


def nginx(http="sendfile on;", log=True, master=True, user=AS_ROOT):
    def command(side, d, port):
        keep = "".join(f"env {name};\n" for name in ("LD_PRELOAD", "FUSE_AIO_MODE",
                                                     "FUSE_AIO_STATS"))
        types = " ".join(f"{kind} {ext};" for ext, kind in MIME.items())
        key, cert = side.tls
        r = side.root
        conf = write(d, "nginx.conf", f"""
            {f"user {SERVING_USER} {SERVING_GROUP};" if user else ""} {keep}
            daemon off; worker_processes 1; pid {d}/nginx.pid; error_log {d}/error.log;
            {"" if master else "master_process off;"}
            events {{ worker_connections 512; }}
            http {{
                types {{ {types} }} default_type text/plain;
                access_log {f"{d}/access.log" if log else "off"};
                client_body_temp_path {d}/t1; proxy_temp_path {d}/t2; fastcgi_temp_path {d}/t3;
                uwsgi_temp_path {d}/t4; scgi_temp_path {d}/t5; tcp_nopush on;
                keepalive_requests 100000; index index.html; {http}
                server {{
                    listen 127.0.0.1:{port["main"]} default_server backlog=512;
                    server_name a.test; root {r};
                    location /listed {{ autoindex on; }}
                    location /alias/ {{ alias {r}/deep/er/; }}
                    location /files {{ alias {r}/deep/er/; }}
                    location ~ ^/re/([a-z]+)/(.*)$ {{ alias {r}/$1/$2; }}
                    location /rewritten/ {{ rewrite ^/rewritten/(.*)$ /second/$1 last; }}
                    location /denied/ {{ deny all; }}
                    location /unasked/ {{ if (!-f $request_filename) {{ return 404; }} }}
                    location /local/ {{ alias {side.local}/; }}
                    location /local/unasked/ {{ alias {side.local}/unasked/;
                                               if (!-f $request_filename) {{ return 404; }} }}
                    location /self/ {{ proxy_pass http://127.0.0.1:{port["second"]}/; }}
                    location /err/ {{ error_page 404 /page.html; }}
                    location /gz/ {{ gzip_static on; }}
                    location /try/ {{ try_files $uri $uri.txt $uri/index.html /small.txt; }}
                    location /dav/ {{ dav_methods PUT DELETE MKCOL COPY MOVE;
                                      create_full_put_path on; client_max_body_size 4m;
                                      client_body_temp_path {r}/dav-tmp; }}
                    location /dav2/ {{ dav_methods PUT DELETE; }}
                }}
                server {{ listen 127.0.0.1:{port["main"]}; server_name b.test; root {r}/vhost; }}
                server {{ listen 127.0.0.1:{port["main"]}; server_name links.test; root {r};
                          disable_symlinks on; }}
                server {{ listen 127.0.0.1:{port["main"]}; server_name kept.test; root {r};
                          open_file_cache max=200; open_file_cache_valid 1h;
                          open_file_cache_errors on; }}
                server {{ listen 127.0.0.1:{port["main"]}; server_name none.test;
                          root {r}/no/such/root; }}
                server {{ listen 127.0.0.1:{port["second"]}; root {r}/second; }}
                server {{ listen 127.0.0.1:{port["tls"]} ssl; root {r};
                          ssl_certificate {cert}; ssl_certificate_key {key}; }}
                server {{ listen 127.0.0.1:{port["h2"]} http2; root {r}; }}
                server {{ listen 127.0.0.1:{port["proxied"]} proxy_protocol; root {r}; }}
            }}""")
        return [harness.needs("nginx"), "-e", f"{d}/error.log", "-c", conf]
    return command


def lighttpd(handler, user=AS_ROOT):
    def command(side, d, port):
        found = subprocess.run([harness.needs("lighttpd"), "-V"], capture_output=True, text=True,
                               timeout=20).stdout
        if f"+ {handler.removeprefix('linux-sys')}" not in found:
            harness.skip(f"this lighttpd has no event handler {handler}")
        types = ", ".join(f'".{ext}" => "{kind}"' for ext, kind in MIME.items())
        become = f"""server.username = "{SERVING_USER}"
            server.groupname = "{SERVING_GROUP}" """ if user else ""
        conf = write(d, "lighttpd.conf", f"""{become}
            server.modules = ( "mod_alias" )
            server.bind = "127.0.0.1"
            server.port = {port["main"]}
            server.document-root = "{side.root}"
            server.event-handler = "{handler}"
            server.errorlog = "{d}/error.log"
            server.stat-cache-engine = "disable"
            server.max-keep-alive-requests = 10000
            index-file.names = ( "index.html" )
            dir-listing.activate = "enable"
            etag.use-inode = "disable"
            mimetype.assign = ( {types} )
            alias.url = ( "/alias/" => "{side.root}/deep/er/", "/local/" => "{side.local}/" )
            $SERVER["socket"] == "127.0.0.1:{port["second"]}" {{
                server.document-root = "{side.root}/second" }}
            $HTTP["host"] == "b.test" {{ server.document-root = "{side.root}/vhost" }}
            """)
        return [harness.needs("lighttpd"), "-D", "-f", conf]
    return command


# A root: its port, its name, where its files are below the site, and what they are called.
MAIN, OTHER_HOST = ("main", "a.test", "", ""), ("main", "b.test", "vhost", "")
SECOND, ALIAS = ("second", "a.test", "second", ""), ("main", "a.test", "deep/er", "alias/")
ROOTS = MAIN, OTHER_HOST, SECOND, ALIAS
NGINX_ROOTS = ROOTS + (("main", "links.test", "", ""), ("main", "kept.test", "", ""))


# Starts that are out of the ordinary.
FEW = "sh", "-c", 'ulimit -n 64; exec "$@"', "sh"
NEVER_ROOT = ("setpriv", "--reuid", SERVING_USER, "--regid", SERVING_GROUP, "--clear-groups") \
    if AS_ROOT else ()


def nginx_kind(name, wrap=(), **opts):
    return Kind("nginx-" + name, nginx(**opts), "nginx", signal.SIGQUIT, ROOTS, PORTS, wrap)


def lighttpd_kind(name, handler, wrap=(), **opts):
    return Kind("lighttpd-" + name, lighttpd(handler, **opts), "lighttpd", signal.SIGINT, ROOTS,
                wrap=wrap)


KINDS = {kind.name: kind for kind in (
    nginx_kind("sendfile"),
    nginx_kind("nosendfile", http="sendfile off;"),
    nginx_kind("nolog", log=False),
    nginx_kind("single", master=False, user=False),
    nginx_kind("few", FEW),
    nginx_kind("user", NEVER_ROOT, user=False),
    lighttpd_kind("epoll", "linux-sysepoll"),
    lighttpd_kind("poll", "poll"),
    lighttpd_kind("select", "select"),
    lighttpd_kind("user", "linux-sysepoll", NEVER_ROOT, user=False),
    Kind("webfs", lambda side, d, port: daemons.webfs(side, d, port["main"]), "webfsd",
         signal.SIGTERM, (MAIN,), PORTS[:1]),
)}


def worker(server):
    """The process that serves: nginx's one worker, elsewhere the server itself."""
    if server.kind.comm != "nginx" or server.kind.name == "nginx-single":
        return server.pid
    found = descendants(server.pid)
    if len(found) != 1:
        raise RuntimeError(f"nginx has not one worker but {found}")
    return found[0]


def warm(server):
    """What lets the library learn: at every root, requests on ten connections at once."""
    for root in server.kind.origins:
        port, host, _, prefix = root

        def ask(i, root=root, where=server.ports[port], name=host, path=prefix):
            with wire.Wire(where, name) as w:
                return {w.ask(f"/{path}warm/w{n:02d}.txt")[1]
                        for n in (i, i + 10)[:2 if root is MAIN else 1]}
        if together(10, ask) != [{200}] * 10:
            raise RuntimeError(f"{server.kind.name} does not serve {root}")


class Farm(contextlib.ExitStack):
    """Sites and warmed-up pairs of servers, each made when it is first asked for."""

    def __init__(self):
        super().__init__()
        self.sites, self.pairs = {}, {}

    def site(self, mount):
        if mount not in self.sites:
            self.sites[mount] = self.enter_context(website.pair(mount))
        return self.sites[mount]

    def pair(self, kind, mount, prepare=warm):
        if (kind, mount) not in self.pairs:
            # The main thread starts them: they are to die with it, not with a helper.
            servers = [self.enter_context(KINDS[kind].start(side)) for side in self.site(mount)]
            together(2, lambda i: prepare(servers[i]))
            self.pairs[kind, mount] = servers
        return self.pairs[kind, mount]

    def end(self, servers):
        """Stops a pair in order; the exit statuses. The next who asks gets a new one."""
        for key in [k for k, v in self.pairs.items() if v is servers]:
            del self.pairs[key]
        return [server.stop(server.kind.graceful) for server in servers]
