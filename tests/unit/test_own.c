/* SPDX-License-Identifier: MIT
 *
 * The library's own descriptors: high, guarded, out of the way of dup2, and
 * outside of every range that the program closes.
 */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "fake.h"

static struct {
	unsigned first, last;
} part[8];
static unsigned parts;

static int note(unsigned first, unsigned last, int flags)
{
	assert_int_equal(flags, 42);
	assert_in_range(parts, 0, 7);
	part[parts].first = first;
	part[parts++].last = last;
	return 0;
}

static int refuse(unsigned first, unsigned last, int flags)
{
	note(first, last, flags);
	return -7;
}

static int split(unsigned first, unsigned last)
{
	parts = 0;
	return fa_own_split(first, last, note, 42);
}

static int limit(void)
{
	struct rlimit rl;

	getrlimit(RLIMIT_NOFILE, &rl);
	return rl.rlim_cur > 16384 ? 16384 : (int)rl.rlim_cur;
}

/* The last test of nothing being open: what follows leaves something. */
static void test_nothing_open(void **state)
{
	(void)state;
	assert_int_equal(fa_own_lowest, INT_MAX);
	assert_int_equal(split(3, UINT_MAX), 0);
	assert_int_equal(parts, 1);
	assert_int_equal(part[0].first, 3);
	assert_int_equal(part[0].last, UINT_MAX);
	assert_int_equal(fa_own_guard(5), 0);
	fa_own_write(FA_OWN_LOG, "x", 1);
	assert_int_equal(fake_calls(SYS_write), 0);
	fa_own_yield(5);
}

static void test_open_is_high(void **state)
{
	int lowest = unit_lowest_fd(), flags;

	(void)state;
	assert_int_equal(fa_own_open(FA_OWN_LOG, unit_path("log")), 0);
	assert_in_range(fa_own_lowest, limit() - 16, limit() - 1);
	assert_int_equal(unit_lowest_fd(), lowest);
	flags = fcntl(fa_own_lowest, F_GETFD);
	assert_true(flags & FD_CLOEXEC);
	assert_true(fcntl(fa_own_lowest, F_GETFL) & O_APPEND);
}

static void test_guard(void **state)
{
	(void)state;
	fa_own_open(FA_OWN_LOG, unit_path("log"));
	assert_int_equal(fa_own_guard(fa_own_lowest), EBADF);
	assert_int_equal(fa_own_guard(fa_own_lowest - 1), 0);
	assert_int_equal(fa_own_guard(0), 0);
}

static void test_process_id_in_name(void **state)
{
	char name[64];

	(void)state;
	assert_int_equal(fa_own_open(FA_OWN_STATS, unit_path("s-%p-%d.%p")), 0);
	snprintf(name, sizeof(name), "s-%d-%%d.%d", (int)getpid(), (int)getpid());
	assert_int_equal(access(unit_path(name), F_OK), 0);
}

static void test_two_lines_append(void **state)
{
	struct stat st;

	(void)state;
	unit_file("log", 10);
	assert_int_equal(fa_own_open(FA_OWN_LOG, unit_path("log")), 0);
	fa_own_write(FA_OWN_LOG, "abc\n", 4);
	fa_own_write(FA_OWN_LOG, "de\n", 3);
	assert_return_code(stat(unit_path("log"), &st), errno);
	assert_int_equal(st.st_size, 17);
}

static void test_open_fails(void **state)
{
	int lowest = unit_lowest_fd(), before = fa_own_lowest;

	(void)state;
	assert_int_equal(fa_own_open(FA_OWN_LOG, unit_path("no/such/log")), -ENOENT);
	fake_fail(SYS_prlimit64, -EPERM);
	assert_int_equal(fa_own_open(FA_OWN_LOG, unit_path("log")), -EMFILE);
	fake_fail(SYS_prlimit64, 0);
	fake_fail(SYS_fcntl, -EMFILE);
	assert_int_equal(fa_own_open(FA_OWN_LOG, unit_path("log")), -EMFILE);
	assert_int_equal(fa_own_lowest, before);
	assert_int_equal(unit_lowest_fd(), lowest);
}

static void test_name_too_long(void **state)
{
	static char path[2 * PATH_MAX];

	(void)state;
	memset(path, 'x', sizeof(path) - 1);
	assert_int_equal(fa_own_open(FA_OWN_LOG, path), -ENAMETOOLONG);
}

static void test_highest_taken(void **state)
{
	int top = limit() - 1, taken[3];

	(void)state;
	for (int i = 0; i < 3; i++) {
		int at = top - i;

		taken[i] = fcntl(at, F_GETFD) < 0 ? fcntl(0, F_DUPFD_CLOEXEC, at) : -1;
	}
	assert_int_equal(fa_own_open(FA_OWN_LOG, unit_path("log")), 0);
	assert_in_range(fa_own_lowest, top - 15, top - 3);
	for (int i = 0; i < 3; i++)
		if (taken[i] >= 0)
			close(taken[i]);
}

static void test_yield(void **state)
{
	struct stat st;
	int at;

	(void)state;
	fa_own_open(FA_OWN_LOG, unit_path("log"));
	fa_own_open(FA_OWN_STATS, unit_path("stats"));
	at = fa_own_lowest;
	fa_own_yield(at);
	assert_int_equal(fcntl(at, F_GETFD), -1);
	assert_int_equal(fa_own_guard(at), 0);
	assert_in_range(fa_own_lowest, at - 16, at - 1);
	assert_int_equal(fa_own_guard(fa_own_lowest), EBADF);
	fa_own_write(FA_OWN_LOG, "1", 1);
	fa_own_write(FA_OWN_STATS, "22", 2);
	stat(unit_path("log"), &st);
	assert_int_equal(st.st_size, 1);
	stat(unit_path("stats"), &st);
	assert_int_equal(st.st_size, 2);
	fa_own_yield(at); /* not ours any more */
	fa_own_yield(-1);
}

static void test_split(void **state)
{
	unsigned low, high;

	(void)state;
	fa_own_open(FA_OWN_LOG, unit_path("log"));
	fa_own_open(FA_OWN_STATS, unit_path("stats"));
	low = (unsigned)fa_own_lowest;
	for (high = low + 1; !fa_own_guard((int)high); high++)
		assert_in_range(high, low, low + 20);
	assert_int_equal(split(0, UINT_MAX), 0);
	assert_int_equal(parts, high == low + 1 ? 2 : 3);
	assert_int_equal(part[0].first, 0);
	assert_int_equal(part[0].last, low - 1);
	assert_int_equal(part[parts - 1].first, high + 1);
	assert_int_equal(part[parts - 1].last, UINT_MAX);
	/* ends at, begins at, is nothing but ours; far below */
	split(low - 2, low);
	assert_int_equal(parts, 1);
	assert_int_equal(part[0].last, low - 1);
	split(high, high + 5);
	assert_int_equal(parts, 1);
	assert_int_equal(part[0].first, high + 1);
	assert_int_equal(split(low, low), 0);
	assert_int_equal(parts, 0);
	split(3, 9);
	assert_int_equal(parts, 1);
	assert_int_equal(part[0].last, 9);
}

static void test_split_stops_at_an_error(void **state)
{
	(void)state;
	fa_own_open(FA_OWN_LOG, unit_path("log"));
	parts = 0;
	assert_int_equal(fa_own_split(0, UINT_MAX, refuse, 42), -7);
	assert_int_equal(parts, 1);
}

int main(void)
{
	const struct CMUnitTest own_tests[] = {
		TEST(test_nothing_open),
		TEST(test_open_is_high),
		TEST(test_guard),
		TEST(test_process_id_in_name),
		TEST(test_two_lines_append),
		TEST(test_open_fails),
		TEST(test_name_too_long),
		TEST(test_highest_taken),
		TEST(test_yield),
		TEST(test_split),
		TEST(test_split_stops_at_an_error),
	};

	return cmocka_run_group_tests_name("own", own_tests, NULL, NULL);
}
