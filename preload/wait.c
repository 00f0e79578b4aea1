/* SPDX-License-Identifier: MIT
 *
 * Wrappers of the calls that wait for readiness, and of those that register for it
 * or bring what it is waited for on.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <time.h>

#include "real.h"

/*
 * `call` waits as the program asked, unless something of the library's is under
 * way, which `end` then waits for as well. The result is a count or a negative
 * errno there, and as in libc here. `heard` looks at what it tells the program.
 */
#define WAIT(ns, mask, call, end, heard)                 \
	do {                                             \
		struct fa_wait w;                        \
		int n = 0;                               \
                                                         \
		if (fa_likely(fa_pass_wait()))           \
			return call;                     \
		if (fa_wait_begin(&w, ns, mask)) {       \
			n = call;                        \
			if (n > 0)                       \
				n = (int)fa_result(end); \
		} else {                                 \
			n = (int)fa_result(end);         \
		}                                        \
		heard;                                   \
		return n;                                \
	} while (0)

/* That a peer has taken bytes off is no news, as it is none after a write. */
static void heard_poll(const struct pollfd *fds, nfds_t count, int n)
{
	bool news = n < 0;

	for (nfds_t i = 0; i < count && n > 0 && !news; i++)
		news = fds[i].revents & ~(POLLOUT | POLLWRNORM);
	if (news)
		fa_heard();
}

static int64_t of_ms(int ms)
{
	return ms < 0 ? -1 : (int64_t)ms * 1000000;
}

static int64_t of_parts(int64_t s, int64_t fraction, int64_t unit)
{
	if (s < 0 || fraction < 0 || fraction * unit >= 1000000000)
		return FA_WAIT_BAD;
	return s > INT32_MAX ? -1 : s * 1000000000 + fraction * unit;
}

static int64_t of_ts(const struct timespec *ts)
{
	struct timespec copy;

	if (!ts)
		return -1;
	return fa_wait_read(&copy, ts, sizeof(copy))
		       ? of_parts(copy.tv_sec, copy.tv_nsec, 1)
		       : FA_WAIT_BAD;
}

static int64_t of_tv(const struct timeval *tv)
{
	struct timeval copy;

	if (!tv)
		return -1;
	/* select() takes more than a second of microseconds. */
	if (!fa_wait_read(&copy, tv, sizeof(copy)) || copy.tv_sec < 0 || copy.tv_usec < 0)
		return FA_WAIT_BAD;
	return of_parts(copy.tv_sec + copy.tv_usec / 1000000, copy.tv_usec % 1000000, 1000);
}

int fa_epoll_create(int size)
{
	int set;

	fa_touch();
	set = REAL(epoll_create)(size);

	if (set >= 0)
		fa_set_made(set);
	return set;
}

int fa_epoll_create1(int flags)
{
	int set;

	fa_touch();
	set = REAL(epoll_create1)(flags);

	if (set >= 0)
		fa_set_made(set);
	return set;
}

/* A wait of its own would keep what is on its way to other connections. */
#define ACCEPT(flags, call)                                         \
	do {                                                        \
		int c = fa_promising() ? fa_promise_accept(fd) : 0; \
                                                                    \
		if (c < 0)                                          \
			return (int)fa_result(c);                   \
		c = call;                                           \
		if (c >= 0 && !fa_off) {                            \
			fa_accepted(c);                             \
			fa_promise_accepted(c, fd, flags);          \
		}                                                   \
		return c;                                           \
	} while (0)

int fa_accept(int fd, void *address, socklen_t *len)
{
	ACCEPT(0, REAL(accept)(fd, address, len));
}

int fa_accept4(int fd, void *address, socklen_t *len, int flags)
{
	ACCEPT(flags, REAL(accept4)(fd, address, len, flags));
}

int fa_epoll_ctl(int set, int op, int fd, struct epoll_event *event)
{
	int r = REAL(epoll_ctl)(set, op, fd, event);

	if (r == 0)
		fa_registered(set, op, fd, event);
	return r;
}

int fa_epoll_wait(int set, struct epoll_event *events, int max, int timeout)
{
	WAIT(of_ms(timeout), NULL, REAL(epoll_wait)(set, events, max, timeout),
	     fa_epoll_end(&w, set, events, max, n), fa_heard());
}

int fa_epoll_pwait(int set, struct epoll_event *events, int max, int timeout,
		   const sigset_t *mask)
{
	WAIT(of_ms(timeout), mask, REAL(epoll_pwait)(set, events, max, timeout, mask),
	     fa_epoll_end(&w, set, events, max, n), fa_heard());
}

int fa_epoll_pwait2(int set, struct epoll_event *events, int max, const struct timespec *ts,
		    const sigset_t *mask)
{
	WAIT(of_ts(ts), mask, REAL(epoll_pwait2)(set, events, max, ts, mask),
	     fa_epoll_end(&w, set, events, max, n), fa_heard());
}

int fa_poll(struct pollfd *fds, nfds_t count, int timeout)
{
	WAIT(of_ms(timeout), NULL, REAL(poll)(fds, count, timeout),
	     fa_poll_end(&w, fds, count, n), heard_poll(fds, count, n));
}

int fa___poll_chk(struct pollfd *fds, nfds_t count, int timeout, size_t size)
{
	WAIT(of_ms(timeout), NULL, REAL(__poll_chk)(fds, count, timeout, size),
	     fa_poll_end(&w, fds, count, n), heard_poll(fds, count, n));
}

int fa_ppoll(struct pollfd *fds, nfds_t count, const struct timespec *ts,
	     const sigset_t *mask)
{
	WAIT(of_ts(ts), mask, REAL(ppoll)(fds, count, ts, mask),
	     fa_poll_end(&w, fds, count, n), heard_poll(fds, count, n));
}

int fa___ppoll_chk(struct pollfd *fds, nfds_t count, const struct timespec *ts,
		   const sigset_t *mask, size_t size)
{
	WAIT(of_ts(ts), mask, REAL(__ppoll_chk)(fds, count, ts, mask, size),
	     fa_poll_end(&w, fds, count, n), heard_poll(fds, count, n));
}

int fa_select(int count, fd_set *in, fd_set *out, fd_set *except, struct timeval *tv)
{
	struct fa_wait w;
	int n;

	if (fa_likely(fa_pass_wait()))
		return REAL(select)(count, in, out, except, tv);
	fa_heard();
	fa_wait_begin(&w, of_tv(tv), NULL);
	if (!fa_select_wait(&w, count, in, out, except, &n))
		return REAL(select)(count, in, out, except, tv);
	if (tv) {
		int64_t left = fa_wait_left(&w) / 1000;
		struct timeval rest = { left / 1000000, left % 1000000 };

		fa_wait_write(tv, &rest, sizeof(rest));
	}
	return (int)fa_result(n);
}

int fa_pselect(int count, fd_set *in, fd_set *out, fd_set *except,
	       const struct timespec *ts, const sigset_t *mask)
{
	struct fa_wait w;
	int n;

	if (fa_likely(fa_pass_wait()))
		return REAL(pselect)(count, in, out, except, ts, mask);
	fa_heard();
	fa_wait_begin(&w, of_ts(ts), mask);
	if (!fa_select_wait(&w, count, in, out, except, &n))
		return REAL(pselect)(count, in, out, except, ts, mask);
	return (int)fa_result(n);
}
