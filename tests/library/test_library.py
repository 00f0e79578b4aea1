# SPDX-License-Identifier: MIT
"""The built library and tool as files: what is exported, what is needed, and
whether the generated documents are those of the tables."""
import platform
import re
import subprocess

import pytest

from harness import BUILD, LIB, ROOT, lib_env, needs, read_stats, total


def run(*argv, **more):
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=True, **more).stdout


def listed():
    table = (ROOT / "preload/symbols.def").read_text()
    return set(re.findall(r"^(?:WRAP|HOOK|PRIV)\([^,]+, (\w+),", table, re.M)) | set(
        re.findall(r"^GATE\((\w+),", table, re.M))


def test_exports_are_the_table():
    names = {line.split()[-1] for line in run("nm", "-D", "--defined-only", LIB).splitlines()}
    assert names == listed()


def test_needs_libc_only():
    needed = set(re.findall(r"NEEDED.*\[(.*)\]", run("readelf", "-d", LIB)))
    assert needed <= {"libc.so.6", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"}


def test_no_executable_stack_and_no_text_relocations():
    headers = run("readelf", "-lWd", LIB)
    stack = next(line for line in headers.splitlines() if "GNU_STACK" in line)
    assert " RWE " not in stack
    assert "TEXTREL" not in headers


def test_runtime_calls_no_interposed_function():
    """A call from inside would come back to us: only dlsym'd pointers may be used."""
    undefined = {line.split()[-1].split("@")[0] for line in run("nm", "-D", "--undefined-only", LIB).splitlines()}
    assert not undefined & listed()


@pytest.mark.parametrize("page,commands", [
    ("OPTIONS.md", [["options", "--markdown"], ["counters", "--markdown"]]),
])
def test_generated_pages_are_current(page, commands):
    made = "".join(run(BUILD / "fuse-aio", *c) for c in commands)
    assert (ROOT / "docs" / page).read_text() == made


def test_symbols_page_is_current():
    page = (ROOT / "docs/SYMBOLS.md").read_text()
    assert set(re.findall(r"^\| (\w+) \|", page, re.M)) - {"Symbol"} == listed()


def test_map_names_every_source():
    page = (ROOT / "docs/ARCHITECTURE.md").read_text()
    for path in [*ROOT.glob("preload/*.c"), *ROOT.glob("runtime/*.[ch]")]:
        assert re.search(rf"\b{path.stem}\.(\w|\[)", page), f"{path.name} is not on the map"


@pytest.mark.parametrize("argv,status", [
    (["--version"], 0), (["--help"], 0), (["options"], 0), (["counters"], 0),
    (["bogus"], 1), ([], 64), (["options", "bogus"], 64), (["--bogus"], 64),
])
def test_tool_exit_status(argv, status):
    done = subprocess.run([BUILD / "fuse-aio", *argv], capture_output=True, text=True, timeout=10)
    assert done.returncode == status
    assert bool(done.stderr) == bool(status)


def test_tool_reports_a_full_disk():
    with open("/dev/full", "w") as full:
        done = subprocess.run([BUILD / "fuse-aio", "options"], stdout=full, stderr=subprocess.PIPE, timeout=10)
    assert done.returncode == 1 and b"writing" in done.stderr


@pytest.mark.parametrize("variable,value", [
    ("FUSE_AIO_MODE", "nonsense"), ("FUSE_AIO_RING", "yes"), ("FUSE_AIO_PRESPAWN", "2"),
])
def test_bad_option_passes_through_and_is_logged(tmp_path, variable, value):
    log = tmp_path / "log"
    env = lib_env(log=log) | {variable: value}
    assert run("/bin/echo", "hello", env=env) == "hello\n"
    text = log.read_text()
    assert variable in text and "allowed" in text


def test_aarch64_under_qemu(tmp_path):
    """The cross build runs sequences, fork, vfork and a raw clone like the plain program."""
    compiler, qemu = needs("aarch64-linux-gnu-gcc"), needs("qemu-aarch64")
    lib = BUILD / "aarch64/libfuse_aio.so"
    if not lib.exists() or platform.machine() == "aarch64":
        pytest.skip("no cross build: make aarch64")
    program = tmp_path / "portable"
    run(compiler, "-O2", "-D_GNU_SOURCE", ROOT / "tests/library/portable.c", "-o", program)
    emulated = [qemu, "-L", "/usr/aarch64-linux-gnu"]
    stats = tmp_path / "stats"
    plain = run(*emulated, program, "/etc/passwd")
    ours = run(*emulated, "-E", f"LD_PRELOAD={lib}", "-E", f"FUSE_AIO_STATS={stats}", program,
               "/etc/passwd")
    assert ours == plain and "clone 1 5" in ours
    assert total(read_stats(stats), "sequences") > 0
