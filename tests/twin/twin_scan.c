/* SPDX-License-Identifier: MIT */
/*
 * The sequences that the library learns, over and over from the same call sites, with
 * something unexpected now and then in every gap: between stat and open, between open
 * and use, between use and close.
 */
#define _GNU_SOURCE 1
#include "twin.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/wait.h>
#include <unistd.h>

static void spend_a_descriptor(struct twin *t, bool take)
{
	static int spent = -1;

	if (take && spent < 0)
		DID(t, spent = dup(0), "spend");
	else if (spent >= 0)
		DID(t, close(spent), "return"), spent = -1;
}

/* Between the stat and the open of `path`, which may be replaced by another. */
static void before_open(struct twin *t, const char **path, int *flags)
{
	static const int others[] = { O_NONBLOCK,  O_CLOEXEC,	     O_NOFOLLOW,
				      O_PATH,	   O_WRONLY,	     O_RDWR,
				      O_DIRECTORY, O_RDWR | O_TRUNC, O_NOATIME };
	struct rlimit rl;

	switch (below(t, 14)) {
	case 0:
	case 1:
		change_something(t, *path);
		break;
	case 2:
		*flags = others[below(t, sizeof(others) / sizeof(others[0]))];
		break;
	case 3:
		*path = any_path(t);
		break;
	case 4:
		op_pair(t);
		break;
	case 5:
		op_chdir(t);
		break;
	case 6:
		op_fork(t);
		break;
	case 7:
		spend_a_descriptor(t, one_in(t, 2));
		break;
	case 8:
		op_names(t);
		break;
	case 9:
		if (t->limited)
			break;
		getrlimit(RLIMIT_NOFILE, &rl);
		rl.rlim_cur = 1;
		setrlimit(RLIMIT_NOFILE, &rl);
		DID(t, open(*path, O_RDONLY), "open at the limit");
		rl.rlim_cur = FD_MAX;
		setrlimit(RLIMIT_NOFILE, &rl);
		break;
	case 10:
		op_write(t);
		break;
	default:
		break;
	}
}

static void use(struct twin *t, int fd)
{
	struct stat st = { 0 };
	char text[160];
	int n;

	if (!one_in(t, 6) && !DID(t, fstat(fd, &st), "fstat %d", fd))
		say(t, "  %s", stat_text(&st, text));
	switch (below(t, 6)) {
	case 0:
		send_somewhere(t, fd);
		break;
	case 1:
		read_somehow(t, fd);
		break;
	case 2:
		if (one_in(t, 3))
			change_something(t, "f4096");
		/* fall through */
	default:
		for (n = 0; n < 20; n++) {
			memset(t->buf, 0xa5, 131072 + 64);
			ssize_t r = DID(t, read(fd, t->buf, 131072), "read %d", fd);

			say_data(t, r, 131072);
			if (r <= 0)
				break;
		}
	}
}

static void before_close(struct twin *t, int fd)
{
	switch (below(t, 16)) {
	case 0:
		DID(t, dup(fd), "dup %d", fd);
		break;
	case 1:
		DID(t, dup2(fd, 40), "dup2 %d 40", fd);
		break;
	case 2:
		op_fork(t);
		break;
	case 3:
		op_fcntl(t);
		break;
	case 4:
		op_lseek(t);
		break;
	case 5:
		DID(t, dup2(0, fd), "dup2 0 over %d", fd);
		break;
	default:
		break;
	}
}

/* What a close that is still on its way could be in the way of. */
static void after_close(struct twin *t, const char *path, int fd)
{
	switch (below(t, 14)) {
	case 0:
		DID(t, close(fd), "close %d again", fd);
		break;
	case 1:
		op_pair(t);
		break;
	case 2:
		if (in_tree(t, path))
			DID(t, unlink(path), "unlink %s", path_text(t, path));
		break;
	case 3:
		op_names(t);
		break;
	case 4:
		op_fork(t);
		break;
	case 5:
		op_range(t);
		break;
	default:
		break;
	}
}

static void scan_by_stat(struct twin *t, const char *path)
{
	struct stat st, now;
	int flags = one_in(t, 3) ? O_NONBLOCK | O_CLOEXEC : O_RDONLY, fd;
	char text[160];

	if (!DID(t, stat(path, &st), "scan stat %s", path_text(t, path)))
		say(t, "  %s", stat_text(&st, text));
	nap(below(t, 4) * 150);
	before_open(t, &path, &flags);
	if (names_fifo(path))
		flags |= O_NONBLOCK;
	OWN_SITE();
	fd = (int)DID(t, open(path, flags), "scan open %s %#x", path_text(t, path),
		      (unsigned)flags);
	if (fd >= 0) {
		say(t, "  flags %#x %d", (unsigned)real.fcntl(fd, F_GETFL),
		    real.fcntl(fd, F_GETFD));
		/* Whatever happened since the stat: what it has now is what the path means.
		 */
		if (!real.fstat(fd, &now) &&
		    !(flags & O_NOFOLLOW ? real.lstat : real.stat)(path, &st))
			say(t, "  same file %d",
			    now.st_ino == st.st_ino && now.st_dev == st.st_dev);
		if (!fd_waits(fd))
			use(t, fd);
		before_close(t, fd);
	}
	OWN_SITE();
	DID(t, close(fd), "scan close %d", fd);
	after_close(t, path, fd);
}

static void scan_at_once(struct twin *t, const char *path)
{
	int fd, flags = O_RDONLY;

	if (one_in(t, 8))
		before_open(t, &path, &flags);
	if (names_fifo(path))
		flags |= O_NONBLOCK;
	OWN_SITE();
	fd = (int)DID(t, open64(path, flags), "scan open64 %s", path_text(t, path));
	if (fd >= 0 && !fd_waits(fd))
		use(t, fd);
	if (fd >= 0)
		before_close(t, fd);
	OWN_SITE();
	DID(t, close(fd), "scan close %d", fd);
	after_close(t, path, fd);
}

static void scan_by_dirfd(struct twin *t, int dirfd, const char *path)
{
	struct stat st;
	char text[160];
	int fd;

	if (!DID(t, fstatat(dirfd, path, &st, AT_SYMLINK_NOFOLLOW), "scan fstatat %s",
		 path_text(t, path)))
		say(t, "  %s", stat_text(&st, text));
	nap(below(t, 3) * 200);
	if (one_in(t, 6))
		change_something(t, path);
	OWN_SITE();
	fd = (int)DID(t,
		      openat(dirfd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC),
		      "scan openat %s", path_text(t, path));
	if (fd >= 0)
		use(t, fd);
	DID(t, close(fd), "scan close %d", fd);
}

static void scan_with_check(struct twin *t, const char *path)
{
	int fd;

	if (DID(t, access(path, R_OK), "scan access %s", path_text(t, path)))
		return;
	OWN_SITE();
	fd = open_somehow(t, AT_FDCWD, path, O_RDONLY);
	if (fd >= 0)
		use(t, fd);
	close_somehow(t, fd);
}

void op_scan(struct twin *t)
{
	unsigned kind = below(t, 6), n = 3 + below(t, 6);
	int dirfd =
		kind == 3 ? (int)DID(t, open(t->top, O_RDONLY | O_DIRECTORY), "top") : -1;

	for (; n; n--) {
		const char *path = one_in(t, 10) ? any_path(t) : good_path(t);

		if ((uintptr_t)path < 4096 || ((uintptr_t)path & 4095) == 4095)
			continue;
		if (kind == 3)
			scan_by_dirfd(t, dirfd, path);
		else if (kind == 4)
			scan_at_once(t, path);
		else if (kind == 5)
			scan_with_check(t, path);
		else
			scan_by_stat(t, path);
	}
	if (kind == 3)
		DID(t, close(dirfd), "close top");
}
