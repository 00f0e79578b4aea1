/* SPDX-License-Identifier: MIT
 *
 * What is learned: regimes per file system, habits per call site, shared with
 * children until privileges change.
 */
#include <string.h>

#include "fake.h"

#define SLOW 1000000U
#define FAST 2000U

static struct fa_regime *regime(uint64_t dev)
{
	for (unsigned i = 0; i < FA_DEVICES; i++)
		if (fa_hints->regime[i].dev == dev)
			return &fa_hints->regime[i];
	return NULL;
}

static void test_score_bounds(void **state)
{
	uint32_t *score;

	(void)state;
	fa_regime_note(7, FA_OPEN, SLOW);
	score = &regime(7)->op[FA_OPEN].score;
	assert_int_equal(*score, FA_SCORE_UP);
	fa_regime_note(7, FA_OPEN, FAST);
	assert_int_equal(*score, FA_SCORE_UP - 1);
	for (int i = 0; i < 10; i++)
		fa_regime_note(7, FA_OPEN, FAST);
	assert_int_equal(*score, 0);
	for (int i = 0; i < 10; i++)
		fa_regime_note(7, FA_OPEN, SLOW);
	assert_int_equal(*score, FA_SCORE_MAX);
	/* The mapping is shared: a number out of range comes back into it. */
	*score = 1000;
	fa_regime_note(7, FA_OPEN, SLOW);
	assert_int_equal(*score, FA_SCORE_MAX);
}

static void test_cold_after_two(void **state)
{
	(void)state;
	assert_false(fa_regime_cold(7, FA_OPEN));
	fa_regime_note(7, FA_OPEN, SLOW);
	assert_false(fa_regime_cold(7, FA_OPEN));
	fa_regime_note(7, FA_OPEN, SLOW);
	assert_true(fa_regime_cold(7, FA_OPEN));
	assert_int_equal(*fa_any_cold, 1);
}

static void test_cold_is_per_op_and_device(void **state)
{
	(void)state;
	unit_cold(7, FA_CLOSE);
	assert_true(fa_regime_cold(7, FA_CLOSE));
	assert_false(fa_regime_cold(7, FA_OPEN));
	assert_false(fa_regime_cold(8, FA_CLOSE));
	unit_cold(8, FA_STAT);
	assert_int_equal(*fa_any_cold, 2);
}

static void test_hot_again(void **state)
{
	unsigned calls = 0;

	(void)state;
	unit_cold(7, FA_READ);
	for (; fa_regime_cold(7, FA_READ) && calls < 100; calls++)
		fa_regime_note(7, FA_READ, FAST);
	/* From the highest score that is this far. */
	assert_int_equal(calls, FA_SCORE_MAX - FA_SCORE_ON + 1);
	assert_int_equal(*fa_any_cold, 0);
}

static void test_the_line_between(void **state)
{
	(void)state;
	for (int i = 0; i < 4; i++)
		fa_regime_note(7, FA_OPEN, FA_COLD_NS - 1);
	assert_false(fa_regime_cold(7, FA_OPEN));
	for (int i = 0; i < 2; i++)
		fa_regime_note(7, FA_OPEN, FA_COLD_NS);
	assert_true(fa_regime_cold(7, FA_OPEN));
}

static void test_fast_needs_no_entry(void **state)
{
	(void)state;
	for (uint64_t dev = 1; dev < 100; dev++)
		fa_regime_note(dev, FA_OPEN, FAST);
	for (unsigned i = 0; i < FA_DEVICES; i++)
		assert_int_equal(fa_hints->regime[i].dev, 0);
}

static void test_unknown_device(void **state)
{
	(void)state;
	unit_cold(0, FA_OPEN);
	assert_false(fa_regime_cold(0, FA_OPEN));
	assert_int_equal(*fa_any_cold, 0);
}

static void test_wait_is_an_average(void **state)
{
	(void)state;
	fa_regime_note(7, FA_OPEN, 1000000);
	fa_regime_note(7, FA_OPEN, 2000000);
	fa_regime_note(7, FA_OPEN, FAST);
	assert_int_equal(regime(7)->op[FA_OPEN].wait_ns, 1250000);
	/* Longer than the field holds. */
	fa_regime_note(9, FA_OPEN, UINT64_MAX);
	assert_int_equal(regime(9)->op[FA_OPEN].wait_ns, 1000000000);
}

static void test_device_table_full(void **state)
{
	unsigned cold = 0, known = 0;

	(void)state;
	for (uint64_t dev = 1; dev <= 200; dev++)
		unit_cold(dev, FA_OPEN);
	for (uint64_t dev = 1; dev <= 200; dev++)
		cold += fa_regime_cold(dev, FA_OPEN);
	for (unsigned i = 0; i < FA_DEVICES; i++)
		known += fa_hints->regime[i].dev != 0;
	assert_in_range(cold, 16, FA_DEVICES);
	assert_int_equal(cold, known);
	assert_int_equal(*fa_any_cold, cold);
}

static void test_site_table_full(void **state)
{
	struct fa_hint *first = fa_hint_of(0x1000);
	unsigned found = 0;

	(void)state;
	assert_non_null(first);
	assert_null(fa_hint_of(0));
	for (uint64_t site = 1; site <= 2000; site++)
		found += fa_hint_of(site * 64) != NULL;
	assert_in_range(found, 64, FA_SITES);
	assert_ptr_equal(fa_hint_of(0x1000), first);
}

static void test_window(void **state)
{
	struct fa_hint h = { .site = 1, .reads = FA_SCORE_ON - 1, .window = 300000 };

	(void)state;
	assert_int_equal(fa_hint_window(NULL, 1 << 30), 0);
	assert_int_equal(fa_hint_window(&h, 1 << 30), 0);
	h.reads = FA_SCORE_ON;
	assert_int_equal(fa_hint_window(&h, 1 << 30), 300000);
	assert_int_equal(fa_hint_window(&h, 10), 10);
	assert_int_equal(fa_hint_window(&h, 0), 0);
	h.window = 0;
	assert_int_equal(fa_hint_window(&h, 1 << 30), FA_WINDOW_MIN);
	h.window = UINT32_MAX;
	assert_int_equal(fa_hint_window(&h, 1ULL << 40), FA_WINDOW_MAX);
}

static void test_site_learns_to_read(void **state)
{
	struct fa_hint *h = fa_hint_of(0x77);

	(void)state;
	fa_hint_opened(h);
	assert_int_equal(fa_hint_window(h, 1 << 30), 0);
	fa_hint_read(h, 4096, true);
	fa_hint_read(h, 200000, false);
	fa_hint_read(h, 300000, true);
	assert_int_equal(h->reads, 2 * FA_SCORE_UP);
	assert_int_equal(fa_hint_window(h, 1 << 30), 300000);
	fa_hint_read(h, UINT64_MAX, false);
	assert_int_equal(fa_hint_window(h, 1 << 30), FA_WINDOW_MAX);
	/* Opens that read nothing let both sink. */
	fa_hint_opened(h);
	assert_int_equal(h->window, FA_WINDOW_MAX - FA_WINDOW_MAX / 16);
	for (unsigned i = 0; i < FA_SCORE_UP; i++)
		fa_hint_opened(h);
	assert_int_equal(fa_hint_window(h, 1 << 30), 0);
}

static void test_site_learns_what_follows(void **state)
{
	struct fa_hint *h = fa_hint_of(0x78), *of = fa_hint_of(0x79);

	(void)state;
	of->reads = 9;
	of->window = 555;
	for (int i = 0; i < 3; i++) {
		assert_false(fa_hint_statted(h));
		fa_hint_followed(h, 4000, O_CLOEXEC, of);
	}
	fa_hint_followed(h, 4000, O_CLOEXEC, of);
	assert_int_equal(h->oflags, O_CLOEXEC);
	assert_int_equal(h->window, 555);
	assert_int_equal(h->reads, 9);
	assert_true(fa_hint_statted(h));
	for (int i = 0; i < 4; i++)
		fa_hint_statted(h);
	assert_false(fa_hint_statted(h));
}

static void test_lead_too_short_or_too_long(void **state)
{
	struct fa_hint *h = fa_hint_of(0x78);

	(void)state;
	for (int i = 0; i < 10; i++)
		fa_hint_followed(h, FA_LEAD_US / 2, 0, NULL);
	assert_false(fa_hint_statted(h));
	h = fa_hint_of(0x79);
	for (int i = 0; i < 10; i++)
		fa_hint_followed(h, 1000001, 0, NULL);
	assert_int_equal(h->opens, 0);
}

static void test_no_room_for_a_site(void **state)
{
	(void)state;
	fa_hint_opened(NULL);
	fa_hint_read(NULL, 1, true);
	fa_hint_followed(NULL, 1, 0, NULL);
	assert_false(fa_hint_statted(NULL));
}

static bool learns(void)
{
	unit_cold(7, FA_OPEN);
	return true;
}

static void test_shared_with_children(void **state)
{
	(void)state;
	assert_true(unit_child(learns));
	assert_true(fa_regime_cold(7, FA_OPEN));
}

static bool learns_privately(void)
{
	CHECK(fa_regime_cold(5, FA_STAT));
	fa_hints_private();
	CHECK(fa_regime_cold(5, FA_STAT)); /* it has what was known */
	CHECK(*fa_any_cold == 1);
	fa_hints_private();
	CHECK(unit_child(learns)); /* a child of this one neither */
	CHECK(!fa_regime_cold(7, FA_OPEN));
	unit_cold(7, FA_OPEN);
	CHECK(fa_regime_cold(7, FA_OPEN));
	CHECK(*fa_any_cold == 2);
	return true;
}

static void test_private_copy(void **state)
{
	(void)state;
	unit_cold(5, FA_STAT);
	assert_true(unit_child(learns_privately));
	assert_false(fa_regime_cold(7, FA_OPEN));
	assert_int_equal(*fa_any_cold, 1);
}

static bool copy_refused_then_made(void)
{
	fake_fail_nth(SYS_mmap, 1, -12);
	fa_hints_private();
	CHECK(fa_regime_cold(5, FA_STAT)); /* still there */
	fa_hints_private();
	unit_cold(7, FA_OPEN);
	return true;
}

static void test_private_copy_refused(void **state)
{
	(void)state;
	unit_cold(5, FA_STAT);
	assert_true(unit_child(copy_refused_then_made));
	assert_false(fa_regime_cold(7, FA_OPEN));
}

int main(void)
{
	const struct CMUnitTest hints_tests[] = {
		TEST(test_score_bounds),
		TEST(test_cold_after_two),
		TEST(test_cold_is_per_op_and_device),
		TEST(test_hot_again),
		TEST(test_the_line_between),
		TEST(test_fast_needs_no_entry),
		TEST(test_unknown_device),
		TEST(test_wait_is_an_average),
		TEST(test_device_table_full),
		TEST(test_site_table_full),
		TEST(test_window),
		TEST(test_site_learns_to_read),
		TEST(test_site_learns_what_follows),
		TEST(test_lead_too_short_or_too_long),
		TEST(test_no_room_for_a_site),
		TEST(test_shared_with_children),
		TEST(test_private_copy),
		TEST(test_private_copy_refused),
	};

	return cmocka_run_group_tests_name("hints", hints_tests, NULL, NULL);
}
