/* SPDX-License-Identifier: MIT
 *
 * Rules from requests to paths: what servers of each kind teach.
 */
#include "unit_requests.h"

#include "../../runtime/rules.h"

/* ---- one root ---- */

static void test_two_examples(void **state)
{
	struct fa_request r = get("/c/3.bin");
	struct fa_guess g;

	(void)state;
	assert_true(fa_requests_idle(q));
	assert_false(serve(get("/a/1.bin"), "/srv/www/a/1.bin"));
	guess_is(get("/a/1.bin"), NULL);
	assert_true(fa_requests_idle(q));
	assert_false(serve(get("/b/2.bin"), "/srv/www/b/2.bin"));
	assert_false(fa_requests_idle(q));
	guess_is(r, "/srv/www/c/3.bin");
	guess_is(get("/4.bin"), "/srv/www/4.bin");
	fa_requests_given(q, &r);
	assert_true(fa_requests_opened(q, "/srv/www/c/3.bin", O_RDONLY | O_NONBLOCK, 77));
	assert_int_equal(fa_requests_guess(q, &r, &g, 1), 1);
	assert_int_equal(g.flags, O_RDONLY | O_NONBLOCK);
	assert_int_equal(g.site, 77);
	assert_int_equal(fa_requests_missed(q), 0);
}

static void test_root_is_the_root(void **state)
{
	(void)state;
	serve(get("/a/1"), "/a/1");
	serve(get("/a/2"), "/a/2");
	guess_is(get("/b/3"), "/b/3");
}

static void test_what_is_no_example(void **state)
{
	static const char *const pair[][3] = {
		{ "GET", "/a/1.bin", "/srv/2.bin" },
		{ "GET", "/a/1.bin", "/srv/a/11.bin" },
		{ "GET", "/11.bin", "/srv/1.bin" },
		{ "GET", "/a/1.bin", "/srv/a/1.bin/x" },
		{ "GET", "/a/1.bin", "" },
		{ "GET", "/a/1.bin", "/" },
		{ "GET", "/", "/" },
		{ "GET", "/a/", "/srv/a/" },
		{ "GET", "/a/", "/srv/a" },
		{ "GET", "/a/", "/srv/b/index.html" },
		{ "GET", "/a/", "/srv/ba/index.html" },
		{ "GET", "/b/a/", "/srv/ca/index.html" },
		{ "RETR", "1.bin", "/srv/11.bin" },
		{ "RETR", "a/", "/srv/ba/index.html" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(pair) / sizeof(pair[0]); i++) {
		struct fa_request r =
			request(pair[i][0], pair[i][1], pair[i][0][0] == 'G' ? "a" : NULL);

		struct fa_example e = { .r = &r,
					.path = pair[i][2],
					.n = (uint32_t)strlen(pair[i][2]) };

		assert_false(fa_explains(&e));
		memset(q, 0, fa_requests_size());
		for (unsigned k = 0; k < 4; k++)
			assert_false(serve(r, pair[i][2]));
		guess_is(r, NULL);
		assert_false(fa_requests_idle(q)); /* they still wait */
	}
}

static void test_lengths(void **state)
{
	char deep[FA_GUESS_PATH + 64], name[FA_TARGET];

	(void)state;
	/* Too long a prefix, too long a path, and one that only becomes too long. */
	memset(deep, 'd', sizeof(deep));
	deep[0] = '/';
	strcpy(deep + FA_RULE_TEXT + 1, "/x");
	serve(get("/x"), deep);
	serve(get("/x"), deep);
	guess_is(get("/x"), NULL);
	strcpy(deep + FA_GUESS_PATH, "/x");
	serve(get("/x"), deep);
	serve(get("/x"), deep);
	guess_is(get("/x"), NULL);
	strcpy(deep + FA_RULE_TEXT, "/x");
	serve(get("/x"), deep);
	serve(get("/x"), deep);
	guess_is(get("/x"), deep);
	memset(name, 'n', sizeof(name));
	name[0] = '/';
	name[FA_GUESS_PATH - FA_RULE_TEXT] = 0;
	guess_is(get(name), NULL);
	name[FA_GUESS_PATH - FA_RULE_TEXT - 1] = 0;
	strcpy(deep + FA_RULE_TEXT, name);
	guess_is(get(name), deep);
	assert_int_equal(strlen(deep), FA_GUESS_PATH - 1);
	assert_true(serve(get(name), deep));
}

static void test_verbs_and_listeners(void **state)
{
	(void)state;
	listener = 1;
	serve(get("/a/1"), "/one/a/1");
	serve(get("/a/2"), "/one/a/2");
	guess_is(request("HEAD", "/a/1", "a"), NULL);
	listener = 2;
	guess_is(get("/a/1"), NULL);
	serve(get("/a/1"), "/two/a/1");
	serve(get("/a/2"), "/two/a/2");
	guess_is(get("/b/1"), "/two/b/1");
	listener = 1;
	guess_is(get("/b/1"), "/one/b/1");
}

static void test_index(void **state)
{
	(void)state;
	serve(get("/a/"), "/srv/a/index.html");
	serve(get("/"), "/srv/index.html");
	guess_is(get("/b/c/"), "/srv/b/c/index.html");
	guess_is(get("/b/c"), NULL);
	serve(get("/x"), "/srv/x");
	serve(get("/y"), "/srv/y");
	guess_is(get("/b/c"), "/srv/b/c");
	guess_is(get("/b/c/"), "/srv/b/c/index.html");
	guess_is(get("/"), "/srv/index.html");
}

static void test_guess_changes_nothing(void **state)
{
	size_t n = fa_requests_size();
	struct fa_request r = get("/3");
	struct fa_guess g[2];
	char *copy = malloc(n);

	(void)state;
	serve(get("/1"), "/srv/1");
	serve(get("/2"), "/srv/2");
	fa_requests_given(q, &r);
	memcpy(copy, q, n);
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(fa_requests_guess(q, &r, g, 2), 1);
		assert_int_equal(fa_requests_guess(q, &r, g, 0), 0);
	}
	assert_memory_equal(copy, q, n);
	free(copy);
}

/* ---- several roots ---- */

static void test_alias(void **state)
{
	struct fa_request r = get("/i/s/3.png");

	(void)state;
	serve(get("/i/1.png"), "/data/w3/1.png");
	serve(get("/i/2.png"), "/data/w3/2.png");
	guess_is(get("/i/s/3.png"), "/data/w3/s/3.png");
	guess_is(get("/j/3.png"), NULL);
	guess_is(get("/ii/3.png"), NULL);
	guess_is(get("/i"), NULL);
	r.len = 2; /* what is behind it is of an older one */
	guess_is(r, NULL);
}

/* "/" is in /srv, "/i/" in /data: one after the other, whichever comes first. */
static void two_roots(bool i_first)
{
	char target[32], path[64];

	for (unsigned n = 0; n < 12; n++) {
		if ((n & 1) != i_first)
			snprintf(target, sizeof(target), "/i/%u", n);
		else
			snprintf(target, sizeof(target), "/%c/%u", (char)('a' + n % 8), n);
		snprintf(path, sizeof(path), "%s%s", target[1] == 'i' ? "/data" : "/srv",
			 target);
		if (!serve(get(target), path) && n >= 8)
			fail_msg("%s was not foretold", target);
	}
	guess_is(get("/i/x"), "/data/i/x");
	guess_is(get("/h/x"), "/srv/h/x");
	guess_is(get("/x"), "/srv/x");
}

static void test_two_roots(void **state)
{
	(void)state;
	two_roots(false);
}

static void test_two_roots_other_first(void **state)
{
	(void)state;
	two_roots(true);
}

/* A root that is well known does not hide another, though its files are absent. */
static void test_second_root_later(void **state)
{
	char target[32], path[64];

	(void)state;
	for (unsigned n = 0; n < 10; n++) {
		snprintf(target, sizeof(target), "/%u/x", n);
		snprintf(path, sizeof(path), "/srv/%u/x", n);
		serve(get(target), path);
	}
	for (unsigned n = 0; n < 3; n++) {
		snprintf(target, sizeof(target), "/i/%u", n);
		snprintf(path, sizeof(path), "/data/i/%u", n);
		if (n == 2)
			guess_is(get(target), path);
		given_absent(get(target));
		opened(path);
	}
	guess_is(get("/1/x"), "/srv/1/x");
}

static void test_root_in_a_root(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		serve(get("/a/1"), "/srv/a/1");
		serve(get("/a/b/1"), "/data/a/b/1");
		serve(get("/a/c/1"), "/srv/a/c/1");
	}
	guess_is(get("/a/b/2"), "/data/a/b/2");
	guess_is(get("/a/c/2"), "/srv/a/c/2");
	guess_is(get("/d/2"), "/srv/d/2");
}

static void test_several_guesses(void **state)
{
	struct fa_request r = get("/i/x");
	struct fa_guess g[4];

	(void)state;
	two_roots(false);
	assert_int_equal(fa_requests_guess(q, &r, g, 4), 2);
	assert_string_equal(g[0].path, "/data/i/x");
	assert_string_equal(g[1].path, "/srv/i/x");
	assert_int_not_equal(g[0].rule, g[1].rule);
	assert_int_equal(fa_requests_guess(q, &r, g, 1), 1);
	assert_string_equal(g[0].path, "/data/i/x");
	/* The second is foretold, too. */
	assert_true(serve(r, "/srv/i/x"));
}

/* Two for the same P: the one that does better now. */
static void test_better_score_first(void **state)
{
	struct fa_request r = get("/x");
	struct fa_guess g[4];

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		serve(get("/x"), "/srv/x");
	for (unsigned i = 0; i < 2; i++)
		serve(get("/i/x"), "/data/i/x");
	for (unsigned i = 0; i < 2; i++)
		serve(get("/x"), "/srv/x");
	serve(get("/x"), "/data/x");
	guess_is(get("/x"), "/srv/x");
	serve(get("/i/x"), "/data/i/x");
	assert_int_equal(fa_requests_guess(q, &r, g, 4), 2);
	assert_string_equal(g[0].path, "/data/x");
	assert_string_equal(g[1].path, "/srv/x");
	serve(get("/x"), "/srv/x");
	guess_is(get("/x"), "/srv/x");
}

static void test_hosts(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		serve(request("GET", "/d/1", "a"), "/srv/a/d/1");
		serve(request("GET", "/d/1", "b"), "/srv/b/d/1");
	}
	guess_is(request("GET", "/e/2", "a"), "/srv/a/e/2");
	guess_is(request("GET", "/e/2", "b:80"), "/srv/b/e/2");
}

/* A host not seen yet is served as the others are. */
static void test_any_host(void **state)
{
	char host[32];

	(void)state;
	serve(request("GET", "/1", "a"), "/srv/1");
	serve(request("GET", "/2", "b"), "/srv/2");
	guess_is(request("GET", "/3", "c"), "/srv/3");
	guess_is(request("GET", "/3", NULL), "/srv/3");
	/* And hosts that are made up need no rules of their own. */
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(host, sizeof(host), "h%u", i);
		assert_true(serve(request("GET", "/1", host), "/srv/1"));
	}
	listener++;
	for (unsigned i = 0; i < 2; i++)
		serve(request("GET", "/1", "a"), "/other/1");
	listener--;
	guess_is(request("GET", "/3", "a"), "/srv/3");
}

/* A host of its own beside a default that everybody else gets. */
static void test_default_host(void **state)
{
	char host[32];

	(void)state;
	for (unsigned i = 0; i < 40; i++) {
		snprintf(host, sizeof(host), "h%u", i);
		serve(request("GET", "/d/1", host), "/srv/d/1");
		if (i % 4 == 3)
			assert_int_equal(serve(request("GET", "/d/1", "b"), "/b/d/1"),
					 i > 7);
	}
	guess_is(request("GET", "/e/1", "new"), "/srv/e/1");
	guess_is(request("GET", "/e/1", "b"), "/b/e/1");
}

static void test_ftp(void **state)
{
	(void)state;
	serve(request("RETR", "1.txt", NULL), "/home/u/1.txt");
	serve(request("RETR", "2.txt", NULL), "/home/u/2.txt");
	guess_is(request("RETR", "3.txt", NULL), "/home/u/3.txt");
	guess_is(request("RETR", "s/4 5.txt", NULL), "/home/u/s/4 5.txt");
	guess_is(request("RETR", "/pub/3.txt", NULL), NULL);
	for (unsigned i = 0; i < 4; i++)
		serve(request("RETR", "2.txt", NULL), "/home/u/2.txt");
	/* The client goes elsewhere: first the old place is guessed, then none, then this.
	 */
	given_absent(request("RETR", "1.txt", NULL));
	opened("/pub/1.txt");
	given(request("RETR", "2.txt", NULL));
	opened("/pub/2.txt");
	guess_is(request("RETR", "3.txt", NULL), "/pub/3.txt");
	assert_true(serve(request("RETR", "3.txt", NULL), "/pub/3.txt"));
	/* Absolute names are another rule. */
	serve(request("RETR", "/d/1.txt", NULL), "/ftp/d/1.txt");
	serve(request("RETR", "/d/2.txt", NULL), "/ftp/d/2.txt");
	guess_is(request("RETR", "/d/3.txt", NULL), "/ftp/d/3.txt");
	guess_is(request("RETR", "3.txt", NULL), "/pub/3.txt");
}

static void test_last_verb_counts(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		given(request("SIZE", "1.txt", NULL));
		serve(request("RETR", "1.txt", NULL), "/home/u/1.txt");
	}
	guess_is(request("RETR", "2.txt", NULL), "/home/u/2.txt");
	guess_is(request("SIZE", "2.txt", NULL), NULL);
	/* Also when the directory changes and the old guess was a file as well. */
	for (unsigned i = 0; i < 4; i++) {
		given(request("SIZE", "1.txt", NULL));
		serve(request("RETR", "1.txt", NULL), "/pub/1.txt");
	}
	guess_is(request("RETR", "2.txt", NULL), "/pub/2.txt");
	guess_is(request("SIZE", "2.txt", NULL), NULL);
}

/* Relative names of several components: cut where both have a slash. */
static void test_ftp_directories(void **state)
{
	for (unsigned i = 0; i < 2; i++)
		serve(request("RETR", "a/1", NULL), "/srv/ba/1");
	(void)state;
	guess_is(request("RETR", "a/2", NULL), "/srv/ba/2");
	guess_is(request("RETR", "c/2", NULL), NULL);
	guess_is(request("RETR", "2", NULL), NULL);
	for (unsigned i = 0; i < 2; i++)
		serve(request("LIST", "c/", NULL), "/srv/c/.listing");
	guess_is(request("LIST", "d/", NULL), "/srv/d/.listing");
}

int main(void)
{
	const struct CMUnitTest rules_tests[] = {
		REQUESTS_TEST(test_two_examples),
		REQUESTS_TEST(test_root_is_the_root),
		REQUESTS_TEST(test_what_is_no_example),
		REQUESTS_TEST(test_lengths),
		REQUESTS_TEST(test_verbs_and_listeners),
		REQUESTS_TEST(test_index),
		REQUESTS_TEST(test_guess_changes_nothing),
		REQUESTS_TEST(test_alias),
		REQUESTS_TEST(test_two_roots),
		REQUESTS_TEST(test_two_roots_other_first),
		REQUESTS_TEST(test_second_root_later),
		REQUESTS_TEST(test_root_in_a_root),
		REQUESTS_TEST(test_several_guesses),
		REQUESTS_TEST(test_better_score_first),
		REQUESTS_TEST(test_hosts),
		REQUESTS_TEST(test_any_host),
		REQUESTS_TEST(test_default_host),
		REQUESTS_TEST(test_ftp),
		REQUESTS_TEST(test_ftp_directories),
		REQUESTS_TEST(test_last_verb_counts),
	};

	return cmocka_run_group_tests_name("rules", rules_tests, NULL, NULL);
}
