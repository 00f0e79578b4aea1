/* SPDX-License-Identifier: MIT
 *
 * Starting a program with the library: where the library is, what the environment
 * must say, and exec. `run`, `record` and `doctor` share it.
 */
#ifndef LAUNCH_H
#define LAUNCH_H

#include <limits.h>
#include <stdbool.h>

#include "linkage.h"

/* The library's options, in the order of their table. */
enum launch_option {
#define OPTION(id, env, type, def, values, help) LAUNCH_##id,
#include "../include/fuse_aio_options.def"
#undef OPTION
	LAUNCH_OPTIONS
};

/* As env(1) and nice(1) have it: when it is not the program that failed. */
#define LAUNCH_FAILED 125
#define LAUNCH_NOT_EXECUTABLE 126
#define LAUNCH_NOT_FOUND 127

/* What the command line says of the library. NULL: what the environment says. */
struct launch {
	const char *value[LAUNCH_OPTIONS];
};

/* The absolute path of the library; false: it is not to be had, and `why`. */
bool launch_library(char path[PATH_MAX], char *why, unsigned size);

/*
 * Looks at the program before it is run, and warns where the library cannot work in
 * it; with `strict` that is an error. Returns 0 or the exit status, then it has
 * complained.
 */
int launch_look(const char *command, bool strict, struct linkage *l);

/*
 * Makes the environment of this process that of the program: LD_PRELOAD and the
 * variables of the options, all checked. Returns 0 or -1, then it has complained.
 */
int launch_environment(const struct launch *l);

/* Complains of an execvp() that failed with `error`; returns the exit status. */
int launch_failed(const char *command, int error);

struct argp;

/*
 * argp_parse() of a command line that another command's follows; its help goes
 * without argp's note on the arguments of short options.
 */
void launch_parse(const struct argp *argp, int argc, char **argv, void *input);

#endif
