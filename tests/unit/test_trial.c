/* SPDX-License-Identifier: MIT
 *
 * Trials: when they begin, what is compared, and what is decided.
 */
#include <string.h>
#include <time.h>
#include <unistd.h>

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
	bool promised;

	t->paths++; /* as its looking at it counts */
	promised = fa_trial_opened(t, SITE);

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
	price[1] = 990; /* less, but that may be noise */
	a_trial();
	assert_false(t->trials.on);
	assert_int_equal(t->trials.site[0].rest, FA_TRIAL_REST);
	a_trial();
	assert_int_equal(t->trials.site[0].rest, 2 * FA_TRIAL_REST);
	for (unsigned i = 0; i < 20; i++)
		a_trial();
	assert_int_equal(t->trials.site[0].rest, FA_TRIAL_LONG);
}

/* ---- what is compared ---- */

/* Which of the windows were promised in, the first in bit 0. */
static void test_windows_take_turns(void **state)
{
	unsigned windows = 0, n = 0;
	bool promised = false;

	(void)state;
	start();
	price[0] = price[1] = 1000;
	fa_trial_sent(t, SITE, FA_TRIAL_FIRST);
	while (t->trials.trying) {
		unsigned window = t->trials.window;
		bool now_promised = opens();

		if (t->trials.trying && t->trials.window == window && n)
			assert_int_equal(now_promised, promised);
		promised = now_promised;
		windows |= (unsigned)promised << t->trials.window;
		n++;
	}
	/* Whatever drifts meets both alike: 0 + 3 + 4 + 7 = 1 + 2 + 5 + 6, and so on. */
	assert_int_equal(windows, 0x6666);
	assert_in_range(n, FA_TRIAL_WINDOWS * FA_TRIAL_WINDOW,
			FA_TRIAL_WINDOWS * (FA_TRIAL_WINDOW + 1));
}

/* One part in 64 less is enough, and no more than that is asked for. */
static void test_threshold(void **state)
{
	(void)state;
	start();
	fa_trial_sent(t, SITE, FA_TRIAL_FIRST);
	for (unsigned cheap = 0; cheap < 2; cheap++) {
		struct fa_trials *r = &t->trials;

		/* At the end of the last window, with the sums of all. */
		r->window = FA_TRIAL_WINDOWS - 1;
		r->first = t->paths - FA_TRIAL_WINDOW + 1;
		r->paths[0] = 1000 - FA_TRIAL_WINDOW;
		r->paths[1] = 1000;
		r->began = now;
		r->cost[0] = 64000;
		r->cost[1] = 63000 - cheap;
		opens();
		assert_null(r->trying);
		assert_int_equal(r->on, cheap);
		r->trying = &r->site[0];
	}
}

/* What was waited for in commits costs as well, though it is no processor time. */
static void test_waits_count(void **state)
{
	(void)state;
	start();
	price[0] = 1000;
	price[1] = 500;
	fa_trial_sent(t, SITE, FA_TRIAL_FIRST);
	while (t->trials.trying)
		t->trials.blocked += opens() ? 600 : 0;
	assert_false(t->trials.on);
	/* Without such waits: */
	a_trial();
	assert_true(t->trials.on);
}

/* ---- sites ---- */

static void test_other_sites(void **state)
{
	(void)state;
	start();
	price[0] = 1000;
	price[1] = 500;
	a_trial();
	assert_true(opens());
	t->h.skip = 5;
	assert_false(fa_trial_opened(t, SITE + 1));
	assert_int_equal(t->h.skip, 0); /* the next may be one that pays */
	/* A trial of another changes nothing for this one, which does not count in it. */
	price[1] = 0;
	fa_trial_sent(t, SITE + 1, FA_TRIAL_FIRST);
	assert_ptr_equal(t->trials.trying, &t->trials.site[1]);
	for (unsigned i = 0; i < 3 * FA_TRIAL_WINDOW; i++)
		assert_true(opens());
	assert_int_equal(t->trials.window, 0);
	price[1] = 2000;
	while (t->trials.trying) {
		t->paths++;
		now += price[fa_trial_opened(t, SITE + 1)];
	}
	assert_false(t->trials.site[1].pays);
	assert_true(t->trials.on);
	assert_true(opens());
}

static void test_too_many_sites(void **state)
{
	(void)state;
	start();
	for (unsigned i = 0; i < FA_TRIAL_SITES; i++)
		fa_trial_sent(t, SITE + i, 1);
	fa_trial_sent(t, SITE + FA_TRIAL_SITES, FA_TRIAL_FIRST);
	assert_null(t->trials.trying);
	fa_trial_sent(t, SITE + FA_TRIAL_SITES - 1, FA_TRIAL_FIRST - 1);
	assert_ptr_equal(t->trials.trying, &t->trials.site[FA_TRIAL_SITES - 1]);
	/* One at a time. */
	fa_trial_sent(t, SITE, FA_TRIAL_FIRST);
	assert_ptr_equal(t->trials.trying, &t->trials.site[FA_TRIAL_SITES - 1]);
}

/* Where something has changed the next trial comes soon. */
static void test_rest(void **state)
{
	const struct fa_trial_site *s;

	(void)state;
	start();
	price[0] = price[1] = 1000;
	for (unsigned i = 0; i < 3; i++)
		a_trial();
	s = &t->trials.site[0];
	assert_int_equal(s->rest, 4 * FA_TRIAL_REST);
	price[1] = 500;
	a_trial();
	assert_true(s->pays);
	assert_int_equal(s->rest, FA_TRIAL_REST);
	a_trial();
	assert_int_equal(s->rest, 2 * FA_TRIAL_REST);
	assert_int_equal(s->seen, 0);
}

/* ---- where there are none ---- */

static void test_other_modes(void **state)
{
	static const enum fa_mode modes[] = { FA_MODE_OBSERVE, FA_MODE_FUSE };

	(void)state;
	start();
	for (unsigned i = 0; i < 2; i++) {
		fa_options.mode = modes[i];
		fa_trial_sent(t, SITE, FA_TRIAL_FIRST);
		assert_null(t->trials.trying);
	}
	assert_int_equal(t->trials.site[0].site, 0);
}

static void test_not_while_recording(void **state)
{
	(void)state;
	start();
	fa_recording = true;
	fa_trial_sent(t, SITE, FA_TRIAL_FIRST);
	fa_recording = false;
	assert_null(t->trials.trying);
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
	static struct fa_thread other;

	(void)state;
	start();
	fa_process->no_promises = true;
	fa_trial_sent(t, SITE, FA_TRIAL_FIRST);
	assert_null(t->trials.trying);
	fa_process->no_promises = false;
	memset(&other, 0, sizeof(other));
	other.next = fa_process->threads;
	fa_process->threads = &other;
	fa_trial_sent(t, SITE, FA_TRIAL_FIRST);
	assert_null(t->trials.trying);
	fa_process->threads = other.next;
	fa_trial_sent(t, SITE, 1);
	assert_non_null(t->trials.trying);
}

/* One that is not seen any more gives way to others. */
static void test_site_that_ends(void **state)
{
	(void)state;
	start();
	fa_trial_sent(t, SITE, FA_TRIAL_FIRST);
	for (unsigned i = 0; i < FA_TRIAL_OTHERS - 1; i++)
		fa_trial_sent(t, SITE + 1, 1);
	assert_int_equal(t->trials.trying->site, SITE);
	fa_trial_sent(t, SITE + 1, 1);
	assert_int_equal(t->trials.trying->site, SITE + 1);
	assert_false(t->trials.site[0].pays);
}

/* What was passed by is counted all the same, for it is measured as it would run. */
static void test_passed_by(void **state)
{
	const char *path = unit_file("file", 10);
	uint32_t before;
	struct fa_call c;

	(void)state;
	start();
	before = t->paths;
	for (unsigned i = 0; i < 1000; i++) {
		int fd = -1;

		if (fa_pass_path())
			continue;
		fd = fa_open_begin(&c, AT_FDCWD, path, O_RDONLY, &t);
		close(fa_open_end(&c, fd >= 0 ? fd : open(path, O_RDONLY | O_CLOEXEC)));
	}
	assert_in_range(t->paths - before, 1000 - FA_SKIP, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_begins_late),
		TEST(test_pays),
		TEST(test_does_not_pay),
		TEST(test_windows_take_turns),
		TEST(test_threshold),
		TEST(test_site_that_ends),
		TEST(test_passed_by),
		TEST(test_waits_count),
		TEST(test_other_sites),
		TEST(test_too_many_sites),
		TEST(test_rest),
		TEST(test_other_modes),
		TEST(test_not_while_recording),
		TEST(test_not_while_cold),
		TEST(test_not_with_threads),
	};

	return cmocka_run_group_tests_name("trial", tests, NULL, NULL);
}
