# SPDX-License-Identifier: MIT
"""Names from a recording are anything a file may be called. They stay text, are all
there, and do not change what stands around them; and the writer of the page loses
nothing and says when it cannot write."""

import json
import re
import subprocess

import pytest

import samples
from conftest import PROGRAM, opener, render

# Every kind of element that the page makes of itself.
OURS = {"HTML", "HEAD", "META", "TITLE", "STYLE", "BODY", "A", "NOSCRIPT", "HEADER", "NAV", "UL", "LI",
        "MAIN", "SECTION", "DIV", "H1", "H2", "H3", "P", "EM", "CODE", "FOOTER", "SCRIPT", "B", "I", "BDI",
        "TIME", "DL", "DT", "DD", "TABLE", "CAPTION", "THEAD", "TBODY", "TR", "TH", "TD", "SPAN", "SMALL",
        "DETAILS", "SUMMARY", "BUTTON", "INPUT", "LABEL", "OUTPUT", "FIGURE", "FIGCAPTION",
        "svg", "title", "desc", "g", "path", "rect", "line", "text"}


def shown(text):
    """As the page writes it."""
    unseen = r"[\x00-\x1f\x7f-\x9f\xad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]"
    return re.sub(unseen, lambda m: f"\\x{ord(m[0]):02x}" if ord(m[0]) < 256 else f"\\u{ord(m[0]):04x}", text)


@pytest.fixture(scope="module")
def page(browser, tmp_path_factory):
    for show in opener(browser, tmp_path_factory.mktemp("hostile")):
        yield show(samples.hostile())


def test_nothing_becomes_markup(page):
    page.js("document.querySelectorAll('details').forEach(d => d.open = true)")
    page.settle()
    assert page.js("typeof window.hacked") == "undefined"
    assert page.js("document.scripts.length") == 3
    kinds = set(page.js("Array.from(document.querySelectorAll('*'), e => e.tagName)"))
    assert kinds <= OURS, kinds - OURS
    handlers = page.js("""Array.from(document.querySelectorAll("*")).filter(e =>
        Array.from(e.attributes).some(a => a.name.startsWith("on") || a.name === "src")).length""")
    assert handlers == 0
    assert page.requests() == [page.js("location.href")]


@pytest.mark.parametrize("section", ["rows", "counters"])
def test_names_are_whole(page, section):
    text = page.text(f"#{section} .body")
    for kind, name in samples.HOSTILE.items():
        assert (shown(name) or "(no name)") in text, kind


def test_command_is_whole(page):
    assert shown(samples.hostile()["command"]) in page.text("#head")
    assert len(page.js("document.title")) < 100


def test_flame_takes_any_name(page):
    labels = page.js("Array.from(document.querySelectorAll('[role=treeitem]'), e => e.getAttribute('aria-label'))")
    for kind, name in samples.HOSTILE.items():
        assert any(label.startswith(shown(name) + ":") for label in labels), kind
    # Found by what is seen.
    page.js("""(() => { const i = document.querySelector("#flame-find"); i.value = "__proto__";
        i.dispatchEvent(new Event("input")); })()""")
    assert "in 2 frames" in page.text("#flame .tools output")


def test_directions_stay_apart(page):
    """A name that runs from right to left must not pull the figures beside it."""
    order = page.js("""Array.from(document.querySelectorAll("#rows tbody tr"), row => {
        const name = row.cells[0].getBoundingClientRect(), number = row.cells[1].getBoundingClientRect();
        return name.right <= number.left + 1; })""")
    assert len(order) > 5 and all(order)
    assert page.js("Array.from(document.querySelectorAll('tbody bdi')).every(b => b.dir === 'ltr')")


def test_data_in_the_page_is_what_was_given():
    data = samples.hostile()
    page = render(data)
    inside = re.search(rb'<script type="application/json" id="data">\n(.*?)\n</script>', page, re.S)[1]
    assert b"<" not in inside
    assert json.loads(inside) == data


@pytest.mark.parametrize("text", ["", "<", "<<", "a<", "<a", "</script", "x" * 70_000 + "<" + "y" * 70_000],
                         ids=range(7))
def test_escapes_at_any_place(text):
    given = json.dumps(text).encode()
    inside = render(given).split(b'id="data">\n')[1].split(b"\n</script>")[0]
    assert inside == given.replace(b"<", b"\\u003c")


def test_full_disk_is_told():
    if not PROGRAM.exists():
        pytest.skip(f"{PROGRAM} is not built")
    with open("/dev/full", "wb") as full:
        assert subprocess.run([PROGRAM], input=b"{}", stdout=full, timeout=10).returncode == 1
