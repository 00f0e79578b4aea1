/* SPDX-License-Identifier: MIT
 *
 * The ring: made late, refused once and for a reason that is counted, and never
 * waited for without a limit.
 */
#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <liburing.h>

#include "fake.h"

static struct fa_thread *t;

static int setup(void **state)
{
	unit_setup(state);
	fake_ring_use();
	t = unit_self();
	return 0;
}

/* Makes an entry that fake_ring knows nothing of but its result. */
static bool entry(uint64_t tag)
{
	struct io_uring_sqe *sqe = fa_ring_entry(t);

	if (!sqe)
		return false;
	io_uring_prep_nop(sqe);
	sqe->user_data = tag;
	return true;
}

#define SOME (5ULL << 32) /* a completion that no chain waits for */

static void refused(enum fa_fallback why, int error)
{
	unsigned tries = fake_calls(SYS_io_uring_setup);

	assert_int_equal(fa_ring_need(t), error);
	assert_null(t->ring.memory);
	assert_int_equal(t->fallback[why], 1);
	tries = fake_calls(SYS_io_uring_setup);
	/* Remembered: neither the kernel nor the counter hears of it again. */
	assert_true(fa_ring_need(t) < 0);
	assert_int_equal(fake_calls(SYS_io_uring_setup), tries);
	assert_int_equal(t->fallback[why], 1);
	assert_int_equal(fake_calls(SYS_munmap), fake_calls(SYS_mmap) - 1 /* the thread */);
}

/* A change of privileges may mean that it is allowed now. */
static void possible_again(void)
{
	fa_privilege_changes(false);
	assert_int_equal(fa_ring_need(t), 0);
	assert_non_null(t->ring.memory);
}

static int setup_counting(void **state)
{
	unit_setup(state);
	fake_reset();
	fake_ring_use();
	t = unit_self();
	return 0;
}

static void test_made_lazily(void **state)
{
	(void)state;
	assert_int_equal(fake_calls(SYS_io_uring_setup), 0);
	assert_int_equal(fa_ring_need(t), 0);
	assert_int_equal(fa_ring_need(t), 0);
	assert_int_equal(fake_calls(SYS_io_uring_setup), 1);
	assert_int_equal(t->h.n[FA_N_enters], 0);
}

static void test_takes_no_descriptor(void **state)
{
	int lowest = unit_lowest_fd();

	(void)state;
	fake_reset();
	if (fa_ring_need(t) < 0)
		SKIP("the kernel gives no ring here");
	assert_int_equal(unit_lowest_fd(), lowest);
}

static void test_setup_refused(void **state)
{
	(void)state;
	fake_fail(SYS_io_uring_setup, -EPERM);
	refused(FA_F_no_ring, -EPERM);
	fake_fail(SYS_io_uring_setup, 0);
	possible_again();
}

static void test_old_kernel(void **state)
{
	(void)state;
	fake_ring.last_op = FA_OP_FIXED_FD_INSTALL - 1;
	refused(FA_F_no_ring, -EOPNOTSUPP);
	assert_false(fake_ring.made); /* given back */
	fake_ring.last_op = FA_OP_FIXED_FD_INSTALL;
	possible_again();
}

static void register_refused(unsigned op)
{
	fake_ring.registers[op] = -EINVAL;
	refused(FA_F_no_ring, -EINVAL);
	assert_false(fake_ring.made);
	fake_ring.registers[op] = 0;
	possible_again();
}

static void test_probe_refused(void **state)
{
	(void)state;
	register_refused(IORING_REGISTER_PROBE);
}

static void test_workers_refused(void **state)
{
	(void)state;
	register_refused(IORING_REGISTER_IOWQ_MAX_WORKERS);
}

static void test_files_refused(void **state)
{
	(void)state;
	register_refused(IORING_REGISTER_FILES2);
}

static void test_mmap_refused(void **state)
{
	(void)state;
	fake_fail(SYS_mmap, -ENOMEM);
	assert_int_equal(fa_ring_need(t), -ENOMEM);
	assert_int_equal(t->fallback[FA_F_no_memory], 1);
	fake_fail(SYS_mmap, 0);
	assert_true(fa_ring_need(t) < 0);
	assert_int_equal(fake_calls(SYS_io_uring_setup), 0);
	possible_again();
}

static void test_dontfork_refused(void **state)
{
	(void)state;
	fake_fail(SYS_madvise, -EINVAL);
	refused(FA_F_no_ring, -EINVAL);
}

static uint64_t nproc;

static long prlimit_nproc(long pid, long what, long new, long old, long e, long f)
{
	struct rlimit *rl = (struct rlimit *)old;

	if (what != RLIMIT_NPROC)
		return fake_kernel(SYS_prlimit64, pid, what, new, old, e, f);
	rl->rlim_cur = nproc;
	return 0;
}

static long not_root(long a, long b, long c, long d, long e, long f)
{
	(void)a, (void)b, (void)c, (void)d, (void)e, (void)f;
	return 1000;
}

static long root(long a, long b, long c, long d, long e, long f)
{
	(void)a, (void)b, (void)c, (void)d, (void)e, (void)f;
	return 0;
}

static void test_no_workers(void **state)
{
	(void)state;
	fake_hook(SYS_prlimit64, prlimit_nproc);
	fake_hook(SYS_geteuid, not_root);
	nproc = 0;
	refused(FA_F_no_workers, -EAGAIN);
	nproc = 1;
	possible_again();
}

static void test_root_has_workers(void **state)
{
	(void)state;
	fake_hook(SYS_prlimit64, prlimit_nproc);
	fake_hook(SYS_geteuid, root);
	nproc = 0;
	assert_int_equal(fa_ring_need(t), 0);
}

static void test_limit_not_known(void **state)
{
	(void)state;
	fake_fail(SYS_prlimit64, -EPERM);
	refused(FA_F_no_workers, -EAGAIN);
}

static void test_full(void **state)
{
	(void)state;
	fake_ring.result[IORING_OP_NOP] = FAKE_PENDING;
	assert_int_equal(fa_ring_need(t), 0);
	for (unsigned i = 0; i < FA_RING_FLIGHT; i++) {
		assert_true(entry(SOME));
		if (i % 5 == 4)
			fa_ring_submit(t);
	}
	assert_false(entry(SOME));
	assert_int_equal(t->fallback[FA_F_ring_full], 1);
	fa_ring_submit(t);
	assert_false(entry(SOME));
	fake_ring_complete(SOME, 0);
	fa_ring_reap(t);
	assert_true(entry(SOME));
	assert_false(entry(SOME));
}

static void test_submit(void **state)
{
	(void)state;
	fa_ring_need(t);
	entry(SOME);
	entry(SOME);
	assert_int_equal(fa_ring_submit(t), 2);
	assert_int_equal(t->h.n[FA_N_sqes], 2);
	assert_int_equal(t->h.n[FA_N_enters], 1);
	assert_int_equal(fake_ring_took(IORING_OP_NOP, NULL), 2);
	assert_int_equal(t->fallback[FA_F_refused], 0);
	assert_true(fa_ring_idle(t));
}

static void test_short_submit(void **state)
{
	const struct io_uring_sqe *last;

	(void)state;
	fa_ring_need(t);
	for (uint64_t i = 1; i <= 4; i++)
		entry(SOME + i);
	fake_ring.take = 3;
	assert_int_equal(fa_ring_submit(t), 3);
	assert_int_equal(t->fallback[FA_F_refused], 1);
	assert_int_equal(t->h.n[FA_N_sqes], 3);
	/* What was not taken is forgotten, not sent with the next. */
	fake_ring.take = 64;
	entry(SOME + 9);
	assert_int_equal(fa_ring_submit(t), 1);
	assert_int_equal(fake_ring_took(IORING_OP_NOP, &last), 4);
	assert_int_equal(last->user_data, SOME + 9);
	assert_true(fa_ring_idle(t));
}

static void test_submit_refused(void **state)
{
	static const int errors[] = { -EAGAIN, -EBUSY, -ENOMEM, -EBADF, -ENOSYS };

	(void)state;
	fa_ring_need(t);
	for (unsigned i = 0; i < 5; i++) {
		entry(SOME);
		fake_ring.take = errors[i];
		assert_int_equal(fa_ring_submit(t), errors[i]);
		assert_int_equal(t->fallback[FA_F_refused], i + 1);
	}
	assert_int_equal(fake_ring.logged, 0);
	assert_int_equal(t->h.n[FA_N_sqes], 0);
	assert_true(fa_ring_idle(t));
	entry(SOME);
	fake_ring.take = 0;
	assert_int_equal(fa_ring_submit(t), -EAGAIN);
}

static void test_interrupted_submit(void **state)
{
	(void)state;
	fa_ring_need(t);
	entry(SOME);
	fake_ring.interrupted = 3;
	assert_int_equal(fa_ring_submit(t), 1);
	assert_int_equal(t->fallback[FA_F_refused], 0);
	assert_int_equal(t->h.n[FA_N_enters], 4);
}

static void test_wait_has_a_limit(void **state)
{
	(void)state;
	fa_ring_need(t);
	fake_ring.result[IORING_OP_NOP] = FAKE_PENDING;
	entry(SOME);
	fa_ring_submit(t);
	assert_false(fa_ring_wait(t, 1234567));
	assert_int_equal(fake_ring.waits, 1);
	assert_int_equal(fake_ring.wait_ns, 1234567);
	assert_false(fa_ring_wait(t, 0));
	assert_int_equal(fake_ring.wait_ns, 0);
}

static void completes(void)
{
	fake_ring_complete(SOME, 0);
}

static void test_wait_ends_with_a_completion(void **state)
{
	(void)state;
	fa_ring_need(t);
	fake_ring.result[IORING_OP_NOP] = FAKE_PENDING;
	fake_ring.on_wait = completes;
	entry(SOME);
	fa_ring_submit(t);
	assert_false(fa_ring_idle(t));
	assert_true(fa_ring_wait(t, 1000000000));
	assert_true(fa_ring_idle(t));
}

static void test_no_wait_for_what_is_there(void **state)
{
	(void)state;
	fa_ring_need(t);
	entry(SOME);
	fa_ring_submit(t);
	assert_true(fa_ring_wait(t, 1000000000));
	assert_int_equal(fake_ring.waits, 0);
}

static void test_many_rounds(void **state)
{
	(void)state;
	fa_ring_need(t);
	for (unsigned i = 0; i < 1000; i++) {
		for (unsigned n = 0; n < 7; n++)
			assert_true(entry(SOME));
		assert_int_equal(fa_ring_submit(t), 7);
		fa_ring_reap(t);
	}
	assert_int_equal(t->h.n[FA_N_sqes], 7000);
	assert_true(fa_ring_idle(t));
}

static void test_retired(void **state)
{
	(void)state;
	fa_ring_need(t);
	entry(SOME);
	fa_privilege_changes(false);
	assert_null(t->ring.memory);
	assert_false(fake_ring.made);
	/* Where a signal handler took the ring away below a caller. */
	assert_null(fa_ring_entry(t));
	assert_int_equal(fa_ring_submit(t), -EBADF);
	fa_ring_reap(t);
	assert_false(fa_ring_wait(t, 1000));
	assert_true(fa_ring_idle(t));
	fa_ring_retire(t);
	assert_int_equal(fa_ring_need(t), 0);
	assert_true(entry(SOME));
	assert_int_equal(fa_ring_submit(t), 1);
}

static void test_privileges_of_another_thread(void **state)
{
	(void)state;
	fa_ring_need(t);
	fa_epoch++;
	assert_int_equal(fa_ring_need(t), 0);
	assert_int_equal(fake_calls(SYS_io_uring_setup), 2);
}

static void *parents_ring;

static bool no_ring_in_child(void)
{
#ifndef UNIT_TSAN /* which maps memory of its own in a child */
	unsigned char there;

	CHECK(mincore(parents_ring, 4096, &there) < 0 && errno == ENOMEM);
#endif
	CHECK(fa_enter());
	CHECK(!fa_thread_of(fa_self)->ring.memory);
	return true;
}

static void test_fork(void **state)
{
	(void)state;
	fa_ring_need(t);
	parents_ring = t->ring.memory;
	assert_true(unit_child(no_ring_in_child));
	assert_ptr_equal(t->ring.memory, parents_ring);
	entry(SOME);
	assert_int_equal(fa_ring_submit(t), 1);
}

static void test_real_ring(void **state)
{
	(void)state;
	fake_reset();
	if (fa_ring_need(t) < 0)
		SKIP("the kernel gives no ring here");
	for (int i = 0; i < 20; i++) {
		struct io_uring_sqe *sqe = fa_ring_entry(t);

		assert_non_null(sqe);
		io_uring_prep_nop(sqe);
		sqe->flags |= IOSQE_ASYNC;
		sqe->user_data = SOME;
	}
	assert_int_equal(fa_ring_submit(t), 20);
	for (int i = 0; i < 20 && !fa_ring_idle(t); i++)
		fa_ring_wait(t, 1000000000);
	assert_true(fa_ring_idle(t));
	fa_ring_reap(t);
	assert_false(fa_ring_wait(t, 1000000));
	assert_int_not_equal(fa_ring_cancel(t, SOME), 0);
}

#define RING_TEST(name) cmocka_unit_test_setup_teardown(name, setup, unit_teardown)
#define COUNT_TEST(name) \
	cmocka_unit_test_setup_teardown(name, setup_counting, unit_teardown)

int main(void)
{
	const struct CMUnitTest ring_tests[] = {
		RING_TEST(test_made_lazily),
		RING_TEST(test_takes_no_descriptor),
		COUNT_TEST(test_setup_refused),
		COUNT_TEST(test_old_kernel),
		COUNT_TEST(test_probe_refused),
		COUNT_TEST(test_workers_refused),
		COUNT_TEST(test_files_refused),
		RING_TEST(test_mmap_refused),
		COUNT_TEST(test_dontfork_refused),
		COUNT_TEST(test_no_workers),
		RING_TEST(test_root_has_workers),
		COUNT_TEST(test_limit_not_known),
		RING_TEST(test_full),
		RING_TEST(test_submit),
		RING_TEST(test_short_submit),
		RING_TEST(test_submit_refused),
		RING_TEST(test_interrupted_submit),
		RING_TEST(test_wait_has_a_limit),
		RING_TEST(test_wait_ends_with_a_completion),
		RING_TEST(test_no_wait_for_what_is_there),
		RING_TEST(test_many_rounds),
		RING_TEST(test_retired),
		RING_TEST(test_privileges_of_another_thread),
		RING_TEST(test_fork),
		RING_TEST(test_real_ring),
	};

	return cmocka_run_group_tests_name("ring", ring_tests, NULL, NULL);
}
