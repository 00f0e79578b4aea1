# SPDX-License-Identifier: MIT
"""
An HTTP client for comparisons: what it returns of a response is all of it that
must not depend on the library, and nothing that differs from run to run.
"""
import http.client
import re
import socket
import threading

from sides import digest, digest_all

TIMEOUT = 30
GONE = (http.client.HTTPException, OSError)


class Browser:
    """One connection at a time; a new one whenever the server has closed the last."""

    def __init__(self, port, version=11):
        self.port, self.version, self.conn = port, version, None
        self.connections = 0

    def _open(self):
        if self.conn is None:
            self.conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TIMEOUT)
            self.conn._http_vsn = self.version
            self.conn._http_vsn_str = "HTTP/1.1" if self.version == 11 else "HTTP/1.0"
            self.conn.connect()
            self.connections += 1
        return self.conn

    def close(self):
        if self.conn:
            self.conn.close()
            self.conn = None

    def ask(self, path, method="GET", **headers):
        """
        Status, headers and the body's digest, or why there was no whole response.
        A server may close an idle connection at any moment, and a busy Apache
        does: then the question is asked again, on a new one.
        """
        used = self.conn is not None
        answer = self._ask(path, method, headers)
        return self._ask(path, method, headers) if used and answer == ("gone",) else answer

    def _ask(self, path, method, headers):
        conn = self._open()
        try:
            conn.putrequest(method, path, skip_accept_encoding=True)
            for name, value in headers.items():
                conn.putheader(name.replace("_", "-"), value)
            conn.endheaders()
            # Servers that write header and body apart would wait for a late ACK each time.
            conn.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
            response = conn.getresponse()
        except TimeoutError:
            self.close()
            return ("timeout",)
        except GONE:
            # The server has hung up; an end or a reset is a matter of timing.
            self.close()
            return ("gone",)
        size = response.length or 0
        try:
            # Servers make nothing themselves that is large.
            body = digest_all(response.readinto) if size > 1 << 20 else response.read()
            end = "whole" if size <= 1 << 20 or body[0] == size else "broken off"
        except http.client.IncompleteRead as e:
            body, end = e.partial, "broken off"
        except GONE as e:
            body, end = b"", type(e).__name__
        if response.will_close or end != "whole" or self.version == 10:
            self.close()
        return self._normal(response, body, end)

    def _normal(self, response, body, end):
        own = f":{self.port}"
        fields = [(k, v.replace(own, ":PORT")) for k, v in response.getheaders() if k != "Date"]
        # Apache lists the methods as its hash table has them.
        fields = [(k, ",".join(sorted(v.split(","))) if k == "Allow" else v) for k, v in fields]
        if not isinstance(body, bytes):
            return response.version, response.status, response.reason, fields, body, end
        body = body.replace(own.encode(), b":PORT")
        kind = response.getheader("Content-Type", "")
        if "boundary=" in kind:
            # A number made from the time of day, not always equally long.
            boundary = kind.split("boundary=")[1]
            body = body.replace(boundary.encode(), b"BOUNDARY")
            fields = [(k, v.replace(boundary, "BOUNDARY")) for k, v in fields
                      if k != "Content-Length"]
        if len(body) < 4000:    # what servers make themselves: error pages, webfs's listings
            body = re.sub(rb"\d\d:\d\d:\d\d", b"TIME", body)
        return response.version, response.status, response.reason, fields, digest(body), end


def content(answer):
    """The digest in what Browser.ask() returned, if it is a whole 200 or 206."""
    if len(answer) == 6 and answer[1] in (200, 206) and answer[5] == "whole":
        return answer[4]
    return None


def at_once(count, work, most=None):
    """work(i) for each i < count in threads, at most so many at a time; their results in order."""
    results = [None] * count
    turn = threading.Semaphore(most or count)

    def one(i):
        try:
            with turn:
                results[i] = work(i)
        except Exception as e:
            results[i] = repr(e)
    threads = [threading.Thread(target=one, args=(i,), daemon=True) for i in range(count)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(90)
    return results


class Download:
    """A response that is taken slowly: the server is in the middle of it."""

    def __init__(self, port, path):
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 14)
        self.sock.settimeout(TIMEOUT)
        self.sock.connect(("127.0.0.1", port))
        self.sock.sendall(f"GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n".encode())
        self.data = self.sock.recv(4096)

    def rest(self):
        """The digest of the body, and whether the connection ended in order."""
        body, end = None, "closed"
        try:
            while b"\r\n\r\n" not in self.data and (more := self.sock.recv(4096)):
                self.data += more
            body = digest_all(self.sock.recv_into, self.data.partition(b"\r\n\r\n")[2])
        except OSError as e:
            end = type(e).__name__
        self.sock.close()
        return body, end
