/* SPDX-License-Identifier: MIT
 *
 * Requests that wait for their open: which one an open belongs to, what becomes of
 * those that nothing is opened for, and what strangers cannot make of it.
 */
#include "unit_requests.h"

/* Requests for which nothing is opened, though the file is there. */
static void test_never_opened(void **state)
{
	char target[32];

	(void)state;
	learn_srv();
	for (unsigned i = 0; i < FA_REQUESTS + 1; i++) {
		snprintf(target, sizeof(target), "/%u", i);
		given(get(target));
	}
	assert_int_equal(fa_requests_missed(q), 1);
	guess_is(get("/2"), "/srv/2");
	given(get("/y"));
	assert_int_equal(fa_requests_missed(q), 1);
	/* Nothing is guessed now; the rule for any host goes the same way. */
	given(get("/y"));
	given(get("/y"));
	given(get("/y"));
	guess_is(get("/2"), NULL);
	/* Those still waiting are no misses of rules learned meanwhile. */
	assert_false(opened("/srv/y"));
}

static void test_oldest_falls_out(void **state)
{
	(void)state;
	learn_srv();
	given(get("/old"));
	for (unsigned i = 0; i < FA_REQUESTS - 1; i++)
		given(get("/x"));
	assert_true(opened("/srv/old"));
	for (unsigned i = 0; i < FA_REQUESTS - 1; i++)
		assert_true(opened("/srv/x"));
	assert_false(opened("/srv/x"));
	given(get("/old"));
	for (unsigned i = 0; i < FA_REQUESTS; i++)
		given(get("/x"));
	assert_false(opened("/srv/old"));
	assert_int_equal(fa_requests_missed(q), 1);
}

/* Of equal ones the oldest is explained: the other can wait longer. */
static void test_oldest_of_equals(void **state)
{
	(void)state;
	learn_srv();
	given(get("/y"));
	for (unsigned i = 0; i < FA_REQUESTS - 2; i++)
		given(get("/x"));
	given(get("/y"));
	assert_true(opened("/srv/y"));
	given(get("/x"));
	assert_int_equal(fa_requests_missed(q), 0);
	given(get("/x"));
	assert_int_equal(fa_requests_missed(q), 1);
}

/* What was given before there was a rule was not foretold by it. */
static void test_given_before_the_rule(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		given(get("/x"));
	assert_false(opened("/srv/x"));
	assert_false(opened("/srv/x"));
	guess_is(get("/x"), "/srv/x");
	assert_false(opened("/srv/x"));
	assert_int_equal(fa_requests_missed(q), 0);
}

static void test_explained_once(void **state)
{
	(void)state;
	learn_srv();
	given(get("/y"));
	assert_true(serve(get("/x"), "/srv/x"));
	assert_false(opened("/srv/x"));
	assert_int_equal(fa_requests_missed(q), 0);
}

/* ---- strangers ---- */

static void test_flood_of_absent_files(void **state)
{
	char target[64];

	(void)state;
	learn_srv();
	for (unsigned i = 0; i < 20000; i++) {
		snprintf(target, sizeof(target), "/%u/wp-login.php", i);
		given_absent(get(target));
		if (i % 100 == 0)
			assert_true(serve(get("/a/1"), "/srv/a/1"));
	}
	assert_int_equal(fa_requests_missed(q), 0);
	guess_is(get("/2"), "/srv/2");
	/* A request that waits is not driven out by them either. */
	given(get("/slow"));
	for (unsigned i = 0; i < FA_REQUESTS - 2; i++)
		given_absent(get("/nothing"));
	assert_true(opened("/srv/slow"));
}

static void test_absent_without_a_request(void **state)
{
	struct fa_request r = get("/never/given"), head = request("HEAD", "/x", "a");

	(void)state;
	fa_requests_absent(q, &r);
	learn_srv();
	fa_requests_absent(q, &r);
	given(get("/x"));
	fa_requests_absent(q, &r);
	fa_requests_absent(q, &head);
	assert_true(opened("/srv/x"));
}

/* Absent or not, what is opened for it is the truth. */
static void test_absent_still_teaches(void **state)
{
	(void)state;
	learn_srv();
	for (unsigned i = 0; i < 2; i++) {
		given_absent(get("/x"));
		assert_false(opened("/other/x"));
	}
	guess_is(get("/x"), "/other/x");
}

static void test_ambiguity(void **state)
{
	(void)state;
	/* Two hosts, two listeners, two directories. */
	for (unsigned i = 0; i < 4; i++) {
		given(request("GET", "/x", "a"));
		given(request("GET", "/x", "b"));
		assert_false(opened("/srv/x"));
	}
	guess_is(request("GET", "/x", "a"), NULL);
	guess_is(request("GET", "/x", "b"), NULL);
	for (unsigned i = 0; i < 4; i++) {
		listener = 1;
		given(get("/y"));
		listener = 2;
		given(get("/y"));
		assert_false(opened("/srv/y"));
	}
	guess_is(get("/y"), NULL);
	listener = 3;
	for (unsigned i = 0; i < 4; i++) {
		given(get("/i/z"));
		given(get("/j/z"));
		assert_false(opened("/data/z"));
	}
	guess_is(get("/i/z"), NULL);
	guess_is(get("/j/z"), NULL);
}

static void test_no_ambiguity(void **state)
{
	(void)state;
	/* Equal in everything. */
	given(get("/x"));
	given(get("/x"));
	opened("/srv/x");
	opened("/srv/x");
	guess_is(get("/x"), "/srv/x");
	/* One explains more. */
	listener = 2;
	for (unsigned i = 0; i < 2; i++) {
		given(request("GET", "/x/index.html", "b"));
		given(request("GET", "/index.html", "a"));
		given(request("GET", "/", "a"));
		opened("/srv/x/index.html");
		opened("/a/index.html");
	}
	guess_is(request("GET", "/y", "b"), "/srv/y");
	guess_is(request("GET", "/y", "a"), "/a/y");
	/* That others are equal does not matter. */
	listener = 3;
	for (unsigned i = 0; i < 2; i++) {
		given(request("GET", "/x/index.html", "b"));
		given(request("GET", "/index.html", "a"));
		given(request("GET", "/index.html", "c"));
		opened("/srv/x/index.html");
	}
	guess_is(request("GET", "/y", "b"), "/srv/y");
	/* One was foretold. */
	given(request("GET", "/z", "c"));
	given(request("GET", "/z", "b"));
	assert_true(opened("/srv/z"));
	guess_is(request("GET", "/y", "b"), "/srv/y");
}

/* ---- whole servers ---- */

static const char *const hosts[] = { "a", "b", "c", "d" };

/* A server with prefixes, hosts, and index files; false: there is no such file. */
static bool server(const char *target, unsigned host, char *path, size_t size)
{
	const char *root = host < 2 ? "/srv/common" : hosts[host];
	const char *slash = host < 2 ? "" : "/srv/";
	size_t n = strlen(target);

	if (strstr(target, "404"))
		return false;
	if (!strncmp(target, "/i/", 3))
		snprintf(path, size, "/data/w3/%s", target + 3);
	else if (!strncmp(target, "/big/", 5))
		snprintf(path, size, "/data%s", target);
	else
		snprintf(path, size, "%s%s%s%s", slash, root, target,
			 target[n - 1] == '/' ? "index.html" : "");
	return true;
}

static void any_target(char *target, size_t size)
{
	static const char *const dir[] = {
		"", "/i", "/big", "/docs", "/docs/v1", "/e/f/g"
	};

	if (dice(4) == 0)
		snprintf(target, size, "/docs/%u/404", dice(100000));
	else if (dice(8) == 0)
		snprintf(target, size, "/d%u/", dice(50));
	else
		snprintf(target, size, "%s/%u.bin", dir[dice(6)], dice(100000));
}

/* In batches, as epoll reports them; the share of opens that were foretold, in %. */
static unsigned run(unsigned batches, unsigned batch)
{
	unsigned opens = 0, hits = 0;

	for (unsigned b = 0; b < batches; b++) {
		char path[128][FA_GUESS_PATH];
		unsigned n = 0;

		for (unsigned i = 0; i < batch; i++) {
			unsigned host = dice(4);
			struct fa_request r;
			char target[64];

			any_target(target, sizeof(target));
			r = request("GET", target, hosts[host]);
			fa_requests_given(q, &r);
			if (server(target, host, path[n], sizeof(path[n]))) {
				struct fa_guess g;

				if (fa_requests_guess(q, &r, &g, 1) &&
				    strcmp(g.path, path[n]) != 0)
					fa_requests_absent(q, &r);
				n++;
			} else {
				fa_requests_absent(q, &r);
			}
		}
		for (unsigned i = 0; i < n; i++, opens++)
			hits += opened(path[i]);
	}
	return hits * 100 / opens;
}

static void test_server(void **state)
{
	unsigned share;

	(void)state;
	for (seed = 1; seed < 20; seed += 1) {
		uint64_t s = seed;

		memset(q, 0, fa_requests_size());
		run(200, 1);
		share = run(300, 1);
		if (share < 95)
			fail_msg("one by one, seed %u: %u %%", (unsigned)s, share);
		memset(q, 0, fa_requests_size());
		run(20, 64);
		share = run(20, 64);
		if (share < 95)
			fail_msg("in batches, seed %u: %u %%", (unsigned)s, share);
		seed = s;
	}
}

/* Anything in any order: what comes out is bounded and well formed. */
static void test_any_order(void **state)
{
	static const char *const part[] = { "/",	   "a",	   "b",	 "/a",
					    "/index.html", "/srv", "x/y" };
	struct fa_guess g[3];

	(void)state;
	for (seed = 1; seed < 40; seed++) {
		uint64_t s = seed;

		memset(q, 0, fa_requests_size());
		for (unsigned i = 0; i < 5000; i++) {
			struct fa_request r = { .listener = dice(3),
						.verb = dice(2),
						.host = dice(3) };
			char path[512] = "/";
			unsigned n, k;

			for (k = dice(dice(20) ? 5 : 60); k; k--)
				strcat(path, part[dice(7)]);
			for (k = 1 + dice(dice(20) ? 4 : 50); k; k--) {
				const char *p = part[dice(7)];

				if (r.len + strlen(p) < FA_TARGET) {
					memcpy(r.target + r.len, p, strlen(p));
					r.len += (uint32_t)strlen(p);
				}
			}
			if (dice(50) == 0)
				r.len = dice(2) * 100000;
			switch (dice(5)) {
			case 0:
				fa_requests_given(q, &r);
				break;
			case 1:
				fa_requests_absent(q, &r);
				break;
			case 2:
				n = fa_requests_guess(q, &r, g, 3);
				assert_in_range(n, 0, 3);
				for (k = 0; k < n; k++) {
					assert_in_range(strlen(g[k].path), 1,
							FA_GUESS_PATH - 1);
					assert_in_range(g[k].rule, 0, FA_RULES - 1);
					assert_false(fa_requests_idle(q));
					if (k)
						assert_string_not_equal(g[k].path,
									g[k - 1].path);
				}
				break;
			default:
				fa_requests_opened(q, path, 0, 1);
			}
		}
		assert_in_range(fa_requests_missed(q), 0, 5000);
		seed = s;
	}
}

int main(void)
{
	const struct CMUnitTest waiting_tests[] = {
		REQUESTS_TEST(test_never_opened),
		REQUESTS_TEST(test_oldest_falls_out),
		REQUESTS_TEST(test_oldest_of_equals),
		REQUESTS_TEST(test_given_before_the_rule),
		REQUESTS_TEST(test_explained_once),
		REQUESTS_TEST(test_flood_of_absent_files),
		REQUESTS_TEST(test_absent_without_a_request),
		REQUESTS_TEST(test_absent_still_teaches),
		REQUESTS_TEST(test_ambiguity),
		REQUESTS_TEST(test_no_ambiguity),
		REQUESTS_TEST(test_server),
		REQUESTS_TEST(test_any_order),
	};

	return cmocka_run_group_tests_name("waiting", waiting_tests, NULL, NULL);
}
