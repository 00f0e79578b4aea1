/* SPDX-License-Identifier: MIT
 *
 * `fuse-aio run`: a program with the library, set up right. Its options are those
 * of the library's table.
 */
#include <argp.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "launch.h"

#define KEY 0x1000 /* + enum launch_option */
#define KEY_STRICT 0x2000

#define ARGUMENT_ENUM(values) values
#define ARGUMENT_TEXT(values) values
#define ARGUMENT_BOOL(values) NULL

static struct argp_option flags[] = {
#define OPTION(id, env, type, def, values, help) \
	{ #id, KEY + LAUNCH_##id, ARGUMENT_##type(values), 0, help, 0 },
#include "../include/fuse_aio_options.def"
#undef OPTION
	{ "strict", KEY_STRICT, NULL, 0, "Do not run what the library cannot work in", 0 },
	{ 0 },
};

static const char help_text[] =
	"Run a program with the library.\v"
	"What is not given is as the environment says; 'fuse-aio options' tells all "
	"of each. The exit status is the program's.";

struct run {
	struct launch launch;
	bool strict;
	int at; /* of the program in argv, 0: none */
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct run *run = state->input;

	if (key >= KEY && key < KEY + LAUNCH_OPTIONS) {
		run->launch.value[key - KEY] = arg ? arg : "1";
		return 0;
	}
	switch (key) {
	case KEY_STRICT:
		run->strict = true;
		return 0;
	case ARGP_KEY_ARG:
		run->at = state->next - 1;
		state->next = state->argc;
		return 0;
	case ARGP_KEY_NO_ARGS:
		argp_error(state, "no program to run");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* Of the table's help the first statement: the rest is for `fuse-aio options`. */
static char *help(int key, const char *text, void *input)
{
	(void)input;
	if (key < KEY || key >= KEY + LAUNCH_OPTIONS)
		return (char *)text;
	for (const char *p = text; *p; p++)
		if (strchr(".;(", p[0]) || (p[0] == ' ' && p[1] == '('))
			return strndup(text, (size_t)(p - text));
	return (char *)text;
}

int cmd_run(int argc, char **argv)
{
	const struct argp argp = { flags,     parse, "[--] PROGRAM [ARGUMENT...]",
				   help_text, NULL,  help,
				   NULL };
	struct run run = { 0 };
	struct linkage linkage;
	int status;

	flags[LAUNCH_record].flags = OPTION_HIDDEN; /* is `fuse-aio record`'s to set */
	launch_parse(&argp, argc, argv, &run);
	argv += run.at;
	status = launch_look(argv[0], run.strict, &linkage);
	if (status)
		return status;
	if (launch_environment(&run.launch) < 0)
		return LAUNCH_FAILED;
	execvp(argv[0], argv);
	return launch_failed(argv[0], errno);
}
