/* SPDX-License-Identifier: MIT
 *
 * The table for those who are not at a screen. All return 0, or EXIT_FAILURE after a
 * complaint; where standard output fails, that is left to the end of the program.
 */
#ifndef TOP_FORMAT_H
#define TOP_FORMAT_H

#include "top_rows.h"

/* Plain text, all columns, with what is known of each process below its row. */
int format_plain(const struct rows *rows);

/* A JSON object in one line. */
int top_json(const struct rows *rows);

/*
 * The text format of Prometheus, for the textfile collector of node_exporter: `file`
 * is replaced as a whole.
 */
int format_prometheus(const struct rows *rows, const char *file);

#endif
