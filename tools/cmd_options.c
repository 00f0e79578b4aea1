/* SPDX-License-Identifier: MIT
 *
 * `fuse-aio options` and `fuse-aio counters`: the tables that the library is built
 * from.
 */
#include <argp.h>
#include <stdio.h>

#include "commands.h"

struct row {
	const char *name, *def, *values, *help;
};

static const struct row options[] = {
#define OPTION(id, env, type, def, values, help) { env, def, values, help },
#include "../include/fuse_aio_options.def"
#undef OPTION
};

static const struct row counters[] = {
#define COUNTER(id, help) { #id, "", "", help },
#include "../include/fuse_aio_counters.def"
#undef COUNTER
};

static const struct row fallbacks[] = {
#define FALLBACK(id, help) { #id, "", "", help },
#include "../include/fuse_aio_counters.def"
#undef FALLBACK
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct argp_option flags[] = {
	{ "markdown", 'm', NULL, 0, "Print a Markdown page instead of plain text", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	int *markdown = state->input;

	(void)arg;
	if (key != 'm')
		return ARGP_ERR_UNKNOWN;
	*markdown = 1;
	return 0;
}

static void print_options(int markdown)
{
	if (markdown)
		printf("# Options\n\nMade by `make docs` from "
		       "`include/fuse_aio_options.def`. "
		       "An empty value is the same as none.\n\n"
		       "| Variable | Values | Default | Meaning |\n|---|---|---|---|\n");
	for (size_t i = 0; i < COUNT(options); i++) {
		const struct row *o = &options[i];

		if (!markdown) {
			printf("%s=%s%s%s\n    %s\n", o->name, o->values,
			       *o->def ? "   default: " : "", o->def, o->help);
			continue;
		}
		printf("| `%s` | ", o->name);
		for (const char *v = o->values; *v; v++)
			printf(*v == '|' ? " · " : "%c", *v);
		printf(" | %s | %s |\n", *o->def ? o->def : "not set", o->help);
	}
}

static void print_rows(const struct row *rows, size_t n, int markdown)
{
	for (size_t i = 0; i < n; i++)
		printf(markdown ? "| `%s` | %s |\n" : "%-12s %s\n", rows[i].name,
		       rows[i].help);
}

static void print_counters(int markdown)
{
	if (markdown)
		printf("\n# The statistics line\n\n`FUSE_AIO_STATS=FILE` appends one JSON "
		       "object per "
		       "process at its end.\n\n| Counter | What it counts |\n|---|---|\n");
	print_rows(counters, COUNT(counters), markdown);
	if (markdown)
		printf("\n`regimes` lists, per device and class of calls, how long those "
		       "that waited "
		       "took (`wait_ns`) and whether they count as cold now. `fallbacks` "
		       "counts why "
		       "the plain call ran instead:\n\n| Reason | Meaning |\n|---|---|\n");
	else
		printf("\nfallbacks:\n");
	print_rows(fallbacks, COUNT(fallbacks), markdown);
}

int cmd_options(int argc, char **argv)
{
	const struct argp argp = { flags, parse,
				   "",	  "The environment variables of the library.",
				   NULL,  NULL,
				   NULL };
	int markdown = 0;

	argp_parse(&argp, argc, argv, 0, NULL, &markdown);
	print_options(markdown);
	return 0;
}

int cmd_counters(int argc, char **argv)
{
	const struct argp argp = { flags, parse,
				   "",	  "What the line of FUSE_AIO_STATS counts.",
				   NULL,  NULL,
				   NULL };
	int markdown = 0;

	argp_parse(&argp, argc, argv, 0, NULL, &markdown);
	print_counters(markdown);
	return 0;
}
