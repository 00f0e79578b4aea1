/* SPDX-License-Identifier: MIT
 *
 * Windows ahead of sendfile. What is known to be in memory is a range per
 * descriptor, [resident, resident_to); a window is a few reads behind it whose
 * bytes nobody looks at. While one window is sent the next one is on its way.
 */
#include "stream.h"

#include <errno.h>

#include <liburing.h>

#include "hints.h"
#include "process.h"
#include "readiness.h"
#include "sys.h"

/* Everything else sends as if the library were not there. */
static bool may_put_off(struct fa_thread *t, int to)
{
	const struct fa_watch *w = fa_watch_of(to);

	return w && (w->set || w->flags & FA_WATCH_POLLED) && fa_readiness_may_hold(to) &&
	       !fa_other_locks && fa_nonblocking(to) && fa_readiness_able(t) &&
	       fa_ring_scratch(t);
}

static bool in_use(const struct fa_stream *s)
{
	return s->pending || s->order;
}

static struct fa_stream *take(struct fa_thread *t)
{
	for (unsigned i = 0; i < FA_STREAMS; i++)
		if (!in_use(&t->stream[i]))
			return &t->stream[i];
	return NULL;
}

/* The descriptor, unless it is another file's by now. */
static struct fa_fd *reader_of(const struct fa_thread *t, const struct fa_stream *s)
{
	struct fa_fd *f = fa_fd_slot(s->from);

	return f && f->flags && f->stream == s - t->stream + 1 ? f : NULL;
}

static unsigned direct(const struct fa_thread *t, const struct fa_stream *s)
{
	return t->ring.slots - 1 - s->slot;
}

/*
 * Its reads, prepared only. False: there was room for none. They go by a slot of
 * the ring's: a worker looks a number up when it comes to it, and by then it may be
 * another file's, or a connection's.
 */
static bool submit(struct fa_thread *t, struct fa_stream *s, bool local)
{
	s->order = 0;
	s->failed = false;
	s->slot = (uint8_t)__builtin_ctz(~t->stream_slots);
	if (t->ring.slots < FA_STREAMS_FLIGHT || fa_ring_slot(t, direct(t, s), s->from) < 0)
		return false;
	for (uint64_t at = s->at; at < s->end; at += FA_STREAM_STEP) {
		struct io_uring_sqe *sqe = fa_ring_entry(t);
		uint64_t len = s->end - at < FA_STREAM_STEP ? s->end - at : FA_STREAM_STEP;

		if (!sqe) {
			s->end = at;
			break;
		}
		io_uring_prep_read(sqe, (int)direct(t, s), t->scratch, (unsigned)len, at);
		sqe->flags |= IOSQE_FIXED_FILE;
		/* Where reading blocks a worker reads; elsewhere the pages' arrival ends
		 * it. */
		if (!local)
			sqe->flags |= IOSQE_ASYNC;
		sqe->user_data = FA_TAG_STREAM | (uint64_t)(s - t->stream);
		s->pending++;
	}
	if (!s->pending) {
		fa_ring_slot(t, direct(t, s), -1);
		return false;
	}
	t->stream_slots |= 1U << s->slot;
	t->streaming++;
	return true;
}

/* Starts the next window, or has it wait for its turn. */
static void start(struct fa_thread *t, struct fa_fd *f, int from, int to, uint64_t size)
{
	uint64_t end = f->resident_to + (uint64_t)f->window_steps * FA_STREAM_STEP;
	struct fa_stream *s = take(t);

	if (!s)
		return;
	s->from = from;
	s->to = to;
	s->at = f->resident_to;
	s->end = end < size ? end : size;
	f->stream = (uint16_t)(s - t->stream + 1);
	if (t->streaming >= FA_STREAMS_FLIGHT) {
		s->order = ++t->stream_order;
	} else if (!submit(t, s, fa_device_local(f->dev))) {
		f->stream = 0;
		return;
	}
	t->h.n[FA_N_created]++;
	if (t->ring.prepared)
		fa_ring_submit(t);
	fa_ring_reap(t);
}

static struct fa_stream *longest_waiting(struct fa_thread *t)
{
	struct fa_stream *first = NULL;

	for (unsigned i = 0; i < FA_STREAMS; i++) {
		struct fa_stream *s = &t->stream[i];

		if (s->order && (!first || (int32_t)(s->order - first->order) < 0))
			first = s;
	}
	return first;
}

static void start_next(struct fa_thread *t)
{
	while (t->streaming < FA_STREAMS_FLIGHT) {
		struct fa_stream *s = longest_waiting(t);
		struct fa_fd *f = s ? reader_of(t, s) : NULL;

		if (!s || (f && submit(t, s, fa_device_local(f->dev))))
			return;
		/* Closed meanwhile, or no room: whoever waits for it finds out itself. */
		s->order = 0;
		if (f)
			f->stream = 0;
		fa_readiness_release(t, s->to, FA_HELD_OUT);
	}
}

FA_HIDDEN void fa_stream_completed(struct fa_thread *t, unsigned index, int result)
{
	struct fa_stream *s = &t->stream[index % FA_STREAMS];
	struct fa_fd *f;

	s->failed = s->failed || result <= 0;
	if (!s->pending || --s->pending)
		return;
	t->streaming--;
	t->stream_slots &= ~(1U << s->slot);
	fa_ring_slot(t, direct(t, s), -1);
	f = reader_of(t, s);
	if (f) {
		f->stream = 0;
		/* Unless the reader has gone elsewhere meanwhile. */
		if (!s->failed && f->resident_to == s->at)
			f->resident_to = s->end;
	}
	fa_readiness_release(t, s->to, FA_HELD_OUT);
	start_next(t);
}

FA_HIDDEN void fa_stream_reset(struct fa_thread *t)
{
	for (unsigned i = 0; i < FA_STREAMS; i++)
		t->stream[i] = (struct fa_stream){ 0 };
	t->streaming = 0;
	t->stream_slots = 0;
}

static bool position(struct fa_call *c, const off_t *offset, uint64_t *at)
{
	int64_t value;

	if (!offset)
		value = fa_sys_lseek(c->fd, 0, SEEK_CUR);
	else if (fa_sys_copy(fa_pid, &value, offset, sizeof(value), false) != sizeof(value))
		return false;
	*at = (uint64_t)value;
	return value >= 0;
}

/* The window of this file that is on its way, or NULL. */
static struct fa_stream *under_way(struct fa_thread *t, struct fa_fd *f)
{
	struct fa_stream *s = f->stream ? &t->stream[f->stream - 1] : NULL;

	if (s && !in_use(s)) {
		f->stream = 0; /* it went with its ring */
		s = NULL;
	}
	return s;
}

/* Puts the caller off until the window that is on its way is there. */
static bool put_off(struct fa_thread *t, struct fa_fd *f, int to)
{
	const struct fa_stream *s = under_way(t, f);

	if (!s || s->to != to || !fa_readiness_hold(t, to, FA_HELD_OUT))
		return false;
	t->h.n[FA_N_put_off]++;
	return true;
}

/*
 * Only what could not be sent at once in any case: while it waits for room a program
 * does things that it does not do else (nginx gives up when the client closes its
 * half).
 */
static bool waits_anyhow(const struct fa_fd *f, int to, uint64_t rest)
{
	int buffer;

	if (f->flags & FA_FD_WAITED)
		return true;
	buffer = fa_sys_send_buffer(to);
	return buffer >= 0 && rest > (uint64_t)buffer;
}

static size_t send_some(struct fa_thread *t, struct fa_call *c, int to, uint64_t at,
			size_t n)
{
	struct fa_fd *f = c->f;
	struct statx stx;
	uint64_t size;

	if (fa_sys_statx(c->fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_SIZE, &stx) <
	    0)
		return n;
	size = stx.stx_size;
	if (size <= at || !waits_anyhow(f, to, size - at))
		return n;
	fa_ring_reap(t);
	if (at < f->resident || at > f->resident_to) {
		f->resident = f->resident_to = at;
		f->window_steps = 0;
	}
	/* Keep one window ahead of the reader. */
	if (!under_way(t, f) && f->resident_to < size &&
	    f->resident_to - at <= (uint64_t)f->window_steps * FA_STREAM_STEP) {
		/* One that was put off already has waited for its bytes in vain. */
		if (f->resident_to == at && f->put_off == at + 1)
			return n;
		if (f->window_steps < FA_STREAM_STEPS && f->resident_to == at)
			f->window_steps =
				(uint8_t)(f->window_steps ? 2 * f->window_steps : 1);
		start(t, f, c->fd, to, size);
	}
	if (f->resident_to >= size || at + n <= f->resident_to)
		return n;
	if (f->resident_to > at)
		return (size_t)(f->resident_to - at);
	if (!put_off(t, f, to))
		return n;
	f->put_off = at + 1;
	return 0;
}

FA_HIDDEN size_t fa_send_touch(struct fa_call *c, int to, const off_t *offset, size_t n)
{
	struct fa_thread *t = fa_thread_of(c->t);
	uint64_t at;
	size_t some = n;

	if (fa_likely(!(c->f->flags & FA_FD_COLD)) || !n || !fa_busy(t))
		return n;
	if (may_put_off(t, to) && position(c, offset, &at))
		some = send_some(t, c, to, at, n);
	fa_ready(t);
	return some;
}

FA_HIDDEN void fa_stream_cut_short(struct fa_call *c, int to)
{
	struct fa_thread *t = fa_thread_of(c->t);

	if (!fa_busy(t))
		return;
	if (!put_off(t, c->f, to) && fa_readiness_hold(t, to, FA_HELD_OUT))
		fa_readiness_release(t, to, FA_HELD_OUT);
	fa_ready(t);
}
