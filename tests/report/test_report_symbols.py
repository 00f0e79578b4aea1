# SPDX-License-Identifier: MIT
"""Names of code: from the symbols and lines of a program that is there, and without."""
import re
import shutil
import subprocess

import pytest

import harness
import recordings as R
from reports import TOOL, report_json

MS = 1_000_000


def address(program, function):
    nm = harness.needs("nm")
    for line in subprocess.run([nm, program], capture_output=True, text=True).stdout.splitlines():
        fields = line.split()
        if fields[-1] == function and len(fields) == 3:
            return int(fields[0], 16)
    pytest.skip(f"{program} has no symbol {function}")


def rows(tmp_path, program, frames, bias=0x7f0000000000, child=False):
    r = R.Recording()
    t = r.process()
    t.begins(0, "/bin/x")
    t.module(bias, bias + (1 << 30), bias, str(program))
    if child:
        t = r.process(200)
        t.begins(0, "/bin/x", parent=1)
    t.site(1, *frames)
    t.call("read", 0, 160, site=1)
    return report_json(r.save(tmp_path / "r", MS))["rows"]


@pytest.fixture
def program():
    if not TOOL.exists():
        pytest.skip("not built")
    return TOOL


@pytest.mark.parametrize("child", [False, True])
def test_function_and_line(tmp_path, program, child):
    bias = 0x7f0000000000
    inner, outer = (bias + address(program, f) + 5 for f in ("cmd_report", "main"))
    row, = rows(tmp_path, program, [inner, outer], bias, child)
    assert re.fullmatch(r"cmd_report\+0x5 cmd_report\.c:\d+ \(fuse-aio\)", row["name"])
    assert row["detail"] == "cmd_report < main"


def test_return_address_belongs_to_the_call(tmp_path, program):
    """A call that never returns may be the last instruction of its function."""
    bias = 0x7f0000000000
    start = address(program, "cmd_report")
    name = rows(tmp_path, program, [bias + start], bias)[0]["name"]
    assert not name.startswith("cmd_report")


def test_stripped(tmp_path, program):
    stripped = tmp_path / "stripped"
    shutil.copy(program, stripped)
    subprocess.run([harness.needs("strip"), "--strip-all", stripped], check=True)
    at = address(program, "cmd_report") + 5
    row, = rows(tmp_path, stripped, [0x1000 + at], 0x1000)
    assert row["name"] == f"stripped+0x{at:x}"


@pytest.mark.parametrize("path", ["/nonexistent/lib.so", "/dev/zero", "/etc/passwd", "lib.so", "/", "[vdso]"])
def test_modules_that_cannot_be_read(tmp_path, path):
    row, = rows(tmp_path, path, [0x7f0000000123])
    assert row["name"] == f"{path.rsplit('/', 1)[-1]}+0x123"


def test_call_at_the_end_of_a_module(tmp_path):
    end = 0x1000 + (1 << 30)
    assert [row["name"] for row in rows(tmp_path, "/lib.so", [end], 0x1000)] == ["lib.so+0x40000000"]
    assert [row["name"] for row in rows(tmp_path, "/lib.so", [end + 1], 0x1000)] == ["0x40001001"]


def test_addresses_of_no_module(tmp_path):
    row, = rows(tmp_path, "/lib.so", [0x10, 0x7f0000000123, 0xffffffffffffffff, 0])
    assert row["detail"] == "0x10 < lib.so+0x123 < 0xffffffffffffffff < 0x0"
