/* SPDX-License-Identifier: MIT
 *
 * A thread's memory for tables that only grow: chunks from mmap, bumped along,
 * never freed one by one. It is wiped together with its thread on fork.
 */
#ifndef FA_ARENA_H
#define FA_ARENA_H

#include <stddef.h>

#define FA_ARENA_CHUNK (32UL << 10)
#define FA_ARENA_LIMIT (256UL << 10)

struct fa_arena {
	char *next, *end;
	size_t mapped;
};

/* 16-byte aligned and zeroed, or NULL: the limit is reached or mmap refused. */
void *fa_arena_alloc(struct fa_arena *a, size_t size);

/* Like fa_sys_mmap(), but zeroed in the child of a fork. NULL on failure. */
void *fa_map_wiped(size_t size);

#endif
