/* SPDX-License-Identifier: MIT
 *
 * The sections in words and tables: what was recorded, the figures in short, the
 * estimate, and everything that is a list.
 */
function moment(text) {
	const date = new Date(text);

	return isNaN(date) ? clean(text) : date.toISOString().replace("T", " ").slice(0, 19) + " UTC";
}

function warning(title, text) {
	return el("p", { class: "warn" }, el("b", {}, "▲ " + title + " "), text);
}

function showHead(data) {
	const modes = Array.from(new Set(data.processes.map(p => p.mode)));
	const command = clean(data.command) || "(no command)";
	const long = Array.from(command).length > 300;

	document.title = `${shorten(command, 60)} – fuse-aio report`;
	document.getElementById("head").append(el("p", { class: "kind" }, "What these file calls cost"),
		el("h1", {}, el("bdi", { dir: "ltr" }, long ? shorten(command, 300) : command)),
		long ? unfold("The whole command", el("p", {}, name(data.command, Infinity))) : "",
		el("p", { class: "facts" }, "Recorded ",
			el("time", { datetime: data.started }, moment(data.started)),
			` for ${time(data.duration_ns)}, ${plural(data.processes.length, "process", "processes")}` +
			(modes.length ? `, mode ${modes.map(clean).join(" and ")}` : "") +
			(data.stacks ? ", with stacks." : ".")),
		data.complete ? "" : warning("Not complete.",
			"The recording was killed or still went on: what came last may be missing."),
		data.dropped ? warning(`${plural(data.dropped, "record")} dropped.`,
			"There was no room for them: all sums below are too low. Record with a larger file.") : "",
		data.passed_over ? warning(`${plural(data.passed_over, "record")} passed over.`,
			"They could not be read: the file is damaged, or from a newer version.") : "");
}

function showShort(data) {
	const e = data.estimate, calls = sum(data.calls, "count"), cold = sum(data.calls, "cold");
	const blocked = sum(data.calls, "blocked_ns"), chains = sum(data.chains.started, "count");
	const got = sum(data.chains.started, "adopted") + sum(data.chains.started, "used");
	const c = data.counters, ahead = (c.hits || 0) + (c.misses || 0);
	const figures = [
		[time(blocked), "blocked in file calls", data.duration_ns > 0 && calls ?
			`${share(blocked, data.duration_ns)} of the time, all threads together` : ""],
		[share(cold, calls), "of the calls cold", calls ? `${count(cold)} of ${count(calls)}` : "no calls"],
		[time(e.hidden_ns), "could be hidden by auto", blocked > 0 ? `${share(e.hidden_ns, e.blocked_ns)} of what was blocked` : ""],
		[bytes(sum(data.calls, "bytes")), "read and sent", ""],
		[count(chains), "chains started", chains ? `${share(got, chains)} adopted or used` : "nothing was started ahead"],
		[count(c.hits || 0), "foreseen and come to", ahead ? `${count(c.misses || 0)} not come to` : "nothing was foreseen"],
	];

	body("short").append(el("dl", { class: "keys" }, figures.map(([figure, what, note]) =>
		el("div", {}, el("dt", {}, what), el("dd", { class: "figure" }, figure),
			note ? el("dd", { class: "note" }, note) : ""))));
}

const ESTIMATE = [
	["closes run behind", "close_ns", "A cold close of a file: all of its time."],
	["reads behind a cold open", "window_ns", "A cold read or sendfile after a cold open of the same file: " +
		"as much as the program took from the one to the other, at most the read itself."],
	["names looked up ahead", "walk_ns", "Four and more cold stats or opens in a row of different files in one " +
		"directory: all but a 64th or 150 µs a call, where they wait 250 µs and more."],
];

function estimateWords(e, auto) {
	const wall = e.wall_ns && e.times ? ` The program would have taken ${time(e.wall_ns - e.hidden_ns)} instead of ` +
		`${time(e.wall_ns)}: ${e.times.toFixed(e.times < 10 ? 2 : 1)} times as fast.` : "";

	return el("p", {}, auto ? "The library was at work in this recording: what follows is on top of what it hid. " : "",
		el("b", {}, e.hidden_ns > 0 ? `About ${time(e.hidden_ns)} of ${time(e.blocked_ns)} blocked` :
			"Nothing of the blocked time"), e.hidden_ns > 0 ? " could be hidden." : " could be hidden, by these rules.", wall);
}

function showEstimate(data) {
	const e = data.estimate, left = Math.max(0, e.blocked_ns - e.hidden_ns);

	if (!(e.blocked_ns > 0)) {
		nothing("estimate", "Nothing was blocked: there is nothing to hide.");
		return;
	}
	const rows = ESTIMATE.map(([label, key, rule]) => ({ blocked_ns: e[key], rule,
		label: key === "walk_ns" && e.walks ? `${label}, in ${plural(e.walks, "walk")}` : label }))
		.concat({ label: "stays", blocked_ns: left, rule: "All other waits, and what no rule covers." });

	body("estimate").append(estimateWords(e, data.processes.some(p => p.mode === "auto")),
		table("What auto could hide, by rule", [
			{ label: "what", get: r => r.label }, column.blocked(),
			{ label: "share", num: true, get: r => r.blocked_ns, show: v => share(v, e.blocked_ns) },
			{ label: "rule", words: true, get: r => r.rule }], rows),
		el("p", { class: "soft" }, "Servers that handle requests in an event loop cannot be told from a recording: " +
			"what auto hides for them is not counted, and may be most of it. It is also not known whether the file system " +
			"answers several requests at once; one that does not gains less. A recording in mode auto of the same " +
			"work shows what comes true (", el("code", {}, "fuse-aio diff"), ")."));
}

function listing(id, rows, empty, caption, columns, total) {
	if (rows.length)
		body(id).append(table(caption, filled(rows, columns), rows, total));
	else
		nothing(id, empty);
}

const quantiles = ["p50", "p90", "p99", "max"].map(q => column.at(q));

function showCalls(data) {
	const calls = data.calls.slice().sort((a, b) => b.blocked_ns - a.blocked_ns);
	const total = { op: "all", ns: null };

	for (const key of ["count", "failed", "cold", "settled", "foreseen", "bytes", "blocked_ns"])
		total[key] = sum(calls, key);
	listing("calls", calls, "No call was recorded.", "Calls by class", [
		{ label: "call", get: r => r.op, show: v => name(v) }, column.count(), column.blocked(), column.cold(),
		...quantiles, column.bytes(), column.count("failed", "failed"), column.count("settled", "settled"),
		column.count("foreseen", "foreseen")], calls.length > 1 ? total : null);
}

function showSequences(data) {
	listing("sequences", data.sequences, "No file was opened and closed again.", "Sequences of calls", [
		{ label: "sequence", get: r => r.signature, show: v => name(v.split(" ").join(" › "), 160) },
		column.count("times"), column.blocked(), ...quantiles, column.bytes()]);
}

const BY = {
	site: ["Call sites", "Where in the program the calls are made.", "call site"],
	sequence: ["By sequence", "Calls by the sequence that they are part of.", "sequence"],
	file: ["Files", "Calls by the file that they are for, as the program named it.", "file"],
	fs: ["By file system", "Calls by the device that the file is on.", "device"],
	thread: ["Threads", "Calls by the thread that made them.", "thread"],
	op: ["By class", "Calls by their class.", "call"],
};

function showRows(data) {
	const [title, words, what] = BY[data.by] || [`By ${clean(data.by)}`, "", clean(data.by)];

	document.querySelector("#rows h2").textContent = title;
	document.querySelector("#rows .side p").textContent = words;
	listing("rows", data.rows, "There is nothing to list.", `${title}, most blocked first`, [
		{ label: what, get: r => r.name, show: (v, r) => el("div", {}, name(v),
			r.detail && r.detail !== v ? el("small", {}, name(r.detail, 160)) : "") },
		column.count(), column.blocked(), column.cold(), ...quantiles, column.bytes()]);
}

function showHeld(data) {
	const h = data.held;

	if (!h.count) {
		nothing("held", "No event was held back.");
		return;
	}
	body("held").append(table("Readiness events held back", [
		column.count("events"), column.count("until the limit", "late"), ...quantiles], [h]));
}

function showRegimes(data) {
	listing("regimes", data.regimes, "Nothing was learned about a file system.", "Regimes", [
		{ label: "device", get: r => r.dev, show: v => name(v) },
		{ label: "mounted on", keep: true, get: r => r.mount || "", show: v => v ? name(v) : "not mounted here" },
		{ label: "call", get: r => r.op, show: v => name(v) },
		{ label: "waits", num: true, keep: true, get: r => r.wait_ns, show: time },
		{ label: "counts as", get: r => r.cold ? "cold" : "hot" }]);
}

function showFallbacks(data) {
	listing("fallbacks", data.fallbacks.filter(f => f.count), "The library never stepped aside.",
		"Plain calls instead, by reason", [
			{ label: "reason", get: r => r.reason, show: v => name(v) },
			{ label: "times", num: true, get: r => r.count, show: count },
			{ label: "what it means", words: true, get: r => r.help, show: clean }]);
}

function showCounters(data) {
	const all = Object.entries(data.counters).map(([key, n]) => ({ key, n }));
	/* They are written by a process that ends. */
	const rows = all.some(row => row.n > 0) ? all : [];

	listing("counters", rows, "No counters were recorded: no process came to its end.", "Counters", [
		{ label: "counter", get: r => r.key, show: v => name(v) },
		{ label: "sum", num: true, get: r => r.n, show: (v, r) => r.key.endsWith("_ns") ? time(v) : count(v) }]);
}

function showProcesses(data) {
	listing("processes", data.processes, "No process began.", "Recorded processes", [
		{ label: "program", get: r => r.program, show: v => name(v) },
		{ label: "pid", num: true, get: r => r.pid, show: String },
		{ label: "mode", get: r => r.mode, show: v => name(v) },
		{ label: "began", num: true, keep: true, get: r => r.begin_ns, show: time },
		{ label: "ended", num: true, keep: true, get: r => r.end_ns, show: v => v === null ? "not seen" : time(v) }]);
}
