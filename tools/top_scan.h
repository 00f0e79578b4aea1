/* SPDX-License-Identifier: MIT
 *
 * Readings of many processes, each made by a child of ours: a process that makes a
 * read of its memory wait for ever stops only that child.
 */
#ifndef TOP_SCAN_H
#define TOP_SCAN_H

#include <stddef.h>

#include "view.h"

#define SCAN_MAX 2048U

struct snapshot {
	uint32_t n;
	uint32_t hidden;   /* processes that may have the library or not */
	uint32_t left_out; /* of those that have it, for lack of room */
	struct view view[SCAN_MAX];
};

struct scan;

/* Of these processes, or, with 0 of them, of all that have the library. NULL: errno. */
struct scan *scan_new(const pid_t *pids, size_t n);

/* Begins a reading; 0, or a negative errno. */
int scan_begin(struct scan *s);

/* To be polled for reading while one is under way: then scan_wait() is to be called. */
int scan_fd(const struct scan *s);

/* Waits for its end, `ms` at most (-1: no limit). 1: ended, 0: not yet, or a negative
 * errno. */
int scan_wait(struct scan *s, int ms);

/* What the last one has found; the next one overwrites it. */
const struct snapshot *scan_result(const struct scan *s);

#endif
