/* SPDX-License-Identifier: MIT
 *
 * Names of a directory: found again, and in every order.
 */
#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>

#include "../../runtime/listing.h"
#include "fake.h"

static struct fa_listing l;

static int listing_setup(void **state)
{
	unit_setup(state);
	memset(&l, 0, sizeof(l));
	return 0;
}

static int listing_teardown(void **state)
{
	fa_listing_free(&l);
	return unit_teardown(state);
}

static uint32_t find(const char *name)
{
	return fa_listing_find(&l, name, (uint32_t)strlen(name));
}

static void add(const char *name, uint64_t ino)
{
	assert_true(fa_listing_add(&l, name, ino, DT_REG));
}

static void test_find(void **state)
{
	(void)state;
	assert_int_equal(find("a"), FA_LISTING_NONE);
	add("a", 1);
	add("ab", 2);
	add("", 3);
	assert_int_equal(find("a"), 0);
	assert_int_equal(find("ab"), 1);
	assert_int_equal(find(""), 2);
	assert_int_equal(find("b"), FA_LISTING_NONE);
	assert_int_equal(find("abc"), FA_LISTING_NONE);
	/* Only so much of it. */
	assert_int_equal(fa_listing_find(&l, "abc", 2), 1);
	assert_string_equal(fa_listing_name(&l, 1), "ab");
}

static void test_many(void **state)
{
	char name[32];

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "name-%u", i * 7919 % 20000);
		add(name, i);
	}
	for (unsigned i = 0; i < 20000; i++) {
		snprintf(name, sizeof(name), "name-%u", i * 7919 % 20000);
		assert_int_equal(find(name), i);
	}
	assert_true(fa_listing_size(&l) < 20000 * 64);
}

/* Its memory has a limit: what is there stays, no more is taken. */
static void test_limit(void **state)
{
	char name[256];
	uint32_t n;

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	for (n = 0; n < 100000; n++) {
		snprintf(name, 8, "%07u", n);
		name[7] = 'x';
		if (!fa_listing_add(&l, name, n, DT_REG))
			break;
	}
	assert_true(n > 10000 && n < 100000);
	assert_int_equal(l.n, n);
	assert_true(fa_listing_size(&l) < 4UL * FA_LISTING_BYTES);
	assert_int_equal(find(fa_listing_name(&l, 5000)), 5000);
}

static void test_no_memory(void **state)
{
	(void)state;
	fake_fail(SYS_mmap, -ENOMEM);
	assert_false(fa_listing_add(&l, "a", 1, DT_REG));
	assert_int_equal(find("a"), FA_LISTING_NONE);
	fake_reset();
	add("a", 1);
	fake_fail(SYS_mmap, -ENOMEM);
	assert_int_equal(fa_listing_position(&l, FA_ORDER_NAME, 0), FA_LISTING_NONE);
	assert_int_equal(fa_listing_at(&l, FA_ORDER_INODE, 0), FA_LISTING_NONE);
	assert_int_equal(fa_listing_at(&l, FA_ORDER_READDIR, 0), 0);
}

/* The index alone fails: the name is not there, and later ones are. */
static void test_no_memory_for_the_index(void **state)
{
	(void)state;
	fake_fail_nth(SYS_mmap, 3, -ENOMEM);
	assert_false(fa_listing_add(&l, "a", 1, DT_REG));
	assert_int_equal(l.n, 0);
	add("b", 2);
	assert_int_equal(find("b"), 0);
	assert_int_equal(find("a"), FA_LISTING_NONE);
}

static const char *const name[] = { "delta", "alpha", "charlie", "bravo", "echo" };
static const uint64_t ino[] = { 30, 20, 50, 10, 40 };
static const uint32_t by[FA_ORDERS][5] = {
	{ 0, 1, 2, 3, 4 }, { 4, 3, 2, 1, 0 }, { 3, 1, 0, 4, 2 },
	{ 2, 4, 0, 1, 3 }, { 1, 3, 2, 0, 4 }, { 4, 0, 2, 3, 1 },
};

static void test_orders(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 5; i++)
		add(name[i], ino[i]);
	for (unsigned o = 0; o < FA_ORDERS; o++) {
		for (uint32_t i = 0; i < 5; i++) {
			assert_int_equal(fa_listing_at(&l, o, i), by[o][i]);
			assert_int_equal(fa_listing_position(&l, o, by[o][i]), i);
			if (i)
				assert_true(
					fa_listing_after(&l, o, by[o][i - 1], by[o][i]));
		}
		assert_int_equal(fa_listing_at(&l, o, 5), FA_LISTING_NONE);
	}
}

/* Names that come later are in order as well. */
static void test_order_of_more(void **state)
{
	(void)state;
	add("b", 1);
	add("a", 2);
	assert_int_equal(fa_listing_at(&l, FA_ORDER_NAME, 0), 1);
	add("0", 3);
	assert_int_equal(fa_listing_at(&l, FA_ORDER_NAME, 0), 2);
	assert_int_equal(fa_listing_at(&l, FA_ORDER_NAME, 2), 0);
}

static void test_sorts_many(void **state)
{
	char n[16];

	(void)state;
	for (uint32_t i = 0; i < FA_LISTING_SORTED; i++) {
		snprintf(n, sizeof(n), "%u", i);
		add(n, i * 2654435761U % 65521);
	}
	for (uint32_t i = 1; i < l.n; i++) {
		uint32_t a = fa_listing_at(&l, FA_ORDER_INODE, i - 1);
		uint32_t b = fa_listing_at(&l, FA_ORDER_INODE, i);

		assert_true(l.names[a].ino <= l.names[b].ino);
	}
	add("one more", 1);
	assert_int_equal(fa_listing_at(&l, FA_ORDER_INODE, 0), FA_LISTING_NONE);
}

/* Kinds go by suffix and type. */
static void test_kinds(void **state)
{
	(void)state;
	add("a.c", 1);
	add("b.c", 2);
	add("b.h", 3);
	add("plain", 4);
	add("other", 5);
	assert_true(fa_listing_add(&l, "d.c", 6, DT_DIR));
	assert_int_equal(l.names[0].kind, l.names[1].kind);
	assert_int_not_equal(l.names[0].kind, l.names[2].kind);
	assert_int_equal(l.names[3].kind, l.names[4].kind);
	assert_int_not_equal(l.names[0].kind, l.names[5].kind);
}

#define LISTING_TEST(test) \
	cmocka_unit_test_setup_teardown(test, listing_setup, listing_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LISTING_TEST(test_find),
		LISTING_TEST(test_many),
		LISTING_TEST(test_limit),
		LISTING_TEST(test_no_memory),
		LISTING_TEST(test_no_memory_for_the_index),
		LISTING_TEST(test_orders),
		LISTING_TEST(test_order_of_more),
		LISTING_TEST(test_sorts_many),
		LISTING_TEST(test_kinds),
	};

	return cmocka_run_group_tests_name("listing", tests, NULL, NULL);
}
