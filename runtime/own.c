/* SPDX-License-Identifier: MIT
 *
 * Keeping the library's own descriptors out of the program's sight.
 */
#include "own.h"

#include <errno.h>
#include <limits.h>

#include "process.h"
#include "site.h"
#include "sys.h"
#include "text.h"

#define TOP 16384 /* keeps the kernel's table small where the limit is huge */

FA_HIDDEN int fa_own_lowest = INT_MAX;

static int own[FA_OWN_COUNT] = { -1, -1, -1, -1, -1 };

static void find_lowest(void)
{
	int lowest = INT_MAX;

	for (unsigned i = 0; i < FA_OWN_COUNT; i++)
		if (own[i] >= 0 && own[i] < lowest)
			lowest = own[i];
	fa_own_lowest = lowest;
}

/* The highest number that is free, below `limit`. */
static int move_high(int fd, int limit)
{
	for (int at = limit - 1; at > limit - 16 && at > 2; at--) {
		int high;

		if (fa_sys_fcntl(at, F_GETFD, 0) >= 0)
			continue;
		high = fa_sys_fcntl(fd, F_DUPFD_CLOEXEC, at);
		if (high >= 0)
			return high;
	}
	return -EMFILE;
}

static int limit_now(void)
{
	struct rlimit rl;

	if (fa_sys_getrlimit(RLIMIT_NOFILE, &rl) < 0)
		return 0;
	return rl.rlim_cur > TOP ? TOP : (int)rl.rlim_cur;
}

FA_HIDDEN int fa_own_take(enum fa_own which, int fd)
{
	int high = move_high(fd, limit_now());

	fa_sys_close(fd);
	if (high >= 0) {
		own[which] = high;
		find_lowest();
	}
	return high;
}

FA_HIDDEN int fa_own_open(enum fa_own which, const char *path)
{
	char name[PATH_MAX];
	struct fa_text t = { name, sizeof(name) - 1, 0 };
	int fd;

	for (const char *p = path; *p; p++) {
		if (p[0] == '%' && p[1] == 'p') {
			fa_text_num(&t, (uint64_t)fa_pid);
			p++;
		} else {
			fa_text_char(&t, *p);
		}
	}
	name[t.len] = '\0';
	fd = fa_sys_openat(
		AT_FDCWD, name,
		O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666);
	if (fd < 0)
		return fd;
	fd = fa_own_take(which, fd);
	return fd < 0 ? fd : 0;
}

FA_HIDDEN int fa_own_fd(enum fa_own which)
{
	return own[which];
}

FA_HIDDEN void fa_own_forget(enum fa_own which)
{
	own[which] = -1;
	find_lowest();
}

FA_HIDDEN void fa_own_drop(enum fa_own which)
{
	if (own[which] < 0)
		return;
	fa_sys_close(own[which]);
	fa_own_forget(which);
}

FA_HIDDEN void fa_own_write(enum fa_own which, const char *text, size_t len)
{
	if (own[which] >= 0)
		fa_sys_write(own[which], text, len);
}

FA_HIDDEN int fa_own_guard(int fd)
{
	for (unsigned i = 0; i < FA_OWN_COUNT; i++)
		if (own[i] == fd)
			return EBADF;
	return 0;
}

FA_HIDDEN void fa_own_yield(int fd)
{
	/* The child of a vfork has descriptors of its own, but this memory is not its. */
	if (fd < fa_own_lowest || fa_on_loan())
		return;
	for (unsigned i = 0; i < FA_OWN_COUNT; i++) {
		if (own[i] != fd)
			continue;
		/* libunwind remembers its numbers: without them it may not be called. */
		if (i >= FA_OWN_UNWIND)
			fa_site_stop();
		own[i] = move_high(fd, fd);
		fa_sys_close(fd);
		find_lowest();
	}
}

FA_HIDDEN int fa_own_split(unsigned first, unsigned last,
			   int (*action)(unsigned, unsigned, int), int flags)
{
	for (;;) {
		unsigned next = (unsigned)INT_MAX + 1; /* no descriptor */
		int r;

		for (unsigned i = 0; i < FA_OWN_COUNT; i++)
			if (own[i] >= 0 && (unsigned)own[i] >= first &&
			    (unsigned)own[i] < next)
				next = (unsigned)own[i];
		if (next > last || next > INT_MAX)
			return action(first, last, flags);
		r = next > first ? action(first, next - 1, flags) : 0;
		if (r < 0 || next == last)
			return r;
		first = next + 1;
	}
}
