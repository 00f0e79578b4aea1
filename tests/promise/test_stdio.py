# SPDX-License-Identifier: MIT
"""stdio on a connection that files are sent to by number: what a program flushes comes
before what it sends next."""
import pytest

from promise import as_it_comes, each

BUFFERS = ["", "what=unbuffered", "what=lines", "what=small"]
KINDS = ["", "position v6", "no_head nodelay", "sendmsg beyond"]
ALL = [f"{kind} {buffer}" for kind in KINDS for buffer in BUFFERS]


def test_stream(place):
    each(place, "stream count=4", ALL, check=as_it_comes)


def test_stream_of_another_number(place):
    """But for formatted output that is not flushed (docs/CONTRACT.md)."""
    each(place, "double_stream count=4", KINDS)


def test_standard_output(place):
    each(place, "as_output count=3", ALL, check=as_it_comes)


def test_output_by_number(place):
    each(place, "output_by_number count=10", KINDS)


def test_standard_error(place):
    each(place, "as_error count=3", KINDS, check=as_it_comes)


@pytest.mark.parametrize("what", ["", "what=stdin"])
def test_dialogue(place, what):
    """Each answer is there before the next request is read."""
    def script(run):
        peer = run.connect()
        for i in range(12):
            name = f"f{i:02}"
            before = len(peer.got)
            peer.send(f"{name}\n".encode())
            size = 500 + 3001 * i
            length = len(f"{name} has {size} bytes\n") + size
            if "no_head" in run.words:
                length = size
            if what:
                length += len(f"here comes {name}\n")
            peer.wait(before + length)
            run.saw("missing", before + length - len(peer.got))
        peer.socket.shutdown(1)
    each(place, f"dialogue {what}", KINDS, script, as_it_comes)
