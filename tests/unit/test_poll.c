/* SPDX-License-Identifier: MIT
 *
 * poll() while something is held: masked in a copy, the program's array only
 * written as the kernel would.
 */
#include "unit_events.h"

#include <poll.h>

static struct fa_wait w;
static struct pollfd many[200];

/* ppoll as the wrapper does it: a count, or a negative errno. */
static int polls(struct pollfd *fds, unsigned long count, int64_t ns)
{
	struct __kernel_timespec ts = { ns / 1000000000, ns % 1000000000 };
	int n = 0;

	if (fa_wait_begin(&w, ns, NULL)) {
		n = (int)fake_kernel(SYS_ppoll, (long)fds, (long)count,
				     ns < 0 ? 0 : (long)&ts, 0, 8, 0);
		if (n <= 0)
			return n;
	}
	n = fa_poll_end(&w, fds, count, n);
	assert_int_equal(t->h.word, FA_T_READY);
	return n;
}

/* The program polls the connection, and its event is held for good. */
static void held_for_good(void)
{
	struct pollfd p = { .fd = conn, .events = POLLIN };

	learns();
	fake_ring.result[IORING_OP_STATX] = FAKE_PENDING;
	says(REQUEST);
	p.revents = -1;
	assert_int_equal(polls(&p, 1, 0), 0);
	assert_int_equal(p.revents, 0);
	assert_int_equal(p.events, POLLIN);
	assert_int_equal(t->h.held, 1);
	assert_true(fa_watches[conn].flags & FA_WATCH_POLLED);
}

static void test_nothing_pending(void **state)
{
	struct pollfd p[2] = { { .fd = conn, .events = POLLIN },
			       { .fd = peer, .events = POLLOUT } };

	(void)state;
	assert_int_equal(polls(p, 2, -1), 1);
	assert_int_equal(p[0].revents, 0);
	assert_int_equal(p[1].revents, POLLOUT);
	says("x");
	assert_int_equal(polls(p, 2, -1), 2);
	assert_int_equal(p[0].revents, POLLIN);
	assert_int_equal(fake_calls(SYS_ppoll), 0);
}

static void test_others_at_once(void **state)
{
	struct pollfd p[3] = { { .fd = conn, .events = POLLIN },
			       { .fd = -5, .events = POLLIN, .revents = -1 },
			       { .fd = peer, .events = POLLIN | POLLOUT } };

	(void)state;
	held_for_good();
	assert_int_equal(polls(p, 3, -1), 1);
	assert_int_equal(p[0].revents, 0);
	assert_int_equal(p[0].events, POLLIN);
	assert_int_equal(p[1].revents, 0);
	assert_int_equal(p[2].revents, POLLOUT);
	not_rearmed();
}

/* Of the same descriptor, what is not held. */
static void test_other_bits_at_once(void **state)
{
	struct pollfd p = { .fd = conn, .events = POLLIN | POLLOUT | POLLRDHUP };

	(void)state;
	held_for_good();
	assert_int_equal(polls(&p, 1, -1), 1);
	assert_int_equal(p.revents, POLLOUT);
	fa_readiness_hold(t, conn, FA_HELD_OUT);
	assert_int_equal(polls(&p, 1, 5000000), 0);
	fa_readiness_release(t, conn, FA_HELD_IN);
	assert_int_equal(polls(&p, 1, -1), 1);
	assert_int_equal(p.revents, POLLIN);
}

static const struct io_uring_sqe *statx_sqe;

static long chain_goes_on(long a, long b, long c, long d, long e, long f)
{
	const struct pollfd *p = (void *)a;

	/* The wait itself, not the look before it. */
	if (statx_sqe && p[b - 1].fd == fa_own_fd(FA_OWN_WAKE)) {
		assert_int_equal(p[0].events, 0);
		fake_ring_run(statx_sqe);
		statx_sqe = NULL;
	}
	return fake_kernel(SYS_ppoll, a, b, c, d, e, f);
}

static void test_when_its_chain_ends(void **state)
{
	struct pollfd p = { .fd = conn, .events = POLLIN };

	(void)state;
	held_for_good();
	statx_sqe = fake_ring_nth(IORING_OP_STATX, 0);
	fake_hook(SYS_ppoll, chain_goes_on);
	assert_int_equal(polls(&p, 1, -1), 1);
	assert_int_equal(p.revents, POLLIN);
	assert_null(statx_sqe);
	assert_int_equal(t->h.n[FA_N_late], 0);
	assert_false(fa_watches[conn].flags & FA_WATCH_PASS);
	assert_true(fa_watches[conn].flags & FA_WATCH_TOLD);
}

static void test_late(void **state)
{
	struct pollfd p = { .fd = conn, .events = POLLIN };

	(void)state;
	held_for_good();
	assert_int_equal(polls(&p, 1, -1), 1);
	assert_int_equal(p.revents, POLLIN);
	assert_int_equal(t->h.n[FA_N_late], 1);
}

static void test_time_is_over(void **state)
{
	struct pollfd p = { .fd = conn, .events = POLLIN, .revents = -1 };
	uint64_t start, took;

	(void)state;
	held_for_good();
	start = fa_sys_clock_ns();
	assert_int_equal(polls(&p, 1, 5000000), 0);
	took = fa_sys_clock_ns() - start;
	assert_true(took >= 5000000);
	assert_int_equal(p.revents, 0);
}

static void test_hung_up_while_held(void **state)
{
	struct linger now = { 1, 0 };
	struct pollfd p = { .fd = conn, .events = POLLIN };

	(void)state;
	held_for_good();
	setsockopt(peer, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(peer);
	assert_int_equal(polls(&p, 1, 5000000000), 1);
	assert_int_equal(p.revents & (POLLIN | POLLHUP), POLLIN | POLLHUP);
	assert_int_equal(t->h.held, 0);
	assert_int_equal(t->h.n[FA_N_late], 0);
}

/* Its events are the set's; the array is the kernel's word. */
static void test_registered_elsewhere(void **state)
{
	struct pollfd p = { .fd = conn, .events = POLLIN };

	(void)state;
	adds(conn, EPOLLIN);
	learns();
	says(REQUEST);
	fa_readiness_hold(t, conn, FA_HELD_IN);
	assert_int_equal(polls(&p, 1, -1), 1);
	assert_int_equal(p.revents, POLLIN);
	assert_false(fa_watches[conn].flags & FA_WATCH_POLLED);
}

static void test_closed_number(void **state)
{
	struct pollfd p[2] = { { .fd = conn, .events = POLLIN },
			       { .fd = 9999, .events = POLLIN } };

	(void)state;
	held_for_good();
	assert_int_equal(polls(p, 2, -1), 1);
	assert_int_equal(p[0].revents, 0);
	assert_int_equal(p[1].revents, POLLNVAL);
	p[1].fd = INT32_MAX;
	assert_int_equal(polls(p, 2, -1), 1);
	assert_int_equal(p[1].revents, POLLNVAL);
}

static void test_bad_arguments(void **state)
{
	void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	held_for_good();
	assert_int_equal(polls(NULL, 1, -1), -EFAULT);
	assert_int_equal(polls((void *)8, 1, 0), -EFAULT);
	assert_int_equal(polls(page, 1, 0), -EFAULT); /* cannot be written */
	assert_int_equal(polls(many, 1UL << 20, -1), -EINVAL);
	assert_int_equal(polls(NULL, 0, 1000000), 0);
	assert_int_equal(t->h.held, 1);
	munmap(page, 4096);
}

/* ---- more than the stack has room for ---- */

static void fill(unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		many[i] = (struct pollfd){ .fd = -1, .events = POLLIN };
	many[n - 1].fd = conn;
	/* As if the kernel had not written it: it must. */
	many[n - 1].revents = -1;
}

static void just_so_many(unsigned n)
{
	fill(n);
	assert_int_equal(polls(many, n, 5000000), 0);
	assert_int_equal(many[n - 1].revents, 0);
	assert_int_equal(many[n - 1].events, POLLIN);
}

static void test_many(void **state)
{
	(void)state;
	held_for_good();
	just_so_many(64);
	assert_int_equal(fake_calls(SYS_munmap), 0);
	just_so_many(65);
	assert_int_equal(fake_calls(SYS_munmap), 1);
	just_so_many(200);
	assert_int_equal(fake_calls(SYS_munmap), 2);
	/* Late, and so in the array. */
	assert_int_equal(polls(many, 200, -1), 1);
	assert_int_equal(many[199].revents, POLLIN);
}

/* What cannot be masked is not held, and no time-out comes early. */
static void test_no_memory_for_many(void **state)
{
	(void)state;
	held_for_good();
	fill(100);
	fake_fail(SYS_mmap, -ENOMEM);
	assert_int_equal(polls(many, 100, 1000000000), 1);
	assert_int_equal(many[99].revents, POLLIN);
	assert_int_equal(t->h.held, 0);
	assert_int_equal(t->fallback[FA_F_no_memory], 1);
}

static void test_no_memory_and_nothing_held(void **state)
{
	uint64_t start = fa_sys_clock_ns();

	(void)state;
	assert_true(fa_readiness_able(t));
	chain_begin(O_RDONLY, 0);
	fill(100);
	fake_fail(SYS_mmap, -ENOMEM);
	assert_int_equal(polls(many, 100, 5000000), 0);
	assert_true(fa_sys_clock_ns() - start >= 5000000);
}

int main(void)
{
	const struct CMUnitTest poll_tests[] = {
		EVENTS_TEST(test_nothing_pending),
		EVENTS_TEST(test_others_at_once),
		EVENTS_TEST(test_other_bits_at_once),
		EVENTS_TEST(test_when_its_chain_ends),
		EVENTS_TEST(test_late),
		EVENTS_TEST(test_time_is_over),
		EVENTS_TEST(test_hung_up_while_held),
		EVENTS_TEST(test_registered_elsewhere),
		EVENTS_TEST(test_closed_number),
		EVENTS_TEST(test_bad_arguments),
		EVENTS_TEST(test_many),
		EVENTS_TEST(test_no_memory_for_many),
		EVENTS_TEST(test_no_memory_and_nothing_held),
	};

	return cmocka_run_group_tests_name("poll", poll_tests, NULL, NULL);
}
