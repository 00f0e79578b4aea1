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
#define FA_RING_FLIGHT 32U /* operations in flight at most */
#define FA_RING_WORKERS 16U

struct fa_ring {
	void *memory; /* NULL: no ring */
	struct io_uring_sqe *sqes;
	uint32_t *sq_head, *sq_tail, *sq_flags, *cq_head, *cq_tail;
	void *cqes;
	uint32_t submitted; /* entries the kernel took; each completes once */
	uint32_t prepared;  /* tail not yet submitted */
	uint32_t cq_mask;
	int index;	/* registered */
	int result;	/* of the last operation that ran inline */
	bool cancelled; /* the last close waited for never ran */
	bool refused;	/* do not try again under these privileges */
};

/*
 * Makes the ring if there is none. 0, or a negative errno with the reason
 * counted; a refusal is remembered until privileges change.
 */
int fa_ring_need(struct fa_thread *t) FA_HIDDEN;

/* A cleared entry, or NULL: too much is in flight. */
struct io_uring_sqe *fa_ring_entry(struct fa_thread *t) FA_HIDDEN;

/*
 * Submits what was prepared: how many entries the kernel took, the rest is
 * forgotten; or a negative errno when it took none.
 */
int fa_ring_submit(struct fa_thread *t) FA_HIDDEN;

/* Hands all completions that are there to fa_chain_completed(). */
void fa_ring_reap(struct fa_thread *t) FA_HIDDEN;

/* Waits for one more completion, `ns` at most, and reaps. False: none came. */
bool fa_ring_wait(struct fa_thread *t, uint64_t ns) FA_HIDDEN;

/* 0: cancelled before it ran. Else it runs, has run, or cannot be told. */
int fa_ring_cancel(struct fa_thread *t, uint64_t user_data) FA_HIDDEN;

/* Has everything submitted completed? Reaps. */
bool fa_ring_idle(struct fa_thread *t) FA_HIDDEN;

/* Gives the ring back to the kernel, which ends what is in flight. */
void fa_ring_retire(struct fa_thread *t) FA_HIDDEN;

#endif
