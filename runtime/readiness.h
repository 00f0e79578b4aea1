/* SPDX-License-Identifier: MIT
 *
 * Readiness: which descriptors the program waits for, and whose events are held
 * back until what they lead to will not block.
 *
 * A held event is one that the kernel has reported and the program has not been
 * told of. To release it the registration is set anew (EPOLL_CTL_MOD), which makes
 * the kernel report whatever is then true; nothing is kept that could be wrong by
 * then. Level-triggered registrations have the held bits taken out meanwhile, or
 * they would be reported again and again. poll() and select() are masked in a
 * copy of their arguments. Only processes without threads hold anything, and only
 * for sets that no child can have inherited.
 */
#ifndef FA_READINESS_H
#define FA_READINESS_H

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "runtime.h"

struct fa_thread;
struct fa_chain;

#define FA_HOLD_NS 100000000U /* no event is held longer */
#define FA_HELD_MAX 1024U

#define FA_HELD_IN 1U
#define FA_HELD_OUT 2U

/* What is to be taken out of poll and epoll events, which have the same bits. */
#define FA_IN_BITS ((uint32_t)(EPOLLIN | EPOLLRDNORM | EPOLLRDHUP))
#define FA_OUT_BITS ((uint32_t)(EPOLLOUT | EPOLLWRNORM))

#define FA_WATCH_PASS 1U  /* its next IN event is the released one */
#define FA_WATCH_PLAIN 2U /* never held: no TCP connection, or not readable to us */
#define FA_WATCH_MULTI 4U /* in more than one set */
#define FA_WATCH_CHAIN 8U /* IN is held until a chain ends */
#define FA_WATCH_POLLED 16U
#define FA_WATCH_OWED 128U /* one-shot: its report was kept, and it is disarmed */
#define FA_WATCH_FRESH 64U /* accepted and not registered yet */
#define FA_WATCH_TOLD 32U  /* readable, and the program was told and has not read */

/* The entry of a descriptor, or NULL. */
static inline struct fa_watch *fa_watch_of(int fd)
{
	return fa_watches && (unsigned)fd < FA_FDS ? &fa_watches[fd] : NULL;
}

/* What of poll's or epoll's bits is held back. */
static inline uint32_t fa_held_bits(const struct fa_watch *w)
{
	return (w->held & FA_HELD_IN ? FA_IN_BITS : 0) |
	       (w->held & FA_HELD_OUT ? FA_OUT_BITS : 0);
}

/* Has the thread anything under way that a wait must also wait for? */
bool fa_readiness_pending(const struct fa_thread *t) FA_HIDDEN;

/* May events be held at all: no threads, and something to wake up by? */
bool fa_readiness_able(struct fa_thread *t) FA_HIDDEN;

/* Is it open, and does it not block? */
bool fa_nonblocking(int fd) FA_HIDDEN;

/* May events of `fd` be held: a connection of one set, which no child has inherited? */
bool fa_readiness_may_hold(int fd) FA_HIDDEN;

/* Holds these events of `fd` from now on. False: no room. */
bool fa_readiness_hold(struct fa_thread *t, int fd, unsigned held) FA_HIDDEN;

/* Reports them again. */
void fa_readiness_release(struct fa_thread *t, int fd, unsigned held) FA_HIDDEN;

/* The same for all that are held. */
void fa_readiness_release_all(struct fa_thread *t) FA_HIDDEN;

/* A chain that `conn` was held for is at its end. */
void fa_readiness_chain_ended(struct fa_thread *t, struct fa_chain *c, int conn) FA_HIDDEN;

/*
 * What the program is told of `events` that the kernel has reported for `fd`:
 * those, without what is held or from now on is.
 */
uint32_t fa_readiness_filter(struct fa_thread *t, int fd, uint32_t events) FA_HIDDEN;

/* The same for events of an epoll set, in place: how many are left. */
int fa_readiness_filter_set(struct fa_thread *t, int set, struct epoll_event *events,
			    int n) FA_HIDDEN;

/*
 * Waits until one of the program's descriptors in p[0..n) is ready, a completion
 * is there, a hold is over, or `left` nanoseconds (-1: no limit) have gone by.
 * p has room for one more. 0, or -EINTR.
 */
int fa_readiness_wait(struct fa_thread *t, struct pollfd *p, unsigned n, int64_t left,
		      const void *mask) FA_HIDDEN;

/* Shortens a wait to what ours allows, and returns the eventfd to wait for; -1: none. */
int fa_readiness_limit(const struct fa_thread *t, int64_t *left) FA_HIDDEN;

/* Somebody has closed the eventfd by means that nobody saw. */
void fa_readiness_lost(struct fa_thread *t) FA_HIDDEN;

/* The eventfd was readable. */
void fa_readiness_woken(void) FA_HIDDEN;

/* Takes up completions, and releases what has been held for long enough. */
void fa_readiness_turn(struct fa_thread *t) FA_HIDDEN;

/*
 * In ahead.c. A connection is readable: looks at what it has received, and starts
 * chains for what that will make the program open. True: hold it until they end.
 */
bool fa_ahead(struct fa_thread *t, int fd, struct fa_watch *w) FA_HIDDEN;

/* A request goes to the program: an open that explains it may follow. */
void fa_ahead_given(struct fa_thread *t, const struct fa_chain *c) FA_HIDDEN;

/* The program has opened a file for reading, by this path. */
void fa_ahead_opened(struct fa_thread *t, const char *path, int flags,
		     uint64_t site) FA_HIDDEN;

#endif
