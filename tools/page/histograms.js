/* SPDX-License-Identifier: MIT
 *
 * A histogram of latencies for each class of calls, all on the same axis, so that
 * they can be compared at a glance.
 */

/*
 * Four bars in a power of two: as fine as they can be seen, and bounds stay exact. The
 * line between hot and cold is one, too; a bucket across it goes to the side of its middle.
 */
function bars(buckets) {
	const by = new Map();

	for (const [low, high, n] of buckets) {
		if (!n)
			continue;
		const floor = Math.max(low, 1), cold = (low + high) / 2 >= COLD_NS;
		const octave = Math.pow(2, Math.floor(Math.log2(floor)));
		const quarter = octave / 4, coarse = high - low > quarter;
		const begin = coarse ? floor : octave + quarter * Math.floor((floor - octave) / quarter);
		const end = coarse ? Math.max(high, floor + 1) : begin + quarter;
		const from = cold ? Math.max(begin, COLD_NS) : begin, to = cold ? end : Math.min(end, COLD_NS);
		const known = by.get(from);

		if (known) {
			known[1] = Math.max(known[1], to);
			known[2] += n;
		} else {
			by.set(from, [from, to, n]);
		}
	}
	return Array.from(by.values()).sort((a, b) => a[0] - b[0]);
}

function histogram(box, width, all, domain, most, words) {
	const margin = { left: 34, right: 8, top: 12, bottom: 20 }, height = 118;
	const w = width - margin.left - margin.right, h = height - margin.top - margin.bottom;
	const svg = drawing(box, width, height, words.title, words.desc);
	const x = d3.scale.log().domain(domain).range([0, w]);
	const y = d3.scale.log().domain([0.5, Math.max(most, 2)]).range([h, 0]);
	const g = svg.append("g").attr("transform", `translate(${margin.left},${margin.top})`);
	const line = Math.round(x(COLD_NS)) + 0.5;

	g.selectAll("rect").data(all).enter().append("rect").attr({
		class: b => b[0] >= COLD_NS ? "cold-bar" : "hot-bar",
		x: b => x(b[0]),
		y: b => y(b[2]),
		width: b => Math.max(1, x(Math.min(b[1], domain[1])) - x(b[0]) - 0.4),
		height: b => h - y(b[2]),
	}).append("title").text(b => `${time(b[0])} to ${time(b[1])}: ${count(b[2])}`);
	g.append("line").attr({ class: "cold-line", x1: line, x2: line, y1: -margin.top, y2: h });
	g.append("text").attr({ class: "cold-word", x: line + 4, y: -3 }).text("cold");
	axis(svg, margin.left, margin.top + h, x, "bottom", decades(domain[0], domain[1], w, 52), tick);
	axis(svg, margin.left, margin.top, y, "left", decades(1, most, h, 16),
		n => n >= 1e6 ? n / 1e6 + "M" : n >= 1e3 ? n / 1e3 + "k" : n);
}

/* The same in numbers: calls in each decade. */
function decadeTable(histograms) {
	const seen = new Set(), rows = histograms.map(hist => {
		const row = { op: hist.op };

		for (const [low, , n] of hist.buckets) {
			const e = Math.floor(Math.log10(Math.max(low, 1)) + 1e-9);

			if (n)
				seen.add(e);
			row[e] = (row[e] || 0) + n;
		}
		return row;
	});
	const columns = Array.from(seen).sort((a, b) => a - b).map(e => ({
		label: `from ${tick(Math.pow(10, e))}`, num: true, get: r => r[e] || 0, show: count }));

	return table("Calls by how long they took",
		[{ label: "call", get: r => r.op, show: v => name(v) }, ...columns], rows);
}

function showHistograms(data) {
	const histograms = data.histograms.filter(hist => hist.buckets.some(b => b[2] > 0));

	if (!histograms.length) {
		nothing("latencies", "No call was timed.");
		return;
	}
	const drawn = histograms.map(hist => bars(hist.buckets));
	const low = d3.min(drawn, all => all[0][0]), high = d3.max(drawn, all => d3.max(all, b => b[1]));
	const most = d3.max(drawn, all => d3.max(all, b => b[2]));
	/* Never without the line: it tells at a glance which side a call is on. */
	const domain = [Math.min(low, COLD_NS / 100), Math.max(high, COLD_NS * 10)];
	const many = el("div", { class: "many" });

	body("latencies").append(many);
	histograms.forEach((hist, i) => {
		const call = data.calls.find(c => c.op === hist.op);
		const all = drawn[i], box = el("div");
		const n = d3.sum(all, b => b[2]), cold = d3.sum(all, b => b[0] >= COLD_NS ? b[2] : 0);
		const figures = call && call.ns ? `, p50 ${tick(call.ns.p50)}, p99 ${tick(call.ns.p99)}` : "";
		const desc = `${plural(n, "call")} from ${time(all[0][0])} to ` +
			`${time(all[all.length - 1][1])}${figures}; ` +
			`${count(call ? call.cold : cold)} cold. The table below has the numbers.`;

		many.append(el("figure", {}, el("figcaption", {}, el("b", {}, clean(hist.op)),
			el("span", {}, ` ${plural(n, "call")}${figures}`)), box));
		fit(box, width => histogram(box, width, all, domain, most,
			{ title: `Latencies of ${clean(hist.op)}`, desc }));
	});
	body("latencies").append(unfold("As a table", decadeTable(histograms)));
}
