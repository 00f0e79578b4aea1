/* SPDX-License-Identifier: MIT
 *
 * Wrappers of the calls that end or replace descriptors, and fcntl.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>

#include "real.h"

int fa_close(int fd)
{
	struct fa_call c;
	int r;

	if (fa_promising() && !fa_captured(fd))
		fa_promise_closing(fd);
	fa_forget_watch(fd);
	if (fa_likely(fd < fa_own_lowest && fa_pass_fd(fd)))
		return REAL(close)(fd);
	r = fa_close_begin(&c, fd, SITE);
	if (r > 0) {
		errno = r;
		r = -1;
	} else if (r < 0) {
		r = fa_close_end(&c, REAL(close)(fd));
	}
	return r;
}

/* A target that is ours moves away; from one that is ours there is nothing to copy. */
#define DUP(from, to, call)                                                    \
	do {                                                                   \
		int own = fa_own_guard(from);                                  \
                                                                               \
		if (own) {                                                     \
			errno = own;                                           \
			return -1;                                             \
		}                                                              \
		fa_duplicating(from);                                          \
		if ((from) != (to)) {                                          \
			fa_own_yield(to);                                      \
			if ((to) >= 0)                                         \
				fa_forget_fds((unsigned)(to), (unsigned)(to)); \
		}                                                              \
		return call;                                                   \
	} while (0)

int fa_dup2(int fd, int to)
{
	DUP(fd, to, REAL(dup2)(fd, to));
}

int fa_dup3(int fd, int to, int flags)
{
	DUP(fd, to, REAL(dup3)(fd, to, flags));
}

int fa_pipe2(int fds[2], int flags)
{
	int r;

	fa_touch();
	r = REAL(pipe2)(fds, flags);
	if (r == 0)
		fa_pipe_made(fds);
	return r;
}

static int close_part(unsigned first, unsigned last, int flags)
{
	return REAL(close_range)(first, last, flags);
}

int fa_close_range(unsigned first, unsigned last, int flags)
{
	/* The kernel's workers would keep the table that the thread leaves. */
	if (flags & (int)CLOSE_RANGE_UNSHARE)
		fa_privilege_changes(true);
	if (!(flags & (int)CLOSE_RANGE_CLOEXEC))
		fa_forget_fds(first, last);
	if (first > last)
		return REAL(close_range)(first, last, flags);
	return fa_own_split(first, last, close_part, flags);
}

static int close_from_part(unsigned first, unsigned last, int flags)
{
	if (last == UINT_MAX) {
		REAL(closefrom)((int)first);
		return 0;
	}
	return REAL(close_range)(first, last, flags);
}

void fa_closefrom(int first)
{
	unsigned from = first < 0 ? 0 : (unsigned)first;

	fa_forget_fds(from, UINT_MAX);
	fa_own_split(from, UINT_MAX, close_from_part, 0);
}

/* Which of the library's two kinds of locks does a command take? */
static void note_lock(int cmd)
{
	switch (cmd) {
	case F_SETLK:
	case F_SETLKW:
		fa_locks(true);
		break;
	case F_OFD_SETLK:
	case F_OFD_SETLKW:
	case F_SETLEASE:
		fa_locks(false);
		break;
	default:
		break;
	}
}

#define FCNTL(name)                                                          \
	do {                                                                 \
		struct fa_call c;                                            \
		int r;                                                       \
                                                                             \
		note_lock(cmd);                                              \
		if (cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC)                \
			fa_duplicating(fd);                                  \
		else if (cmd == F_SETFL)                                     \
			fa_socket_flags(fd, arg);                            \
		if (fa_likely(fa_pass_fd(fd)))                               \
			return REAL(name)(fd, cmd, arg);                     \
		fa_use_begin(&c, fd, FA_FCNTL, SITE);                        \
		r = (int)fa_use_end(&c, FA_FCNTL, REAL(name)(fd, cmd, arg)); \
		if (cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC)                \
			fa_duplicated(fd, r);                                \
		return r;                                                    \
	} while (0)

int fa_fcntl(int fd, int cmd, long arg)
{
	FCNTL(fcntl);
}

int fa_fcntl64(int fd, int cmd, long arg)
{
	FCNTL(fcntl64);
}
