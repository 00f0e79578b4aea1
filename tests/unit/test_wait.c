/* SPDX-License-Identifier: MIT
 *
 * epoll_wait() while something is held or under way: the program gets the other
 * events at once, a held one when it is released, its time-outs on time, its
 * signals, and the kernel's word on bad arguments.
 */
#include "unit_events.h"

#include <signal.h>

static struct fa_wait w;
static struct epoll_event got[8];

/* epoll_pwait as the wrapper does it: a count, or a negative errno. */
static int waits_at(struct epoll_event *events, int max, int64_t ns, const void *mask)
{
	int n = 0;

	if (fa_wait_begin(&w, ns, mask)) {
		n = (int)fake_kernel(SYS_epoll_pwait, set, (long)events, max,
				     ns < 0 ? -1 : (long)(ns / 1000000), (long)mask, 8);
		if (n <= 0)
			return n;
	}
	n = fa_epoll_end(&w, set, events, max, n);
	assert_int_not_equal(t->h.word, FA_T_BUSY);
	return n;
}

static int waits(int64_t ns)
{
	return waits_at(got, 8, ns, NULL);
}

static void gets(int64_t ns, int fd, uint32_t events)
{
	assert_int_equal(waits(ns), 1);
	assert_true(got[0].data.u64 == (uint64_t)fd);
	assert_int_equal(got[0].events, events);
}

static uint64_t now_ns(void)
{
	return fa_sys_clock_ns();
}

/* Its event is in the kernel, and held; nothing will release it but time. */
static void held_for_good(uint32_t events)
{
	adds(conn, events);
	learns();
	fake_ring.result[IORING_OP_STATX] = FAKE_PENDING;
	says(REQUEST);
	assert_int_equal(waits(0), 0);
	assert_int_equal(t->h.held, 1);
	assert_int_equal(fake_ring_took(IORING_OP_STATX, NULL), 1);
}

/* ---- what the program gets ---- */

static void test_nothing_pending(void **state)
{
	(void)state;
	assert_true(fa_wait_begin(&w, 5000000, NULL));
	assert_ptr_equal(w.t, &t->h);
	adds(conn, EPOLLIN);
	assert_int_equal(waits(0), 0);
	says("x");
	gets(-1, conn, EPOLLIN);
	assert_int_equal(fake_calls(SYS_ppoll), 0);
}

static void test_others_at_once(void **state)
{
	(void)state;
	held_for_good(EPOLLIN | EPOLLET);
	adds(peer, EPOLLOUT);
	gets(-1, peer, EPOLLOUT);
	assert_int_equal(t->h.held, 1);
	assert_int_equal(fake_calls(SYS_ppoll), 0);
}

/* All that the first call brought is held: the wait goes on for the rest of it. */
static void test_held_on_arrival(void **state)
{
	uint64_t start = now_ns();

	(void)state;
	adds(conn, EPOLLIN | EPOLLET);
	learns();
	fake_ring.result[IORING_OP_STATX] = FAKE_PENDING;
	says(REQUEST);
	assert_int_equal(waits(5000000), 0);
	assert_true(now_ns() - start >= 5000000);
	assert_int_equal(t->h.held, 1);
}

static const struct io_uring_sqe *statx_sqe;

/* The worker is done while the program waits. */
static long chain_goes_on(long a, long b, long c, long d, long e, long f)
{
	if (statx_sqe)
		fake_ring_run(statx_sqe);
	statx_sqe = NULL;
	return fake_kernel(SYS_ppoll, a, b, c, d, e, f);
}

static void when_the_chain_ends(uint32_t events, int64_t ns)
{
	held_for_good(events);
	statx_sqe = fake_ring_nth(IORING_OP_STATX, 0);
	fake_hook(SYS_ppoll, chain_goes_on);
	gets(ns, conn, EPOLLIN);
	assert_null(statx_sqe);
	assert_int_equal(t->h.held, 0);
	assert_int_equal(t->h.n[FA_N_late], 0);
	assert_true(fake_ring_took(IORING_OP_READ, NULL) == 1);
}

static void test_when_its_chain_ends(void **state)
{
	(void)state;
	when_the_chain_ends(EPOLLIN | EPOLLET, -1);
}

static void test_level_triggered(void **state)
{
	(void)state;
	when_the_chain_ends(EPOLLIN, -1);
	/* Not read yet: reported again, as the program expects of it. */
	statx_sqe = NULL;
	fake_ring.result[IORING_OP_STATX] = FAKE_RUN;
	gets(-1, conn, EPOLLIN);
}

static void test_one_shot(void **state)
{
	(void)state;
	when_the_chain_ends(EPOLLIN | EPOLLONESHOT, 5000000000);
	assert_int_equal(reported(conn), 0);
}

static void test_late(void **state)
{
	uint64_t start = now_ns(), took;

	(void)state;
	held_for_good(EPOLLIN | EPOLLET);
	gets(-1, conn, EPOLLIN);
	took = now_ns() - start;
	assert_in_range(took, FA_HOLD_NS, 20 * (uint64_t)FA_HOLD_NS);
	assert_int_equal(t->h.n[FA_N_late], 1);
	/* It slept: no turns in vain. */
	assert_in_range(fake_calls(SYS_ppoll), 1, 3);
}

/* A masked one does not make the set readable meanwhile. */
static void test_late_and_level_triggered(void **state)
{
	(void)state;
	held_for_good(EPOLLIN);
	gets(-1, conn, EPOLLIN);
	assert_int_equal(t->h.n[FA_N_late], 1);
	assert_in_range(fake_calls(SYS_ppoll), 1, 3);
}

static struct fa_thread other_thread;

static long thread_begins(long a, long b, long c, long d, long e, long f)
{
	other_thread.next = fa_process->threads;
	fa_process->threads = &other_thread;
	fake_hook(SYS_ppoll, NULL);
	fake_ring_complete(FA_TAG_OTHER, 0);
	return fake_kernel(SYS_ppoll, a, b, c, d, e, f);
}

static void test_threads_appear(void **state)
{
	(void)state;
	held_for_good(EPOLLIN | EPOLLET);
	memset(&other_thread, 0, sizeof(other_thread));
	fake_hook(SYS_ppoll, thread_begins);
	gets(-1, conn, EPOLLIN);
	assert_int_equal(t->h.n[FA_N_late], 0);
	/* From now on a wait is a wait. */
	assert_true(fa_wait_begin(&w, -1, NULL));
}

/* Where nothing more may be held, what is must not wait for other events. */
static void test_ring_refused_meanwhile(void **state)
{
	(void)state;
	held_for_good(EPOLLIN | EPOLLET);
	t->ring.refused = true; /* as after an operation that no worker took */
	gets(1000000000, conn, EPOLLIN);
}

static void test_in_line_meanwhile(void **state)
{
	(void)state;
	held_for_good(EPOLLIN | EPOLLET);
	fa_process->in_line = true;
	gets(1000000000, conn, EPOLLIN);
}

static void test_eventfd_lost(void **state)
{
	uint64_t start = now_ns();

	(void)state;
	held_for_good(EPOLLIN | EPOLLET);
	fa_own_drop(FA_OWN_WAKE);
	gets(2000000000, conn, EPOLLIN);
	assert_true(now_ns() - start < 1500000000);
}

/* ---- time ---- */

static void test_time_is_over(void **state)
{
	uint64_t start, took;

	(void)state;
	held_for_good(EPOLLIN | EPOLLET);
	start = now_ns();
	assert_int_equal(waits(5000000), 0);
	took = now_ns() - start;
	assert_true(took >= 5000000);
	assert_true(took < FA_HOLD_NS || t->h.n[FA_N_late]);
	assert_int_equal(fa_wait_left(&w), 0);
}

static void test_no_time(void **state)
{
	(void)state;
	held_for_good(EPOLLIN | EPOLLET);
	assert_int_equal(waits(0), 0);
	assert_int_equal(fake_calls(SYS_ppoll), 0);
	/* A program that only asks again and again gets there as well. */
	fa_watches[conn].since = unit_ago(FA_HOLD_NS + 1000000);
	t->turned = 0;
	gets(0, conn, EPOLLIN);
}

static void test_time_left(void **state)
{
	(void)state;
	assert_true(fa_wait_begin(&w, 1000000000, NULL));
	assert_in_range(fa_wait_left(&w), 1, 1000000000);
	w.deadline = now_ns() - 5;
	assert_int_equal(fa_wait_left(&w), 0);
	assert_true(fa_wait_begin(&w, -1, NULL));
	assert_int_equal(fa_wait_left(&w), -1);
	assert_true(fa_wait_begin(&w, 0, NULL));
	assert_int_equal(fa_wait_left(&w), 0);
}

/* ---- arguments that the kernel refuses ---- */

static void test_bad_arguments(void **state)
{
	int real = set;

	(void)state;
	held_for_good(EPOLLIN);
	adds(peer, EPOLLOUT);
	assert_int_equal(waits_at(NULL, 8, -1, NULL), -EFAULT);
	assert_int_equal(waits_at((void *)8, 8, -1, NULL), -EFAULT);
	assert_int_equal(waits_at(got, 0, -1, NULL), -EINVAL);
	assert_int_equal(waits_at(got, -1, -1, NULL), -EINVAL);
	set = -1;
	assert_int_equal(waits(-1), -EBADF);
	set = conn;
	assert_int_equal(waits(-1), -EINVAL);
	set = real;
	assert_int_equal(t->h.held, 1);
}

/* What is wrong with it the real call shall say. */
static void test_bad_time_or_mask(void **state)
{
	(void)state;
	held_for_good(EPOLLIN);
	assert_true(fa_wait_begin(&w, FA_WAIT_BAD, NULL));
	assert_null(w.t);
	assert_int_equal(fa_epoll_end(&w, set, got, 8, 1), 1);
	assert_true(fa_wait_begin(&w, -1, (void *)8));
	assert_int_equal(waits_at(got, 8, -1, (void *)8), -EFAULT);
}

static void test_copies(void **state)
{
	uint64_t from = 5, to = 0;

	(void)state;
	assert_true(fa_wait_read(&to, &from, sizeof(to)));
	assert_int_equal(to, 5);
	assert_false(fa_wait_read(&to, NULL, sizeof(to)));
	assert_false(fa_wait_read(&to, (void *)-8, sizeof(to)));
	from = 6;
	fa_wait_write(&to, &from, sizeof(to));
	assert_int_equal(to, 6);
	fa_wait_write(NULL, &from, sizeof(from));
	fa_wait_write((void *)8, &from, sizeof(from));
}

/* ---- signals ---- */

static volatile sig_atomic_t handled;

static void on_signal(int number)
{
	(void)number;
	handled++;
}

/* One that the program lets in for the time of the wait. */
static void test_signal_that_the_mask_lets_in(void **state)
{
	struct sigaction act = { .sa_handler = on_signal };
	sigset_t block, old, none;

	(void)state;
	sigemptyset(&none);
	sigemptyset(&block);
	sigaddset(&block, SIGUSR1);
	held_for_good(EPOLLIN | EPOLLET);
	sigaction(SIGUSR1, &act, NULL);
	sigprocmask(SIG_BLOCK, &block, &old);
	handled = 0;
	raise(SIGUSR1);
	assert_int_equal(waits_at(got, 8, -1, &none), -EINTR);
	assert_int_equal(handled, 1);
	/* Without it nothing comes through. */
	raise(SIGUSR1);
	assert_int_equal(waits(1000000), 0);
	assert_int_equal(handled, 1);
	sigprocmask(SIG_SETMASK, &old, NULL);
	assert_int_equal(handled, 2);
	signal(SIGUSR1, SIG_DFL);
}

static int inner;

/* It waits itself, and takes what the interrupted wait was for. */
static long handler_waits(long a, long b, long c, long d, long e, long f)
{
	struct epoll_event ev;
	struct fa_wait of;

	(void)a, (void)b, (void)c, (void)d, (void)e, (void)f;
	fake_hook(SYS_ppoll, NULL);
	fa_watches[conn].since = unit_ago(FA_HOLD_NS + 1000000);
	t->turned = 0;
	inner = fa_wait_begin(&of, 0, NULL) ? 0 : fa_epoll_end(&of, set, &ev, 1, 0);
	return -EINTR;
}

static void test_wait_below_a_wait(void **state)
{
	(void)state;
	held_for_good(EPOLLIN | EPOLLET);
	fake_hook(SYS_ppoll, handler_waits);
	assert_int_equal(waits(-1), -EINTR);
	assert_int_equal(t->h.held, 0);
	/* It was pending no more when the handler looked, or the handler has got it. */
	if (!inner)
		gets(0, conn, EPOLLIN);
}

/* Below a handler that came while the runtime was busy: not ours to look at. */
static void test_wait_while_busy(void **state)
{
	(void)state;
	held_for_good(EPOLLIN | EPOLLET);
	assert_true(fa_busy(t));
	assert_true(fa_wait_begin(&w, -1, NULL));
	assert_null(w.t);
	assert_int_equal(fa_epoll_end(&w, set, got, 8, 3), 3);
	assert_int_equal(t->h.word, FA_T_BUSY);
	fa_ready(t);
}

int main(void)
{
	const struct CMUnitTest wait_tests[] = {
		EVENTS_TEST(test_nothing_pending),
		EVENTS_TEST(test_others_at_once),
		EVENTS_TEST(test_held_on_arrival),
		EVENTS_TEST(test_when_its_chain_ends),
		EVENTS_TEST(test_level_triggered),
		EVENTS_TEST(test_one_shot),
		EVENTS_TEST(test_late),
		EVENTS_TEST(test_late_and_level_triggered),
		EVENTS_TEST(test_threads_appear),
		EVENTS_TEST(test_ring_refused_meanwhile),
		EVENTS_TEST(test_in_line_meanwhile),
		EVENTS_TEST(test_eventfd_lost),
		EVENTS_TEST(test_time_is_over),
		EVENTS_TEST(test_no_time),
		EVENTS_TEST(test_time_left),
		EVENTS_TEST(test_bad_arguments),
		EVENTS_TEST(test_bad_time_or_mask),
		EVENTS_TEST(test_copies),
		EVENTS_TEST(test_signal_that_the_mask_lets_in),
		EVENTS_TEST(test_wait_below_a_wait),
		EVENTS_TEST(test_wait_while_busy),
	};

	return cmocka_run_group_tests_name("wait", wait_tests, NULL, NULL);
}
