/* SPDX-License-Identifier: MIT
 *
 * select() while something is held: its sets are overwritten by the call, so all
 * of it is done in a copy.
 */
#include "unit_events.h"

#include <sys/select.h>

static struct fa_wait w;
static fd_set in, out, except;
static int n;

/* select as the wrapper does it. False: the plain call is to be made. */
static bool selects_of(int count, fd_set *a, fd_set *b, fd_set *c, int64_t ns)
{
	bool done;

	fa_wait_begin(&w, ns, NULL);
	done = fa_select_wait(&w, count, a, b, c, &n);
	assert_int_equal(t->h.word, FA_T_READY);
	return done;
}

static int selects(int64_t ns)
{
	assert_true(selects_of(FD_SETSIZE, &in, &out, NULL, ns));
	return n;
}

static void asked(int fd_in, int fd_out)
{
	FD_ZERO(&in);
	FD_ZERO(&out);
	if (fd_in >= 0)
		FD_SET(fd_in, &in);
	if (fd_out >= 0)
		FD_SET(fd_out, &out);
}

/* What the sets are, and nothing else. */
static void answered(int count, int fd_in, int fd_out)
{
	fd_set got_in = in, got_out = out;

	assert_int_equal(n, count);
	asked(fd_in, fd_out);
	assert_memory_equal(&got_in, &in, sizeof(in));
	assert_memory_equal(&got_out, &out, sizeof(out));
}

static void held_for_good(void)
{
	learns();
	fake_ring.result[IORING_OP_STATX] = FAKE_PENDING;
	says(REQUEST);
	asked(conn, -1);
	selects(0);
	answered(0, -1, -1);
	assert_int_equal(t->h.held, 1);
	assert_true(fa_watches[conn].flags & FA_WATCH_POLLED);
}

static void test_nothing_pending(void **state)
{
	(void)state;
	asked(conn, peer);
	selects(-1);
	answered(1, -1, peer);
	says("x");
	asked(conn, peer);
	selects(-1);
	answered(2, conn, peer);
}

static void test_others_at_once(void **state)
{
	(void)state;
	held_for_good();
	asked(conn, peer);
	selects(-1);
	answered(1, -1, peer);
	/* Of the same descriptor what is not held. */
	asked(conn, conn);
	selects(-1);
	answered(1, -1, conn);
	fa_readiness_hold(t, conn, FA_HELD_OUT);
	asked(conn, conn);
	selects(5000000);
	answered(0, -1, -1);
	fa_readiness_release(t, conn, FA_HELD_IN);
	asked(conn, conn);
	selects(-1);
	answered(1, conn, -1);
}

static const struct io_uring_sqe *statx_sqe;

static long chain_goes_on(long a, long b, long c, long d, long e, long f)
{
	int wake = fa_own_fd(FA_OWN_WAKE);

	/* The wait itself, not the look before it. */
	if (statx_sqe && a > wake) {
		const unsigned long *bits = (void *)b;

		assert_int_equal(t->h.word, FA_T_READY);
		assert_int_equal(bits[conn / 64] >> conn % 64 & 1, 0);
		assert_int_equal(bits[wake / 64] >> wake % 64 & 1, 1);
		fake_ring_run(statx_sqe);
		statx_sqe = NULL;
	}
	return fake_kernel(SYS_pselect6, a, b, c, d, e, f);
}

static void test_when_its_chain_ends(void **state)
{
	(void)state;
	held_for_good();
	statx_sqe = fake_ring_nth(IORING_OP_STATX, 0);
	fake_hook(SYS_pselect6, chain_goes_on);
	asked(conn, -1);
	selects(-1);
	answered(1, conn, -1);
	assert_null(statx_sqe);
	assert_int_equal(t->h.n[FA_N_late], 0);
}

/* The program waits for nothing to read: the eventfd gets a set of its own. */
static void test_only_for_writing(void **state)
{
	(void)state;
	held_for_good();
	fa_readiness_hold(t, conn, FA_HELD_OUT);
	asked(-1, conn);
	assert_true(selects_of(conn + 1, NULL, &out, NULL, 3000000000));
	answered(1, -1, conn);
	assert_true(t->h.n[FA_N_late] > 0);
	/* It slept: no turns in vain. */
	assert_in_range(fake_calls(SYS_pselect6), 1, 12);
}

static void test_late(void **state)
{
	(void)state;
	held_for_good();
	asked(conn, -1);
	selects(-1);
	answered(1, conn, -1);
	assert_int_equal(t->h.n[FA_N_late], 1);
}

static void test_time_is_over(void **state)
{
	uint64_t start;

	(void)state;
	held_for_good();
	start = fa_sys_clock_ns();
	asked(conn, -1);
	selects(5000000);
	assert_true(fa_sys_clock_ns() - start >= 5000000);
	answered(0, -1, -1);
	assert_int_equal(fa_wait_left(&w), 0);
}

static void test_time_left(void **state)
{
	(void)state;
	held_for_good();
	asked(-1, peer);
	selects(10000000000);
	answered(1, -1, peer);
	assert_in_range(fa_wait_left(&w), 5000000000, 10000000000);
}

static void test_exceptional(void **state)
{
	(void)state;
	held_for_good();
	assert_int_equal(send(peer, "!", 1, MSG_OOB), 1);
	unit_sleep_ms(5);
	asked(conn, -1);
	FD_ZERO(&except);
	FD_SET(conn, &except);
	assert_true(selects_of(conn + 1, &in, &out, &except, -1));
	assert_true(FD_ISSET(conn, &except));
	assert_false(FD_ISSET(conn, &in));
	answered(1, -1, -1);
}

/* The kernel looks at whole words, and so much is written. */
static void test_no_more_than_asked(void **state)
{
	unsigned long set_in[4] = { 0, 0, 0, 0x77 }, before[4];
	int words = conn / 64 + 1;

	(void)state;
	held_for_good();
	assert_in_range(words, 1, 3);
	set_in[words] = 0x55;
	set_in[conn / 64] |= 1UL << conn % 64;
	memcpy(before, set_in, sizeof(before));
	assert_true(selects_of(conn + 1, (fd_set *)set_in, NULL, NULL, 5000000));
	assert_int_equal(n, 0);
	assert_int_equal(set_in[conn / 64], 0);
	before[conn / 64] = 0;
	assert_memory_equal(set_in, before, sizeof(before));
}

static void test_registered_elsewhere(void **state)
{
	(void)state;
	adds(conn, EPOLLIN);
	says("x");
	fa_readiness_hold(t, conn, FA_HELD_IN);
	asked(conn, -1);
	selects(-1);
	answered(1, conn, -1);
}

/* The plain call answers what the kernel would refuse, before anything is done. */
static void test_bad_arguments(void **state)
{
	(void)state;
	held_for_good();
	asked(conn, -1);
	assert_false(selects_of(-1, &in, NULL, NULL, -1));
	assert_false(selects_of(FA_FDS + 1, &in, NULL, NULL, -1));
	assert_false(selects_of(conn + 1, (fd_set *)8, NULL, NULL, -1));
	assert_false(selects_of(conn + 1, &in, (fd_set *)-8, NULL, -1));
	assert_false(selects_of(conn + 1, &in, &out, (fd_set *)8, -1));
	assert_true(FD_ISSET(conn, &in));
	/* A bad time. */
	assert_false(selects_of(conn + 1, &in, NULL, NULL, FA_WAIT_BAD));
	/* No set is looked at. */
	assert_true(selects_of(0, (fd_set *)8, NULL, NULL, 1000000));
	assert_int_equal(n, 0);
	assert_int_equal(t->h.held, 1);
}

/* An error leaves the sets as they were. */
static void test_closed_number(void **state)
{
	(void)state;
	held_for_good();
	asked(1000, peer);
	assert_true(selects_of(FD_SETSIZE, &in, &out, NULL, -1));
	answered(-EBADF, 1000, peer);
}

static void test_only_read_while_busy(void **state)
{
	(void)state;
	held_for_good();
	asked(conn, -1);
	fa_wait_begin(&w, -1, NULL);
	assert_true(fa_busy(t));
	assert_false(fa_select_wait(&w, FD_SETSIZE, &in, NULL, NULL, &n));
	fa_ready(t);
	assert_true(FD_ISSET(conn, &in));
}

static long interrupted(long a, long b, long c, long d, long e, long f)
{
	return a > fa_own_fd(FA_OWN_WAKE) ? -EINTR
					  : fake_kernel(SYS_pselect6, a, b, c, d, e, f);
}

static void test_signal(void **state)
{
	(void)state;
	held_for_good();
	fake_hook(SYS_pselect6, interrupted);
	asked(conn, -1);
	selects(-1);
	answered(-EINTR, conn, -1);
}

/* Closed by its number where nobody saw it: no error of the program's. */
static void test_eventfd_closed_behind_our_back(void **state)
{
	(void)state;
	held_for_good();
	close(fa_own_fd(FA_OWN_WAKE));
	asked(conn, -1);
	selects(2000000000);
	answered(1, conn, -1);
}

int main(void)
{
	const struct CMUnitTest select_tests[] = {
		EVENTS_TEST(test_nothing_pending),
		EVENTS_TEST(test_others_at_once),
		EVENTS_TEST(test_when_its_chain_ends),
		EVENTS_TEST(test_only_for_writing),
		EVENTS_TEST(test_late),
		EVENTS_TEST(test_time_is_over),
		EVENTS_TEST(test_time_left),
		EVENTS_TEST(test_exceptional),
		EVENTS_TEST(test_no_more_than_asked),
		EVENTS_TEST(test_registered_elsewhere),
		EVENTS_TEST(test_bad_arguments),
		EVENTS_TEST(test_closed_number),
		EVENTS_TEST(test_only_read_while_busy),
		EVENTS_TEST(test_signal),
		EVENTS_TEST(test_eventfd_closed_behind_our_back),
	};

	return cmocka_run_group_tests_name("select", select_tests, NULL, NULL);
}
