/* SPDX-License-Identifier: MIT
 *
 * From the bytes that a connection has received to the path that the program is
 * about to open: reading request lines, and rules learned from pairs of a request
 * and the open that followed it. Pure bookkeeping: no system calls, no memory of
 * its own, nothing here can be wrong but the guess. Owner: one thread.
 */
#ifndef FA_REQUEST_H
#define FA_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime.h"

#define FA_TARGET 256U	  /* a longer target is not looked at */
#define FA_REQUESTS 256U  /* with a guess, that wait for their open: one epoll_wait's */
#define FA_EXAMPLES 64U	  /* without one, to learn from */
#define FA_RULES 64U	  /* at most 64: a bit each */
#define FA_RULE_TEXT 128U /* both prefixes and the index name together */
#define FA_GUESS_PATH 256U

/* One request, as far as it can be told from its first bytes. */
struct fa_request {
	uint64_t listener; /* local address and port, set by the caller */
	uint32_t verb;	   /* hash */
	uint32_t host;	   /* hash of Host without case and port, 0: none was seen */
	uint64_t from;	   /* first byte of a single "Range: bytes=N-", else 0 */
	uint32_t len;
	char target[FA_TARGET]; /* decoded, without query and fragment, ends in NUL */
};

/* What the program will probably do next. */
struct fa_guess {
	unsigned rule;
	int flags;     /* of the open */
	uint64_t site; /* of the open: its hint tells the window */
	char path[FA_GUESS_PATH];
};

struct fa_requests;

/* ---- request.c: reading ---- */

/*
 * Reads `n` bytes as they came in: "VERB target[ HTTP/x.y]" CR LF, and of HTTP the
 * headers as far as they are there. False: not a whole request line, not one that
 * names a file, or one that a server would refuse or rewrite (dot segments, empty
 * segments, NUL, other control bytes, too long). *r is then undefined; `listener`
 * is never touched.
 */
bool fa_request_parse(const char *bytes, size_t n, struct fa_request *r) FA_HIDDEN;

/* ---- waiting.c: learning and guessing ---- */

/* Bytes of a table. Zeroed and 8-byte aligned they are an empty one. */
size_t fa_requests_size(void) FA_HIDDEN;

/*
 * Which files will this request make the program open? Fills at most `max` guesses
 * with distinct paths, the likeliest first, and returns how many. Only rules that
 * have proved themselves are used. Counts and changes nothing.
 */
unsigned fa_requests_guess(const struct fa_requests *q, const struct fa_request *r,
			   struct fa_guess *guess, unsigned max) FA_HIDDEN;

/* The program is about to be given this request: an open that explains it may follow. */
void fa_requests_given(struct fa_requests *q, const struct fa_request *r) FA_HIDDEN;

/*
 * After fa_requests_given(): no file that was guessed for this request is there as
 * a regular one, or nobody has looked. When nothing is opened for it that is no
 * rule's fault, so a flood of requests for what does not exist costs no rule; an
 * open that explains it still teaches.
 */
void fa_requests_absent(struct fa_requests *q, const struct fa_request *r) FA_HIDDEN;

/*
 * The program has opened an absolute path for reading. True: a request foretold
 * it. Teaches rules: a request whose guess this was is a hit; else the one whose
 * target ends most as the path does makes or changes rules. A given request that
 * had a guess and falls out of the table unexplained is a miss of that guess.
 */
bool fa_requests_opened(struct fa_requests *q, const char *path, int flags,
			uint64_t site) FA_HIDDEN;

/* Nothing to use and nothing to learn: no rule is proven and no request waits. */
bool fa_requests_idle(const struct fa_requests *q) FA_HIDDEN;

/* Requests since the last call whose guesses were not opened. */
uint32_t fa_requests_missed(struct fa_requests *q) FA_HIDDEN;

#endif
