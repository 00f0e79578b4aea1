/* SPDX-License-Identifier: MIT
 *
 * From a 64-bit key to an index: a flat table, at most two thirds full.
 */
#include <stdlib.h>

#include "map.h"
#include "memory.h"

/* The finalizer of MurmurHash3: keys are often consecutive numbers. */
static size_t mix(uint64_t key)
{
	key ^= key >> 33;
	key *= 0xff51afd7ed558ccdU;
	key ^= key >> 33;
	key *= 0xc4ceb9fe1a85ec53U;
	return (size_t)(key ^ (key >> 33));
}

static struct map_slot *find(const struct map *m, uint64_t key)
{
	size_t i = mix(key) & (m->room - 1);

	while (m->slot[i].value && m->slot[i].key != key)
		i = (i + 1) & (m->room - 1);
	return &m->slot[i];
}

static void enlarge(struct map *m)
{
	struct map old = *m;

	m->room = old.room ? old.room * 2 : 64;
	m->slot = need(m->room, sizeof(*m->slot));
	for (size_t i = 0; i < old.room; i++)
		if (old.slot[i].value)
			*find(m, old.slot[i].key) = old.slot[i];
	free(old.slot);
}

uint32_t map_get(const struct map *m, uint64_t key)
{
	/* Free: value 0, which becomes MAP_NONE. */
	return m->room ? find(m, key)->value - 1 : MAP_NONE;
}

uint32_t map_put(struct map *m, uint64_t key, uint32_t value)
{
	struct map_slot *slot;

	if (m->n * 3 >= m->room * 2)
		enlarge(m);
	slot = find(m, key);
	if (!slot->value) {
		slot->key = key;
		slot->value = value + 1;
		m->n++;
	}
	return slot->value - 1;
}

uint64_t map_text(uint64_t before, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		before = before * MAP_BASE + (unsigned char)s[i] + 1U;
	return before;
}

void map_free(struct map *m)
{
	free(m->slot);
	*m = (struct map){ 0 };
}
