/* SPDX-License-Identifier: MIT
 *
 * Reads the data of the page and fills its sections.
 */
const VERSION = 1;

function contents() {
	for (const section of document.querySelectorAll("main > section")) {
		const h2 = section.querySelector("h2");

		h2.id = section.id + "-title";
		section.setAttribute("aria-labelledby", h2.id);
		document.getElementById("contents").append(
			el("li", {}, el("a", { href: "#" + section.id }, h2.textContent)));
	}
}

function refuse(text) {
	document.getElementById("main").replaceChildren(warning("There is nothing to show.", text));
	document.querySelector("nav").remove();
}

function start() {
	let data;

	try {
		data = JSON.parse(document.getElementById("data").textContent);
	} catch (error) {
		refuse("The data in this page cannot be read: it was cut short or changed.");
		return;
	}
	if (data.version !== VERSION) {
		refuse(`The data in this page is of version ${clean(data.version)}; the page knows ${VERSION}.`);
		return;
	}
	for (const show of [showHead, showShort, showEstimate, showCalls, showHistograms, showHeat, showFlame,
		showChains, showSequences, showRows, showHeld, showRegimes, showFallbacks, showCounters,
		showProcesses])
		show(data);
	contents();
}

start();
