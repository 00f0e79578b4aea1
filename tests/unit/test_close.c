/* SPDX-License-Identifier: MIT
 *
 * Closes that run behind the program, names that go only after them, and the
 * worker that is made before none can be made.
 */
#include "unit_chain.h"

#include <sys/resource.h>

static bool fast;

static void test_number_is_free(void **state)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);

	(void)state;
	REAL_RING();
	assert_true(fa_close_behind(t, fd, &fast));
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(unit_lowest_fd(), fd);
	fa_drain();
	assert_true(fa_ring_idle(t));
}

static void test_many_closes(void **state)
{
	int first = unit_lowest_fd();

	(void)state;
	REAL_RING();
	for (int i = 0; i < 300; i++) {
		int fd = open(file, O_RDONLY | O_CLOEXEC);

		assert_int_equal(fd, first);
		if (!fa_close_behind(t, fd, &fast))
			close(fd);
	}
	fa_drain();
	assert_true(fa_ring_idle(t));
	assert_int_equal(t->closing, 0);
	assert_int_equal(t->fallback[FA_F_timeout], 0);
}

static void test_on_a_worker(void **state)
{
	const struct io_uring_sqe *sqe = NULL;
	int fd = open(file, O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_true(fa_close_behind(t, fd, &fast));
	assert_true(fast);
	assert_int_equal(fake_ring_took(IORING_OP_CLOSE, &sqe), 1);
	assert_true(sqe->flags & IOSQE_ASYNC);
	assert_int_equal(sqe->fd, fd);
	assert_int_equal(t->h.n[FA_N_created], 1);
	assert_int_equal(t->h.n[FA_N_settled], 1);
}

/* Nothing but this time passes: half a millisecond, two thousand times. */
static bool stuck_close(int fd, int cancelled)
{
	bool closed;

	fake_hook(SYS_clock_nanosleep, fake_no_time);
	fake_ring.result[IORING_OP_CLOSE] = FAKE_PENDING;
	fake_ring.registers[IORING_REGISTER_SYNC_CANCEL] = cancelled;
	closed = fa_close_behind(t, fd, &fast);
	assert_in_range(fake_calls(SYS_clock_nanosleep), 1000, 3000);
	return closed;
}

static void test_no_worker_takes_it(void **state)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_false(stuck_close(fd, 0));
	assert_int_equal(t->fallback[FA_F_timeout], 1);
	assert_int_equal(t->h.n[FA_N_settled], 0);
	assert_int_equal(close(fd), 0); /* the program's own, which it now does */
}

/* It has begun, or cannot be found: closing again could hit another file. */
static void test_too_late_to_cancel(void **state)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_true(stuck_close(fd, -EALREADY));
	assert_false(fast);
	close(fd);
}

static void test_done_before_the_cancel(void **state)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);

	(void)state;
	assert_true(stuck_close(fd, -ENOENT));
	close(fd);
}

static void test_close_not_taken(void **state)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);

	(void)state;
	fa_ring_need(t);
	fake_ring.take = -EAGAIN;
	assert_false(fa_close_behind(t, fd, &fast));
	assert_int_equal(t->fallback[FA_F_refused], 1);
	assert_int_equal(t->closing, 0);
	assert_int_equal(close(fd), 0);
}

static void test_close_without_ring(void **state)
{
	(void)state;
	fake_fail(SYS_io_uring_setup, -EPERM);
	assert_false(fa_close_behind(t, 600, &fast));
	assert_int_equal(fake_ring.logged, 0);
}

static void test_close_with_full_ring(void **state)
{
	(void)state;
	fake_hook(SYS_clock_nanosleep, fake_no_time);
	fake_ring.result[IORING_OP_CLOSE] = FAKE_PENDING;
	fake_ring.registers[IORING_REGISTER_SYNC_CANCEL] = -EALREADY;
	for (unsigned i = 0; i < FA_RING_FLIGHT; i++)
		assert_true(fa_close_behind(t, 700, &fast)); /* not open: free at once */
	assert_false(fa_close_behind(t, 700, &fast));
	assert_int_equal(t->fallback[FA_F_ring_full], 1);
}

static const struct io_uring_sqe *pending;

static long ends_meanwhile(long a, long b, long c, long d, long e, long f)
{
	(void)a, (void)b, (void)c, (void)d, (void)e, (void)f;
	if (pending)
		fake_ring_complete(pending->user_data, 0);
	pending = NULL;
	return 0;
}

static void test_drain_waits_for_closes(void **state)
{
	(void)state;
	fake_hook(SYS_clock_nanosleep, ends_meanwhile);
	fake_ring.result[IORING_OP_CLOSE] = FAKE_PENDING;
	assert_true(fa_close_behind(t, 700, &fast));
	assert_false(fast);
	fake_ring_took(IORING_OP_CLOSE, &pending);
	fa_drain();
	assert_null(pending);
	assert_true(fa_ring_idle(t));
}

/* unlink: an open file would be kept under another name by NFS and FUSE. */
static void test_drain_closes_what_is_open_ahead(void **state)
{
	(void)state;
	chain_begin(O_RDONLY, 0);
	assert_true(fake_ring.slot[0] >= 0);
	fa_drain();
	assert_int_equal(fake_ring.slot[0], -1);
	assert_int_equal(t->h.chains, 0);
	assert_int_equal(chain_adopt(O_RDONLY), -1);
}

static void test_drain_while_the_window_starts(void **state)
{
	(void)state;
	fake_ring.result[IORING_OP_FADVISE] = FAKE_PENDING;
	fake_hook(SYS_clock_nanosleep, ends_meanwhile);
	chain_begin(O_RDONLY, FA_WINDOW_STEP);
	fake_ring_took(IORING_OP_FADVISE, &pending);
	fa_drain();
	assert_int_equal(fake_ring.slot[0], -1);
}

/* Opens that never end: a second for all of them, not for each. */
static void test_drain_has_one_limit(void **state)
{
	(void)state;
	fake_hook(SYS_clock_nanosleep, fake_no_time);
	fake_ring.result[IORING_OP_OPENAT] = FAKE_PENDING;
	chain_begin(O_RDONLY, 0);
	chain_begin(O_RDONLY | O_CLOEXEC, 0);
	chain_begin(O_RDONLY | O_NONBLOCK, 0);
	fa_drain();
	assert_in_range(fake_ring.timed_out_ns, 0, 1000000000);
	assert_in_range(fake_calls(SYS_clock_nanosleep), 0, 20010);
}

/* Chains of other threads cannot be closed from here: there are to be none. */
static void test_no_chains_once_names_go(void **state)
{
	static struct fa_thread other;

	(void)state;
	fa_drain();
	chain_begin(O_RDONLY, 0);
	assert_int_equal(t->h.chains, 1); /* alone: this one is within reach */
	other.next = fa_process->threads;
	fa_process->threads = &other;
	fa_drain();
	chain_begin(O_RDONLY, 0);
	assert_int_equal(t->h.chains, 0);
	assert_int_equal(fake_ring_took(IORING_OP_OPENAT, NULL), 1);
	assert_false(fa_close_behind(t, 700, &fast));
}

static struct fa_thread other_thread;

static long other_closes(long a, long b, long c, long d, long e, long f)
{
	(void)a, (void)b, (void)c, (void)d, (void)e, (void)f;
	other_thread.closing = 0;
	return 0;
}

static void test_drain_waits_for_other_threads(void **state)
{
	(void)state;
	fake_hook(SYS_clock_nanosleep, other_closes);
	other_thread.next = fa_process->threads;
	fa_process->threads = &other_thread;
	other_thread.closed = fa_cycles();
	other_thread.closing = 1;
	fa_drain();
	assert_int_equal(other_thread.closing, 0);
	/* Long ago: its owner has not looked since, but it has ended. */
	fake_reset();
	other_thread.closed = unit_ago(200000000);
	other_thread.closing = 1;
	fa_drain();
	assert_int_equal(fake_calls(SYS_clock_nanosleep), 0);
}

static bool no_chain_in_the_child(void)
{
	struct fa_identity id;

	CHECK(fa_enter());
	CHECK(!fa_thread_of(fa_self)->h.chains);
	CHECK(unit_adopt(fa_thread_of(fa_self), AT_FDCWD, file, O_RDONLY, &id) == -1);
	fa_drain();
	return true;
}

static void test_fork(void **state)
{
	int fd;

	(void)state;
	REAL_RING();
	chain_begin(O_RDONLY, 0);
	assert_true(unit_child(no_chain_in_the_child));
	fd = chain_adopt(O_RDONLY);
	assert_true(fd >= 0);
	close(fd);
}

static void test_prespawn(void **state)
{
	const struct io_uring_sqe *sqe = NULL;

	(void)state;
	fa_nproc_falls();
	assert_false(fake_ring.made); /* not asked for */
	fa_options.prespawn = true;
	fa_options.mode = FA_MODE_OBSERVE;
	fa_nproc_falls();
	assert_false(fake_ring.made);
	fa_options.mode = FA_MODE_AUTO;
	fa_nproc_falls();
	assert_int_equal(fake_ring_took(IORING_OP_NOP, &sqe), 1);
	assert_true(sqe->flags & IOSQE_ASYNC);
}

static void test_prespawn_waits_with_a_limit(void **state)
{
	(void)state;
	fa_options.prespawn = true;
	fake_ring.result[IORING_OP_NOP] = FAKE_PENDING;
	fa_nproc_falls();
	assert_int_equal(fake_ring.waits, 1);
	assert_in_range(fake_ring.wait_ns, 1, 1000000000);
	assert_int_equal(t->h.word, FA_T_READY);
}

static void test_prespawn_refused(void **state)
{
	(void)state;
	fa_options.prespawn = true;
	fake_fail(SYS_io_uring_setup, -EPERM);
	fa_nproc_falls();
	assert_int_equal(t->fallback[FA_F_no_ring], 1);
	assert_int_equal(t->h.word, FA_T_READY);
}

int main(void)
{
	const struct CMUnitTest close_tests[] = {
		REAL_TEST(test_number_is_free),
		REAL_TEST(test_many_closes),
		FAKE_TEST(test_on_a_worker),
		FAKE_TEST(test_no_worker_takes_it),
		FAKE_TEST(test_too_late_to_cancel),
		FAKE_TEST(test_done_before_the_cancel),
		FAKE_TEST(test_close_not_taken),
		FAKE_TEST(test_close_without_ring),
		FAKE_TEST(test_close_with_full_ring),
		FAKE_TEST(test_drain_waits_for_closes),
		FAKE_TEST(test_drain_closes_what_is_open_ahead),
		FAKE_TEST(test_drain_while_the_window_starts),
		FAKE_TEST(test_drain_has_one_limit),
		FAKE_TEST(test_no_chains_once_names_go),
		FAKE_TEST(test_drain_waits_for_other_threads),
		REAL_TEST(test_fork),
		FAKE_TEST(test_prespawn),
		FAKE_TEST(test_prespawn_waits_with_a_limit),
		FAKE_TEST(test_prespawn_refused),
	};

	return cmocka_run_group_tests_name("close", close_tests, NULL, NULL);
}
