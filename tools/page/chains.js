/* SPDX-License-Identifier: MIT
 *
 * Chains: how many were started by what and what became of them, and a timeline with
 * a band for each fate. A small picture of all of it has a brush that says which part
 * is seen; buttons and keys do the same.
 */
const FATES = ["adopted", "used", "dropped", "failed"];

/* Chains that overlap lie in lanes above each other, in as few as will do. */
function lanes(spans) {
	const ends = [];

	for (const span of spans) {
		let lane = ends.findIndex(end => end <= span.start_ns);

		if (lane < 0)
			lane = ends.length;
		ends[lane] = span.end_ns;
		span.lane = lane;
	}
	return ends.length;
}

function bands(spans) {
	const sorted = spans.slice().sort((a, b) => a.start_ns - b.start_ns);

	return FATES.map(fate => {
		const mine = sorted.filter(s => s.fate === fate).map(s => ({ ...s }));

		return { fate, spans: mine, lanes: lanes(mine) };
	}).filter(band => band.spans.length);
}

function spanText(s) {
	return `${clean(s.file || "a file without a known name")}: by ${clean(s.by)}, from ${time(s.start_ns)}, ` +
		(s.ready_ns === null ? "not ready before its end" : `ready after ${time(s.ready_ns - s.start_ns)}`) +
		`, ${clean(s.fate)} after ${time(s.end_ns - s.start_ns)}.`;
}

class Timeline {
	constructor(all, whole) {
		Object.assign(this, { bands: all, whole, from: 0, to: whole, brush: d3.svg.brush() });
		const { box, readout } = readable("Timeline of chains: left and right go along, plus and minus zoom, 0 shows all");

		this.box = box;
		this.readout = readout;
		this.main = el("div");
		this.small = el("div", { class: "overview" });
		this.seen = () => {};
		box.append(this.main, this.small);
	}

	margin() {
		return { left: 62, right: 8 };
	}

	laneHeight() {
		const n = d3.sum(this.bands, b => b.lanes);

		return Math.max(0.6, Math.min(10, 300 / n));
	}

	/* One path for each kind of bar: thousands of elements would be slow. */
	paths(g, band, x, lane, width) {
		let busy = "", ready = "";
		const bar = (a, b, s) => {
			const x0 = Math.max(0, x(a)), x1 = Math.min(width, Math.max(x(b), x(a) + 1.2));
			const h = Math.max(0.6, lane - (lane > 3 ? 1 : 0));

			return x1 > x0 ? `M${x0.toFixed(1)} ${(s.lane * lane).toFixed(1)}h${(x1 - x0).toFixed(1)}` +
				`v${h.toFixed(1)}h${(x0 - x1).toFixed(1)}z` : "";
		};

		for (const s of band.spans) {
			if (s.end_ns < this.from || s.start_ns > this.to)
				continue;
			const middle = s.ready_ns === null ? s.end_ns : Math.min(s.ready_ns, s.end_ns);

			if (middle < s.end_ns)
				ready += bar(middle, s.end_ns, s);
			busy += bar(s.start_ns, middle, s);
		}
		g.append("path").attr({ class: "ready", d: ready });
		g.append("path").attr({ class: "busy", d: busy });
	}

	drawMain() {
		const { left, right } = this.margin(), w = this.width - left - right, lane = this.laneHeight();
		const heights = this.bands.map(b => Math.max(16, b.lanes * lane) + 8);
		const h = d3.sum(heights), n = d3.sum(this.bands, b => b.spans.length);
		const svg = drawing(this.main, this.width, h + 24, "Timeline of chains",
			`${plural(n, "chain")} from ${time(this.from)} to ${time(this.to)}: ` +
			this.bands.map(b => `${count(b.spans.length)} ${b.fate}`).join(", ") +
			". The table below lists those that are seen.");
		const x = d3.scale.linear().domain([this.from, this.to]).range([0, w]);
		let y = 4;

		this.tops = [];
		this.bands.forEach((band, i) => {
			const g = svg.append("g").attr({ class: band.fate === "adopted" || band.fate === "used" ?
				"band" : "band lost", transform: `translate(${left},${y})` });

			g.append("text").attr({ x: -left, y: 11 }).text(band.fate);
			this.paths(g, band, x, lane, w);
			g.append("line").attr({ x1: 0, x2: w, y1: heights[i] - 4, y2: heights[i] - 4 });
			this.tops.push(y);
			y += heights[i];
		});
		timeAxis(svg, left, h, x, w);
		this.x = x;
	}

	drawSmall() {
		const { left, right } = this.margin(), w = this.width - left - right, h = 26;
		const svg = d3.select(this.small).html("").append("svg").attr({ width: this.width, height: h + 4,
			"aria-hidden": "true" });
		const x = d3.scale.linear().domain([0, this.whole]).range([0, w]);
		const g = svg.append("g").attr("transform", `translate(${left},2)`);
		const bins = new Array(Math.max(1, Math.floor(w / 2))).fill(0);

		for (const band of this.bands)
			for (const s of band.spans)
				bins[Math.min(bins.length - 1, Math.floor(s.start_ns / this.whole * bins.length))]++;
		const y = d3.scale.sqrt().domain([0, d3.max(bins)]).range([0, h]);

		g.append("path").attr({ class: "all", d: bins.map((n, i) => n ?
			`M${i * 2} ${h}h2v${-y(n).toFixed(1)}h-2z` : "").join("") });
		svg.append("text").attr({ x: 0, y: 18 }).text("all");
		this.brush.x(x).on("brush", () => this.brushed()).on("brushend", () => this.brushed());
		this.brushG = g.append("g").attr("class", "brush").call(this.brush);
		this.brushG.selectAll("rect").attr({ height: h });
		this.showBrush();
	}

	showBrush() {
		if (this.from > 0 || this.to < this.whole)
			this.brush.extent([this.from, this.to]);
		else
			this.brush.clear();
		this.brushG.call(this.brush);
	}

	brushed() {
		const [a, b] = this.brush.empty() ? [0, this.whole] : this.brush.extent();

		this.range(a, b);
	}

	draw(width) {
		this.width = width;
		this.drawSmall();
		this.drawMain();
	}

	range(from, to) {
		const least = Math.min(this.whole, 1000), length = Math.max(least, Math.min(this.whole, to - from));

		this.from = Math.max(0, Math.min(this.whole - length, from));
		this.to = this.from + length;
		this.drawMain();
		this.seen();
	}

	/* factor: of the length that is seen; by: moves so many lengths. */
	change(factor, by) {
		const length = (this.to - this.from) * factor, middle = (this.from + this.to) / 2;
		const from = middle - length / 2 + by * length;

		this.range(from, from + length);
		this.showBrush();
		this.readout.textContent = `From ${time(this.from)} to ${time(this.to)}.`;
	}

	key(event) {
		const ways = { ArrowLeft: [1, -0.25], ArrowRight: [1, 0.25], "+": [0.5, 0], "=": [0.5, 0],
			"-": [2, 0], 0: [Infinity, 0] };
		const way = ways[event.key];

		if (!way || event.altKey || event.ctrlKey || event.metaKey)
			return;
		event.preventDefault();
		if (way[0] === Infinity)
			this.reset();
		else
			this.change(...way);
	}

	reset() {
		this.range(0, this.whole);
		this.showBrush();
		this.readout.textContent = "";
	}

	/* The chain under the pointer, or the one that begins next to it. */
	under(px, py) {
		const at = this.x.invert(px - this.margin().left);
		const i = Math.max(0, d3.bisectRight(this.tops, py) - 1), band = this.bands[i];
		const lane = Math.floor((py - this.tops[i]) / this.laneHeight());
		const slack = this.x.invert(4) - this.x.invert(0);

		return band.spans.find(s => s.lane === lane && s.start_ns <= at + slack && s.end_ns >= at - slack);
	}

	listed() {
		return this.bands.flatMap(b => b.spans).filter(s => s.end_ns >= this.from && s.start_ns <= this.to)
			.sort((a, b) => a.start_ns - b.start_ns);
	}
}

const spanColumns = [
	{ label: "file", get: s => s.file || "", show: v => v ? name(v) : "not known" },
	{ label: "by", get: s => s.by, show: v => name(v) },
	{ label: "fate", get: s => s.fate, show: clean },
	{ label: "start", num: true, get: s => s.start_ns, show: time },
	{ label: "ready after", num: true, get: s => s.ready_ns === null ? null : s.ready_ns - s.start_ns, show: time },
	{ label: "ended after", num: true, get: s => s.end_ns - s.start_ns, show: time },
];

function timelineBox(timeline) {
	const list = el("div"), details = unfold("As a table", list);
	const fill = () => {
		if (!details.open)
			return;
		const seen = timeline.listed();

		list.replaceChildren(seen.length ? table(`Chains from ${time(timeline.from)} to ${time(timeline.to)}`,
			spanColumns, seen) : el("p", { class: "soft" }, "No chain in this time."));
	};

	timeline.seen = fill;
	details.addEventListener("toggle", fill);
	timeline.box.addEventListener("keydown", event => timeline.key(event));
	timeline.main.addEventListener("mousemove", event => {
		const r = timeline.main.getBoundingClientRect();
		const span = timeline.under(event.clientX - r.left, event.clientY - r.top);

		if (span)
			timeline.readout.textContent = spanText(span);
	});
	return [
		el("div", { class: "tools" }, button("Zoom in", () => timeline.change(0.5, 0)),
			button("Zoom out", () => timeline.change(2, 0)), button("Earlier", () => timeline.change(1, -0.5)),
			button("Later", () => timeline.change(1, 0.5)), button("All", () => timeline.reset())),
		timeline.box, timeline.readout, details];
}

function showChains(data) {
	const { started, spans } = data.chains, n = sum(started, "count");

	if (!n && !spans.length) {
		nothing("chains", "Nothing was started ahead in this recording.");
		return;
	}
	const ready = r => r.ready_ns;

	if (started.length)
		body("chains").append(table("Chains by what started them", filled(started, [
			{ label: "started by", get: r => r.by, show: v => name(v) },
			column.count("chains"), ...FATES.map(f => column.count(f, f)), column.bytes(),
			{ ...column.at("p50", ready), label: "ready p50" }, { ...column.at("p99", ready), label: "p99" },
		]), started));
	if (!spans.length)
		return;
	const whole = Math.max(data.duration_ns, d3.max(spans, s => s.end_ns), 1);
	const timeline = new Timeline(bands(spans), whole);

	body("chains").append(el("h3", {}, "Timeline"),
		spans.length < n ? el("p", { class: "soft" }, `${count(spans.length)} of the ${count(n)} chains, evenly taken.`) : "",
		...timelineBox(timeline));
	fit(timeline.box, width => timeline.draw(width));
}
