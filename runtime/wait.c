/* SPDX-License-Identifier: MIT
 *
 * Waits for readiness while files are cold: the real call, what is held taken out
 * of its result, and where nothing is left, waiting on for the rest of the time.
 * While something of ours is under way a wait is a ppoll() of the program's
 * descriptors and the ring's eventfd, followed by the real call without a wait.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "process.h"
#include "promise.h"
#include "readiness.h"
#include "sys.h"

#define POLL_STACK 64U /* descriptors whose masked copy is on the stack */

FA_HIDDEN bool fa_wait_read(void *to, const void *from, size_t n)
{
	return fa_sys_copy(fa_pid, to, from, n, false) == (long)n;
}

FA_HIDDEN void fa_wait_write(void *to, const void *from, size_t n)
{
	fa_sys_copy(fa_pid, (void *)(uintptr_t)from, to, n, true);
}

/*
 * The clock is asked only now: a system call between what the program has looked at and
 * its wait would give signals more time to come just there. What has gone by until now
 * is taken for a little less than it is, since a wait may end late but not early.
 */
static void set_deadline(struct fa_wait *w)
{
	uint64_t gone = fa_ns(fa_cycles() - w->began);

	w->deadline = fa_sys_clock_ns() + (uint64_t)w->ns - (gone - gone / 256);
}

FA_HIDDEN int64_t fa_wait_left(struct fa_wait *w)
{
	int64_t left;

	if (!w->limited)
		return -1;
	if (!w->deadline)
		set_deadline(w);
	left = (int64_t)(w->deadline - fa_sys_clock_ns());
	return left > 0 ? left : 0;
}

FA_HIDDEN bool fa_wait_begin(struct fa_wait *w, int64_t ns, const void *mask)
{
	struct fa_thread *t;
	uint64_t signals;
	bool pending;

	pthread_testcancel(); /* as the wait would */
	if (mask && !fa_wait_read(&signals, mask, FA_SIGSET))
		ns = FA_WAIT_BAD;
	w->t = ns == FA_WAIT_BAD ? NULL : fa_enter();
	w->limited = ns >= 0;
	w->ns = ns;
	w->mask = mask;
	w->deadline = 0;
	if (!w->t)
		return true;
	w->began = fa_cycles();
	t = fa_thread_of(w->t);
	if (!fa_busy(t)) {
		w->t = NULL;
		return true;
	}
	fa_readiness_turn(t);
	pending = fa_readiness_pending(t);
	if (pending && !fa_readiness_able(t)) {
		fa_settle(t, -1);
		fa_readiness_release_all(t);
		pending = false;
	}
	fa_ready(t);
	return !pending;
}

/* The events that the program gets: what was started while they were looked at runs. */
static int filtered(struct fa_thread *t, int n)
{
	if (t->ring.prepared)
		fa_ring_submit(t);
	return n;
}

/* Waits on with `p`, which has room for one more. 1: look again; 0: the time is over. */
static int wait_on(struct fa_wait *w, struct pollfd *p, unsigned n)
{
	int64_t left = fa_wait_left(w);
	int r;

	if (left == 0)
		return 0;
	r = fa_readiness_wait(fa_thread_of(w->t), p, n, left, w->mask);
	if (r < 0)
		return r;
	fa_readiness_turn(fa_thread_of(w->t));
	return 1;
}

/* ---- epoll ---- */

FA_HIDDEN int fa_epoll_end(struct fa_wait *w, int set, struct epoll_event *events, int max,
			   int n)
{
	struct fa_thread *t = fa_thread_of(w->t);
	struct pollfd p[2];

	if (!t || !fa_busy(t))
		return n;
	for (;;) {
		if (n > 0)
			n = filtered(t, fa_readiness_filter_set(t, set, events, n));
		if (n)
			break;
		n = fa_sys_epoll_now(set, events, max);
		if (n)
			continue;
		p[0] = (struct pollfd){ .fd = set, .events = POLLIN };
		n = wait_on(w, p, 1);
		if (n <= 0)
			break;
		n = 0;
	}
	fa_ready(t);
	return n;
}

/* ---- poll ---- */

/* Takes out of the results what is held; how many are left. */
static int filter_poll(struct fa_thread *t, struct pollfd *fds, unsigned long count)
{
	int left = 0;

	for (unsigned long i = 0; i < count; i++) {
		struct fa_watch *w = fds[i].revents ? fa_watch_of(fds[i].fd) : NULL;

		if (w && !w->set) {
			w->flags |= FA_WATCH_POLLED;
			fds[i].revents = (short)fa_readiness_filter(
				t, fds[i].fd, (uint32_t)(unsigned short)fds[i].revents);
		}
		left += fds[i].revents != 0;
	}
	return filtered(t, left);
}

/* A copy without what is held, and without what the program was not asking. */
static void copy_poll(struct pollfd *to, const struct pollfd *from, unsigned long count)
{
	for (unsigned long i = 0; i < count; i++) {
		const struct fa_watch *w = fa_watch_of(from[i].fd);

		to[i] = from[i];
		if (w && w->held)
			to[i].events = (short)(from[i].events &
					       (short)~(unsigned short)fa_held_bits(w));
	}
}

static int plain_poll(struct fa_wait *w, struct pollfd *fds, unsigned long count)
{
	int64_t left = fa_wait_left(w);
	struct __kernel_timespec ts = { left / 1000000000, left % 1000000000 };

	return fa_sys_ppoll(fds, (unsigned)count, left < 0 ? NULL : &ts, w->mask);
}

FA_HIDDEN int fa_poll_end(struct fa_wait *w, struct pollfd *fds, unsigned long count, int n)
{
	struct fa_thread *t = fa_thread_of(w->t);
	struct pollfd stack[POLL_STACK + 1], *copy = stack;
	struct __kernel_timespec now = { 0, 0 };
	size_t size = (count + 1) * sizeof(*copy);

	if (!t || !fa_busy(t))
		return n;
	for (;;) {
		n = n > 0 ? filter_poll(t, fds, count) : 0;
		if (n)
			break;
		n = fa_sys_ppoll(fds, (unsigned)count, &now, NULL);
		if (n > 0)
			n = filter_poll(t, fds, count);
		if (n)
			break;
		if (count > POLL_STACK && copy == stack) {
			copy = fa_sys_mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE);
			if (!copy) {
				/* Without it nothing can be masked. */
				fa_fallback(t, FA_F_no_memory);
				fa_readiness_release_all(t);
				fa_ready(t);
				return plain_poll(w, fds, count);
			}
		}
		copy_poll(copy, fds, count);
		n = wait_on(w, copy, (unsigned)count);
		if (n <= 0)
			break;
		n = 0;
	}
	fa_ready(t);
	if (copy != stack)
		fa_sys_munmap(copy, size);
	return n;
}

/* ---- select ---- */

#define SETS 3U
#define WORD_BITS (8 * sizeof(unsigned long))
#define SET_WORDS (FA_FDS / WORD_BITS)

struct sets {
	unsigned long bits[SETS][SET_WORDS];
	bool given[SETS];
};

static void change(struct sets *s, unsigned set, int fd, bool value)
{
	unsigned long bit = 1UL << (unsigned)fd % WORD_BITS;
	unsigned long *word = &s->bits[set][(unsigned)fd / WORD_BITS];

	*word = value ? *word | bit : *word & ~bit;
}

static bool has(const struct sets *s, unsigned set, int fd)
{
	return s->bits[set][(unsigned)fd / WORD_BITS] >> (unsigned)fd % WORD_BITS & 1;
}

static int call(struct sets *s, int count, struct __kernel_timespec *ts, const void *mask)
{
	struct {
		const void *mask;
		size_t size;
	} signals = { mask, FA_SIGSET };

	return (int)FA_SYS(SYS_pselect6, count, s->given[0] ? s->bits[0] : NULL,
			   s->given[1] ? s->bits[1] : NULL, s->given[2] ? s->bits[2] : NULL,
			   ts, &signals);
}

/* Takes out of the results what is held; how many bits are left. */
static int filter_select(struct fa_thread *t, struct sets *s, int count)
{
	int left = 0;

	for (int fd = 0; fd < count; fd++) {
		struct fa_watch *w = fa_watch_of(fd);
		uint32_t ev = (has(s, 0, fd) ? (uint32_t)EPOLLIN : 0) |
			      (has(s, 1, fd) ? (uint32_t)EPOLLOUT : 0);

		if (ev && w && !w->set) {
			w->flags |= FA_WATCH_POLLED;
			ev = fa_readiness_filter(t, fd, ev);
			change(s, 0, fd, ev & EPOLLIN);
			change(s, 1, fd, ev & EPOLLOUT);
		}
		left += has(s, 0, fd) + has(s, 1, fd) + has(s, 2, fd);
	}
	return filtered(t, left);
}

/* The same select without what is held, and with the eventfd: 0, or -errno. */
static int select_on(struct fa_wait *w, const struct sets *program, int count, int64_t left)
{
	struct fa_thread *t = fa_thread_of(w->t);
	struct sets s = *program;
	int wake = fa_readiness_limit(t, &left), r;
	struct __kernel_timespec ts = { left / 1000000000, left % 1000000000 };

	if (fa_ring_work(t))
		return 0;
	for (unsigned i = 0; i < t->h.held; i++) {
		int fd = t->held[i];
		uint32_t held = fa_held_bits(&fa_watches[fd]);

		if (held & EPOLLIN)
			change(&s, 0, fd, false);
		if (held & EPOLLOUT)
			change(&s, 1, fd, false);
	}
	if (wake >= 0) {
		s.given[0] = true;
		change(&s, 0, wake, true);
		count = count > wake ? count : wake + 1;
	}
	/* A handler that comes now finds the runtime as if the program were waiting. */
	fa_ready(t);
	r = call(&s, count, left < 0 ? NULL : &ts, w->mask);
	if (!fa_busy(t))
		return r < 0 ? r : -EINTR;
	if (r == -EBADF && wake >= 0) {
		fa_readiness_lost(t);
		return 0; /* or it is one of the program's: the next look tells */
	}
	if (r > 0 && wake >= 0 && has(&s, 0, wake))
		fa_readiness_woken();
	return r < 0 ? r : 0;
}

/* Waits; `s` is what was asked for, and becomes the answer. */
static int select_loop(struct fa_wait *w, struct sets *s, int count)
{
	struct fa_thread *t = fa_thread_of(w->t);
	struct sets program = *s;

	for (;;) {
		struct __kernel_timespec now = { 0, 0 };
		int64_t left;
		int n = call(s, count, &now, NULL);

		if (n > 0)
			n = filter_select(t, s, count);
		left = fa_wait_left(w);
		if (n || !left)
			return n;
		n = select_on(w, &program, count, left);
		if (n < 0)
			return n;
		fa_readiness_turn(t);
		*s = program;
	}
}

FA_HIDDEN bool fa_select_wait(struct fa_wait *w, int count, void *in, void *out,
			      void *except, int *result)
{
	struct fa_thread *t = fa_thread_of(w->t);
	void *const program[SETS] = { in, out, except };
	size_t bytes =
		((unsigned)count + WORD_BITS - 1) / WORD_BITS * sizeof(unsigned long);
	struct sets s;

	/* What the kernel would refuse, the plain call shall bring before it. */
	if (!t || count < 0 || count > (int)FA_FDS)
		return false;
	memset(&s, 0, sizeof(s));
	for (unsigned i = 0; i < SETS; i++) {
		s.given[i] = program[i];
		if (program[i] && bytes &&
		    fa_sys_copy(fa_pid, s.bits[i], program[i], bytes, false) != (long)bytes)
			return false;
	}
	if (!fa_busy(t))
		return false;
	*result = select_loop(w, &s, count);
	fa_ready(t);
	for (unsigned i = 0; i < SETS && *result >= 0; i++)
		if (program[i] && bytes)
			fa_sys_copy(fa_pid, s.bits[i], program[i], bytes, true);
	return true;
}
