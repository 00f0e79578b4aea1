# SPDX-License-Identifier: MIT
"""Working with the page: zoom and search in the flame graph, the cursor of the heat
map, the brush, buttons and keys of the timeline, sorting, by keyboard and mouse."""

import pytest

import samples

NBSP = "\u00a0"


@pytest.fixture
def page(show):
    return show(samples.rich(), height=1000)


def frames(page):
    """Name and width of the frames that are drawn."""
    return dict(page.js("""Array.from(document.querySelectorAll("#flame [role=treeitem]"), g =>
        [g.getAttribute("aria-label").split(":")[0], g.querySelector("rect").width.baseVal.value])"""))


def focused(page):
    return (page.js("document.activeElement.getAttribute('aria-label')") or "").split(":")[0]


def find(page, text):
    page.center("#flame-find")
    page.js("document.querySelector('#flame-find').focus()")
    page.call("Input.insertText", text=text)
    return page.text("#flame .tools output").replace(NBSP, " ")


def test_flame_widths_are_times(page):
    widths = frames(page)
    assert widths["ngx_open_cached_file"] / widths["all"] == pytest.approx(160 / 400, abs=0.01)
    assert "ngx_time_init" not in widths                # a millionth: too narrow


def test_flame_by_keyboard(page):
    page.js("document.querySelector('#flame [tabindex=\"0\"]').focus()")
    assert focused(page) == "all"
    for key, name in (("ArrowDown", "nginx"), ("ArrowDown", "main"), ("ArrowDown", "ngx_master_process_cycle"),
                      ("ArrowRight", "ngx_init_cycle"), ("ArrowLeft", "ngx_master_process_cycle"),
                      ("ArrowRight", "ngx_init_cycle"), ("ArrowRight", "ngx_init_cycle")):
        page.key(key)
        assert focused(page) == name
    page.key("Enter")
    widths = frames(page)
    assert widths["ngx_init_cycle"] == widths["all"] and "ngx_worker_process_cycle" not in widths
    assert focused(page) == "ngx_init_cycle"            # still there after it was drawn again
    assert f"30.0{NBSP}ms, 7.5{NBSP}% of the blocked time, 40 calls" in page.text("#flame .readout")
    page.key("Escape")
    assert frames(page)["main"] == widths["all"]
    for _ in range(3):
        page.key("Escape")
    assert "ngx_worker_process_cycle" in frames(page)
    assert page.js("Array.from(document.querySelectorAll('#flame .button')).every(b => b.disabled)")
    # One stop for Tab, not one for each frame.
    assert page.js("document.querySelectorAll('#flame g[tabindex=\"0\"]').length") == 1


def test_flame_by_mouse(page):
    x, y = page.center("#flame [aria-label^='ngx_http_output_filter']")
    for kind in ("mouseMoved", "mousePressed", "mouseReleased"):
        page.mouse(kind, x, y)
    widths = frames(page)
    assert widths["ngx_http_output_filter"] == widths["all"] and "ngx_open_cached_file" not in widths
    page.js("document.querySelectorAll('#flame .button')[1].click()")
    assert frames(page)["ngx_http_output_filter"] < frames(page)["all"]


def test_flame_search(page):
    assert find(page, "NGX_OPEN") == "in 2 frames, 40 % of the blocked time"
    hits = page.js("Array.from(document.querySelectorAll('#flame .hit'), g => g.getAttribute('aria-label').split(':')[0])")
    assert hits == ["ngx_open_cached_file", "ngx_open_file_wrapper"]
    assert page.js("getComputedStyle(document.querySelector('#flame .hit text')).fontWeight") == "700"
    assert find(page, "x") == "in no frame"
    assert not page.js("document.querySelectorAll('#flame .hit').length")


def test_heat_by_keyboard(page):
    heat = samples.rich()["heat"]
    page.center("#heat .keyed")
    page.js("document.querySelector('#heat .keyed').focus()")
    for key in ["ArrowUp"] * 3 + ["ArrowRight"] * 2:
        page.key(key)
    first = next(i for i, row in enumerate(heat["rows"]) if sum(row))
    said = page.text("#heat .readout").replace(NBSP, " ")
    assert said.startswith("At 138 ms, from ")
    assert said.endswith(f": {heat['rows'][first + 3][2]} calls.")
    assert page.js("document.querySelector('#heat .cursor').getAttribute('visibility')") == "visible"
    for _ in range(30):
        page.key("ArrowDown")
    page.key("ArrowLeft")
    assert page.text("#heat .readout").endswith(f": {heat['rows'][first][1]} calls.")


def test_heat_by_mouse(page):
    heat = samples.rich()["heat"]
    x, y = page.center("#heat svg")
    page.mouse("mouseMoved", x, y)
    said = page.text("#heat .readout")
    assert said.startswith("At ") and any(said.endswith(f": {n:,} call{'s' * (n != 1)}.")
                                          for row in heat["rows"] for n in row)


def seen(page):
    """The part of time that the timeline says it shows."""
    return page.js("document.querySelector('#chains .keyed svg desc').textContent").replace(NBSP, " ").split(":")[0]


def test_timeline_by_buttons_and_keys(page):
    press = "Array.from(document.querySelectorAll('#chains .tools .button')).find(b => b.textContent === '{}').click()"
    assert seen(page) == "2,000 chains from 0 to 12.4 s"
    page.js(press.format("Zoom in"))
    assert seen(page) == "2,000 chains from 3.10 s to 9.30 s"
    page.js(press.format("Later"))
    assert seen(page) == "2,000 chains from 6.20 s to 12.4 s"
    page.js("document.querySelector('#chains .keyed').focus()")
    page.key("ArrowLeft")
    assert seen(page) == "2,000 chains from 4.65 s to 10.8 s"
    page.key("+")
    assert seen(page) == "2,000 chains from 6.20 s to 9.30 s"
    page.key("-")
    page.key("0")
    assert seen(page) == "2,000 chains from 0 to 12.4 s"


def test_timeline_by_brush(page):
    x, y = page.center("#chains .overview .brush .background")
    page.mouse("mousePressed", x - 100, y)
    page.mouse("mouseMoved", x + 50, y)
    page.mouse("mouseMoved", x + 100, y)
    page.mouse("mouseReleased", x + 100, y)
    width = page.js("document.querySelector('#chains .overview .brush .background').width.baseVal.value")
    middle, half = 6.2, 12.4 * 100 / width
    start, end = (float(t.split()[0]) for t in seen(page).split("from ")[1].split(" to "))
    assert start == pytest.approx(middle - half, abs=0.05) and end == pytest.approx(middle + half, abs=0.05)
    # The table lists just those.
    page.js("document.querySelector('#chains details').open = true")
    page.settle()
    starts = [s["start_ns"] / 1e9 for s in samples.rich()["chains"]["spans"]
              if s["end_ns"] / 1e9 >= start and s["start_ns"] / 1e9 <= end]
    listed = page.js("+document.querySelector('#chains details .button').textContent.replace(/\\D/g, '')")
    assert listed == pytest.approx(len(starts), abs=5)


def test_timeline_tells_what_is_pointed_at(show):
    data = samples.one_call()
    data["duration_ns"] = 10_000_000
    data["chains"]["spans"] = [{"start_ns": 2_000_000, "ready_ns": 5_000_000, "end_ns": 8_000_000, "by": "stat",
                                "fate": "used", "file": "/srv/a"}]
    page = show(data)
    x, y = page.center("#chains .band .busy")
    page.mouse("mouseMoved", x, y)
    assert page.text("#chains .readout").replace(NBSP, " ") == (
        "/srv/a: by stat, from 2.00 ms, ready after 3.00 ms, used after 6.00 ms.")


def test_sorting(page):
    def column(i):
        return page.js(f"Array.from(document.querySelectorAll('#calls tbody tr:not(.sum)'), r => r.cells[{i}].textContent)")

    def press(i):
        page.js(f"document.querySelectorAll('#calls thead button')[{i}].click()")
        return page.js(f"document.querySelectorAll('#calls thead th')[{i}].getAttribute('aria-sort')")

    assert press(0) == "ascending"
    assert column(0) == sorted(samples.OPS)
    assert press(0) == "descending"
    assert column(0) == sorted(samples.OPS, reverse=True)
    assert press(1) == "descending"
    assert [int(n.replace(",", "")) for n in column(1)] == [12000, 9000, 9000, 9000, 3000, 3000]
    assert page.js("document.querySelectorAll('#calls [aria-sort]').length") == 1
    assert page.js("document.querySelector('#calls tbody tr:last-child').cells[0].textContent") == "all"
