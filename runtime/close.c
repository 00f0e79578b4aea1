/* SPDX-License-Identifier: MIT
 *
 * Closes that run behind: a close that waits for a flush goes to a worker of the
 * ring, and the wrapper returns as soon as the number is free.
 */
#include <errno.h>

#include <liburing.h>

#include "process.h"
#include "sys.h"

/* The number is free as soon as a worker has taken the request up. */
static bool number_free(struct fa_thread *t, int fd)
{
	for (unsigned i = 0;; i++) {
		if (fa_sys_fcntl(fd, F_GETFD, 0) < 0)
			return true;
		if (fa_ring_idle(t))
			return true; /* another thread has the number already */
		if (i < 32)
			fa_relax();
		else if (i < 256)
			fa_sys_yield();
		else if (i < 2256)
			fa_sys_sleep_us(500); /* a second in all */
		else
			return false;
	}
}

FA_HIDDEN bool fa_close_behind(struct fa_thread *t, int fd, bool *fast)
{
	struct io_uring_sqe *sqe;

	if (fa_process->in_line || fa_ring_need(t) < 0)
		return false;
	fa_chain_sweep(t);
	sqe = fa_ring_entry(t);
	if (!sqe)
		return false;
	io_uring_prep_close(sqe, fd);
	sqe->flags |= IOSQE_ASYNC;
	t->ring.cancelled = false;
	sqe->user_data = FA_TAG_CLOSE | ++t->close_number;
	__atomic_store_n(&t->closed, fa_cycles(), __ATOMIC_RELAXED);
	__atomic_store_n(&t->closing, t->closing + 1, __ATOMIC_RELEASE);
	if (fa_ring_submit(t) <= 0) {
		__atomic_store_n(&t->closing, t->closing - 1, __ATOMIC_RELEASE);
		return false;
	}
	if (!number_free(t, fd) && fa_ring_cancel(t, FA_TAG_CLOSE | t->close_number) == 0) {
		fa_fallback(t, FA_F_timeout);
		t->ring.refused = true;
		return false;
	}
	if (t->ring.cancelled) {
		t->ring.refused = true;
		return false;
	}
	*fast = fa_ring_idle(t);
	t->h.n[FA_N_created]++;
	t->h.n[FA_N_settled]++;
	return true;
}

FA_HIDDEN void fa_prespawn(struct fa_thread *t)
{
	struct io_uring_sqe *sqe;

	if (fa_ring_need(t) < 0)
		return;
	sqe = fa_ring_entry(t);
	if (!sqe)
		return;
	io_uring_prep_nop(sqe);
	sqe->flags |= IOSQE_ASYNC;
	sqe->user_data = FA_TAG_OTHER;
	if (fa_ring_submit(t) > 0)
		fa_ring_wait(t, FA_WAIT_NS);
}
