/* SPDX-License-Identifier: MIT
 *
 * Call sites by stack. libunwind is opened only when it is wanted, so that the
 * library itself needs libc alone.
 */
#include "site.h"

#include <dlfcn.h>

#include "own.h"
#include "process.h"
#include "sys.h"

#define SETS 128U /* of stacks that a thread remembers, */
#define WAYS 4U	  /* and so many of the same key */
#define FA_CALLERS 8U
#define PAGE 4096U
#define SEARCHED 65536U /* bytes of the stack */

struct fa_stack {
	uint64_t key, site;
	uint64_t caller[FA_CALLERS]; /* return addresses, the innermost first, */
	uint16_t at[FA_CALLERS];     /* and where they are: words from the frame */
	uint32_t callers;
};

static int (*backtrace_of)(void **, int);

static bool starting;

FA_HIDDEN bool fa_site_stacks(void)
{
	void *lib = dlopen("libunwind.so.8", RTLD_NOW | RTLD_LOCAL);
	void *sym = lib ? dlsym(lib, "unw_backtrace") : NULL;
	void *frame[FA_SITE_FRAMES];

	__builtin_memcpy(&backtrace_of, &sym, sizeof(sym));
	if (backtrace_of) {
		starting = true;
		backtrace_of(frame, FA_SITE_FRAMES);
		starting = false;
	}
	return backtrace_of;
}

FA_HIDDEN void fa_site_stop(void)
{
	backtrace_of = NULL;
}

FA_HIDDEN void fa_pipe_made(int fds[2])
{
	if (fa_likely(!starting))
		return;
	for (int i = 0; i < 2; i++) {
		fds[i] = fa_own_take((enum fa_own)(FA_OWN_UNWIND + i), fds[i]);
		if (fds[i] < 0)
			fa_site_stop();
	}
}

FA_HIDDEN unsigned fa_site_stack(uint64_t return_address, uint64_t *frame)
{
	void *all[FA_SITE_FRAMES];
	unsigned count = 0;
	int n, i = 0;

	frame[0] = return_address;
	if (!backtrace_of)
		return 1;
	n = backtrace_of(all, FA_SITE_FRAMES);
	/* Frames of the library itself differ by which path came here: skip them. */
	while (i < n && (uintptr_t)all[i] != return_address)
		i++;
	for (; i < n; i++)
		frame[count++] = (uintptr_t)all[i];
	return count ? count : 1;
}

/* So far from `sp` there is memory for sure: the stack, or what lies above it. */
static const uint64_t *mapped_end(const uint64_t *sp)
{
	uintptr_t end = ((uintptr_t)sp | (PAGE - 1)) + 1;
	unsigned char resident;

	while (end - (uintptr_t)sp < SEARCHED &&
	       !fa_sys_mincore((void *)end, PAGE, &resident))
		end += PAGE;
	return (const uint64_t *)end;
}

/* What looks through frames of others is none of the sanitizer's business. */
#define READS_THE_STACK __attribute__((no_sanitize_address))

/* Remembers where on the stack the callers' return addresses lie. */
READS_THE_STACK static void unwind(struct fa_stack *s, uint64_t return_address,
				   const uint64_t *sp)
{
	uint64_t frame[FA_SITE_FRAMES], h = 0xcbf29ce484222325ULL;
	unsigned n = fa_site_stack(return_address, frame), i = 0;
	const uint64_t *p = sp, *end = mapped_end(sp);

	s->callers = 0;
	for (; p < end && i < n && s->callers < FA_CALLERS; p++) {
		if (*p != frame[i])
			continue;
		s->at[s->callers] = (uint16_t)(p - sp);
		s->caller[s->callers++] = frame[i++];
	}
	for (i = 0; i < n; i++)
		h = (h ^ frame[i]) * 0x100000001b3ULL;
	s->site = n == 1 ? return_address : h | 1;
}

/*
 * One after the other: as long as they are the same functions, the next return address
 * is in a frame that is there.
 */
READS_THE_STACK static bool same_stack(const struct fa_stack *s, const uint64_t *sp)
{
	for (unsigned i = 0; i < s->callers; i++)
		if (sp[s->at[i]] != s->caller[i])
			return false;
	return true;
}

/*
 * To unwind costs more than most calls. Who calls from the same place at the same depth,
 * with the same return addresses where they were before, has come the same way.
 */
FA_HIDDEN uint64_t fa_site(uint64_t return_address)
{
	const uint64_t *sp = __builtin_frame_address(0);
	uint64_t key = (return_address ^ (uintptr_t)sp << 17) * 0x9e3779b97f4a7c15ULL | 1;
	struct fa_thread *t = fa_thread_of(fa_self);
	struct fa_stack *set, one;

	if (fa_likely(!backtrace_of))
		return return_address;
	if (!t->stacks)
		t->stacks = fa_map_wiped(SETS * WAYS * sizeof(*t->stacks));
	if (!t->stacks) {
		unwind(&one, return_address, sp);
		return one.site;
	}
	set = &t->stacks[(key >> 40) % SETS * WAYS];
	for (unsigned i = 0; i < WAYS; i++)
		if (set[i].key == key && same_stack(&set[i], sp))
			return set[i].site;
	set += t->h.n[FA_N_calls] % WAYS;
	set->key = key;
	unwind(set, return_address, sp);
	return set->site;
}
