# SPDX-License-Identifier: MIT
"""What can be measured of how the page looks and how it is read by those who do not
see it: widths, contrasts in both themes, headings, landmarks, names of charts."""

import pytest

import samples

# Every text that is seen, with its colour and what lies behind it.
CONTRASTS = """(() => {
	const rgb = c => (c.match(/[\\d.]+/g) || []).map(Number);
	const light = c => { const [r, g, b] = c.map(v => { v /= 255;
		return v <= 0.03928 ? v / 12.92 : Math.pow((v + 0.055) / 1.055, 2.4); });
		return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
	const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p);
		return (x + 0.05) / (y + 0.05); };
	const behind = e => {
		const g = e.closest("[role=treeitem]");
		if (g)
			return rgb(getComputedStyle(g.querySelector("rect")).fill);
		for (; e; e = e.parentElement) {
			const c = rgb(getComputedStyle(e).backgroundColor);
			if (c.length === 3 || c[3] === 1)
				return c;
			if (c[3] > 0)
				throw new Error("half transparent: " + e.className);
		}
	};
	const found = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
	while (walker.nextNode()) {
		const e = walker.currentNode.parentElement, r = e.getBoundingClientRect();
		if (!walker.currentNode.data.trim() || !r.width || !r.height || e.closest("script, noscript, .skip"))
			continue;
		const style = getComputedStyle(e), svg = e instanceof SVGElement;
		found.push([ratio(rgb(svg ? style.fill : style.color), behind(e)), walker.currentNode.data.slice(0, 40)]);
	}
	return found;
})()"""


def unfolded(page):
    page.js("document.querySelectorAll('details').forEach(d => d.open = true)")
    page.settle()
    return page


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_contrast_of_text(show, dark):
    page = unfolded(show(samples.rich() | {"complete": False}, dark=dark))
    page.js("""(() => { const i = document.querySelector("#flame-find"); i.value = "static";
        i.dispatchEvent(new Event("input")); })()""")
    assert page.js("document.querySelectorAll('#flame .hit').length") == 1
    texts = page.js(CONTRASTS)
    assert len(texts) > 900
    bad = [t for t in texts if not t[0] >= 4.5]
    assert not bad
    paper = page.js("getComputedStyle(document.documentElement).backgroundColor")
    assert (sum(map(int, paper[4:-1].split(","))) < 150) == dark


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_contrast_of_marks(show, dark):
    """What charts are read by stands out by 3 from the paper."""
    page = show(samples.rich(), dark=dark)
    ratios = page.js("""(() => {
        const rgb = c => c.match(/[\\d.]+/g).map(Number);
        const light = c => { const [r, g, b] = c.map(v => { v /= 255;
            return v <= 0.03928 ? v / 12.92 : Math.pow((v + 0.055) / 1.055, 2.4); });
            return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
        const paper = light(rgb(getComputedStyle(document.documentElement).backgroundColor));
        return [".hot-bar", ".cold-bar", ".band:not(.lost) .busy", ".lost .busy", ".overview .all"].map(s => {
            const c = light(rgb(getComputedStyle(document.querySelector(s)).fill));
            return (Math.max(c, paper) + 0.05) / (Math.min(c, paper) + 0.05); }); })()""")
    assert min(ratios) >= 3


@pytest.mark.parametrize("sample", [samples.rich, samples.hostile])
def test_no_sideways_scrolling(show, sample):
    page = unfolded(show(sample()))
    for width in (1920, 1280, 768, 390, 320):
        page.size(width, 900)
        page.settle()
        assert page.js("document.documentElement.scrollWidth") <= width
        # Nothing sticks out but what scrolls in its own box.
        out = page.js("""Array.from(document.querySelectorAll("body *")).filter(e =>
            !e.closest(".scroll, svg, .skip") && e.getBoundingClientRect().right > innerWidth + 0.5).map(
            e => e.tagName + "." + e.className)""")
        assert not out, width


def test_boxes_that_scroll_are_stops_of_the_keyboard(show):
    page = show(samples.rich(), width=390)
    boxes = page.js("""Array.from(document.querySelectorAll(".scroll")).filter(b => b.checkVisibility()).map(b =>
        [b.scrollWidth > b.clientWidth + 1, b.tabIndex === 0 && b.getAttribute("aria-label") !== null])""")
    assert any(wide for wide, _ in boxes) and not all(wide for wide, _ in boxes)
    assert all(wide == stop for wide, stop in boxes)


def test_drawings_follow_the_width(show):
    page = show(samples.rich(), width=1280)
    page.size(390, 844)
    page.settle()
    widths = page.js("Array.from(document.querySelectorAll('svg'), s => s.getBoundingClientRect().right)")
    assert len(widths) > 8 and max(widths) <= 390


def test_structure(rich):
    assert rich.js("document.documentElement.lang") == "en"
    assert rich.js("['header', 'nav[aria-label]', 'main', 'footer', 'h1'].map(s => document.querySelectorAll(s).length)"
                   ) == [1] * 5
    levels = rich.js("Array.from(document.querySelectorAll('h1, h2, h3'), h => +h.tagName[1])")
    assert levels[0] == 1 and all(b - a <= 1 for a, b in zip(levels, levels[1:]))
    assert rich.js("Array.from(document.querySelectorAll('main > section')).every(s => "
                   "document.getElementById(s.getAttribute('aria-labelledby')).tagName === 'H2')")
    links = rich.js("Array.from(document.querySelectorAll('nav a'), a => !!document.querySelector(a.hash))")
    assert len(links) == 14 and all(links)
    ids = rich.js("Array.from(document.querySelectorAll('[id]'), e => e.id)")
    assert len(ids) == len(set(ids))


def test_tables_can_be_read_out(rich):
    assert rich.js("document.querySelectorAll('table').length") > 8
    assert rich.js("Array.from(document.querySelectorAll('table')).every(t => t.caption && t.caption.textContent)")
    assert rich.js("Array.from(document.querySelectorAll('th')).every(t => ['row', 'col'].includes(t.scope))")
    assert rich.js("Array.from(document.querySelectorAll('tbody tr')).every(r => r.cells[0].tagName === 'TH')")


def test_charts_have_names_and_tables(rich):
    charts = rich.js("""Array.from(document.querySelectorAll("svg:not([aria-hidden])"), s =>
        [s.getAttribute("role"), (s.getAttribute("aria-label") || "").length])""")
    assert len(charts) == 9
    assert all(role in ("img", "tree") and length > 20 for role, length in charts)
    for section in ("latencies", "heat", "flame", "chains"):
        assert "As a table" in rich.js(f"document.querySelector('#{section} summary').textContent")
    unnamed = rich.js("""Array.from(document.querySelectorAll("button, input, a, [tabindex='0']")).filter(e =>
        !(e.getAttribute("aria-label") || e.textContent.trim() || (e.labels && e.labels.length))).length""")
    assert unnamed == 0


@pytest.mark.parametrize("still", [False, True])
def test_motion(show, still):
    page = show(samples.one_call(), still=still)
    smooth = page.js("getComputedStyle(document.documentElement).scrollBehavior")
    assert smooth == ("auto" if still else "smooth")


def test_focus_is_seen(show):
    """Tab through the whole page: each stop has an outline, or a frame that is drawn."""
    page = show(samples.one_call())
    seen = []
    for _ in range(60):
        page.key("Tab")
        stop = page.js("""(() => { const e = document.activeElement, s = getComputedStyle(e);
            if (e === document.body) return null;
            const rect = e.tagName === "g" && getComputedStyle(e.querySelector("rect"));
            return [e.tagName, rect ? parseFloat(rect.strokeWidth) >= 2 :
                s.outlineStyle !== "none" && parseFloat(s.outlineWidth) >= 2]; })()""")
        if stop is None:
            break
        seen.append(stop)
    assert {"A", "INPUT", "SUMMARY", "g", "DIV"} <= {kind for kind, _ in seen}
    assert all(outlined for _, outlined in seen), seen
