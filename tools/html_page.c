/* SPDX-License-Identifier: MIT
 *
 * Puts the data into the page. The page is linked in as it is (build/page/report.html)
 * and has one line "@data" where the JSON goes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "html_page.h"

extern const char page[] __asm__("_binary_report_html_start");
extern const char page_end[] __asm__("_binary_report_html_end");

static const char mark[] = "\n@data\n"; /* with the ends of lines: it is one */

static int put(const char *from, size_t n, FILE *out)
{
	return fwrite(from, 1, n, out) == n ? 0 : EXIT_FAILURE;
}

/*
 * '<' is the only character that could end the script element or begin a comment in it.
 * In JSON it stands in strings only, where an escape means the same.
 */
static int put_json(const char *json, size_t n, FILE *out)
{
	const char *end = json + n, *at;

	while ((at = memchr(json, '<', (size_t)(end - json))) != NULL) {
		if (put(json, (size_t)(at - json), out) || fputs("\\u003c", out) == EOF)
			return EXIT_FAILURE;
		json = at + 1;
	}
	return put(json, (size_t)(end - json), out);
}

int html_page(const char *json, size_t n, FILE *out)
{
	size_t size = (uintptr_t)page_end - (uintptr_t)page;
	const char *at = memmem(page, size, mark, sizeof(mark) - 1);
	size_t before = (size_t)(at - page) + 1, after = before + sizeof(mark) - 3;

	if (put(page, before, out) || put_json(json, n, out))
		return EXIT_FAILURE;
	return put(page + after, size - after, out);
}
