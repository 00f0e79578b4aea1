# SPDX-License-Identifier: MIT
"""What the page shows: the figures of known data, in words, tables and charts;
what it says where there is nothing; and that it asks nobody for anything."""

import copy

import pytest

import samples
from conftest import render

NBSP = "\u00a0"


def cells(page, section):
    """The body rows of the first table in a section."""
    return page.js(f"""Array.from(document.querySelectorAll("#{section} table")[0].tBodies[0].rows,
        row => Array.from(row.cells, c => c.textContent))""")


def test_nothing_is_asked_of_the_network(show):
    page = show(samples.rich())
    assert page.requests() == [page.js("location.href")]
    policy = page.js("document.querySelector('meta[http-equiv=Content-Security-Policy]').content")
    assert "default-src 'none'" in policy
    # And could not be: the policy stands.
    assert page.js("""fetch("data:,x").then(() => "allowed", () => "refused")""") == "refused"
    page.heard.clear()


def test_head_and_short(rich):
    page = rich
    assert page.text("h1") == "nginx -p /srv/www -c conf/nginx.conf -g 'daemon off;'"
    assert page.text(".facts") == (f"Recorded 2025-03-12 14:03:22 UTC for 12.4{NBSP}s, 3 processes, "
                                   "mode observe, with stacks.")
    assert not page.js("document.querySelectorAll('.warn').length")
    figures = page.js("Array.from(document.querySelectorAll('#short .figure'), e => e.textContent)")
    assert figures == [f"3.25{NBSP}s", f"4.1{NBSP}%", f"806{NBSP}ms", f"22.7{NBSP}GiB", "8,400", "8,080"]
    assert "1,837 of 45,000" in page.text("#short .body")
    assert f"96{NBSP}% adopted or used" in page.text("#short .body")


def test_tables(rich):
    data = samples.rich()
    page = rich
    calls = {row[0]: row for row in cells(page, "calls")}
    assert calls["open"][1:4] == ["9,000", f"2.02{NBSP}s", f"9.7{NBSP}%"]
    assert calls["all"][1] == "45,000"
    assert [row[0] for row in cells(page, "calls")][0] == "open"             # most blocked first
    assert cells(page, "sequences")[0][:2] == ["open › fstat › sendfile › close", "8,800"]
    assert len(cells(page, "rows")) == 20
    assert page.text("#rows h2") == "Files"
    assert cells(page, "held") == [["7,900", "12", *(f"{v}{NBSP}ms" for v in ("2.30", "4.60", "18.4", "46.0"))]]
    assert cells(page, "regimes") == [["0:52", "/srv/www", "open", f"2.14{NBSP}ms", "cold"],
                                      ["8:1", "not mounted here", "read", f"61.0{NBSP}µs", "hot"]]
    assert cells(page, "fallbacks")[0] == ["stale", "12", data["fallbacks"][0]["help"]]
    assert ["waited_ns", f"310{NBSP}ms"] in cells(page, "counters")
    assert cells(page, "processes")[0] == ["/usr/sbin/nginx", "4000", "observe", "0", "not seen"]
    assert cells(page, "chains")[0][:6] == ["request", "8,000", "7,100", "600", "280", "20"]


def test_estimate(show):
    data = samples.rich()
    data["estimate"] = {"blocked_ns": 1000_000_000, "hidden_ns": 600_000_000, "close_ns": 100_000_000,
                        "window_ns": 200_000_000, "walk_ns": 300_000_000, "walks": 2,
                        "wall_ns": 2_000_000_000, "times": 2.0 / 1.4}
    page = show(data)
    text = page.text("#estimate .body").replace(NBSP, " ")
    assert "About 600 ms of 1.00 s blocked could be hidden." in text
    assert "1.40 s instead of 2.00 s: 1.43 times as fast" in text
    assert "event loop cannot be told from a recording" in text
    assert [(row[1], row[2]) for row in cells(page, "estimate")] == [
        (f"100{NBSP}ms", f"10{NBSP}%"), (f"200{NBSP}ms", f"20{NBSP}%"), (f"300{NBSP}ms", f"30{NBSP}%"),
        (f"400{NBSP}ms", f"40{NBSP}%")]
    assert "in 2 walks" in cells(page, "estimate")[2][0]


def test_charts(rich):
    data = samples.rich()
    page = rich
    assert page.js("document.querySelectorAll('#latencies svg').length") == len(data["histograms"])
    # Bars hold every call: their titles end in the count.
    total = page.js("""Array.from(document.querySelectorAll("#latencies figure:first-child rect title"),
        t => +t.textContent.split(": ")[1].replace(",", "")).reduce((a, b) => a + b)""")
    assert total == 9000
    cold = page.js("""Array.from(document.querySelectorAll("#latencies figure:first-child .cold-bar title"),
        t => +t.textContent.split(": ")[1].replace(",", "")).reduce((a, b) => a + b)""")
    assert cold == 870
    assert page.js("document.querySelectorAll('#heat svg path[class^=heat-]').length") == 7
    bands = page.js("Array.from(document.querySelectorAll('#chains .band'), b => b.querySelector('text').textContent)")
    assert bands == samples.FATES
    # A frame for each beginning of a stack, and one for all; but a millionth is not drawn.
    frames = {tuple(f["stack"][:n]) for f in data["flame"] for n in range(len(f["stack"]) + 1)}
    assert page.js("document.querySelectorAll('#flame [role=treeitem]').length") == len(frames) - 2


def test_cold_is_told_from_hot_at_the_line(show):
    """Buckets that share a bar with the line, and one that lies across it."""
    data = samples.one_call()
    data["histograms"][0]["buckets"] = [[94208, 98304, 7], [98304, 102400, 5], [102400, 106496, 3]]
    page = show(data)
    bars = page.js("Array.from(document.querySelectorAll('#latencies rect'), r => [r.getAttribute('class'), r.textContent])")
    assert [(kind, text.replace(NBSP, " ")) for kind, text in bars] == [
        ("hot-bar", "81.9 µs to 98.3 µs: 7"), ("cold-bar", "100 µs to 115 µs: 8")]


def test_decades_add_up(rich):
    page = rich
    rows = cells(page, "latencies")
    for row, hist in zip(rows, samples.rich()["histograms"]):
        assert row[0] == hist["op"]
        assert sum(int(c.replace(",", "")) for c in row[1:]) == sum(b[2] for b in hist["buckets"])


def test_heat_table_adds_up(rich):
    data = samples.rich()
    page = rich
    rows = cells(page, "heat")
    assert len(rows) == 12
    assert sum(int(row[1].replace(",", "")) for row in rows) == sum(map(sum, data["heat"]["rows"]))


@pytest.mark.parametrize("field, value, said", [
    ("complete", False, "Not complete."), ("dropped", 1, "1 record dropped."),
    ("dropped", 12345, "12,345 records dropped."), ("passed_over", 3, "3 records passed over.")])
def test_warnings(show, field, value, said):
    data = samples.one_call()
    data[field] = value
    assert said in show(data).text("#head")


def test_empty(show):
    page = show(samples.empty())
    for section, said in {"estimate": "nothing to hide", "calls": "No call was recorded.",
                          "latencies": "No call was timed.", "heat": "No call was timed.",
                          "flame": "Nothing was blocked in a call.", "chains": "Nothing was started ahead",
                          "sequences": "No file was opened", "held": "No event was held back.",
                          "fallbacks": "never stepped aside", "processes": "No process began."}.items():
        assert said in page.text(f"#{section} .body"), section
    assert page.js("document.querySelectorAll('svg').length") == 0
    shown = page.js("document.body.innerText")
    assert not any(word in shown for word in ("NaN", "undefined", "Infinity", "null"))


@pytest.mark.parametrize("change", [
    {}, {"duration_ns": 0}, {"flame": []}, {"histograms": []}, {"stacks": True},
    {"heat": {"step_ns": 0, "levels_ns": [0], "rows": [[1]]}},
    {"heat": {"step_ns": 1, "levels_ns": [0, 1], "rows": [[0], []]}},
    {"histograms": [{"op": "open", "buckets": [[0, 0, 1], [0, 1, 2], [1, 2, 1]]}]},
    {"histograms": [{"op": "open", "buckets": [[2 ** 62, 2 ** 63, 10 ** 15]]}]},
    {"chains": {"started": [], "spans": [{"start_ns": 0, "ready_ns": None, "end_ns": 0, "by": "open",
                                          "fate": "failed", "file": ""}]}},
])
def test_one_call(show, change):
    page = show(samples.one_call() | change)
    assert cells(page, "calls")[0][:2] == ["open", "1"]
    shown = page.js("document.body.innerText") + page.js(
        "Array.from(document.querySelectorAll('svg *'), e => Array.from(e.attributes, a => a.value).join()).join()")
    assert not any(word in shown for word in ("NaN", "undefined", "Infinity"))


def test_lists_are_cut_and_unfold(show):
    page = show(samples.rich())
    page.js("document.querySelector('#rows .button').click()")
    assert len(cells(page, "rows")) == 60
    assert not page.js("!!document.querySelector('#rows .button')")


@pytest.mark.parametrize("data, said", [
    (b"", "cannot be read"), (b'{"version":1,"command":"cut', "cannot be read"),
    ({"version": 2}, "of version 2; the page knows 1"),
])
def test_other_data_is_refused(show, data, said):
    assert said in show(data).text("main")


def test_page_is_whole():
    page = render(samples.empty())
    assert page.startswith(b"<!DOCTYPE html>") and page.rstrip().endswith(b"</html>")
    assert not [line for line in page.splitlines() if line.startswith((b"@include", b"@data"))]
    assert len(page) < 400_000
    assert render(copy.deepcopy(samples.empty())) == page
