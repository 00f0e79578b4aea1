/* SPDX-License-Identifier: MIT */
/*
 * Descriptors: closing them, copying them, and the numbers they get.
 */
#define _GNU_SOURCE 1
#include "twin.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/file.h>
#include <unistd.h>

int close_somehow(struct twin *t, int fd)
{
	switch (below(t, 4)) {
	case 0:
		OWN_SITE();
		return (int)DID(t, close(fd), "close %d", fd);
	case 1:
		if (fd >= 0)
			return (int)DID(t, close_range((unsigned)fd, (unsigned)fd, 0),
					"close_range %d alone", fd);
		/* fall through */
	default:
		OWN_SITE();
		return (int)DID(t, close(fd), "close %d", fd);
	}
}

void op_close(struct twin *t)
{
	int fd = any_fd(t);

	close_somehow(t, fd);
	if (one_in(t, 4))
		DID(t, close(fd), "close %d again", fd);
}

void op_dup(struct twin *t)
{
	static const int far[] = { FD_MAX - 1, FD_MAX - 2, FD_MAX - 5, FD_MAX, 60 };
	int fd = any_fd(t), to = one_in(t, 3) ? far[below(t, 5)] : any_fd(t);

	switch (below(t, 6)) {
	case 0:
	case 1:
		DID(t, dup(fd), "dup %d", fd);
		break;
	case 2:
		DID(t, dup2(fd, to), "dup2 %d %d", fd, to);
		break;
	case 3:
		DID(t, dup3(fd, to, one_in(t, 2) ? O_CLOEXEC : 0), "dup3 %d %d", fd, to);
		break;
	case 4:
		DID(t, fcntl(fd, F_DUPFD, to), "F_DUPFD %d %d", fd, to);
		break;
	default:
		DID(t, fcntl(fd, F_DUPFD_CLOEXEC, to), "F_DUPFD_CLOEXEC %d %d", fd, to);
	}
}

/* Sockets and pipes stay non-blocking, or a later read would never end. */
static int settable_flags(struct twin *t, int fd)
{
	static const int flags[] = { 0, O_NONBLOCK, O_APPEND, O_NONBLOCK | O_APPEND,
				     O_NOATIME };
	struct stat st;
	int f = flags[below(t, 5)];

	if (!real.fstat(fd, &st) && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		f |= O_NONBLOCK;
	return f;
}

/* A lock on a device would meet everybody else's on this machine. */
static bool lockable(int fd)
{
	struct stat st;

	return real.fstat(fd, &st) || !S_ISCHR(st.st_mode);
}

static void op_record_lock(struct twin *t, int fd)
{
	struct flock l = {
		.l_type = (short)below(t, 3),
		.l_whence = SEEK_SET,
		.l_start = below(t, 100),
		.l_len = below(t, 100),
	};

	if (one_in(t, 3))
		DID(t, fcntl(fd, F_GETLK, &l), "F_GETLK %d type %d", fd, l.l_type);
	else
		DID(t, fcntl(fd, F_SETLK, &l), "F_SETLK %d type %d", fd, l.l_type);
}

void op_fcntl(struct twin *t)
{
	int fd = any_fd(t), flags;

	switch (lockable(fd) ? below(t, 7) : below(t, 4)) {
	case 0:
		DID(t, fcntl(fd, F_GETFL), "F_GETFL %d", fd);
		break;
	case 1:
		DID(t, fcntl64(fd, F_GETFD), "F_GETFD %d", fd);
		break;
	case 2:
		flags = settable_flags(t, fd);
		DID(t, fcntl(fd, F_SETFL, flags), "F_SETFL %d %#x", fd, (unsigned)flags);
		DID(t, fcntl(fd, F_GETFL), "  F_GETFL %d", fd);
		break;
	case 3:
		flags = (int)below(t, 2);
		DID(t, fcntl(fd, F_SETFD, flags), "F_SETFD %d %d", fd, flags);
		break;
	case 4:
		DID(t, flock(fd, LOCK_NB | (one_in(t, 2) ? LOCK_SH : LOCK_UN)), "flock %d",
		    fd);
		break;
	case 5:
		DID(t, fcntl(fd, 12345, 0), "fcntl %d nonsense", fd);
		break;
	default:
		op_record_lock(t, fd);
	}
}

/* High numbers, where a preloaded library may keep descriptors of its own. */
void op_high(struct twin *t)
{
	struct stat st;

	for (int fd = FD_MAX - 12; fd < FD_MAX; fd++) {
		long flags = fcntl(fd, F_GETFD);
		int known = fstat(fd, &st), closed = one_in(t, 6) ? close(fd) : -2;

		if (flags >= 0 || known >= 0 || closed >= 0)
			say(t, "high %d flags %ld fstat %d close %d", fd, flags, known,
			    closed);
	}
}

void op_range(struct twin *t)
{
	unsigned first = 3 + below(t, 12), last = first + below(t, 20);

	switch (below(t, 4)) {
	case 0:
		DID(t, close_range(first, last, 0), "close_range %u %u", first, last);
		break;
	case 1:
		DID(t, close_range(first, ~0u, CLOSE_RANGE_CLOEXEC),
		    "close_range %u on exec", first);
		break;
	case 2:
		DID(t, close_range(last, first, 0), "close_range %u %u", last, first);
		break;
	default:
		before();
		closefrom((int)first);
		did(t, 0, "closefrom %u", first);
	}
}
