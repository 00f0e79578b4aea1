/* SPDX-License-Identifier: MIT
 *
 * Capture: what each thread does with each descriptor, what that teaches, and
 * what it starts. These are the slow halves of the inline functions in
 * runtime.h; they run for captured sequences only.
 */
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "hints.h"
#include "pattern.h"
#include "probe.h"
#include "process.h"
#include "promise.h"
#include "readiness.h"
#include "record.h"
#include "site.h"
#include "sys.h"
#include "walk.h"

#define STEPS 32 /* calls on a hot descriptor that are looked at */
#define PROBE 15 /* one sequence in 16 runs plain, to see whether it still waits */

static bool reading(int oflags)
{
	return fa_chain_flags_ok(oflags);
}

/* ---- open ---- */

/* An open of a path that was statted just now: the stat's site learns of it. */
static void learn_lead(struct fa_thread *t, const struct fa_call *c, uint64_t open_site)
{
	uint32_t len;
	uint64_t key = fa_chain_key(c->fd, c->path, &len);

	for (unsigned i = 0; i < FA_RECENT; i++) {
		struct fa_recent *r = &t->recent[i];

		if (r->key != key)
			continue;
		r->key = 0;
		fa_hint_followed(fa_hint_of(r->site), fa_ns(c->start - r->when) / 1000,
				 c->flags, fa_hint_of(open_site));
		return;
	}
}

static void sequence_begins(struct fa_fd *f, const struct fa_call *c, uint64_t opened)
{
	memset(f, 0, sizeof(*f));
	f->site = fa_site(c->site);
	f->at[FA_OPEN] = c->site;
	f->opened = opened;
	fa_step(f, FA_OPEN);
	f->flags = FA_FD_CAPTURED;
}

/* The chain that this open used has brought some bytes in. */
static void resident(struct fa_thread *t, struct fa_fd *f)
{
	f->resident = t->found.from;
	f->resident_to = t->found.to;
	fa_hint_opened(fa_hint_of(f->site));
}

FA_HIDDEN int fa_open_touch(struct fa_call *c)
{
	struct fa_thread *t = fa_thread_of(c->t);
	struct fa_identity file;
	struct fa_fd *f;
	int fd;

	pthread_testcancel(); /* as the open would */
	if (!fa_busy(t))
		return -1;
	c->start = fa_cycles();
	if (t->h.listings && reading(c->flags & ~O_DIRECTORY))
		fa_walk_visit(t, c, FA_OPEN, false);
	fd = t->h.chains ? fa_chain_adopt(t, c, &file) : -1;
	f = fd >= 0 ? fa_fd_slot(fd) : NULL;
	if (f) {
		sequence_begins(f, c, fa_cycles());
		f->dev = file.dev;
		f->ino = file.ino;
		if (!t->found.lists)
			fa_promise_opened(t, f, fd, c->flags);
		if (!t->found.lists) {
			f->flags |= FA_FD_COLD | FA_FD_WINDOW;
			resident(t, f);
			learn_lead(t, c, f->site);
			fa_ahead_opened(t, c->path, c->flags, f->site);
		}
		t->h.looked++;
		if (fa_unlikely(fa_recording))
			f->file = fa_record_path(t, c, fd, NULL, FA_REC_SETTLED);
	}
	fa_ready(t);
	return fd;
}

/* When to look again. */
static void looked(struct fa_thread *t, bool waited)
{
	t->paths += 1 + t->granted - t->h.skip;
	t->h.looked++;
	if (waited)
		t->attention = FA_ATTENTION;
	else if (t->attention)
		t->attention--;
	t->h.skip = t->granted = t->attention ? 0 : FA_SKIP;
	t->h.tick++;
}

/* Which file is this? Costs a third of a microsecond, once per open that waited. */
static bool identify(struct fa_fd *f, int fd, uint64_t *size)
{
	struct statx stx;

	if (fa_sys_statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC,
			 STATX_TYPE | STATX_INO | STATX_SIZE, &stx) < 0)
		return false;
	f->dev = makedev(stx.stx_dev_major, stx.stx_dev_minor);
	f->ino = stx.stx_ino;
	*size = stx.stx_size;
	return S_ISREG(stx.stx_mode);
}

/* Starts the window of a file whose open has waited, at a site that reads. */
static void start_window(struct fa_thread *t, struct fa_fd *f, int fd, uint64_t size)
{
	struct fa_hint *h = fa_hint_of(f->site);
	uint32_t window = fa_hint_window(h, size);

	fa_hint_opened(h);
	if (!fa_window(fd, 0, window))
		return;
	f->flags |= FA_FD_WINDOW;
	t->h.n[FA_N_chains]++;
	t->h.n[FA_N_created]++;
}

FA_HIDDEN void fa_opened(struct fa_call *c, int fd)
{
	uint64_t end = fa_cycles(), ns = fa_ns(end - c->start), size = 0;
	struct fa_thread *t = fa_thread_of(c->t);
	struct fa_fd *f = fd >= 0 ? fa_fd_slot(fd) : NULL;
	bool waited = ns >= FA_COLD_NS, regular;
	uint32_t file = 0;

	looked(t, waited);
	if (fa_unlikely(fa_recording))
		file = fa_record_path(t, c, fd, NULL, t->found.warm ? FA_REC_FORESEEN : 0);
	if (!f || !fa_busy(t)) {
		t->found.warm = 0;
		return;
	}
	sequence_begins(f, c, end);
	f->file = file;
	f->cycles[FA_OPEN] = end - c->start;
	fa_promise_opened(t, f, fd, c->flags);
	if (t->found.warm) {
		/* Cached a moment ago: does an open of this file system wait all the same?
		 */
		f->dev = t->found.warm;
		f->flags |= FA_FD_COLD | FA_FD_WINDOW;
		fa_regime_note(f->dev, FA_REOPEN, ns);
		resident(t, f);
		t->found.warm = 0;
	} else if (waited || t->probing ||
		   (fa_hints->devices &&
		    !(t->fast_opens++ & (t->h.skip && !fa_capture_all ? 7 : 63)))) {
		regular = identify(f, fd, &size);
		fa_regime_note(f->dev, FA_OPEN, ns);
		t->suspect = t->probing && !waited;
		t->probing = false;
		if (t->requests && c->path[0] == '/')
			fa_place_note(c->path, f->dev);
		if (waited && regular && reading(c->flags)) {
			f->flags |= FA_FD_COLD;
			if (fa_starts() && fa_regime_cold(f->dev, FA_OPEN))
				start_window(t, f, fd, size);
		}
	}
	if (t->requests && reading(c->flags))
		fa_ahead_opened(t, c->path, c->flags, f->site);
	if (*fa_any_cold)
		learn_lead(t, c, f->site);
	fa_ready(t);
}

/* ---- stat of a path ---- */

static void start_chain(struct fa_thread *t, struct fa_call *c, uint64_t site,
			const struct fa_seen *seen)
{
	struct fa_hint *h = fa_hint_of(site);

	if (!fa_hint_statted(h) || !fa_regime_cold(seen->file.dev, FA_OPEN))
		return;
	/* Where names are never cached, looking twice costs what opening ahead gains. */
	if (fa_regime_cold(seen->file.dev, FA_RECHECK))
		return;
	if (!fa_starts() || (t->h.tick & PROBE) == 0 || !fa_chain_flags_ok((int)h->oflags))
		return;
	fa_chain_start(t, c, (int)h->oflags, fa_hint_window(h, seen->size), &seen->file);
}

FA_HIDDEN void fa_statted(struct fa_call *c, const struct fa_seen *seen)
{
	uint64_t end = fa_cycles(), ns = fa_ns(end - c->start), site;
	struct fa_thread *t = fa_thread_of(c->t);
	struct fa_recent *r;
	uint32_t len;

	looked(t, ns >= FA_COLD_NS);
	if (fa_unlikely(fa_recording))
		fa_record_path(t, c, 0, &seen->file, c->foreseen ? FA_REC_FORESEEN : 0);
	if (!fa_busy(t))
		return;
	/* One that was foreseen does not tell whether stats wait. */
	if (!c->foreseen)
		fa_regime_note(seen->file.dev, FA_STAT, ns);
	else if (c->ready && ns >= FA_COLD_NS &&
		 ns > fa_regime_wait(seen->file.dev, FA_STAT) / 2)
		fa_walk_useless(t); /* less may be the processor's doing */
	if (*fa_any_cold && S_ISREG(seen->mode) && c->path && c->path[0]) {
		site = fa_site(c->site);
		r = &t->recent[t->recent_next++ % FA_RECENT];
		r->key = fa_chain_key(c->fd, c->path, &len);
		r->site = site;
		r->when = end;
		start_chain(t, c, site, seen);
	}
	fa_ready(t);
}

FA_HIDDEN void fa_stat_failed_slow(struct fa_call *c)
{
	fa_record_no_stat(fa_thread_of(c->t), c);
}

FA_HIDDEN void fa_statx_end(struct fa_call *c, const struct statx *stx)
{
	const unsigned need = STATX_TYPE | STATX_INO | STATX_CTIME | STATX_SIZE;

	if (c->start && (stx->stx_mask & need) == need)
		fa_statted(c,
			   &(struct fa_seen){ .file = { makedev(stx->stx_dev_major,
								stx->stx_dev_minor),
							stx->stx_ino, stx->stx_ctime.tv_sec,
							stx->stx_ctime.tv_nsec },
					      .size = stx->stx_size,
					      .mode = stx->stx_mode });
}

static void fill(struct stat *st, const struct statx *x);

/* The program gets these attributes. False: its address is a bad one. */
static bool settle_stat(struct fa_thread *t, const struct fa_call *c, struct stat *st,
			const struct statx *stx)
{
	struct fa_identity id = fa_identity_of(stx);
	struct stat filled;

	fill(&filled, stx);
	if (fa_sys_copy(fa_pid, &filled, st, sizeof(filled), true) != sizeof(filled))
		return false;
	t->h.n[FA_N_settled]++;
	t->h.n[FA_N_created]++;
	FA_PROBE2(settle, c->path, FA_STAT);
	if (fa_unlikely(fa_recording))
		fa_record_path(t, c, 0, &id, FA_REC_SETTLED);
	return true;
}

FA_HIDDEN bool fa_stat_touch(struct fa_call *c, struct stat *st, bool follow)
{
	struct fa_thread *t = fa_thread_of(c->t);
	struct statx stx;
	bool settled;

	if (!fa_busy(t))
		return false;
	c->start = fa_cycles();
	if (t->h.listings)
		fa_walk_visit(t, c, FA_STAT, follow);
	settled = t->h.chains && fa_chain_stat(t, c, follow, &stx) && st &&
		  settle_stat(t, c, st, &stx);
	fa_ready(t);
	return settled;
}

/* ---- calls on a descriptor ---- */

/* The call waits for what is still to come of a window. */
static void window_used(struct fa_call *c)
{
	if (!(c->f->flags & FA_FD_WINDOW))
		return;
	c->f->flags &= ~FA_FD_WINDOW;
	c->t->n[FA_N_settled]++;
	if (fa_unlikely(fa_recording) && c->f->cycles[FA_OPEN])
		fa_record_window(fa_thread_of(c->t), c->f, true);
}

/* A call's place in the sequence. */
static void place(struct fa_call *c, enum fa_op op)
{
	c->t->looked++;
	fa_step(c->f, op);
	c->f->at[op] = c->site;
	if (op == FA_READ || op == FA_SENDFILE)
		window_used(c);
}

/* Before the call: its place in the sequence, and the clock. */
FA_HIDDEN void fa_fd_touch(struct fa_call *c, enum fa_op op)
{
	if (fa_unlikely(c->f->flags & (FA_FD_PROMISED | FA_FD_CLOSING | FA_FD_READER)) &&
	    !fa_promise_used(fa_thread_of(c->t), c->f, op)) {
		c->f = NULL;
		return;
	}
	/* A file that stays open and hot has told all that it will. */
	if (c->f->steps++ == STEPS && !(c->f->flags & FA_FD_COLD) && !fa_capture_all) {
		c->f->flags = 0;
		c->f = NULL;
		return;
	}
	place(c, op);
	c->start = fa_cycles();
}

/* So much more of it has been read or sent. */
static void more_bytes(struct fa_fd *f, int64_t n)
{
	bool first = !f->bytes;

	f->bytes += (uint64_t)n;
	if (f->flags & FA_FD_COLD)
		fa_hint_read(fa_hint_of(f->site), f->bytes, first);
}

/* A sendfile that a promise has answered has its place in the sequence all the same. */
FA_HIDDEN void fa_sent_settled(struct fa_call *c, int64_t result)
{
	c->f->steps++;
	c->f->flags |= FA_FD_SENT;
	place(c, FA_SENDFILE);
	more_bytes(c->f, result);
	if (fa_unlikely(fa_recording))
		fa_record_use(c, FA_SENDFILE, result, FA_REC_SETTLED);
}

/*
 * A long file that is read from its beginning: keep a window in front of the reader.
 * The kernel's own read-ahead is one request of 128 KiB, on most FUSE and NFS mounts.
 */
static void keep_ahead(struct fa_fd *f, int fd)
{
	if (f->bytes < 2 * FA_WINDOW_STEP || f->at[FA_SEEK] ||
	    f->bytes + FA_WINDOW_MAX / 2 < f->ahead || !fa_starts())
		return;
	if (f->ahead < f->bytes)
		f->ahead = f->bytes;
	fa_window(fd, f->ahead, f->bytes + FA_WINDOW_MAX);
	f->ahead = f->bytes + FA_WINDOW_MAX;
}

/* After it. Errors teach nothing. */
FA_HIDDEN void fa_fd_done(struct fa_call *c, enum fa_op op, int64_t result)
{
	uint64_t cycles = fa_cycles() - c->start;
	struct fa_fd *f = c->f;

	if (fa_unlikely(fa_recording))
		fa_record_use(c, op, result, 0);
	if (result < 0)
		return;
	f->cycles[op] += cycles;
	if (op == FA_SEEK && f->flags & FA_FD_READER) {
		f->position = (uint64_t)result;
		f->flags |= FA_FD_POSITION;
	}
	if (op == FA_READ || op == FA_FSTAT)
		fa_regime_note(f->dev, op, fa_ns(cycles));
	if (op == FA_FSTAT && f->resident_to && !f->cycles[FA_OPEN] &&
	    fa_ns(cycles) >= FA_COLD_NS)
		fa_walk_stale(fa_thread_of(c->t));
	if ((op == FA_READ || op == FA_SENDFILE) && result > 0) {
		more_bytes(f, result);
		if (f->flags & FA_FD_COLD && op == FA_READ)
			keep_ahead(f, c->fd);
	}
}

/* A socket that does not block waits for nothing but the file. */
FA_HIDDEN void fa_send_end(struct fa_call *c, int to, size_t n, size_t some, int64_t sent)
{
	struct fa_thread *t = fa_thread_of(c->t);
	const struct fa_watch *w = fa_watch_of(to);
	uint64_t ns = fa_ns(fa_cycles() - c->start), size;

	c->f->flags |= FA_FD_SENT;
	if (sent > 0 && w && (w->set || w->flags & FA_WATCH_POLLED)) {
		if (ns >= FA_COLD_NS && !c->f->dev && fa_busy(t)) {
			identify(c->f, c->fd, &size);
			fa_ready(t);
		}
		fa_regime_note(c->f->dev, FA_READ, ns);
	}
	if (sent < (int64_t)n)
		c->f->flags |= FA_FD_WAITED;
	/* A full socket tells by itself when there is room; this one has room now. */
	if (some < n && sent == (int64_t)some)
		fa_stream_cut_short(c, to);
	fa_fd_done(c, FA_SENDFILE, sent);
}

static void fill(struct stat *st, const struct statx *x)
{
	memset(st, 0, sizeof(*st));
	st->st_dev = makedev(x->stx_dev_major, x->stx_dev_minor);
	st->st_ino = x->stx_ino;
	st->st_mode = x->stx_mode;
	st->st_nlink = x->stx_nlink;
	st->st_uid = x->stx_uid;
	st->st_gid = x->stx_gid;
	st->st_rdev = makedev(x->stx_rdev_major, x->stx_rdev_minor);
	st->st_size = (off_t)x->stx_size;
	st->st_blksize = (blksize_t)x->stx_blksize;
	st->st_blocks = (blkcnt_t)x->stx_blocks;
	st->st_atim.tv_sec = x->stx_atime.tv_sec;
	st->st_atim.tv_nsec = x->stx_atime.tv_nsec;
	st->st_mtim.tv_sec = x->stx_mtime.tv_sec;
	st->st_mtim.tv_nsec = x->stx_mtime.tv_nsec;
	st->st_ctim.tv_sec = x->stx_ctime.tv_sec;
	st->st_ctim.tv_nsec = x->stx_ctime.tv_nsec;
}

/*
 * The attributes that adopting this file has fetched answer the fstat that comes
 * right behind, and only that one: any other call of the thread in between might
 * have changed them.
 */
FA_HIDDEN bool fa_fstat_touch(struct fa_call *c, struct stat *st)
{
	struct fa_thread *t = fa_thread_of(c->t);
	struct stat filled;

	fa_fd_touch(c, FA_FSTAT);
	if (!c->f)
		return false;
	if (fa_likely(t->attr.calls + 1 != t->h.n[FA_N_calls] || t->attr.fd != c->fd))
		return false;
	t->attr.calls = 0;
	if (fa_ns(c->start - c->f->opened) > 1000000)
		return false;
	fill(&filled, &t->attr.stx);
	/* The plain call answers a bad address with EFAULT, and so must this. */
	if (fa_sys_copy(fa_pid, &filled, st, sizeof(filled), true) != sizeof(filled))
		return false;
	t->h.n[FA_N_created]++;
	t->h.n[FA_N_settled]++;
	FA_PROBE2(settle, "", FA_FSTAT);
	if (fa_unlikely(fa_recording))
		fa_record_use(c, FA_FSTAT, 0, FA_REC_SETTLED);
	return true;
}

/* ---- close ---- */

/* POSIX locks go with any close, before it returns; exec may have brought some. */
static bool unlock(int fd)
{
	struct flock all = { .l_type = F_UNLCK, .l_whence = SEEK_SET };

	return fa_sys_fcntl(fd, F_SETLK, (long)&all) == 0;
}

static bool close_behind(struct fa_thread *t, struct fa_fd *f, int fd)
{
	uint64_t dev = f->dev; /* *f is another's once the number is free */
	bool fast = false;

	if (!fa_starts() || fd <= 2 || fa_other_locks)
		return false;
	if (!fa_regime_cold(dev, FA_CLOSE))
		return false;
	/* Still that file, or one that got its number behind our back? */
	if (!fa_is_file(fd, dev, f->ino) || !unlock(fd) || !fa_close_behind(t, fd, &fast))
		return false;
	if (fast)
		fa_regime_note(dev, FA_CLOSE, 0);
	return true;
}

FA_HIDDEN int fa_close_touch(struct fa_call *c)
{
	struct fa_thread *t = fa_thread_of(c->t);
	struct fa_fd *f = c->f;
	uint32_t flags = f->flags;
	bool promised;
	int r = -1;

	c->f = NULL;
	if (flags & FA_FD_COLD)
		pthread_testcancel(); /* as the close would */
	if (!fa_busy(t))
		return -1;
	if (fa_unlikely(flags & FA_FD_CLOSING)) {
		fa_commit(t);
		fa_ready(t);
		return -1; /* for the second time */
	}
	t->h.looked++;
	fa_step(f, FA_CLOSE);
	f->at[FA_CLOSE] = c->site;
	if (flags & FA_FD_WINDOW)
		t->h.n[FA_N_dropped]++;
	fa_pattern_count(t, f);
	if (flags & FA_FD_SENT)
		fa_trial_sent(t, f->site, t->h.skip ? FA_SKIP + 1 : 1);
	c->dev = f->dev;
	c->cold = flags & FA_FD_COLD;
	c->start = fa_cycles();
	if (fa_unlikely(fa_recording)) {
		if (flags & FA_FD_WINDOW && f->cycles[FA_OPEN])
			fa_record_window(t, f, false);
		fa_record_sequence(t, f);
		c->file = f->file;
		c->f = f;
	}
	/* One that waits for a flush has its own way. */
	promised = flags & FA_FD_READER &&
		   fa_promise_close(t, f, c->fd, fa_regime_cold(f->dev, FA_CLOSE));
	if (promised)
		r = 0;
	else /* Before the number is free, for another thread may get it. */
		f->flags = 0;
	/* A writer's close flushes data: it teaches nothing about readers'. */
	if (flags & FA_FD_COLD && !promised) {
		if (close_behind(t, f, c->fd))
			r = 0;
		else
			c->f = f;
	}
	if (fa_unlikely(fa_recording) && r == 0)
		fa_record_close(c, FA_REC_SETTLED);
	fa_ready(t);
	c->start = fa_cycles();
	return r;
}

FA_HIDDEN void fa_closed(struct fa_call *c)
{
	struct fa_thread *t = fa_thread_of(c->t);
	uint64_t ns = fa_ns(fa_cycles() - c->start);

	if (fa_unlikely(fa_recording))
		fa_record_close(c, 0);
	if (!c->cold || !fa_busy(t))
		return;
	fa_regime_note(c->dev, FA_CLOSE, ns);
	fa_ready(t);
}

FA_HIDDEN void fa_forget_fds(unsigned first, unsigned last)
{
	if (!fa_fds)
		return;
	fa_settle_all();
	for (; first <= last && first < FA_FDS; first++) {
		if (fa_fds[first].flags & FA_FD_READER)
			fa_promise_gone((int)first);
		if (fa_fds[first].flags)
			fa_fds[first].flags = 0;
		fa_forget_watch((int)first);
	}
}
