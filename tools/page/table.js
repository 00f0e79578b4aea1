/* SPDX-License-Identifier: MIT
 *
 * Tables: a column says how it is shown, sorted and compared. Wide ones scroll in a
 * box of their own, long ones show their beginning first.
 */
const FIRST_ROWS = 20;

/*
 * A column: label, get(row) the value, show(value, row) text or a node (the value
 * itself without it); num: right-aligned; bar: with a bar as long as the value;
 * words: wants width; keep: also when no row has a value.
 */
function cell(column, row, first, most) {
	const value = column.get(row);
	const shown = column.show ? column.show(value, row) : value;
	const kind = column.num ? "num" : column.words ? "words" : first ? "name" : null;
	const node = first ? el("th", { scope: "row", class: kind }) : el("td", { class: kind });

	if (column.bar) {
		const bar = el("i");

		bar.style.width = most > 0 ? `${100 * value / most}%` : "0";
		node.append(el("span", { class: "bar", "aria-hidden": "true" }, bar));
	}
	node.append(column.bar ? el("span", { class: "beside" }, shown) : shown);
	return node;
}

function compare(a, b) {
	if (typeof a === "string" || typeof b === "string")
		return String(a ?? "").localeCompare(String(b ?? ""), "en");
	return (a ?? -Infinity) - (b ?? -Infinity);
}

/* A box that scrolls can be scrolled with the keyboard, one that does not is no stop. */
function scrolling(box, label) {
	const look = () => {
		if (box.scrollWidth > box.clientWidth + 1) {
			box.setAttribute("tabindex", "0");
			box.setAttribute("role", "region");
			box.setAttribute("aria-label", label);
		} else {
			for (const key of ["tabindex", "role", "aria-label"])
				box.removeAttribute(key);
		}
	};

	new ResizeObserver(() => requestAnimationFrame(look)).observe(box);
	return box;
}

/* Heads of columns that sort; `sorted` is called with the column and the direction. */
function heads(columns, sortable, sorted) {
	const ths = columns.map(c => el("th", { scope: "col", class: c.num ? "num" : null }));

	columns.forEach((column, i) => {
		if (!sortable || column.words) {
			ths[i].append(column.label);
			return;
		}
		const press = el("button", { type: "button" }, column.label);

		press.addEventListener("click", () => {
			const down = ths[i].getAttribute("aria-sort") === "descending" ||
				(!ths[i].hasAttribute("aria-sort") && !column.num);

			ths.forEach(th => th.removeAttribute("aria-sort"));
			ths[i].setAttribute("aria-sort", down ? "ascending" : "descending");
			sorted(column, down ? 1 : -1);
		});
		ths[i].append(press);
	});
	return el("thead", {}, el("tr", {}, ths));
}

/* total: a last row under a rule, that is not sorted. */
function table(caption, columns, rows, total) {
	const tbody = el("tbody");
	const most = columns.map(c => c.bar ? Math.max(0, ...rows.map(c.get)) : 0);
	const line = (row, kind) => el("tr", { class: kind },
		columns.map((c, i) => cell(c, row, i === 0, kind ? 0 : most[i])));
	let order = rows, limit = rows.length > FIRST_ROWS + 5 ? FIRST_ROWS : rows.length;
	const fill = () => {
		tbody.replaceChildren(...order.slice(0, limit).map(row => line(row, null)));
		if (total)
			tbody.append(line(total, "sum"));
	};
	const thead = heads(columns, rows.length > 1, (column, sign) => {
		order = rows.slice().sort((a, b) => sign * compare(column.get(a), column.get(b)));
		fill();
	});
	const box = scrolling(el("div", { class: "scroll" },
		el("table", {}, el("caption", {}, caption), thead, tbody)), caption);
	const whole = el("div", {}, box);

	fill();
	if (limit < rows.length) {
		const more = button(`Show all ${count(rows.length)}`, () => {
			limit = rows.length;
			fill();
			more.remove();
			tbody.rows[FIRST_ROWS].scrollIntoView({ block: "nearest" });
		});
		whole.append(more);
	}
	return whole;
}

/* Columns that many tables have. */
const column = {
	count: (label = "calls", key = "count") => ({ label, num: true, get: r => r[key], show: count }),
	bytes: () => ({ label: "bytes", num: true, get: r => r.bytes, show: bytes }),
	blocked: () => ({ label: "blocked", num: true, bar: true, get: r => r.blocked_ns, show: time }),
	cold: () => ({ label: "cold", num: true, keep: true, get: r => r.count ? r.cold / r.count : 0,
		show: (v, r) => share(r.cold, r.count) }),
	at: (key, of = r => r.ns) => ({ label: key, num: true, get: r => of(r) ? of(r)[key] : null,
		show: time }),
};

/* A column that no row fills is left out. */
function filled(rows, columns) {
	return columns.filter((c, i) => i === 0 || c.keep || rows.some(row => c.get(row)));
}
