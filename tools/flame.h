/* SPDX-License-Identifier: MIT
 *
 * Blocked time by stack: what a flame graph is drawn from.
 */
#ifndef FLAME_H
#define FLAME_H

#include "summary.h"

struct flame {
	char *stack; /* "thread;outermost;...;innermost;op" */
	uint64_t blocked, count;
};

/* The longest first, each stack once; *n of them. To be freed with flame_free(). */
struct flame *flame_make(const struct summary *s, size_t *n);
void flame_free(struct flame *flame, size_t n);

#endif
