/* SPDX-License-Identifier: MIT
 *
 * Lookahead by request: from the bytes that wait in a connection to the chains of
 * the files that they will make the program open.
 */
#include <netinet/in.h>
#include <string.h>

#include "hints.h"
#include "process.h"
#include "readiness.h"
#include "request.h"
#include "sys.h"

#define PEEK 2048U
#define ODD 4U /* times in a row that bytes were no request: TLS and the like */

/*
 * To see whether files still wait, a request runs plain now and then: one in so
 * many, and not more often than every quarter of a second.
 */
#define PROBE_EVERY 16U
#define PROBE_NS 250000000U

/* Requests that no rule foretells, after which only one in 16 is looked at. */
#define CREDIT 256U

/* A hash of the local address: what is served differs by where one listens. */
static uint64_t listener_of(int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} at;
	uint32_t len = sizeof(at);
	const unsigned char *p = (const unsigned char *)&at;
	uint64_t h = 0xcbf29ce484222325ULL;

	memset(&at, 0, sizeof(at));
	if (fa_sys_getsockname(fd, &at, &len) < 0 ||
	    (at.any.sa_family != AF_INET && at.any.sa_family != AF_INET6))
		return 0;
	for (unsigned i = 0; i < sizeof(at) && i < len; i++)
		h = (h ^ p[i]) * 0x100000001b3ULL;
	return h | 1;
}

static struct fa_requests *requests(struct fa_thread *t)
{
	if (!t->requests) {
		t->requests = fa_map_wiped(fa_requests_size());
		t->credit = CREDIT;
	}
	return t->requests;
}

static bool peek(struct fa_thread *t, int fd, struct fa_watch *w, struct fa_request *r)
{
	char bytes[PEEK];
	long n;

	if (!w->listener) {
		w->listener = listener_of(fd);
		if (!w->listener) {
			w->flags |= FA_WATCH_PLAIN;
			return false;
		}
	}
	/* Only where there is something: an error is told once, and it is the program's. */
	n = fa_sys_readable(fd);
	if (n < 0)
		w->flags |= FA_WATCH_PLAIN; /* it listens, or is something else */
	if (n <= 0)
		return false;
	t->h.n[FA_N_peeks]++;
	n = fa_sys_peek(fd, bytes, sizeof(bytes));
	if (n <= 0)
		return false;
	if (!fa_request_parse(bytes, (size_t)n, r)) {
		if (++w->odd == ODD)
			w->flags |= FA_WATCH_PLAIN;
		return false;
	}
	w->odd = 0;
	r->listener = w->listener;
	return true;
}

/* Shall this request run plain, to measure? */
static bool probe(struct fa_thread *t)
{
	uint64_t now = fa_cycles();

	if (!t->suspect &&
	    (++t->unprobed < PROBE_EVERY || fa_ns(now - t->probed) < PROBE_NS))
		return false;
	t->probed = now;
	t->unprobed = 0;
	t->suspect = false;
	t->probing = true;
	return true;
}

/* Only for the likeliest guess: each further one would cost a look-up for nothing. */
static bool start(struct fa_thread *t, int fd, const struct fa_request *r)
{
	struct fa_guess g;
	uint64_t dev;

	if (!fa_requests_guess(t->requests, r, &g, 1) || !fa_chain_flags_ok(g.flags))
		return false;
	t->credit = CREDIT;
	dev = fa_place_dev(g.path);
	if ((dev && !fa_device_cold(dev)) || probe(t))
		return false;
	return fa_chain_foresee(t, g.path, g.flags,
				fa_hint_window(fa_hint_of(g.site), UINT64_MAX), r, fd);
}

FA_HIDDEN bool fa_ahead(struct fa_thread *t, int fd, struct fa_watch *w)
{
	struct fa_request r;

	if (!*fa_any_cold || !fa_readiness_able(t) || !requests(t))
		return false;
	if (t->credit)
		t->credit--;
	else if (t->skipped++ % 16)
		return false;
	if (!peek(t, fd, w, &r))
		return false;
	if (start(t, fd, &r)) {
		w->flags |= FA_WATCH_CHAIN;
		return true;
	}
	/* Nobody has looked whether its file is there. */
	fa_requests_given(t->requests, &r);
	fa_requests_absent(t->requests, &r);
	return false;
}

FA_HIDDEN void fa_ahead_given(struct fa_thread *t, const struct fa_chain *c)
{
	fa_requests_given(t->requests, &c->request);
	if (c->state == FA_CHAIN_FAILED)
		fa_requests_absent(t->requests, &c->request);
}

FA_HIDDEN void fa_ahead_opened(struct fa_thread *t, const char *path, int flags,
			       uint64_t site)
{
	if (!t->requests || path[0] != '/' || fa_requests_idle(t->requests))
		return;
	t->h.n[FA_N_hits] += fa_requests_opened(t->requests, path, flags, site);
	t->h.n[FA_N_misses] += fa_requests_missed(t->requests);
}
