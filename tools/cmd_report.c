/* SPDX-License-Identifier: MIT
 *
 * `fuse-aio report`: what a recording says.
 */
#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "formats.h"
#include "memory.h"

#define TOP_TABLE 30U
#define TOP_DATA 1000U
#define TOP_MAX 1000000U

static const struct format {
	const char *name;
	int (*write)(const struct summary *s, FILE *out);
	size_t top;
} formats[] = {
	{ "table", format_table, TOP_TABLE }, { "json", format_json, TOP_DATA },
	{ "folded", format_folded, 0 },	      { "perfetto", format_perfetto, 0 },
	{ "html", format_html, TOP_DATA },
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

struct arguments {
	const char *file, *out;
	const struct format *format;
	enum summary_by by;
	size_t top; /* 0: what the format has */
};

static const struct argp_option options[] = {
	{ "format", 'f', "FORMAT", 0, "table (default), json, folded, perfetto, html", 0 },
	{ "by", 'b', "WHAT", 0, "Rows: site (default), sequence, file, fs, thread, op", 0 },
	{ "output", 'o', "FILE", 0, "Write to FILE", 0 },
	{ "top", 't', "N", 0, "So many rows (table 30, json and html 1000)", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *a = state->input;
	size_t i;
	char *end;

	switch (key) {
	case 'f':
		for (i = 0; i < COUNT(formats) && strcmp(formats[i].name, arg) != 0; i++)
			;
		if (i == COUNT(formats))
			argp_error(state, "no format '%s'", arg);
		a->format = &formats[i];
		return 0;
	case 'b':
		for (i = 0; i < BY_N && strcmp(summary_by_names[i], arg) != 0; i++)
			;
		if (i == BY_N)
			argp_error(state, "no rows by '%s'", arg);
		a->by = (enum summary_by)i;
		return 0;
	case 'o':
		a->out = arg;
		return 0;
	case 't':
		a->top = strtoul(arg, &end, 10);
		if (*end || *arg < '0' || *arg > '9' || !a->top || a->top > TOP_MAX)
			argp_error(state, "--top: a number from 1 to %u", TOP_MAX);
		return 0;
	case ARGP_KEY_ARG:
		if (a->file)
			argp_error(state, "one recording; 'fuse-aio diff' compares two");
		a->file = arg;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "no recording; 'fuse-aio record' makes one");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int write_report(const struct summary *s, const struct arguments *a)
{
	FILE *out = a->out ? fopen(a->out, "we") : stdout;
	int status;

	if (!out)
		return complain("%s: %s", a->out, strerror(errno));
	status = a->format->write(s, out);
	if (out == stdout)
		return status;
	if (ferror(out) | fclose(out))
		return complain("%s: %s; it is not complete", a->out, strerror(errno));
	return status;
}

int cmd_report(int argc, char **argv)
{
	const struct argp argp = { options, parse, "FILE", "What a recording says.",
				   NULL,    NULL,  NULL };
	struct arguments a = { .format = &formats[0] };
	struct summary *s = need(1, sizeof(*s));
	int status;

	short_help();
	argp_parse(&argp, argc, argv, 0, NULL, &a);
	status = summary_make(s, a.file, a.by, a.top ? a.top : a.format->top);
	if (!status) {
		summary_warn(s);
		status = write_report(s, &a);
		summary_free(s);
	}
	free(s);
	return status;
}
