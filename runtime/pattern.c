/* SPDX-License-Identifier: MIT
 *
 * The pattern table, uthash on the thread's arena.
 */
#include "pattern.h"

#include <string.h>

#include "process.h"

/* Growing leaves the old buckets in the arena, which is bounded; without memory
 * for an entry or for buckets uthash undoes the insertion and says so. */
#define HASH_NONFATAL_OOM 1
#define uthash_malloc(n) fa_arena_alloc(arena, (n))
#define uthash_free(p, n) ((void)(p), (void)(n))
#define uthash_nonfatal_oom(p) (lost = true)
#include <uthash.h>

struct key {
	uint64_t site, signature;
};

struct fa_pattern {
	struct key key;
	uint64_t count, bytes;
	uint64_t cycles[FA_OPS]; /* per class of calls */
	uint64_t at[FA_OPS];	 /* the last return address per class */
	UT_hash_handle hh;
};

static struct fa_pattern *add(struct fa_thread *t, const struct key *key)
{
	struct fa_arena *arena = &t->arena;
	struct fa_pattern *p = fa_arena_alloc(arena, sizeof(*p));
	bool lost = !p;

	if (p) {
		p->key = *key;
		HASH_ADD(hh, t->patterns, key, sizeof(p->key), p);
	}
	if (lost) {
		fa_fallback(t, FA_F_no_memory);
		return NULL;
	}
	t->h.n[FA_N_patterns]++;
	return p;
}

FA_HIDDEN void fa_pattern_count(struct fa_thread *t, const struct fa_fd *f)
{
	struct key key = { f->site, f->signature };
	struct fa_pattern *p = t->pattern;

	t->h.n[FA_N_sequences]++;
	if (fa_recording)
		return; /* written down whole, see record.h */
	/* A thread mostly repeats itself. */
	if (!p || p->key.site != key.site || p->key.signature != key.signature)
		HASH_FIND(hh, t->patterns, &key, sizeof(key), p);
	if (!p)
		p = add(t, &key);
	if (!p)
		return;
	t->pattern = p;
	p->count++;
	p->bytes += f->bytes;
	for (unsigned i = 0; i < FA_OPS; i++) {
		p->cycles[i] += f->cycles[i];
		if (f->at[i])
			p->at[i] = f->at[i];
	}
}
