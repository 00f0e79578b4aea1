/* SPDX-License-Identifier: MIT
 *
 * Promises: what a program sends of a file to a TCP connection is answered before it
 * runs. Header, files and the closes of these files are collected as tasks, and go to
 * the ring together (commit) before anything else that somebody could notice: see the
 * table in docs/CONTRACT.md. A connection whose peer does not make room keeps the rest
 * of its task in the ring, as if its send buffer were larger by FA_UNSENT_SOCKET; who
 * needs it sent waits for that (settle).
 *
 * Only in processes without threads: the owner of all of it is the one thread. The
 * memory is wiped on fork, and nothing is promised then, because forks settle first.
 */
#ifndef FA_PROMISE_H
#define FA_PROMISE_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime.h"

struct fa_thread;

#define FA_TASKS 64U
#define FA_PARTS 8U
#define FA_PAGES 512U
#define FA_SYSTEMS 8U
#define FA_UNSENT_SOCKET (1U << 20)   /* bytes promised and not yet sent */
#define FA_UNSENT_PROCESS (16U << 20) /* all of them; the size of the staging memory */
#define FA_HEADER_MAX (64U << 10)     /* what is no longer a header */

/* A range of a file within a task. */
struct fa_part {
	int fd;
	bool closes; /* and then the file */
	bool read, closed;
	uint32_t at, len; /* in the staging memory */
	uint64_t offset;
};

enum fa_task_state {
	FA_TASK_FREE,
	FA_TASK_QUEUED,
	FA_TASK_RUNNING, /* files are read and closed */
	FA_TASK_READY,	 /* and its bytes wait for those of an older task */
	FA_TASK_SENDING
};

/* Bytes for one connection, in one piece. */
struct fa_task {
	uint8_t state;
	uint8_t parts;
	uint8_t in_flight; /* completions of reads and closes to come */
	bool failed;	   /* one of them was short */
	bool fits;	   /* its connection has room for all of it */
	bool orphan;	   /* the program has closed the connection */
	bool nonblock;
	int fd;
	uint32_t at, len; /* in the staging memory */
	uint32_t order;
	struct fa_part part[FA_PARTS];
};

struct fa_promises {
	char *staging;
	uint32_t end;	/* of what is used of it */
	uint32_t dirty; /* and has been, since it was last given back */
	uint32_t idle;	/* commits since then that have left nothing of it in use */
	uint32_t order;
	int last;	   /* the task that may grow, -1: none */
	int armed;	   /* the file that may be sent next, -1: none */
	uint32_t open;	   /* files that may be sent */
	uint32_t errors;   /* connections that have one to report */
	bool refused;	   /* no memory, or no ring */
	uint32_t watching; /* number of the poll that it waits for */
	bool readable;	   /* what fa_drive() waits for has come */
	uint64_t used;	   /* bit per task that is not free */
	struct fa_task task[FA_TASKS];
	uint64_t pages[FA_PAGES]; /* of the program's, which have been found to be there */
	struct {
		uint64_t dev; /* + 1, 0: free */
		bool plain;
	} systems[FA_SYSTEMS];
};

#define FA_EACH_TASK(p, k)                                              \
	for (uint64_t left_ = (p)->used;                                \
	     left_ && ((k) = &(p)->task[__builtin_ctzll(left_)], true); \
	     left_ &= left_ - 1)

static inline void fa_task_free(struct fa_promises *p, struct fa_task *k)
{
	k->state = FA_TASK_FREE;
	p->used &= ~(1ULL << (k - p->task));
}

/* In fa_watch.tcp */
#define FA_TCP_KNOWN 1U
#define FA_TCP_GOOD 2U /* connected stream socket over IPv4 or IPv6 */
#define FA_TCP_NONBLOCK 4U
#define FA_TCP_LISTENS 128U /* a listening socket of the kind */
#define FA_TCP_CORK_KNOWN 16U
#define FA_TCP_CORKED 32U      /* for the kernel */
#define FA_TCP_CORK_WANTED 64U /* for the program */

extern uint32_t fa_forks FA_HIDDEN; /* processes that share what was open before */

/* Was it accepted here, so that no other number, of nobody's, is the same? */
static inline bool fa_ours(int fd)
{
	return fa_watches[fd].accepted == fa_forks + 1;
}

/* In capture.c: a sendfile was promised. */
void fa_sent_settled(struct fa_call *c, int64_t result) FA_HIDDEN;

/* A file was opened with these flags. */
void fa_promise_opened(struct fa_thread *t, struct fa_fd *f, int fd, int flags) FA_HIDDEN;

/* A call on a file that may be promised. False: for the program it is closed. */
bool fa_promise_used(struct fa_thread *t, struct fa_fd *f, enum fa_op op) FA_HIDDEN;

/* It may not be sent any more. */
void fa_promise_gone(int fd) FA_HIDDEN;

/* Its close. True: it is promised as well. `slow`: closes wait on its file system. */
bool fa_promise_close(struct fa_thread *t, struct fa_fd *f, int fd, bool slow) FA_HIDDEN;

/* The same connection may have another number, unless it was accepted here: settles. */
void fa_order_numbers(struct fa_thread *t, struct fa_promises *p, int fd) FA_HIDDEN;

/* Is something queued for this connection? */
bool fa_queued_for(const struct fa_promises *p, int fd) FA_HIDDEN;

/* In connection.c: what is known of it, or NULL where nothing can be promised on it. */
struct fa_watch *fa_connection(int fd) FA_HIDDEN;

/* Will so much surely fit into its send buffer? Then it is taken to be in there. */
bool fa_connection_fits(struct fa_watch *w, int fd, uint32_t n) FA_HIDDEN;

/*
 * In touch.c. Before a plain send to a descriptor: 0, or the negative errno that it
 * shall fail with.
 */
int fa_send_next(struct fa_thread *t, int fd, bool waits) FA_HIDDEN;

/* In commit.c. All that is queued goes to the kernel; files have been read then. */
void fa_commit(struct fa_thread *t) FA_HIDDEN;

#define FA_NOT_RECEIVED INT32_MIN

/*
 * The same, and receives from a socket without waiting, in one go: bytes, a negative
 * errno, or FA_NOT_RECEIVED where that did not go along.
 */
int64_t fa_commit_receive(struct fa_thread *t, int fd, void *buf, size_t n,
			  int flags) FA_HIDDEN;

/* Waits until nothing is on its way to this connection (-1: to any). Commits first. */
void fa_settle(struct fa_thread *t, int fd) FA_HIDDEN;

/*
 * As a blocking call of the program would: until `fd` has something to read (-1:
 * never), or, where `sent` is a connection, that has been sent; for the time that the
 * program has set for such calls of `fd` or `sent`. 0, -EAGAIN when that is over, or
 * -EINTR where a handler has run that does not restart them.
 */
int fa_drive(struct fa_thread *t, int fd, int sent) FA_HIDDEN;

/* Bytes on their way to a connection (-1: to any), or queued for it. */
uint32_t fa_unsent(const struct fa_thread *t, int fd) FA_HIDDEN;

/* Is some of it on its way already? */
bool fa_sending(const struct fa_promises *p, int fd) FA_HIDDEN;

/* An operation of a task has ended; -ECANCELED: it has not run. */
void fa_promise_completed(struct fa_thread *t, uint64_t user_data, int result) FA_HIDDEN;

/* The ring goes: what does not end within a minute breaks its promise. */
void fa_promise_lost(struct fa_thread *t) FA_HIDDEN;

#endif
