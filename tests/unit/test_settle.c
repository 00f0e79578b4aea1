/* SPDX-License-Identifier: MIT
 *
 * The touches of an adopted file: its fstat, which is answered once, and its
 * close, which may run behind the program.
 */
#include "unit_chain.h"

#include <sys/file.h>

#define SITE_A ((void *)0x1111)

/* Opened ahead, and now opened by the program. */
static int adopted(void)
{
	struct fa_call c;
	int fd;

	chain_begin(O_RDONLY, 0);
	assert_int_equal(t->h.chains, 1);
	fd = fa_open_begin(&c, AT_FDCWD, file, O_RDONLY, SITE_A);
	assert_true(fd >= 0);
	return fd;
}

static bool fstats(int fd, struct stat *st)
{
	struct fa_call c;
	bool settled = fa_fstat_begin(&c, fd, st, SITE_A);

	if (!settled)
		fa_use_end(&c, FA_FSTAT, 0);
	return settled;
}

/*
 * Adopted, and its fstat settled into *st. That works within a millisecond only,
 * and this thread may be kept from running for longer: then again.
 */
static int adopted_and_settled(struct stat *st)
{
	for (int i = 0; i < 10; i++) {
		int fd = adopted();

		memset(st, 0x55, sizeof(*st));
		if (fstats(fd, st))
			return fd;
		close(fd);
	}
	fail_msg("no fstat was settled");
	return -1;
}

static void test_adopted_is_captured(void **state)
{
	int fd = adopted();

	(void)state;
	assert_true(fa_fds[fd].flags & FA_FD_COLD);
	assert_int_equal(fa_fds[fd].ino, seen.file.ino);
	assert_int_equal(fa_fds[fd].signature, FA_OPEN + 1);
	close(fd);
}

static void test_fstat_settled(void **state)
{
	struct stat st, plain;
	int fd = adopted_and_settled(&st);

	(void)state;
	assert_return_code(fstat(fd, &plain), errno);
	/* Field by field: the padding of the two may differ. */
	assert_int_equal(st.st_dev, plain.st_dev);
	assert_int_equal(st.st_ino, plain.st_ino);
	assert_int_equal(st.st_mode, plain.st_mode);
	assert_int_equal(st.st_nlink, plain.st_nlink);
	assert_int_equal(st.st_uid, plain.st_uid);
	assert_int_equal(st.st_gid, plain.st_gid);
	assert_int_equal(st.st_rdev, plain.st_rdev);
	assert_int_equal(st.st_size, plain.st_size);
	assert_int_equal(st.st_blksize, plain.st_blksize);
	assert_int_equal(st.st_blocks, plain.st_blocks);
	assert_memory_equal(&st.st_atim, &plain.st_atim, sizeof(st.st_atim));
	assert_memory_equal(&st.st_mtim, &plain.st_mtim, sizeof(st.st_mtim));
	assert_memory_equal(&st.st_ctim, &plain.st_ctim, sizeof(st.st_ctim));
	close(fd);
}

static void test_fstat_settled_only_once(void **state)
{
	struct stat st;
	int fd = adopted_and_settled(&st);

	(void)state;
	assert_false(fstats(fd, &st));
	close(fd);
}

static void test_fstat_after_another_call(void **state)
{
	struct stat st;
	int fd = adopted();

	(void)state;
	fa_enter(); /* whatever it was: it may have changed the file */
	assert_false(fstats(fd, &st));
	close(fd);
}

static void test_fstat_of_another_file(void **state)
{
	struct stat st;
	int fd = adopted(), other = dup(fd);

	(void)state;
	fa_fds[other] = fa_fds[fd];
	assert_false(fstats(other, &st));
	close(other);
	close(fd);
}

static void test_fstat_much_later(void **state)
{
	struct stat st;
	int fd = adopted();

	(void)state;
	fa_fds[fd].opened = unit_ago(50000000);
	assert_false(fstats(fd, &st));
	close(fd);
}

static void test_fstat_into_a_bad_address(void **state)
{
	int fd = adopted();

	(void)state;
	assert_false(fstats(fd, NULL));
	close(fd);
	fd = adopted();
	assert_false(fstats(fd, (struct stat *)-64));
	close(fd);
	assert_int_equal(t->h.word, FA_T_READY);
}

static void test_fstat_of_a_plain_open(void **state)
{
	struct fa_call c;
	struct stat st;
	int fd;

	(void)state;
	assert_int_equal(fa_open_begin(&c, AT_FDCWD, file, O_RDONLY, SITE_A), -1);
	fd = open(file, O_RDONLY | O_CLOEXEC);
	c.start = unit_ago(2000000);
	fa_open_end(&c, fd);
	assert_false(fstats(fd, &st));
	close(fd);
}

/* ---- close ---- */

/* Closes of the program's descriptors on the ring, not of direct ones. */
static unsigned ran_behind(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < fake_ring.logged; i++)
		n += fake_ring.log[i].opcode == IORING_OP_CLOSE &&
		     !fake_ring.log[i].file_index;
	return n;
}

/* What the wrapper of close does; true: it ran behind. */
static bool behind(int fd)
{
	struct fa_call c;
	int r = fa_close_begin(&c, fd, SITE_A);

	if (r < 0)
		assert_int_equal(fa_close_end(&c, close(fd)), 0);
	return r == 0;
}

static void test_close_behind(void **state)
{
	int fd = adopted();

	(void)state;
	unit_cold(seen.file.dev, FA_CLOSE);
	assert_true(behind(fd));
	assert_int_equal(ran_behind(), 1);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(fa_fds[fd].flags, 0);
	assert_int_equal(t->h.n[FA_N_sequences], 1);
}

static void test_close_where_it_does_not_wait(void **state)
{
	int fd = adopted();

	(void)state;
	assert_false(behind(fd));
	assert_int_equal(ran_behind(), 0);
	assert_int_equal(t->h.n[FA_N_sequences], 1);
}

static void test_close_hot_again(void **state)
{
	unsigned rounds = 0;

	(void)state;
	unit_cold(seen.file.dev, FA_CLOSE);
	/* Closes behind that end at once say that nothing waits any more. */
	while (behind(adopted()))
		assert_in_range(++rounds, 1, FA_SCORE_MAX);
	assert_false(fa_regime_cold(seen.file.dev, FA_CLOSE));
}

static void test_slow_close_is_learned(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct fa_call c;
		int fd = adopted();

		assert_true(fa_close_begin(&c, fd, SITE_A) < 0);
		c.start = unit_ago(3000000);
		fa_close_end(&c, close(fd));
	}
	assert_true(fa_regime_cold(seen.file.dev, FA_CLOSE));
	assert_true(behind(adopted()));
}

static void test_close_in_observe(void **state)
{
	int fd = adopted();

	(void)state;
	unit_cold(seen.file.dev, FA_CLOSE);
	fa_options.mode = FA_MODE_OBSERVE;
	assert_false(behind(fd));
}

static void test_close_of_standard_input(void **state)
{
	int saved = fcntl(0, F_DUPFD_CLOEXEC, 3), fd = adopted();

	(void)state;
	unit_cold(seen.file.dev, FA_CLOSE);
	dup2(fd, 0);
	fa_fds[0] = fa_fds[fd];
	assert_false(behind(0));
	dup2(saved, 0);
	close(saved);
	close(fd);
}

static void test_close_of_another_file(void **state)
{
	int fd = adopted(), other = open(unit_file("other", 1), O_RDONLY | O_CLOEXEC);

	(void)state;
	unit_cold(seen.file.dev, FA_CLOSE);
	dup2(other, fd); /* behind our back */
	assert_false(behind(fd));
	close(other);
}

static void test_close_of_a_file_not_read(void **state)
{
	struct fa_call c;
	int fd;

	(void)state;
	unit_cold(seen.file.dev, FA_CLOSE);
	fa_open_begin(&c, AT_FDCWD, file, O_RDWR, SITE_A);
	fd = open(file, O_RDWR | O_CLOEXEC);
	c.start = unit_ago(2000000);
	fa_open_end(&c, fd);
	assert_false(behind(fd));
}

static void test_close_of_ours(void **state)
{
	struct fa_call c;

	(void)state;
	assert_int_equal(fa_own_open(FA_OWN_LOG, unit_path("log")), 0);
	assert_int_equal(fa_close_begin(&c, fa_own_lowest, SITE_A), EBADF);
	assert_true(fcntl(fa_own_lowest, F_GETFD) >= 0);
}

static void test_close_when_the_ring_does_not(void **state)
{
	int fd = adopted();

	(void)state;
	unit_cold(seen.file.dev, FA_CLOSE);
	fake_ring.take = -EAGAIN;
	assert_false(behind(fd));
	assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static bool with_flock(void)
{
	int fd = adopted();

	unit_cold(seen.file.dev, FA_CLOSE);
	fa_locks(false);
	CHECK(!behind(fd));
	return true;
}

static void test_close_with_flock(void **state)
{
	(void)state;
	assert_true(unit_child(with_flock));
}

static unsigned unlocked;
static unsigned closes_then;

static long on_fcntl(long fd, long cmd, long arg, long d, long e, long f)
{
	const struct flock *lock = (struct flock *)arg;

	if (cmd == F_SETLK && lock->l_type == F_UNLCK && !lock->l_start && !lock->l_len) {
		unlocked++;
		closes_then = ran_behind();
	}
	return fake_kernel(SYS_fcntl, fd, cmd, arg, d, e, f);
}

static bool with_posix_locks(void)
{
	int fd;

	unit_cold(seen.file.dev, FA_CLOSE);
	fa_locks(true);
	fd = adopted();
	fake_hook(SYS_fcntl, on_fcntl);
	CHECK(behind(fd));
	CHECK(unlocked == 1);
	CHECK(closes_then == 0); /* first the lock, then the close */
	CHECK(ran_behind() == 1);
	return true;
}

static void test_close_unlocks_first(void **state)
{
	(void)state;
	assert_true(unit_child(with_posix_locks));
}

static bool with_unlock_refused(void)
{
	int fd;

	unit_cold(seen.file.dev, FA_CLOSE);
	fa_locks(true);
	fd = adopted();
	fake_fail(SYS_fcntl, -ENOLCK);
	CHECK(!behind(fd));
	return true;
}

static void test_close_when_it_cannot_unlock(void **state)
{
	(void)state;
	assert_true(unit_child(with_unlock_refused));
}

int main(void)
{
	const struct CMUnitTest settle_tests[] = {
		FAKE_TEST(test_adopted_is_captured),
		FAKE_TEST(test_fstat_settled),
		FAKE_TEST(test_fstat_settled_only_once),
		FAKE_TEST(test_fstat_after_another_call),
		FAKE_TEST(test_fstat_of_another_file),
		FAKE_TEST(test_fstat_much_later),
		FAKE_TEST(test_fstat_into_a_bad_address),
		FAKE_TEST(test_fstat_of_a_plain_open),
		FAKE_TEST(test_close_behind),
		FAKE_TEST(test_close_where_it_does_not_wait),
		FAKE_TEST(test_close_hot_again),
		FAKE_TEST(test_slow_close_is_learned),
		FAKE_TEST(test_close_in_observe),
		FAKE_TEST(test_close_of_standard_input),
		FAKE_TEST(test_close_of_another_file),
		FAKE_TEST(test_close_of_a_file_not_read),
		FAKE_TEST(test_close_of_ours),
		FAKE_TEST(test_close_when_the_ring_does_not),
		FAKE_TEST(test_close_with_flock),
		FAKE_TEST(test_close_unlocks_first),
		FAKE_TEST(test_close_when_it_cannot_unlock),
	};

	return cmocka_run_group_tests_name("settle", settle_tests, NULL, NULL);
}
