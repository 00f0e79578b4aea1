/* SPDX-License-Identifier: MIT
 *
 * The heat map: how many calls took how long, and when. A logarithmic ramp, since a
 * few slow calls among a million fast ones are what one looks for.
 */
const SHADES = 7;

/* The part of the map that has calls. */
function heatCells(heat) {
	const rows = heat.rows.map(row => row.slice());
	const steps = d3.max(rows, row => row.length) || 0;
	const busy = rows.map((row, i) => d3.sum(row) > 0 ? i : -1).filter(i => i >= 0);

	if (!busy.length)
		return null;
	const low = busy[0], high = busy[busy.length - 1];

	return { rows, steps, low, high, most: d3.max(rows, row => d3.max(row)), step: Math.max(heat.step_ns, 1),
		bound: i => i < heat.levels_ns.length ? heat.levels_ns[i] :
			2 * heat.levels_ns[heat.levels_ns.length - 1] };
}

function shade(n, most) {
	return most <= 1 ? SHADES : 1 + Math.min(SHADES - 1, Math.floor(SHADES * Math.log(n) / Math.log(most + 1)));
}

/* The smallest count of each shade. */
function shadeBounds(most) {
	const bounds = [];

	for (let s = 1, n = 1; s <= SHADES; s++) {
		n = Math.max(n, Math.floor(Math.exp((s - 1) / SHADES * Math.log(most + 1))));
		while (n <= most && shade(n, most) < s)
			n++;
		if (n <= most && shade(n, most) === s)
			bounds.push([s, n]);
	}
	return bounds;
}

function heatLegend(most) {
	const bounds = shadeBounds(most);

	return el("ul", { class: "legend" }, el("li", {}, "Calls in a cell:"), bounds.map(([s, n], i) => {
		const to = i + 1 < bounds.length ? bounds[i + 1][1] - 1 : most;

		return el("li", {}, el("i", { class: `heat-${s}` }),
			to > n ? `${count(n)}–${count(to)}` : count(n));
	}));
}

function heatText(cells, step, level) {
	const n = cells.rows[level][step] || 0;

	return `At ${time(step * cells.step)}, from ${time(cells.bound(level))} to ` +
		`${time(cells.bound(level + 1))}: ${plural(n, "call")}.`;
}

/* Draws the map; returns what moves its cursor. */
function heatDraw(place, width, cells, words) {
	const margin = { left: 50, right: 8, top: 4, bottom: 22 };
	const levels = cells.high - cells.low + 1, cell = Math.max(9, Math.min(14, 260 / levels));
	const w = width - margin.left - margin.right, h = Math.max(levels * cell, 20);
	const svg = drawing(place, width, h + margin.top + margin.bottom, words.title, words.desc);
	const g = svg.append("g").attr("transform", `translate(${margin.left},${margin.top})`);
	const x = d3.scale.linear().domain([0, cells.steps * cells.step]).range([0, w]);
	/* The lowest level may begin at 0: it is drawn like the others. */
	const bottom = cells.bound(cells.low) || cells.bound(cells.low + 1) / 2 || 1;
	const top = Math.max(cells.bound(cells.high + 1), 2 * bottom);
	const y = d3.scale.log().domain([bottom, top]).range([h, 0]);
	const box = (step, level) => ({ x: x(step * cells.step), y: h - (level - cells.low + 1) * h / levels,
		width: Math.max(1, x(cells.step) - 0.3), height: h / levels - 0.6 });
	const paths = Array.from({ length: SHADES + 1 }, () => "");

	for (let level = cells.low; level <= cells.high; level++)
		cells.rows[level].forEach((n, step) => {
			const b = box(step, level);

			if (n > 0)
				paths[shade(n, cells.most)] += `M${b.x.toFixed(1)} ${b.y.toFixed(1)}h` +
					`${b.width.toFixed(1)}v${b.height.toFixed(1)}h${-b.width.toFixed(1)}z`;
		});
	paths.forEach((d, s) => d && g.append("path").attr({ class: `heat-${s}`, d }));
	if (y.domain()[0] < COLD_NS && y.domain()[1] > COLD_NS)
		g.append("line").attr({ class: "cold-line", x1: 0, x2: w, y1: y(COLD_NS), y2: y(COLD_NS) });
	timeAxis(svg, margin.left, margin.top + h + 1, x, w);
	axis(svg, margin.left - 2, margin.top, y, "left",
		decades(y.domain()[0], y.domain()[1], h, 14), tick);

	const cursor = g.append("rect").attr({ class: "cursor", visibility: "hidden" });
	return {
		at: (px, py) => ({
			step: Math.max(0, Math.min(cells.steps - 1, Math.floor(x.invert(px - margin.left) / cells.step))),
			level: cells.high - Math.max(0, Math.min(levels - 1, Math.floor((py - margin.top) * levels / h))),
		}),
		show: (step, level) => cursor.attr({ ...box(step, level), visibility: "visible" }),
		hide: () => cursor.attr("visibility", "hidden"),
	};
}

/* Up to a dozen spans of time: calls, where most were, the slowest. */
function heatTable(cells) {
	const slices = Math.min(12, cells.steps), rows = [];

	for (let i = 0; i < slices; i++) {
		const from = Math.floor(i * cells.steps / slices), to = Math.floor((i + 1) * cells.steps / slices);
		const sums = cells.rows.map(row => d3.sum(row.slice(from, to)));
		const calls = d3.sum(sums), usual = sums.indexOf(d3.max(sums));
		const slowest = sums.reduce((last, n, level) => n > 0 ? level : last, -1);
		const range = level => calls ? `${time(cells.bound(level))} to ${time(cells.bound(level + 1))}` : NONE;

		rows.push({ from: from * cells.step, calls, usual: range(usual), slowest: range(slowest) });
	}
	return table("Calls over time", [
		{ label: "from", get: r => r.from, show: time },
		{ label: "calls", num: true, get: r => r.calls, show: count },
		{ label: "most took", num: true, get: r => r.usual },
		{ label: "the slowest took", num: true, get: r => r.slowest },
	], rows);
}

function showHeat(data) {
	const cells = heatCells(data.heat);

	if (!cells) {
		nothing("heat", "No call was timed.");
		return;
	}
	const words = { title: "Latency over time", desc: `${plural(d3.sum(cells.rows, r => d3.sum(r)), "call")} ` +
		`in ${plural(cells.steps, "step")} of ${time(cells.step)}, from ${time(cells.bound(cells.low))} to ` +
		`${time(cells.bound(cells.high + 1))}. The table below has the numbers.` };
	const { box, readout } = readable("Heat map: the arrow keys go from cell to cell");
	const place = el("div"), keys = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
	let map, step = 0, level = cells.low;
	const show = (s, l) => {
		step = Math.max(0, Math.min(cells.steps - 1, s));
		level = Math.max(cells.low, Math.min(cells.high, l));
		map.show(step, level);
		readout.textContent = heatText(cells, step, level);
	};

	box.append(place);
	body("heat").append(box, heatLegend(cells.most), readout, unfold("As a table", heatTable(cells)));
	fit(place, width => { map = heatDraw(place, width, cells, words); });
	place.addEventListener("mousemove", event => {
		const p = map.at(event.clientX - place.getBoundingClientRect().left,
			event.clientY - place.getBoundingClientRect().top);

		show(p.step, p.level);
	});
	box.addEventListener("keydown", event => {
		const way = keys[event.key];

		if (!way)
			return;
		event.preventDefault();
		show(step + way[0], level + way[1]);
	});
	box.addEventListener("focus", () => show(step, level));
	box.addEventListener("blur", () => map.hide());
}
