/* SPDX-License-Identifier: MIT
 *
 * Lookahead by directory: names that a directory has told are what the program
 * will stat or open next. In which order, which kinds of names and what it does
 * with them is learned from the first few, and chains run ahead of it.
 *
 * Only processes without threads are looked ahead for. Nothing that a chain has
 * found out is given to the program here: a stat that was foreseen is the plain
 * call, which finds name and attributes cached; opens are adopted (adopt.c).
 */
#ifndef FA_WALK_H
#define FA_WALK_H

#include <stdbool.h>
#include <stdint.h>

#include "chain.h"
#include "listing.h"
#include "runtime.h"

struct fa_thread;

#define FA_WALK_LISTINGS 64U /* directories remembered at a time */
#define FA_WALK_PATH 128U    /* longest path of one */

#define FA_WALK_DEPTH 64U /* chains ahead at most */

/* What is done with names of a kind: below 0, not. */
struct fa_kind {
	int8_t visited, statted, opened;
};

/* Some programs go through a directory twice: rsync stats all names, then opens them. */
#define FA_PASSES 2U /* the second one, and all that follow it */

/* How the program goes through directories, in one pass. */
struct fa_habit {
	struct fa_kind kind[FA_KINDS], type[16];
	int8_t score[FA_ORDERS];
	uint8_t order;
	uint8_t form; /* how the last visit named its directory */
	bool follow;
	int oflags[2];	      /* of the last open of a file, and of a directory */
	uint64_t site;	      /* where that of a file was */
	uint64_t cost[2];     /* cycles a name takes, plain and ahead: moving averages */
	unsigned measured[2]; /* names in them */
};

/* One directory. */
struct fa_walked {
	uint32_t handle;    /* 0: free */
	uint32_t used;	    /* when: for throwing the oldest away */
	uint32_t directory; /* which working directory `path` is relative to */
	uint32_t next;	    /* position of the first name not looked at yet */
	uint32_t at;	    /* of the last visit */
	uint16_t depth;	    /* chains ahead, */
	uint16_t flying;    /* and how many there are */
	bool missed;	    /* depth grows step by step from then on */
	uint8_t pass;	    /* the program's over its names */
	int fd, dup;	    /* of the stream, and the last duplicate of that */
	uint64_t listed;    /* cycles, when its stream was opened */
	uint64_t dev, ino;
	char path[FA_WALK_PATH]; /* as it was opened; empty: only by descriptor */
	struct fa_listing names;
};

/* Owner: the thread. In memory that a fork wipes; what it points to is not. */
struct fa_walk {
	struct fa_walked walked[FA_WALK_LISTINGS];
	struct fa_habit habit[FA_PASSES];
	uint64_t blocks[FA_WALK_DEPTH]; /* of inodes: those brought in last */
	uint32_t tick;
	struct fa_walked *last; /* directory and name of the visit before */
	uint32_t last_name;
	uint32_t last_handle;
	uint8_t last_pass;
	bool statted, opened; /* what was done with that name so far */
	int worth;	      /* hits minus misses */
	int restat;	      /* do later fstats wait, because of our reads? */
	unsigned pause;	      /* visits for which nothing is started */
	unsigned pauses;
	unsigned idle; /* visits in a row for which there was nothing to start */

	bool ahead;    /* was anything started for this name? */
	uint64_t came; /* cycles, when the program came to it */
	unsigned hole; /* visits since one ran plain, to measure */
};

/*
 * A directory's stream was opened: `path` as given to opendir(), or NULL. Returns
 * a handle for its names, 0: none are wanted.
 */
uint32_t fa_walk_directory(struct fa_thread *t, int fd, const char *path) FA_HIDDEN;

/* One of its names. False: no more are wanted. */
bool fa_walk_name(struct fa_thread *t, uint32_t handle, const char *name, uint64_t ino,
		  uint8_t type) FA_HIDDEN;

/* So far the stream has told. Starts chains for the first names, if it is clear how. */
void fa_walk_listed(struct fa_thread *t, uint32_t handle) FA_HIDDEN;

/*
 * The program is about to stat (`follow` links or not) or open a path: learns from
 * it, and starts chains for what comes next. The path may be a bad pointer.
 */
void fa_walk_visit(struct fa_thread *t, struct fa_call *c, enum fa_op op,
		   bool follow) FA_HIDDEN;

/* A chain of this directory's is found no more: the program has used it, or has not. */
void fa_walk_dropped(struct fa_thread *t, uint32_t handle, bool used) FA_HIDDEN;

/* A stat waited although its chain had ended: looking ahead for it gained nothing. */
void fa_walk_useless(struct fa_thread *t) FA_HIDDEN;

/* An fstat of a file that was read ahead has waited: the read had made it stale. */
void fa_walk_stale(struct fa_thread *t) FA_HIDDEN;

/* Names are about to be removed: chains would have to be waited for each time. */
void fa_walk_disturbed(struct fa_thread *t) FA_HIDDEN;

/* The thread forgets all directories. */
void fa_walk_forget(struct fa_thread *t) FA_HIDDEN;

#endif
