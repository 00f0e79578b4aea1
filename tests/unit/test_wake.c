/* SPDX-License-Identifier: MIT
 *
 * What wakes a wait: the ring's eventfd, which the program must not meet, and the
 * limits of a wait while something is held. And when nothing may be held at all.
 */
#include "unit_events.h"

static int eventfd_number(void)
{
	return fa_own_fd(FA_OWN_WAKE);
}

static void test_able(void **state)
{
	int lowest = unit_lowest_fd();

	(void)state;
	assert_int_equal(eventfd_number(), -1);
	assert_true(fa_readiness_able(t));
	assert_true(eventfd_number() > 1000);
	assert_int_equal(fake_ring.eventfd, eventfd_number());
	assert_int_equal(fcntl(eventfd_number(), F_GETFD), FD_CLOEXEC);
	assert_true(fcntl(eventfd_number(), F_GETFL) & O_NONBLOCK);
	assert_int_equal(unit_lowest_fd(), lowest);
	assert_int_equal(fa_own_guard(eventfd_number()), EBADF);
	/* Asked again, there is nothing to do. */
	assert_true(fa_readiness_able(t));
	assert_int_equal(fake_calls(SYS_eventfd2), 1);
}

/* The same eventfd for the next ring. */
static void test_next_ring(void **state)
{
	int number;

	(void)state;
	assert_true(fa_readiness_able(t));
	number = eventfd_number();
	fa_thread_drop(t);
	fake_ring.eventfd = -1;
	assert_true(fa_readiness_able(t));
	assert_int_equal(fake_ring.eventfd, number);
	assert_int_equal(fake_calls(SYS_eventfd2), 1);
}

static void not_able(void)
{
	assert_false(fa_readiness_able(t));
	assert_int_equal(fake_ring.eventfd, -1);
	/* So no connection is looked at either. */
	says(REQUEST);
	assert_int_equal(fa_readiness_filter(t, conn, EPOLLIN), EPOLLIN);
	assert_int_equal(t->h.n[FA_N_peeks], 0);
	assert_int_equal(t->h.held, 0);
}

static void test_no_eventfd(void **state)
{
	(void)state;
	fake_fail(SYS_eventfd2, -EMFILE);
	not_able();
	assert_true(t->fallback[FA_F_no_wake] > 0);
	assert_int_equal(eventfd_number(), -1);
	/* Later there may be one. */
	fake_fail(SYS_eventfd2, 0);
	assert_true(fa_readiness_able(t));
}

static void test_no_high_number(void **state)
{
	int lowest = unit_lowest_fd();

	(void)state;
	assert_int_equal(fa_ring_need(t), 0); /* it asks for a limit, too */
	fake_fail(SYS_prlimit64, -EPERM);
	not_able();
	assert_true(t->fallback[FA_F_no_wake] > 0);
	assert_int_equal(unit_lowest_fd(), lowest);
}

static void test_ring_takes_no_eventfd(void **state)
{
	(void)state;
	fake_ring.registers[IORING_REGISTER_EVENTFD] = -EBUSY;
	assert_false(fa_readiness_able(t));
	assert_true(t->fallback[FA_F_no_wake] > 0);
	assert_false(t->ring.wakes);
}

static void test_no_ring(void **state)
{
	(void)state;
	fake_fail(SYS_io_uring_setup, -EPERM);
	not_able();
	assert_int_equal(fake_calls(SYS_eventfd2), 0);
}

static void test_only_in_auto(void **state)
{
	(void)state;
	fa_options.mode = FA_MODE_OBSERVE;
	not_able();
	assert_false(fake_ring.made);
}

static void test_not_once_in_line(void **state)
{
	(void)state;
	fa_process->in_line = true;
	not_able();
}

static struct fa_thread other_thread;

static void test_not_with_threads(void **state)
{
	(void)state;
	memset(&other_thread, 0, sizeof(other_thread));
	other_thread.next = fa_process->threads;
	fa_process->threads = &other_thread;
	not_able();
}

static bool child_lets_go(void)
{
	int inherited = eventfd_number();

	CHECK(inherited >= 0 && fcntl(inherited, F_GETFD) >= 0);
	CHECK(fa_enter());
	CHECK(eventfd_number() == -1);
	CHECK(fcntl(inherited, F_GETFD) < 0);
	CHECK(fa_own_guard(inherited) == 0);
	/* Its own when it needs one. */
	t = fa_thread_of(fa_self);
	fake_ring_use();
	CHECK(fa_readiness_able(t));
	CHECK(eventfd_number() >= 0);
	return true;
}

static void test_child_has_its_own(void **state)
{
	(void)state;
	assert_true(fa_readiness_able(t));
	assert_true(unit_child(child_lets_go));
	assert_true(fcntl(eventfd_number(), F_GETFD) >= 0);
}

static void test_dropped_twice(void **state)
{
	unsigned closed;
	int number;

	(void)state;
	assert_true(fa_readiness_able(t));
	number = eventfd_number();
	fa_own_drop(FA_OWN_WAKE);
	closed = fake_calls(SYS_close);
	assert_int_equal(fcntl(number, F_GETFD), -1);
	assert_int_equal(fa_own_guard(number), 0);
	assert_true(fa_own_lowest > number);
	fa_own_drop(FA_OWN_WAKE);
	assert_int_equal(fake_calls(SYS_close), closed);
}

/* dup2() to its number: it goes elsewhere, and still wakes. */
static void test_makes_room(void **state)
{
	struct pollfd p[2] = { { .fd = -1 } };
	int number;

	(void)state;
	assert_true(fa_readiness_able(t));
	number = eventfd_number();
	fa_own_yield(number);
	assert_int_not_equal(eventfd_number(), number);
	assert_int_equal(fcntl(number, F_GETFD), -1);
	/* The ring has the eventfd, not the number. */
	fake_ring.eventfd = eventfd_number();
	fa_readiness_hold(t, conn, FA_HELD_IN);
	fake_ring_complete(FA_TAG_OTHER, 0);
	fa_ring_reap(t);
	assert_true(fa_busy(t));
	assert_int_equal(fa_readiness_wait(t, p, 1, 5000000000, NULL), 0);
	assert_int_equal(p[1].revents, POLLIN);
	fa_ready(t);
}

/* ---- limits ---- */

static void test_nothing_pending(void **state)
{
	int64_t left = -1;

	(void)state;
	assert_true(fa_readiness_able(t));
	assert_false(fa_readiness_pending(t));
	assert_int_equal(fa_readiness_limit(t, &left), -1);
	assert_int_equal(left, -1);
	left = 7;
	fa_readiness_limit(t, &left);
	assert_int_equal(left, 7);
}

/* The oldest of what is held says when to look again. */
static void test_limit_while_held(void **state)
{
	int64_t left = -1;

	(void)state;
	assert_true(fa_readiness_able(t));
	fa_readiness_hold(t, conn, FA_HELD_IN);
	fa_readiness_hold(t, peer, FA_HELD_IN);
	assert_int_equal(fa_readiness_limit(t, &left), eventfd_number());
	assert_in_range(left, 1, FA_HOLD_NS + 5000000);
	fa_watches[peer].since = unit_ago(60000000);
	fa_readiness_limit(t, &left);
	assert_in_range(left, 1, FA_HOLD_NS - 50000000);
	/* Long over: soon, but not at once again and again. */
	fa_watches[conn].since = unit_ago(5000000000);
	left = -1;
	fa_readiness_limit(t, &left);
	assert_in_range(left, 1000000, 10000000);
	/* The program wants to wait less. */
	left = 1000;
	assert_int_equal(fa_readiness_limit(t, &left), eventfd_number());
	assert_int_equal(left, 1000);
}

static void test_limit_while_a_chain_runs(void **state)
{
	int64_t left = -1;

	(void)state;
	assert_true(fa_readiness_able(t));
	chain_begin(O_RDONLY, 0);
	assert_true(fa_readiness_pending(t));
	assert_int_equal(fa_readiness_limit(t, &left), eventfd_number());
	assert_in_range(left, FA_CHAIN_LIFE, FA_CHAIN_LIFE + 5000000);
}

/* There is no number for it any more: what is held ends by the clock alone. */
static void test_eventfd_lost(void **state)
{
	int64_t left = -1;

	(void)state;
	assert_true(fa_readiness_able(t));
	fa_own_drop(FA_OWN_WAKE);
	fa_readiness_hold(t, conn, FA_HELD_IN);
	assert_int_equal(fa_readiness_limit(t, &left), -1);
	assert_in_range(left, 1, FA_HOLD_NS + 5000000);
}

/* ---- the wait ---- */

static void test_woken_by_a_completion(void **state)
{
	struct pollfd p[2] = { { .fd = -1 } };
	uint64_t count;

	(void)state;
	assert_true(fa_readiness_able(t));
	fa_readiness_hold(t, conn, FA_HELD_IN);
	assert_int_equal(fa_ring_need(t), 0);
	fake_ring.result[IORING_OP_NOP] = FAKE_PENDING;
	fa_ring_entry(t)->user_data = FA_TAG_OTHER;
	fa_ring_submit(t);
	/* Work that is there is not waited for: its eventfd may have been read. */
	fake_ring_complete(FA_TAG_OTHER, 0);
	assert_true(fa_busy(t));
	assert_int_equal(fa_readiness_wait(t, p, 1, -1, NULL), 0);
	assert_int_equal(fake_calls(SYS_ppoll), 0);
	fa_ring_reap(t);
	assert_int_equal(fa_readiness_wait(t, p, 1, -1, NULL), 0);
	assert_int_equal(fake_calls(SYS_ppoll), 1);
	assert_int_equal(p[1].revents, POLLIN);
	assert_int_equal(t->h.word, FA_T_BUSY);
	/* It has been read, or the next wait would end at once. */
	assert_int_equal(read(eventfd_number(), &count, sizeof(count)), -1);
	fa_ready(t);
}

static long handler_comes(long a, long b, long c, long d, long e, long f)
{
	(void)a, (void)b, (void)c, (void)d, (void)e, (void)f;
	assert_int_equal(t->h.word, FA_T_READY); /* it may use the library */
	fa_forget_watch(conn);
	return -EINTR;
}

static void test_handler_while_waiting(void **state)
{
	struct pollfd p[2] = { { .fd = set, .events = POLLIN } };

	(void)state;
	assert_true(fa_readiness_able(t));
	adds(conn, EPOLLIN);
	fa_readiness_hold(t, conn, FA_HELD_IN);
	fake_hook(SYS_ppoll, handler_comes);
	assert_true(fa_busy(t));
	assert_int_equal(fa_readiness_wait(t, p, 1, -1, NULL), -EINTR);
	assert_int_equal(t->h.word, FA_T_BUSY);
	assert_int_equal(t->h.held, 0);
	fa_ready(t);
}

static long switched_off(long a, long b, long c, long d, long e, long f)
{
	(void)a, (void)b, (void)c, (void)d, (void)e, (void)f;
	t->h.word = FA_T_OFF;
	return 1;
}

static void test_switched_off_while_waiting(void **state)
{
	struct pollfd p[2] = { { .fd = set, .events = POLLIN } };

	(void)state;
	assert_true(fa_readiness_able(t));
	fa_readiness_hold(t, conn, FA_HELD_IN);
	fake_hook(SYS_ppoll, switched_off);
	assert_true(fa_busy(t));
	assert_int_equal(fa_readiness_wait(t, p, 1, -1, NULL), -EINTR);
	assert_int_equal(t->h.word, FA_T_OFF);
}

int main(void)
{
	const struct CMUnitTest wake_tests[] = {
		EVENTS_TEST(test_able),
		EVENTS_TEST(test_next_ring),
		EVENTS_TEST(test_no_eventfd),
		EVENTS_TEST(test_no_high_number),
		EVENTS_TEST(test_ring_takes_no_eventfd),
		EVENTS_TEST(test_no_ring),
		EVENTS_TEST(test_only_in_auto),
		EVENTS_TEST(test_not_once_in_line),
		EVENTS_TEST(test_not_with_threads),
		EVENTS_TEST(test_child_has_its_own),
		EVENTS_TEST(test_dropped_twice),
		EVENTS_TEST(test_makes_room),
		EVENTS_TEST(test_nothing_pending),
		EVENTS_TEST(test_limit_while_held),
		EVENTS_TEST(test_limit_while_a_chain_runs),
		EVENTS_TEST(test_eventfd_lost),
		EVENTS_TEST(test_woken_by_a_completion),
		EVENTS_TEST(test_handler_while_waiting),
		EVENTS_TEST(test_switched_off_while_waiting),
	};

	return cmocka_run_group_tests_name("wake", wake_tests, NULL, NULL);
}
