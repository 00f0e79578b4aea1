/* SPDX-License-Identifier: MIT
 *
 * Wrappers of the open family.
 */
#include <fcntl.h>

#include "real.h"

/* A chain may have the descriptor already; else the call is made and captured. */
#define OPEN(dirfd, path, flags, call)                            \
	do {                                                      \
		struct fa_call c;                                 \
		int fd;                                           \
                                                                  \
		if (fa_likely(fa_pass_path()))                    \
			return call;                              \
		fd = fa_open_begin(&c, dirfd, path, flags, SITE); \
		return fd >= 0 ? fd : fa_open_end(&c, call);      \
	} while (0)

int fa_open(const char *path, int flags, unsigned mode)
{
	OPEN(AT_FDCWD, path, flags, REAL(open)(path, flags, mode));
}

int fa_open64(const char *path, int flags, unsigned mode)
{
	OPEN(AT_FDCWD, path, flags, REAL(open64)(path, flags, mode));
}

int fa_openat(int dirfd, const char *path, int flags, unsigned mode)
{
	OPEN(dirfd, path, flags, REAL(openat)(dirfd, path, flags, mode));
}

int fa_openat64(int dirfd, const char *path, int flags, unsigned mode)
{
	OPEN(dirfd, path, flags, REAL(openat64)(dirfd, path, flags, mode));
}

int fa___open_2(const char *path, int flags)
{
	OPEN(AT_FDCWD, path, flags, REAL(__open_2)(path, flags));
}

int fa___open64_2(const char *path, int flags)
{
	OPEN(AT_FDCWD, path, flags, REAL(__open64_2)(path, flags));
}

int fa___openat_2(int dirfd, const char *path, int flags)
{
	OPEN(dirfd, path, flags, REAL(__openat_2)(dirfd, path, flags));
}

int fa___openat64_2(int dirfd, const char *path, int flags)
{
	OPEN(dirfd, path, flags, REAL(__openat64_2)(dirfd, path, flags));
}

int fa_creat(const char *path, unsigned mode)
{
	OPEN(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, REAL(creat)(path, mode));
}

int fa_creat64(const char *path, unsigned mode)
{
	OPEN(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, REAL(creat64)(path, mode));
}
