/* SPDX-License-Identifier: MIT
 *
 * fuse-aio, the command line beside the library. It knows the option and counter
 * tables that the library is built from, and prints them.
 */
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *argp_program_version = "fuse-aio " FA_VERSION;

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

struct request {
	const char *command;
	int markdown;
};

static const char help_text[] =
	"Commands:\n"
	"  options    the environment variables of the library\n"
	"  counters   what the line of FUSE_AIO_STATS counts\n"
	"\vUse the library with: LD_PRELOAD=/path/to/libfuse_aio.so COMMAND";

static const struct argp_option flags[] = {
	{ "markdown", 'm', NULL, 0, "Print a Markdown page instead of plain text", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct request *r = state->input;

	switch (key) {
	case 'm':
		r->markdown = 1;
		return 0;
	case ARGP_KEY_ARG:
		if (state->arg_num > 0)
			argp_error(state, "one command at a time, not also '%s'", arg);
		r->command = arg;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "no command; try 'fuse-aio options'");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
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

int main(int argc, char **argv)
{
	const struct argp argp = { flags, parse, "COMMAND", help_text, NULL, NULL, NULL };
	struct request r = { NULL, 0 };

	if (argp_parse(&argp, argc, argv, 0, NULL, &r))
		return EXIT_FAILURE;
	if (!strcmp(r.command, "options")) {
		print_options(r.markdown);
	} else if (!strcmp(r.command, "counters")) {
		print_counters(r.markdown);
	} else {
		fprintf(stderr,
			"fuse-aio: no command '%s'; the commands are: options, counters\n",
			r.command);
		return EXIT_FAILURE;
	}
	if (fflush(stdout) != 0 || ferror(stdout)) {
		perror("fuse-aio: writing");
		return EXIT_FAILURE;
	}
	return EXIT_SUCCESS;
}
