/* SPDX-License-Identifier: MIT
 *
 * Chains: what is started for a file before the program asks for it, and the
 * futures that come of it. A chain opens into a direct descriptor and starts the
 * file's window; it can be dropped at any moment, because the program's own call
 * then gives the same answer later.
 */
#ifndef FA_CHAIN_H
#define FA_CHAIN_H

#include <fcntl.h>
#include <linux/stat.h>
#include <stdbool.h>
#include <stdint.h>

#include "request.h"
#include "runtime.h"

struct fa_thread;

#define FA_CHAINS 1024U
#define FA_CHAINS_STATTED 8U /* started by a stat, at a time */
#define FA_CHAIN_PATH 256U
#define FA_CHAIN_LIFE 1000000000U /* ns */
#define FA_CHAIN_READ \
	(128U << 10) /* bytes that a chain reads: what follows is WILLNEED's */

/* In this order; a stage may be skipped, none is gone back to. */
enum fa_chain_state {
	FA_CHAIN_FREE,
	FA_CHAIN_LOOKING, /* statx: is it a regular file, and on which file system? */
	FA_CHAIN_RUNNING, /* its open is on its way */
	FA_CHAIN_READING, /* open, and its first bytes are on their way */
	FA_CHAIN_ASKING,  /* they are there; attributes are asked for once more */
	FA_CHAIN_OPEN,	  /* direct descriptor = its index */
	FA_CHAIN_WARM,	  /* nothing is open; the program's own calls will not wait */
	FA_CHAIN_FAILED
};

struct fa_chain {
	enum fa_chain_state state;
	bool dropped;	   /* nobody will adopt it: close when its operations end */
	bool stalled;	   /* its next operation waits for room in the ring */
	bool staged;	   /* each operation is submitted when the one before has ended */
	bool warms;	   /* only warms the caches: an open of this file system is local */
	bool used;	   /* the program has opened it */
	bool touched;	   /* or has tried to */
	bool opens;	   /* or only to know its attributes */
	bool lists;	   /* it is to be a directory, else a file */
	bool restat;	   /* to ask for them again once it is read */
	bool fresh;	   /* and they have been */
	uint8_t in_flight; /* completions still to come */
	uint32_t walk;	   /* handle of the directory (walk.h) that it is for, or 0, */
	uint32_t name;	   /* and which name of it */
	int dirfd, flags;
	int conn; /* whose readiness is held for it, -1: none */
	uint32_t window;
	uint32_t directory; /* which working directory it started in */
	uint32_t heard;	    /* what the program had heard when it started */
	uint32_t turn;	    /* of the ring, when its read was submitted */
	uint64_t from;	    /* first byte of the window */
	uint64_t started;   /* cycles */
	uint64_t ready;	    /* when nothing of it was on its way any more; 0: not yet */
	uint64_t key;
	struct fa_identity file;
	struct statx stx;
	struct fa_request request; /* that it was started for, if staged */
	char path[FA_CHAIN_PATH];
};

/* A thread's chains. */
struct fa_chains {
	uint64_t used[FA_CHAINS / 64]; /* bit per chain that is not FREE */
	uint64_t key[FA_CHAINS];       /* 0: nothing to find here */
	unsigned stalled, statted, dropped;
	uint32_t heard; /* what the program had heard at the last touch of a walk's */
	unsigned since, between; /* such touches since it heard that, and before */
	uint64_t swept;		 /* cycles, when expired ones were last looked for */
	struct fa_chain chain[FA_CHAINS];
};

/* Attributes that the touch of an open has just fetched; the next call may use them. */
struct fa_attr {
	int fd;
	uint64_t calls; /* the thread's count of calls when they were fetched; 0: none */
	struct statx stx;
};

/* May a chain open with these flags, and is a descriptor of theirs a plain reader's? */
bool fa_chain_flags_ok(int flags) FA_HIDDEN;

/* Brings bytes `from` to `end` of a file on their way. False: nothing was asked. */
bool fa_window(int fd, uint64_t from, uint64_t end) FA_HIDDEN;

/* Is this descriptor that file? Asks the descriptor, without a round trip. */
bool fa_is_file(int fd, uint64_t dev, uint64_t ino) FA_HIDDEN;

/* What a statx has told of device, inode and change time. */
struct fa_identity fa_identity_of(const struct statx *stx) FA_HIDDEN;

/* A key of directory and path; *len gets the length without the NUL. */
uint64_t fa_chain_key(int dirfd, const char *path, uint32_t *len) FA_HIDDEN;

/* Starts a chain for a regular file whose identity the stat `c` has just told. */
void fa_chain_start(struct fa_thread *t, const struct fa_call *c, int flags,
		    uint32_t window, const struct fa_identity *file) FA_HIDDEN;

/*
 * Starts a staged chain for the absolute path that request `r` of connection
 * `conn` is expected to open. False: no room, or no ring.
 */
bool fa_chain_foresee(struct fa_thread *t, const char *path, int flags, uint32_t window,
		      const struct fa_request *r, int conn) FA_HIDDEN;

/* What a chain for a name of a directory shall do. */
struct fa_chain_plan {
	int dirfd, flags; /* of the open; without one, only O_NOFOLLOW counts */
	const char *path;
	uint32_t walk; /* handle of the directory, */
	uint32_t name; /* and which name of it */
	uint64_t dev;
	uint32_t window;
	bool opens;   /* else it asks for the attributes, which are cached then */
	bool lists;   /* it is to be a directory, else a file */
	bool regular; /* known to be such a file */
	bool restat;  /* ask again when it is read: reading has made them stale */
};

/* Starts it, unless there is one. False: no room, or no ring. */
bool fa_chain_walk(struct fa_thread *t, const struct fa_chain_plan *plan) FA_HIDDEN;

/*
 * The chain for what the program opens now with these flags, or stats (-1), or
 * NULL; one that has ended before one that still runs. The path of `c` is the
 * program's pointer: it may be bad.
 */
struct fa_chain *fa_chain_find(struct fa_thread *t, const struct fa_call *c,
			       int flags) FA_HIDDEN;

/*
 * How a name is to be asked for at the touch of its chain: of the server, where the
 * program may have heard of a change since the chain began.
 */
int fa_chain_ask(const struct fa_thread *t, const struct fa_chain *c,
		 bool follow) FA_HIDDEN;

/*
 * At the touch of a walk's chain: the program may have heard of a change since it
 * began. Asks the server again, unless that was done since, and at the same time for
 * as many of the next ones as were touched before the program last heard something.
 */
void fa_chain_ask_again(struct fa_thread *t, struct fa_chain *c) FA_HIDDEN;

/* Nobody waits for this connection's chain any more. */
void fa_chain_detach(struct fa_thread *t, int conn) FA_HIDDEN;

/*
 * Waits until the chain has come so far, or to its end. False: it took too long.
 * Meanwhile all others go on, as they do not while the program waits in a call.
 */
bool fa_chain_wait(struct fa_thread *t, struct fa_chain *c,
		   enum fa_chain_state until) FA_HIDDEN;

/* Until its open has ended. True: it has a direct descriptor. */
bool fa_chain_opened(struct fa_thread *t, struct fa_chain *c) FA_HIDDEN;

/* Closes the chain's direct descriptor. False: not now. */
bool fa_chain_close_direct(struct fa_thread *t, struct fa_chain *c) FA_HIDDEN;

/* Nobody is to find it any more; counted as dropped unless it was `used`. */
void fa_chain_drop(struct fa_thread *t, struct fa_chain *c) FA_HIDDEN;

/* Takes up completions, submits what has waited for room, frees what has ended. */
void fa_chain_sweep(struct fa_thread *t) FA_HIDDEN;

/* Drops every chain of the thread. True: what they had opened is closed. */
bool fa_chain_drop_all(struct fa_thread *t) FA_HIDDEN;

/* Forgets every chain: their ring is about to go, or has gone. */
void fa_chain_reset(struct fa_thread *t) FA_HIDDEN;

/* ---- adopt.c: settling ---- */

/*
 * The program makes the open `c` now: hands over the chain's descriptor, or -1 when
 * there is none, or none that is certainly what the call would have opened.
 */
int fa_chain_adopt(struct fa_thread *t, const struct fa_call *c,
		   struct fa_identity *file) FA_HIDDEN;

/*
 * The program stats a path that a chain has read from: its attributes without the
 * access time, which alone would need a round trip; what is given for that is the
 * time before the chain's read. Everything else is as fresh as a plain stat's.
 * `c->foreseen` tells whether a chain was started for it, `c->ready` that it has ended.
 */
bool fa_chain_stat(struct fa_thread *t, struct fa_call *c, bool follow,
		   struct statx *stx) FA_HIDDEN;

/* ---- close.c: closes that run behind ---- */

/*
 * Closes `fd` on the ring. True: its number is free and its flush runs behind.
 * False: nothing was done. `fast` tells that it ended without waiting.
 */
bool fa_close_behind(struct fa_thread *t, int fd, bool *fast) FA_HIDDEN;

/* Makes a worker now, by letting one run a no-op. */
void fa_prespawn(struct fa_thread *t) FA_HIDDEN;

#endif
