/* SPDX-License-Identifier: MIT
 *
 * What has been promised goes to the kernel: per task a chain of reads into the staging
 * memory, closes, and one send; all tasks in one submission. What a chain could not do
 * (a short read breaks it) is done here with plain calls; where the bytes are not to be
 * had any more, the connection is reset.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <liburing.h>

#include "hints.h"
#include "own.h"
#include "process.h"
#include "promise.h"
#include "sys.h"

enum kind { READ, CLOSE, SEND, READABLE };

#define SEND_FLAGS (MSG_NOSIGNAL | MSG_WAITALL)
#define PATIENCE 60U /* waits of FA_WAIT_NS in which nothing ends */

/* What ends late, of a task that is over, is known by the order. */
#define ORDERS 4096U

static uint64_t tag_of(enum kind kind, unsigned task, unsigned part, uint32_t order)
{
	return FA_TAG_PROMISE | (uint64_t)(order % ORDERS) << 20 | (uint64_t)kind << 16 |
	       part << 8 | task;
}

static uint64_t tag(const struct fa_promises *p, const struct fa_task *k, enum kind kind,
		    unsigned part)
{
	return tag_of(kind, (unsigned)(k - p->task), part, k->order);
}

static bool under_way(const struct fa_task *k)
{
	return k->state > FA_TASK_QUEUED;
}

/* The first of those in a state that are for `fd` (-1: for any), or NULL. */
static struct fa_task *oldest(struct fa_promises *p, enum fa_task_state state, int fd)
{
	struct fa_task *first = NULL, *k;

	FA_EACH_TASK(p, k)
	{
		if (k->state == state && (fd < 0 || (k->fd == fd && !k->orphan)) &&
		    (!first || (int32_t)(k->order - first->order) < 0))
			first = k;
	}
	return first;
}

FA_HIDDEN uint32_t fa_unsent(const struct fa_thread *t, int fd)
{
	const struct fa_promises *p = t->promises;
	const struct fa_task *k;
	uint32_t n = 0;

	if (!p)
		return 0;
	FA_EACH_TASK(p, k)
	{
		if ((fd < 0 || (k->fd == fd && !k->orphan)))
			n += k->len;
	}
	return n;
}

FA_HIDDEN bool fa_sending(const struct fa_promises *p, int fd)
{
	const struct fa_task *k;

	FA_EACH_TASK(p, k)
	{
		if (under_way(k) && (fd < 0 || (k->fd == fd && !k->orphan)))
			return true;
	}
	return false;
}

#define GUESS_NS 2000000U /* of how long a send takes that finds room */
#define IDLE 256U	  /* commits that need little memory */

/* Is anything on its way, and how much of the staging memory does it use? */
static void look_around(struct fa_thread *t, struct fa_promises *p)
{
	const struct fa_task *k;

	p->end = 0;
	t->h.promise &= ~(FA_P_QUEUED | FA_P_FLIGHT);
	FA_EACH_TASK(p, k)
	{
		t->h.promise |= under_way(k) ? FA_P_FLIGHT : FA_P_QUEUED;
		if (p->end < k->at + k->len)
			p->end = k->at + k->len;
	}
	/* Memory that has not been needed for some time is given back. */
	if (p->end || p->dirty <= FA_UNSENT_SOCKET || ++p->idle < IDLE)
		return;
	fa_sys_madvise(p->staging, p->dirty, MADV_DONTNEED);
	p->dirty = p->idle = 0;
}

/* ---- connections ---- */

/* Every later call on it finds it gone, and so does the peer. */
static void reset(struct fa_thread *t, const struct fa_task *k)
{
	const struct sockaddr nobody = { .sa_family = AF_UNSPEC };

	t->h.n[FA_N_broken]++;
	fa_fallback(t, FA_F_broken);
	if (k->orphan)
		return;
	if (fa_sys_connect(k->fd, &nobody, sizeof(nobody)) < 0)
		fa_sys_shutdown(k->fd, SHUT_RDWR);
	if (fa_watch_of(k->fd))
		fa_watch_of(k->fd)->tcp = FA_TCP_KNOWN;
}

/* The next call on the connection tells; what the kernel tells by itself again is not kept.
 */
static void failed_to_send(struct fa_thread *t, const struct fa_task *k, int error)
{
	struct fa_watch *w = k->orphan ? NULL : fa_watch_of(k->fd);

	if (w) /* nothing more is promised on it */
		w->tcp = FA_TCP_KNOWN | (w->tcp & FA_TCP_NONBLOCK);
	if (!w || error == EPIPE || w->error)
		return;
	w->error = (uint16_t)error;
	t->promises->errors++;
	t->h.promise |= FA_P_ERROR;
}

static void prepare_send(struct io_uring_sqe *sqe, const struct fa_promises *p,
			 const struct fa_task *k)
{
	io_uring_prep_send(sqe, k->fd, p->staging + k->at, k->len, SEND_FLAGS);
	sqe->user_data = tag(p, k, SEND, 0);
}

/* Where there is no ring to do it. */
static void send_plainly(struct fa_thread *t, const struct fa_task *k)
{
	const char *from = t->promises->staging + k->at;
	unsigned patience = PATIENCE;
	uint32_t done = 0;

	while (done < k->len && patience) {
		long n = fa_sys_send(k->fd, from + done, k->len - done, SEND_FLAGS);
		struct __kernel_timespec second = { 1, 0 };
		struct pollfd p = { k->fd, POLLOUT, 0 };

		if (n > 0)
			done += (uint32_t)n;
		else if (n == -EAGAIN && fa_sys_ppoll(&p, 1, &second, NULL) == 0)
			patience--;
		else if (n != -EAGAIN && n != -EINTR) {
			failed_to_send(t, k, (int)-n);
			return;
		}
	}
	if (done < k->len)
		reset(t, k);
}

/* Its files have been read: its bytes go, or wait for those of an older task. */
static void start_send(struct fa_thread *t, struct fa_task *k)
{
	struct fa_promises *p = t->promises;
	struct io_uring_sqe *sqe;

	k->state = FA_TASK_READY;
	if (!k->len || k->orphan)
		fa_task_free(p, k);
	else if (!oldest(p, FA_TASK_SENDING, k->fd) &&
		 oldest(p, FA_TASK_READY, k->fd) == k) {
		sqe = t->ring.broken ? NULL : fa_ring_entry(t);
		if (sqe) {
			prepare_send(sqe, p, k);
			k->state = FA_TASK_SENDING;
		} else {
			send_plainly(t, k);
			fa_task_free(p, k);
		}
	}
}

static void sent(struct fa_thread *t, struct fa_task *k, int result)
{
	struct fa_task *next;

	if (result < 0)
		failed_to_send(t, k, -result);
	else if (result < (int)k->len) /* the kernel has told the error to nobody else */
		failed_to_send(t, k, ECONNRESET);
	fa_task_free(t->promises, k);
	next = k->orphan ? NULL : oldest(t->promises, FA_TASK_READY, k->fd);
	if (next)
		start_send(t, next);
	look_around(t, t->promises);
}

FA_HIDDEN void fa_promise_completed(struct fa_thread *t, uint64_t user_data, int result)
{
	struct fa_promises *p = t->promises;
	struct fa_task *k = p ? &p->task[user_data % FA_TASKS] : NULL;
	struct fa_part *part = k ? &k->part[(user_data >> 8) % FA_PARTS] : NULL;
	enum kind kind = (enum kind)(user_data >> 16 & 3);

	if (!k || (kind != READABLE &&
		   (!under_way(k) || k->order % ORDERS != (user_data >> 20) % ORDERS)))
		return;
	switch (kind) {
	case READ:
		k->in_flight--;
		part->read = result == (int)part->len;
		k->failed = k->failed || !part->read;
		break;
	case CLOSE:
		k->in_flight--;
		part->closed = result != -ECANCELED;
		k->failed =
			k->failed || result < 0; /* what was linked behind did not run */
		break;
	case SEND:
		/* Broken off: what its chain was to do is done plainly. */
		if (result == -ECANCELED) {
			k->failed = true;
			k->state = FA_TASK_RUNNING;
		} else {
			sent(t, k, result);
		}
		break;
	case READABLE:
		/* Not one that was cancelled and ends late. */
		if (user_data % FA_TASKS == p->watching % FA_TASKS)
			p->readable = true;
		break;
	}
}

/* ---- the rest of a chain that broke ---- */

static bool read_plainly(const struct fa_promises *p, const struct fa_part *part)
{
	return fa_sys_pread_all(part->fd, p->staging + part->at, part->len, part->offset) ==
	       part->len;
}

/* Reads and closes what is still to be read and closed. False: bytes are missing. */
static bool files_plainly(const struct fa_promises *p, struct fa_task *k)
{
	bool whole = true;

	for (unsigned i = 0; i < k->parts; i++) {
		struct fa_part *part = &k->part[i];

		whole = whole && (part->read || read_plainly(p, part));
		if (part->closes && !part->closed)
			fa_sys_close(part->fd);
		part->closed = part->closes;
	}
	return whole;
}

static void finish(struct fa_thread *t, struct fa_promises *p)
{
	struct fa_task *k;

	FA_EACH_TASK(p, k)
	{
		if (k->state != FA_TASK_RUNNING || k->in_flight)
			continue;
		if (k->failed && !files_plainly(p, k)) {
			reset(t, k);
			fa_task_free(p, k);
		} else {
			k->failed = false; /* done: its send is one of its own */
			start_send(t, k);
		}
	}
}

/* Where the position is behind what the program was told, and the file stays open. */
static void positions(const struct fa_task *k)
{
	for (unsigned i = 0; i < k->parts; i++) {
		struct fa_fd *f = fa_fd_slot(k->part[i].fd);

		if (k->part[i].closes) {
			f->flags = 0;
			continue;
		}
		if (f->flags & FA_FD_OWED)
			fa_sys_lseek(k->part[i].fd, (int64_t)f->position, SEEK_SET);
		f->flags &= ~(FA_FD_OWED | FA_FD_PROMISED);
	}
}

/*
 * Is any of them a connection on which the program's own sendfile would be waiting? On
 * others it would not, whatever their peers do.
 */
static bool blocks(const struct fa_promises *p, int fd)
{
	const struct fa_task *k;

	FA_EACH_TASK(p, k)
	{
		if ((fd < 0 || k->fd == fd) && !k->nonblock)
			return true;
	}
	return false;
}

/* `for_ever`: as a sendfile to such a peer would. */
static void wait_until_sent(struct fa_thread *t, int fd, bool for_ever)
{
	unsigned patience = for_ever ? 1 : PATIENCE;

	if (!(t->h.promise & FA_P_FLIGHT))
		return;
	while (patience && fa_sending(t->promises, fd)) {
		bool blocked = for_ever && blocks(t->promises, fd);
		bool waits =
			t->ring.memory &&
			(fa_ring_wait(t, for_ever && !blocked ? GUESS_NS : FA_WAIT_NS) ||
			 blocked);

		finish(t, t->promises);
		if (t->ring.prepared)
			fa_ring_submit(t);
		patience -= waits ? 0 : 1;
	}
	look_around(t, t->promises);
}

/* ---- commit ---- */

static unsigned entries(const struct fa_task *k)
{
	unsigned n = k->len != 0;

	for (unsigned i = 0; i < k->parts; i++)
		n += 1U + k->part[i].closes;
	return n;
}

/* Prepares its chain; how many completions come without the peer's doing. */
static unsigned prepare(struct fa_thread *t, struct fa_promises *p, struct fa_task *k)
{
	bool first = !oldest(p, FA_TASK_SENDING, k->fd) &&
		     !oldest(p, FA_TASK_READY, k->fd) && !oldest(p, FA_TASK_RUNNING, k->fd);
	struct io_uring_sqe *sqe = NULL;

	k->in_flight = 0;
	k->failed = false;
	for (unsigned i = 0; i < k->parts; i++) {
		struct fa_part *part = &k->part[i];

		if (!part->read) {
			sqe = fa_ring_entry(t);
			io_uring_prep_read(sqe, part->fd, p->staging + part->at, part->len,
					   part->offset);
			sqe->flags |= IOSQE_IO_LINK;
			sqe->user_data = tag(p, k, READ, i);
			k->in_flight++;
		}
		if (part->closes) {
			sqe = fa_ring_entry(t);
			io_uring_prep_close(sqe, part->fd);
			sqe->flags |= IOSQE_IO_LINK;
			sqe->user_data = tag(p, k, CLOSE, i);
			k->in_flight++;
		}
	}
	k->state = FA_TASK_RUNNING;
	if (k->len && first) {
		sqe = fa_ring_entry(t);
		prepare_send(sqe, p, k);
		k->state = FA_TASK_SENDING;
	}
	if (sqe)
		sqe->flags &= (uint8_t)~IOSQE_IO_LINK;
	return k->in_flight + (unsigned)(k->state == FA_TASK_SENDING && k->fits);
}

static void set_cork(struct fa_watch *w, int fd, bool on)
{
	fa_sys_setsockopt(fd, IPPROTO_TCP, TCP_CORK, on);
	w->tcp = (uint8_t)(on ? w->tcp | FA_TCP_CORKED : w->tcp & ~FA_TCP_CORKED);
}

/* Corks what the program has left corked before its bytes go, else uncorks behind them. */
static void cork(const struct fa_task *k, bool on)
{
	struct fa_watch *w = fa_watch_of(k->fd);
	bool wanted = w && w->tcp & FA_TCP_CORK_WANTED;

	if (w && w->tcp & FA_TCP_CORK_KNOWN && wanted == on &&
	    wanted != ((w->tcp & FA_TCP_CORKED) != 0))
		set_cork(w, k->fd, on);
}

/* Makes room for a chain of `n` entries. False: there is none. */
static bool room(struct fa_thread *t, unsigned n, unsigned *expected)
{
	if (fa_ring_room(t) >= n)
		return true;
	if (t->ring.prepared)
		fa_ring_run(t, *expected, GUESS_NS);
	*expected = 0;
	for (unsigned i = 0; i < PATIENCE && fa_ring_room(t) < n; i++)
		fa_ring_wait(t, FA_WAIT_NS);
	return fa_ring_room(t) >= n;
}

/* Or is a send to come yet that went with its chain? */
static bool reading(const struct fa_promises *p)
{
	const struct fa_task *k;

	FA_EACH_TASK(p, k)
	{
		if (under_way(k) &&
		    (k->in_flight || (k->failed && k->state == FA_TASK_SENDING)))
			return true;
	}
	return false;
}

/* What is still queued where the ring has no room for it. */
static void do_plainly(struct fa_thread *t, struct fa_promises *p, struct fa_task *k)
{
	wait_until_sent(t, k->fd, true);
	if (files_plainly(p, k))
		send_plainly(t, k);
	else
		reset(t, k);
	fa_task_free(p, k);
}

/* How many completions are to come without anybody's doing. */
static unsigned submit_all(struct fa_thread *t, struct fa_promises *p)
{
	struct fa_task *k;
	unsigned expected = 0;

	while ((k = oldest(p, FA_TASK_QUEUED, -1))) {
		cork(k, true);
		if (room(t, entries(k), &expected))
			expected += prepare(t, p, k);
		else
			do_plainly(t, p, k);
	}
	return expected;
}

/*
 * Nothing has ended for a minute. What has not begun is broken off; where a read or close
 * cannot be, a plain one would hang as well. False: the kernel knows of none.
 */
static bool hangs(struct fa_thread *t, const struct fa_promises *p)
{
	const struct fa_task *k;
	bool any = false;

	FA_EACH_TASK(p, k)
	{
		for (unsigned i = 0; under_way(k) && i < k->parts; i++)
			for (enum kind what = READ; what <= CLOSE; what++) {
				int e = fa_ring_cancel(t, tag(p, k, what, i));

				any = any || (e != 0 && e != -ENOENT);
			}
	}
	return any;
}

/* What the kernel has lost: its files may be closed or not, so they are left alone. */
static void lost(struct fa_promises *p)
{
	struct fa_task *k;

	FA_EACH_TASK(p, k)
	{
		if (!under_way(k) || !k->in_flight)
			continue;
		for (unsigned i = 0; i < k->parts; i++)
			k->part[i].closed = true;
		k->in_flight = 0;
		k->failed = true;
		k->state = FA_TASK_RUNNING;
	}
}

static void run(struct fa_thread *t, struct fa_promises *p, unsigned expected)
{
	unsigned patience = PATIENCE;
	uint64_t began, ns;

	if (t->ring.prepared)
		fa_ring_run(t, expected, GUESS_NS);
	began = fa_cycles();
	while (reading(p) && patience) {
		patience -= fa_ring_wait(t, FA_WAIT_NS) ? 0 : 1;
		if (!patience && t->ring.memory && hangs(t, p))
			patience = PATIENCE;
	}
	if (reading(p)) {
		fa_fallback(t, FA_F_timeout);
		fa_ring_reap(t); /* what was broken off */
		lost(p);
	}
	/* In what came at once the processor was ours, however much of it there was. */
	ns = fa_ns(fa_cycles() - began);
	if (ns >= FA_COLD_NS)
		t->trials.blocked += ns;
	finish(t, p);
	if (t->ring.prepared)
		fa_ring_submit(t);
	fa_ring_reap(t);
	finish(t, p); /* what was not taken */
}

/* Those that were queued, as the queue is handed over. */
static unsigned begin(struct fa_thread *t, struct fa_promises *p, uint8_t *which)
{
	struct fa_task *k;
	unsigned n = 0;

	FA_EACH_TASK(p, k)
	{
		if (k->state == FA_TASK_QUEUED)
			which[n++] = (uint8_t)(k - p->task);
	}
	t->h.n[FA_N_commits]++;
	p->last = -1;
	return n;
}

/* Their files' positions, and their connections' corks. */
static void end(struct fa_thread *t, struct fa_promises *p, const uint8_t *which,
		unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		positions(&p->task[which[i]]);
		cork(&p->task[which[i]], false);
	}
	look_around(t, p);
}

FA_HIDDEN void fa_commit(struct fa_thread *t)
{
	struct fa_promises *p = t->promises;
	uint8_t which[FA_TASKS];
	unsigned n;

	if (!(t->h.promise & FA_P_QUEUED))
		return;
	n = begin(t, p, which);
	run(t, p, submit_all(t, p));
	end(t, p, which, n);
}

FA_HIDDEN int64_t fa_commit_receive(struct fa_thread *t, int fd, void *buf, size_t size,
				    int flags)
{
	struct fa_promises *p = t->promises;
	uint8_t which[FA_TASKS];
	struct io_uring_sqe *sqe = NULL;
	unsigned n, expected;

	n = begin(t, p, which);
	expected = submit_all(t, p);
	t->ring.result = FA_NOT_RECEIVED;
	if (room(t, 1, &expected))
		sqe = fa_ring_entry(t);
	if (sqe) {
		io_uring_prep_recv(sqe, fd, buf, size, flags | MSG_DONTWAIT);
		sqe->user_data = FA_TAG_RESULT;
		expected++;
	}
	run(t, p, expected);
	end(t, p, which, n);
	return t->ring.result;
}

/* ---- waiting for what a peer makes no room for ---- */

FA_HIDDEN void fa_settle(struct fa_thread *t, int fd)
{
	fa_commit(t);
	wait_until_sent(t, fd, true);
}

/* All is waited for, but not for ever: the program does not wait any more. */
FA_HIDDEN void fa_promise_lost(struct fa_thread *t)
{
	struct fa_promises *p = t->promises;
	struct fa_task *k;

	if (!p || !(t->h.promise & (FA_P_QUEUED | FA_P_FLIGHT)))
		return;
	fa_commit(t);
	wait_until_sent(t, -1, false);
	FA_EACH_TASK(p, k)
	{
		reset(t, k); /* nobody knows how much of it the kernel took */
		fa_task_free(p, k);
	}
	look_around(t, p);
}

/* A completion for when `fd` can be read, or has an error. */
static void watch_for(struct fa_thread *t, int fd)
{
	struct io_uring_sqe *sqe = fa_ring_entry(t);

	t->promises->readable = !sqe;
	if (!sqe)
		return;
	io_uring_prep_poll_add(sqe, fd, POLLIN | POLLRDHUP);
	sqe->user_data = tag_of(READABLE, ++t->promises->watching % FA_TASKS, 0, 0);
	fa_ring_submit(t);
}

static bool over(const struct fa_thread *t, int fd, int sent)
{
	if (!(t->h.promise & FA_P_FLIGHT) || !t->ring.memory)
		return true;
	return (fd >= 0 && t->promises->readable) || (sent >= 0 && !fa_unsent(t, sent));
}

/* When a call that waits is to give up, by this option of its socket; 0: never. */
static uint64_t deadline(int fd, int option)
{
	struct timeval limit = { 0, 0 };

	if (fa_sys_getsockopt(fd, SOL_SOCKET, option, &limit, sizeof(limit)) < 0 ||
	    (!limit.tv_sec && !limit.tv_usec))
		return 0;
	return fa_sys_clock_ns() + (uint64_t)limit.tv_sec * 1000000000U +
	       (uint64_t)limit.tv_usec * 1000U;
}

/* Until something ends in the ring. Negative: an errno. */
static long sleep_in(int wake, uint64_t end)
{
	struct pollfd p = { wake, POLLIN, 0 };
	struct __kernel_timespec left;
	uint64_t count, now;
	long r;

	if (end) {
		now = fa_sys_clock_ns();
		now = now < end ? end - now : 0;
		left.tv_sec = (long long)(now / 1000000000U);
		left.tv_nsec = (long long)(now % 1000000000U);
		r = fa_sys_ppoll(&p, 1, &left, NULL);
		if (r <= 0)
			return r ? r : -EAGAIN;
	}
	return fa_sys_read(wake, &count, sizeof(count));
}

FA_HIDDEN int fa_drive(struct fa_thread *t, int fd, int sent)
{
	uint32_t before;
	uint64_t end;
	long r = 0;
	int wake;

	if (!fa_readiness_able(t) || t->ring.broken) {
		fa_settle(t, sent);
		return 0;
	}
	end = fd >= 0 ? deadline(fd, SO_RCVTIMEO) : deadline(sent, SO_SNDTIMEO);
	if (fd >= 0)
		watch_for(t, fd);
	/*
	 * A read of the eventfd that blocks is what a handler restarts or interrupts, as it
	 * would the program's own call.
	 */
	wake = fa_own_fd(FA_OWN_WAKE);
	fa_sys_fcntl(wake, F_SETFL, O_RDWR);
	for (;;) {
		before = *t->ring.cq_head;
		fa_ring_reap(t);
		if (over(t, fd, sent) || r < 0)
			break;
		/* The kernel may leave the flag behind; new work makes the eventfd
		 * readable. */
		if (fa_ring_work(t) && *t->ring.cq_head != before)
			continue;
		fa_ready(t);
		r = sleep_in(wake, end);
		if (!fa_busy(t))
			return r < 0 ? (int)r : -EINTR;
	}
	fa_sys_fcntl(wake, F_SETFL, O_RDWR | O_NONBLOCK);
	if (fd >= 0 && !t->promises->readable && t->ring.memory)
		fa_ring_cancel(t, tag_of(READABLE, t->promises->watching % FA_TASKS, 0, 0));
	return r < 0 && !over(t, fd, sent) ? (int)r : 0;
}
