/* SPDX-License-Identifier: MIT */
/*
 * Opening and asking for attributes, in every spelling that libc has.
 */
#define _GNU_SOURCE 1
#include "twin.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What _FORTIFY_SOURCE makes of open(); not declared unless it is on. */
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int dirfd, const char *path, int flags);
int __openat64_2(int dirfd, const char *path, int flags);

typedef int xstat_fn(int version, const char *path, struct stat *st);
typedef int fxstat_fn(int version, int fd, struct stat *st);
typedef int fxstatat_fn(int version, int fd, const char *path, struct stat *st, int flags);

/* What old binaries call; glibc keeps it for them but does not link to it. */
static void *old(const char *name)
{
	void *p = dlsym(RTLD_DEFAULT, name);

	if (!p)
		abort();
	return p;
}

#define STAT_VERSION 1

int open_somehow(struct twin *t, int dirfd, const char *path, int flags)
{
	const char *volatile p = path; /* NULL on purpose, which a compiler must not see */
	bool makes = flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE;
	unsigned how = below(t, 8), mode = one_in(t, 2) ? 0644 : 0400;
	const char *name = path_text(t, path);

	/* Nobody would come to the other end. */
	if (names_fifo(path) && (flags & O_ACCMODE) != O_RDWR)
		flags |= O_NONBLOCK;
	if (dirfd == AT_FDCWD && how < 4) {
		if (how == 3 && makes && !names_fifo(path))
			return (int)DID(t, creat(p, mode), "creat %s %o", name, mode);
		if (how >= 2 && !makes)
			return how == 2 ? (int)DID(t, __open_2(p, flags), "__open_2 %s %#x",
						   name, flags)
					: (int)DID(t, __open64_2(p, flags),
						   "__open64_2 %s %#x", name, flags);
		if (how & 1)
			return (int)DID(t, open64(p, flags, mode), "open64 %s %#x", name,
					flags);
		return (int)DID(t, open(p, flags, mode), "open %s %#x", name, flags);
	}
	if (how >= 6 && !makes)
		return how == 6 ? (int)DID(t, __openat_2(dirfd, p, flags),
					   "__openat_2 %d %s %#x", dirfd, name, flags)
				: (int)DID(t, __openat64_2(dirfd, p, flags),
					   "__openat64_2 %d %s %#x", dirfd, name, flags);
	if (how & 1)
		return (int)DID(t, openat64(dirfd, p, flags, mode), "openat64 %d %s %#x",
				dirfd, name, flags);
	return (int)DID(t, openat(dirfd, p, flags, mode), "openat %d %s %#x", dirfd, name,
			flags);
}

static int stat_x(struct twin *t, int dirfd, const char *path, struct stat *st)
{
	struct statx x = { 0 };
	unsigned flags = one_in(t, 4) ? AT_SYMLINK_NOFOLLOW : 0;
	int r;

	if (one_in(t, 4))
		flags |= one_in(t, 2) ? AT_STATX_DONT_SYNC : AT_STATX_FORCE_SYNC;
	/* An answer that need not be fresh depends on what was asked before. */
	if (flags & AT_STATX_DONT_SYNC)
		return -1;
	r = (int)DID(t, statx(dirfd, path, (int)flags, STATX_BASIC_STATS, &x),
		     "statx %d %s %#x", dirfd, path_text(t, path), flags);
	st->st_mode = x.stx_mode;
	st->st_nlink = x.stx_nlink;
	st->st_size = (off_t)x.stx_size;
	st->st_uid = x.stx_uid;
	st->st_gid = x.stx_gid;
	st->st_blksize = (blksize_t)x.stx_blksize;
	st->st_ino = x.stx_ino;
	st->st_mtim = (struct timespec){ x.stx_mtime.tv_sec, x.stx_mtime.tv_nsec };
	return r;
}

static int stat_at(struct twin *t, int dirfd, const char *p, struct stat *st)
{
	int flags = one_in(t, 3) ? AT_SYMLINK_NOFOLLOW : 0;
	const char *name = path_text(t, p);

	if (one_in(t, 5))
		flags |= AT_EMPTY_PATH;
	if (one_in(t, 4))
		return stat_x(t, dirfd, p, st);
	if (one_in(t, 4))
		return (int)DID(t,
				((fxstatat_fn *)old("__fxstatat"))(STAT_VERSION, dirfd, p,
								   st, flags),
				"__fxstatat %d %s %#x", dirfd, name, flags);
	if (one_in(t, 2))
		return (int)DID(t, fstatat64(dirfd, p, (struct stat64 *)st, flags),
				"fstatat64 %d %s %#x", dirfd, name, flags);
	return (int)DID(t, fstatat(dirfd, p, st, flags), "fstatat %d %s %#x", dirfd, name,
			flags);
}

int stat_somehow(struct twin *t, int dirfd, const char *path, struct stat *st)
{
	const char *volatile p = path;
	const char *name = path_text(t, path);

	memset(st, 0x5a, sizeof(*st));
	if (dirfd != AT_FDCWD || one_in(t, 4))
		return stat_at(t, dirfd, path, st);
	switch (below(t, 6)) {
	case 0:
		return (int)DID(t, stat(p, st), "stat %s", name);
	case 1:
		return (int)DID(t, stat64(p, (struct stat64 *)st), "stat64 %s", name);
	case 2:
		return (int)DID(t, lstat(p, st), "lstat %s", name);
	case 3:
		return (int)DID(t, lstat64(p, (struct stat64 *)st), "lstat64 %s", name);
	case 4:
		return (int)DID(t, ((xstat_fn *)old("__xstat"))(STAT_VERSION, p, st),
				"__xstat %s", name);
	default:
		return (int)DID(t, ((xstat_fn *)old("__lxstat64"))(STAT_VERSION, p, st),
				"__lxstat64 %s", name);
	}
}

void op_open(struct twin *t)
{
	bool opened;
	int dirfd = any_dirfd(t, &opened), fd;

	fd = open_somehow(t, dirfd, any_path(t), any_flags(t));
	if (fd >= 0)
		say(t, "  flags %#x fdflags %d", (unsigned)real.fcntl(fd, F_GETFL),
		    real.fcntl(fd, F_GETFD));
	if (opened && !one_in(t, 3))
		DID(t, close(dirfd), "close %d", dirfd);
}

static void say_stat(struct twin *t, int result, const struct stat *st)
{
	char text[160];

	if (!result)
		say(t, "  %s", stat_text(st, text));
	else
		say(t, "  untouched %d", ((const unsigned char *)st)[7] == 0x5a);
}

void op_stat(struct twin *t)
{
	struct stat st;
	bool opened;
	int dirfd = any_dirfd(t, &opened);

	say_stat(t, stat_somehow(t, dirfd, any_path(t), &st), &st);
	if (opened)
		DID(t, close(dirfd), "close %d", dirfd);
}

static int fstat_somehow(struct twin *t, int fd, struct stat *st)
{
	memset(st, 0x5a, sizeof(*st));
	switch (below(t, 5)) {
	case 0:
		return (int)DID(t, fstat(fd, st), "fstat %d", fd);
	case 1:
		return (int)DID(t, fstat64(fd, (struct stat64 *)st), "fstat64 %d", fd);
	case 2:
		return (int)DID(t, ((fxstat_fn *)old("__fxstat"))(STAT_VERSION, fd, st),
				"__fxstat %d", fd);
	case 3:
		return (int)DID(t, ((fxstat_fn *)old("__fxstat64"))(STAT_VERSION, fd, st),
				"__fxstat64 %d", fd);
	default:
		return (int)DID(t, fstatat(fd, "", st, AT_EMPTY_PATH), "fstatat %d empty",
				fd);
	}
}

void op_fstat(struct twin *t)
{
	struct stat st;

	say_stat(t, fstat_somehow(t, any_fd(t), &st), &st);
}

static int compare(const void *a, const void *b)
{
	return strcmp(a, b);
}

/* Sorted: the order of entries is the file system's business. */
void op_list(struct twin *t)
{
	char names[64][256];
	struct dirent *e;
	size_t n = 0;
	DIR *d;

	if (one_in(t, 2)) {
		int fd = open_somehow(t, AT_FDCWD, one_in(t, 4) ? "f1" : "d1", O_RDONLY);

		d = fdopendir(fd);
		say(t, "fdopendir %d %s", fd, d ? "ok" : strerrorname_np(errno));
		if (!d && fd >= 0)
			close(fd);
	} else {
		const char *path = one_in(t, 2) ? t->top : "d1";

		d = opendir(path);
		say(t, "opendir %s %s", path_text(t, path),
		    d ? "ok" : strerrorname_np(errno));
	}
	if (!d)
		return;
	say(t, "  dirfd %d", dirfd(d));
	while (n < 64 && (e = readdir(d)))
		strcpy(names[n++], e->d_name);
	qsort(names, n, sizeof(names[0]), compare);
	for (size_t i = 0; i < n; i++)
		say(t, "  entry %.60s", names[i]);
	DID(t, closedir(d), "closedir");
}
