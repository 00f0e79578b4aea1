/* SPDX-License-Identifier: MIT
 *
 * What the tests of rules and of waiting requests share: a table of their own, and
 * requests as a server gets them.
 */
#ifndef UNIT_REQUESTS_H
#define UNIT_REQUESTS_H

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "fake.h"

#include "../../runtime/request.h"

static struct fa_requests *q;
static uint64_t listener;
static uint64_t seed;

static inline uint32_t dice(uint32_t n)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(seed >> 33) % n;
}

static inline struct fa_request request(const char *verb, const char *target,
					const char *host)
{
	struct fa_request r;
	char text[600];

	if (host)
		snprintf(text, sizeof(text), "%s %s HTTP/1.1\r\nHost: %s\r\n\r\n", verb,
			 target, host);
	else
		snprintf(text, sizeof(text), "%s %s\r\n", verb, target);
	assert_true(fa_request_parse(text, strlen(text), &r));
	r.listener = listener;
	return r;
}

static inline struct fa_request get(const char *target)
{
	return request("GET", target, "a");
}

static inline bool opened(const char *path)
{
	return fa_requests_opened(q, path, O_RDONLY, 1);
}

/* The request is given and the path opened. True: it was foretold. */
static inline bool serve(struct fa_request r, const char *path)
{
	fa_requests_given(q, &r);
	return opened(path);
}

static inline void given(struct fa_request r)
{
	fa_requests_given(q, &r);
}

/* As the library does: a guess is looked at before the program gets the request. */
static inline void given_absent(struct fa_request r)
{
	fa_requests_given(q, &r);
	fa_requests_absent(q, &r);
}

/* The first guess is this path; NULL: there is none. */
static inline void guess_is(struct fa_request r, const char *path)
{
	struct fa_guess g[4];
	unsigned n = fa_requests_guess(q, &r, g, 4);

	if (!path && n)
		fail_msg("%s: guessed %s", r.target, g[0].path);
	if (path && !n)
		fail_msg("%s: no guess", r.target);
	if (path)
		assert_string_equal(g[0].path, path);
}

/* A server whose root is /srv, well known. */
static inline void learn_srv(void)
{
	for (unsigned i = 0; i < 4; i++)
		serve(get("/a/1"), "/srv/a/1");
	guess_is(get("/2"), "/srv/2");
}

static inline int setup(void **state)
{
	(void)state;
	listener = 0;
	seed = 1;
	q = calloc(1, fa_requests_size());
	return q ? 0 : -1;
}

static inline int teardown(void **state)
{
	(void)state;
	free(q);
	return 0;
}

#define REQUESTS_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
