/* SPDX-License-Identifier: MIT
 *
 * Chains: what is started for a file before the program asks for it, and the
 * futures that come of it. A chain opens into a direct descriptor and starts the
 * file's window; it can be dropped at any moment, because the program's own call
 * then gives the same answer later.
 */
#ifndef FA_CHAIN_H
#define FA_CHAIN_H

#include <linux/stat.h>
#include <stdbool.h>
#include <stdint.h>

#include "runtime.h"

struct fa_thread;

#define FA_CHAINS 8U
#define FA_CHAIN_PATH 256U
#define FA_CHAIN_LIFE 1000000000U /* ns */

enum fa_chain_state {
	FA_CHAIN_FREE,
	FA_CHAIN_RUNNING, /* its open is on its way */
	FA_CHAIN_OPEN,	  /* direct descriptor = its index */
	FA_CHAIN_FAILED
};

struct fa_chain {
	enum fa_chain_state state;
	bool dropped;	   /* nobody will adopt it: close when its open ends */
	uint8_t in_flight; /* completions still to come */
	int dirfd, flags;
	uint32_t window;
	uint32_t directory; /* which working directory it started in */
	uint64_t started;   /* cycles */
	uint64_t key;
	struct fa_identity file;
	char path[FA_CHAIN_PATH];
};

/* Attributes that the touch of an open has just fetched; the next call may use them. */
struct fa_attr {
	int fd;
	uint64_t calls; /* the thread's count of calls when they were fetched; 0: none */
	struct statx stx;
};

/* May a chain open with these flags, and is a descriptor of theirs a plain reader's? */
bool fa_chain_flags_ok(int flags) FA_HIDDEN;

/* Brings bytes `from` to `window` of a file on their way. False: nothing was asked. */
bool fa_window(int fd, uint32_t from, uint32_t window) FA_HIDDEN;

/* Is this descriptor that file? Asks the descriptor, without a round trip. */
bool fa_is_file(int fd, uint64_t dev, uint64_t ino) FA_HIDDEN;

/* A key of directory and path; *len gets the length without the NUL. */
uint64_t fa_chain_key(int dirfd, const char *path, uint32_t *len) FA_HIDDEN;

/* Starts a chain for a regular file whose identity a stat has just told. */
void fa_chain_start(struct fa_thread *t, int dirfd, const char *path, int flags,
		    uint32_t window, const struct fa_identity *file) FA_HIDDEN;

/*
 * The program opens this path now: hands over the chain's descriptor, or -1 when
 * there is none, or none that is certainly what the call would have opened.
 */
int fa_chain_adopt(struct fa_thread *t, int dirfd, const char *path, int flags,
		   struct fa_identity *file) FA_HIDDEN;

/*
 * Closes `fd` on the ring. True: its number is free and its flush runs behind.
 * False: nothing was done. `fast` tells that it ended without waiting.
 */
bool fa_chain_close(struct fa_thread *t, int fd, bool *fast) FA_HIDDEN;

/* Drops every chain of the thread. True: what they had opened is closed. */
bool fa_chain_drop_all(struct fa_thread *t) FA_HIDDEN;

/* Forgets every chain: their ring is about to go, or has gone. */
void fa_chain_reset(struct fa_thread *t) FA_HIDDEN;

/* A completion, from fa_ring_reap(). */
void fa_chain_completed(struct fa_thread *t, uint64_t user_data, int result) FA_HIDDEN;

/* Makes a worker now, by letting one run a no-op. */
void fa_chain_prespawn(struct fa_thread *t) FA_HIDDEN;

#endif
