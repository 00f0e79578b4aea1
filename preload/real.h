/* SPDX-License-Identifier: MIT
 *
 * The functions behind the interposed symbols, and the prototypes of the
 * wrappers. A wrapper of `open` is the C function fa_open with the symbol name
 * open, so no call inside the library can be ambiguous.
 */
#ifndef FA_REAL_H
#define FA_REAL_H

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <pthread.h>
#include <stdio.h>

#include "../runtime/runtime.h"

struct statx;

#define FA_EXPORT __attribute__((visibility("default")))

enum fa_symbol {
#define WRAP(ret, name, params, why) FA_SYM_##name,
#define HOOK(ret, name, params, args, hook, why) FA_SYM_##name,
#define PRIV(ret, name, params, args, why) FA_SYM_##name,
#define GATE(name, why) FA_SYM_##name,
#include "symbols.def"
#undef WRAP
#undef HOOK
#undef PRIV
#undef GATE
	FA_SYMBOLS
};

#define WRAP(ret, name, params, why) ret fa_##name params __asm__(#name) FA_EXPORT;
#define HOOK(ret, name, params, args, hook, why) WRAP(ret, name, params, why)
#define PRIV(ret, name, params, args, why) WRAP(ret, name, params, why)
#define GATE(name, why) \
	void *fa_##name##_gate(long, long, long, long, long, long) FA_HIDDEN;
#include "symbols.def"
#undef WRAP
#undef HOOK
#undef PRIV
#undef GATE

#define WRAP(ret, name, params, why) typedef ret fa_##name##_fn params;
#define HOOK(ret, name, params, args, hook, why) WRAP(ret, name, params, why)
#define PRIV(ret, name, params, args, why) WRAP(ret, name, params, why)
#define GATE(name, why)
#include "symbols.def"
#undef WRAP
#undef HOOK
#undef PRIV
#undef GATE

typedef void fa_any_fn(void);

extern fa_any_fn *fa_real[FA_SYMBOLS] FA_HIDDEN;

/* Finds one symbol; before the constructor, or for one that libc does not have. */
fa_any_fn *fa_resolve(enum fa_symbol which) FA_HIDDEN;

/* Finds all of them. */
void fa_resolve_all(void) FA_HIDDEN;

static inline fa_any_fn *fa_real_of(enum fa_symbol which)
{
	fa_any_fn *f = fa_real[which];

	return fa_likely(f) ? f : fa_resolve(which);
}

#define REAL(name) ((fa_##name##_fn *)fa_real_of(FA_SYM_##name))

/*
 * The one place where a raw result becomes errno: what the program gets for a count, an
 * address or a negative errno.
 */
static inline long fa_result(long r)
{
	if (r >= 0 || r < -4095)
		return r;
	errno = (int)-r;
	return -1;
}

/*
 * Returns what a promise has answered; `answered` sets `result`. Where it is false the
 * plain call follows.
 */
#define ANSWERED(answered)                                 \
	do {                                               \
		int64_t result;                            \
                                                           \
		if (fa_promising() && (answered))          \
			return (ssize_t)fa_result(result); \
	} while (0)

#define SITE __builtin_return_address(0)

#endif
