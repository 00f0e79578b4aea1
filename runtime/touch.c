/* SPDX-License-Identifier: MIT
 *
 * What else a program does while something is promised: calls that others may notice,
 * that use a connection or a file otherwise, that wait, or that share what is open.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>

#include "process.h"
#include "promise.h"
#include "sys.h"

FA_HIDDEN uint32_t fa_forks;

FA_HIDDEN void fa_touch_slow(void)
{
	struct fa_thread *t = fa_thread_of(fa_self);

	t->h.touched++;
	if (!(t->h.promise & FA_P_QUEUED) || !fa_busy(t))
		return;
	fa_commit(t);
	fa_ready(t);
}

FA_HIDDEN void fa_settle_slow(void)
{
	struct fa_thread *t = fa_thread_of(fa_self);

	t->h.touched++;
	if (!fa_busy(t))
		return;
	fa_settle(t, -1);
	fa_ready(t);
}

FA_HIDDEN void fa_promises_end(void)
{
	struct fa_thread *t = fa_thread_of(fa_self);

	fa_settle_all();
	if (!fa_promising() || !fa_busy(t))
		return;
	fa_promise_lost(t);
	fa_ready(t);
}

/* A plain send that blocks would keep what is on its way to others. */
static void settle_if_full(struct fa_thread *t, int fd)
{
	struct __kernel_timespec now = { 0, 0 };
	struct pollfd p = { fd, POLLOUT, 0 };

	if (fa_sys_ppoll(&p, 1, &now, NULL) == 0 && !fa_nonblocking(fd))
		fa_settle(t, -1);
}

FA_HIDDEN int fa_send_next(struct fa_thread *t, int fd, bool waits)
{
	struct fa_watch *w = fa_watch_of(fd);
	int e = 0;

	t->h.touched++;
	fa_commit(t);
	if (!(t->h.promise & FA_P_FLIGHT))
		return -fa_take_error(fd);
	if (!w || !fa_sending(t->promises, fd))
		settle_if_full(t, fd);
	if (!w || !(w->tcp & FA_TCP_GOOD))
		return 0;
	fa_order_numbers(t, t->promises, fd);
	fa_ring_reap(t);
	/* It was thought to fit: the kernel tells when there is room, as it would have. */
	if (fa_unsent(t, fd) && (!waits || w->tcp & FA_TCP_NONBLOCK))
		return -EAGAIN;
	if (fa_unsent(t, fd))
		e = fa_drive(t, -1, fd);
	return e ? e : -fa_take_error(fd);
}

FA_HIDDEN bool fa_promise_receive(int fd, void *buf, size_t n, int flags, int64_t *result)
{
	struct fa_thread *t = fa_thread_of(fa_self);
	const struct fa_fd *f = fa_fd_slot(fd);
	struct fa_watch *w = fa_watch_of(fd);
	bool nonblock;

	*result = 0;
	/* Files are read from their own page cache, whatever was promised of others. */
	if (!w || !f || f->flags & FA_FD_REGULAR)
		return false;
	t->h.touched++;
	if (!fa_busy(t))
		return false;
	nonblock = (w->tcp & (FA_TCP_GOOD | FA_TCP_NONBLOCK)) ==
			   (FA_TCP_GOOD | FA_TCP_NONBLOCK) ||
		   flags & MSG_DONTWAIT;
	if (w->error && !fa_queued_for(t->promises, fd)) {
		*result = -fa_take_error(fd);
	} else if (t->h.promise & FA_P_QUEUED) {
		if (buf && nonblock && w->tcp & FA_TCP_GOOD && n <= INT_MAX &&
		    t->ring.memory && !fa_queued_for(t->promises, fd)) {
			*result = fa_commit_receive(t, fd, buf, n, flags);
			fa_ready(t);
			if (*result == FA_NOT_RECEIVED)
				return false;
			t->h.n[FA_N_calls]++;
			return true;
		}
		fa_commit(t);
	}
	if (!*result && t->h.promise & FA_P_FLIGHT && !nonblock && !fa_nonblocking(fd))
		*result = fa_drive(t, fd, -1);
	fa_ready(t);
	return *result != 0;
}

FA_HIDDEN int fa_promise_accept(int fd)
{
	struct fa_thread *t = fa_thread_of(fa_self);
	int e = 0;

	t->h.touched++;
	if (!fa_busy(t))
		return 0;
	fa_commit(t);
	if (t->h.promise & FA_P_FLIGHT && !fa_nonblocking(fd))
		e = fa_drive(t, fd, -1);
	fa_ready(t);
	return e;
}

FA_HIDDEN void fa_promise_closing(int fd)
{
	struct fa_thread *t = fa_thread_of(fa_self);
	struct linger {
		int on, seconds;
	} linger = { 0, 0 };
	struct fa_promises *p;
	struct fa_task *k;

	t->h.touched++;
	if (!fa_busy(t))
		return;
	fa_commit(t);
	p = t->promises;
	if (p && t->h.promise & FA_P_FLIGHT && fa_unsent(t, fd)) {
		unsigned tasks = 0;

		FA_EACH_TASK(p, k)
		{
			tasks += k->fd == fd && !k->orphan;
		}
		/* The number is needed for what has not been submitted yet. */
		if (tasks > 1 || (fa_sys_getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger,
						    sizeof(linger)) == 0 &&
				  linger.on && linger.seconds))
			fa_settle(t, fd);
		FA_EACH_TASK(p, k)
		{
			k->orphan = k->orphan || k->fd == fd;
		}
	}
	fa_ready(t);
}

FA_HIDDEN bool fa_promise_used(struct fa_thread *t, struct fa_fd *f, enum fa_op op)
{
	uint32_t closing = f->flags & FA_FD_CLOSING;

	if (f->flags & (FA_FD_PROMISED | FA_FD_CLOSING) && (closing || op != FA_FSTAT) &&
	    fa_busy(t)) {
		fa_commit(t);
		fa_ready(t);
	}
	if (op == FA_READ || op == FA_SENDFILE)
		f->flags &= ~FA_FD_POSITION;
	return !closing;
}

FA_HIDDEN void fa_duplicating(int fd)
{
	struct fa_watch *w = fa_watch_of(fd);
	struct fa_fd *f = fa_fds ? fa_fd_slot(fd) : NULL;

	fa_touch();
	if (w)
		w->accepted = 0;
	if (f && f->flags & FA_FD_READER) {
		f->flags &= ~FA_FD_READER;
		fa_promise_gone(fd);
	}
}

FA_HIDDEN void fa_promise_fork(void)
{
	fa_settle_all();
	if (!fa_on_loan())
		fa_forks++;
}

FA_HIDDEN void fa_thread_coming(void)
{
	fa_settle_all();
	if (fa_process && !fa_on_loan())
		fa_process->no_promises = true;
}
