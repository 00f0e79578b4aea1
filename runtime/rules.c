/* SPDX-License-Identifier: MIT
 *
 * Learning and guessing. An example teaches up to four rules: for its Host and for
 * any, with the shortest P that explains it (mostly none) and with one directory
 * more. So one root is known after two examples wherever they are in it, and
 * several roots stop competing, because a rule that is right protects the more
 * general ones that are wrong.
 */
#include "rules.h"

#include <string.h>

#include "hints.h"

/*
 * Scores are those of hints.h, but a miss costs more: a rule lives only while it
 * is right more than 8 times in 13. Two misses in a row end any rule; one does not
 * stop a rule that is well proven. One that is right every second time is never
 * proven, or in use a third of the time where chance decides.
 */
#define MISS 8U

_Static_assert(FA_RULES <= 64, "a bit per rule");
_Static_assert(FA_RULE_TEXT <= 255 && FA_TARGET <= 256, "lengths in a byte");

static uint32_t max_of(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

/* Takes one out of a set of rules that is not empty. */
static unsigned take(uint64_t *set)
{
	unsigned i = (unsigned)__builtin_ctzll(*set);

	*set &= *set - 1;
	return i;
}

static void set_score(struct fa_rules *rules, struct fa_rule *u, uint32_t score)
{
	rules->proven -= u->score >= FA_SCORE_ON;
	rules->proven += score >= FA_SCORE_ON;
	u->score = score;
}

static void hit(struct fa_rules *rules, struct fa_rule *u)
{
	uint32_t score = u->score + FA_SCORE_UP;

	set_score(rules, u, score > FA_SCORE_MAX ? FA_SCORE_MAX : score);
}

static void miss(struct fa_rules *rules, struct fa_rule *u)
{
	set_score(rules, u, u->score > MISS ? u->score - MISS : 0);
}

/* ---- what rules say ---- */

static uint32_t path_len(const struct fa_rule *u, const struct fa_request *r)
{
	return u->q + (r->len - u->p) + u->x;
}

static bool applies(const struct fa_rule *u, const struct fa_request *r)
{
	return u->score && u->listener == r->listener && u->verb == r->verb &&
	       (!u->host || u->host == r->host) && u->slash == fa_ends_in_slash(r) &&
	       u->p < r->len && !memcmp(u->text, r->target, u->p) &&
	       (u->p ? r->target[u->p] == '/' : u->relative == (r->target[0] != '/')) &&
	       path_len(u, r) < FA_GUESS_PATH;
}

/* The path of a rule that applies. */
static uint32_t build(const struct fa_rule *u, const struct fa_request *r, char *path)
{
	uint32_t rest = r->len - u->p, n = path_len(u, r);

	memcpy(path, u->text + u->p, u->q);
	memcpy(path + u->q, r->target + u->p, rest);
	memcpy(path + u->q + rest, u->text + u->p + u->q, u->x);
	path[n] = 0;
	return n;
}

/* Is it this one? */
static bool gives(const struct fa_rule *u, const struct fa_request *r, const char *path,
		  uint32_t n)
{
	uint32_t rest = r->len - u->p;

	return n == path_len(u, r) && !memcmp(path, u->text + u->p, u->q) &&
	       !memcmp(path + u->q, r->target + u->p, rest) &&
	       !memcmp(path + u->q + rest, u->text + u->p + u->q, u->x);
}

/* Those of a set of rules that apply which lead to this path. */
static uint64_t that_give(const struct fa_rules *rules, uint64_t set,
			  const struct fa_request *r, const char *path, uint32_t n)
{
	uint64_t those = 0;

	while (set) {
		unsigned i = take(&set);

		if (gives(&rules->rule[i], r, path, n))
			those |= 1ULL << i;
	}
	return those;
}

/* The proven rules for a request: those for its host, else those for any. */
static uint64_t candidates(const struct fa_rules *rules, const struct fa_request *r)
{
	uint64_t own = 0, any = 0;

	if (!rules->proven)
		return 0;
	for (unsigned i = 0; i < FA_RULES; i++) {
		const struct fa_rule *u = &rules->rule[i];

		if (u->score >= FA_SCORE_ON && applies(u, r))
			*(u->host ? &own : &any) |= 1ULL << i;
	}
	return own ? own : any;
}

/* The one with the longest P, then the one with the best score. */
static unsigned likeliest(const struct fa_rules *rules, uint64_t set)
{
	unsigned best = take(&set);

	while (set) {
		unsigned i = take(&set);
		const struct fa_rule *u = &rules->rule[i], *b = &rules->rule[best];

		if (u->p > b->p || (u->p == b->p && u->score > b->score))
			best = i;
	}
	return best;
}

FA_HIDDEN unsigned fa_rules_guess(const struct fa_rules *rules, const struct fa_request *r,
				  struct fa_guess *guess, unsigned max)
{
	uint64_t set = candidates(rules, r);
	unsigned n = 0;

	for (; set && n < max; n++) {
		struct fa_guess *g = &guess[n];
		const struct fa_rule *u;
		uint32_t len;

		g->rule = likeliest(rules, set);
		u = &rules->rule[g->rule];
		g->flags = u->flags;
		g->site = u->site;
		len = build(u, r, g->path);
		set &= ~that_give(rules, set, r, g->path, len);
	}
	return n;
}

FA_HIDDEN bool fa_rules_foretell(const struct fa_rules *rules, const struct fa_request *r,
				 const char *path, uint32_t n)
{
	return that_give(rules, candidates(rules, r), r, path, n);
}

FA_HIDDEN void fa_rules_missed(struct fa_rules *rules, const struct fa_request *r)
{
	uint64_t set = candidates(rules, r);
	char path[FA_GUESS_PATH];
	uint32_t n;

	if (!set)
		return;
	n = build(&rules->rule[likeliest(rules, set)], r, path);
	set = that_give(rules, set, r, path, n);
	while (set)
		miss(rules, &rules->rule[take(&set)]);
}

/* ---- learning ---- */

/* What they have in common at their ends is cut at a slash. */
FA_HIDDEN bool fa_explains(struct fa_example *e)
{
	const char *t = e->r->target;
	uint32_t len = e->r->len, same = 0;
	bool slash = fa_ends_in_slash(e->r);

	e->stem = slash ? fa_component(e->path, e->n) : e->n;
	if (slash && e->stem == e->n)
		return false; /* a directory */
	while (same < len && same < e->stem &&
	       t[len - 1 - same] == e->path[e->stem - 1 - same])
		same++;
	e->last = fa_component(t, len - slash);
	e->p = len - same;
	/* A whole relative target must be whole components of the path, too. */
	if (e->p ||
	    (t[0] != '/' && (same == e->stem || e->path[e->stem - same - 1] != '/')))
		while (e->p < len && t[e->p] != '/')
			e->p++;
	return e->p < e->last || (e->p == 0 && e->last == 0);
}

static struct fa_rule *worst(struct fa_rules *rules)
{
	struct fa_rule *least = &rules->rule[0];

	for (unsigned i = 1; i < FA_RULES; i++)
		if (rules->rule[i].score < least->score)
			least = &rules->rule[i];
	return least;
}

/*
 * One that turns the target's first `p` bytes into what the path has instead.
 * `only`: not beside another for the same bytes that still has a score.
 */
static void add(struct fa_rules *rules, const struct fa_example *e, uint32_t host,
		uint32_t p, bool only)
{
	const struct fa_request *r = e->r;
	uint32_t q = e->stem - (r->len - p), x = e->n - e->stem;
	struct fa_rule *u;

	if (p + q + x > FA_RULE_TEXT)
		return;
	for (u = rules->rule; u < rules->rule + FA_RULES; u++)
		if (u->host == host && u->p == p && applies(u, r) &&
		    (only || gives(u, r, e->path, e->n)))
			return;
	u = worst(rules);
	u->listener = r->listener;
	u->verb = r->verb;
	u->host = host;
	u->slash = fa_ends_in_slash(r);
	u->relative = r->target[0] != '/';
	u->p = (uint8_t)p;
	u->q = (uint8_t)q;
	u->x = (uint8_t)x;
	memcpy(u->text, r->target, p);
	memcpy(u->text + p, e->path, q);
	memcpy(u->text + p + q, e->path + e->stem, x);
	set_score(rules, u, FA_SCORE_UP);
}

/*
 * Rules for this host, 0 for any: with the shortest P, and with one directory more
 * than that and than `wrong`, the longest P of a rule that said otherwise. Where
 * the longer one can tell two roots apart, the shorter leaves the older in peace.
 */
static void learn(struct fa_rules *rules, const struct fa_example *e, uint32_t host,
		  uint32_t wrong)
{
	uint32_t p = max_of(e->p, wrong) + 1;

	while (p < e->last && e->r->target[p] != '/')
		p++;
	if (p < e->last)
		add(rules, e, host, p, false);
	add(rules, e, host, e->p, p < e->last);
}

/* How close a rule is to a request: its host counts more than any P. */
static uint32_t closeness(const struct fa_rule *u)
{
	return u->p + (u->host ? FA_TARGET + 1 : 1);
}

/*
 * A rule that says so gains, unless a closer one says otherwise; one that says
 * otherwise loses, unless a closer one says so: what is closer is asked first. When
 * none is right that is closer than any wrong one, there is something to learn.
 */
FA_HIDDEN void fa_rules_judge(struct fa_rules *rules, const struct fa_example *e)
{
	uint32_t closest[2] = { 0, 0 }; /* of the wrong and the right ones */
	uint32_t wrong = 0;
	uint64_t set = 0, good;

	for (unsigned i = 0; i < FA_RULES; i++)
		if (applies(&rules->rule[i], e->r))
			set |= 1ULL << i;
	good = that_give(rules, set, e->r, e->path, e->n);
	for (uint64_t rest = set; rest;) {
		unsigned i = take(&rest), right = good >> i & 1;

		closest[right] = max_of(closest[right], closeness(&rules->rule[i]));
	}
	while (set) {
		unsigned i = take(&set), right = good >> i & 1;
		struct fa_rule *u = &rules->rule[i];

		if (right) {
			u->flags = e->flags;
			u->site = e->site;
		}
		if (closeness(u) < closest[!right])
			continue;
		if (right) {
			hit(rules, u);
		} else {
			miss(rules, u);
			wrong = max_of(wrong, u->p);
		}
	}
	if (closest[1] > closest[0])
		return;
	learn(rules, e, 0, wrong);
	if (e->r->host)
		learn(rules, e, e->r->host, wrong);
}
