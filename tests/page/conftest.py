# SPDX-License-Identifier: MIT
"""One browser for all tests, and pages made of samples by the code that the
program has (build/tests/page/page)."""

import json
import subprocess

import pytest

import harness
import samples
from browser import Browser, Page

PROGRAM = harness.BUILD / "tests" / "page" / "page"


def render(data):
    """The page of a report, or of bytes that pretend to be one."""
    if not PROGRAM.exists():
        pytest.skip(f"{PROGRAM} is not built")
    if not isinstance(data, bytes):
        data = json.dumps(data, ensure_ascii=False).encode()
    return subprocess.run([PROGRAM], input=data, stdout=subprocess.PIPE, check=True, timeout=20).stdout


@pytest.fixture(scope="session")
def browser():
    started = Browser()
    try:
        yield started
    finally:
        started.close()


def opener(browser, directory):
    """Generator of show(data, **of Page): the opened page. What pages complain of fails the test."""
    pages = []

    def opened(data, **options):
        path = directory / f"report {len(pages)}.html"
        path.write_bytes(render(data))
        pages.append(Page(browser, path, **options))
        return pages[-1]

    yield opened
    problems = [p.problems() for p in pages]
    for page in pages:
        page.close()
    assert not any(problems), problems


@pytest.fixture
def show(browser, tmp_path):
    yield from opener(browser, tmp_path)


@pytest.fixture(scope="module")
def rich(browser, tmp_path_factory):
    """The rich sample's page, for tests that only read it."""
    for show in opener(browser, tmp_path_factory.mktemp("rich")):
        yield show(samples.rich())
