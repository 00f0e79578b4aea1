/* SPDX-License-Identifier: MIT
 *
 * Chains: the table of them and the stages that each runs through.
 *
 * A chain that a stat has started knows its file: openat into a direct descriptor
 * linked to a WILLNEED of the window. One that a request has started is staged:
 * statx, openat, read, each submitted when the one before has ended, because what
 * is to be done depends on what the file turns out to be. Reading is how it learns
 * that the bytes are there; where they go nobody looks.
 */
#include "chain.h"

#include <errno.h>
#include <string.h>
#include <sys/sysmacros.h>

#include <liburing.h>

#include "hints.h"
#include "probe.h"
#include "process.h"
#include "promise.h"
#include "readiness.h"
#include "record.h"
#include "stream.h"
#include "sys.h"
#include "walk.h"

#define SWEEP_NS 10000000U /* between looks at what has expired */

#define CHAIN_OF(index) (&t->ahead->chain[(index) % FA_CHAINS])

FA_HIDDEN bool fa_chain_flags_ok(int flags)
{
	const int known = O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_LARGEFILE |
			  O_NOATIME |
			  0100000 /* O_LARGEFILE, which is 0 in 64-bit headers */;

	return (flags & ~known) == O_RDONLY;
}

FA_HIDDEN bool fa_is_file(int fd, uint64_t dev, uint64_t ino)
{
	struct statx stx;

	return fa_sys_statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO, &stx) ==
		       0 &&
	       stx.stx_ino == ino && makedev(stx.stx_dev_major, stx.stx_dev_minor) == dev;
}

FA_HIDDEN bool fa_window(int fd, uint64_t from, uint64_t end)
{
	for (uint64_t at = from; at < end; at += FA_WINDOW_STEP)
		if (fa_sys_fadvise(fd, (int64_t)at, FA_WINDOW_STEP, POSIX_FADV_WILLNEED) <
		    0)
			return false;
	return end > 0;
}

FA_HIDDEN uint64_t fa_chain_key(int dirfd, const char *path, uint32_t *len)
{
	uint64_t h = 0xcbf29ce484222325ULL ^ (path[0] == '/' ? 0 : (uint32_t)dirfd);
	const char *p = path;

	for (; *p; p++)
		h = (h ^ (unsigned char)*p) * 0x100000001b3ULL;
	*len = (uint32_t)(p - path);
	return h | 1;
}

/* Of a name in a directory that is walked through. */
static uint64_t walk_key(uint32_t walk, uint32_t name)
{
	return ((uint64_t)walk << 32 | name) * 0x9e3779b97f4a7c15ULL | 1;
}

FA_HIDDEN struct fa_identity fa_identity_of(const struct statx *stx)
{
	return (struct fa_identity){ makedev(stx->stx_dev_major, stx->stx_dev_minor),
				     stx->stx_ino, stx->stx_ctime.tv_sec,
				     stx->stx_ctime.tv_nsec };
}

/* ---- the table ---- */

static unsigned index_of(const struct fa_thread *t, const struct fa_chain *c)
{
	return (unsigned)(c - t->ahead->chain);
}

/* Calls `action` for every chain in use. */
static void each(struct fa_thread *t, void (*action)(struct fa_thread *, struct fa_chain *))
{
	for (unsigned w = 0; t->ahead && w < FA_CHAINS / 64; w++)
		for (uint64_t bits = t->ahead->used[w]; bits; bits &= bits - 1)
			action(t,
			       &t->ahead->chain[64 * w + (unsigned)__builtin_ctzll(bits)]);
}

static struct fa_chain *take(struct fa_thread *t)
{
	for (unsigned w = 0; w < FA_CHAINS / 64; w++) {
		uint64_t free = ~t->ahead->used[w];
		unsigned i = 64 * w + (unsigned)(free ? __builtin_ctzll(free) : 0);
		struct fa_chain *c = &t->ahead->chain[i];

		if (!free)
			continue;
		if (i + FA_STREAMS_FLIGHT >= t->ring.slots)
			break;
		t->ahead->used[w] |= free & -free;
		memset(c, 0, offsetof(struct fa_chain, stx));
		c->conn = -1;
		return c;
	}
	fa_fallback(t, FA_F_ring_full);
	return NULL;
}

static void give_back(struct fa_thread *t, struct fa_chain *c)
{
	unsigned i = index_of(t, c);

	if (!c->staged)
		t->ahead->statted--;
	if (c->dropped)
		t->ahead->dropped--;
	c->dropped = false;
	c->state = FA_CHAIN_FREE;
	t->ahead->used[i / 64] &= ~(1ULL << i % 64);
}

/* It can be found from now on. */
static void list(struct fa_thread *t, struct fa_chain *c)
{
	c->directory = fa_directory;
	c->heard = t->h.heard;
	c->started = fa_cycles();
	t->ahead->key[index_of(t, c)] = c->key;
	t->h.chains++;
	t->h.n[FA_N_chains]++;
	FA_PROBE2(chain_submit, c->path, c->walk);
}

/* Whoever waits for it waits no longer. */
static void let_go(struct fa_thread *t, struct fa_chain *c)
{
	int conn = c->conn;

	c->conn = -1;
	if (conn >= 0)
		fa_readiness_chain_ended(t, c, conn);
}

FA_HIDDEN void fa_chain_detach(struct fa_thread *t, int conn)
{
	for (unsigned i = 0; t->ahead && i < FA_CHAINS; i++)
		if (t->ahead->used[i / 64] >> i % 64 & 1 && t->ahead->chain[i].conn == conn)
			t->ahead->chain[i].conn = -1;
}

FA_HIDDEN void fa_chain_drop(struct fa_thread *t, struct fa_chain *c)
{
	if (c->state == FA_CHAIN_FREE || c->dropped)
		return;
	c->dropped = true;
	if (c->stalled)
		t->ahead->stalled--;
	c->stalled = false;
	t->ahead->key[index_of(t, c)] = 0;
	t->ahead->dropped++;
	t->h.chains--;
	if (!c->used) {
		t->h.n[FA_N_dropped]++;
		FA_PROBE2(drop, c->path, c->state);
	}
	if (fa_unlikely(fa_recording))
		fa_record_chain(t, c);
	if (c->walk)
		fa_walk_dropped(t, c->walk, c->touched);
	let_go(t, c);
}

static bool expired(const struct fa_chain *c)
{
	return fa_ns(fa_cycles() - c->started) > FA_CHAIN_LIFE;
}

static void expire(struct fa_thread *t, struct fa_chain *c)
{
	if (c->dropped || !expired(c))
		return;
	fa_chain_drop(t, c);
	if (!c->used)
		fa_fallback(t, FA_F_expired);
}

/* What a chain is looked for by. */
struct sought {
	uint64_t key;
	uint32_t walk, name; /* or, where `walk` is 0, */
	int dirfd;
	char path[FA_CHAIN_PATH + 1];
};

static bool is(const struct fa_chain *c, const struct sought *s)
{
	if (c->directory != fa_directory || c->walk != s->walk)
		return false;
	if (s->walk)
		return c->name == s->name;
	return (s->path[0] == '/' || c->dirfd == s->dirfd) && !strcmp(c->path, s->path);
}

static struct fa_chain *find(struct fa_thread *t, const struct sought *s, int flags)
{
	struct fa_chain *found = NULL;

	for (unsigned i = 0; i < FA_CHAINS; i++) {
		struct fa_chain *c = &t->ahead->chain[i];

		if (t->ahead->key[i] == s->key)
			expire(t, c);
		if (t->ahead->key[i] != s->key || !is(c, s) ||
		    (flags >= 0 && c->flags != flags))
			continue;
		if (c->state >= FA_CHAIN_OPEN)
			return c;
		found = c;
	}
	return found;
}

FA_HIDDEN struct fa_chain *fa_chain_find(struct fa_thread *t, const struct fa_call *c,
					 int flags)
{
	struct sought s = { .walk = c->walk, .name = c->name, .dirfd = c->fd };
	struct fa_chain *found = NULL;
	uint32_t len;
	long got;

	fa_chain_sweep(t);
	if (!t->ahead || t->epoch != fa_epoch)
		return NULL;
	if (s.walk) {
		s.key = walk_key(s.walk, s.name);
		found = find(t, &s, flags);
		s.walk = 0;
	}
	if (!found) {
		got = fa_sys_copy(fa_pid, s.path, c->path, FA_CHAIN_PATH, false);
		if (got <= 0)
			return NULL; /* a bad address is the plain call's to answer */
		s.path[got] = '\0';
		s.key = fa_chain_key(s.dirfd, s.path, &len);
		found = find(t, &s, flags);
	}
	if (!found && t->ahead->dropped)
		fa_chain_sweep(t); /* one has just expired: its file is closed now */
	return found;
}

/* ---- stages ---- */

/* Prepared only: whoever calls submits, or is called by who does. */
static bool close_direct(struct fa_thread *t, const struct fa_chain *c)
{
	struct io_uring_sqe *sqe = fa_ring_entry(t);

	if (!sqe)
		return false; /* the slot's next open replaces the file */
	io_uring_prep_close_direct(sqe, index_of(t, c));
	sqe->user_data = FA_TAG_OTHER;
	return true;
}

FA_HIDDEN bool fa_chain_close_direct(struct fa_thread *t, struct fa_chain *c)
{
	return close_direct(t, c) && fa_ring_submit(t) > 0;
}

/* O_NOATIME is for a file's owner, and for who may do as if. */
static bool may_hide(const struct fa_chain *c)
{
	unsigned user = fa_sys_geteuid();

	return !user || (c->stx.stx_mask & STATX_UID && c->stx.stx_uid == user);
}

static void prepare(struct fa_thread *t, struct fa_chain *c, struct io_uring_sqe *sqe)
{
	unsigned slot = index_of(t, c);

	switch (c->state) {
	case FA_CHAIN_LOOKING:
	case FA_CHAIN_ASKING:
		io_uring_prep_statx(
			sqe, c->dirfd, c->path,
			(c->flags & O_NOFOLLOW ? AT_SYMLINK_NOFOLLOW : 0) |
				(c->state == FA_CHAIN_ASKING ? AT_STATX_FORCE_SYNC : 0),
			STATX_BASIC_STATS, &c->stx);
		sqe->flags |= IOSQE_ASYNC;
		break;
	case FA_CHAIN_RUNNING:
		io_uring_prep_openat_direct(sqe, c->dirfd, c->path, c->flags & ~O_CLOEXEC,
					    0, slot);
		/* The program does not get this one. A read shall wait, and leave no trace.
		 */
		if (c->walk && c->warms)
			sqe->open_flags = (sqe->open_flags & (unsigned)~O_NONBLOCK) |
					  (may_hide(c) ? O_NOATIME : 0);
		if (!c->staged || !fa_device_local(c->file.dev))
			sqe->flags |= IOSQE_ASYNC;
		break;
	default:
		io_uring_prep_read(sqe, (int)slot, t->scratch, c->window, c->from);
		sqe->flags |= IOSQE_FIXED_FILE;
		if (!fa_device_local(c->file.dev))
			sqe->flags |= IOSQE_ASYNC;
		c->turn = t->ring.turn;
		break;
	}
	sqe->user_data = FA_TAG_CHAIN | (uint64_t)c->state << 16 | index_of(t, c);
	c->in_flight++;
}

/* Its next operation is prepared, or stalls until there is room. */
static void stage(struct fa_thread *t, struct fa_chain *c, enum fa_chain_state next)
{
	struct io_uring_sqe *sqe = fa_ring_entry(t);

	c->state = next;
	if (sqe) {
		prepare(t, c, sqe);
	} else if (!c->stalled) {
		c->stalled = true;
		t->ahead->stalled++;
	}
}

static void unstall(struct fa_thread *t, struct fa_chain *c)
{
	struct io_uring_sqe *sqe = c->stalled ? fa_ring_entry(t) : NULL;

	if (!sqe)
		return;
	c->stalled = false;
	t->ahead->stalled--;
	prepare(t, c, sqe);
}

/* May the program have heard of a change since the file was asked for? */
static bool stale(const struct fa_thread *t, const struct fa_chain *c)
{
	return c->walk && c->heard != t->h.heard;
}

static void ask_again(struct fa_thread *t, struct fa_chain *c)
{
	c->heard = t->h.heard;
	stage(t, c, FA_CHAIN_ASKING);
}

/* Of those that are ready and may be out of date, the one that was started first. */
static struct fa_chain *oldest_stale(struct fa_thread *t)
{
	struct fa_chain *oldest = NULL;

	for (unsigned w = 0; w < FA_CHAINS / 64; w++) {
		for (uint64_t bits = t->ahead->used[w]; bits; bits &= bits - 1) {
			struct fa_chain *c =
				&t->ahead->chain[64 * w + (unsigned)__builtin_ctzll(bits)];

			if (c->state == FA_CHAIN_OPEN && !c->dropped && stale(t, c) &&
			    (!oldest || c->started < oldest->started))
				oldest = c;
		}
	}
	return oldest;
}

FA_HIDDEN void fa_chain_ask_again(struct fa_thread *t, struct fa_chain *c)
{
	struct fa_chains *all = t->ahead;

	if (all->heard != t->h.heard) {
		all->heard = t->h.heard;
		all->between = all->since;
		all->since = 0;
	}
	all->since++;
	if (!stale(t, c) || c->state != FA_CHAIN_OPEN)
		return;
	for (unsigned i = 0; c && i <= all->between; i++) {
		ask_again(t, c);
		c = oldest_stale(t);
	}
	if (t->ring.prepared)
		fa_ring_submit(t);
}

FA_HIDDEN int fa_chain_ask(const struct fa_thread *t, const struct fa_chain *c, bool follow)
{
	/* What a request asks for may be as it is at any moment since it came. */
	return (follow ? 0 : AT_SYMLINK_NOFOLLOW) | (stale(t, c) ? AT_STATX_FORCE_SYNC : 0);
}

/* What the chain has told about its file system. */
static void learn(struct fa_thread *t, struct fa_chain *c, bool resident)
{
	uint64_t ns = fa_ns(fa_cycles() - c->started);

	if (c->state == FA_CHAIN_FAILED || !c->file.dev)
		return;
	/* Bytes that were there say that the inode was, too. */
	fa_regime_note(c->file.dev, FA_OPEN, c->warms && resident ? 0 : ns);
	if (resident)
		fa_regime_note(c->file.dev, FA_READ, 0);
	/* Three operations on workers take about this long when nothing waits. */
	t->suspect = !c->warms && ns < 3 * FA_COLD_NS;
}

/* Nothing of it is on its way any more. */
static void completes(struct fa_chain *c)
{
	c->ready = fa_cycles();
	FA_PROBE3(chain_complete, c->path, c->state, c->ready - c->started);
}

static void ends(struct fa_thread *t, struct fa_chain *c, enum fa_chain_state state,
		 bool resident)
{
	c->state = state;
	completes(c);
	if (!c->staged)
		return;
	if (!c->walk) /* the program's own calls tell, those that nobody foresaw */
		learn(t, c, resident);
	if (c->state == FA_CHAIN_OPEN && c->warms && close_direct(t, c))
		c->state = FA_CHAIN_WARM;
	let_go(t, c);
}

/* Nothing but files, and directories as such, is ever opened ahead. */
static bool opens_such(const struct fa_chain *c)
{
	return c->lists ? S_ISDIR(c->stx.stx_mode) : S_ISREG(c->stx.stx_mode);
}

static void looked(struct fa_thread *t, struct fa_chain *c, int result)
{
	if (c->walk && !c->opens) {
		c->state = FA_CHAIN_WARM;
		completes(c);
		return;
	}
	if (result < 0 || !opens_such(c)) {
		/* The program's own open finds out. */
		ends(t, c, FA_CHAIN_FAILED, false);
		return;
	}
	c->file = fa_identity_of(&c->stx);
	if (!c->walk)
		fa_place_note(c->path, c->file.dev);
	if (!c->walk && !fa_device_cold(c->file.dev)) {
		c->state = FA_CHAIN_WARM; /* nothing there waits */
		completes(c);
		let_go(t, c);
		return;
	}
	/* Requests find out by trying; a walk would try with all that it has started. */
	c->warms = c->walk ? fa_device_local(c->file.dev)
			   : !fa_regime_cold(c->file.dev, FA_REOPEN);
	if (c->window > c->stx.stx_size - c->from)
		c->window = (uint32_t)(c->stx.stx_size - c->from);
	if (c->stx.stx_size <= c->from)
		c->window = 0;
	stage(t, c, FA_CHAIN_RUNNING);
}

static void opened(struct fa_thread *t, struct fa_chain *c, int result)
{
	if (result < 0)
		ends(t, c, FA_CHAIN_FAILED, false);
	else if (c->staged && c->window && !c->dropped)
		stage(t, c, FA_CHAIN_READING);
	else
		ends(t, c, FA_CHAIN_OPEN, false);
}

static void chain_completed(struct fa_thread *t, uint64_t user_data, int result)
{
	struct fa_chain *c = CHAIN_OF(user_data & 0xffff);
	unsigned ended = user_data >> 16 & 0xf;

	/* Nobody cancels these but a kernel that cannot make a worker. */
	if (result == -ECANCELED && ended != FA_CHAIN_READING)
		t->ring.refused = true;
	c->in_flight--;
	switch (ended) {
	case FA_CHAIN_LOOKING:
		if (!c->dropped)
			looked(t, c, result);
		break;
	case FA_CHAIN_RUNNING:
		opened(t, c, result);
		break;
	case FA_CHAIN_READING:
		if (result < 0 && c->staged)
			c->window = 0;		  /* not known to be there */
		if (c->state != FA_CHAIN_READING) /* adopted meanwhile */
			break;
		if (!c->warms && !c->dropped && (stale(t, c) || (c->restat && c->window)))
			ask_again(t, c);
		else
			ends(t, c, FA_CHAIN_OPEN, c->turn == t->ring.turn);
		break;
	case FA_CHAIN_ASKING:
		c->fresh = result == 0;
		if (c->state == FA_CHAIN_ASKING)
			ends(t, c, FA_CHAIN_OPEN, false);
		break;
	default:
		break;
	}
}

FA_HIDDEN void fa_completed(struct fa_thread *t, uint64_t user_data, int result)
{
	/* A chain of promises that breaks says why. */
	if (result == -ECANCELED && (user_data & FA_TAGS) != FA_TAG_PROMISE)
		fa_fallback(t, FA_F_cancelled);
	switch (user_data & FA_TAGS) {
	case FA_TAG_PROMISE:
		fa_promise_completed(t, user_data, result);
		break;
	case FA_TAG_CHAIN:
		chain_completed(t, user_data, result);
		break;
	case FA_TAG_STREAM:
		fa_stream_completed(t, (unsigned)(user_data & 0xffff), result);
		break;
	case FA_TAG_CLOSE:
		if ((uint32_t)user_data == t->close_number)
			t->ring.cancelled = result == -ECANCELED;
		__atomic_store_n(&t->closing, t->closing - 1, __ATOMIC_RELEASE);
		break;
	case FA_TAG_RESULT:
		t->ring.result = result;
		break;
	default:
		break;
	}
}

/* ---- sweeping ---- */

static void sweep_one(struct fa_thread *t, struct fa_chain *c)
{
	expire(t, c);
	if (!c->dropped || c->in_flight)
		return;
	if (c->state == FA_CHAIN_OPEN && t->ring.memory && !close_direct(t, c))
		return; /* no room now */
	give_back(t, c);
}

FA_HIDDEN void fa_chain_sweep(struct fa_thread *t)
{
	uint64_t now;

	fa_ring_reap(t);
	if (!t->ahead)
		return;
	now = fa_cycles();
	if (t->ahead->dropped || fa_ns(now - t->ahead->swept) > SWEEP_NS) {
		t->ahead->swept = now;
		each(t, sweep_one);
	}
	if (t->ahead->stalled)
		each(t, unstall);
	if (t->ring.prepared)
		fa_ring_submit(t);
}

FA_HIDDEN bool fa_chain_drop_all(struct fa_thread *t)
{
	each(t, fa_chain_drop);
	fa_chain_sweep(t);
	for (unsigned w = 0; t->ahead && w < FA_CHAINS / 64; w++)
		if (t->ahead->used[w])
			return false;
	return true;
}

FA_HIDDEN void fa_chain_reset(struct fa_thread *t)
{
	each(t, fa_chain_drop);
	each(t, give_back);
}

/* ---- starting ---- */

static bool may_start(struct fa_thread *t)
{
	/* With threads another could remove or unmount what only this one can close. */
	if (fa_process->in_line || fa_threaded() || fa_ring_need(t) < 0)
		return false;
	if (!t->ahead) {
		t->ahead = fa_map_wiped(sizeof(*t->ahead));
		if (!t->ahead)
			fa_fallback(t, FA_F_no_memory);
	}
	return t->ahead;
}

static bool name(struct fa_thread *t, struct fa_chain *c, int dirfd, const char *path,
		 int flags)
{
	uint32_t len;

	c->key = fa_chain_key(dirfd, path, &len);
	c->dirfd = dirfd;
	c->flags = flags;
	if (len >= FA_CHAIN_PATH) {
		fa_fallback(t, FA_F_too_long);
		return false;
	}
	memcpy(c->path, path, len + 1);
	return true;
}

FA_HIDDEN void fa_chain_start(struct fa_thread *t, const struct fa_call *call, int flags,
			      uint32_t window, const struct fa_identity *file)
{
	struct io_uring_sqe *sqe, *next;
	struct fa_chain *c;
	int got = 0;

	if (!may_start(t) || fa_chain_find(t, call, flags))
		return;
	if (t->ahead->statted >= FA_CHAINS_STATTED) {
		fa_fallback(t, FA_F_ring_full);
		return;
	}
	c = take(t);
	if (!c)
		return;
	t->ahead->statted++;
	sqe = name(t, c, call->fd, call->path, flags) ? fa_ring_entry(t) : NULL;
	if (sqe) {
		c->window = window;
		c->file = *file;
		c->state = FA_CHAIN_RUNNING;
		prepare(t, c, sqe);
		/* A link goes on only when the thread enters: one step, the rest at the
		 * touch. */
		next = window ? fa_ring_entry(t) : NULL;
		if (next) {
			sqe->flags |= IOSQE_IO_LINK;
			io_uring_prep_fadvise(next, (int)index_of(t, c), 0, FA_WINDOW_STEP,
					      POSIX_FADV_WILLNEED);
			next->flags |= IOSQE_FIXED_FILE;
			next->user_data = FA_TAG_CHAIN | (uint64_t)FA_CHAIN_READING << 16 |
					  index_of(t, c);
		}
		got = fa_ring_submit(t);
	}
	if (got <= 0) {
		give_back(t, c);
		return;
	}
	c->in_flight = (uint8_t)got;
	t->h.n[FA_N_created] += got > 1 ? 2 : 1;
	list(t, c);
}

FA_HIDDEN bool fa_chain_foresee(struct fa_thread *t, const char *path, int flags,
				uint32_t window, const struct fa_request *r, int conn)
{
	struct fa_chain *c;

	if (!may_start(t) || !fa_ring_scratch(t))
		return false;
	c = take(t);
	if (!c)
		return false;
	c->staged = true;
	if (!name(t, c, AT_FDCWD, path, flags)) {
		give_back(t, c);
		return false;
	}
	c->window = window > FA_CHAIN_READ ? FA_CHAIN_READ : window;
	c->from = r->from;
	c->conn = conn;
	memcpy(&c->request, r, offsetof(struct fa_request, target) + r->len + 1);
	t->h.n[FA_N_created]++;
	list(t, c);
	stage(t, c, FA_CHAIN_LOOKING);
	return true;
}

FA_HIDDEN bool fa_chain_walk(struct fa_thread *t, const struct fa_chain_plan *plan)
{
	struct fa_chain *c;
	uint64_t key = walk_key(plan->walk, plan->name);

	if (!may_start(t) || !fa_ring_scratch(t))
		return false;
	for (unsigned i = 0; i < FA_CHAINS; i++)
		if (t->ahead->key[i] == key && t->ahead->chain[i].opens >= plan->opens)
			return true;
	c = take(t);
	if (!c)
		return false;
	c->staged = true;
	if (!name(t, c, plan->dirfd, plan->path, plan->flags)) {
		give_back(t, c);
		return true; /* too long, and not for lack of room */
	}
	c->walk = plan->walk;
	c->name = plan->name;
	c->key = key;
	c->stx.stx_mask = 0;
	c->opens = plan->opens;
	c->lists = plan->lists;
	c->restat = plan->restat;
	c->window = plan->window > FA_CHAIN_READ ? FA_CHAIN_READ : plan->window;
	t->h.n[FA_N_created]++;
	list(t, c);
	/* Nothing of it is adopted there: which file it is need not be known. */
	c->warms = plan->regular && plan->opens && fa_device_local(plan->dev);
	c->file.dev = plan->dev;
	stage(t, c, c->warms ? FA_CHAIN_RUNNING : FA_CHAIN_LOOKING);
	return true;
}

FA_HIDDEN bool fa_chain_wait(struct fa_thread *t, struct fa_chain *c,
			     enum fa_chain_state until)
{
	uint64_t start = fa_cycles(), waited = 0;

	fa_ring_reap(t);
	while (c->state < until && !c->stalled && waited < FA_WAIT_NS) {
		fa_ring_wait(t, FA_WAIT_NS - waited);
		waited = fa_ns(fa_cycles() - start);
	}
	t->h.n[FA_N_waited_ns] += waited;
	if (c->state < until)
		fa_fallback(t, FA_F_timeout);
	return c->state >= until;
}

FA_HIDDEN bool fa_chain_opened(struct fa_thread *t, struct fa_chain *c)
{
	if (fa_chain_wait(t, c, FA_CHAIN_READING) && c->state == FA_CHAIN_FAILED)
		fa_fallback(t, FA_F_failed);
	return c->state >= FA_CHAIN_READING && c->state <= FA_CHAIN_OPEN;
}
