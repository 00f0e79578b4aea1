/* SPDX-License-Identifier: MIT
 *
 * Signatures of sequences, and the table that counts them until it is full.
 */
#include <errno.h>
#include <string.h>

#include "fake.h"

#include "../../runtime/pattern.h"

static struct fa_fd sequence(uint64_t site, const char *steps)
{
	struct fa_fd f = { .site = site, .flags = FA_FD_CAPTURED };

	for (; *steps; steps++)
		fa_step(&f, (enum fa_op)(*steps - '0'));
	return f;
}

static void count(uint64_t site, const char *steps)
{
	struct fa_fd f = sequence(site, steps);

	fa_pattern_count(fa_thread_of(fa_self), &f);
}

static void test_steps_in_order(void **state)
{
	(void)state;
	assert_int_equal(sequence(1, "0").signature, 0x1);
	assert_int_equal(sequence(1, "0234").signature, 0x1345);
	assert_int_equal(sequence(1, "0243").signature, 0x1354);
}

static void test_repeats_collapse(void **state)
{
	(void)state;
	assert_int_equal(sequence(1, "0333333333333333333333334").signature, 0x145);
	assert_int_equal(sequence(1, "033363334").signature, 0x14745);
}

static void test_long_signature_keeps_its_start(void **state)
{
	struct fa_fd f = sequence(1, "0");
	uint64_t full;

	(void)state;
	for (int i = 0; i < 40; i++)
		fa_step(&f, i & 1 ? FA_READ : FA_SEEK);
	full = f.signature;
	assert_int_equal(full >> 60, FA_OPEN + 1);
	fa_step(&f, FA_CLOSE);
	assert_int_equal(f.signature, full);
}

static void test_distinct_keys(void **state)
{
	const struct fa_thread *t = unit_self();

	(void)state;
	count(1, "0234");
	count(1, "0234");
	count(1, "02333334");
	count(2, "0234");
	count(1, "034");
	assert_int_equal(t->h.n[FA_N_sequences], 5);
	assert_int_equal(t->h.n[FA_N_patterns], 3);
}

static void test_no_memory(void **state)
{
	const struct fa_thread *t = unit_self();

	(void)state;
	fake_fail(SYS_mmap, -ENOMEM);
	count(1, "04");
	count(1, "04");
	assert_int_equal(t->h.n[FA_N_sequences], 2);
	assert_int_equal(t->h.n[FA_N_patterns], 0);
	assert_int_equal(t->fallback[FA_F_no_memory], 2);
	fake_reset();
	count(1, "04");
	assert_int_equal(t->h.n[FA_N_patterns], 1);
}

static void test_arena_exhausted(void **state)
{
	const struct fa_thread *t = unit_self();
	uint64_t known, refused;

	(void)state;
	for (uint64_t site = 1; site <= 5000; site++)
		count(site, "034");
	known = t->h.n[FA_N_patterns];
	refused = t->fallback[FA_F_no_memory];
	assert_in_range(known, 500, 4999);
	assert_int_equal(known + refused, 5000);
	assert_int_equal(t->h.n[FA_N_sequences], 5000);
	assert_true(t->arena.mapped <= FA_ARENA_LIMIT);
	/* What is in the table is still found in it; nothing new comes in. */
	for (uint64_t site = 1; site <= 5000; site++)
		count(site, "034");
	assert_int_equal(t->h.n[FA_N_patterns], known);
	assert_int_equal(t->fallback[FA_F_no_memory], 2 * refused);
}

/* Memory that ends at any moment, also while the table grows. */
static void test_memory_ends_at_any_point(void **state)
{
	(void)state;
	for (unsigned nth = 1; nth <= 8; nth++) {
		const struct fa_thread *t;

		fake_reset();
		unit_start(NULL);
		t = unit_self();
		fake_fail_nth(SYS_mmap, nth, -ENOMEM);
		for (uint64_t site = 1; site <= 1500; site++)
			count(site, "034");
		assert_int_equal(t->h.n[FA_N_sequences], 1500);
		assert_int_equal(t->h.n[FA_N_patterns] + t->fallback[FA_F_no_memory], 1500);
		assert_true(t->fallback[FA_F_no_memory] > 0);
	}
}

/* Room for the entry but not for what the table needs beside it. */
static void test_memory_ends_within_an_insertion(void **state)
{
	unsigned failed = 0, worked = 0;

	(void)state;
	for (size_t room = 0; room <= 2048; room += 32) {
		const struct fa_thread *t;

		fake_reset();
		unit_start(NULL);
		t = unit_self();
		fa_arena_alloc(&fa_thread_of(fa_self)->arena, FA_ARENA_CHUNK - room);
		fake_fail(SYS_mmap, -ENOMEM);
		count(1, "04");
		failed += t->h.n[FA_N_patterns] == 0;
		worked += t->h.n[FA_N_patterns] == 1;
		fake_reset();
		count(1, "04");
		assert_int_equal(t->h.n[FA_N_patterns], 1);
	}
	assert_true(failed > 5 && worked > 5);
}

static int setup(void **state)
{
	unit_setup(state);
	unit_self();
	return 0;
}

#define PATTERN_TEST(name) cmocka_unit_test_setup_teardown(name, setup, unit_teardown)

int main(void)
{
	const struct CMUnitTest pattern_tests[] = {
		PATTERN_TEST(test_steps_in_order),
		PATTERN_TEST(test_repeats_collapse),
		PATTERN_TEST(test_long_signature_keeps_its_start),
		PATTERN_TEST(test_distinct_keys),
		PATTERN_TEST(test_no_memory),
		PATTERN_TEST(test_arena_exhausted),
		PATTERN_TEST(test_memory_ends_at_any_point),
		PATTERN_TEST(test_memory_ends_within_an_insertion),
	};

	return cmocka_run_group_tests_name("pattern", pattern_tests, NULL, NULL);
}
