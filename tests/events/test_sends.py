# SPDX-License-Identifier: MIT
"""sendfile() of cold files to sockets that do not block."""
from events import ALL, EDGE, assert_equal, assert_put_off, each


def test_big(place, tmpfs):
    each(place, tmpfs, "big", [*ALL, "et", "et replaces"], assert_put_off)


def test_big_in_parts(place, tmpfs):
    each(place, tmpfs, "big", ["lt position", "et both slowly", "lt slowly", "poll slowly",
                               "lt chunk=2097152", "lt chunk=65536",
                               "et both position chunk=2097152"], assert_put_off)


def test_several(place, tmpfs):
    each(place, tmpfs, "big_twice big_behind big_beside", ["lt", EDGE, "poll", "select"],
         assert_put_off)


def test_client_process(place, tmpfs):
    each(place, tmpfs, "big_forked", ["lt", EDGE, "poll", "et both slowly"], assert_put_off)


def test_sockets_that_block(place, tmpfs):
    each(place, tmpfs, "big_forked", ["blocking lt", "blocking et position",
                                      "blocking poll slowly"], assert_equal)


def test_on_the_way(place, tmpfs):
    each(place, tmpfs, "shrinks vanishes abandoned forks_between", ["lt", EDGE, "poll"],
         assert_put_off)


def test_own_ways(place, tmpfs):
    """Whether anything is put off here is not said: only that all arrives."""
    each(place, tmpfs, "retries unblocks by_dup", ["lt", "et both"], assert_equal)
    each(place, tmpfs, "big_unix", ["lt", "et both", "poll"], assert_equal)
