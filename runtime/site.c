/* SPDX-License-Identifier: MIT
 *
 * Call sites by stack. libunwind is opened only when it is wanted, so that the
 * library itself needs libc alone.
 */
#include "site.h"

#include <dlfcn.h>

#define FRAMES 16

static int (*backtrace_of)(void **, int);

FA_HIDDEN bool fa_site_stacks(void)
{
	void *lib = dlopen("libunwind.so.8", RTLD_NOW | RTLD_LOCAL);
	void *sym = lib ? dlsym(lib, "unw_backtrace") : NULL;

	__builtin_memcpy(&backtrace_of, &sym, sizeof(sym));
	return backtrace_of;
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
