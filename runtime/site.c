/* SPDX-License-Identifier: MIT
 *
 * Call sites by stack. libunwind is opened only when it is wanted, so that the
 * library itself needs libc alone.
 */
#include "site.h"

#include <dlfcn.h>

#include "own.h"

#define FRAMES 16

static int (*backtrace_of)(void **, int);

static bool starting;

FA_HIDDEN bool fa_site_stacks(void)
{
	void *lib = dlopen("libunwind.so.8", RTLD_NOW | RTLD_LOCAL);
	void *sym = lib ? dlsym(lib, "unw_backtrace") : NULL;
	void *frame[FRAMES];

	__builtin_memcpy(&backtrace_of, &sym, sizeof(sym));
	if (backtrace_of) {
		starting = true;
		backtrace_of(frame, FRAMES);
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

FA_HIDDEN uint64_t fa_site(uint64_t return_address)
{
	void *frame[FRAMES];
	uint64_t h = 0xcbf29ce484222325ULL;
	int n, i = 0;

	if (fa_likely(!backtrace_of))
		return return_address;
	n = backtrace_of(frame, FRAMES);
	/* Frames of the library itself differ by which path came here: skip them. */
	while (i < n && (uintptr_t)frame[i] != return_address)
		i++;
	if (i == n)
		return return_address;
	for (; i < n; i++)
		h = (h ^ (uintptr_t)frame[i]) * 0x100000001b3ULL;
	return h | 1;
}
