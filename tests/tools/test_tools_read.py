# SPDX-License-Identifier: MIT
"""Tools that read a tree: what they print, how they end and what they write
elsewhere is the same, byte by byte. Commands run beside `tree`, with a fast
directory for each side in $WORK."""
from pathlib import Path

import pytest

import harness
import runs
import snapshot
import trees
from sides import same

PROGRAMS = Path(__file__).with_name("programs.py")


def python(name, *args):
    return ["/usr/bin/python3", PROGRAMS, name, *args]


# Exit status as they have it on this tree; None: as the plain run has it.
READS = {
    "du-a": ("du -a tree", 0),
    "du-s": ("du -s --apparent-size tree; du -albc --time tree tree/d0", 0),
    "ls-lR": ("ls -lR tree", 0),
    "ls-laR": ("ls -laRUQ --full-time tree", 0),
    "find-newer": ("find tree -newer tree/d1/f05", 0),
    "find-size": ("find tree -size +8k -printf '%p %s %m %t %l\\n'", 0),
    "find-L": ("find -L tree/d3 -type f -ls | cut -c 20-", 0),
    "find-exec": ("find tree/d0 -name 'f0*' -exec cksum {} ';'", 0),
    "grep-r": ("grep -r needle tree", 0),
    "grep-l": ("grep -rl needle tree; grep -rq needle tree; echo $?", 0),
    "grep-none": ("grep -r no-such-word tree/d2 tree/d3", 1),
    "grep-R": ("grep -R -D skip -nI --include='f*' needle tree/d0 tree/d3", None),
    "diff-r": ("diff -r --no-dereference tree/d0 tree/d3", 1),
    "diff-q": ("diff -rq tree/d1 tree/d2", 1),
    "sha256sum": ("cd tree/d0 && sha256sum * sub/*", 1),
    "file": ("cd tree && file * d2/sub/*", 0),
    "stat": ("cd tree && stat -c '%n %F %a %s %h %u %Y' * d3/* d3/sub/deep/*", 0),
    "script": ("for f in tree/d1/* tree/d3/sub/deep/*; do [ -f \"$f\" ] && { read -r line < \"$f\"; "
               "echo \"$f: $line\"; }; done | cksum; test -e tree/d3/dangling", 1),
    "walk": (python("walk", "tree"), 0),
    "entries": (python("entries", "tree/d3"), 0),
    "by-descriptor": (python("by_descriptor", "tree/d2"), 0),
    "back-and-forth": (python("back_and_forth", "tree/d1"), 0),
}

NO_TIMES = "--pax-option=delete=atime,delete=ctime"

# What makes something of a tree, and what must be equal.
PACKS = {
    "tar": ("tar cf $WORK/t.tar tree && tar tvf $WORK/t.tar", "t.tar"),
    "tar-S": (f"tar cSf $WORK/t.tar --sparse-version=0.0 --xattrs {NO_TIMES} tree", "t.tar"),
    "tar-pipe": ("tar c tree | cat > $WORK/t.tar; tar df $WORK/t.tar", "t.tar"),
    "tar-sort": (f"tar cf $WORK/t.tar --sort=name --format=pax --mtime=@0 {NO_TIMES} tree", "t.tar"),
    "tar-list": ("find tree -type f -print0 | tar c --null -T - -f $WORK/t.tar", "t.tar"),
    "zip": ("zip -qry -X $WORK/t.zip tree; unzip -v $WORK/t.zip", "t.zip"),
}

COPIES = {
    "cp-a": "cp -a tree $WORK/copy",
    "cp-r": "cp -r tree/d0 tree/d3 $WORK/",
    "cp-L": "cp -rL tree/d0 tree/d3/good tree/d1 $WORK/",
    "rsync": "rsync -aHX --stats tree/ $WORK/copy/ | grep -v -e sec -e speedup -e 'Total bytes' "
             "-e 'File list'",
    "rsync-c": "rsync -ac tree/d0 $WORK/ && rsync -aciv tree/d0 tree/d1 $WORK/ | grep -v sec",
    "mv": "cp -r tree/d1 $WORK/d1 && cp -r tree/d2 $WORK/ && mv $WORK/d1 $WORK/d2/",
    "tar-tar": "tar c tree/d1 tree/d3 | tar x -C $WORK",
}


# Where nothing waits there is nothing to run ahead for: some of them will do.
HOT = ("du-a", "ls-lR", "find-L", "grep-r", "sha256sum", "entries", "by-descriptor")


@pytest.mark.on("slow")
@pytest.mark.parametrize("name", READS)
def test_reads(place, shared, name):
    runs.alike(place, shared, *READS[name])


@pytest.mark.on("tmpfs")
@pytest.mark.parametrize("name", HOT)
def test_reads_hot(place, shared, name):
    runs.alike(place, shared, *READS[name])


def test_descriptors(place, shared):
    """The numbers that files get, and that no other ones are open."""
    runs.alike(place, shared, python("descriptors", "tree/d2"), counted=False)
    runs.alike(place, shared, "find tree/d1 -type f -exec sh -c 'echo /proc/self/fd/*' ';'",
               counted=False)


@pytest.mark.on("slow")
@pytest.mark.parametrize("name", PACKS)
def test_packs(place, shared, name):
    harness.needs("zip", "unzip")
    command, made = PACKS[name]
    status, out, err = runs.alike(place, shared, command, None)
    assert status == 0 or b"socket ignored" in err or name == "zip", (status, err)
    runs.files_alike(shared, made)


@pytest.mark.on("slow")
@pytest.mark.parametrize("name", COPIES)
def test_copies(place, shared, name):
    harness.needs("rsync")
    runs.alike(place, shared, COPIES[name], None)
    runs.works_alike(shared)


ALL = {**{n: c for n, (c, _) in (READS | PACKS).items()}, **COPIES}


@pytest.mark.on("slow")
@pytest.mark.parametrize("name", ["tar-S", "cp-a", "du-a", "grep-r", "walk"])
def test_without_privileges(place, shared, name):
    """As somebody who may not read everything."""
    for side in shared:
        runs.ready_for_nobody(side)
    status, out, err = runs.alike(place, shared, ALL[name], None, **runs.as_nobody())
    assert b"ermission" in (out if name == "walk" else err), (name, status, err)


@pytest.mark.root
@pytest.mark.on("slow")
@pytest.mark.parametrize("name", ["tar", "cp-a", "grep-r", "du-a", "ls-lR", "walk"])
def test_access_times(place, name):
    """Files that are read to the end have a new access time, those that are only
    looked at keep theirs: what ran ahead does not show."""
    with place.pair(trees.regular) as pair:
        for side in pair:
            runs.ready_for_nobody(side)
        runs.alike(place, pair, ALL[name])
        moved = same([snapshot.accessed(side.backing) for side in pair])
        files = [n for n in moved if "/f" in n]
        assert len(files) == (0 if name in ("du-a", "ls-lR") else 80)


@pytest.mark.parametrize("how", ["replace", "system"])
def test_access_times_kept(place, how, request):
    """tar sets back what an fstat before its first read has told."""
    if how == "replace" and place.name == "slow":
        request.applymarker(pytest.mark.xfail(strict=False, reason=(
            "the window is started at the open, and may have moved the access time "
            "before the program asks for it")))
    with place.pair(trees.regular) as pair:
        runs.alike(place, pair, f"tar cf $WORK/t.tar --atime-preserve={how} tree")
        runs.files_alike(pair, "t.tar")
        same([[n for n in snapshot.accessed(side.backing) if "/f" in n] for side in pair])


@pytest.mark.on("slow")
@pytest.mark.parametrize("command,n", [("du -s large", trees.LARGE),
                                       ("find large -newer large/file-00700", trees.LARGE),
                                       ("grep -r needle large | cksum", 400)])
def test_large_directory(place, command, n):
    with place.shared(lambda base: trees.large(base, n)) as shared:
        runs.alike(place, shared, command)


@pytest.mark.on("slow")
def test_same_inode_numbers(place):
    """One mount, one side after the other: inode numbers, too."""
    with place.shared(trees.plain) as shared:
        one = shared[0].root
        for side in shared:
            side.root = one
        same([runs.results(place, [side], "ls -lRi tree; find tree -printf '%i %n %p\\n'")
                   for side in shared])
