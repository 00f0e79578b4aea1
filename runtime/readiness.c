/* SPDX-License-Identifier: MIT
 *
 * Registrations, holding and releasing.
 */
#include "readiness.h"

#include <errno.h>

#include "own.h"
#include "probe.h"
#include "process.h"
#include "record.h"
#include "sys.h"

FA_HIDDEN struct fa_watch *fa_watches;

/* Descriptor by (set, data): a hint, checked against the entry that it leads to. */
#define TURN_NS 2000000 /* between looks at what has been held for too long */

#define PLACES 8192U
#define PROBES 8U

static uint16_t place[PLACES];
static uint32_t forks;

static uint32_t hash(int set, uint64_t data)
{
	return (uint32_t)(((data ^ ((uint64_t)(unsigned)set << 48)) *
			   0x9E3779B97F4A7C15ULL) >>
			  40);
}

static bool is(const struct fa_watch *w, int set, uint64_t data)
{
	return w->set == (uint32_t)set + 1 && w->data == data;
}

static int fd_of(int set, uint64_t data)
{
	for (uint32_t i = hash(set, data), n = 0; n < PROBES; i++, n++) {
		int fd = place[i % PLACES];

		if (is(&fa_watches[fd], set, data))
			return fd;
	}
	return -1;
}

static void put(int set, uint64_t data, int fd)
{
	uint32_t first = hash(set, data), at = first;

	for (uint32_t i = first, n = 0; n < PROBES; i++, n++) {
		const struct fa_watch *w = &fa_watches[place[i % PLACES]];

		if (place[i % PLACES] != fd && is(w, set, data)) {
			/* Two that cannot be told apart: neither is held. */
			fa_watches[place[i % PLACES]].flags |= FA_WATCH_MULTI;
			fa_watches[fd].flags |= FA_WATCH_MULTI;
		}
		if (place[i % PLACES] == fd || !w->set || is(w, set, data)) {
			at = i;
			break;
		}
	}
	place[at % PLACES] = (uint16_t)fd;
}

/* ---- what the program registers ---- */

FA_HIDDEN void fa_set_made(int set)
{
	struct fa_watch *w = fa_watch_of(set);

	if (w && fa_enter())
		w->born = forks + 1;
}

FA_HIDDEN void fa_accepted(int fd)
{
	struct fa_watch *w = fa_watch_of(fd);

	if (!w || !*fa_any_cold || !fa_enter())
		return;
	fa_forget_watch(fd); /* somebody else's, whose close nobody saw */
	w->flags = FA_WATCH_FRESH;
}

static void release_held(void)
{
	struct fa_thread *t = fa_thread_of(fa_self);

	/* No system call: a vfork's child may have a filter that ends it for one. */
	if (fa_off || !t || !t->h.held || !fa_busy(t))
		return;
	fa_readiness_release_all(t);
	fa_ready(t);
}

FA_HIDDEN void fa_exec_coming(void)
{
	fa_promises_end();
	release_held();
}

FA_HIDDEN void fa_sets_inherited(void)
{
	if (fa_off || fa_on_loan())
		return;
	forks++;
	release_held(); /* a child knows of none either */
}

static uint32_t masked(const struct fa_watch *w)
{
	/* Edge-triggered and one-shot registrations are silent once reported. */
	if (w->events & (EPOLLET | EPOLLONESHOT))
		return w->events;
	return w->events & ~fa_held_bits(w);
}

/* Sets the registration anew: the kernel reports what is true and not masked. */
static void rearm(int fd, const struct fa_watch *w)
{
	struct epoll_event ev = { .events = masked(w), .data.u64 = w->data };

	/* A one-shot that the program has been told of is the program's to arm. */
	if (w->set && (!(w->events & EPOLLONESHOT) || w->flags & FA_WATCH_OWED))
		fa_sys_epoll_ctl((int)w->set - 1, EPOLL_CTL_MOD, fd, &ev);
}

/* ---- holding ---- */

/* Takes the i-th out of the list. */
static void unlist(struct fa_thread *t, unsigned i)
{
	uint16_t last = t->held[--t->h.held];

	t->held[i] = last;
	fa_watches[last].at = (uint16_t)i;
}

FA_HIDDEN bool fa_nonblocking(int fd)
{
	int flags = fa_sys_fcntl(fd, F_GETFL, 0);

	return flags >= 0 && flags & O_NONBLOCK;
}

static bool inherited(const struct fa_watch *set)
{
	return !set || set->born != forks + 1;
}

FA_HIDDEN bool fa_readiness_may_hold(int fd)
{
	const struct fa_watch *w = &fa_watches[fd];

	return !(w->flags & (FA_WATCH_PLAIN | FA_WATCH_MULTI)) &&
	       (!w->set || !inherited(fa_watch_of((int)w->set - 1)));
}

FA_HIDDEN bool fa_readiness_hold(struct fa_thread *t, int fd, unsigned held)
{
	struct fa_watch *w = &fa_watches[fd];

	if (!fa_readiness_may_hold(fd))
		return false;
	if (!w->held) {
		if (t->h.held == FA_HELD_MAX)
			return false;
		w->at = (uint16_t)t->h.held;
		t->held[t->h.held++] = (uint16_t)fd;
		w->since = fa_cycles();
	}
	w->held |= (uint8_t)held;
	t->h.n[FA_N_held]++;
	FA_PROBE2(hold, fd, held);
	if (masked(w) != w->events)
		rearm(fd, w);
	return true;
}

FA_HIDDEN void fa_readiness_release(struct fa_thread *t, int fd, unsigned held)
{
	struct fa_watch *w = &fa_watches[fd];

	if (!(w->held & held))
		return;
	if (w->flags & FA_WATCH_CHAIN && held & FA_HELD_IN)
		fa_chain_detach(t, fd);
	if (w->held & held & FA_HELD_IN)
		w->flags = (uint8_t)((w->flags & ~FA_WATCH_CHAIN) | FA_WATCH_PASS);
	w->held &= (uint8_t)~held;
	if (!w->held) {
		if (fa_unlikely(fa_recording))
			fa_record_hold(t, fd, w->since,
				       fa_ns(fa_cycles() - w->since) >= FA_HOLD_NS);
		unlist(t, w->at);
	}
	FA_PROBE2(inject, fd, held);
	rearm(fd, w);
}

/* Releases the i-th of the list: something else is there then. */
static void release_at(struct fa_thread *t, unsigned i)
{
	if (fa_watches[t->held[i]].held)
		fa_readiness_release(t, t->held[i], FA_HELD_IN | FA_HELD_OUT);
	else
		unlist(t, i);
}

/* Forgets it without a word to the kernel. */
static void clear(struct fa_thread *t, int fd)
{
	struct fa_watch *w = &fa_watches[fd];

	/* Below a signal handler the list keeps it: whoever goes through it checks. */
	if (w->held && t && t->h.word == FA_T_READY && w->at < t->h.held &&
	    t->held[w->at] == fd)
		unlist(t, w->at);
	if (w->flags & FA_WATCH_CHAIN && t && t->h.word == FA_T_READY)
		fa_chain_detach(t, fd);
	/* What is known of the connection itself stays. */
	*w = (struct fa_watch){
		.tcp = w->tcp, .error = w->error, .room = w->room, .accepted = w->accepted
	};
}

FA_HIDDEN void fa_forget_watch_slow(int fd)
{
	struct fa_watch *w = fa_watch_of(fd);
	struct fa_thread *t = fa_thread_of(fa_self);

	/* A vfork's child closes descriptors of its own, but this memory is not its. */
	if (!w || fa_on_loan())
		return;
	/* A duplicate may keep the registration, or the set, alive. */
	if (t && t->h.held && fa_busy(t)) {
		fa_readiness_release(t, fd, FA_HELD_IN | FA_HELD_OUT);
		for (unsigned i = t->h.held; w->born && i-- > 0;)
			if (fa_watches[t->held[i]].set == (uint32_t)fd + 1)
				release_at(t, i);
		fa_ready(t);
	}
	fa_take_error(fd);
	clear(t, fd);
	w->tcp = 0;
	w->room = w->accepted = 0;
}

FA_HIDDEN void fa_registered(int set, int op, int fd, const struct epoll_event *ev)
{
	struct fa_thread *t = fa_thread_of(fa_enter());
	struct fa_watch *w = fa_watch_of(fd);

	if (!w || (!t && (!fa_self || fa_self->word != FA_T_BUSY)))
		return;
	if (op == EPOLL_CTL_ADD && !w->set && w->flags & FA_WATCH_FRESH) {
		/* It may be held already; but not where it could not be reported again. */
		w->flags &= (uint8_t)~FA_WATCH_FRESH;
		if (ev->events & EPOLLEXCLUSIVE || inherited(fa_watch_of(set)))
			clear(t, fd);
	} else if (op != EPOLL_CTL_MOD) {
		/* In both sets it is held in neither; one of the same set went unseen. */
		uint8_t multi = w->flags & FA_WATCH_MULTI;
		uint32_t born = w->born;

		if (op == EPOLL_CTL_ADD && w->set && w->set != (uint32_t)set + 1)
			multi = FA_WATCH_MULTI;
		if (multi && t && fa_busy(t)) {
			fa_readiness_release(t, fd, FA_HELD_IN | FA_HELD_OUT);
			fa_ready(t);
		}
		clear(t, fd);
		w->flags = multi;
		w->born = born;
	}
	if (op == EPOLL_CTL_DEL)
		return;
	if (ev->events & EPOLLEXCLUSIVE)
		w->flags |= FA_WATCH_PLAIN; /* it cannot be set anew */
	w->set = (uint32_t)set + 1;
	w->events = ev->events;
	w->data = ev->data.u64;
	w->flags &= (uint8_t)~FA_WATCH_OWED;
	put(set, w->data, fd);
	if (w->held && masked(w) != w->events)
		rearm(fd, w);
}

FA_HIDDEN void fa_readiness_release_all(struct fa_thread *t)
{
	while (t->h.held)
		release_at(t, t->h.held - 1);
}

FA_HIDDEN void fa_readiness_chain_ended(struct fa_thread *t, struct fa_chain *c, int conn)
{
	struct fa_watch *w = &fa_watches[conn];

	if (!(w->flags & FA_WATCH_CHAIN))
		return; /* released already, or another connection's by now */
	w->flags &= (uint8_t)~FA_WATCH_CHAIN;
	fa_ahead_given(t, c);
	fa_readiness_release(t, conn, FA_HELD_IN);
}

FA_HIDDEN uint32_t fa_readiness_filter(struct fa_thread *t, int fd, uint32_t events)
{
	struct fa_watch *w = &fa_watches[fd];
	uint32_t told;

	/* Who is told that a connection is over must not be put off any more. */
	if (events & (EPOLLERR | EPOLLHUP))
		w->flags |= FA_WATCH_PLAIN;
	if (w->held && events & (EPOLLERR | EPOLLHUP)) {
		bool whole = masked(w) == w->events;

		fa_readiness_release(t, fd, FA_HELD_IN | FA_HELD_OUT);
		/* What was masked is missing here: the kernel now reports all of it. */
		if (!whole)
			return 0;
	}
	if (!(w->held & FA_HELD_IN) && events & EPOLLIN && !(events & EPOLLPRI)) {
		if (w->flags & FA_WATCH_PASS)
			w->flags &= (uint8_t)~FA_WATCH_PASS;
		else if (fa_readiness_may_hold(fd) &&
			 !(w->events & EPOLLONESHOT && events & ~FA_IN_BITS) &&
			 fa_ahead(t, fd, w) && !fa_readiness_hold(t, fd, FA_HELD_IN))
			w->flags &= (uint8_t)~FA_WATCH_CHAIN;
	}
	if (events & EPOLLIN && !(w->held & FA_HELD_IN))
		w->flags |= FA_WATCH_TOLD;
	told = events & ~fa_held_bits(w);
	if (!(w->events & EPOLLONESHOT))
		return told;
	/* One report is all that it gives: it is kept in whole, or told in whole. */
	w->flags = (uint8_t)(told ? w->flags & ~FA_WATCH_OWED : w->flags | FA_WATCH_OWED);
	if (told)
		fa_readiness_release(t, fd, FA_HELD_IN | FA_HELD_OUT);
	return told ? events : 0;
}

/*
 * Some programs read on when they have answered, without waiting for an event.
 * What has come in by then is put off as if it came a little later.
 */
static bool put_off(struct fa_thread *t, int fd, struct fa_watch *w)
{
	if (w->held & FA_HELD_IN) {
		/* Who only tries again and never waits gets there as well. */
		fa_readiness_turn(t);
		if (w->held & FA_HELD_IN)
			return true;
		w->flags &= (uint8_t)~FA_WATCH_PASS;
		return false;
	}
	if (!fa_ahead(t, fd, w))
		return false;
	if (!fa_readiness_hold(t, fd, FA_HELD_IN)) {
		w->flags &= (uint8_t)~FA_WATCH_CHAIN;
		return false;
	}
	if (t->ring.prepared)
		fa_ring_submit(t);
	return true;
}

FA_HIDDEN void fa_recv_told(int fd)
{
	struct fa_watch *w = fa_watch_of(fd);

	if (w && w->set | w->flags && !fa_on_loan())
		w->flags |= FA_WATCH_TOLD;
}

FA_HIDDEN bool fa_recv_touch_slow(int fd)
{
	struct fa_thread *t = fa_thread_of(fa_self);
	struct fa_watch *w = &fa_watches[fd];
	bool off = false;

	if (w->flags & (FA_WATCH_TOLD | FA_WATCH_PASS)) {
		w->flags &= (uint8_t) ~(FA_WATCH_TOLD | FA_WATCH_PASS);
		return false;
	}
	if (!fa_readiness_may_hold(fd) || !fa_busy(t))
		return false;
	if (fa_nonblocking(fd))
		off = put_off(t, fd, w);
	fa_ready(t);
	return off;
}

FA_HIDDEN int fa_readiness_filter_set(struct fa_thread *t, int set,
				      struct epoll_event *events, int n)
{
	const struct fa_watch *s = fa_watch_of(set);
	int left = 0;

	if (inherited(s))
		return n;
	for (int i = 0; i < n; i++) {
		struct epoll_event ev = events[i];
		int fd = fd_of(set, ev.data.u64);

		if (fd >= 0)
			ev.events = fa_readiness_filter(t, fd, ev.events);
		if (ev.events)
			events[left++] = ev;
	}
	return left;
}

/* ---- waiting ---- */

FA_HIDDEN bool fa_readiness_pending(const struct fa_thread *t)
{
	return t->h.held || t->h.chains || t->h.promise & FA_P_FLIGHT;
}

FA_HIDDEN bool fa_readiness_able(struct fa_thread *t)
{
	int fd;

	if (!fa_starts() || fa_threaded() || fa_process->in_line || fa_ring_need(t) < 0)
		return false;
	if (t->ring.wakes)
		return true;
	fd = fa_own_fd(FA_OWN_WAKE);
	if (fd < 0) {
		fd = fa_sys_eventfd(O_CLOEXEC | O_NONBLOCK);
		fd = fd < 0 ? fd : fa_own_take(FA_OWN_WAKE, fd);
	}
	if (fd < 0 || fa_ring_wakes(t, fd) < 0) {
		fa_fallback(t, FA_F_no_wake);
		return false;
	}
	return true;
}

FA_HIDDEN void fa_readiness_turn(struct fa_thread *t)
{
	uint64_t now;

	fa_chain_sweep(t);
	if (fa_threaded())
		fa_readiness_release_all(t);
	now = fa_cycles();
	if (fa_ns(now - t->turned) < TURN_NS)
		return;
	t->turned = now;
	for (unsigned i = t->h.held; i-- > 0;) {
		const struct fa_watch *w = &fa_watches[t->held[i]];

		if (w->held && fa_ns(now - w->since) < FA_HOLD_NS)
			continue;
		t->h.n[FA_N_late] += w->held != 0;
		release_at(t, i);
	}
}

/* Nanoseconds until something of ours must be looked at again. */
static int64_t patience(const struct fa_thread *t)
{
	uint64_t oldest = fa_cycles();

	if (!t->h.held)
		return FA_CHAIN_LIFE + TURN_NS;
	for (unsigned i = 0; i < t->h.held; i++) {
		uint64_t since = fa_watches[t->held[i]].since;

		oldest = since < oldest ? since : oldest;
	}
	oldest = fa_ns(fa_cycles() - oldest);
	return oldest < FA_HOLD_NS ? (int64_t)(FA_HOLD_NS - oldest) + TURN_NS : TURN_NS;
}

FA_HIDDEN int fa_readiness_limit(const struct fa_thread *t, int64_t *left)
{
	int64_t ours;

	if (!fa_readiness_pending(t))
		return -1;
	ours = patience(t);
	if (*left < 0 || *left > ours)
		*left = ours;
	return fa_own_fd(FA_OWN_WAKE);
}

FA_HIDDEN void fa_readiness_lost(struct fa_thread *t)
{
	fa_own_forget(FA_OWN_WAKE);
	t->ring.wakes = false;
	fa_readiness_release_all(t);
}

FA_HIDDEN void fa_readiness_woken(void)
{
	uint64_t count;

	fa_sys_read(fa_own_fd(FA_OWN_WAKE), &count, sizeof(count));
}

FA_HIDDEN int fa_readiness_wait(struct fa_thread *t, struct pollfd *p, unsigned n,
				int64_t left, const void *mask)
{
	int wake = fa_readiness_limit(t, &left), r;
	struct __kernel_timespec ts = { left / 1000000000, left % 1000000000 };

	/* Last: the eventfd tells of work that comes, not of work that is there. */
	if (fa_ring_work(t))
		return 0;
	if (wake >= 0)
		p[n++] = (struct pollfd){ .fd = wake, .events = POLLIN };
	/* A handler that comes now finds the runtime as if the program were waiting. */
	fa_ready(t);
	r = fa_sys_ppoll(p, n, left < 0 ? NULL : &ts, mask);
	if (r == -EINVAL && wake >= 0) {
		/* One more than RLIMIT_NOFILE: look again in a moment. */
		ts = (struct __kernel_timespec){ 0, TURN_NS };
		wake = -1;
		r = fa_sys_ppoll(p, n - 1, &ts, mask);
	}
	if (!fa_busy(t))
		return r < 0 ? r : -EINTR;
	if (r > 0 && wake >= 0 && p[n - 1].revents & POLLNVAL)
		fa_readiness_lost(t);
	else if (r > 0 && wake >= 0 && p[n - 1].revents)
		fa_readiness_woken();
	return r < 0 ? r : 0;
}
