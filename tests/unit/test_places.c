/* SPDX-License-Identifier: MIT
 *
 * What is known of file systems without asking: which one a path is on, whether
 * anything waits there, and whether an open of a cached name does.
 */
#include <string.h>
#include <sys/sysmacros.h>

#include "fake.h"

#define LOCAL makedev(8, 1)
#define REMOTE makedev(0, 55)

static void test_cold_by_open_or_read(void **state)
{
	(void)state;
	assert_false(fa_device_cold(LOCAL));
	unit_cold(LOCAL, FA_STAT);
	unit_cold(LOCAL, FA_CLOSE);
	unit_cold(LOCAL, FA_REOPEN);
	assert_false(fa_device_cold(LOCAL));
	unit_cold(LOCAL, FA_OPEN);
	assert_true(fa_device_cold(LOCAL));
	unit_hot(LOCAL, FA_OPEN);
	assert_false(fa_device_cold(LOCAL));
	unit_cold(LOCAL, FA_READ);
	assert_true(fa_device_cold(LOCAL));
	assert_false(fa_device_cold(REMOTE));
	assert_false(fa_device_cold(0));
}

static void test_local(void **state)
{
	(void)state;
	assert_true(fa_device_local(LOCAL));
	/* No device of its own: FUSE, NFS, and what is not known at all. */
	assert_false(fa_device_local(REMOTE));
	assert_false(fa_device_local(0));
	/* A block device is no proof. */
	unit_cold(LOCAL, FA_REOPEN);
	assert_false(fa_device_local(LOCAL));
	unit_hot(LOCAL, FA_REOPEN);
	assert_true(fa_device_local(LOCAL));
	/* That opens wait does not make it remote. */
	unit_cold(LOCAL, FA_OPEN);
	assert_true(fa_device_local(LOCAL));
}

static void test_neighbours(void **state)
{
	(void)state;
	assert_int_equal(fa_place_dev("/srv/a"), 0);
	fa_place_note("/srv/a", LOCAL);
	assert_true(fa_place_dev("/srv/a") == LOCAL);
	assert_true(fa_place_dev("/srv/b") == LOCAL);
	assert_int_equal(fa_place_dev("/srv/sub/b"), 0);
	assert_int_equal(fa_place_dev("/srv"), 0);
	assert_int_equal(fa_place_dev("/other/a"), 0);
	fa_place_note("/top", REMOTE);
	assert_true(fa_place_dev("/etc") == REMOTE);
	assert_true(fa_place_dev("/srv/b") == LOCAL);
}

/* Something else is mounted there by now. */
static void test_moved(void **state)
{
	(void)state;
	fa_place_note("/srv/a", LOCAL);
	for (int i = 0; i < 3; i++)
		fa_place_note("/srv/b", REMOTE);
	assert_true(fa_place_dev("/srv/c") == REMOTE);
}

/* One link that leads elsewhere says nothing of its neighbours. */
static void test_one_that_leads_elsewhere(void **state)
{
	(void)state;
	fa_place_note("/srv/a", LOCAL);
	fa_place_note("/srv/link", REMOTE);
	assert_true(fa_place_dev("/srv/c") == LOCAL);
	fa_place_note("/srv/a", LOCAL);
	fa_place_note("/srv/link", REMOTE);
	assert_true(fa_place_dev("/srv/c") == LOCAL);
}

/* More directories than places: some are forgotten, none is wrong. */
static void test_full(void **state)
{
	char path[64];
	unsigned known = 0;

	(void)state;
	for (unsigned i = 0; i < 4 * FA_PLACES; i++) {
		snprintf(path, sizeof(path), "/srv/%u/x", i);
		for (unsigned k = 0; k < 2; k++)
			fa_place_note(path, 100 + i);
		assert_true(fa_place_dev(path) == 100 + i);
	}
	for (unsigned i = 0; i < 4 * FA_PLACES; i++) {
		uint64_t dev;

		snprintf(path, sizeof(path), "/srv/%u/y", i);
		dev = fa_place_dev(path);
		assert_true(!dev || dev == 100 + i);
		known += dev != 0;
	}
	assert_in_range(known, FA_PLACES / 4, FA_PLACES);
}

static void test_no_directory(void **state)
{
	(void)state;
	fa_place_note("name", LOCAL);
	fa_place_note("", LOCAL);
	assert_int_equal(fa_place_dev("/srv/a"), 0);
}

int main(void)
{
	const struct CMUnitTest places_tests[] = {
		TEST(test_cold_by_open_or_read),
		TEST(test_local),
		TEST(test_neighbours),
		TEST(test_moved),
		TEST(test_one_that_leads_elsewhere),
		TEST(test_full),
		TEST(test_no_directory),
	};

	return cmocka_run_group_tests_name("places", places_tests, NULL, NULL);
}
