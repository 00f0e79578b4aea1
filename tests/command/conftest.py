# SPDX-License-Identifier: MIT
"""Fixtures of the command line's tests."""
import os
import shutil
import stat
from pathlib import Path

import pytest

from command import compiled, environment, tool
from harness import LIB, tmpfs_dir


@pytest.fixture(scope="session")
def silent(tmp_path_factory):
    """A library that records nothing, so that only what the command line itself does
    is seen."""
    path = tmp_path_factory.mktemp("silent") / "libfuse_aio.so"
    return compiled(path, "int nothing;\n", "-shared", "-fPIC")


@pytest.fixture
def silent_env(silent):
    return environment(FUSE_AIO_LIB=silent)


@pytest.fixture
def public():
    """A directory that every user can reach, with the tool and the library beside each
    other."""
    with tmpfs_dir() as path:
        shutil.copy(tool(), path / "fuse-aio")
        shutil.copy(LIB, path / "libfuse_aio.so")
        for file in path.iterdir():
            file.chmod(0o755)
        yield path


@pytest.fixture
def copy(tmp_path):
    """copy(PROGRAM): one of our own, in a place where rights of files count."""
    if os.statvfs(tmp_path).f_flag & os.ST_NOSUID:
        pytest.skip("the temporary directory is mounted nosuid")

    def make(program, mode=0o755, owner=0, to=tmp_path):
        path = Path(to) / Path(program).name
        shutil.copy(program, path)
        os.chown(path, owner, owner)
        path.chmod(mode)
        assert stat.S_IMODE(path.stat().st_mode) == mode
        return path

    return make
