/* SPDX-License-Identifier: MIT
 *
 * Wrappers of the stat family: by path, and by descriptor.
 */
#include <fcntl.h>
#include <linux/stat.h>

#include "real.h"

#define STAT(dirfd, path, st, follow, call)                           \
	do {                                                          \
		struct fa_call c;                                     \
                                                                      \
		if (fa_likely(fa_pass_path()))                        \
			return call;                                  \
		if (fa_stat_begin(&c, dirfd, path, st, follow, SITE)) \
			return 0;                                     \
		return fa_stat_end(&c, call, st);                     \
	} while (0)

#define FSTAT(fd, st, call)                           \
	do {                                          \
		struct fa_call c;                     \
                                                      \
		if (fa_likely(fa_pass_fd(fd)))        \
			return call;                  \
		if (fa_fstat_begin(&c, fd, st, SITE)) \
			return 0;                     \
		return fa_fstat_end(&c, call, st);    \
	} while (0)

int fa_stat(const char *path, struct stat *st)
{
	STAT(AT_FDCWD, path, st, true, REAL(stat)(path, st));
}

int fa_stat64(const char *path, struct stat *st)
{
	STAT(AT_FDCWD, path, st, true, REAL(stat64)(path, st));
}

int fa_lstat(const char *path, struct stat *st)
{
	STAT(AT_FDCWD, path, st, false, REAL(lstat)(path, st));
}

int fa_lstat64(const char *path, struct stat *st)
{
	STAT(AT_FDCWD, path, st, false, REAL(lstat64)(path, st));
}

int fa_fstatat(int dirfd, const char *path, struct stat *st, int flags)
{
	STAT(dirfd, path, st, !(flags & AT_SYMLINK_NOFOLLOW),
	     REAL(fstatat)(dirfd, path, st, flags));
}

int fa_fstatat64(int dirfd, const char *path, struct stat *st, int flags)
{
	STAT(dirfd, path, st, !(flags & AT_SYMLINK_NOFOLLOW),
	     REAL(fstatat64)(dirfd, path, st, flags));
}

int fa___xstat(int ver, const char *path, struct stat *st)
{
	STAT(AT_FDCWD, path, st, true, REAL(__xstat)(ver, path, st));
}

int fa___xstat64(int ver, const char *path, struct stat *st)
{
	STAT(AT_FDCWD, path, st, true, REAL(__xstat64)(ver, path, st));
}

int fa___lxstat(int ver, const char *path, struct stat *st)
{
	STAT(AT_FDCWD, path, st, false, REAL(__lxstat)(ver, path, st));
}

int fa___lxstat64(int ver, const char *path, struct stat *st)
{
	STAT(AT_FDCWD, path, st, false, REAL(__lxstat64)(ver, path, st));
}

int fa___fxstatat(int ver, int dirfd, const char *path, struct stat *st, int flags)
{
	STAT(dirfd, path, st, !(flags & AT_SYMLINK_NOFOLLOW),
	     REAL(__fxstatat)(ver, dirfd, path, st, flags));
}

int fa___fxstatat64(int ver, int dirfd, const char *path, struct stat *st, int flags)
{
	STAT(dirfd, path, st, !(flags & AT_SYMLINK_NOFOLLOW),
	     REAL(__fxstatat64)(ver, dirfd, path, st, flags));
}

int fa_statx(int dirfd, const char *path, int flags, unsigned mask, struct statx *stx)
{
	struct fa_call c;
	int r;

	if (fa_likely(fa_pass_path()))
		return REAL(statx)(dirfd, path, flags, mask, stx);
	fa_stat_begin(&c, dirfd, path, NULL, !(flags & AT_SYMLINK_NOFOLLOW), SITE);
	r = REAL(statx)(dirfd, path, flags, mask, stx);
	if (r == 0)
		fa_statx_end(&c, stx);
	else if (c.start)
		fa_stat_failed(&c);
	return r;
}

int fa_fstat(int fd, struct stat *st)
{
	FSTAT(fd, st, REAL(fstat)(fd, st));
}

int fa_fstat64(int fd, struct stat *st)
{
	FSTAT(fd, st, REAL(fstat64)(fd, st));
}

int fa___fxstat(int ver, int fd, struct stat *st)
{
	FSTAT(fd, st, REAL(__fxstat)(ver, fd, st));
}

int fa___fxstat64(int ver, int fd, struct stat *st)
{
	FSTAT(fd, st, REAL(__fxstat64)(ver, fd, st));
}
