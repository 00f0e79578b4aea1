/* SPDX-License-Identifier: MIT
 *
 * Parsing of the environment by the one option table.
 */
#include "options.h"

#include <stddef.h>
#include <string.h>

#include "runtime.h"

enum option_type { ENUM, BOOL, TEXT };

enum option_id {
#define OPTION(id, env, type, def, values, help) OPT_##id,
#include "../include/fuse_aio_options.def"
#undef OPTION
	OPTIONS
};

static const struct option {
	const char *env;
	enum option_type type;
	const char *def, *values;
} table[OPTIONS] = {
#define OPTION(id, env, type, def, values, help) { env, type, def, values },
#include "../include/fuse_aio_options.def"
#undef OPTION
};

/* The position of `value` in "a|b|c", or -1. */
static int position(const char *values, const char *value)
{
	size_t len = strlen(value);
	int at = 0;

	for (const char *v = values;; v++, at++) {
		size_t n = strcspn(v, "|");

		if (n == len && !memcmp(v, value, n))
			return at;
		v += n;
		if (!*v)
			return -1;
	}
}

static const char *lookup(char **env, const char *name)
{
	size_t n = strlen(name);

	for (; env && *env; env++)
		if (!strncmp(*env, name, n) && (*env)[n] == '=')
			return *env + n + 1;
	return NULL;
}

FA_HIDDEN const char *fa_options_parse(struct fa_options *o, char **env,
				       const char **values)
{
	const char *text[OPTIONS], *bad = NULL;
	int number[OPTIONS] = { 0 };

	for (int i = 0; i < OPTIONS; i++) {
		const char *set = lookup(env, table[i].env);

		text[i] = set && *set ? set : table[i].def;
		if (table[i].type == TEXT)
			continue;
		number[i] = position(table[i].values, text[i]);
		if (number[i] < 0 && !bad) {
			*values = table[i].values;
			bad = table[i].env;
		}
	}
	o->mode = bad ? FA_MODE_OFF : (enum fa_mode)number[OPT_mode];
	o->only = text[OPT_only];
	o->stats = text[OPT_stats];
	o->log = text[OPT_log];
	o->record = text[OPT_record];
	o->prespawn = number[OPT_prespawn] > 0;
	o->ring = number[OPT_ring] > 0;
	o->stacks = number[OPT_stacks] > 0;
	return bad;
}
