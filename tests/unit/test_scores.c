/* SPDX-License-Identifier: MIT
 *
 * Scores of rules: what is forgiven, what is forgotten, and which rules make room.
 */
#include "unit_requests.h"

#include "../../runtime/hints.h"
#include "../../runtime/rules.h"

static void test_one_miss_is_forgiven(void **state)
{
	(void)state;
	learn_srv();
	assert_false(serve(get("/1"), "/other/1"));
	assert_int_equal(fa_requests_missed(q), 1);
	assert_int_equal(fa_requests_missed(q), 0);
	guess_is(get("/2"), "/srv/2");
	assert_false(serve(get("/1"), "/other/1"));
	guess_is(get("/2"), "/other/2");
}

static void test_half_right_is_not_used(void **state)
{
	(void)state;
	learn_srv();
	for (unsigned i = 0; i < 200; i++) {
		if (i > 6)
			guess_is(get("/x"), NULL);
		serve(get("/x"), i & 1 ? "/srv/x" : "/other/x");
	}
}

/* In how many of 100 requests there is a guess, when so many go to one root. */
static unsigned used_at(unsigned percent)
{
	static const char *const host[] = { "a", "b", "c" };
	unsigned used = 0;

	memset(q, 0, fa_requests_size());
	for (unsigned i = 0; i < 20000; i++) {
		struct fa_request r =
			request("GET", dice(2) ? "/d/x" : "/e/x", host[dice(3)]);
		char path[FA_GUESS_PATH + 32];
		struct fa_guess g;

		if (dice(100) < percent)
			snprintf(path, sizeof(path), "/srv%s", r.target);
		else
			snprintf(path, sizeof(path), "/%u%s", dice(1000), r.target);
		used += fa_requests_guess(q, &r, &g, 1);
		serve(r, path);
	}
	return used / 200;
}

static void test_use_at_random(void **state)
{
	(void)state;
	assert_in_range(used_at(10), 0, 2);
	assert_in_range(used_at(25), 0, 10);
	assert_in_range(used_at(50), 0, 49);
	assert_in_range(used_at(90), 90, 100);
	assert_in_range(used_at(97), 98, 100);
}

static unsigned proven_of(const struct fa_rules *rules)
{
	unsigned n = 0;

	for (unsigned i = 0; i < FA_RULES; i++)
		n += rules->rule[i].score >= FA_SCORE_ON;
	assert_int_equal(rules->proven, n);
	return n;
}

static void judge(struct fa_rules *rules, const char *target, unsigned root)
{
	struct fa_request r = get(target);
	char path[64];
	struct fa_example e = { .r = &r, .path = path };

	snprintf(path, sizeof(path), "/%u%s", root, target);
	e.n = (uint32_t)strlen(path);
	assert_true(fa_explains(&e));
	fa_rules_judge(rules, &e);
}

/* However rules come and go, those that may be used are counted. */
static void test_count_of_proven(void **state)
{
	struct fa_rules rules;
	unsigned most = 0;

	(void)state;
	memset(&rules, 0, sizeof(rules));
	for (unsigned i = 0; i < 1000; i++) {
		listener = i / 5;
		judge(&rules, "/x", 0);
		most = proven_of(&rules) > most ? proven_of(&rules) : most;
	}
	assert_int_equal(most, FA_RULES);
	for (unsigned i = 0; i < 20000; i++) {
		struct fa_request r;

		listener = dice(20);
		r = get("/d/x");
		if (dice(10))
			judge(&rules, dice(2) ? "/d/x" : "/x", dice(8) == 0);
		else
			fa_rules_missed(&rules, &r);
		proven_of(&rules);
	}
}

/* More places than rules: the proven ones stay, the others come and go. */
static void test_full(void **state)
{
	char path[64];

	(void)state;
	learn_srv();
	for (unsigned i = 0; i < 1000; i++) {
		listener = 100 + i;
		snprintf(path, sizeof(path), "/%u/d/x", i);
		serve(get("/d/x"), path);
	}
	listener = 0;
	guess_is(get("/y"), "/srv/y");
	listener = 7;
	serve(get("/d/x"), "/new/d/x");
	serve(get("/d/x"), "/new/d/x");
	guess_is(get("/y"), "/new/y");
	/* All proven: there is room for a new one all the same. */
	for (unsigned i = 0; i < 2 * FA_RULES; i++) {
		listener = 200 + i;
		snprintf(path, sizeof(path), "/%u/x", i);
		for (unsigned k = 0; k < 5; k++)
			serve(get("/x"), path);
	}
	listener = 8;
	serve(get("/d/x"), "/newer/d/x");
	serve(get("/d/x"), "/newer/d/x");
	guess_is(get("/y"), "/newer/y");
}

int main(void)
{
	const struct CMUnitTest scores_tests[] = {
		REQUESTS_TEST(test_one_miss_is_forgiven),
		REQUESTS_TEST(test_half_right_is_not_used),
		REQUESTS_TEST(test_use_at_random),
		REQUESTS_TEST(test_count_of_proven),
		REQUESTS_TEST(test_full),
	};

	return cmocka_run_group_tests_name("scores", scores_tests, NULL, NULL);
}
