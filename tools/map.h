/* SPDX-License-Identifier: MIT
 *
 * From a 64-bit key to an index into an array. A recording may name millions of
 * files; a chained table with a node for each would take more memory than all else
 * that is known of them, so this is one flat array, probed linearly.
 */
#ifndef MAP_H
#define MAP_H

#include <stddef.h>
#include <stdint.h>

#define MAP_NONE UINT32_MAX

struct map {
	struct map_slot {
		uint64_t key;
		uint32_t value; /* index + 1; 0: the slot is free */
	} * slot;
	size_t n, room; /* room: a power of two, or 0 */
};

/* MAP_NONE if the key is not there. */
uint32_t map_get(const struct map *m, uint64_t key);

/* What the key has; where it is new it gets `value` and that is returned. */
uint32_t map_put(struct map *m, uint64_t key, uint32_t value);

/*
 * A key for text: a polynomial in its bytes, with MAP_BASE, on top of what went before
 * it (0: nothing).
 */
#define MAP_BASE 0x9e3779b97f4a7c15U
uint64_t map_text(uint64_t before, const char *s, size_t n);

void map_free(struct map *m);

#endif
