/* SPDX-License-Identifier: MIT
 *
 * Directory streams that the runtime reads: the same entries, positions and errors
 * as libc's.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../../runtime/dirstream.h"
#include "fake.h"

#define FILES 3000U /* more than one buffer of them */

static struct fa_thread *t;
static char dir[256];
static DIR *ours, *libcs;

static DIR *opened(bool waited)
{
	struct fa_call c;
	DIR *d;

	assert_true(fa_dir_begin(&c, (void *)0x55));
	d = opendir(dir);
	assert_non_null(d);
	if (waited)
		c.start = unit_ago(2000000);
	fa_dir_opened(&c, d, dirfd(d), dir);
	return d;
}

static int stream_setup(void **state)
{
	char name[32];

	unit_setup(state);
	t = unit_self();
	for (unsigned i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "file-%u", i);
		strcpy(dir, unit_file(name, 0));
	}
	*strrchr(dir, '/') = '\0';
	unit_cold(unit_seen(dir).file.dev, FA_STAT);
	ours = opened(true);
	libcs = opendir(dir);
	return 0;
}

static int stream_teardown(void **state)
{
	fa_dir_closed(ours);
	closedir(ours);
	closedir(libcs);
	return unit_teardown(state);
}

/* The same entry from both, and whether there was one. */
static bool next(void)
{
	struct dirent *a = NULL, *b;
	int error = -1;

	assert_true(fa_dir_read(ours, &a, &error));
	b = readdir(libcs);
	assert_int_equal(error, 0);
	if (!a || !b) {
		assert_ptr_equal(a, b);
		return false;
	}
	assert_int_equal(a->d_ino, b->d_ino);
	assert_int_equal(a->d_off, b->d_off);
	assert_int_equal(a->d_type, b->d_type);
	assert_string_equal(a->d_name, b->d_name);
	return true;
}

static int64_t told(void)
{
	int64_t at = -1;

	assert_true(fa_dir_tell(ours, &at));
	assert_int_equal(at, telldir(libcs));
	return at;
}

static void test_entries(void **state)
{
	unsigned n = 0;

	(void)state;
	assert_int_equal(fa_dirstreams, 1);
	while (next()) {
		n++;
		told();
	}
	assert_int_equal(n, FILES + 2);
	assert_false(next()); /* at the end it stays there */
	assert_int_equal(t->h.listings, 1);
}

static void seek(int64_t to)
{
	assert_true(fa_dir_seek(ours, to));
	seekdir(libcs, to);
}

static void test_positions(void **state)
{
	int64_t at[100];

	(void)state;
	assert_int_equal(told(), 0);
	for (unsigned i = 0; i < 100; i++) {
		at[i] = told();
		next();
	}
	for (unsigned i = 0; i < 100; i += 9) {
		seek(at[i]);
		told();
		next();
		told();
	}
	seek(0);
	for (unsigned i = 0; i < FILES + 2; i++)
		assert_true(next());
	assert_false(next());
	seek(at[50]);
	assert_true(next());
}

static long interrupted(long a, long b, long c, long d, long e, long f)
{
	(void)a, (void)b, (void)c, (void)d, (void)e, (void)f;
	return -EINTR;
}

static void test_errors(void **state)
{
	struct dirent *e;
	int error;

	(void)state;
	fake_hook(SYS_getdents64, interrupted);
	assert_true(fa_dir_read(ours, &e, &error));
	assert_null(e);
	assert_int_equal(error, EINTR);
	fake_reset();
	/* A directory that has gone is at its end. */
	fake_fail(SYS_getdents64, -ENOENT);
	assert_true(fa_dir_read(ours, &e, &error));
	assert_null(e);
	assert_int_equal(error, 0);
	fake_reset();
	assert_true(next());
}

/* One that did not wait, or was opened before, is libc's. */
static void test_libcs(void **state)
{
	struct dirent *e;
	int64_t at;
	int error;
	DIR *d;

	(void)state;
	assert_false(fa_dir_read(libcs, &e, &error));
	assert_false(fa_dir_tell(libcs, &at));
	assert_false(fa_dir_seek(libcs, 0));
	unit_hot(unit_seen(dir).file.dev, FA_STAT);
	d = opened(false);
	assert_int_equal(fa_dirstreams, 1);
	assert_false(fa_dir_read(d, &e, &error));
	fa_dir_closed(d);
	closedir(d);
}

/* More than there is room for: the others are libc's. */
static void test_many(void **state)
{
	DIR *d[FA_DIRSTREAMS + 4];
	struct dirent *e;
	int error;

	(void)state;
	for (unsigned i = 0; i < FA_DIRSTREAMS + 4; i++)
		d[i] = opened(true);
	assert_int_equal(fa_dirstreams, FA_DIRSTREAMS);
	assert_false(fa_dir_read(d[FA_DIRSTREAMS + 3], &e, &error));
	for (unsigned i = 0; i < FA_DIRSTREAMS + 4; i++) {
		fa_dir_closed(d[i]);
		closedir(d[i]);
	}
	assert_int_equal(fa_dirstreams, 1);
}

/* A forked child reads on where its parent was, as with libc. */
static bool child(void)
{
	struct dirent *e;
	int error;

	CHECK(fa_dir_read(ours, &e, &error));
	CHECK(e && !error);
	CHECK(!strcmp(e->d_name, readdir(libcs)->d_name));
	fa_dir_closed(ours);
	return true;
}

static void test_fork(void **state)
{
	(void)state;
	next();
	assert_true(unit_child(child));
	assert_true(next());
}

#define STREAM_TEST(test) \
	cmocka_unit_test_setup_teardown(test, stream_setup, stream_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STREAM_TEST(test_entries), STREAM_TEST(test_positions),
		STREAM_TEST(test_errors),  STREAM_TEST(test_libcs),
		STREAM_TEST(test_many),	   STREAM_TEST(test_fork),
	};

	return cmocka_run_group_tests_name("dirstream", tests, NULL, NULL);
}
