/* SPDX-License-Identifier: MIT
 *
 * A row is a process. Where it is not certain that two readings are of the same
 * program, it has no rates, and shows none.
 */
#include "top_rows.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "top_text.h"

const struct column_info columns[COLUMNS] = {
	[COL_PID] = { "PID", "process", 7, 0, 1 },
	[COL_PROGRAM] = { "PROGRAM", "its program", 12, 0, 0 },
	[COL_MODE] = { "MODE", "FUSE_AIO_MODE; off: calls pass through", 7, 4, 0 },
	[COL_THREADS] = { "THR", "threads that made calls", 4, 8, 1 },
	[COL_CALLS] = { "CALLS/s", "calls", 7, 1, 1 },
	[COL_LOOKED] = { "LOOK%", "share of the calls that were looked at", 5, 9, 1 },
	[COL_SEQUENCES] = { "SEQ/s", "open..close sequences", 6, 5, 1 },
	[COL_CHAINS] = { "CHAIN/s", "started asynchronously", 7, 2, 1 },
	[COL_ADOPTED] = { "ADOPT/s", "opens settled by a chain's descriptor", 7, 6, 1 },
	[COL_HITS] = { "HIT/s", "foreseen, and the program came to it", 6, 7, 1 },
	[COL_MISSES] = { "MISS/s", "foreseen, and it did not", 6, 10, 1 },
	[COL_HELD] = { "HELD/s", "events held back", 6, 11, 1 },
	[COL_WAITED] = { "WAITms/s", "waited for what was started, ms a second", 8, 3, 1 },
	[COL_FALLBACKS] = { "FALLB", "times that the library stepped aside, in all", 6, 8,
			    1 },
};

/* ---- rates ---- */

static const struct view *earlier(const struct rows *rows, const struct view *v)
{
	for (size_t i = 0; i < rows->before_n; i++) {
		const struct view *b = &rows->before[i];

		if (b->pid == v->pid)
			return b->start == v->start && b->image == v->image &&
					       b->state == VIEW_READ
				       ? b
				       : NULL;
	}
	return NULL;
}

/* Counters only grow: else it is another program at the same addresses. */
static bool has_grown(const struct view *before, const struct view *now)
{
	for (unsigned i = 0; i < VIEW_COUNTERS; i++)
		if (now->counter[i] < before->counter[i])
			return false;
	return now->when > before->when;
}

static void rate(struct rows *rows, struct row *row)
{
	const struct view *now = row->view, *before = earlier(rows, now);
	double calls;

	row->rated = now->state == VIEW_READ && before && has_grown(before, now);
	row->looked = -1;
	if (!row->rated)
		return;
	row->seconds = (double)(now->when - before->when) / 1e9;
	for (unsigned i = 0; i < VIEW_COUNTERS; i++)
		row->rate[i] =
			(double)(now->counter[i] - before->counter[i]) / row->seconds;
	calls = row->rate[VIEW_calls];
	if (calls > 0 && row->rate[VIEW_passthrough] <= calls)
		row->looked = (calls - row->rate[VIEW_passthrough]) / calls;
}

int rows_update(struct rows *rows, const struct snapshot *snapshot)
{
	size_t n = snapshot->n;
	struct view *now = malloc((n ? n : 1) * sizeof(*now));
	struct row *row = calloc(n ? n : 1, sizeof(*row));

	if (!now || !row) {
		free(now);
		free(row);
		return -ENOMEM;
	}
	memcpy(now, snapshot->view, n * sizeof(*now));
	free(rows->before);
	free(rows->row);
	rows->before = rows->now;
	rows->before_n = rows->n;
	rows->now = now;
	rows->row = row;
	rows->n = n;
	rows->hidden = snapshot->hidden;
	rows->left_out = snapshot->left_out;
	for (size_t i = 0; i < n; i++) {
		row[i].view = &now[i];
		rate(rows, &row[i]);
	}
	return 0;
}

void rows_missing(const struct rows *rows, char *to, size_t size)
{
	char more[48] = "", hidden[96] = "";

	if (rows->left_out)
		snprintf(more, sizeof(more), "%u more with the library", rows->left_out);
	if (rows->hidden)
		snprintf(hidden, sizeof(hidden), "%u process%s may not be looked at%s",
			 rows->hidden, rows->hidden == 1 ? "" : "es",
			 geteuid() == 0 ? "" : ": root may");
	snprintf(to, size, "%s%s%s", more, *more && *hidden ? "; " : "", hidden);
}

/* ---- columns ---- */

static uint64_t all_fallbacks(const struct view *v)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < VIEW_FALLBACKS; i++)
		sum += v->fallback[i];
	return sum;
}

static double value(const struct row *row, enum column column)
{
	const struct view *v = row->view;

	switch (column) {
	case COL_THREADS:
		return v->threads;
	case COL_CALLS:
		return row->rate[VIEW_calls];
	case COL_LOOKED:
		return row->looked * 100;
	case COL_SEQUENCES:
		return row->rate[VIEW_sequences];
	case COL_CHAINS:
		return row->rate[VIEW_chains];
	case COL_ADOPTED:
		return row->rate[VIEW_adopted];
	case COL_HITS:
		return row->rate[VIEW_hits];
	case COL_MISSES:
		return row->rate[VIEW_misses];
	case COL_HELD:
		return row->rate[VIEW_held];
	case COL_WAITED:
		return row->rate[VIEW_waited_ns] / 1e6;
	case COL_FALLBACKS:
		return (double)all_fallbacks(v);
	default:
		return v->pid;
	}
}

static const char *mode(const struct view *v)
{
	return v->off ? "off" : view_mode(v->mode);
}

void row_text(const struct row *row, enum column column, char *to, size_t size)
{
	const struct view *v = row->view;
	bool always = column == COL_THREADS || column == COL_FALLBACKS;

	if (column == COL_PID)
		snprintf(to, size, "%d", (int)v->pid);
	else if (column == COL_PROGRAM)
		snprintf(to, size, "%s", v->program);
	else if (v->state != VIEW_READ)
		snprintf(to, size, "?");
	else if (column == COL_MODE)
		snprintf(to, size, "%s", mode(v));
	else if (!always && (!row->rated || value(row, column) < 0))
		snprintf(to, size, "-");
	else
		text_number(to, size, value(row, column));
}

struct order {
	enum column by;
	bool reverse;
};

/* What it is sorted by, but for the names. */
static double rank(const struct row *row, enum column by)
{
	const struct view *v = row->view;

	if (by == COL_PID)
		return -(double)v->pid;
	if (by != COL_MODE)
		return value(row, by);
	return v->state != VIEW_READ ? -1e3 : v->off ? -1e2 : -(double)v->mode;
}

static int compare(const void *a, const void *b, void *arg)
{
	const struct row *one = a, *two = b;
	const struct order *order = arg;
	double x = rank(one, order->by), y = rank(two, order->by);
	int r = (x < y) - (x > y);

	if (order->by == COL_PROGRAM)
		r = strcmp(one->view->program, two->view->program);
	if (r)
		return order->reverse ? -r : r;
	return (one->view->pid > two->view->pid) - (one->view->pid < two->view->pid);
}

void rows_sort(struct rows *rows, enum column by, bool reverse)
{
	struct order order = { by, reverse };

	qsort_r(rows->row, rows->n, sizeof(*rows->row), compare, &order);
}

/* ---- details ---- */

/* Appends what fits, whole. */
static void add(char *to, size_t size, const char *text)
{
	size_t used = strlen(to);

	if (used + strlen(text) < size)
		strcpy(to + used, text);
}

void row_fallbacks(const struct row *row, char *to, size_t size)
{
	char item[64];

	*to = '\0';
	for (unsigned i = 0; i < VIEW_FALLBACKS; i++) {
		if (!row->view->fallback[i])
			continue;
		snprintf(item, sizeof(item), "%s%s %lu", *to ? ", " : "",
			 view_fallbacks[i].name, (unsigned long)row->view->fallback[i]);
		add(to, size, item);
	}
}

void row_cold(const struct row *row, uint32_t device, char *to, size_t size)
{
	const struct view_device *d = &row->view->device[device];
	char wait[32], item[64];
	const char *separator = ": ";

	snprintf(to, size, *d->mount ? "%s (%u:%u)" : "%sdevice %u:%u", d->mount,
		 major(d->dev), minor(d->dev));
	for (unsigned i = 0; i < VIEW_OPS; i++) {
		if (!d->op[i].cold)
			continue;
		text_duration(wait, sizeof(wait), d->op[i].wait_ns);
		snprintf(item, sizeof(item), "%s%s %s", separator, view_ops[i], wait);
		add(to, size, item);
		separator = ", ";
	}
	if (*separator == ':')
		*to = '\0';
}
