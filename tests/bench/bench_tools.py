# SPDX-License-Identifier: MIT
"""Tools that walk trees of files: on a slow file system, on a disk with nothing cached,
over sshfs, through an FTP server, and on files in memory, where there is nothing to
gain. What a tool makes of the files is compared between the sides."""

import contextlib
import os
import statistics
import tempfile
from dataclasses import dataclass

import eventload
import harness
import servers
import sshmount
import toolload
from bench_slow import DELAY_US, Requests
from disk import disk_dir
from paired import ratio_row
from toolload import Comparison, Tool, Tree

COLD, HOT = "tools", "tools_hot"

DIRS = 100                      # with 50 files each
# With the library these have a fifth of it: they gain less, and would take a minute.
LESS = ("ls -lR",)
PART = 20                       # the plain side has one in so many on the slow file system
DU_DIRS, DU_PER_DIR = 100, 1000
SSHFS_DIRS = 20
FTP_FILES = 500
SOURCES = 12                    # of the C project

NEVER = "no such text"
TOOLS = {
    "tar": Tool(("tar", "-cf", "{out}", "."), toolload.archive),
    "cp -r": Tool(("cp", "-r", ".", "{out}"), toolload.copy),
    # -c prints a line for each file that was searched: something to compare.
    "grep -r": Tool(("grep", "-rc", NEVER, "."), status=1),
    "rsync -a": Tool(("rsync", "-a", "./", "{out}/"), toolload.copy),
    "du -a": Tool(("du", "-a", ".")),
    "du": Tool(("du", "."), toolload.printed),
    "ls -lR": Tool(("ls", "-lR", ".")),
    "git status": Tool(("git", "status"), toolload.clean),
    # Stored only: to compress takes so long that nothing else would show.
    "zip -r": Tool(("zip", "-0qrX", "{out}", "."), toolload.archive),
    "find": Tool(("find", ".", "-type", "f", "-size", "-1000k")),
    "make": Tool(("make", "-s", "OUT={out}"), toolload.copy),
    "find -exec true": Tool(("find", ".", "-name", "f000", "-exec", "true", ";"),
                            toolload.printed),
    "sh loop": Tool(("sh", "-c", "for f in d*/f000; do cat $f; done"), toolload.printed),
}


def rounds_of(opts):
    return 2 if opts.quick else opts.rounds


def fewer(n, opts):
    return n // 5 if opts.quick else n


@dataclass(frozen=True)
class Case:
    """One row: a tool, where its files are, and the target."""
    where: str
    tool: str
    target: float

    @property
    def name(self):
        return f"{self.tool}, {self.where}"


def cases(where, target, *tools):
    return [Case(where, tool, target) for tool in tools]


# --- a file system that takes 2 ms -------------------------------------------

class Reached:
    """Trees on a mounted slowfs, none of it cached, and what was asked of it."""

    def __init__(self, fs):
        self.fs, self.requests, self.files = fs, Requests(fs), [0, 0]

    @contextlib.contextmanager
    def __call__(self, tree, variant):
        harness.drop_caches()
        self.files[variant] += tree.files
        with self.requests.counted_for(variant):
            yield self.fs.mountpoint / tree.path.name

    def per_file(self):
        return [{op: round(n / files, 2) for op, n in sums.items()}
                for sums, files in zip(self.requests.sums, self.files)]


def slow(opts, wanted):
    dirs = fewer(DIRS, opts)
    with harness.tmpfs_dir() as work, contextlib.ExitStack() as stack:
        top = work / "files"
        part = toolload.make_tree(top / "part", dirs // PART)
        whole = toolload.make_tree(top / "whole", dirs)
        less = toolload.make_tree(top / "less", dirs // 5)
        # git looks from threads, more of them for more files: both sides have all.
        all_of_it = {"git status": toolload.make_repository(top / "repository", dirs)}
        fs = stack.enter_context(harness.slowfs(top, work / "mnt", DELAY_US))
        for case in wanted:
            same = all_of_it.get(case.tool)
            reached = Reached(fs)
            row = Comparison(case.name, TOOLS[case.tool], (same or part, same or (less if case.tool in LESS else whole)), work,
                             reached).row(COLD, rounds_of(opts), case.target)
            row.extra["requests_per_file"] = asked = reached.per_file()
            if asked[0].get("lookup", 0) < 1:
                raise RuntimeError(f"{case.name}: names were cached")
            row.notes += "; {:.1f}, {:.1f} requests a file".format(
                *(sum(ops.values()) for ops in asked))
            yield row


# --- a disk ------------------------------------------------------------------

@contextlib.contextmanager
def cold(tree, _):
    harness.drop_caches()
    yield tree.path


@contextlib.contextmanager
def hot(tree, _):
    yield tree.path


def disk_rows(opts, wanted, dirs, per_dir, sizes):
    with disk_dir(4 * dirs * per_dir * sizes[1]) as top, harness.tmpfs_dir() as work:
        tree = toolload.make_tree(top / "files", dirs, per_dir, sizes)
        for case in wanted:
            yield Comparison(case.name, TOOLS[case.tool], (tree, tree), work,
                             cold).row(COLD, rounds_of(opts), case.target)


def disk(opts, wanted):
    return disk_rows(opts, wanted, fewer(DIRS, opts), toolload.PER_DIR, toolload.SIZES)


def disk_du(opts, wanted):
    return disk_rows(opts, wanted, fewer(DU_DIRS, opts), DU_PER_DIR, (64, 64))


# --- sshfs -------------------------------------------------------------------

def sshfs(opts, wanted):
    with harness.tmpfs_dir() as work:
        tree = toolload.make_tree(work / "files", fewer(SSHFS_DIRS, opts))

        @contextlib.contextmanager
        def mounted(tree, _):
            # A mount for each run: sshfs itself remembers attributes for 20 s.
            with tempfile.TemporaryDirectory(dir=work) as place, \
                    sshmount.sshfs(tree.path, place) as mountpoint:
                harness.drop_caches()
                yield mountpoint

        for case in wanted:
            yield Comparison(case.name, TOOLS[case.tool], (tree, tree), work,
                             mounted).row(COLD, rounds_of(opts), case.target)


# --- FTP ---------------------------------------------------------------------

def sessions_cpu(pid):
    """CPU seconds of all sessions of a server, which have to have ended."""
    harness.wait_until(lambda: not eventload.children(pid), what="end of the session")
    with open(f"/proc/{pid}/stat") as f:
        return sum(map(int, f.read().rsplit(")", 1)[1].split()[13:15])) / os.sysconf("SC_CLK_TCK")


def ftp(opts, wanted):
    """The library is in the server, not in the tool."""
    [case] = wanted
    program = harness.needs("vsftpd", "lftp")[1]
    with harness.tmpfs_dir() as work, contextlib.ExitStack() as stack:
        tree = toolload.make_tree(work / "files", 1, fewer(FTP_FILES, opts))
        fs = stack.enter_context(harness.slowfs(tree.path, work / "mnt", DELAY_US))
        stats = work / "stats"
        ports, pids = [], []
        for n, env in enumerate((harness.lib_env(None), harness.lib_env("auto", stats=stats))):
            place = work / f"server{n}"
            place.mkdir()
            ports.append(harness.free_port())
            pids.append(stack.enter_context(servers.vsftpd(fs.mountpoint, place, ports[-1],
                                                           env)).pid)
        cpu, made = [0, 0], [None, None]

        def run(variant, _):
            harness.drop_caches()
            toolload.toolrun([program, "--version"], "/", work)
            before = sessions_cpu(pids[variant])
            with tempfile.TemporaryDirectory(dir=work) as out:
                took = toolload.toolrun(
                    [program, "-c", f"open 127.0.0.1:{ports[variant]}; mget -O {out} d00/*"],
                    "/", work)
                if took["status"]:
                    raise RuntimeError("lftp: " + took["stderr"])
                made[variant] = toolload.complete(case.name, tree, toolload.copy(None, out))
            cpu[variant] += sessions_cpu(pids[variant]) - before
            return tree.files / took["seconds"]

        rounds = rounds_of(opts)
        row = ratio_row(COLD, case.name, "files/s", run, rounds, case.target)
        toolload.same(case.name, *made)
        stack.close()       # the statistics are there when the servers have ended
        did = toolload.counters(harness.read_stats(stats), rounds)
        row.notes = "CPU of the server {:.3f}, {:.3f} s/1000; ".format(
            *(c * 1000 / rounds / tree.files for c in cpu)) + toolload.counters_text(did)
        row.extra = {"counters": did}
        yield row


# --- files in memory ---------------------------------------------------------

MAKEFILE = """\
OBJECTS := $(patsubst %.c,$(OUT)/%.o,$(wildcard *.c))
$(OUT)/program: $(OBJECTS)
	$(CC) -o $@ $^
$(OUT)/%.o: %.c all.h
	@mkdir -p $(@D)
	$(CC) -O1 -c -o $@ $<
"""


def make_project(path, sources):
    path.mkdir()
    (path / "Makefile").write_text(MAKEFILE)
    (path / "all.h").write_text("#include <stdio.h>\n#include <stdlib.h>\n#include <string.h>\n"
                                + "".join(f"int f{i}(int);\n" for i in range(sources)))
    for i in range(sources):
        (path / f"f{i}.c").write_text(
            f'#include "all.h"\nint f{i}(int n)\n{{\n\tprintf("%d\\n", n);\n'
            f"\treturn n ? f{(i + 1) % sources}(n - 1) : 0;\n}}\n")
    (path / "main.c").write_text('#include "all.h"\nint main(void)\n{\n\treturn f0(3);\n}\n')
    return Tree(path, sources + 2)      # objects, and the program


def start_cost(work, count):
    """What it takes to start a program that does nothing, in ms: alone, with a preload
    that does nothing either, and with the library."""
    variants = ([], [f"LD_PRELOAD={harness.BUILD / 'tests/bench/null_preload'}"],
                toolload.library_settings())
    took = [[toolload.toolrun(["true"], "/", work, settings)["seconds"] * 1000
             for settings in variants] for _ in range(count)]
    return [statistics.median(column) for column in zip(*took)]


def in_memory(opts, wanted):
    dirs = fewer(DIRS, opts)
    seconds, least = (0.2, 3) if opts.quick else (2.5, max(opts.rounds, 7))
    with disk_dir(1 << 30) as top, harness.tmpfs_dir() as work:
        tree = toolload.make_tree(top / "files", dirs)
        one_of_each = Tree(tree.path, dirs)
        trees = {"git status": toolload.make_repository(top / "repository", dirs),
                 "make": make_project(top / "project", max(2, fewer(SOURCES, opts))),
                 "find -exec true": one_of_each, "sh loop": one_of_each}
        os.sync()
        for case in wanted:
            of = trees.get(case.tool, tree)
            both = Comparison(case.name, TOOLS[case.tool], (of, of), work, hot, cold=False)
            row = both.row(HOT, both.pairs(seconds, least), case.target)
            if case.tool == "find -exec true":
                row.extra["start_ms"] = start_cost(work, 20 if opts.quick else 100)
                row.notes += ("; `true` starts in {:.2f} ms, with an empty preload {:.2f}, "
                              "with the library {:.2f}").format(*row.extra["start_ms"])
            yield row


# -----------------------------------------------------------------------------

SLOW, DISK, SSHFS, MEMORY = ("slowfs 2 ms", "disk, cache dropped", "sshfs, loopback",
                             "disk, in memory")
GROUPS = (
    (slow, cases(SLOW, 15, "tar", "cp -r", "grep -r", "rsync -a")
     + cases(SLOW, 10, "du -a", "ls -lR", "git status")),
    (disk, cases(DISK, 1.8, "tar", "grep -r", "cp -r")),
    (disk_du, cases(f"large tree, {DISK}", 2.1, "du")),
    (sshfs, cases(SSHFS, 3, "tar", "cp -r", "grep -r", "rsync -a", "du -a")),
    (ftp, cases(f"vsftpd, {SLOW}", 1.5, "lftp mget")),
    (in_memory, cases(MEMORY, 0.97, "tar", "cp -r", "grep -r", "rsync -a", "du -a", "ls -lR",
                      "git status", "zip -r", "find", "make", "find -exec true", "sh loop")),
)


def run(opts, skipped):
    rows = []
    for group, all_cases in GROUPS:
        wanted = []
        for case in all_cases:
            try:
                harness.needs(case.tool.split()[0])
            except harness.Missing as e:
                skipped.append(f"{case.name}: {e}")
            else:
                if opts.match in case.name:
                    wanted.append(case)
        try:
            if wanted:
                rows += group(opts, wanted)
        except harness.Missing as e:
            skipped.append(f"{group.__name__}: {e}")
    return rows
