# SPDX-License-Identifier: MIT
"""Tools that write, change, move and remove below the file system they read from:
what they print and the tree that they leave are the same: bytes, modes, owners,
times, links, holes and attributes."""
import os

import pytest

import harness
import runs
import trees

# Made with plain tools beside the tree, before the runs, where the command needs it.
PREPARE = {
    "t.tar": "rm tree/big; tar cf t.tar --xattrs tree 2>/dev/null || test -s t.tar",
    "t.zip": "cd tree && zip -qry -X ../t.zip d0 d1 d2",
    "other": "cp -a tree/d0 other; echo changed > other/f03; rm other/f05; touch other/new; "
             "ln -sf elsewhere other/f07; mkdir other/made; touch -d 2021-01-01 other other/*",
}

WRITES = {
    "tar-x": "mkdir out && tar xpf t.tar -C out --xattrs && ls -l out/tree",
    "tar-x-over": "tar xpf t.tar --overwrite && tar xf t.tar --keep-newer-files tree/d0; tar df t.tar",
    "tar-r": "touch tree/d0/f01; tar rf t.tar tree/d1 && tar tf t.tar | sort",
    "unzip": "mkdir out && unzip -q t.zip -d out && unzip -qo t.zip 'd0/*' -d out && ls -R out",
    "zip-u": "echo new > tree/d0/f02; zip -qu t.zip tree/d0/f02 && unzip -l t.zip | tail -1",
    "cp-a": "cp -a tree out",
    "cp-over": "cp -a other/. tree/d0/ && cp -ru tree/d1/. tree/d0/ && cp -rn tree/d2 tree/d0",
    "cp-itself": "cp -a tree/d0/. tree/d0/; cp -r tree/d1 tree/d1; cp tree/d1/f01 tree/d1/f01",
    "cp-backup": "for n in 1 2; do cp -r --backup=numbered other/. tree/d0/; done; ls tree/d0",
    "cp-l": "cp -al tree/d1 hard && echo more >> hard/f02 && "
            "cp -rs $PWD/tree/d2 soft; ls soft; rm -r soft",
    "rsync": "rsync -aHXi tree/ out/ && echo x >> tree/d0/f01 && rsync -aHXi tree/ out/",
    "rsync-delete": "rsync -ai --delete other/ tree/d0/ && rsync -acin other/ tree/d0/",
    "rsync-itself": "rsync -ai tree/d1/ tree/d1/ && rsync -aci tree/d0/ tree/d0/",
    "rsync-inplace": "rsync -a --inplace --no-whole-file other/ tree/d0/ && "
                     "rsync -a --link-dest=$PWD/other other/ out/",
    "mv": "mkdir out && mv tree/d0 tree/d1/* out/ && mv out/sub tree/ && "
          "mv -n other/* tree/d2/ && ls -R out",
    "mv-each": "cd tree/d0 && for f in f0[1-9]; do mv $f m-$f && test ! -e $f && cksum < m-$f; done",
    "rm-r": "rm -rv tree/d0 tree/d1 | sort; rm tree/d3/dangling tree/nothing; rmdir tree/d0; rm -rf tree; ls",
    "find-delete": "find tree -type f -size -5k -delete; find tree -empty -delete -print",
    "find-rm": "find tree/d0 -name 'f0[2-9]' "
               "-exec sh -c 'cksum < \"$1\"; rm \"$1\"' - {} ';'; ls -R tree/d0",
    "sed-i": "find tree/d0 tree/d2 -name 'f*' -type f -exec sed -i s/needle/thread/ {} + && "
             "grep -rc thread tree",
    "sed-each": "for f in tree/d0/f0[1-6]; do sed -i 's/line/and/' $f; "
                "head -c 20 $f; stat -c '%s %a' $f; done",
    "chmod": "chmod -R go-rwx tree/d0 && chmod -Rc a+r tree/d1 | sort && ls -lR tree/d0 tree/d1",
    "touch": "find tree -type f -exec touch -d 2022-02-02 {} + && "
             "find tree -newermt 2022-01-01 -printf '%p %TY\\n'",
    "truncate": "for f in tree/d1/f0[1-6]; do truncate -s 10 $f; cat $f; "
                "du -b $f; truncate -s 3000 $f; cksum $f; done",
    "append": "for n in 1 2; do for f in tree/d0/f0[1-6]; do echo $n >> $f; "
              "tail -n 1 $f; stat -c %s $f; done; done",
    "gzip": "gzip -nr tree/d0 && gzip -t tree/d0/*.gz && gunzip -r tree/d0 && ls -l tree/d0",
    "split": "split -b 90k tree/big tree/d0/part- && cat tree/d0/part-* | cmp - tree/big && "
             "rm tree/d0/part-?a",
    "ln": "for f in tree/d0/f0[1-6]; do ln $f $f.l && ln -s ${f##*/} $f.s; "
          "stat -c '%h %s' $f; done; ls -l tree/d0",
    "dd": "for f in tree/d1/f0[1-6]; do dd if=$f of=$f bs=1k count=2 conv=notrunc "
          "status=none; cksum $f; done",
    "attributes": "cd tree/d0/sub && for f in f1?; do setfattr -n user.k -v 1 $f; getfattr -d $f; done",
}

# Where nothing waits there is nothing to run ahead for: some of them will do.
HOT = ("tar-x", "cp-a", "rsync-delete", "mv", "rm-r", "sed-each")


def write(place, pair, name):
    harness.needs("rsync", "zip", "unzip", "setfattr")
    for side in pair:
        for made, command in PREPARE.items():
            if made in WRITES[name]:
                runs.prepare(side, command)
    runs.alike(place, pair, WRITES[name], None)
    runs.trees_alike(pair, skip=("t.tar", "t.zip"))


@pytest.mark.on("slow")
@pytest.mark.parametrize("name", WRITES)
def test_writes(place, pair, name):
    write(place, pair, name)


@pytest.mark.on("tmpfs")
@pytest.mark.parametrize("name", HOT)
def test_writes_hot(place, pair, name):
    write(place, pair, name)


@pytest.mark.on("slow")
def test_sparse_copies(place, pair):
    """Holes stay holes, and are made where they are asked for."""
    command = ("cp -a tree/sparse kept; cp --sparse=always tree/sparse made; cp --sparse=never "
               "tree/sparse full; rsync -aS tree/sparse rsynced; tar cS tree/sparse | tar x -C out")
    for side in pair:
        os.mkdir(os.path.join(side.backing, "out"))
    runs.alike(place, pair, command)
    tree = runs.trees_alike(pair)
    assert len(tree[b"kept"][-1]) == 2 and len(tree[b"full"][-1]) == 1, tree


@pytest.mark.on("slow")
@pytest.mark.parametrize("command", [
    "cp -r large copy && ls copy | wc -l", "mv large/* moved/ && ls large moved | wc -l",
    "rm -r large && ls", "cd large && for f in file-0001*; do mv $f a-$f; done; ls | cksum"])
def test_large_directory(place, command):
    def build(base):
        trees.large(base, 150)
        os.mkdir(f"{base}/moved")
    with place.pair(build) as pair:
        runs.alike(place, pair, command)
        runs.trees_alike(pair)
