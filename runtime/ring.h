/* SPDX-License-Identifier: MIT
 *
 * A thread's io_uring: 64 entries in two pages that a fork does not copy, and no
 * descriptor at all (IORING_SETUP_REGISTERED_FD_ONLY), so that no close loop,
 * dup2 or listing of the program can meet it and no number is taken.
 *
 * Deferred task work (IORING_SETUP_DEFER_TASKRUN): completions appear only while
 * we enter the kernel for them. Any other setting ends a request by task work
 * that wakes the thread, and the program would see EINTR and short counts that no
 * signal caused. Owner: the thread that made the ring; nobody else touches it.
 */
#ifndef FA_RING_H
#define FA_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime.h"

struct fa_thread;
struct io_uring_sqe;

#define FA_RING_ENTRIES 64U
#define FA_RING_FLIGHT                                                     \
	112U /* operations in flight at most: each has a completion's room \
	      */
#define FA_RING_WORKERS 128U
#define FA_RING_SCRATCH (128UL << 10)
#define FA_WAIT_NS 1000000000U /* the longest wait for anything on it */

/* user_data: what it was, and which one */
#define FA_TAGS (~0xffffffffULL)
#define FA_TAG_CHAIN (1ULL << 32)   /* + stage << 16, + index */
#define FA_TAG_STREAM (2ULL << 32)  /* + index */
#define FA_TAG_CLOSE (3ULL << 32)   /* of a descriptor of the program, + a number */
#define FA_TAG_RESULT (4ULL << 32)  /* its result goes to `result` */
#define FA_TAG_OTHER (5ULL << 32)   /* nobody waits for its result */
#define FA_TAG_PROMISE (6ULL << 32) /* + what, part and task: commit.c */

struct fa_ring {
	void *memory; /* NULL: no ring */
	struct io_uring_sqe *sqes;
	uint32_t *sq_head, *sq_tail, *sq_flags, *cq_head, *cq_tail;
	void *cqes;
	uint32_t submitted; /* entries the kernel took; each completes once */
	uint32_t prepared;  /* tail not yet submitted */
	uint32_t cq_mask;
	uint32_t
		turn; /* of fa_ring_reap(): what ends in the one it began in did not wait */
	uint32_t slots; /* direct descriptors */
	int index;	/* registered */
	int result;	/* of the last FA_TAG_RESULT */
	bool cancelled; /* the last close waited for never ran */
	bool wakes;	/* an eventfd at each completion */
	bool broken;	/* an entry was lost: give it up */
	bool refused;	/* do not try again under these privileges */
};

/*
 * Makes the ring if there is none. 0, or a negative errno with the reason
 * counted; a refusal is remembered until privileges change.
 */
int fa_ring_need(struct fa_thread *t) FA_HIDDEN;

/* Room for reads that only bring pages in. False: no memory. */
bool fa_ring_scratch(struct fa_thread *t) FA_HIDDEN;

/* Puts a file of the program's into a direct descriptor, or (-1) takes it out. */
int fa_ring_slot(struct fa_thread *t, unsigned slot, int fd) FA_HIDDEN;

/* From now on a completion makes this eventfd readable. */
int fa_ring_wakes(struct fa_thread *t, int eventfd) FA_HIDDEN;

/* A cleared entry, or NULL: too much is in flight. */
struct io_uring_sqe *fa_ring_entry(struct fa_thread *t) FA_HIDDEN;

/*
 * Submits what was prepared: how many entries the kernel took, the rest is
 * forgotten; or a negative errno when it took none.
 */
int fa_ring_submit(struct fa_thread *t) FA_HIDDEN;

/* How many entries there are now, in one submission. */
unsigned fa_ring_room(const struct fa_thread *t) FA_HIDDEN;

/*
 * fa_ring_submit(), and waits for `wait` completions, `ns` at most, in the same call;
 * reaps.
 */
int fa_ring_run(struct fa_thread *t, unsigned wait, uint64_t ns) FA_HIDDEN;

/* What a completion means: in chain.c. May prepare further entries. */
void fa_completed(struct fa_thread *t, uint64_t user_data, int result) FA_HIDDEN;

/* Is there deferred work, which ends requests when the thread enters the ring? */
bool fa_ring_work(const struct fa_thread *t) FA_HIDDEN;

/* Hands all completions that are there to fa_completed(), and submits what it prepares. */
void fa_ring_reap(struct fa_thread *t) FA_HIDDEN;

/* Waits for one more completion or a signal, `ns` at most, and reaps. False: none came. */
bool fa_ring_wait(struct fa_thread *t, uint64_t ns) FA_HIDDEN;

/* 0: cancelled before it ran. Else it runs, has run, or cannot be told. */
int fa_ring_cancel(struct fa_thread *t, uint64_t user_data) FA_HIDDEN;

/* Has everything submitted completed? Reaps. */
bool fa_ring_idle(struct fa_thread *t) FA_HIDDEN;

/* Gives the ring back to the kernel, which ends what is in flight. */
void fa_ring_retire(struct fa_thread *t) FA_HIDDEN;

#endif
