# SPDX-License-Identifier: MIT
"""Files that are not what was promised when they are read: the connection is reset, no
peer takes for whole what is not, and nobody else is concerned."""
import os

import pytest

import harness
from harness import total
from promise import AT_ONCE, BIG, ThreadPoolExecutor, each, first_note, run_once

HEADS = ["write", "writev", "send", "sendmsg", "more", "no_head"]
SIZE = BIG // 3


def cut_to(size, peers=1):
    """As soon as the program has been promised all of it; a peer without promises has
    received it by then."""
    def script(run):
        path = run.directory / "file"
        path.write_bytes((run.directory.parent / "big").read_bytes()[:SIZE])
        run.connect(peers)
        assert run.at(1)
        if not run.promising:
            run.peers[0].wait(run.sent())
        os.truncate(path, size)
        run.go(3)
    return script


def broken(place, words, script):
    if not harness.knows_nowait(place.root):
        pytest.skip(f"{place.root}: its file system knows no RWF_NOWAIT, so nothing is read later")
    """What is reset may have got a part of what a plain peer gets, in order. All else is
    the same."""
    plain = run_once(place, words, None, script)
    ours = run_once(place, words, "fuse", script, log=True)
    assert not plain.facts("gone: [1-9]"), plain
    assert (ours.status, ours.err, ours.told()) == (plain.status, plain.err, plain.told()), \
        f"{plain}\n{ours}"
    whole, part = plain.peers[0].seen(), ours.peers[0].seen()
    assert (whole.end, part.end) == ("end", "reset"), f"{plain}\n{ours}"
    assert len(part.data) < len(whole.data) and whole.data.startswith(part.data), ours
    assert plain.notes[1:] == ours.notes[1:], first_note(plain.notes[1:], ours.notes[1:])
    assert "broken" in ours.log, ours.log
    # Another program has statistics of its own.
    assert total(ours.stats, "promises.broken") == 1 or "exec" in words, ours
    return plain, ours


def each_broken(place, all_words, script):
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda words: broken(place, words, script), all_words))


@pytest.mark.parametrize("size", [0, 1, SIZE // 2, SIZE - 1])
def test_cut_short(place, size):
    """Told by what the program asks next; what it does to others goes on."""
    kinds = [f"{head} {body}" for head in HEADS for body in ("offset", "position")]
    asks = ["what=recv", "what=poll", "what=option", "nonblock", "v6 nodelay", ""]
    each_broken_and_told(place, [f"truncated {kind} {asks[i % len(asks)]}"
                                 for i, kind in enumerate(kinds)], cut_to(size, 3))


def each_broken_and_told(place, all_words, script):
    for _, ours in each_broken(place, all_words, script):
        assert ours.facts("gone: [1-9]"), ours
        # Once it has gone it stays so.
        assert "write: 5" not in ours.text(), ours


def test_cut_short_and_kept_open(place):
    each_broken_and_told(place, ["truncated count=2", "truncated count=2 position v6"],
                         cut_to(100, 3))


def test_one_of_several(place):
    """Those before it may arrive."""
    each_broken(place, [f"one_of {head}" for head in HEADS] + ["one_of v6 nodelay"],
                cut_to(1000))


def test_the_end_comes_after(place):
    """However the program goes on: what the peer sees is a reset, not the end."""
    each_broken(place, [f"ends_after what={what}"
                        for what in ("close", "shutdown", "_exit", "exec", "return")],
                cut_to(SIZE // 3))


def test_what_is_longer_is_sent_as_promised(place):
    each(place, "truncated", ["what=recv", "what=poll", "position count=2", "v6 nonblock"],
         cut_to(2 * SIZE, 3))


# --- file systems that fail, or are slow ---

FILES = 6


def files_of(fs, count=FILES, size=20000):
    for i in range(count):
        (fs.backing / f"e{i}").write_bytes(bytes([65 + i]) * size)
    return size


def acknowledged(place, fs, mode, style):
    """Whatever fails: who is told of more than arrives has a peer that is reset."""
    def script(run):
        run.connect()
        assert run.at(1)
        run.go(1)
    run = run_once(place, f"failing with={fs.mountpoint} count={FILES} {style}", mode, script)
    peer, told = run.peers[0].seen(), run.flag()
    assert run.status == 0, run
    assert peer.end == "reset" or len(peer.data) == told, f"{told} bytes told, {run}"
    assert mode == "fuse" or peer.end == "end", run
    return run


@pytest.mark.parametrize("kind", ["", "v6 nodelay", "nonblock"])
@pytest.mark.parametrize("failure", ["--fail-read", "--short-read", "--fail-open"])
def test_file_system_that_fails_once(place, slow, failure, kind):
    for mode in (None, "fuse"):
        fs = slow(delay_us=0, args=[failure, "3"])
        files_of(fs)
        run = acknowledged(place, fs, mode, kind)
    assert run.promised() > 0, run


@pytest.mark.parametrize("words", ["truncated position what=recv", "one_of",
                                   "ends_after what=close", "ends_after what=return nodelay"])
def test_file_system_that_goes_away(place, slow, words):
    """What the ring is no place for was read before it was promised."""
    def script(run):
        fs = slow(delay_us=0)
        (fs.backing / "e").write_bytes(bytes(SIZE))
        (run.directory / "file").symlink_to(fs.mountpoint / "e")
        run.connect(3 if "truncated" in words else 1)
        assert run.at(1)
        if not run.promising:
            run.peers[0].wait(run.sent())
        fs.proc.kill()
        fs.proc.wait()
        run.go(3)
    each(place, words.split()[0], [" ".join(words.split()[1:])], script)


def test_file_system_that_is_slow(place, slow):
    """Cold in each run, and whole."""
    fs = slow(delay_us=3000)
    files_of(fs, 12)
    each(place, f"slow count=12 with={fs.mountpoint}",
         ["", "position", "v6 nodelay", "cork sendmsg", "copy"])
