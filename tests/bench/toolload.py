# SPDX-License-Identifier: MIT
"""What the benchmarks of file tools share: trees of files, one run of a tool with what
it cost, what it made of the files, and rows made of the runs of both sides."""

import contextlib
import hashlib
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import tarfile
import time
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import harness
from paired import ratio_row

SIZES = 4 << 10, 32 << 10
PER_DIR = 50
WRITTEN = 1700000000            # what every file and directory says
COUNTERS = ("hits", "misses", "adopted")


# --- trees -------------------------------------------------------------------

@dataclass(frozen=True)
class Tree:
    """Directories with PER_DIR files each, or what else a tool is given."""
    path: Path
    files: int


def _text(size):
    numbers = random.Random(1)
    return b"".join(b"%016x %016x\n" % (numbers.getrandbits(64), numbers.getrandbits(64))
                    for _ in range(size // 34 + 1))


def make_tree(path, dirs, per_dir=PER_DIR, sizes=SIZES):
    """Trees of fewer directories are parts of those of more, name by name."""
    text = _text(2 * sizes[1])
    numbers = random.Random(2)
    # Never read again within a day as far as relatime is concerned: no run writes inodes.
    times = (time.time() + 3600, WRITTEN)
    for d in range(dirs):
        below = Path(path, f"d{d:02d}")
        below.mkdir(parents=True)
        for i in range(per_dir):
            start = numbers.randrange(sizes[1])
            name = below / f"f{i:03d}"
            name.write_bytes(text[start:start + numbers.randint(*sizes)])
            os.utime(name, times)
        os.utime(below, times)
    os.utime(path, times)
    return Tree(Path(path), dirs * per_dir)


def make_repository(path, dirs):
    """The same, all of it committed."""
    tree = make_tree(path, dirs)
    git = harness.needs("git")
    for command in (["init", "-q"], ["add", "."], ["-c", "user.name=bench", "-c",
                    "user.email=bench@localhost", "commit", "-q", "-m", "files"]):
        subprocess.run([git, "-C", path, *command], env=environment(path), check=True,
                       capture_output=True, timeout=120)
    return tree


# --- tools -------------------------------------------------------------------

def listed(stdout, _):
    """What it made of how many files, for a tool that prints a line for each."""
    lines = stdout.read_bytes()
    return len(re.findall(rb"\bf\d{3}(?::0)?$", lines, re.M)), hashlib.sha256(lines).hexdigest()


def printed(stdout, _):
    """The same for one that does not."""
    return None, hashlib.sha256(stdout.read_bytes()).hexdigest()


def clean(stdout, _):
    if b"working tree clean" not in stdout.read_bytes():
        raise RuntimeError("git status: " + stdout.read_text())
    return printed(stdout, _)


def archive(_, out):
    data = out.read_bytes()
    if zipfile.is_zipfile(out):
        with zipfile.ZipFile(out) as made:
            files = sum(not m.is_dir() for m in made.infolist())
    else:
        with tarfile.open(out) as made:
            files = sum(m.isfile() for m in made)
    return files, hashlib.sha256(data).hexdigest()


def copy(_, out):
    files, digest = 0, hashlib.sha256()
    for top, dirs, names in os.walk(out):
        dirs.sort()
        for name in sorted(names):
            path = Path(top, name)
            digest.update(f"{path.relative_to(out)} {path.stat().st_size}\n".encode())
            digest.update(path.read_bytes())
            files += 1
    return files, digest.hexdigest()


@dataclass(frozen=True)
class Tool:
    """A program that runs in a tree; {out} is where it writes to."""
    argv: tuple
    made: object = listed
    status: int = 0


def environment(home):
    return {**harness.lib_env(None), "LC_ALL": "C", "TZ": "UTC", "HOME": str(home),
            "GIT_CONFIG_NOSYSTEM": "1"}


def toolrun(argv, cwd, work, settings=(), stdout="/dev/null", timeout=600):
    """Runs it and says what it took: seconds, cpu, rss_kib, and its exit status."""
    program = harness.BUILD / "tests/bench/toolrun"
    done = subprocess.run([program, stdout, *settings, *argv], cwd=cwd, env=environment(work),
                          capture_output=True, text=True, errors="replace", timeout=timeout)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, argv))}: {done.stderr.strip()}")
    return {**json.loads(done.stdout), "stderr": done.stderr.strip()}


def complete(name, tree, made):
    """What a tool has made, if it is of all files."""
    if made[0] not in (None, tree.files):
        raise RuntimeError(f"{name}: {made[0]} files of {tree.files}")
    return made


def same(name, without, with_):
    if without != with_:
        raise RuntimeError(f"{name}: the library changes what is made")


def library_settings(stats=None):
    env = harness.lib_env("auto", stats=stats)
    return [f"{k}={v}" for k, v in env.items()
            if k == "LD_PRELOAD" or k.startswith("FUSE_AIO_")]


# --- both sides of a tool ----------------------------------------------------

@dataclass
class Comparison:
    """Runs of a tool without and with the library. Each side has its tree: where the
    plain one would take minutes it has a smaller one. reach(tree, variant) is a context
    in which the tree is there, with nothing of it cached if it is to be cold; its value
    is the directory to run in."""
    name: str
    tool: Tool
    trees: tuple
    work: Path
    reach: object
    cold: bool = True
    runs: tuple = field(default_factory=lambda: ([], []))
    made: dict = field(default_factory=dict)

    @property
    def stats(self):
        return self.work / "stats"

    def run(self, variant, tree=None, counted=True):
        """One run; its files per second."""
        tree = tree or self.trees[variant]
        # zip gives names without an ending one of its own.
        stdout, out = self.work / "stdout", self.work / "made.out"
        argv = [part.format(out=out) for part in self.tool.argv]
        preload = ([], library_settings())[variant]
        settings = ([], library_settings(self.stats if counted else None))[variant]
        try:
            with self.reach(tree, variant) as top:
                if self.cold:   # the program itself is not what has to come from the disk
                    toolrun([argv[0], "--version"], "/", self.work, preload)
                figures = toolrun(argv, top, self.work, settings, stdout)
            if figures["status"] != self.tool.status:
                raise RuntimeError(f"{self.name}: ended with {figures['status']}: "
                                   f"{figures['stderr']}")
            if (variant, tree) not in self.made:
                self.made[variant, tree] = complete(self.name, tree,
                                                    self.tool.made(stdout, out))
        finally:
            shutil.rmtree(out, ignore_errors=True)
            with contextlib.suppress(FileNotFoundError):
                out.unlink()
        figures["files"] = tree.files
        self.runs[variant].append(figures)
        return tree.files / figures["seconds"]

    def check(self):
        """That both sides make the same of the same tree, if need be by another run."""
        tree = self.trees[0]
        if (1, tree) not in self.made:
            self.run(1, tree, counted=False)
            self.runs[1].pop()
        same(self.name, self.made[0, tree], self.made[1, tree])

    def pairs(self, seconds, least):
        """How many pairs of runs fill so many seconds on each side; not fewer than
        `least`. Both sides run once, outside of the figures."""
        for variant in (0, 1):
            self.run(variant)
        took = self.runs[0][0]["seconds"]
        for side in self.runs:
            side.clear()
        return min(50, max(least, round(seconds / took)))

    def row(self, family, rounds, target):
        self.stats.unlink(missing_ok=True)
        row = ratio_row(family, self.name, "files/s",
                        lambda v, _: self.run(v, counted=self.cold), rounds, target)
        self.check()
        if not self.cold:       # one run more, so that the statistics cost the others nothing
            self.run(1)
            self.runs[1].pop()
        cpu = [statistics.median(r["cpu"] * 1000 / r["files"] for r in side)
               for side in self.runs]
        rss = [max(r["rss_kib"] for r in side) / 1024 for side in self.runs]
        did = counters(harness.read_stats(self.stats), rounds if self.cold else 1)
        row.extra = {"cpu": cpu, "rss_mib": rss, "counters": did}
        row.notes = ("CPU {:.3f}, {:.3f} s/1000; ".format(*cpu)
                     + "RSS {:.1f}, {:.1f} MiB; ".format(*rss) + counters_text(did))
        return row


def _everywhere(value, key):
    """The sum of all counters of that name, in whatever part of a statistics line."""
    if not isinstance(value, dict):
        return 0
    return sum(v if k == key else _everywhere(v, key) for k, v in value.items())


def counters(lines, runs):
    """What the processes of a run counted, on average."""
    return {key: round(sum(_everywhere(line, key) for line in lines) / runs)
            for key in COUNTERS}


def counters_text(did):
    return ", ".join(f"{key} {n:,}" for key, n in did.items())
