/* SPDX-License-Identifier: MIT
 *
 * Numbers, times, sizes and names as text.
 */
const COLD_NS = 100e3;
const NONE = "–";
const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

/* Three digits that mean something: 1.23, 12.3, 123. */
function three(x) {
	return x >= 99.95 ? x.toFixed(0) : x >= 9.995 ? x.toFixed(1) : x.toFixed(2);
}

function scaled(x, units, step) {
	let i = 0;

	while (i < units.length - 1 && x >= step - 0.5) {
		x /= step;
		i++;
	}
	return (i === 0 ? String(Math.round(x)) : three(x)) + "\u00a0" + units[i];
}

function time(ns) {
	if (ns === null || ns === undefined || !isFinite(ns))
		return NONE;
	if (ns < 0)
		return "−" + time(-ns);
	if (ns === 0)
		return "0";
	const s = Math.round(ns / 1e9);

	if (s >= 7200)
		return `${Math.floor(s / 3600)}\u00a0h\u00a0${Math.floor(s / 60) % 60}\u00a0min`;
	if (s >= 120)
		return `${Math.floor(s / 60)}\u00a0min\u00a0${s % 60}\u00a0s`;
	return scaled(ns, ["ns", "µs", "ms", "s"], 1000);
}

/* For axes: without zeros that say nothing. */
function tick(ns) {
	return time(ns).replace(/(\.\d*?)0+(?=\u00a0)/, "$1").replace(/\.(?=\u00a0)/, "");
}

function bytes(n) {
	return n ? scaled(n, ["B", "KiB", "MiB", "GiB", "TiB", "PiB"], 1024) : n === 0 ? "0" : NONE;
}

function count(n) {
	return n === null || n === undefined ? NONE : whole.format(n);
}

function share(part, whole) {
	if (!(whole > 0))
		return NONE;
	const p = 100 * part / whole;

	if (p > 0 && p < 0.1)
		return "<\u20090.1\u00a0%";
	return (p > 0 && p < 9.95 || p > 99 && p < 100 ? Math.min(p, p < 100 ? 99.9 : p).toFixed(1) :
		p.toFixed(0)) + "\u00a0%";
}

function plural(n, one, many) {
	return `${count(n)} ${n === 1 ? one : many || one + "s"}`;
}

/*
 * A name as it can be shown: what would not be seen, or would change the order of what
 * is seen, becomes an escape.
 */
function clean(text) {
	return String(text).replace(
		/[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]/gu,
		c => {
			const code = c.codePointAt(0);

			return code < 256 ? "\\x" + code.toString(16).padStart(2, "0") :
				"\\u" + code.toString(16).padStart(4, "0");
		});
}

/* The two ends of a long name: they tell more than its middle. */
function shorten(text, limit) {
	const letters = Array.from(text);

	if (letters.length <= limit)
		return text;
	const tail = Math.floor((limit - 1) / 2);

	return letters.slice(0, limit - 1 - tail).join("") + "…" + letters.slice(-tail).join("");
}

function sum(rows, key) {
	return rows.reduce((n, row) => n + (row[key] || 0), 0);
}
