/* SPDX-License-Identifier: MIT
 *
 * Rules that turn requests into paths: target = P + rest, path = Q + rest, with
 * an index name behind it where the target ends in a slash. All of the same size,
 * in a table that does not grow. Owner: one thread.
 */
#ifndef FA_RULES_H
#define FA_RULES_H

#include "request.h"

struct fa_rule {
	uint64_t listener, site;
	uint32_t score; /* 0: free */
	uint32_t verb;
	uint32_t host; /* 0: any */
	int flags;
	bool slash;	 /* for targets that end in one: with an index name */
	bool relative;	 /* for targets that do not start with one */
	uint8_t p, q, x; /* lengths of P, Q and index name, one behind the other in: */
	char text[FA_RULE_TEXT];
};

/* Zeroed it is empty. */
struct fa_rules {
	uint32_t proven; /* that may be used */
	struct fa_rule rule[FA_RULES];
};

/* A request, the path that was opened for it, and how the one can come from the other. */
struct fa_example {
	const struct fa_request *r;
	const char *path;
	uint32_t n; /* length of the path, < FA_GUESS_PATH */
	int flags;
	uint64_t site;

	/* set by fa_explains(): */
	uint32_t p;    /* length of the shortest P */
	uint32_t last; /* start of the target's last component, which is in the rest */
	uint32_t stem; /* start of the path's index name, else its end */
};

/* Where the component that ends at `end` starts. */
static inline uint32_t fa_component(const char *s, uint32_t end)
{
	while (end && s[end - 1] != '/')
		end--;
	return end;
}

/* Of a request whose target is not empty. */
static inline bool fa_ends_in_slash(const struct fa_request *r)
{
	return r->target[r->len - 1] == '/';
}

/* Do the ends of target and path agree, the target's last component at least? */
bool fa_explains(struct fa_example *e) FA_HIDDEN;

/* As fa_requests_guess(). */
unsigned fa_rules_guess(const struct fa_rules *rules, const struct fa_request *r,
			struct fa_guess *guess, unsigned max) FA_HIDDEN;

/* Would this path be among the guesses? */
bool fa_rules_foretell(const struct fa_rules *rules, const struct fa_request *r,
		       const char *path, uint32_t n) FA_HIDDEN;

/* The example is true: rules gain, lose, come and go. */
void fa_rules_judge(struct fa_rules *rules, const struct fa_example *e) FA_HIDDEN;

/* The first guess for this request was not opened, and nothing else either. */
void fa_rules_missed(struct fa_rules *rules, const struct fa_request *r) FA_HIDDEN;

#endif
