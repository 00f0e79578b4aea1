/* SPDX-License-Identifier: MIT
 *
 * The options, parsed once at start from the table in fuse_aio_options.def.
 */
#ifndef FA_OPTIONS_H
#define FA_OPTIONS_H

#include <stdbool.h>

/* In the order of the table; recordings keep the number. */
enum fa_mode { FA_MODE_AUTO, FA_MODE_OBSERVE, FA_MODE_OFF, FA_MODE_FUSE };

struct fa_options {
	enum fa_mode mode;
	const char *only, *stats, *log, *record; /* "" when not set */
	bool prespawn, ring, stacks;
};

/*
 * Reads the environment `env` (NAME=VALUE strings, NULL-terminated).
 * Returns NULL, or the name of the first variable with a value that the table
 * does not allow; *values then points to what it does allow, the mode is off and
 * the texts are set, so that the log can tell.
 */
const char *fa_options_parse(struct fa_options *o, char **env, const char **values);

#endif
