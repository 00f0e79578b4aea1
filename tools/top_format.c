/* SPDX-License-Identifier: MIT
 *
 * Plain text and JSON.
 */
#include "top_format.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "commands.h"
#include "top_text.h"

/* ---- plain ---- */

#define PROGRAM_MAX 32

static void print_cell(enum column column, const char *text, int width)
{
	char cell[512];

	text_fit(cell, sizeof(cell), text, width, columns[column].right);
	printf("%s%s", column ? " " : "", cell);
}

static int program_width(const struct rows *rows)
{
	size_t width = (size_t)columns[COL_PROGRAM].width;

	for (size_t i = 0; i < rows->n; i++) {
		size_t n = strlen(rows->row[i].view->program);

		width = n > width ? n : width;
	}
	return width < PROGRAM_MAX ? (int)width : PROGRAM_MAX;
}

static void print_row(const struct row *row, int program)
{
	char text[512];

	for (enum column c = 0; c < COLUMNS; c++) {
		row_text(row, c, text, sizeof(text));
		print_cell(c, text, c == COL_PROGRAM ? program : columns[c].width);
		if (row->view->state != VIEW_READ && c == COL_PROGRAM) {
			printf(" %s\n", view_trouble(row->view));
			return;
		}
	}
	putchar('\n');
	row_fallbacks(row, text, sizeof(text));
	if (*text)
		printf("%8sfallbacks: %s\n", "", text);
	for (uint32_t i = 0; i < row->view->devices; i++) {
		row_cold(row, i, text, sizeof(text));
		if (*text)
			printf("%8scold: %s\n", "", text);
	}
}

int format_plain(const struct rows *rows)
{
	int program = program_width(rows);
	char missing[160];

	for (enum column c = 0; c < COLUMNS && rows->n; c++)
		print_cell(c, columns[c].title,
			   c == COL_PROGRAM ? program : columns[c].width);
	puts(rows->n ? ""
		     : "no process with the library: 'fuse-aio run -- COMMAND' starts one");
	for (size_t i = 0; i < rows->n; i++)
		print_row(&rows->row[i], program);
	rows_missing(rows, missing, sizeof(missing));
	if (*missing)
		puts(missing);
	return 0;
}

/* ---- JSON ---- */

/* The names in `names`, each with its value. */
static json_t *counters(const uint64_t *n, const struct view_name *names, unsigned count)
{
	json_t *o = json_object();

	for (unsigned i = 0; i < count; i++)
		json_object_set_new(o, names[i].name, json_integer((json_int_t)n[i]));
	return o;
}

static json_t *rates(const struct row *row)
{
	json_t *o;

	if (!row->rated)
		return json_null();
	o = json_object();
	for (unsigned i = 0; i < VIEW_COUNTERS; i++)
		json_object_set_new(o, view_counters[i].name, json_real(row->rate[i]));
	return o;
}

static json_t *regimes(const struct view *v)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < v->devices; i++) {
		const struct view_device *d = &v->device[i];
		char dev[32];

		snprintf(dev, sizeof(dev), "%u:%u", major(d->dev), minor(d->dev));
		for (unsigned op = 0; op < VIEW_OPS; op++)
			if (d->op[op].wait_ns)
				json_array_append_new(
					list,
					json_pack("{ss ss* ss sI sb}", "dev", dev, "mount",
						  *d->mount ? d->mount : NULL, "op",
						  view_ops[op], "wait_ns",
						  (json_int_t)d->op[op].wait_ns, "cold",
						  d->op[op].cold));
	}
	return list;
}

static json_t *process(const struct row *row)
{
	const struct view *v = row->view;

	if (v->state != VIEW_READ)
		return json_pack("{si ss ss}", "pid", (int)v->pid, "program", v->program,
				 "error", view_trouble(v));
	return json_pack("{si ss ss sb si so* so so so so}", "pid", (int)v->pid, "program",
			 v->program, "mode", view_mode(v->mode), "off", v->off, "threads",
			 (int)v->threads, "seconds",
			 row->rated ? json_real(row->seconds) : NULL, "rates", rates(row),
			 "totals", counters(v->counter, view_counters, VIEW_COUNTERS),
			 "fallbacks", counters(v->fallback, view_fallbacks, VIEW_FALLBACKS),
			 "regimes", regimes(v));
}

int top_json(const struct rows *rows)
{
	json_t *list = json_array(), *all;
	struct timespec now;
	int failed;

	for (size_t i = 0; i < rows->n; i++)
		json_array_append_new(list, process(&rows->row[i]));
	clock_gettime(CLOCK_REALTIME, &now);
	all = json_pack("{si sf si si so}", "version", 1, "time",
			(double)now.tv_sec + (double)now.tv_nsec / 1e9, "hidden",
			(int)rows->hidden, "left_out", (int)rows->left_out, "processes",
			list);
	failed = !all || json_array_size(list) != rows->n;
	if (failed) {
		json_decref(all);
		return complain("no memory for the JSON object");
	}
	failed = json_dumpf(all, stdout, JSON_COMPACT | JSON_REAL_PRECISION(15)) < 0 ||
		 putchar('\n') < 0 || fflush(stdout) != 0;
	json_decref(all);
	return failed ? EXIT_FAILURE : 0; /* what it was, main() says */
}
