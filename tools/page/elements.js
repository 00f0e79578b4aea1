/* SPDX-License-Identifier: MIT
 *
 * Elements of the page. Whatever comes from the recording becomes a text node or an
 * attribute here, never markup.
 */

/* An element; children are nodes or text, null is left out. */
function el(tag, attributes, ...children) {
	const node = document.createElement(tag);

	for (const [key, value] of Object.entries(attributes || {}))
		if (value !== null && value !== undefined && value !== false)
			node.setAttribute(key, value);
	node.append(...children.flat().filter(c => c !== null && c !== undefined));
	return node;
}

/* A name from the recording; a long one unfolds. */
function name(text, limit = 110) {
	const whole = clean(text);
	const shown = shorten(whole, limit);
	const bdi = t => el("bdi", { class: t.length > 26 ? "mono long" : "mono", dir: "ltr" }, t);

	if (shown === whole)
		return bdi(whole || "(no name)");
	return el("details", {}, el("summary", {}, bdi(shown)), bdi(whole));
}

function button(label, action, attributes) {
	const node = el("button", { type: "button", class: "button", ...attributes }, label);

	node.addEventListener("click", action);
	return node;
}

function body(id) {
	return document.querySelector(`#${id} > .body`);
}

/* What a section says when there is nothing to show; then it needs no explanation. */
function nothing(id, text) {
	document.getElementById(id).classList.add("void");
	body(id).append(el("p", { class: "soft" }, text));
}

/* Something to open: the same as a chart, in words or as a table. */
function unfold(label, ...children) {
	return el("details", {}, el("summary", {}, label), ...children);
}
