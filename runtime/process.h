/* SPDX-License-Identifier: MIT
 *
 * The process and its threads: who is running here, from the constructor to the
 * last statistics line, over forks, vforks and changes of privilege.
 */
#ifndef FA_PROCESS_H
#define FA_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

#include "arena.h"
#include "chain.h"
#include "options.h"
#include "readiness.h"
#include "ring.h"
#include "runtime.h"
#include "stream.h"
#include "trial.h"

enum fa_fallback {
#define FALLBACK(id, help) FA_F_##id,
#include "../include/fuse_aio_counters.def"
#undef FALLBACK
	FA_FALLBACKS
};

/* A stat that an open of the same path may follow. */
struct fa_recent {
	uint64_t key; /* of directory and path, 0: empty */
	uint64_t site;
	uint64_t when; /* cycles */
};

#define FA_RECENT 4U

struct fa_thread {
	struct fa_thread_head h; /* first: the wrappers see only this */
	struct fa_thread *next;	 /* in the list of all */
	int tid;
	bool shared_until_parent;
	bool free;	/* its thread has ended, another may take it */
	uint32_t epoch; /* of privileges, when the ring was made */
	uint64_t fallback[FA_FALLBACKS];
	struct fa_ring ring;
	void *scratch;		      /* where reads go whose bytes nobody wants */
	struct fa_chains *ahead;      /* NULL until the first */
	struct fa_promises *promises; /* NULL until the first, see promise.h */
	struct fa_trials trials;
	uint32_t granted; /* what `skip` was set to; */
	uint32_t paths;	  /* opens and stats, with those that were passed by */
	struct fa_attr attr;
	struct {
		uint64_t
			warm; /* file system of the chain that this open will find cached */
		uint64_t from, to; /* bytes that the chain has brought in */
		bool lists;	   /* what was adopted is a directory */
	} found;
	struct fa_requests *requests; /* NULL until the first */
	struct fa_walk *walk;	      /* NULL until the first directory */
	struct fa_recorder *recorder; /* NULL until the first record */
	struct fa_stack *stacks;      /* NULL until the first, see site.h */
	uint16_t held[FA_HELD_MAX];   /* descriptors, h.held of them */
	struct fa_stream stream[FA_STREAMS];
	unsigned streaming;    /* windows on their way */
	uint32_t stream_slots; /* bit per direct descriptor in use */
	uint32_t stream_order;
	uint64_t turned;       /* cycles, when held events were last looked through */
	uint64_t probed;       /* cycles, when a request last ran plain */
	unsigned unprobed;     /* requests since */
	bool suspect;	       /* chains end as fast as if nothing waited */
	bool probing;	       /* the next plain open is such a request's */
	unsigned credit;       /* connections to look at without a use */
	unsigned skipped;      /* not looked at */
	uint32_t close_number; /* of the last close on the ring */
	uint32_t closing;      /* closes on their way */
	uint64_t closed;       /* cycles, when the last was submitted */
	struct fa_recent recent[FA_RECENT];
	unsigned recent_next;
	unsigned attention;	     /* opens and stats to look at without a pause */
	unsigned fast_opens;	     /* captured ones that did not wait */
	struct fa_pattern *patterns; /* all */
	struct fa_pattern *pattern;  /* the last one counted */
	struct fa_arena arena;
};

/* Wiped on fork: a child finds state 0 and starts its own. */
struct fa_process {
	uint32_t state;
	uint32_t logged; /* bit per fallback reason */
	bool ended;
	bool had_ring; /* the kernel's workers are there until the process ends */
	bool no_promises;
	bool forked;  /* and has not opened a file that might be sent */
	bool in_line; /* start no chains and no closes: they could not be waited for */
	struct fa_thread *threads; /* only ever grows */
};

extern struct fa_process *fa_process FA_HIDDEN;
extern struct fa_options fa_options FA_HIDDEN;
extern uint32_t fa_epoch FA_HIDDEN;	/* of privileges */
extern uint32_t fa_directory FA_HIDDEN; /* of working directories */
extern bool fa_behind_filter FA_HIDDEN; /* inherited: fa_off, but for the last line */
extern int fa_pid FA_HIDDEN;
extern bool fa_other_locks FA_HIDDEN; /* some that go with the last close of a file */

/* Is anything started, or only looked at? */
static inline bool fa_starts(void)
{
	return fa_options.mode == FA_MODE_AUTO || fa_options.mode == FA_MODE_FUSE;
}

/* Has any other thread been here? */
static inline bool fa_threaded(void)
{
	return fa_process->threads && fa_process->threads->next;
}

static inline struct fa_thread *fa_thread_of(struct fa_thread_head *h)
{
	return (struct fa_thread *)h;
}

/*
 * Around everything in the runtime that makes system calls or changes more than
 * hints: a signal handler that comes in between passes through. False: busy
 * already, or switched off meanwhile. Plain stores: only the thread itself
 * writes its word, but for fa_filter_coming(), which looks twice.
 */
static inline bool fa_busy(struct fa_thread *t)
{
	if (t->h.word != FA_T_READY)
		return false;
	__atomic_store_n(&t->h.word, FA_T_BUSY, __ATOMIC_RELAXED);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	return true;
}

static inline void fa_ready(struct fa_thread *t)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	__atomic_store_n(&t->h.word, fa_off ? FA_T_OFF : FA_T_READY, __ATOMIC_RELEASE);
}

/* Forgets all that is under way on the thread's ring, and the ring with it. */
void fa_thread_drop(struct fa_thread *t) FA_HIDDEN;

/* Counts why the plain call runs instead, and logs the first of each kind. */
void fa_fallback(struct fa_thread *t, enum fa_fallback why) FA_HIDDEN;

/* Cycles to nanoseconds. */
uint64_t fa_ns(uint64_t cycles) FA_HIDDEN;

#endif
