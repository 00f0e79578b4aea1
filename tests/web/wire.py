# SPDX-License-Identifier: MIT
"""
HTTP with every byte and packet in the test's own hands.
"""
import http.client
import io
import re
import socket
import ssl
import struct
import time

import rawhttp

TIMEOUT = 20


class _Kept(io.BufferedReader):
    """A response must not close what the next one is read from."""

    def close(self):
        pass

    def makefile(self, mode):
        return self


def request(target, host="a.test", method="GET", body=None, version="1.1", **headers):
    """The bytes of a request; a target may be text or bytes."""
    target = target if isinstance(target, bytes) else target.encode()
    lines = [method.encode() + b" " + target + b" HTTP/" + version.encode()]
    lines += [b"Host: " + host.encode()] if host else []
    if body is not None and "Transfer_Encoding" not in headers:
        headers = {"Content_Length": str(len(body))} | headers
    lines += [f"{k.replace('_', '-')}: {v}".encode() for k, v in headers.items()]
    return b"\r\n".join(lines) + b"\r\n\r\n" + (body or b"")


class Wire(rawhttp.Browser):
    """A connection; ask() makes a new one when the server has closed the last."""

    def __init__(self, port, host="a.test", tls=False, prefix=b""):
        super().__init__(port)
        self.host, self.tls, self.prefix = host, tls, prefix
        self.sock = self.reader = None

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def open(self):
        if self.sock is None:
            self.sock = socket.create_connection(("127.0.0.1", self.port), timeout=TIMEOUT)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.tls:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
                self.sock = context.wrap_socket(self.sock)
            if self.prefix:
                self.sock.sendall(self.prefix)
            self.reader = _Kept(self.sock.makefile("rb", buffering=0))
        return self.sock

    def close(self):
        if self.sock:
            io.BufferedReader.close(self.reader)
            self.sock.close()
            self.sock = None

    def reset(self):
        """Closes so that the server sees an error, not an end."""
        self.open().setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def send(self, data, pieces=None, pause=0.002):
        """All at once, or in pieces of that many bytes (a number or a list), apart in time."""
        sock = self.open()
        if isinstance(pieces, int):
            pieces = [pieces] * (len(data) // pieces)
        for size in pieces or ():
            sock.sendall(data[:size])
            data = data[size:]
            time.sleep(pause)
        if data:
            sock.sendall(data)

    def take(self, method="GET"):
        """The next response, as Browser.ask() has it."""
        if self.sock is None:
            return ("gone",)
        response = http.client.HTTPResponse(self.reader, method=method)
        try:
            response.begin()
        except TimeoutError:
            self.close()
            return ("timeout",)
        except rawhttp.GONE:
            self.close()
            return ("gone",)
        try:
            body, end = response.read(), "whole"
        except http.client.IncompleteRead as e:
            body, end = e.partial, "broken off"
        except rawhttp.GONE as e:
            body, end = b"", type(e).__name__
        if response.will_close or end != "whole":
            self.close()
        self.body = body
        return self._normal(response, body, end)

    def ask(self, target, method="GET", **options):
        data = request(target, **({"host": self.host, "method": method} | options))
        used = self.sock is not None
        answer = self._try(data, method)
        # A server may close an idle connection at any moment.
        return self._try(data, method) if used and answer == ("gone",) else answer

    def _try(self, data, method):
        try:
            self.send(data)
        except OSError:
            self.close()
            return ("gone",)
        return self.take(method)


def raw(port, data, pieces=None, tls=False):
    """Everything that comes back on a connection that sends this and then ends."""
    got = []
    with Wire(port, tls=tls) as w:
        try:
            w.send(data, pieces)
            w.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass        # it has heard enough; what it said is still to be read
        try:
            while block := w.sock.recv(1 << 16):
                got.append(block)
        except TimeoutError:
            got.append(b" (timeout)")
        except OSError:
            pass        # an end or a reset is a matter of timing
    text = re.sub(rb"(?i)(Date: )[^\r\n]+", rb"\1NOW", b"".join(got))
    return text.replace(b":%d" % port, b":PORT")


def status(answer):
    return answer[1] if len(answer) == 6 else answer[0]
