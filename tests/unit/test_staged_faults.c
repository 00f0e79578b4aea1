/* SPDX-License-Identifier: MIT
 *
 * Staged chains on a ring that is full, refuses, cancels or goes away; what they
 * tell of a file system; and their stats.
 */
#include "unit_staged.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

/* ---- more chains than the ring takes ---- */

static unsigned in_state(enum fa_chain_state state)
{
	unsigned n = 0;

	for (unsigned i = 0; i < FA_CHAINS; i++)
		n += t->ahead->chain[i].state == state;
	return n;
}

/* So many statx that there is no room for the last ones. */
static void more_than_fit(unsigned more)
{
	fake_ring.result[IORING_OP_STATX] = FAKE_PENDING;
	for (unsigned i = 0; i < FA_RING_FLIGHT + more; i++)
		foresees(4096);
	assert_int_equal(took(IORING_OP_STATX), FA_RING_FLIGHT);
	assert_int_equal(t->ahead->stalled, more);
	assert_int_equal(t->h.chains, FA_RING_FLIGHT + more);
}

static void test_stalled_and_go_on(void **state)
{
	const unsigned more = 60;

	(void)state;
	more_than_fit(more);
	fake_ring.result[IORING_OP_STATX] = FAKE_RUN;
	slowly();
	for (unsigned i = 0; i < FA_RING_FLIGHT; i++)
		fake_ring_run(fake_ring_nth(IORING_OP_STATX, i));
	for (unsigned i = 0; i < 5; i++)
		fa_chain_sweep(t);
	assert_int_equal(t->ahead->stalled, 0);
	assert_int_equal(in_state(FA_CHAIN_OPEN), FA_RING_FLIGHT + more);
	assert_int_equal(slots_open(), FA_RING_FLIGHT + more);
	/* As many closes: it is not done before the last of them is. */
	for (unsigned i = 0; i < 10 && !fa_chain_drop_all(t); i++)
		;
	all_gone();
	assert_true(fa_ring_idle(t));
}

static void test_stalled_and_dropped(void **state)
{
	(void)state;
	more_than_fit(2);
	fa_chain_drop_all(t);
	assert_int_equal(t->ahead->stalled, 0);
	assert_int_equal(t->h.chains, 0);
	for (unsigned i = 0; i < FA_RING_FLIGHT; i++)
		fake_ring_run(fake_ring_nth(IORING_OP_STATX, i));
	assert_true(fa_chain_drop_all(t));
	assert_int_equal(fake_ring.logged, FA_RING_FLIGHT);
	all_gone();
}

/* One is opened while it waits for room: it does not wait for that. */
static void test_stalled_and_opened(void **state)
{
	(void)state;
	more_than_fit(1);
	for (unsigned i = 0; i < FA_RING_FLIGHT + 1; i++)
		assert_int_equal(chain_adopt(O_RDONLY), -1);
	assert_int_equal(fake_ring.waits, 0);
	assert_int_equal(t->ahead->stalled, 0);
	assert_int_equal(t->h.chains, 0);
}

/* Its open has no room: nor does the touch of it wait for the others. */
static void test_stalled_before_its_open(void **state)
{
	struct fa_chain *c = NULL;

	(void)state;
	step_by_step();
	more_than_fit(10);
	fake_ring_run(fake_ring_nth(IORING_OP_STATX, 0));
	fa_chain_sweep(t); /* its place goes to one of the ten, or to its own open */
	for (unsigned i = 0; i < FA_RING_FLIGHT + 10 && !c; i++)
		if (t->ahead->chain[i].stalled)
			c = &t->ahead->chain[i];
	assert_non_null(c);
	c->state = FA_CHAIN_RUNNING;
	assert_false(fa_chain_opened(t, c));
	assert_int_equal(fake_ring.waits, 0);
}

static void test_table_full(void **state)
{
	(void)state;
	fake_ring.result[IORING_OP_STATX] = FAKE_PENDING;
	for (unsigned i = 0; i < FA_CHAINS; i++)
		foresees(0);
	assert_int_equal(t->h.chains, FA_CHAINS);
	assert_false(foresees_at(file, O_RDONLY, 0, 0));
	assert_int_equal(t->h.chains, FA_CHAINS);
	/* All but those that have room can go at once, and others come. */
	fa_chain_drop_all(t);
	assert_true(foresees_at(file, O_RDONLY, 0, 0));
	fa_thread_drop(t);
	all_gone();
}

static long few_files(long pid, long resource, long set_to, long old, long e, long f)
{
	long r = fake_kernel(SYS_prlimit64, pid, resource, set_to, old, e, f);

	if (resource == RLIMIT_NOFILE && old)
		((struct rlimit *)old)->rlim_cur = FA_STREAMS_FLIGHT + 3;
	return r;
}

/* No more direct descriptors than the program may have open. */
static void test_few_slots(void **state)
{
	(void)state;
	fake_hook(SYS_prlimit64, few_files);
	fake_ring.result[IORING_OP_STATX] = FAKE_PENDING;
	for (unsigned i = 0; i < 3; i++)
		foresees(0);
	assert_false(foresees_at(file, O_RDONLY, 0, 0));
	assert_int_equal(t->fallback[FA_F_ring_full], 1);
}

/* ---- what is refused ---- */

/* An entry that the kernel has not taken never ends: nothing may wait for it. */
static void goes_on(void)
{
	uint64_t start = fa_sys_clock_ns();

	fake_ring.take = FA_RING_ENTRIES;
	fa_drain();
	assert_true(fa_sys_clock_ns() - start < 500000000);
	/* And the next one runs. */
	foresees(0);
	fa_chain_sweep(t);
	assert_int_equal(in_state(FA_CHAIN_OPEN), 1);
	assert_true(fa_chain_drop_all(t));
	all_gone();
}

static void test_refused(void **state)
{
	(void)state;
	fake_ring.take = -EAGAIN;
	foresees_at(file, O_RDONLY, 0, 0);
	goes_on();
}

static void test_taken_in_part(void **state)
{
	struct fa_request r = { .len = 1, .target = "/" };

	(void)state;
	for (unsigned i = 0; i < 5; i++)
		assert_true(fa_chain_foresee(t, file, O_RDONLY, 0, &r, -1));
	fake_ring.take = 3;
	fa_ring_submit(t);
	goes_on();
}

static void test_open_refused(void **state)
{
	(void)state;
	fake_ring.result[IORING_OP_STATX] = FAKE_PENDING;
	foresees(0);
	fake_ring_run(fake_ring_nth(IORING_OP_STATX, 0));
	fake_ring.take = -EAGAIN;
	fa_chain_sweep(t);
	assert_int_equal(took(IORING_OP_OPENAT), 0);
	fake_ring.result[IORING_OP_STATX] = FAKE_RUN;
	goes_on();
}

/* No worker can be made: what would need one is not tried again. */
static void test_statx_cancelled(void **state)
{
	(void)state;
	fake_ring.result[IORING_OP_STATX] = -ECANCELED;
	foresees(0);
	fa_chain_sweep(t);
	assert_int_equal(in_state(FA_CHAIN_FAILED), 1);
	assert_int_equal(t->fallback[FA_F_cancelled], 1);
	assert_true(t->ring.refused);
	assert_false(foresees_at(file, O_RDONLY, 0, 0));
	assert_int_equal(chain_adopt(O_RDONLY), -1);
	all_gone();
}

/* The bytes are the program's to read: it gets the error, if it is still there. */
static void read_ends_with(int result)
{
	int fd;

	fake_ring.result[IORING_OP_READ] = result;
	foresees(4096);
	fa_chain_sweep(t);
	assert_int_equal(in_state(FA_CHAIN_OPEN), 1);
	assert_false(t->ring.refused);
	fd = chain_adopt(O_RDONLY);
	assert_true(fd >= 0);
	close(fd);
	all_gone();
}

static void test_read_fails(void **state)
{
	(void)state;
	read_ends_with(-EIO);
	/* What could not be read is not known to be there. */
	assert_int_equal(t->found.to, t->found.from);
}

static void test_read_cancelled(void **state)
{
	(void)state;
	read_ends_with(-ECANCELED);
}

static void test_open_fails(void **state)
{
	(void)state;
	fake_ring.result[IORING_OP_OPENAT] = -EACCES;
	foresees(4096);
	fa_chain_sweep(t);
	assert_int_equal(in_state(FA_CHAIN_FAILED), 1);
	assert_int_equal(chain_adopt(O_RDONLY), -1);
	assert_int_equal(took(IORING_OP_READ), 0);
	all_gone();
}

static void test_path_too_long(void **state)
{
	char path[FA_CHAIN_PATH + 1];

	(void)state;
	memset(path, '/', sizeof(path));
	path[FA_CHAIN_PATH] = '\0';
	assert_false(foresees_at(path, O_RDONLY, 0, 0));
	assert_int_equal(t->fallback[FA_F_too_long], 1);
	all_gone();
	path[FA_CHAIN_PATH - 1] = '\0';
	assert_true(foresees_at(path, O_RDONLY, 0, 0));
}

static struct fa_thread other_thread;

static void test_not_started(void **state)
{
	(void)state;
	fake_fail(SYS_io_uring_setup, -EPERM);
	assert_false(foresees_at(file, O_RDONLY, 0, 0));
	fake_fail(SYS_io_uring_setup, 0);
	t->ring.refused = false;
	assert_int_equal(fa_ring_need(t), 0);
	fake_fail(SYS_mmap, -ENOMEM);
	assert_false(foresees_at(file, O_RDONLY, 0, 0));
	assert_true(t->fallback[FA_F_no_memory] > 0);
	/* Room for the table, and none for the bytes. */
	fake_fail(SYS_mmap, 0);
	fake_fail_nth(SYS_mmap, 2, -ENOMEM);
	assert_false(foresees_at(file, O_RDONLY, 0, 0));
	fake_fail(SYS_mmap, 0);
	fa_process->in_line = true;
	assert_false(foresees_at(file, O_RDONLY, 0, 0));
	fa_process->in_line = false;
	memset(&other_thread, 0, sizeof(other_thread));
	other_thread.next = fa_process->threads;
	fa_process->threads = &other_thread;
	assert_false(foresees_at(file, O_RDONLY, 0, 0));
	assert_int_equal(t->h.chains, 0);
	assert_int_equal(fake_ring.logged, 0);
}

/* ---- the ring goes ---- */

static void *scratch;
static unsigned unmapped;

static long on_munmap(long at, long len, long c, long d, long e, long f)
{
	unmapped += (void *)at == scratch;
	return fake_kernel(SYS_munmap, at, len, c, d, e, f);
}

static void given_up(void)
{
	scratch = t->scratch;
	assert_non_null(scratch);
	unmapped = 0;
	fake_hook(SYS_munmap, on_munmap);
	fa_thread_drop(t);
	all_gone();
}

static void test_given_up_while_idle(void **state)
{
	(void)state;
	foresees(4096);
	fa_chain_sweep(t);
	given_up();
	foresees(4096);
	fa_chain_sweep(t);
	assert_ptr_equal(t->scratch, scratch);
	assert_int_equal(in_state(FA_CHAIN_OPEN), 1);
}

/* A worker may still be about to write there: it must not become the program's. */
static void test_given_up_while_reading(void **state)
{
	(void)state;
	step_by_step();
	foresees(4096);
	run(IORING_OP_STATX, 0);
	run(IORING_OP_OPENAT, 0);
	given_up();
	assert_int_equal(unmapped, 0);
}

static void test_privileges_change(void **state)
{
	(void)state;
	foresees(4096);
	fa_chain_sweep(t);
	fa_privilege_changes(false);
	all_gone();
	assert_int_equal(chain_adopt(O_RDONLY), -1);
}

/* ---- what they tell of the file system ---- */

static uint32_t score(enum fa_op op)
{
	for (unsigned i = 0; i < FA_DEVICES; i++)
		if (fa_hints->regime[i].dev == seen.file.dev)
			return fa_hints->regime[i].op[op].score;
	return 0;
}

static void test_slow_chain(void **state)
{
	uint32_t before = score(FA_OPEN);
	struct fa_chain *c;

	(void)state;
	fa_regime_note(seen.file.dev, FA_OPEN, 0);
	step_by_step();
	c = foresees(4096);
	run(IORING_OP_STATX, 0);
	run(IORING_OP_OPENAT, 0);
	c->started = unit_ago(2000000);
	run(IORING_OP_READ, 0);
	assert_int_equal(score(FA_OPEN), before);
	assert_false(t->suspect);
}

/*
 * Three operations on workers, as fast as if nothing waited: a request will tell.
 * This thread may be kept from running meanwhile: then again.
 */
static void test_fast_chain(void **state)
{
	(void)state;
	step_by_step();
	for (unsigned i = 0; i < 20 && !t->suspect; i++) {
		foresees(4096);
		run(IORING_OP_STATX, i);
		run(IORING_OP_OPENAT, i);
		t->ahead->chain[i].started = fa_cycles();
		run(IORING_OP_READ, i);
		unit_cold(seen.file.dev, FA_OPEN);
	}
	assert_true(t->suspect);
}

/* Bytes that are there at once: what warms has nothing to warm. */
static void test_resident(void **state)
{
	uint32_t before = score(FA_OPEN);

	(void)state;
	if (!major(seen.file.dev))
		SKIP("the files are not on a block device");
	unit_hot(seen.file.dev, FA_REOPEN);
	unit_cold(seen.file.dev, FA_READ);
	foresees(4096);
	fa_chain_sweep(t);
	assert_int_equal(score(FA_OPEN), before - 1);
	assert_int_equal(score(FA_READ), before - 1);
	assert_false(t->suspect);
}

int main(void)
{
	const struct CMUnitTest staged_faults_tests[] = {
		STAGED_TEST(test_stalled_and_go_on),
		STAGED_TEST(test_stalled_and_dropped),
		STAGED_TEST(test_stalled_and_opened),
		STAGED_TEST(test_stalled_before_its_open),
		STAGED_TEST(test_table_full),
		STAGED_TEST(test_few_slots),
		STAGED_TEST(test_refused),
		STAGED_TEST(test_taken_in_part),
		STAGED_TEST(test_open_refused),
		STAGED_TEST(test_statx_cancelled),
		STAGED_TEST(test_read_fails),
		STAGED_TEST(test_read_cancelled),
		STAGED_TEST(test_open_fails),
		STAGED_TEST(test_path_too_long),
		STAGED_TEST(test_not_started),
		STAGED_TEST(test_given_up_while_idle),
		STAGED_TEST(test_given_up_while_reading),
		STAGED_TEST(test_privileges_change),
		STAGED_TEST(test_slow_chain),
		STAGED_TEST(test_fast_chain),
		STAGED_TEST(test_resident),
	};

	return cmocka_run_group_tests_name("staged_faults", staged_faults_tests, NULL,
					   NULL);
}
