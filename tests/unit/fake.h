/* SPDX-License-Identifier: MIT
 *
 * What the unit tests share: a kernel that fails when told to, a ring made of
 * nothing but memory, and a process that can be started again for each test.
 */
#ifndef FAKE_H
#define FAKE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "../../runtime/hints.h"
#include "../../runtime/own.h"
#include "../../runtime/process.h"
#include "../../runtime/sys.h"

struct io_uring_sqe;
struct io_uring_cqe;

/* ---- the kernel: forwards, counts, and fails when told to ---- */

typedef long fake_call(long a, long b, long c, long d, long e, long f);

/* The call itself, past all faults. */
long fake_kernel(long nr, long a, long b, long c, long d, long e, long f);

/* How often the runtime has made this call since fake_reset(). */
unsigned fake_calls(long nr);

/* From now on `hook` answers. */
void fake_hook(long nr, fake_call *hook);

/* From now on it fails with the negative errno `error`. */
void fake_fail(long nr, int error);

/* Only the nth call from now fails, 1 is the next. */
void fake_fail_nth(long nr, unsigned nth, int error);

/* A hook for the calls that only pass time. */
fake_call fake_no_time;

/* No faults, no hooks, all counts 0. */
void fake_reset(void);

/* ---- a ring: the runtime's own memory, with this file as the kernel ---- */

#define FAKE_OPS 64
#define FAKE_SLOTS (FA_CHAINS + FA_STREAMS_FLIGHT)
#define FAKE_LOG 4096

/* What an operation answers, where it is not a result given by the test. */
#define FAKE_RUN 1000000     /* do it, at once */
#define FAKE_PENDING 1000001 /* nothing, until fake_ring_complete() */

struct fake_ring {
	bool made;
	uint32_t *sq_head, *sq_tail, *sq_flags, *cq_head, *cq_tail;
	struct io_uring_cqe *cqes;
	struct io_uring_sqe *sqes;
	int slot[FAKE_SLOTS]; /* direct descriptors */
	int eventfd;	      /* written for each completion, -1: none */

	/* for the test to set */
	int result[FAKE_OPS];	 /* per operation */
	int registers[FAKE_OPS]; /* per register operation: 0, or the errno it fails with */
	int take;	       /* entries a submission takes, or the errno it fails with */
	unsigned interrupted;  /* so many submissions first end with EINTR */
	unsigned last_op;      /* what the probe tells */
	void (*on_wait)(void); /* something happens while the program waits */
	bool no_time;	       /* a wait that nothing ends is over at once */

	/* for the test to look at */
	struct io_uring_sqe *log; /* what was taken, FAKE_LOG at most */
	unsigned logged, waits;
	unsigned closed, closed_nothing; /* descriptors by it; numbers that were free */
	uint64_t wait_ns;		 /* limit of the last wait */
	uint64_t timed_out_ns;		 /* of all waits that nothing ended */
};

extern struct fake_ring fake_ring;

/* Puts it in the place of the kernel's. */
void fake_ring_use(void);

/* A worker has ended an operation: what is linked to it runs, or is cancelled. */
void fake_ring_complete(uint64_t user_data, int result);

/* Sends that are pending go on, where their peers have made room. */
void fake_ring_retry(void);

/* A worker runs one that was taken and left pending: its result. */
int fake_ring_run(const struct io_uring_sqe *sqe);

/* The nth entry of this operation that was taken, 0 is the first. */
const struct io_uring_sqe *fake_ring_nth(unsigned op, unsigned nth);

/* How many entries of this operation were taken; *last is the last of them. */
unsigned fake_ring_took(unsigned op, const struct io_uring_sqe **last);

/* ---- the process ---- */

/*
 * As the constructor would, with this environment (NULL: nothing but
 * FUSE_AIO_RING=1, so that a filter of the machine's does not matter). The
 * strings must stay.
 */
void unit_start(char **env);

/* For cmocka: unit_start(NULL); the ring, the faults and the open files away. */
int unit_setup(void **state);
int unit_teardown(void **state);

/* This thread's block. Counts as a call. */
struct fa_thread *unit_self(void);

/* A path in a directory of this test's own, removed at the end. */
const char *unit_path(const char *name);

/* The same, and the file is there, `size` bytes of it. */
const char *unit_file(const char *name, size_t size);

/* What stat says of it. */
struct fa_seen unit_seen(const char *path);

/* The cycle counter `ns` ago. */
uint64_t unit_ago(uint64_t ns);

/* Waits that long. */
void unit_sleep_ms(unsigned ms);

/* Makes calls of this class on this file system known to wait, or not to. */
void unit_cold(uint64_t dev, enum fa_op op);
void unit_hot(uint64_t dev, enum fa_op op);

/* The descriptor that the next open would get. */
int unit_lowest_fd(void);

/*
 * Runs `body` in a forked child, 20 s at most: for what cannot be undone in a
 * process. True if it returned true. In it use CHECK, not assertions.
 */
bool unit_child(bool (*body)(void));

#define CHECK(condition)                                                                \
	do {                                                                            \
		if (!(condition)) {                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			return false;                                                   \
		}                                                                       \
	} while (0)

/* Skips the test and says why. */
#define SKIP(why)                                                   \
	do {                                                        \
		fprintf(stderr, "skipped %s: %s\n", __func__, why); \
		skip();                                             \
	} while (0)

#define TEST(name) cmocka_unit_test_setup_teardown(name, unit_setup, unit_teardown)

#if defined(__SANITIZE_THREAD__)
#define UNIT_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UNIT_TSAN 1
#endif
#endif

/* A chain for a path, started by a stat that has told which file that is. */
static inline void unit_chain_start(struct fa_thread *thread, int dirfd, const char *path,
				    int flags, uint32_t window,
				    const struct fa_identity *id)
{
	fa_chain_start(thread, &(struct fa_call){ .fd = dirfd, .path = path }, flags,
		       window, id);
}

/* An open of the path, and what it adopts. */
static inline int unit_adopt(struct fa_thread *thread, int dirfd, const char *path,
			     int flags, struct fa_identity *id)
{
	return fa_chain_adopt(
		thread, &(struct fa_call){ .fd = dirfd, .path = path, .flags = flags }, id);
}

#endif
