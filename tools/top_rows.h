/* SPDX-License-Identifier: MIT
 *
 * From two readings of a process to a row of the table: rates, columns, order.
 */
#ifndef TOP_ROWS_H
#define TOP_ROWS_H

#include "top_scan.h"

struct row {
	const struct view *view;
	bool rated;	/* there was a reading before: what follows is known */
	double seconds; /* between the two */
	double rate[VIEW_COUNTERS];
	double looked; /* share of the calls that were looked at; negative: no calls */
};

struct rows {
	size_t n;
	struct row *row;
	uint32_t hidden, left_out;
	struct view *now, *before;
	size_t before_n;
};

/* Takes over a new reading. 0, or -ENOMEM. */
int rows_update(struct rows *rows, const struct snapshot *snapshot);

enum column {
	COL_PID,
	COL_PROGRAM,
	COL_MODE,
	COL_THREADS,
	COL_CALLS,
	COL_LOOKED,
	COL_SEQUENCES,
	COL_CHAINS,
	COL_ADOPTED,
	COL_HITS,
	COL_MISSES,
	COL_HELD,
	COL_WAITED,
	COL_FALLBACKS,
	COLUMNS
};

struct column_info {
	const char *title, *help;
	int width; /* in columns of the terminal; the least, for the program */
	int rank;  /* where there is no room, those of high rank go first */
	int right; /* adjusted */
};

extern const struct column_info columns[COLUMNS];

/* "3 processes may not be looked at: root may"; "": none, and none is left out. */
void rows_missing(const struct rows *rows, char *to, size_t size);

/* What stands in the column. */
void row_text(const struct row *row, enum column column, char *to, size_t size);

/* Largest first, but names and numbers of processes upwards; `reverse`: the other way. */
void rows_sort(struct rows *rows, enum column by, bool reverse);

/* "ring_full 3, stale 1"; "": none. */
void row_fallbacks(const struct row *row, char *to, size_t size);

/* "/mnt (0:53): open 2.1 ms, read 3.0 ms"; "": nothing is cold there now. */
void row_cold(const struct row *row, uint32_t device, char *to, size_t size);

#endif
