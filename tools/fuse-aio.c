/* SPDX-License-Identifier: MIT
 *
 * fuse-aio, the command line beside the library: finds the command and runs it.
 */
#include <argp.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"

const char *argp_program_version = "fuse-aio " FA_VERSION;

static const struct command {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "run", cmd_run },	    { "record", cmd_record },	  { "report", cmd_report },
	{ "diff", cmd_diff },	    { "top", cmd_top },		  { "doctor", cmd_doctor },
	{ "options", cmd_options }, { "counters", cmd_counters },
};

static const char help_text[] = "Commands:\n"
				"  run        run a program with the library\n"
				"  record     run a program and record its file calls\n"
				"  report     what a recording says\n"
				"  diff       two recordings beside each other\n"
				"  top        the counters of running programs, live\n"
				"  doctor     can the library help here?\n"
				"  options    the environment variables of the library\n"
				"  counters   what the line of FUSE_AIO_STATS counts\n"
				"\v'fuse-aio COMMAND --help' tells more of each.";

int complain(const char *format, ...)
{
	va_list args;

	fflush(stdout);
	fputs("fuse-aio: ", stderr);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	return EXIT_FAILURE;
}

void short_help(void)
{
	setenv("ARGP_HELP_FMT", "no-dup-args-note", 0);
}

/* The first argument that is no option; what follows it is the command's own. */
static error_t parse(int key, char *arg, struct argp_state *state)
{
	int *at = state->input;

	switch (key) {
	case ARGP_KEY_ARG:
		(void)arg;
		*at = state->next - 1;
		state->next = state->argc;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "no command; try 'fuse-aio doctor'");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct command *find(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(commands[i].name, name))
			return &commands[i];
	return NULL;
}

int main(int argc, char **argv)
{
	const struct argp argp = { NULL, parse, "COMMAND [ARGUMENT...]", help_text, NULL,
				   NULL, NULL };
	const struct command *command;
	char name[64];
	int at = 0, status;

	argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &at);
	command = find(argv[at]);
	if (!command)
		return complain("no command '%s'; 'fuse-aio --help' lists them", argv[at]);
	snprintf(name, sizeof(name), "fuse-aio %s", command->name);
	argv[at] = name;
	status = command->run(argc - at, argv + at);
	/* A reader that has seen enough is no error. */
	if ((fflush(stdout) != 0 || ferror(stdout)) && errno != EPIPE)
		return complain("writing: %s", strerror(errno));
	return status;
}
