# SPDX-License-Identifier: MIT
"""Help that fits a screen, man pages that a formatter takes without a word, and that the
two speak of the same options."""
import os
import re
import subprocess

import pytest

from command import environment, fuse_aio
from harness import ROOT, needs

PAGES = sorted((ROOT / "docs" / "man").glob("*.1"))
OURS = ["run", "record", "doctor"]


def options(text):
    return set(re.findall(r"^ +(?:-., )?(--[a-z-]+)", text, re.M))


@pytest.mark.parametrize("command", [None, *OURS, "options", "counters"])
def test_help_fits_a_screen(command):
    done = fuse_aio(*filter(None, [command]), "--help", env=environment(COLUMNS="80"))
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and not done.stderr
    assert 3 < len(lines) <= 24 and max(map(len, lines)) <= 80
    assert "Mandatory or optional" not in done.stdout


@pytest.mark.parametrize("command", OURS)
def test_pages_speak_of_all_options(command):
    page = (ROOT / "docs" / "man" / f"fuse-aio-{command}.1").read_text().replace("\\-", "-")
    mine = options(fuse_aio(command, "--help").stdout) - {"--help", "--usage", "--version"}
    assert mine and set(re.findall(r"(--[a-z-]+)[=\n ]", page)) >= mine


def test_page_speaks_of_all_commands():
    page = (ROOT / "docs" / "man" / "fuse-aio.1").read_text()
    commands = re.findall(r"^  ([a-z]+)  ", fuse_aio("--help").stdout, re.M)
    assert len(commands) == 8
    for command in commands:
        assert f"\n.B {command}\n" in page


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_page_is_well_formed(page):
    done = subprocess.run([needs("man"), "-l", "--warnings", "-E", "UTF-8", "-Tutf8", page],
                          env=os.environ | {"MANWIDTH": "80", "MANROFFOPT": "-ww", "LC_ALL": "C.UTF-8"},
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0 and not done.stderr
    text = re.sub(".\b", "", done.stdout)     # bold
    for heading in ("NAME", "SYNOPSIS", "DESCRIPTION", "SEE ALSO"):
        assert heading in text


def test_version():
    done = fuse_aio("--version")
    assert done.returncode == 0 and re.fullmatch(r"fuse-aio \d+\.\d+\.\d+\n", done.stdout)
