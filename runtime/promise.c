/* SPDX-License-Identifier: MIT
 *
 * Which calls may be answered before they run, and what the program is told: the
 * queue of tasks that commit.c hands to the kernel.
 */
#include "promise.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>

#include "process.h"
#include "sys.h"

#define PAGE 4096UL

/* ---- memory of the program ---- */

/*
 * May these bytes be read (and written)? The kernel is asked once a page: after that
 * they are taken to stay where they are.
 */
static bool there(struct fa_promises *p, const void *at, size_t n, bool write)
{
	uintptr_t first = (uintptr_t)at / PAGE, last = ((uintptr_t)at + n - 1) / PAGE;
	char byte;

	if (!at || !n || last < first)
		return false;
	for (uintptr_t page = first; page <= last; page++) {
		uint64_t *known =
			&p->pages[page * 0x9e3779b97f4a7c15 >> 32 & (FA_PAGES - 1)];
		uint64_t key = page << 2 | 1;
		const char *in = page == first ? at : (const char *)(page * PAGE);

		if ((*known & ~2ULL) == key && (*known & 2 || !write))
			continue;
		if (fa_sys_copy(fa_pid, &byte, in, 1, false) != 1 ||
		    (write && fa_sys_copy(fa_pid, &byte, in, 1, true) != 1))
			return false;
		*known = key | (write ? 2U : 0);
	}
	return true;
}

/* ---- the queue ---- */

static struct fa_promises *promises(struct fa_thread *t)
{
	struct fa_promises *p = t->promises;

	if (p || fa_threaded() || fa_process->no_promises)
		return p && !p->refused ? p : NULL;
	p = fa_map_wiped(sizeof(*p));
	if (!p)
		return NULL;
	p->last = p->armed = -1;
	p->staging = fa_sys_mmap(NULL, FA_UNSENT_PROCESS, PROT_READ | PROT_WRITE,
				 MAP_PRIVATE | MAP_NORESERVE);
	p->refused = !p->staging;
	if (p->staging)
		fa_sys_madvise(p->staging, FA_UNSENT_PROCESS, MADV_DONTFORK);
	t->promises = p;
	return p->refused ? NULL : p;
}

/* May anything be promised now? */
static struct fa_promises *able(struct fa_thread *t)
{
	struct fa_promises *p;

	if (fa_process->no_promises || fa_process->in_line || fa_threaded())
		return NULL;
	p = promises(t);
	return p && fa_ring_need(t) == 0 ? p : NULL;
}

FA_HIDDEN void fa_order_numbers(struct fa_thread *t, struct fa_promises *p, int fd)
{
	bool ours = fa_ours(fd);
	const struct fa_task *k;

	FA_EACH_TASK(p, k)
	{
		if (!k->orphan && k->fd != fd && !(ours && fa_ours(k->fd))) {
			fa_settle(t, -1);
			return;
		}
	}
}

static struct fa_task *free_task(struct fa_promises *p)
{
	return ~p->used ? &p->task[__builtin_ctzll(~p->used)] : NULL;
}

FA_HIDDEN bool fa_queued_for(const struct fa_promises *p, int fd)
{
	const struct fa_task *k;

	FA_EACH_TASK(p, k)
	{
		if (k->state == FA_TASK_QUEUED && k->fd == fd)
			return true;
	}
	return false;
}

/* The task that takes the next bytes of a connection, with a part free. NULL: none. */
static struct fa_task *task_of(struct fa_thread *t, struct fa_promises *p, int fd)
{
	struct fa_task *k = p->last >= 0 ? &p->task[p->last] : NULL;

	if (k && k->fd == fd && k->parts < FA_PARTS)
		return k;
	/* Two sends of one connection in one submission might overtake each other. */
	if (fa_queued_for(p, fd))
		fa_commit(t);
	fa_order_numbers(t, p, fd);
	k = free_task(p);
	if (!k) {
		fa_commit(t);
		k = free_task(p);
		if (!k)
			return NULL;
	}
	memset(k, 0, sizeof(*k));
	k->state = FA_TASK_QUEUED;
	p->used |= 1ULL << (k - p->task);
	k->fd = fd;
	k->fits = true;
	k->nonblock = fa_watches[fd].tcp & FA_TCP_NONBLOCK;
	k->at = p->end;
	k->order = ++p->order;
	p->last = (int)(k - p->task);
	t->h.promise |= FA_P_QUEUED;
	return k;
}

/* Room for so many bytes more of a connection, which then come next in its task. */
static struct fa_task *room_for(struct fa_thread *t, struct fa_promises *p,
				struct fa_watch *w, int fd, uint64_t n, bool waits)
{
	struct fa_task *k;
	bool fitting;

	if (n > FA_UNSENT_SOCKET || fa_unsent(t, fd) + n > FA_UNSENT_SOCKET ||
	    (!waits && fa_sending(p, fd)))
		return NULL;
	if (p->end + n > FA_UNSENT_PROCESS)
		fa_commit(t);
	if (p->end + n > FA_UNSENT_PROCESS)
		return NULL;
	fitting = fa_connection_fits(w, fd, (uint32_t)n);
	if (!fitting && !waits)
		return NULL;
	k = task_of(t, p, fd);
	if (k) {
		k->fits = k->fits && fitting;
		k->len += (uint32_t)n;
		p->end += (uint32_t)n;
		p->dirty = p->dirty > p->end ? p->dirty : p->end;
	}
	return k;
}

/* ---- what joins ---- */

static uint64_t sum(const struct iovec *iov, int count)
{
	uint64_t n = 0;

	for (int i = 0; i < count; i++)
		n += iov[i].iov_len > FA_HEADER_MAX ? FA_HEADER_MAX + 1 : iov[i].iov_len;
	return n;
}

static bool all_there(struct fa_promises *p, const struct iovec *iov, int count)
{
	for (int i = 0; i < count; i++)
		if (iov[i].iov_len && !there(p, iov[i].iov_base, iov[i].iov_len, false))
			return false;
	return true;
}

#define IOVECS 64 /* in a header */

/* The header of what follows, or what follows the last of it. */
static int64_t join_bytes(struct fa_thread *t, int fd, const struct iovec *iov, int count,
			  int flags)
{
	const int known = MSG_NOSIGNAL | MSG_DONTWAIT | MSG_MORE;
	struct fa_promises *p = t->promises;
	struct fa_watch *w;
	struct fa_task *k;
	uint64_t n;
	char *to;

	if (!p || flags & ~known || count <= 0 || count > IOVECS ||
	    !(p->armed >= 0 || (p->last >= 0 && p->task[p->last].fd == fd)))
		return -1;
	w = fa_connection(fd);
	if (!w || w->error || !able(t) ||
	    !there(p, iov, (size_t)count * sizeof(*iov), false))
		return -1;
	n = sum(iov, count);
	if (!n || n > FA_HEADER_MAX || !all_there(p, iov, count))
		return -1;
	k = room_for(t, p, w, fd, n, !(w->tcp & FA_TCP_NONBLOCK || flags & MSG_DONTWAIT));
	if (!k)
		return -1;
	to = p->staging + k->at + k->len - n;
	for (int i = 0; i < count; i++) {
		if (iov[i].iov_len)
			memcpy(to, iov[i].iov_base, iov[i].iov_len);
		to += iov[i].iov_len;
	}
	t->h.n[FA_N_promised]++;
	return (int64_t)n;
}

/* What has not joined goes behind what was promised. True: it needs no plain call. */
static bool answered(struct fa_thread *t, int fd, bool waits, int64_t *result)
{
	if (*result < 0)
		*result = fa_send_next(t, fd, waits);
	fa_ready(t);
	return *result != 0;
}

FA_HIDDEN bool fa_promise_message(int fd, const void *message, int flags, int64_t *result)
{
	struct fa_thread *t = fa_thread_of(fa_self);
	struct fa_promises *p = t->promises;
	const struct msghdr *m = message;

	*result = -1;
	if (!fa_busy(t))
		return false;
	if (p && there(p, m, sizeof(*m), false) && m->msg_control)
		fa_settle(t, -1); /* another process may get any descriptor */
	else if (p && there(p, m, sizeof(*m), false) && !m->msg_name &&
		 m->msg_iovlen <= IOVECS)
		*result = join_bytes(t, fd, m->msg_iov, (int)m->msg_iovlen, flags);
	return answered(t, fd, !(flags & MSG_DONTWAIT), result);
}

FA_HIDDEN bool fa_promise_bytes(int fd, const struct iovec *iov, int count, int flags,
				int64_t *result)
{
	struct fa_thread *t = fa_thread_of(fa_self);

	if (!fa_busy(t))
		return false;
	*result = join_bytes(t, fd, iov, count, flags);
	return answered(t, fd, !(flags & MSG_DONTWAIT), result);
}

/*
 * Would the ring give a read of this file to a worker, whatever is cached? So it is where
 * the file system knows no reads that do not wait (RWF_NOWAIT, Linux 4.14).
 */
static bool plain(struct fa_promises *p, int fd, uint64_t dev)
{
	unsigned i = 0;
	char byte;

	while (i < FA_SYSTEMS - 1 && p->systems[i].dev && p->systems[i].dev != dev + 1)
		i++;
	if (p->systems[i].dev != dev + 1) {
		p->systems[i].dev = dev + 1;
		p->systems[i].plain = fa_sys_pread_now(fd, &byte, 1) == -EOPNOTSUPP;
	}
	return p->systems[i].plain;
}

/* The attributes of a file that may be sent. */
static void learn(struct fa_thread *t, struct fa_fd *f, int fd, uint64_t dev, uint64_t size)
{
	f->size = size;
	f->size_at = t->h.touched;
	if (f->flags & FA_FD_REGULAR)
		return;
	f->flags |= FA_FD_REGULAR;
	if (t->promises && plain(t->promises, fd, dev))
		f->flags |= FA_FD_PLAIN;
}

/* Its size and kind, as the program may have just learned. */
static bool regular(struct fa_thread *t, struct fa_fd *f, int fd)
{
	struct statx stx;

	if (f->flags & FA_FD_REGULAR && f->size_at == t->h.touched)
		return true;
	if (fa_sys_statx(fd, "", AT_EMPTY_PATH, STATX_TYPE | STATX_SIZE, &stx) < 0 ||
	    !S_ISREG(stx.stx_mode))
		return false;
	learn(t, f, fd, makedev(stx.stx_dev_major, stx.stx_dev_minor), stx.stx_size);
	return true;
}

static bool position(struct fa_promises *p, struct fa_fd *f, int fd, const off_t *offset,
		     uint64_t *at)
{
	int64_t value;

	if (offset) {
		if (!there(p, offset, sizeof(*offset), true))
			return false;
		value = *offset;
	} else if (f->flags & FA_FD_POSITION) {
		value = (int64_t)f->position;
	} else {
		value = fa_sys_lseek(fd, 0, SEEK_CUR);
	}
	*at = (uint64_t)value;
	return value >= 0;
}

/* A range of the file behind what the task has already. */
static void add_part(struct fa_task *k, const struct fa_fd *f, int fd, uint64_t at,
		     uint32_t n)
{
	struct fa_part *last = k->parts ? &k->part[k->parts - 1] : NULL;
	uint32_t behind = k->at + k->len - n;

	if (last && last->fd == fd && !last->closes && last->at + last->len == behind &&
	    last->offset + last->len == at) {
		last->len += n;
		return;
	}
	k->part[k->parts++] = (struct fa_part){ .fd = fd,
						.read = f->flags & FA_FD_PLAIN,
						.at = behind,
						.len = n,
						.offset = at };
}

/*
 * What the ring would give to a worker is read here, as the program's own call would have.
 * Its file system may not know sizes either (sysfs). How many bytes there are.
 */
static uint32_t read_now(struct fa_promises *p, struct fa_task *k, int fd, uint64_t at,
			 uint32_t n)
{
	char *to = p->staging + k->at + k->len - n;
	uint32_t got = (uint32_t)fa_sys_pread_all(fd, to, n, at);

	k->len -= n - got;
	p->end -= n - got;
	return got;
}

static int64_t join_file(struct fa_thread *t, struct fa_fd *f, int to, int from,
			 off_t *offset, size_t n)
{
	struct fa_promises *p = able(t);
	struct fa_watch *w;
	struct fa_task *k;
	uint64_t at, left;

	if (!p || !n || n > SSIZE_MAX || f->born != fa_forks)
		return -1;
	w = fa_connection(to);
	/* What waits for its file is put off where the socket does not block. */
	if (!w || w->error || (f->flags & FA_FD_COLD && w->tcp & FA_TCP_NONBLOCK) ||
	    !regular(t, f, from) || !position(p, f, from, offset, &at))
		return -1;
	if (n > (uint64_t)INT64_MAX - at)
		return -1; /* the kernel does not want it */
	left = at < f->size ? f->size - at : 0;
	left = left < n ? left : n;
	if (!left)
		return f->flags & FA_FD_PROMISED && at == f->size
			       ? 0
			       : -1; /* nothing of it is left */
	k = room_for(t, p, w, to, left, !(w->tcp & FA_TCP_NONBLOCK));
	if (k && f->flags & FA_FD_PLAIN)
		left = read_now(p, k, from, at, (uint32_t)left);
	if (!k || !left)
		return -1;
	add_part(k, f, from, at, (uint32_t)left);
	f->flags |= FA_FD_PROMISED;
	if (offset) {
		*offset = (off_t)(at + left);
	} else {
		f->position = at + left;
		f->flags |= FA_FD_POSITION | FA_FD_OWED;
	}
	return (int64_t)left;
}

FA_HIDDEN bool fa_promise_file(int to, int from, off_t *offset, size_t n, const void *site,
			       int64_t *result)
{
	struct fa_call c = { .start = fa_cycles(), .site = (uintptr_t)site, .fd = from };
	struct fa_thread *t = fa_thread_of(fa_self);
	struct fa_fd *f = fa_fd_slot(from);

	*result = -1;
	if (!fa_busy(t))
		return false;
	c.t = &t->h;
	c.f = f;
	if (f && (f->flags & (FA_FD_READER | FA_FD_CLOSING)) == FA_FD_READER)
		*result = join_file(t, f, to, from, offset, n);
	if (*result < 0)
		return answered(t, to, true, result);
	t->h.n[FA_N_calls]++;
	t->h.n[FA_N_promised]++;
	fa_sent_settled(&c, *result);
	fa_ready(t);
	return true;
}

FA_HIDDEN void fa_promise_gone(int fd)
{
	struct fa_thread *t = fa_thread_of(fa_self);
	struct fa_promises *p = t ? t->promises : NULL;

	if (p && p->armed == fd)
		p->armed = -1;
	if (p && p->open && !--p->open)
		t->h.promise &= ~FA_P_OPEN;
}

/* Is it in a task that its close would not come behind? */
static bool sent_elsewhere(const struct fa_promises *p, int fd)
{
	const struct fa_task *k;

	FA_EACH_TASK(p, k)
	{
		for (unsigned i = 0; k->state == FA_TASK_QUEUED && i < k->parts; i++)
			if (k->part[i].fd == fd && k - p->task != p->last)
				return true;
	}
	return false;
}

FA_HIDDEN bool fa_promise_close(struct fa_thread *t, struct fa_fd *f, int fd, bool slow)
{
	struct fa_promises *p = t->promises;
	struct fa_part *part = NULL;

	fa_promise_gone(fd);
	if (!(f->flags & FA_FD_PROMISED) || !p)
		return false;
	if (p->last >= 0 && p->task[p->last].parts)
		part = &p->task[p->last].part[p->task[p->last].parts - 1];
	if (slow || !part || part->fd != fd || sent_elsewhere(p, fd)) {
		fa_commit(t);
		return false;
	}
	part->closes = true;
	f->flags = FA_FD_CLOSING;
	t->h.n[FA_N_promised]++;
	return true;
}

FA_HIDDEN bool fa_promise_cork(int fd, const void *value, socklen_t len)
{
	struct fa_thread *t = fa_thread_of(fa_self);
	struct fa_promises *p = t->promises;
	struct fa_watch *w;
	bool joined = false;
	int on;

	if (!p || len < sizeof(int) || !fa_busy(t))
		return false;
	w = fa_connection(fd);
	if (w && w->tcp & FA_TCP_CORK_KNOWN && able(t) &&
	    there(p, value, sizeof(int), false)) {
		memcpy(&on, value, sizeof(on));
		/* What was sent while it was off does not wait for what comes now. */
		if (on && !(w->tcp & FA_TCP_CORK_WANTED) && fa_queued_for(p, fd))
			fa_commit(t);
		joined = task_of(t, p, fd);
	}
	if (joined) {
		w->tcp = (uint8_t)(on ? w->tcp | FA_TCP_CORK_WANTED
				      : w->tcp & ~FA_TCP_CORK_WANTED);
		t->h.n[FA_N_promised]++;
	} else {
		t->h.touched++;
		fa_commit(t);
	}
	fa_ready(t);
	return joined;
}

/* ---- files that may be sent ---- */

FA_HIDDEN void fa_promise_opened(struct fa_thread *t, struct fa_fd *f, int fd, int flags)
{
	struct fa_promises *p;

	f->born = fa_forks;
	if ((fa_options.mode != FA_MODE_FUSE && !fa_trial_opened(t, f->site)) ||
	    !fa_chain_flags_ok(flags))
		return;
	f->flags |= FA_FD_READER | FA_FD_POSITION;
	f->position = 0;
	/* What is forked for each file gains nothing from a ring for it. */
	if (fa_process->forked) {
		fa_process->forked = false;
		return;
	}
	p = promises(t);
	if (!p)
		return;
	p->armed = fd;
	p->open++;
	t->h.promise |= FA_P_OPEN;
}

FA_HIDDEN void fa_promise_size(struct fa_call *c, const struct stat *st)
{
	struct fa_thread *t = fa_thread_of(c->t);

	if (!S_ISREG(st->st_mode) || !fa_busy(t))
		return;
	learn(t, c->f, c->fd, st->st_dev, (uint64_t)st->st_size);
	fa_ready(t);
}
