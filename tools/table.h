/* SPDX-License-Identifier: MIT
 *
 * Columns of text in a terminal: widths are in characters, not in bytes, and what
 * does not fit is cut with an ellipsis.
 */
#ifndef TABLE_H
#define TABLE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct table {
	FILE *out;
	int width;  /* of a line */
	int column; /* where the line is, and spaces that are yet to be written there */
	int spaces;
	bool bold; /* headings are: `out` is a terminal and NO_COLOR is not set */
};

void table_init(struct table *t, FILE *out);

/* Cells, one space after each. Numbers stand at the right. */
void table_left(struct table *t, int width, const char *text);
void table_right(struct table *t, int width, const char *text);
void table_count(struct table *t, int width, uint64_t n);
void table_ns(struct table *t, int width, uint64_t ns);
void table_bytes(struct table *t, int width, uint64_t n);
void table_share(struct table *t, int width, uint64_t part, uint64_t whole);

/* The rest of the line, cut at its end, or, for a path, at its beginning. */
void table_rest(struct table *t, const char *text, bool path);
void table_end(struct table *t);

/* An empty line, then a line in bold. */
void table_heading(struct table *t, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* A paragraph of text, broken between words. */
void table_text(struct table *t, const char *text);

#endif
