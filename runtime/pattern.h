/* SPDX-License-Identifier: MIT
 *
 * Sequences and the patterns they repeat: a table per thread, keyed by the call
 * site of the open and the signature of what followed.
 */
#ifndef FA_PATTERN_H
#define FA_PATTERN_H

#include "runtime.h"

struct fa_thread;

/* A step of the sequence; a repeat of the last one is collapsed. */
static inline void fa_step(struct fa_fd *f, enum fa_op op)
{
	uint64_t letter = (uint64_t)op + 1;

	if ((f->signature & 15) != letter && f->signature >> 60 == 0)
		f->signature = f->signature << 4 | letter;
}

/* The sequence of `f` is over: count it under its pattern. */
void fa_pattern_count(struct fa_thread *t, const struct fa_fd *f) FA_HIDDEN;

#endif
