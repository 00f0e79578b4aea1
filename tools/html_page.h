/* SPDX-License-Identifier: MIT
 *
 * The report as one HTML page: tools/page/, put together by the build, with the JSON
 * of the report in it.
 */
#ifndef HTML_PAGE_H
#define HTML_PAGE_H

#include <stddef.h>
#include <stdio.h>

/*
 * Writes the page that shows the n bytes of `json` (what summary_json() makes, dumped;
 * UTF-8). 0, or EXIT_FAILURE when writing to `out` failed: errno says why.
 */
int html_page(const char *json, size_t n, FILE *out);

#endif
