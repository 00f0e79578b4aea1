/* SPDX-License-Identifier: MIT
 *
 * The arena: zeroed, aligned, bounded, gone in the child of a fork, and no more
 * than a NULL where the kernel gives no memory.
 */
#include <errno.h>
#include <string.h>

#include "fake.h"

static struct fa_arena a;

static int setup(void **state)
{
	memset(&a, 0, sizeof(a));
	return unit_setup(state);
}

static void test_aligned_and_zeroed(void **state)
{
	static const size_t sizes[] = { 1, 15, 16, 17, 100, 4096, 3 };

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		char *p = fa_arena_alloc(&a, sizes[i]);

		assert_non_null(p);
		assert_int_equal((uintptr_t)p % 16, 0);
		for (size_t n = 0; n < sizes[i]; n++)
			assert_int_equal(p[n], 0);
		memset(p, 0xaa, sizes[i]);
	}
}

static void test_parts_do_not_overlap(void **state)
{
	char *p = fa_arena_alloc(&a, 24), *q = fa_arena_alloc(&a, 24);

	(void)state;
	assert_true(q >= p + 24 || p >= q + 24);
	assert_int_equal(a.mapped, FA_ARENA_CHUNK);
}

static void test_whole_chunk(void **state)
{
	char *p = fa_arena_alloc(&a, FA_ARENA_CHUNK);

	(void)state;
	assert_non_null(p);
	memset(p, 1, FA_ARENA_CHUNK);
	assert_non_null(fa_arena_alloc(&a, 1));
	assert_int_equal(a.mapped, 2 * FA_ARENA_CHUNK);
}

static void test_too_large(void **state)
{
	(void)state;
	assert_null(fa_arena_alloc(&a, FA_ARENA_CHUNK + 1));
	assert_null(fa_arena_alloc(&a, SIZE_MAX - 64));
	assert_int_equal(a.mapped, 0);
}

static void test_limit(void **state)
{
	size_t n = 0;

	(void)state;
	while (fa_arena_alloc(&a, 4096))
		n += 4096;
	assert_int_equal(n, FA_ARENA_LIMIT);
	assert_int_equal(a.mapped, FA_ARENA_LIMIT);
	assert_null(fa_arena_alloc(&a, 16));
}

static void test_mmap_refused(void **state)
{
	(void)state;
	fake_fail(SYS_mmap, -ENOMEM);
	assert_null(fa_arena_alloc(&a, 16));
	assert_null(fa_map_wiped(4096));
	assert_int_equal(a.mapped, 0);
	fake_reset();
	assert_non_null(fa_arena_alloc(&a, 16));
}

static void test_no_wipe_no_memory(void **state)
{
	unsigned unmapped = fake_calls(SYS_munmap);

	(void)state;
	/* A kernel without MADV_WIPEONFORK: a child would go on with our state. */
	fake_fail(SYS_madvise, -EINVAL);
	assert_null(fa_arena_alloc(&a, 16));
	assert_int_equal(fake_calls(SYS_munmap), unmapped + 1);
}

static char *shared_view;

static bool child_sees_zeros(void)
{
	for (size_t i = 0; i < 4096; i++)
		CHECK(shared_view[i] == 0);
	shared_view[0] = 1; /* and may write */
	return true;
}

static void test_wiped_on_fork(void **state)
{
	(void)state;
	shared_view = fa_arena_alloc(&a, 4096);
	memset(shared_view, 0x55, 4096);
	assert_true(unit_child(child_sees_zeros));
	assert_int_equal(shared_view[0], 0x55);
}

#define ARENA_TEST(name) cmocka_unit_test_setup_teardown(name, setup, unit_teardown)

int main(void)
{
	const struct CMUnitTest arena_tests[] = {
		ARENA_TEST(test_aligned_and_zeroed),
		ARENA_TEST(test_parts_do_not_overlap),
		ARENA_TEST(test_whole_chunk),
		ARENA_TEST(test_too_large),
		ARENA_TEST(test_limit),
		ARENA_TEST(test_mmap_refused),
		ARENA_TEST(test_no_wipe_no_memory),
		ARENA_TEST(test_wiped_on_fork),
	};

	return cmocka_run_group_tests_name("arena", arena_tests, NULL, NULL);
}
