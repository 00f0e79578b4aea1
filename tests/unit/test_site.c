/* SPDX-License-Identifier: MIT
 *
 * Call sites: the return address, or the stack when that is asked for.
 */
#include "fake.h"

#include "../../runtime/site.h"

static uint64_t site_of_caller(void) __attribute__((noinline));
static uint64_t from_one(void) __attribute__((noinline));
static uint64_t from_other(void) __attribute__((noinline));
static uint64_t shared_helper(void) __attribute__((noinline));

static volatile uint64_t keep; /* no tail calls: the frames must be there */

static uint64_t site_of_caller(void)
{
	uint64_t s = fa_site((uintptr_t)__builtin_return_address(0));

	keep++;
	return s;
}

/* One call site, reached over two stacks. */
static uint64_t shared_helper(void)
{
	uint64_t s = site_of_caller();

	keep++;
	return s;
}

static uint64_t from_one(void)
{
	uint64_t s = shared_helper();

	keep++;
	return s;
}

static uint64_t from_other(void)
{
	uint64_t s = shared_helper();

	keep += 2;
	return s;
}

/* Volatile throughout: one place that calls, whatever the optimizer thinks of it. */
static uint64_t (*volatile call)(void);
static volatile unsigned round_of;
static uint64_t site[4];

static void visit(void)
{
	for (round_of = 0; round_of < 4; round_of++) {
		call = round_of & 1 ? from_other : from_one;
		site[round_of] = call();
	}
}

static void test_return_address(void **state)
{
	(void)state;
	assert_int_equal(fa_site(0x1234), 0x1234);
	visit();
	assert_int_equal(site[0], site[1]);
	assert_int_equal(site[0], site[2]);
}

/* From here on in this process stacks are on. */
static void test_stacks(void **state)
{
	(void)state;
	if (!fa_site_stacks())
		SKIP("libunwind.so.8 is not installed");
	unit_self();
	visit();
	assert_int_equal(site[0], site[2]);
	assert_int_equal(site[1], site[3]);
	assert_int_not_equal(site[0], site[1]);
	assert_int_not_equal(site[0], 0);
}

static void test_unknown_address(void **state)
{
	(void)state;
	if (!fa_site_stacks())
		SKIP("libunwind.so.8 is not installed");
	unit_self();
	assert_int_equal(fa_site(0x1234), 0x1234);
}

int main(void)
{
	const struct CMUnitTest site_tests[] = {
		cmocka_unit_test(test_return_address),
		cmocka_unit_test_setup_teardown(test_stacks, unit_setup, unit_teardown),
		cmocka_unit_test_setup_teardown(test_unknown_address, unit_setup,
						unit_teardown),
	};

	return cmocka_run_group_tests_name("site", site_tests, NULL, NULL);
}
