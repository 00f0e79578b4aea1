/* SPDX-License-Identifier: MIT
 *
 * Trials: when they begin, what is compared, and what is decided.
 */
#include <time.h>

#include "fake.h"

#define SITE 0x1234

static struct fa_thread *t;
static uint64_t now, price[2]; /* of a sequence, without and with a promise */

static long on_clock(long clock, long at, long c, long d, long e, long f)
{
	struct timespec *ts = (void *)at;

	if (clock != CLOCK_THREAD_CPUTIME_ID)
		return fake_kernel(SYS_clock_gettime, clock, at, c, d, e, f);
	*ts = (struct timespec){ (time_t)(now / 1000000000), (long)(now % 1000000000) };
	return 0;
}

static void start(void)
{
	t = unit_self();
	fake_hook(SYS_clock_gettime, on_clock);
}

static bool opens(void)
{
	bool promised = fa_trial_opened(t, SITE);

	now += price[promised];
	return promised;
}

/* Until the trial is over: how many of its sequences were promised. */
static unsigned a_trial(void)
{
	unsigned promised = 0;

	fa_trial_sent(t, SITE,
		      t->trials.site[0].rest ? t->trials.site[0].rest : FA_TRIAL_FIRST);
	assert_non_null(t->trials.trying);
	while (t->trials.trying)
		promised += opens();
	return promised;
}

static void test_begins_late(void **state)
{
	(void)state;
	start();
	assert_false(opens());
	fa_trial_sent(t, SITE, FA_TRIAL_FIRST - 1);
	assert_null(t->trials.trying);
	fa_trial_sent(t, SITE, 1);
	assert_non_null(t->trials.trying);
}

static void test_pays(void **state)
{
	unsigned half = FA_TRIAL_WINDOW * FA_TRIAL_WINDOWS / 2;

	(void)state;
	start();
	price[0] = 1000;
	price[1] = 900;
	assert_in_range(a_trial(), half - FA_TRIAL_WINDOWS, half + FA_TRIAL_WINDOWS);
	assert_true(t->trials.on);
	assert_true(opens());
	assert_int_equal(t->h.skip, 0);
	/* It does not any more. */
	price[1] = 1000;
	a_trial();
	assert_false(t->trials.on);
	assert_false(opens());
}

static void test_does_not_pay(void **state)
{
	(void)state;
	start();
	price[0] = 1000;
	price[1] = 960; /* less, but that may be noise */
	a_trial();
	assert_false(t->trials.on);
	assert_int_equal(t->trials.site[0].rest, FA_TRIAL_REST);
	a_trial();
	assert_int_equal(t->trials.site[0].rest, 2 * FA_TRIAL_REST);
	for (unsigned i = 0; i < 20; i++)
		a_trial();
	assert_int_equal(t->trials.site[0].rest, FA_TRIAL_LONG);
}

static void test_not_while_cold(void **state)
{
	(void)state;
	start();
	unit_cold(42, FA_READ);
	fa_trial_sent(t, SITE, FA_TRIAL_FIRST);
	assert_null(t->trials.trying);
}

static void test_not_with_threads(void **state)
{
	(void)state;
	start();
	fa_process->threads_coming = true;
	fa_trial_sent(t, SITE, FA_TRIAL_FIRST);
	assert_null(t->trials.trying);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_begins_late),	     TEST(test_pays),
		TEST(test_does_not_pay),     TEST(test_not_while_cold),
		TEST(test_not_with_threads),
	};

	return cmocka_run_group_tests_name("trial", tests, NULL, NULL);
}
