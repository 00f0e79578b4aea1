/* SPDX-License-Identifier: MIT
 *
 * Stats of what a staged chain has read from, staged chains on the kernel's own
 * ring, and the drains that close what they have opened.
 */
#include "unit_staged.h"

#include <sys/stat.h>

#define SITE ((void *)0x77)

static unsigned mask;

static long on_statx(long dirfd, long path, long flags, long m, long stx, long f)
{
	mask = (unsigned)m;
	return fake_kernel(SYS_statx, dirfd, path, flags, m, stx, f);
}

static bool stats(const char *path, bool follow, struct stat *st)
{
	struct fa_call c;

	return fa_stat_begin(&c, AT_FDCWD, path, st, follow, SITE);
}

/* The chain has read: what a plain stat would wait for is the access time. */
static void test_stat(void **state)
{
	struct stat st, plain;

	(void)state;
	foresees(4096);
	fa_chain_sweep(t);
	fake_hook(SYS_statx, on_statx);
	memset(&st, 0x55, sizeof(st));
	assert_true(stats(file, true, &st));
	assert_false(mask & STATX_ATIME);
	assert_int_equal(mask & (STATX_BASIC_STATS & ~STATX_ATIME),
			 STATX_BASIC_STATS & ~STATX_ATIME);
	assert_return_code(stat(file, &plain), errno);
	assert_int_equal(st.st_dev, plain.st_dev);
	assert_int_equal(st.st_ino, plain.st_ino);
	assert_int_equal(st.st_mode, plain.st_mode);
	assert_int_equal(st.st_nlink, plain.st_nlink);
	assert_int_equal(st.st_size, plain.st_size);
	assert_int_equal(st.st_blocks, plain.st_blocks);
	assert_memory_equal(&st.st_mtim, &plain.st_mtim, sizeof(st.st_mtim));
	assert_memory_equal(&st.st_ctim, &plain.st_ctim, sizeof(st.st_ctim));
	assert_int_equal(t->h.n[FA_N_settled], 1);
	assert_int_equal(t->h.word, FA_T_READY);
	/* As often as it likes, and then the open. */
	assert_true(stats(file, false, &st));
	assert_int_equal(t->h.chains, 1);
}

/* The access time is not a made-up one: it is what the file has or had. */
static void test_access_time(void **state)
{
	struct stat before, st;

	(void)state;
	assert_return_code(stat(file, &before), errno);
	foresees(4096);
	fa_chain_sweep(t);
	assert_true(stats(file, true, &st));
	assert_true(st.st_atim.tv_sec >= before.st_atim.tv_sec);
	assert_true(st.st_atim.tv_sec <= before.st_atim.tv_sec + 60);
}

static void test_stat_before_the_read_has_ended(void **state)
{
	struct stat st;

	(void)state;
	step_by_step();
	foresees(4096);
	assert_false(stats(file, true, &st));
	run(IORING_OP_STATX, 0);
	assert_false(stats(file, true, &st));
	run(IORING_OP_OPENAT, 0);
	/* From now on some of it may have been read. */
	assert_true(stats(file, true, &st));
	run(IORING_OP_READ, 0);
	assert_true(stats(file, true, &st));
}

static void test_stat_of_something_else(void **state)
{
	char other[280];
	struct stat st;

	(void)state;
	strcpy(other, unit_file("other", 1));
	foresees(4096);
	fa_chain_sweep(t);
	assert_false(stats(other, true, &st));
	assert_false(stats("", true, &st));
	assert_false(stats(NULL, true, &st));
	assert_false(stats((char *)8, true, &st));
	/* Gone since: the plain call says so. */
	unlink(file);
	assert_false(stats(file, true, &st));
	assert_int_equal(t->h.n[FA_N_settled], 0);
}

static void test_stat_of_a_changed_file(void **state)
{
	struct stat st;

	(void)state;
	foresees(4096);
	fa_chain_sweep(t);
	assert_return_code(truncate(file, 77), errno);
	assert_true(stats(file, true, &st));
	assert_int_equal(st.st_size, 77);
	assert_return_code(chmod(file, 0640), errno);
	assert_true(stats(file, true, &st));
	assert_int_equal(st.st_mode, S_IFREG | 0640);
}

static void test_stat_of_a_link(void **state)
{
	char name[280];
	struct stat st;

	(void)state;
	strcpy(name, unit_path("link"));
	assert_return_code(symlink("f", name), errno);
	assert_true(foresees_at(name, O_RDONLY, 4096, 0));
	fa_chain_sweep(t);
	assert_true(stats(name, false, &st));
	assert_true(S_ISLNK(st.st_mode));
	assert_true(stats(name, true, &st));
	assert_int_equal(st.st_ino, seen.file.ino);
}

static void test_stat_into_a_bad_address(void **state)
{
	(void)state;
	foresees(4096);
	fa_chain_sweep(t);
	assert_false(stats(file, true, (struct stat *)8));
	assert_int_equal(t->h.n[FA_N_settled], 0);
	assert_int_equal(t->h.word, FA_T_READY);
}

/* Nothing has been read: what the kernel knows is complete. */
static void test_stat_of_other_chains(void **state)
{
	struct stat st;

	(void)state;
	chain_begin(O_RDONLY, 0);
	assert_false(stats(file, true, &st));
	assert_true(fa_chain_drop_all(t));
	unit_hot(seen.file.dev, FA_REOPEN);
	foresees(4096);
	fa_chain_sweep(t);
	assert_int_equal(t->ahead->chain[0].state, FA_CHAIN_WARM);
	assert_false(stats(file, true, &st));
}

static void test_fstat_after_adoption(void **state)
{
	struct stat st, plain;
	struct fa_call c;
	bool settled = false;
	int fd = -1;

	(void)state;
	/* It must follow within a millisecond: then again. */
	for (int i = 0; i < 10 && !settled; i++) {
		if (fd >= 0)
			close(fd);
		foresees(4096);
		fd = fa_open_begin(&c, AT_FDCWD, file, O_RDONLY, SITE);
		assert_true(fd >= 0);
		settled = fa_fstat_begin(&c, fd, &st, SITE);
	}
	assert_true(settled);
	assert_return_code(fstat(fd, &plain), errno);
	assert_int_equal(st.st_ino, plain.st_ino);
	assert_int_equal(st.st_size, plain.st_size);
	assert_int_equal(fa_fds[fd].resident_to, 4096);
	close(fd);
}

/* ---- names go ---- */

static const struct io_uring_sqe *pending;

static long ends_meanwhile(long a, long b, long c, long d, long e, long f)
{
	(void)a, (void)b, (void)c, (void)d, (void)e, (void)f;
	if (pending)
		fake_ring_run(pending);
	pending = NULL;
	return 0;
}

static void drained_while(unsigned op)
{
	pending = fake_ring_nth(op, 0);
	fake_hook(SYS_clock_nanosleep, ends_meanwhile);
	fa_drain();
	assert_null(pending);
	all_gone();
	fake_hook(SYS_clock_nanosleep, NULL);
}

static void test_drain_while_looking(void **state)
{
	(void)state;
	step_by_step();
	foresees(4096);
	drained_while(IORING_OP_STATX);
	assert_int_equal(took(IORING_OP_OPENAT), 0);
}

static void test_drain_while_opening(void **state)
{
	(void)state;
	step_by_step();
	foresees(4096);
	run(IORING_OP_STATX, 0);
	drained_while(IORING_OP_OPENAT);
	assert_int_equal(took(IORING_OP_READ), 0);
}

static void test_drain_while_reading(void **state)
{
	(void)state;
	step_by_step();
	foresees(4096);
	run(IORING_OP_STATX, 0);
	run(IORING_OP_OPENAT, 0);
	drained_while(IORING_OP_READ);
}

/* ---- the kernel's ring ---- */

static int real_setup(void **state)
{
	chain_setup(state);
	unit_cold(seen.file.dev, FA_OPEN);
	unit_cold(seen.file.dev, FA_REOPEN);
	return 0;
}

/* Until it is at its end, 5 s at most. */
static enum fa_chain_state state_of(const struct fa_chain *c)
{
	for (int i = 0; i < 500 && c->state < FA_CHAIN_OPEN; i++)
		fa_ring_wait(t, 10000000);
	return c->state;
}

static void test_real_adopted(void **state)
{
	int lowest = unit_lowest_fd(), fd;
	char buf[16];

	(void)state;
	REAL_RING();
	assert_int_equal(state_of(foresees(4096)), FA_CHAIN_OPEN);
	assert_int_equal(unit_lowest_fd(), lowest);
	fd = chain_adopt(O_RDONLY);
	assert_int_equal(fd, lowest);
	assert_int_equal(read(fd, buf, sizeof(buf)), sizeof(buf));
	assert_int_equal(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	assert_int_equal(fcntl(fd, F_GETFD), 0);
	close(fd);
}

static void test_real_adopted_early(void **state)
{
	int fd;

	(void)state;
	REAL_RING();
	for (int i = 0; i < 100; i++) {
		struct fa_chain *c = foresees(4096);

		slowly();
		/* Past its statx, and perhaps no further. */
		for (int k = 0; k < 500 && c->state == FA_CHAIN_LOOKING; k++)
			fa_ring_wait(t, 10000000);
		fd = chain_adopt(O_RDONLY);
		assert_true(fd >= 0);
		close(fd);
		/* Its place is free when its read has ended. */
		for (int k = 0; k < 500 && t->ahead->used[0]; k++) {
			fa_ring_wait(t, 1000000);
			fa_chain_sweep(t);
		}
	}
	assert_int_equal(t->h.n[FA_N_adopted], 100);
	assert_true(fa_chain_drop_all(t));
}

static void test_real_not_regular(void **state)
{
	char path[280];

	(void)state;
	REAL_RING();
	strcpy(path, unit_path("fifo"));
	assert_return_code(mkfifo(path, 0600), errno);
	assert_true(foresees_at(path, O_RDONLY, 4096, 0));
	assert_int_equal(state_of(&t->ahead->chain[0]), FA_CHAIN_FAILED);
}

static void test_real_warmed(void **state)
{
	(void)state;
	REAL_RING();
	unit_hot(seen.file.dev, FA_REOPEN);
	assert_int_equal(state_of(foresees(4096)), FA_CHAIN_WARM);
	/* Nobody holds it: a lease is given only then. */
	for (int i = 0; i < 100; i++) {
		int fd = open(file, O_RDWR | O_CLOEXEC);

		if (fcntl(fd, F_SETLEASE, F_WRLCK) == 0)
			i = 1000;
		close(fd);
		if (i >= 1000)
			return;
		unit_sleep_ms(5);
		fa_chain_sweep(t);
	}
	fail_msg("somebody still has it open");
}

static void test_real_many(void **state)
{
	unsigned open_now = 0;

	(void)state;
	REAL_RING();
	for (unsigned i = 0; i < 200; i++)
		assert_true(foresees_at(file, O_RDONLY, 4096, 0));
	for (int i = 0; i < 500 && open_now < 200; i++) {
		slowly();
		fa_ring_wait(t, 10000000);
		fa_chain_sweep(t);
		open_now = 0;
		for (unsigned k = 0; k < 200; k++)
			open_now += t->ahead->chain[k].state == FA_CHAIN_OPEN;
	}
	assert_int_equal(open_now, 200);
	for (int i = 0; i < 100 && !fa_chain_drop_all(t); i++)
		fa_ring_wait(t, 10000000);
	assert_int_equal(t->h.chains, 0);
	assert_true(fa_chain_drop_all(t));
}

#define KERNEL_TEST(name) cmocka_unit_test_setup_teardown(name, real_setup, unit_teardown)

int main(void)
{
	const struct CMUnitTest staged_touch_tests[] = {
		STAGED_TEST(test_stat),
		STAGED_TEST(test_access_time),
		STAGED_TEST(test_stat_before_the_read_has_ended),
		STAGED_TEST(test_stat_of_something_else),
		STAGED_TEST(test_stat_of_a_changed_file),
		STAGED_TEST(test_stat_of_a_link),
		STAGED_TEST(test_stat_into_a_bad_address),
		STAGED_TEST(test_stat_of_other_chains),
		STAGED_TEST(test_fstat_after_adoption),
		STAGED_TEST(test_drain_while_looking),
		STAGED_TEST(test_drain_while_opening),
		STAGED_TEST(test_drain_while_reading),
		KERNEL_TEST(test_real_adopted),
		KERNEL_TEST(test_real_adopted_early),
		KERNEL_TEST(test_real_not_regular),
		KERNEL_TEST(test_real_warmed),
		KERNEL_TEST(test_real_many),
	};

	return cmocka_run_group_tests_name("staged_touch", staged_touch_tests, NULL, NULL);
}
