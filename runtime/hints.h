/* SPDX-License-Identifier: MIT
 *
 * What has been learned, in one mapping that forked children share, so that a
 * server with a process per connection learns as one. Everything in it is a
 * bounded number that is checked when it is used; there are no pointers, and a
 * lost update costs a hint. After a change of privileges a process goes on with
 * a copy of its own (fa_hints_private).
 */
#ifndef FA_HINTS_H
#define FA_HINTS_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime.h"

/* A call of this many nanoseconds or more has waited: hot ones take a few µs. */
#define FA_COLD_NS 100000U

/* Opens and stats that are all looked at after one that waited; then one in SKIP + 1. */
#define FA_ATTENTION 64U
#define FA_SKIP 15U

#define FA_WINDOW_MIN (128U << 10)
#define FA_WINDOW_MAX (1U << 20)

/* The kernel cuts each WILLNEED to the device's read-ahead: ask step by step. */
#define FA_WINDOW_STEP (128U << 10)

#define FA_DEVICES 32U
#define FA_SITES 256U

/* How often and how long calls on a file system wait. */
struct fa_regime {
	uint64_t dev; /* 0: free */
	struct {
		uint32_t wait_ns; /* moving average of the calls that waited */
		uint32_t score; /* 0..16: +5 for a call that waited, -1 for one that did not
				 */
	} op[FA_TIMED_OPS];
};

/* What a call site does. Scores as above, a call that does it adding 5. */
struct fa_hint {
	uint64_t site;	  /* 0: free */
	uint32_t reads;	  /* its file is read */
	uint32_t window;  /* bytes read, decaying maximum */
	uint32_t opens;	  /* stat: the same path is opened next */
	uint32_t lead_us; /* stat: how long before that open */
	uint32_t oflags;  /* stat: flags of that open */
	uint32_t unused;
};

/* Which file system a directory is on. */
struct fa_place {
	uint64_t key; /* hash of the directory's path, 0: free */
	uint64_t dev;
	uint64_t
		other; /* seen once: a link in the directory leads there, or it has moved */
};

#define FA_PLACES 256U

struct fa_hints {
	uint32_t any_cold; /* (device, op) pairs that are cold */
	uint32_t devices;  /* that have ever waited */
	struct fa_regime regime[FA_DEVICES];
	struct fa_hint site[FA_SITES];
	struct fa_place place[FA_PLACES];
};

#define FA_SCORE_UP 5U
#define FA_SCORE_MAX 16U
#define FA_SCORE_ON 8U	  /* two in a row, or a sixth of many */
#define FA_SCORE_SURE 12U /* for what is opened ahead and may be for nothing */
#define FA_LEAD_US 50U	  /* less is not worth waking a worker */

extern struct fa_hints *fa_hints FA_HIDDEN;

/* 0, or -ENOMEM. */
int fa_hints_make(void) FA_HIDDEN;

/* From now on this process and its children learn for themselves. */
void fa_hints_private(void) FA_HIDDEN;

/* A call of class `op` on file system `dev` took `ns`. */
void fa_regime_note(uint64_t dev, enum fa_op op, uint64_t ns) FA_HIDDEN;

/* Do such calls wait? At least two of the last few must have. */
bool fa_regime_cold(uint64_t dev, enum fa_op op) FA_HIDDEN;

/* How long those that do wait take on average, in ns; 0: they do not wait. */
uint64_t fa_regime_wait(uint64_t dev, enum fa_op op) FA_HIDDEN;

/* Does opening or reading a file there wait? */
bool fa_device_cold(uint64_t dev) FA_HIDDEN;

/*
 * Is this surely a file system of this machine, where an open does not wait once
 * the name is cached? FUSE and NFS ask their server, and have no device number.
 */
bool fa_device_local(uint64_t dev) FA_HIDDEN;

/* The file at this absolute path is on `dev`, and so are its neighbours. */
void fa_place_note(const char *path, uint64_t dev) FA_HIDDEN;

/* Where a file at this path would be; 0: not known. */
uint64_t fa_place_dev(const char *path) FA_HIDDEN;

/* The hint of a call site, or NULL when the table has no room near its place. */
struct fa_hint *fa_hint_of(uint64_t site) FA_HIDDEN;

/* The window for a file of `size` bytes opened at this site; 0: it does not read. */
uint32_t fa_hint_window(const struct fa_hint *h, uint64_t size) FA_HIDDEN;

/* A file was opened at this site, after a wait. */
void fa_hint_opened(struct fa_hint *h) FA_HIDDEN;

/* `bytes` of it have been read by now. */
void fa_hint_read(struct fa_hint *h, uint64_t bytes, bool first) FA_HIDDEN;

/* A path was statted at this site: true when an open with a useful lead follows. */
bool fa_hint_statted(struct fa_hint *h) FA_HIDDEN;

/* An open at site `of` followed the stat at this one, `us` later, with these flags. */
void fa_hint_followed(struct fa_hint *h, uint64_t us, int oflags,
		      const struct fa_hint *of) FA_HIDDEN;

#endif
