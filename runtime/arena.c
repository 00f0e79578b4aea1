/* SPDX-License-Identifier: MIT
 *
 * The arena, and memory that a forked child sees as zeros.
 */
#include "arena.h"

#include "runtime.h"
#include "sys.h"

FA_HIDDEN void *fa_map_wiped(size_t size)
{
	void *p = fa_sys_mmap(NULL, size, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_NORESERVE);

	if (p && fa_sys_madvise(p, size, MADV_WIPEONFORK) < 0) {
		fa_sys_munmap(p, size);
		return NULL;
	}
	return p;
}

FA_HIDDEN void *fa_arena_alloc(struct fa_arena *a, size_t size)
{
	void *p;

	size = (size + 15) & ~15UL;
	if (size > FA_ARENA_CHUNK)
		return NULL;
	if ((size_t)(a->end - a->next) < size) {
		char *chunk =
			a->mapped < FA_ARENA_LIMIT ? fa_map_wiped(FA_ARENA_CHUNK) : NULL;

		if (!chunk)
			return NULL;
		a->mapped += FA_ARENA_CHUNK;
		a->next = chunk;
		a->end = chunk + FA_ARENA_CHUNK;
	}
	p = a->next;
	a->next += size;
	return p;
}
