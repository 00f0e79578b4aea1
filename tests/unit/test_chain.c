/* SPDX-License-Identifier: MIT
 *
 * Chains on the kernel's own ring: opened ahead and adopted, or not, because
 * the path means something else by now.
 */
#include "unit_chain.h"

#include <sys/stat.h>

static void test_adopted(void **state)
{
	int lowest = unit_lowest_fd(), fd;
	struct stat st;

	(void)state;
	REAL_RING();
	chain_begin(O_RDONLY, 300000);
	assert_int_equal(t->h.chains, 1);
	assert_int_equal(t->h.n[FA_N_chains], 1);
	assert_int_equal(unit_lowest_fd(), lowest);
	fd = chain_adopt(O_RDONLY);
	assert_int_equal(fd, lowest);
	assert_return_code(fstat(fd, &st), errno);
	assert_int_equal(st.st_ino, seen.file.ino);
	assert_int_equal(st.st_size, 5000);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 0);
	assert_int_equal(t->h.chains, 0);
	assert_int_equal(t->h.n[FA_N_adopted], 1);
	assert_int_equal(t->h.n[FA_N_dropped], 0);
	close(fd);
	/* There was one chain: the next open is a plain one. */
	assert_int_equal(chain_adopt(O_RDONLY), -1);
}

static void flags_kept(int flags, int descriptor, int status)
{
	int fd;

	chain_begin(flags, 0);
	fd = chain_adopt(flags);
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD), descriptor);
	assert_int_equal(fcntl(fd, F_GETFL) & (O_NONBLOCK | O_ACCMODE | O_APPEND), status);
	close(fd);
}

static void test_flags_of_the_descriptor(void **state)
{
	(void)state;
	REAL_RING();
	flags_kept(O_RDONLY, 0, 0);
	flags_kept(O_RDONLY | O_CLOEXEC, FD_CLOEXEC, 0);
	flags_kept(O_RDONLY | O_NONBLOCK, 0, O_NONBLOCK);
	flags_kept(O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW, FD_CLOEXEC, O_NONBLOCK);
}

static void test_flags_must_match(void **state)
{
	int fd;

	(void)state;
	REAL_RING();
	chain_begin(O_RDONLY, 0);
	assert_int_equal(chain_adopt(O_RDONLY | O_CLOEXEC), -1);
	assert_int_equal(chain_adopt(O_RDONLY | O_NONBLOCK), -1);
	fd = chain_adopt(O_RDONLY);
	assert_true(fd >= 0);
	close(fd);
}

static void test_flags_that_a_chain_may_have(void **state)
{
	static const int bad[] = { O_WRONLY,	       O_RDWR, O_CREAT, O_TRUNC, O_APPEND,
				   O_DIRECTORY,	       O_PATH, O_EXCL,	O_DSYNC, O_DIRECT,
				   O_TMPFILE | O_RDWR, O_SYNC, O_ASYNC };

	(void)state;
	assert_true(fa_chain_flags_ok(O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW |
				      O_NOCTTY | O_NOATIME | 0100000));
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_false(fa_chain_flags_ok(bad[i]));
}

static void test_path_must_match(void **state)
{
	struct fa_identity id;
	char other[300];

	(void)state;
	REAL_RING();
	chain_begin(O_RDONLY, 0);
	snprintf(other, sizeof(other), "%sx", file);
	assert_int_equal(unit_adopt(t, AT_FDCWD, other, O_RDONLY, &id), -1);
	assert_int_equal(unit_adopt(t, AT_FDCWD, "", O_RDONLY, &id), -1);
	assert_int_equal(t->h.chains, 1);
}

/* An absolute path does not care for the directory, a relative one does. */
static void test_directory_must_match(void **state)
{
	char where[280];
	struct fa_identity id;
	int one, two, fd;

	(void)state;
	REAL_RING();
	strcpy(where, file);
	*strrchr(where, '/') = '\0';
	one = open(where, O_PATH | O_CLOEXEC);
	two = open("/", O_PATH | O_CLOEXEC);
	unit_chain_start(t, one, "f", O_RDONLY, 0, &seen.file);
	assert_int_equal(unit_adopt(t, two, "f", O_RDONLY, &id), -1);
	fd = unit_adopt(t, one, "f", O_RDONLY, &id);
	assert_true(fd >= 0);
	close(fd);
	unit_chain_start(t, one, file, O_RDONLY, 0, &seen.file);
	fd = unit_adopt(t, two, file, O_RDONLY, &id);
	assert_true(fd >= 0);
	close(fd);
	close(one);
	close(two);
}

static void stale_after(void)
{
	int lowest = unit_lowest_fd();

	assert_int_equal(chain_adopt(O_RDONLY), -1);
	chain_lost(FA_F_stale);
	assert_int_equal(unit_lowest_fd(), lowest);
}

static void test_removed(void **state)
{
	(void)state;
	REAL_RING();
	chain_begin(O_RDONLY, 0);
	unlink(file);
	stale_after();
}

static void test_replaced(void **state)
{
	char other[280];

	(void)state;
	REAL_RING();
	strcpy(other, unit_file("other", 9));
	chain_begin(O_RDONLY, 0);
	assert_return_code(rename(other, file), errno);
	stale_after();
}

static void test_permissions_changed(void **state)
{
	(void)state;
	REAL_RING();
	chain_begin(O_RDONLY, 0);
	unit_sleep_ms(10); /* a tick of the file system's clock */
	chmod(file, 0600);
	stale_after();
}

static void test_written(void **state)
{
	(void)state;
	REAL_RING();
	chain_begin(O_RDONLY, 0);
	unit_sleep_ms(10);
	assert_return_code(truncate(file, 1), errno);
	stale_after();
}

static void test_behind_a_link(void **state)
{
	char name[280];
	struct fa_identity id;
	int fd;

	(void)state;
	REAL_RING();
	strcpy(name, unit_path("link"));
	assert_return_code(symlink("f", name), errno);
	/* O_NOFOLLOW on a link is ELOOP, whatever stands behind it. */
	unit_chain_start(t, AT_FDCWD, name, O_RDONLY | O_NOFOLLOW, 0, &seen.file);
	assert_int_equal(unit_adopt(t, AT_FDCWD, name, O_RDONLY | O_NOFOLLOW, &id), -1);
	/* Found by the look-up, or by the open if that has ended already. */
	assert_int_equal(t->fallback[FA_F_stale] + t->fallback[FA_F_failed], 1);
	unit_chain_start(t, AT_FDCWD, name, O_RDONLY, 0, &seen.file);
	fd = unit_adopt(t, AT_FDCWD, name, O_RDONLY, &id);
	assert_true(fd >= 0);
	close(fd);
}

static void test_link_points_elsewhere(void **state)
{
	char name[280];
	struct fa_identity id;

	(void)state;
	REAL_RING();
	unit_file("other", 1);
	strcpy(name, unit_path("link"));
	assert_return_code(symlink("f", name), errno);
	unit_chain_start(t, AT_FDCWD, name, O_RDONLY, 0, &seen.file);
	unlink(name);
	assert_return_code(symlink("other", name), errno);
	assert_int_equal(unit_adopt(t, AT_FDCWD, name, O_RDONLY, &id), -1);
	chain_lost(FA_F_stale);
}

static void test_not_twice(void **state)
{
	(void)state;
	REAL_RING();
	chain_begin(O_RDONLY, 0);
	chain_begin(O_RDONLY, 0);
	assert_int_equal(t->h.chains, 1);
	chain_begin(O_RDONLY | O_CLOEXEC, 0);
	assert_int_equal(t->h.chains, 2);
}

static void test_many_in_turn(void **state)
{
	int lowest = unit_lowest_fd();

	(void)state;
	REAL_RING();
	for (int i = 0; i < 200; i++) {
		int fd;

		chain_begin(O_RDONLY, 200000);
		fd = chain_adopt(O_RDONLY);
		assert_int_equal(fd, lowest);
		close(fd);
	}
	assert_int_equal(t->h.n[FA_N_adopted], 200);
	assert_int_equal(t->fallback[FA_F_ring_full], 0);
}

static void test_chain_lets_go_of_the_file(void **state)
{
	int fd;

	(void)state;
	REAL_RING();
	chain_begin(O_RDONLY, 0);
	fd = chain_adopt(O_RDONLY);
	assert_true(fd >= 0);
	close(fd);
	/* A lease is given only when nobody else has the file open. */
	fd = open(file, O_RDWR | O_CLOEXEC);
	for (int i = 0; i < 100 && fcntl(fd, F_SETLEASE, F_WRLCK) < 0; i++)
		unit_sleep_ms(5);
	assert_int_equal(fcntl(fd, F_GETLEASE), F_WRLCK);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest chain_tests[] = {
		REAL_TEST(test_adopted),
		REAL_TEST(test_flags_of_the_descriptor),
		REAL_TEST(test_flags_must_match),
		REAL_TEST(test_flags_that_a_chain_may_have),
		REAL_TEST(test_path_must_match),
		REAL_TEST(test_directory_must_match),
		REAL_TEST(test_removed),
		REAL_TEST(test_replaced),
		REAL_TEST(test_permissions_changed),
		REAL_TEST(test_written),
		REAL_TEST(test_behind_a_link),
		REAL_TEST(test_link_points_elsewhere),
		REAL_TEST(test_not_twice),
		REAL_TEST(test_many_in_turn),
		REAL_TEST(test_chain_lets_go_of_the_file),
	};

	return cmocka_run_group_tests_name("chain", chain_tests, NULL, NULL);
}
