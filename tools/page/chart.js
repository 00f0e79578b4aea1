/* SPDX-License-Identifier: MIT
 *
 * What the charts share: a drawing that follows the width of its box, a description
 * for those who do not see it, axes of time and latency.
 */

/* Draws now, and again whenever the box has another width. */
function fit(box, draw) {
	let last = Math.floor(box.clientWidth);
	const look = () => {
		const width = Math.floor(box.clientWidth);

		if (width > 0 && width !== last) {
			last = width;
			draw(width);
		}
	};

	draw(last);
	new ResizeObserver(() => requestAnimationFrame(look)).observe(box);
}

/* An empty drawing in place of the last one. */
function drawing(box, width, height, title, desc) {
	const svg = d3.select(box).html("").append("svg")
		.attr({ width, height, viewBox: `0 0 ${width} ${height}`, role: "img",
			"aria-label": desc ? `${title}. ${desc}` : title });

	svg.append("title").text(title);
	if (desc)
		svg.append("desc").text(desc);
	return svg;
}

/* Powers of ten in [low, high], every other one if they stand too close. */
function decades(low, high, pixels, each) {
	const from = Math.ceil(Math.log10(low) - 1e-9), to = Math.floor(Math.log10(high) + 1e-9);
	const step = Math.max(1, Math.ceil((to - from + 1) * each / pixels));
	const values = [];

	/* From 100 µs, which is marked, downward and upward. */
	for (let e = from; e <= to; e++)
		if ((e - 5) % step === 0)
			values.push(Math.pow(10, e));
	return values;
}

/* What is written at the right end does not go beyond it. */
function inside(g, scale, width) {
	g.selectAll("text").each(function (value) {
		if (scale(value) + this.getComputedTextLength() / 2 > width)
			d3.select(this).style("text-anchor", "end").attr("x", width - scale(value));
	});
}

function axis(svg, x, y, scale, orient, values, format) {
	const g = svg.append("g").attr({ class: "axis", transform: `translate(${x},${y})` });

	g.call(d3.svg.axis().scale(scale).orient(orient).tickValues(values).tickFormat(format)
		.outerTickSize(0).innerTickSize(4).tickPadding(4));
	if (orient === "bottom")
		inside(g, scale, scale.range()[1]);
}

/* Round moments, about as many as there is room for. */
function timeAxis(svg, x, y, scale, width) {
	axis(svg, x, y, scale, "bottom", scale.ticks(Math.max(2, Math.floor(width / 90))), tick);
}

/* A box that the keyboard gets to, with a line that tells what is under its cursor. */
function readable(label) {
	const readout = el("output", { class: "readout", "aria-live": "polite" });
	const box = el("div", { class: "keyed", tabindex: "0", role: "group", "aria-label": label });

	return { box, readout };
}
