/* SPDX-License-Identifier: MIT
 *
 * Chains that open ahead, their adoption, and closes that run behind.
 *
 * A chain is an openat into a direct descriptor linked to a WILLNEED of the
 * window. WILLNEED rather than a read: it needs no buffer, consumes nothing
 * whatever the file turns out to be, leaves the access time alone, and the
 * program's own read waits for the pages exactly as long as they take.
 *
 * Adoption is validated at the touch instead of being invalidated from
 * everywhere: the path is looked up again, and only if device, inode and change
 * time are still those that the chain was started for is its descriptor what
 * the plain call would give.
 */
#include "chain.h"

#include <errno.h>
#include <string.h>
#include <sys/sysmacros.h>

#include <liburing.h>

#include "hints.h"
#include "process.h"
#include "sys.h"

/* user_data: what it was, and which chain */
#define TAG_OPEN (1ULL << 32)
#define TAG_ADVISE (2ULL << 32)
#define TAG_CLOSE (3ULL << 32) /* of a descriptor of the program, + a number */
#define TAG_OTHER (4ULL << 32) /* + sequence number: result taken from `other` */
#define TAG_INDEX 0xffffffffULL

#define OPEN_WAIT_NS 1000000000U /* then the plain open waits instead */

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

FA_HIDDEN bool fa_window(int fd, uint32_t from, uint32_t window)
{
	for (; from < window; from += FA_WINDOW_STEP)
		if (fa_sys_fadvise(fd, from, FA_WINDOW_STEP, POSIX_FADV_WILLNEED) < 0)
			return false;
	return window > 0;
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

static bool same(const struct fa_identity *a, const struct statx *b)
{
	return a->dev == makedev(b->stx_dev_major, b->stx_dev_minor) &&
	       a->ino == b->stx_ino && a->ctime_s == b->stx_ctime.tv_sec &&
	       a->ctime_ns == b->stx_ctime.tv_nsec;
}

static bool expired(const struct fa_chain *c)
{
	return fa_ns(fa_cycles() - c->started) > FA_CHAIN_LIFE;
}

/* Submits a close of the direct descriptor; it is dropped by the kernel in any case. */
static bool close_direct(struct fa_thread *t, unsigned index)
{
	struct io_uring_sqe *sqe = fa_ring_entry(t);

	if (!sqe)
		return false; /* the slot's next open replaces the file */
	io_uring_prep_close_direct(sqe, index);
	sqe->user_data = TAG_OTHER;
	return fa_ring_submit(t) > 0;
}

/* Nobody can find it any more; sweep() frees it when its operations have ended. */
static void release(struct fa_thread *t, struct fa_chain *c)
{
	c->dropped = true;
	t->h.chains--;
}

static void drop(struct fa_thread *t, struct fa_chain *c)
{
	if (c->state == FA_CHAIN_FREE || c->dropped)
		return;
	release(t, c);
	t->h.n[FA_N_dropped]++;
}

/* Frees dropped chains whose operations have ended. */
static void sweep(struct fa_thread *t)
{
	fa_ring_reap(t);
	for (unsigned i = 0; i < FA_CHAINS; i++) {
		struct fa_chain *c = &t->chain[i];

		if (c->state == FA_CHAIN_FREE)
			continue;
		if (!c->dropped && expired(c)) {
			drop(t, c);
			fa_fallback(t, FA_F_expired);
		}
		if (!c->dropped || c->in_flight)
			continue;
		if (c->state == FA_CHAIN_OPEN)
			close_direct(t, i);
		c->state = FA_CHAIN_FREE;
	}
}

FA_HIDDEN void fa_chain_completed(struct fa_thread *t, uint64_t user_data, int result)
{
	struct fa_chain *c = &t->chain[(user_data & TAG_INDEX) % FA_CHAINS];

	if (result == -ECANCELED)
		fa_fallback(t, FA_F_cancelled);
	switch (user_data & ~TAG_INDEX) {
	case TAG_OPEN:
		/* Nobody cancels these but a kernel that cannot make a worker. */
		t->ring.refused = t->ring.refused || result == -ECANCELED;
		c->state = result < 0 ? FA_CHAIN_FAILED : FA_CHAIN_OPEN;
		c->in_flight--;
		break;
	case TAG_ADVISE:
		c->in_flight--;
		break;
	case TAG_CLOSE:
		if ((user_data & TAG_INDEX) == t->close_number)
			t->ring.cancelled = result == -ECANCELED;
		__atomic_store_n(&t->closing, t->closing - 1, __ATOMIC_RELEASE);
		break;
	case TAG_OTHER:
		t->ring.result = result;
		break;
	default:
		break;
	}
}

/* Waits until the chain's open has ended. */
static bool opened(struct fa_thread *t, struct fa_chain *c)
{
	uint64_t start = fa_cycles(), waited = 0;

	fa_ring_reap(t);
	while (c->state == FA_CHAIN_RUNNING && waited < OPEN_WAIT_NS) {
		fa_ring_wait(t, OPEN_WAIT_NS - waited);
		waited = fa_ns(fa_cycles() - start);
	}
	t->h.n[FA_N_waited_ns] += waited;
	if (c->state == FA_CHAIN_RUNNING)
		fa_fallback(t, FA_F_timeout);
	else if (c->state == FA_CHAIN_FAILED)
		fa_fallback(t, FA_F_failed);
	return c->state == FA_CHAIN_OPEN;
}

FA_HIDDEN bool fa_chain_drop_all(struct fa_thread *t)
{
	bool gone = true;

	for (unsigned i = 0; i < FA_CHAINS; i++)
		drop(t, &t->chain[i]);
	sweep(t);
	for (unsigned i = 0; i < FA_CHAINS; i++)
		gone = gone && t->chain[i].state == FA_CHAIN_FREE;
	return gone;
}

FA_HIDDEN void fa_chain_reset(struct fa_thread *t)
{
	for (unsigned i = 0; i < FA_CHAINS; i++) {
		drop(t, &t->chain[i]);
		t->chain[i].state = FA_CHAIN_FREE;
	}
}

static struct fa_chain *free_chain(struct fa_thread *t)
{
	for (unsigned i = 0; i < FA_CHAINS; i++)
		if (t->chain[i].state == FA_CHAIN_FREE)
			return &t->chain[i];
	fa_fallback(t, FA_F_ring_full);
	return NULL;
}

static struct fa_chain *find(struct fa_thread *t, int dirfd, const char *path, int flags)
{
	uint32_t len;
	uint64_t key = fa_chain_key(dirfd, path, &len);

	for (unsigned i = 0; i < FA_CHAINS; i++) {
		struct fa_chain *c = &t->chain[i];

		if (c->state != FA_CHAIN_FREE && !c->dropped && c->key == key &&
		    c->flags == flags && c->directory == fa_directory &&
		    (path[0] == '/' || c->dirfd == dirfd) && !strcmp(c->path, path))
			return c;
	}
	return NULL;
}

FA_HIDDEN void fa_chain_start(struct fa_thread *t, int dirfd, const char *path, int flags,
			      uint32_t window, const struct fa_identity *file)
{
	struct io_uring_sqe *sqe, *next;
	struct fa_chain *c;
	unsigned index;
	uint32_t len;
	int got;

	/* With threads another could remove or unmount what only this one can close. */
	if (fa_process->in_line || fa_threaded() || fa_ring_need(t) < 0)
		return;
	sweep(t);
	if (find(t, dirfd, path, flags))
		return;
	c = free_chain(t);
	if (!c)
		return;
	memset(c, 0, offsetof(struct fa_chain, path));
	c->key = fa_chain_key(dirfd, path, &len);
	if (len >= FA_CHAIN_PATH) {
		fa_fallback(t, FA_F_too_long);
		return;
	}
	memcpy(c->path, path, len + 1);
	index = (unsigned)(c - t->chain);
	sqe = fa_ring_entry(t);
	if (!sqe)
		return;
	io_uring_prep_openat_direct(sqe, dirfd, c->path, flags & ~O_CLOEXEC, 0, index);
	sqe->flags |= IOSQE_ASYNC;
	sqe->user_data = TAG_OPEN | index;
	/* A link goes on only when the thread enters: one step, the rest at the touch. */
	next = window ? fa_ring_entry(t) : NULL;
	if (next) {
		sqe->flags |= IOSQE_IO_LINK;
		io_uring_prep_fadvise(next, (int)index, 0, FA_WINDOW_STEP,
				      POSIX_FADV_WILLNEED);
		next->flags |= IOSQE_FIXED_FILE;
		next->user_data = TAG_ADVISE | index;
	}
	got = fa_ring_submit(t);
	if (got <= 0)
		return;
	c->state = FA_CHAIN_RUNNING;
	c->in_flight = (uint8_t)got;
	c->dirfd = dirfd;
	c->flags = flags;
	c->directory = fa_directory;
	c->window = window;
	c->file = *file;
	c->started = fa_cycles();
	t->h.chains++;
	t->h.n[FA_N_chains]++;
	t->h.n[FA_N_created] += got > 1 ? 2 : 1;
}

/* The direct descriptor becomes the lowest free number: that, or a negative errno. */
static int install(struct fa_thread *t, unsigned index, int flags)
{
	struct io_uring_sqe *sqe = fa_ring_entry(t);

	if (!sqe)
		return -EAGAIN;
	sqe->opcode = FA_OP_FIXED_FD_INSTALL;
	sqe->fd = (int)index;
	sqe->flags = IOSQE_FIXED_FILE;
	sqe->rw_flags = flags & O_CLOEXEC ? 0 : (int)FA_FIXED_FD_NO_CLOEXEC;
	sqe->user_data = TAG_OTHER;
	t->ring.result = -EAGAIN;
	if (fa_ring_submit(t) > 0)
		fa_ring_reap(t); /* it ran inline */
	return t->ring.result;
}

FA_HIDDEN int fa_chain_adopt(struct fa_thread *t, int dirfd, const char *path, int flags,
			     struct fa_identity *file)
{
	char copy[FA_CHAIN_PATH + 1];
	struct fa_chain *c;
	uint64_t start;
	long got;
	int fd = -1;

	sweep(t);
	got = fa_sys_copy(fa_pid, copy, path, FA_CHAIN_PATH, false);
	if (got <= 0 || t->epoch != fa_epoch)
		return -1; /* a bad address is the plain call's to answer */
	copy[got] = '\0';
	c = find(t, dirfd, copy, flags);
	if (!c)
		return -1;
	start = fa_cycles();
	if (fa_sys_statx(dirfd, path, flags & O_NOFOLLOW ? AT_SYMLINK_NOFOLLOW : 0,
			 STATX_BASIC_STATS, &t->attr.stx) < 0 ||
	    !same(&c->file, &t->attr.stx)) {
		fa_fallback(t, FA_F_stale);
		goto out;
	}
	fa_regime_note(c->file.dev, FA_RECHECK, fa_ns(fa_cycles() - start));
	if (!opened(t, c))
		goto out;
	fd = install(t, (unsigned)(c - t->chain), flags);
	if (fd < 0) {
		fa_fallback(t, FA_F_failed);
		fd = -1;
		goto out;
	}
	/* A relative path may have meant another file when the worker came to it. */
	if (!fa_is_file(fd, c->file.dev, c->file.ino)) {
		fa_fallback(t, FA_F_stale);
		fa_sys_close(fd);
		fd = -1;
		goto out;
	}
	fa_window(fd, FA_WINDOW_STEP, c->window);
	/* Now, or the file would outlive its last close, and locks with it. */
	if (close_direct(t, (unsigned)(c - t->chain)))
		c->state = FA_CHAIN_FAILED; /* nothing is open any more */
	*file = c->file;
	t->attr.fd = fd;
	t->attr.calls = t->h.n[FA_N_calls];
	t->h.n[FA_N_adopted]++;
	t->h.n[FA_N_settled]++;
	release(t, c);
out:
	drop(t, c);
	sweep(t);
	return fd;
}

/* The number is free as soon as a worker has taken the request up. */
static bool number_free(struct fa_thread *t, int fd)
{
	for (unsigned i = 0;; i++) {
		if (fa_sys_fcntl(fd, F_GETFD, 0) < 0)
			return true;
		if (fa_ring_idle(t))
			return true; /* another thread has the number already */
		if (i < 32)
			fa_relax();
		else if (i < 256)
			fa_sys_yield();
		else if (i < 2256)
			fa_sys_sleep_us(500); /* a second in all */
		else
			return false;
	}
}

FA_HIDDEN bool fa_chain_close(struct fa_thread *t, int fd, bool *fast)
{
	struct io_uring_sqe *sqe;

	if (fa_process->in_line || fa_ring_need(t) < 0)
		return false;
	sweep(t);
	sqe = fa_ring_entry(t);
	if (!sqe)
		return false;
	io_uring_prep_close(sqe, fd);
	sqe->flags |= IOSQE_ASYNC;
	t->ring.cancelled = false;
	sqe->user_data = TAG_CLOSE | ++t->close_number;
	__atomic_store_n(&t->closed, fa_cycles(), __ATOMIC_RELAXED);
	__atomic_store_n(&t->closing, t->closing + 1, __ATOMIC_RELEASE);
	if (fa_ring_submit(t) <= 0) {
		__atomic_store_n(&t->closing, t->closing - 1, __ATOMIC_RELEASE);
		return false;
	}
	if (!number_free(t, fd) && fa_ring_cancel(t, TAG_CLOSE | t->close_number) == 0) {
		fa_fallback(t, FA_F_timeout);
		t->ring.refused = true;
		return false;
	}
	if (t->ring.cancelled) {
		t->ring.refused = true;
		return false;
	}
	*fast = fa_ring_idle(t);
	t->h.n[FA_N_created]++;
	t->h.n[FA_N_settled]++;
	return true;
}

FA_HIDDEN void fa_chain_prespawn(struct fa_thread *t)
{
	struct io_uring_sqe *sqe;

	if (fa_ring_need(t) < 0)
		return;
	sqe = fa_ring_entry(t);
	if (!sqe)
		return;
	io_uring_prep_nop(sqe);
	sqe->flags |= IOSQE_ASYNC;
	sqe->user_data = TAG_OTHER;
	if (fa_ring_submit(t) > 0)
		fa_ring_wait(t, OPEN_WAIT_NS);
}
