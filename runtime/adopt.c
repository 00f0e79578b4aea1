/* SPDX-License-Identifier: MIT
 *
 * Adoption: the program opens what a chain has opened already.
 *
 * It is validated at the touch instead of being invalidated from everywhere: the
 * path is looked up again, and only if device, inode and change time are still
 * those that the chain was started for is its descriptor what the plain call
 * would give.
 */
#include <errno.h>

#include <liburing.h>

#include "hints.h"
#include "probe.h"
#include "process.h"
#include "sys.h"

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
	sqe->user_data = FA_TAG_RESULT;
	t->ring.result = -EAGAIN;
	if (fa_ring_submit(t) > 0)
		fa_ring_reap(t); /* it ran inline */
	return t->ring.result;
}

static bool same(struct fa_identity a, struct fa_identity b)
{
	return a.dev == b.dev && a.ino == b.ino && a.ctime_s == b.ctime_s &&
	       a.ctime_ns == b.ctime_ns;
}

FA_HIDDEN int fa_chain_adopt(struct fa_thread *t, const struct fa_call *call,
			     struct fa_identity *file)
{
	struct fa_chain *c = fa_chain_find(t, call, call->flags);
	uint64_t start;
	int fd = -1;

	t->found.warm = 0;
	if (!c)
		return -1;
	c->touched = true;
	t->found.lists = c->lists;
	if (c->walk) { /* what follows the open would wait for the rest */
		fa_chain_ask_again(t, c);
		fa_chain_wait(t, c, FA_CHAIN_OPEN);
	}
	t->found.from = c->from;
	t->found.to = c->from;
	if (c->state >= FA_CHAIN_ASKING && c->state <= FA_CHAIN_WARM)
		t->found.to += c->staged ? c->window : 0;
	if (c->state >= FA_CHAIN_WARM || c->state == FA_CHAIN_LOOKING) {
		if (c->state == FA_CHAIN_FAILED)
			fa_fallback(t, FA_F_failed);
		c->used = c->state == FA_CHAIN_WARM;
		t->found.warm = c->used && c->warms ? c->file.dev : 0;
		t->h.n[FA_N_settled] += c->used;
		goto out;
	}
	start = fa_cycles();
	/* Reading ahead has made the access time stale: asking for it would wait. */
	if (fa_sys_statx(call->fd, call->path,
			 fa_chain_ask(t, c, !(call->flags & O_NOFOLLOW)),
			 STATX_BASIC_STATS & ~STATX_ATIME, &t->attr.stx) < 0) {
		fa_fallback(t, FA_F_stale);
		goto out;
	}
	if (!same(fa_identity_of(&t->attr.stx), c->file)) {
		fa_fallback(t, FA_F_stale);
		goto out;
	}
	fa_regime_note(c->file.dev, FA_RECHECK, fa_ns(fa_cycles() - start));
	if (!fa_chain_opened(t, c))
		goto out;
	fd = install(t, (unsigned)(c - t->ahead->chain), call->flags);
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
	if (!c->staged)
		fa_window(fd, FA_WINDOW_STEP, c->window);
	/* Now, or the file would outlive its last close, and locks with it. */
	if (fa_chain_close_direct(t, c))
		c->state = FA_CHAIN_FAILED; /* nothing is open any more */
	c->used = true;
	*file = c->file;
	t->attr.fd = fd;
	t->attr.calls = t->h.n[FA_N_calls];
	t->h.n[FA_N_adopted]++;
	t->h.n[FA_N_settled]++;
	FA_PROBE2(adopt, c->path, fd);
out:
	fa_chain_drop(t, c);
	fa_chain_sweep(t);
	return fd;
}

FA_HIDDEN bool fa_chain_stat(struct fa_thread *t, struct fa_call *call, bool follow,
			     struct statx *stx)
{
	struct fa_chain *c = fa_chain_find(t, call, -1);

	if (!c)
		return false;
	call->foreseen = c->walk;
	/* The plain call shall not find what its chain has found before. */
	if (fa_chain_ask(t, c, true))
		fa_sys_statx(call->fd, call->path, fa_chain_ask(t, c, follow),
			     STATX_BASIC_STATS, stx);
	if (c->walk && c->state == FA_CHAIN_LOOKING)
		fa_chain_wait(t, c, FA_CHAIN_RUNNING);
	if (c->walk && !c->opens) {
		call->ready = c->state > FA_CHAIN_LOOKING;
		c->used = c->touched = true;
		t->h.n[FA_N_settled]++;
		fa_chain_drop(t, c);
		return false;
	}
	/* Only its read can have made what the kernel knows incomplete. */
	return c->staged && c->state >= FA_CHAIN_READING && c->state <= FA_CHAIN_OPEN &&
	       c->window && !c->fresh &&
	       fa_sys_statx(call->fd, call->path, follow ? 0 : AT_SYMLINK_NOFOLLOW,
			    STATX_BASIC_STATS & ~STATX_ATIME, stx) == 0;
}
