/* SPDX-License-Identifier: MIT
 *
 * Capture of opens, stats and reads: what is recorded, what it teaches, and when
 * a window or a chain is started.
 */
#include "unit_chain.h"

#include <sys/sysmacros.h>

#define SITE_A ((void *)0x1111)
#define SITE_B ((void *)0x2222)

/* The open of a program; `took` nanoseconds by the clock, 0: as long as it takes. */
static int opens_path(const char *path, int flags, uint64_t took)
{
	struct fa_call c;
	int fd = fa_open_begin(&c, AT_FDCWD, path, flags, SITE_A);

	if (fd >= 0)
		return fd;
	assert_non_null(c.t);
	fd = open(path, flags);
	assert_true(fd >= 0);
	c.start = took ? unit_ago(took) : fa_cycles();
	return fa_open_end(&c, fd);
}

static int opens(uint64_t took)
{
	return opens_path(file, O_RDONLY | O_CLOEXEC, took);
}

/* One that did not wait, although this thread may have been kept from running. */
static int opens_at_once(void)
{
	for (int i = 0; i < 10; i++) {
		int fd = opens(0);

		if (!(fa_fds[fd].flags & FA_FD_COLD))
			return fd;
		fa_forget_fds((unsigned)fd, (unsigned)fd);
		close(fd);
		fake_reset();
	}
	fail_msg("every open seems to wait here");
	return -1;
}

static void uses(int fd, enum fa_op op, int64_t result)
{
	struct fa_call c;

	fa_use_begin(&c, fd, op, SITE_B);
	fa_use_end(&c, op, result);
}

static void closes(int fd)
{
	struct fa_call c;
	int r = fa_close_begin(&c, fd, SITE_B);

	if (r < 0)
		fa_close_end(&c, close(fd));
}

static void stats_path(uint64_t took, int result)
{
	struct fa_call c;
	struct stat st;

	fa_stat_begin(&c, AT_FDCWD, file, NULL, true, SITE_B);
	assert_return_code(stat(file, &st), errno);
	if (c.start)
		c.start = took ? unit_ago(took) : fa_cycles();
	fa_stat_end(&c, result, &st);
}

/* The site reads, and its file system has waited before. */
static void reads_at_site_a(void)
{
	struct fa_hint *h = fa_hint_of((uintptr_t)SITE_A);
	struct stat st;

	for (int i = 0; i < 4; i++)
		fa_hint_read(h, 4096, true);
	assert_int_equal(stat(file, &st), 0);
	fa_regime_note(st.st_dev, FA_OPEN, 2000000);
}

static void test_sequence(void **state)
{
	int fd = opens_at_once();

	(void)state;
	assert_int_equal(fa_fds[fd].flags, FA_FD_CAPTURED);
	assert_int_equal(fa_fds[fd].site, (uintptr_t)SITE_A);
	uses(fd, FA_FCNTL, 0);
	uses(fd, FA_READ, 100);
	uses(fd, FA_READ, 50);
	uses(fd, FA_READ, -1);
	assert_int_equal(fa_fds[fd].signature, 0x1a4);
	assert_int_equal(fa_fds[fd].bytes, 150);
	assert_int_equal(fa_fds[fd].at[FA_READ], (uintptr_t)SITE_B);
	closes(fd);
	assert_int_equal(fa_fds[fd].flags, 0);
	assert_int_equal(t->h.n[FA_N_sequences], 1);
	assert_int_equal(t->h.n[FA_N_patterns], 1);
	fd = opens_at_once();
	uses(fd, FA_FCNTL, 0);
	uses(fd, FA_READ, 100);
	closes(fd);
	assert_int_equal(t->h.n[FA_N_sequences], 2);
	assert_int_equal(t->h.n[FA_N_patterns], 1);
}

static void test_failed_open_teaches_nothing(void **state)
{
	struct fa_call c;

	(void)state;
	fa_open_begin(&c, AT_FDCWD, "/none", O_RDONLY, SITE_A);
	c.start = unit_ago(5000000);
	assert_int_equal(fa_open_end(&c, -1), -1);
	assert_int_equal(t->h.word, FA_T_READY);
	assert_int_equal(*fa_any_cold, 0);
}

static void test_descriptor_beyond_the_table(void **state)
{
	struct fa_call c;

	(void)state;
	fa_open_begin(&c, AT_FDCWD, file, O_RDONLY, SITE_A);
	c.start = unit_ago(5000000);
	assert_int_equal(fa_open_end(&c, (int)FA_FDS), FA_FDS);
	assert_false(fa_fd_begin(&c, (int)FA_FDS, SITE_A));
	assert_false(fa_fd_begin(&c, INT32_MAX, SITE_A));
	assert_false(fa_fd_begin(&c, -1, SITE_A));
}

static void test_slow_open_is_cold(void **state)
{
	int fd = opens(FA_COLD_NS + 50000);

	(void)state;
	assert_true(fa_fds[fd].flags & FA_FD_COLD);
	assert_int_equal(fa_fds[fd].dev, seen.file.dev);
	assert_int_equal(fa_fds[fd].ino, seen.file.ino);
	assert_false(fa_regime_cold(seen.file.dev, FA_OPEN));
	close(opens(FA_COLD_NS + 50000));
	assert_true(fa_regime_cold(seen.file.dev, FA_OPEN));
	close(fd);
}

static void test_writers_are_not(void **state)
{
	char where[280];
	int fd = opens_path(file, O_RDWR | O_CLOEXEC, 2000000);

	(void)state;
	reads_at_site_a();
	assert_false(fa_fds[fd].flags & FA_FD_COLD);
	close(fd);
	strcpy(where, file);
	*strrchr(where, '/') = '\0';
	fd = opens_path(where, O_RDONLY | O_CLOEXEC, 2000000);
	assert_false(fa_fds[fd].flags & FA_FD_COLD);
	assert_int_equal(fake_calls(SYS_fadvise64), 0);
	close(fd);
}

static void test_window_where_it_is_read(void **state)
{
	int fd;

	(void)state;
	strcpy(file, unit_file("large", 1 << 20));
	reads_at_site_a();
	fa_hint_read(fa_hint_of((uintptr_t)SITE_A), 4 * FA_WINDOW_STEP, false);
	fd = opens(2000000);
	assert_true(fa_fds[fd].flags & FA_FD_WINDOW);
	assert_in_range(fake_calls(SYS_fadvise64), 3, 4);
	assert_int_equal(t->h.n[FA_N_chains], 1);
	assert_int_equal(t->h.n[FA_N_created], 1);
	assert_int_equal(t->h.n[FA_N_settled], 0);
	uses(fd, FA_READ, 4096);
	uses(fd, FA_READ, 4096);
	assert_int_equal(t->h.n[FA_N_settled], 1);
	closes(fd);
	assert_int_equal(t->h.n[FA_N_dropped], 0);
}

static void test_window_not_read_is_dropped(void **state)
{
	int fd;

	(void)state;
	reads_at_site_a();
	fd = opens(2000000);
	assert_true(fa_fds[fd].flags & FA_FD_WINDOW);
	closes(fd);
	assert_int_equal(t->h.n[FA_N_dropped], 1);
}

static void test_no_window_where_it_did_not_wait(void **state)
{
	int fd;

	(void)state;
	reads_at_site_a();
	fd = opens_at_once();
	assert_false(fa_fds[fd].flags & (FA_FD_WINDOW | FA_FD_COLD));
	assert_int_equal(fake_calls(SYS_fadvise64), 0);
	closes(fd);
}

static void test_no_window_at_a_site_that_does_not_read(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++)
		closes(opens(2000000));
	assert_int_equal(fake_calls(SYS_fadvise64), 0);
	assert_int_equal(t->h.n[FA_N_chains], 0);
}

static void test_window_is_learned(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++) {
		int fd = opens(2000000);

		uses(fd, FA_READ, 5000);
		closes(fd);
	}
	assert_true(t->h.n[FA_N_chains] > 0);
	assert_true(fake_calls(SYS_fadvise64) > 0);
}

static void test_observe_starts_nothing(void **state)
{
	int fd;

	(void)state;
	fa_options.mode = FA_MODE_OBSERVE;
	reads_at_site_a();
	fd = opens(2000000);
	assert_int_equal(fake_calls(SYS_fadvise64), 0);
	closes(fd);
	assert_int_equal(t->h.n[FA_N_sequences], 1);
}

static void test_window_refused(void **state)
{
	int fd;

	(void)state;
	reads_at_site_a();
	fake_fail(SYS_fadvise64, -EINVAL);
	fd = opens(2000000);
	assert_false(fa_fds[fd].flags & FA_FD_WINDOW);
	assert_int_equal(t->h.n[FA_N_created], 0);
	assert_int_equal(t->h.word, FA_T_READY);
	closes(fd);
}

static void test_hot_descriptor_is_let_go(void **state)
{
	int fd = opens_at_once();

	(void)state;
	for (int i = 0; i < 100; i++)
		uses(fd, FA_READ, 1);
	assert_int_equal(fa_fds[fd].flags, 0);
	close(fd);
	fd = opens(2000000);
	for (int i = 0; i < 100; i++)
		uses(fd, FA_READ, 1);
	assert_true(fa_fds[fd].flags & FA_FD_COLD);
	closes(fd);
}

static void test_reads_tell_the_regime(void **state)
{
	int fd = opens(2000000);

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct fa_call c;

		fa_use_begin(&c, fd, FA_READ, SITE_B);
		c.start = unit_ago(3000000);
		fa_use_end(&c, FA_READ, 10);
	}
	assert_true(fa_regime_cold(seen.file.dev, FA_READ));
	assert_false(fa_regime_cold(seen.file.dev, FA_FSTAT));
	closes(fd);
}

/* stat, a while, open: again and again, until chains are started. */
static unsigned chains_after(unsigned rounds, unsigned lead_ms)
{
	for (unsigned i = 0; i < rounds; i++) {
		stats_path(2000000, 0);
		unit_sleep_ms(lead_ms); /* more than the open seems to take */
		closes(opens(2000000));
	}
	return fake_ring_took(IORING_OP_OPENAT, NULL);
}

static void test_stat_then_open_starts_chains(void **state)
{
	const struct io_uring_sqe *sqe = NULL;

	(void)state;
	fake_ring_use();
	unit_cold(seen.file.dev, FA_OPEN);
	assert_in_range(chains_after(16, 4), 3, 15);
	fake_ring_took(IORING_OP_OPENAT, &sqe);
	assert_int_equal(sqe->file_index, 1);
	assert_true(t->h.n[FA_N_adopted] > 0);
}

static void test_no_chain_while_hot(void **state)
{
	(void)state;
	fake_ring_use();
	/* The stats wait, the opens do not. */
	unit_cold(seen.file.dev, FA_STAT);
	for (int i = 0; i < 12; i++) {
		stats_path(2000000, 0);
		unit_sleep_ms(1);
		close(opens(0));
	}
	assert_int_equal(fake_ring.logged, 0);
}

static void test_no_chain_without_lead(void **state)
{
	struct fa_hint *h = fa_hint_of((uintptr_t)SITE_B);

	(void)state;
	fake_ring_use();
	unit_cold(seen.file.dev, FA_OPEN);
	for (int i = 0; i < 10; i++) {
		fa_hint_followed(h, 10, O_RDONLY, NULL);
		stats_path(2000000, 0);
	}
	assert_int_equal(fake_ring.logged, 0);
}

static void test_no_chain_for_a_stat_that_failed(void **state)
{
	struct fa_hint *h = fa_hint_of((uintptr_t)SITE_B);

	(void)state;
	fake_ring_use();
	unit_cold(seen.file.dev, FA_OPEN);
	for (int i = 0; i < 10; i++) {
		fa_hint_followed(h, 3000, O_RDONLY, NULL);
		stats_path(2000000, -1);
	}
	assert_int_equal(fake_ring.logged, 0);
	stats_path(2000000, 0);
	stats_path(2000000, 0);
	assert_true(fake_ring.logged > 0);
}

static void test_no_chain_for_what_is_no_file(void **state)
{
	struct fa_hint *h = fa_hint_of((uintptr_t)SITE_B);
	struct fa_seen is = seen;
	struct fa_call c;

	(void)state;
	fake_ring_use();
	unit_cold(seen.file.dev, FA_OPEN);
	is.mode = S_IFIFO | 0644;
	for (int i = 0; i < 10; i++) {
		fa_hint_followed(h, 3000, O_RDONLY, NULL);
		fa_stat_begin(&c, AT_FDCWD, file, NULL, true, SITE_B);
		fa_statted(&c, &is);
	}
	assert_int_equal(fake_ring.logged, 0);
}

static void test_no_chain_for_writers(void **state)
{
	struct fa_hint *h = fa_hint_of((uintptr_t)SITE_B);

	(void)state;
	fake_ring_use();
	unit_cold(seen.file.dev, FA_OPEN);
	for (int i = 0; i < 10; i++) {
		fa_hint_followed(h, 3000, O_RDWR | O_TRUNC, NULL);
		stats_path(2000000, 0);
	}
	assert_int_equal(fake_ring.logged, 0);
}

static void test_statx_needs_all_it_is_asked_for(void **state)
{
	struct statx stx = { .stx_mask = STATX_TYPE | STATX_INO | STATX_SIZE,
			     .stx_mode = S_IFREG };
	struct fa_call c;

	(void)state;
	stx.stx_dev_major = major(seen.file.dev);
	stx.stx_dev_minor = minor(seen.file.dev);
	fa_stat_begin(&c, AT_FDCWD, file, NULL, true, SITE_B);
	for (int i = 0; i < 4; i++) {
		c.start = unit_ago(2000000);
		fa_statx_end(&c, &stx);
	}
	assert_false(fa_regime_cold(seen.file.dev, FA_STAT));
	stx.stx_mask |= STATX_CTIME;
	for (int i = 0; i < 4; i++) {
		c.start = unit_ago(2000000);
		fa_statx_end(&c, &stx);
	}
	assert_true(fa_regime_cold(seen.file.dev, FA_STAT));
}

int main(void)
{
	const struct CMUnitTest capture_tests[] = {
		REAL_TEST(test_sequence),
		REAL_TEST(test_failed_open_teaches_nothing),
		REAL_TEST(test_descriptor_beyond_the_table),
		REAL_TEST(test_slow_open_is_cold),
		REAL_TEST(test_writers_are_not),
		REAL_TEST(test_window_where_it_is_read),
		REAL_TEST(test_window_not_read_is_dropped),
		REAL_TEST(test_no_window_where_it_did_not_wait),
		REAL_TEST(test_no_window_at_a_site_that_does_not_read),
		REAL_TEST(test_window_is_learned),
		REAL_TEST(test_observe_starts_nothing),
		REAL_TEST(test_window_refused),
		REAL_TEST(test_hot_descriptor_is_let_go),
		REAL_TEST(test_reads_tell_the_regime),
		REAL_TEST(test_stat_then_open_starts_chains),
		REAL_TEST(test_no_chain_while_hot),
		REAL_TEST(test_no_chain_without_lead),
		REAL_TEST(test_no_chain_for_a_stat_that_failed),
		REAL_TEST(test_no_chain_for_what_is_no_file),
		REAL_TEST(test_no_chain_for_writers),
		REAL_TEST(test_statx_needs_all_it_is_asked_for),
	};

	return cmocka_run_group_tests_name("capture", capture_tests, NULL, NULL);
}
