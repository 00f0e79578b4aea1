# SPDX-License-Identifier: MIT
"""Programs that change what they walk through: each must see its own changes, those
to names that come later as well."""
from pathlib import Path

import pytest

import runs
import trees

PROGRAMS = Path(__file__).with_name("programs.py")
FORMS = ("at", "path", "here")


def python(name, *args):
    return ["/usr/bin/python3", PROGRAMS, name, *args]


def some(base):
    trees.large(base, 32, 700)


@pytest.mark.on("slow")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("program", ["rewrite", "two_passes"])
def test_changes_as_it_goes(place, program, form):
    walk_and_change(place, program, form)


@pytest.mark.on("uncached")
@pytest.mark.parametrize("program,form", [("rewrite", "path"), ("two_passes", "at")])
def test_changes_uncached(place, program, form):
    walk_and_change(place, program, form)


def walk_and_change(place, program, form):
    with place.pair(some) as pair:
        runs.alike(place, pair, python(program, "large", form))
        runs.trees_alike(pair)


SHELL = {
    "later-names": "cd tree/d0 && for f in f*; do cat $f | cksum; echo $f >> f09; chmod 600 f10; rm -f f11; "
                   "done; ls -l; cat f09",
    "rename-chain": "cd tree/d1 && prev=; for f in f*; do [ -n \"$prev\" ] && mv $f $prev; prev=$f; done; "
                    "for f in *; do [ -f $f ] && cksum $f; done",
    "swap": "cd tree && mv d0 x && mv d1 d0 && mv x d1 && grep -rc needle d0 d1 && du -s d0 d1",
    "find-rewrites": "find tree/d0 -name 'f0*' -exec sh -c 'echo \"$1\" >> tree/d0/f10; "
                     "wc -c tree/d0/f10; cksum < tree/d0/f10' - {} ';'",
    "find-removes": "find tree/d1 -type f -exec sh -c "
                    "'echo \"$1\"; rm -f tree/d1/f05 tree/d1/sub/f15' - {} ';'",
    "new-directory": "cd tree && tar cf $WORK/a.tar d0 && rm -r d0 && cp -r d1 d0 && "
                     "tar cf $WORK/b.tar d0 --mtime=@0 && cksum < $WORK/b.tar && grep -rl needle d0",
    "append": "for i in 1 2 3; do for f in tree/d0/f0[0-7]; do cksum < $f; echo $i >> $f; done; done",
    "extract-over": "tar cf $WORK/t.tar tree/d0; for i in 1 2; do "
                    "find tree/d0 -type f -exec truncate -s 5 {} +; cat tree/d0/f0* | cksum; "
                    "tar xf $WORK/t.tar; cat tree/d0/f0* | cksum; done",
}


@pytest.mark.on("slow")
@pytest.mark.parametrize("name", SHELL)
def test_shell(place, pair, name):
    runs.alike(place, pair, SHELL[name], None)
    runs.trees_alike(pair)


@pytest.mark.on("slow")
def test_moved_under_a_descriptor(place):
    """A directory is renamed while its listing is being worked through: names by
    descriptor go on, names by path are no longer there."""
    program = ("import os, sys\n"
               "fd = os.open('large', os.O_RDONLY)\n"
               "names = sorted(os.listdir('large'))\n"
               "for n, name in enumerate(names):\n"
               "    if n == 20: os.rename('large', 'elsewhere'); os.mkdir('large')\n"
               "    if n == 28: open('large/' + names[31], 'w').write('an impostor')\n"
               "    f = os.open(name, os.O_RDONLY, dir_fd=fd)\n"
               "    print(name, os.fstat(f).st_size, len(os.read(f, 9999)))\n"
               "    os.close(f)\n"
               "    try: print(os.stat('large/' + name).st_size, open('large/' + name).read()[:20])\n"
               "    except OSError as e: print(e)\n")
    with place.pair(some) as pair:
        runs.alike(place, pair, ["/usr/bin/python3", "-c", program])


@pytest.mark.on("slow")
def test_working_directory_changes(place):
    """The same relative names mean other files after each chdir."""
    program = ("import os\n"
               "for turn in range(3):\n"
               "    for d in ('tree/d0', '../d1', '../d2', '../..'):\n"
               "        os.chdir(d)\n"
               "        for name in sorted(os.listdir('.')):\n"
               "            if os.path.isfile(name) and name.startswith('f'):\n"
               "                data = open(name, 'rb').read()\n"
               "                print(d, name, len(data), sum(data), os.stat(name).st_size)\n")
    with place.pair(trees.plain) as pair:
        runs.alike(place, pair, ["/usr/bin/python3", "-c", program])
