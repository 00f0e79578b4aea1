/* SPDX-License-Identifier: MIT
 *
 * The flame graph of blocked time, callers on top. It is a tree to the keyboard and to
 * a screen reader: one frame has the focus, the arrow keys go to its neighbours.
 */
const FRAME = 19; /* pixels, as high as a line of its text needs */
const FRAME_LEAST = 2; /* narrower ones are seen after a zoom */
const LETTER = 6.7;

function flameTree(stacks) {
	const root = { name: "all", value: 0, count: 0, children: new Map(), up: null, depth: 0 };

	for (const { stack, blocked_ns, count: n } of stacks) {
		let node = root;

		root.value += blocked_ns;
		root.count += n;
		stack.forEach((frame, i) => {
			let next = node.children.get(frame);

			if (!next) {
				next = { name: frame, value: 0, count: 0, children: new Map(), up: node,
					depth: node.depth + 1, op: false };
				node.children.set(frame, next);
			}
			next.value += blocked_ns;
			next.count += n;
			next.op = next.op || i === stack.length - 1;
			node = next;
		});
	}
	return root;
}

/* Heaviest first: what one looks for is at the left. */
function flameChildren(node) {
	if (!node.order)
		node.order = Array.from(node.children.values()).sort((a, b) => b.value - a.value);
	return node.order;
}

/* What is seen while `top` fills the width: those above it, and all below that can be pointed at. */
function flameLayout(top, width) {
	const seen = [];
	const place = (node, x, w) => {
		node.x = x;
		node.w = w;
		seen.push(node);
		for (const child of flameChildren(node)) {
			const cw = node.value ? w * child.value / node.value : 0;

			if (cw >= FRAME_LEAST)
				place(child, x, cw);
			x += cw;
		}
	};

	for (let up = top.up; up; up = up.up) {
		up.x = 0;
		up.w = width;
		seen.unshift(up);
	}
	place(top, 0, width);
	return seen;
}

function flameShade(text) {
	let h = 0;

	for (const c of text)
		h = (h * 31 + c.codePointAt(0)) % 997;
	return h % 3;
}

/* Frames that match, and the blocked time below them, each counted once. */
function flameFind(root, text) {
	const found = { frames: new Set(), value: 0 };
	const wanted = text.toLowerCase();
	const look = (node, inside) => {
		const hit = node.up && clean(node.name).toLowerCase().includes(wanted);

		if (hit) {
			found.frames.add(node);
			found.value += inside ? 0 : node.value;
		}
		for (const child of flameChildren(node))
			look(child, inside || hit);
	};

	if (wanted)
		look(root, false);
	return found;
}

class Flame {
	constructor(box, root, readout) {
		Object.assign(this, { box, root, readout, top: root, at: root, hits: new Set(), width: 0 });
		this.changed = () => {};
	}

	words(node) {
		return `${clean(node.name)}: ${time(node.value)}, ${share(node.value, this.root.value)} of the ` +
			`blocked time, ${plural(node.count, "call")}`;
	}

	draw(width) {
		this.width = width || this.width;
		const seen = flameLayout(this.top, this.width), above = new Set();
		const height = FRAME * (1 + d3.max(seen, n => n.depth));

		for (let up = this.top.up; up; up = up.up)
			above.add(up);
		if (!seen.includes(this.at))
			this.at = this.top;
		const svg = d3.select(this.box).html("").append("svg").attr({ width: this.width, height,
			viewBox: `0 0 ${this.width} ${height}`, role: "tree",
			"aria-label": "Flame graph of blocked time" });
		const g = svg.selectAll("g").data(seen).enter().append("g").attr({
			role: "treeitem",
			"aria-level": n => n.depth + 1,
			"aria-label": n => this.words(n),
			"aria-expanded": n => n.children.size ? "true" : null,
			tabindex: n => n === this.at ? 0 : -1,
			transform: n => `translate(${n.x.toFixed(2)},${n.depth * FRAME})`,
			class: n => [`shade-${flameShade(n.name)}`, n.op ? "op" : "", above.has(n) ? "above" : "",
				this.hits.has(n) ? "hit" : ""].join(" "),
		});

		g.append("rect").attr({ width: n => Math.max(0.6, n.w - 0.5), height: FRAME - 1 });
		g.append("text").attr({ x: 4, y: FRAME - 6 }).text(n => {
			const room = Math.floor((n.w - 6) / LETTER);

			return room >= 3 ? shorten(clean(n.name), room) : "";
		});
		g.on("click", n => this.zoom(n));
		g.on("mouseover", n => this.tell(n));
		g.on("focus", n => this.tell(n));
		this.nodes = new Map(seen.map((n, i) => [n, g[0][i]]));
	}

	tell(node) {
		this.readout.textContent = this.words(node) + ".";
	}

	go(node) {
		if (!node || !this.nodes.has(node))
			return;
		this.nodes.get(this.at).setAttribute("tabindex", "-1");
		this.at = node;
		this.nodes.get(node).setAttribute("tabindex", "0");
		this.nodes.get(node).focus();
	}

	zoom(node) {
		const focused = this.box.contains(document.activeElement);

		this.top = node;
		this.at = node;
		this.draw();
		this.tell(node);
		if (focused)
			this.nodes.get(node).focus();
		this.changed();
	}

	beside(step) {
		const line = this.at.up ? flameChildren(this.at.up) : [this.at];

		return line[line.indexOf(this.at) + step];
	}

	key(event) {
		const ways = {
			ArrowUp: () => this.go(this.at.up),
			ArrowDown: () => this.go(flameChildren(this.at)[0]),
			ArrowLeft: () => this.go(this.beside(-1)),
			ArrowRight: () => this.go(this.beside(1)),
			Home: () => this.go(this.root),
			Enter: () => this.zoom(this.at),
			" ": () => this.zoom(this.at),
			Escape: () => this.zoom(this.top.up || this.root),
			Backspace: () => this.zoom(this.top.up || this.root),
		};

		if (!ways[event.key] || event.altKey || event.ctrlKey || event.metaKey)
			return;
		event.preventDefault();
		ways[event.key]();
	}
}

function flameTools(flame) {
	const input = el("input", { type: "search", id: "flame-find", autocomplete: "off", spellcheck: "false" });
	const said = el("output", { class: "soft", "aria-live": "polite" });
	const back = button("Zoom out", () => flame.zoom(flame.top.up || flame.root));
	const all = button("Whole", () => flame.zoom(flame.root));

	flame.changed = () => { back.disabled = all.disabled = flame.top === flame.root; };
	flame.changed();
	input.addEventListener("input", () => {
		const found = flameFind(flame.root, input.value);

		flame.hits = found.frames;
		flame.draw();
		said.textContent = !input.value ? "" : !found.frames.size ? "in no frame" :
			`in ${plural(found.frames.size, "frame")}, ${share(found.value, flame.root.value)} of the blocked time`;
	});
	return el("div", { class: "tools" }, el("label", { for: "flame-find" }, "Find"), input, back, all, said);
}

function showFlame(data) {
	const root = flameTree(data.flame), heavy = data.flame.slice().sort((a, b) => b.blocked_ns - a.blocked_ns);

	if (!(root.value > 0)) {
		nothing("flame", "Nothing was blocked in a call.");
		return;
	}
	const box = el("div", { class: "flame" });
	const readout = el("output", { class: "readout" });
	const flame = new Flame(box, root, readout);

	body("flame").append(data.stacks ? "" : el("p", { class: "soft" }, "Recorded without stacks: ",
		el("code", {}, "fuse-aio record --stacks"), " shows who calls."), flameTools(flame), box, readout,
	unfold("As a table", table("The stacks that wait longest, innermost last", [
		{ label: "stack", get: r => r.stack.join(" › "), show: v => name(v, 160) },
		column.count(), column.blocked(),
		{ label: "share", num: true, get: r => r.blocked_ns, show: v => share(v, root.value) },
	], heavy.slice(0, 200))));
	box.addEventListener("keydown", event => flame.key(event));
	fit(box, width => flame.draw(width));
}
