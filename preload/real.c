/* SPDX-License-Identifier: MIT
 *
 * Finding the real functions, also when a wrapper is called before our
 * constructor, or from a malloc that dlsym() itself has just called: then a few
 * raw system calls stand in.
 */
#include "real.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>

#include "../runtime/sys.h"

FA_HIDDEN fa_any_fn *fa_real[FA_SYMBOLS];

static const char *const symbol_name[FA_SYMBOLS] = {
#define WRAP(ret, name, params, why) #name,
#define HOOK(ret, name, params, args, hook, why) #name,
#define PRIV(ret, name, params, args, why) #name,
#define GATE(name, why) #name,
#include "symbols.def"
#undef WRAP
#undef HOOK
#undef PRIV
#undef GATE
};

static __thread bool resolving __attribute__((tls_model("initial-exec")));

static int boot_openat(int dirfd, const char *path, int flags, unsigned mode)
{
	return (int)fa_result(fa_sys_openat(dirfd, path, flags, mode));
}

static int boot_open(const char *path, int flags, unsigned mode)
{
	return boot_openat(AT_FDCWD, path, flags, mode);
}

static ssize_t boot_read(int fd, void *buf, size_t n)
{
	return fa_result(fa_sys_read(fd, buf, n));
}

static ssize_t boot_write(int fd, const void *buf, size_t n)
{
	return fa_result(fa_sys_write(fd, buf, n));
}

static void *boot_mmap(void *at, size_t n, int prot, int flags, int fd, off_t offset)
{
	long r = fa_result(
		fa_syscall6(SYS_mmap, (long)at, (long)n, prot, flags, fd, offset));

	return (void *)r;
}

static int boot_close(int fd)
{
	return (int)fa_result(fa_sys_close(fd));
}

static long boot_syscall(long n, long a, long b, long c, long d, long e, long f)
{
	return fa_result(fa_syscall6(n, a, b, c, d, e, f));
}

static int boot_missing(void)
{
	errno = ENOSYS;
	return -1;
}

/* What a malloc may call while it starts. */
static fa_any_fn *boot(enum fa_symbol which)
{
	switch (which) {
	case FA_SYM_open:
	case FA_SYM_open64:
		return (fa_any_fn *)boot_open;
	case FA_SYM_openat:
	case FA_SYM_openat64:
		return (fa_any_fn *)boot_openat;
	case FA_SYM_read:
		return (fa_any_fn *)boot_read;
	case FA_SYM_mmap:
	case FA_SYM_mmap64:
		return (fa_any_fn *)boot_mmap;
	case FA_SYM_write:
		return (fa_any_fn *)boot_write;
	case FA_SYM_close:
		return (fa_any_fn *)boot_close;
	case FA_SYM_syscall:
		return (fa_any_fn *)boot_syscall;
	default:
		return (fa_any_fn *)boot_missing;
	}
}

FA_HIDDEN fa_any_fn *fa_resolve(enum fa_symbol which)
{
	int saved = errno;
	void *at;

	if (resolving)
		return boot(which);
	resolving = true;
	at = dlsym(RTLD_NEXT, symbol_name[which]);
	if (!at) /* kept for old programs only, hidden from plain look-ups */
		at = dlvsym(RTLD_NEXT, symbol_name[which], FA_GLIBC_BASE);
	resolving = false;
	errno = saved;
	if (!at)
		return boot(which);
	__builtin_memcpy(&fa_real[which], &at, sizeof(at));
	/* cppcheck-suppress CastIntegerToAddressAtReturn */
	return fa_real[which];
}

FA_HIDDEN void fa_resolve_all(void)
{
	for (int i = 0; i < FA_SYMBOLS; i++)
		if (!fa_real[i])
			fa_resolve((enum fa_symbol)i);
}
