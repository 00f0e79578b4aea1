/* SPDX-License-Identifier: MIT
 *
 * Requests that the program has been given and that wait for the open that
 * explains them, in two rings: those for which a guess was made, and those to
 * learn from. Neither sort drives out the other, and the oldest of a ring makes
 * room for the newest.
 */
#include <string.h>

#include "request.h"
#include "rules.h"

enum kind { GUESSED, UNKNOWN, KINDS };

#define SLOTS (FA_REQUESTS + FA_EXAMPLES)
#define NONE SLOTS

static const uint32_t first[KINDS + 1] = { 0, FA_REQUESTS, SLOTS };

struct fa_requests {
	struct fa_rules rules;
	uint32_t missed;
	uint32_t live[KINDS];
	uint32_t next[KINDS];	     /* slot of the ring, counted from its first */
	uint32_t guess[FA_REQUESTS]; /* hash of the path that was guessed */
	uint32_t name[SLOTS];	     /* of the target's last component, 0: free */
	struct fa_request given[SLOTS];
};

FA_HIDDEN size_t fa_requests_size(void)
{
	return sizeof(struct fa_requests);
}

/* Odd, so never 0. */
static uint32_t hash(const char *s, uint32_t n)
{
	uint64_t h = n, word;

	for (; n >= sizeof(word); s += sizeof(word), n -= (uint32_t)sizeof(word)) {
		memcpy(&word, s, sizeof(word));
		h = (h ^ word) * 0x9E3779B97F4A7C15ULL;
		h ^= h >> 32;
	}
	for (word = 0; n; n--)
		word = word << 8 | (unsigned char)*s++;
	h = (h ^ word) * 0x9E3779B97F4A7C15ULL;
	return (uint32_t)(h >> 32) | 1;
}

#define WITH_SLASH 2U

/* A target's last component; one with a slash behind it is another. */
static uint32_t name_of(const struct fa_request *r)
{
	bool slash = fa_ends_in_slash(r);
	uint32_t end = r->len - slash, start = fa_component(r->target, end);

	return hash(r->target + start, end - start) ^ (slash ? WITH_SLASH : 0);
}

/* What name_of() is of the targets that could explain a path: a/b by b, a/ and /. */
static void names_of(const char *path, uint32_t n, uint32_t name[3])
{
	uint32_t base = fa_component(path, n), end = base ? base - 1 : 0;
	uint32_t parent = fa_component(path, end);

	name[0] = hash(path + base, n - base);
	name[1] = hash(path + parent, end - parent) ^ WITH_SLASH;
	name[2] = hash(path, 0) ^ WITH_SLASH;
}

static bool is_valid(const struct fa_request *r)
{
	return r->len && r->len < FA_TARGET;
}

static bool same_target(const struct fa_request *a, const struct fa_request *b)
{
	return a->listener == b->listener && a->host == b->host && a->len == b->len &&
	       !memcmp(a->target, b->target, a->len);
}

static void take(struct fa_requests *q, uint32_t slot)
{
	q->live[slot < FA_REQUESTS ? GUESSED : UNKNOWN]--;
	q->name[slot] = 0;
	if (slot < FA_REQUESTS)
		q->guess[slot] = 0;
}

static uint32_t put(struct fa_requests *q, enum kind kind, const struct fa_request *r)
{
	uint32_t slot = first[kind] + q->next[kind];

	q->next[kind] = (q->next[kind] + 1) % (first[kind + 1] - first[kind]);
	if (q->name[slot]) {
		if (kind == GUESSED) {
			q->missed++;
			fa_rules_missed(&q->rules, &q->given[slot]);
		}
		take(q, slot);
	}
	memcpy(&q->given[slot], r, offsetof(struct fa_request, target) + r->len);
	q->name[slot] = name_of(r);
	q->live[kind]++;
	return slot;
}

/* The slot behind the newest; then from slot to slot back in time. */
static uint32_t end_of(const struct fa_requests *q, enum kind kind)
{
	return first[kind] + q->next[kind];
}

static uint32_t before(enum kind kind, uint32_t slot)
{
	return slot == first[kind] ? first[kind + 1] - 1 : slot - 1;
}

FA_HIDDEN unsigned fa_requests_guess(const struct fa_requests *q,
				     const struct fa_request *r, struct fa_guess *guess,
				     unsigned max)
{
	return is_valid(r) ? fa_rules_guess(&q->rules, r, guess, max) : 0;
}

FA_HIDDEN void fa_requests_given(struct fa_requests *q, const struct fa_request *r)
{
	struct fa_guess guess;

	if (!is_valid(r))
		return;
	if (fa_rules_guess(&q->rules, r, &guess, 1))
		q->guess[put(q, GUESSED, r)] =
			hash(guess.path, (uint32_t)strlen(guess.path));
	else
		put(q, UNKNOWN, r);
}

FA_HIDDEN void fa_requests_absent(struct fa_requests *q, const struct fa_request *r)
{
	uint32_t slot = end_of(q, GUESSED), name;

	if (!is_valid(r))
		return;
	name = name_of(r);
	for (uint32_t left = q->live[GUESSED]; left;) {
		const struct fa_request *g = &q->given[slot = before(GUESSED, slot)];

		left -= q->name[slot] != 0;
		if (q->name[slot] == name && g->verb == r->verb && same_target(g, r)) {
			put(q, UNKNOWN, g);
			take(q, slot);
			return;
		}
	}
}

static bool foretold(const struct fa_requests *q, uint32_t slot, const char *path,
		     uint32_t n)
{
	return slot < FA_REQUESTS && fa_rules_foretell(&q->rules, &q->given[slot], path, n);
}

/* The oldest request for which this was the first guess: programs go in order. */
static uint32_t find_guess(const struct fa_requests *q, const char *path, uint32_t n)
{
	uint32_t slot = end_of(q, GUESSED), found = NONE, is = hash(path, n);

	for (uint32_t left = q->live[GUESSED]; left;) {
		slot = before(GUESSED, slot);
		left -= q->name[slot] != 0;
		if (q->guess[slot] == is)
			found = slot;
	}
	return found;
}

/*
 * The request that explains most of the path. Of equal ones that differ in the
 * verb alone the last: SIZE comes before RETR. Others that are equal teach nothing.
 */
static uint32_t find_example(const struct fa_requests *q, struct fa_example *e)
{
	uint32_t name[3], best = NONE, most = 0;
	bool tie = false;

	names_of(e->path, e->n, name);
	for (enum kind kind = GUESSED; kind < KINDS; kind++) {
		uint32_t slot = end_of(q, kind);

		for (uint32_t left = q->live[kind]; left;) {
			uint32_t is = q->name[slot = before(kind, slot)], rest;

			left -= is != 0;
			if (!is || (is != name[0] && is != name[1] && is != name[2]))
				continue;
			e->r = &q->given[slot];
			if (!fa_explains(e))
				continue;
			rest = e->r->len - e->p;
			if (rest > most) {
				best = slot;
				most = rest;
				tie = false;
			} else if (rest == most && !same_target(e->r, &q->given[best])) {
				tie = true;
			}
		}
	}
	return tie ? NONE : best;
}

FA_HIDDEN bool fa_requests_opened(struct fa_requests *q, const char *path, int flags,
				  uint64_t site)
{
	struct fa_example e = { .path = path, .flags = flags, .site = site };
	size_t len;
	uint32_t slot;
	bool hits;

	if (!q->live[GUESSED] && !q->live[UNKNOWN])
		return false;
	len = strlen(path);
	if (!len || len >= FA_GUESS_PATH)
		return false;
	e.n = (uint32_t)len;
	slot = find_guess(q, path, e.n);
	if (slot == NONE)
		slot = find_example(q, &e);
	if (slot == NONE)
		return false;
	e.r = &q->given[slot];
	if (!fa_explains(&e))
		return false;
	hits = foretold(q, slot, path, e.n);
	q->missed += slot < FA_REQUESTS && !hits;
	fa_rules_judge(&q->rules, &e);
	take(q, slot);
	return hits;
}

FA_HIDDEN bool fa_requests_idle(const struct fa_requests *q)
{
	return !q->rules.proven && !q->live[GUESSED] && !q->live[UNKNOWN];
}

FA_HIDDEN uint32_t fa_requests_missed(struct fa_requests *q)
{
	uint32_t missed = q->missed;

	q->missed = 0;
	return missed;
}
