/* SPDX-License-Identifier: MIT
 *
 * The formats of a report. Each writes the summary to `out` and returns 0, or
 * EXIT_FAILURE after a line that says why not; errors of `out` are the caller's.
 */
#ifndef FORMATS_H
#define FORMATS_H

#include <jansson.h>
#include <stdio.h>

#include "summary.h"

int format_table(const struct summary *s, FILE *out);
int format_json(const struct summary *s, FILE *out);
int format_folded(const struct summary *s, FILE *out);
int format_perfetto(const struct summary *s, FILE *out);
int format_html(const struct summary *s, FILE *out);

/* The whole summary, as docs/man/fuse-aio-report.1 describes it. A new reference. */
json_t *summary_json(const struct summary *s);

/* Numbers beyond the range of JSON integers become the largest. New references. */
json_t *json_number(uint64_t n);
json_t *json_times(const struct histogram *h); /* null: none */

/* Two summaries beside each other. */
int format_diff_table(const struct summary *a, const struct summary *b, FILE *out);
int format_diff_json(const struct summary *a, const struct summary *b, FILE *out);

#endif
