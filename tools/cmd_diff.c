/* SPDX-License-Identifier: MIT
 *
 * `fuse-aio diff`: two recordings beside each other.
 */
#include <argp.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "formats.h"
#include "memory.h"

struct arguments {
	const char *file[2];
	bool json;
};

static const struct argp_option options[] = {
	{ "format", 'f', "FORMAT", 0, "table (default), json", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *a = state->input;

	switch (key) {
	case 'f':
		a->json = !strcmp(arg, "json");
		if (!a->json && strcmp(arg, "table") != 0)
			argp_error(state, "no format '%s'", arg);
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num >= 2)
			argp_error(state, "two recordings, no more");
		a->file[state->arg_num] = arg;
		return 0;
	case ARGP_KEY_END:
		if (state->arg_num < 2)
			argp_error(state, "two recordings; 'fuse-aio record' makes them");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int cmd_diff(int argc, char **argv)
{
	const struct argp argp = {
		options, parse, "A B", "Two recordings beside each other.", NULL, NULL, NULL
	};
	struct summary *s = need(2, sizeof(*s));
	struct arguments a = { 0 };
	int read = 0, status = 0;

	short_help();
	argp_parse(&argp, argc, argv, 0, NULL, &a);
	for (; read < 2 && !status; read += !status) {
		status = summary_make(&s[read], a.file[read], BY_OP, 0);
		if (!status)
			summary_warn(&s[read]);
	}
	if (!status && a.json)
		status = format_diff_json(&s[0], &s[1], stdout);
	else if (!status)
		status = format_diff_table(&s[0], &s[1], stdout);
	while (read)
		summary_free(&s[--read]);
	free(s);
	return status;
}
