# SPDX-License-Identifier: MIT
"""What developers run on their trees: git and make."""
import os

import pytest

import harness
import runs
import trees
from sides import same

GIT = ("export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null GIT_TERMINAL_PROMPT=0 GIT_PAGER=cat "
       "GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=A GIT_COMMITTER_EMAIL=a@b "
       "GIT_AUTHOR_DATE='2020-01-01 00:00 +0000' GIT_COMMITTER_DATE='2020-01-01 00:00 +0000'; "
       "git() { command git -c gc.auto=0 -c core.fsync=none -c safe.directory='*' \"$@\"; }; "
       "set -e; cd tree; ")

PREPARE = GIT + ("git init -q -b one .; git add .; git commit -qm first; git checkout -qb two; "
                 "for f in d0/f0*; do echo two >> $f; done; git rm -q d1/f00 d1/f01; echo new > d2/new; "
                 "git mv d2/f05 d2/moved; git add .; git commit -qm second; git checkout -q one")

COMMANDS = {
    "init": "rm -rf .git; git init -q -b one .; git add d0 d1 d2; git status --short; "
            "git commit -qm first; git ls-files -s; git log --stat --format=%H",
    "status": "git status --short; for f in d0/f0*; do echo x >> $f; done; rm d1/f07; touch d2/f01; "
              "mkdir n; echo n > n/n; git status --porcelain=v2 --branch; git diff --stat; git diff | cksum; "
              "git add -u; git diff --cached | cksum; git commit -qm third; git rev-parse HEAD HEAD^{tree}",
    "checkout": "git checkout -q two; git status --short; cat d0/f0* | cksum; git checkout -q one; "
                "git status --short; cat d0/f0* | cksum; git checkout -q two -- d0; git diff --cached --stat",
    "stash": "echo x >> d0/f01; git stash -q; git status --short; git stash pop -q; git diff; git clean -nxd; "
             "git grep -c needle; git checkout -q -- .; git merge -q two; git archive one | cksum; "
             "git clone -q . $WORK/clone; (cd $WORK/clone; git status; cat d0/f0* | cksum)",
}


@pytest.mark.on("slow")
@pytest.mark.parametrize("name", COMMANDS)
def test_git(place, pair, name):
    """Object names are hashes of contents and trees: equal ones say that all is equal."""
    harness.needs("git")
    for side in pair:
        runs.prepare(side, PREPARE)
    runs.alike(place, pair, GIT + COMMANDS[name])
    runs.trees_alike(pair, skip=(".git",), holes=False)
    same([[os.path.relpath(os.path.join(at, f), side.backing) for at, _, files in
                sorted(os.walk(f"{side.backing}/tree/.git/objects")) for f in sorted(files)]
               for side in pair])


SOURCES = 20
MAKEFILE = """
CFLAGS = -O0 -Iinclude
SOURCES := $(sort $(wildcard src/*.c))
OBJECTS := $(SOURCES:src/%.c=out/%.o)
prog: $(OBJECTS)
\t$(CC) -o $@ $^
out/%.o: src/%.c | out
\t$(CC) $(CFLAGS) -MMD -c -o $@ $<
out:
\tmkdir out
-include $(wildcard out/*.d)
"""


def project(base, n=SOURCES):
    for d in ("src", "include"):
        os.makedirs(f"{base}/proj/{d}")
    for i in range(n):
        trees.put(f"{base}/proj/include/h{i}.h", b"#define VALUE_%d %d\nint f%d(void);\n" % (i, i, i))
        includes = b"".join(b'#include "h%d.h"\n' % j for j in range(i, min(n, i + 4)))
        trees.put(f"{base}/proj/src/s{i}.c", includes + b"int f%d(void)\n{\n\treturn VALUE_%d;\n}\n" % (i, i))
    calls = b" + ".join(b"f%d()" % i for i in range(n))
    heads = b"".join(b'#include "h%d.h"\n' % i for i in range(n))
    trees.put(f"{base}/proj/src/main.c", heads + b"#include <stdio.h>\nint main(void)\n{\n"
              b'\tprintf("%d\\n", ' + calls + b");\n\treturn 0;\n}\n")
    trees.put(f"{base}/proj/Makefile", MAKEFILE.encode())
    trees.age(f"{base}/proj")


@pytest.mark.on("slow")
def test_make(place):
    """A build, one that finds nothing to do, and one after a header has changed: that
    is make's judgement of times. Objects and program are equal, and it runs."""
    harness.needs("make", "cc")
    command = ("export SOURCE_DATE_EPOCH=1; cd proj && make && ./prog && make && "
               "echo '#define MORE 1' >> include/h5.h && make && ./prog && touch src/s3.c && make -q; "
               "echo $?; make -n; make -j2")
    with place.pair(project) as pair:
        status, out, err = runs.alike(place, pair, command, None)
        assert status == 0 and b"up to date" in out and out.count(b" -c -o ") < SOURCES + 16, (out, err)
        runs.trees_alike(pair, holes=False)
