/* SPDX-License-Identifier: MIT
 *
 * What kind of program a command is, as far as it decides whether a library can be
 * preloaded into it.
 */
#ifndef LINKAGE_H
#define LINKAGE_H

#include <limits.h>
#include <stdbool.h>

/* Why preloading does nothing there; bits of linkage.obstacles. */
enum linkage_obstacle {
	LINKAGE_FOREIGN,
	LINKAGE_STATIC,
	LINKAGE_LIBC,
	LINKAGE_GO,
	LINKAGE_SETID,
	LINKAGE_CAPABILITIES,
	LINKAGE_REASONS
};

struct linkage {
	char path[PATH_MAX];	/* of the command */
	char program[PATH_MAX]; /* whose code runs: of a script its interpreter */
	bool script, readable;
	unsigned obstacles;
};

/*
 * Looks `command` up as execvp() would. Returns 0, or -errno: then `program` is
 * what could not be found or run, "" when that is the command itself.
 */
int linkage_of(const char *command, struct linkage *l);

/* One line: what it is, and why preloading does nothing there. */
const char *linkage_reason(unsigned obstacle);

#endif
