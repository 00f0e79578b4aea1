/* SPDX-License-Identifier: MIT
 *
 * io_uring played by hand in the memory that the runtime gives it: what is
 * submitted runs at once, stays pending, or ends as the test says.
 */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <liburing.h>

#include "fake.h"

#define CQ_ENTRIES (2 * FA_RING_ENTRIES)
#define CQES_AT 128U

struct fake_ring fake_ring;

static struct io_uring_sqe taken[FAKE_LOG];

/* What workers have ended appears only when the program enters for it. */
static struct {
	uint64_t user_data;
	int result;
} deferred[FAKE_LOG];
static unsigned deferrals;

static long on_setup(long entries, long params, long c, long d, long e, long f)
{
	struct io_uring_params *p = (void *)params;
	uint64_t rings;

	(void)c, (void)d, (void)e, (void)f;
	/* user_addr: the last word of both, in headers of any age */
	memcpy(&rings, (char *)&p->cq_off + sizeof(p->cq_off) - 8, 8);
	memcpy(&fake_ring.sqes, (char *)&p->sq_off + sizeof(p->sq_off) - 8, 8);
	p->sq_entries = (uint32_t)entries;
	p->cq_entries = CQ_ENTRIES;
	p->sq_off.head = 0;
	p->sq_off.tail = 4;
	p->sq_off.flags = 8;
	p->cq_off.head = 64;
	p->cq_off.tail = 68;
	p->cq_off.cqes = CQES_AT;
	fake_ring.sq_head = (uint32_t *)rings;
	fake_ring.sq_tail = fake_ring.sq_head + 1;
	fake_ring.sq_flags = fake_ring.sq_head + 2;
	fake_ring.cq_head = fake_ring.sq_head + 16;
	fake_ring.cq_tail = fake_ring.sq_head + 17;
	fake_ring.cqes = (struct io_uring_cqe *)(rings + CQES_AT);
	fake_ring.made = true;
	deferrals = 0;
	return 3;
}

static void clear_slot(unsigned index)
{
	if (fake_ring.slot[index] >= 0)
		close(fake_ring.slot[index]);
	fake_ring.slot[index] = -1;
}

static long on_register(long index, long op, long arg, long n, long e, long f)
{
	long bare = op & ~(long)FA_REGISTER_BY_INDEX;
	struct io_uring_probe *probe = (void *)arg;

	(void)index, (void)n, (void)e, (void)f;
	if (fake_ring.registers[bare])
		return fake_ring.registers[bare];
	if (bare == IORING_REGISTER_PROBE)
		probe->last_op = (uint8_t)fake_ring.last_op;
	if (bare == IORING_REGISTER_EVENTFD)
		fake_ring.eventfd = *(const int *)arg;
	if (bare == IORING_REGISTER_FILES_UPDATE) {
		const struct io_uring_files_update *u = (void *)arg;
		int fd;

		memcpy(&fd, (void *)(uintptr_t)u->fds, sizeof(fd));
		clear_slot(u->offset);
		/* Out of the way of the lowest free number, like a direct descriptor. */
		fake_ring.slot[u->offset] = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 600);
		return 1;
	}
	if (bare == IORING_UNREGISTER_RING_FDS) {
		fake_ring.made = false;
		fake_ring.eventfd = -1;
		for (unsigned i = 0; i < FAKE_SLOTS; i++)
			clear_slot(i);
		return 1;
	}
	return 0;
}

static void wake(void)
{
	uint64_t one = 1;

	if (fake_ring.eventfd >= 0)
		fake_kernel(SYS_write, fake_ring.eventfd, (long)&one, sizeof(one), 0, 0, 0);
}

static void post(uint64_t user_data, int result)
{
	uint32_t tail = *fake_ring.cq_tail;
	struct io_uring_cqe *cqe = &fake_ring.cqes[tail & (CQ_ENTRIES - 1)];

	cqe->user_data = user_data;
	cqe->res = result;
	cqe->flags = 0;
	__atomic_store_n(fake_ring.cq_tail, tail + 1, __ATOMIC_RELEASE);
	wake();
}

void fake_ring_complete(uint64_t user_data, int result)
{
	assert_in_range(deferrals, 0, FAKE_LOG - 1);
	deferred[deferrals].user_data = user_data;
	deferred[deferrals++].result = result;
	__atomic_or_fetch(fake_ring.sq_flags, IORING_SQ_TASKRUN, __ATOMIC_RELEASE);
	wake();
}

static void run_deferred(void)
{
	for (unsigned i = 0; i < deferrals; i++)
		post(deferred[i].user_data, deferred[i].result);
	deferrals = 0;
	__atomic_and_fetch(fake_ring.sq_flags, ~IORING_SQ_TASKRUN, __ATOMIC_RELEASE);
}

static long call(long nr, long a, long b, long c, long d, long e)
{
	return fake_kernel(nr, a, b, c, d, e, 0);
}

/* As the kernel would, but at once. */
static long run(const struct io_uring_sqe *s)
{
	unsigned slot = s->file_index - 1;
	long r;

	switch (s->opcode) {
	case IORING_OP_OPENAT:
		r = call(SYS_openat, s->fd, (long)s->addr, (int)s->open_flags | O_CLOEXEC,
			 s->len, 0);
		if (r < 0)
			return r;
		clear_slot(slot);
		/* Out of the way of the lowest free number, like a direct descriptor. */
		fake_ring.slot[slot] = fcntl((int)r, F_DUPFD_CLOEXEC, 600);
		close((int)r);
		return 0;
	case IORING_OP_STATX:
		return call(SYS_statx, s->fd, (long)s->addr, (int)s->statx_flags, s->len,
			    (long)s->off);
	case IORING_OP_READ:
		return call(SYS_pread64,
			    s->flags & IOSQE_FIXED_FILE ? fake_ring.slot[s->fd] : s->fd,
			    (long)s->addr, s->len, (long)s->off, 0);
	case IORING_OP_SEND:
		return call(SYS_sendto, s->fd, (long)s->addr, s->len, (int)s->msg_flags, 0);
	case IORING_OP_RECV:
		return call(SYS_recvfrom, s->fd, (long)s->addr, s->len, (int)s->msg_flags,
			    0);
	case IORING_OP_CLOSE:
		if (!s->file_index)
			return call(SYS_close, s->fd, 0, 0, 0, 0);
		clear_slot(slot);
		return 0;
	case FA_OP_FIXED_FD_INSTALL:
		return call(SYS_fcntl, fake_ring.slot[s->fd],
			    s->rw_flags & (int)FA_FIXED_FD_NO_CLOEXEC ? F_DUPFD
								      : F_DUPFD_CLOEXEC,
			    0, 0, 0);
	default:
		return 0;
	}
}

int fake_ring_run(const struct io_uring_sqe *s)
{
	int result = (int)run(s);

	fake_ring_complete(s->user_data, result);
	return result;
}

/* True: what is linked to it may run. */
static bool one(const struct io_uring_sqe *s, bool linked_before, bool go_on)
{
	int result = fake_ring.result[s->opcode];

	if (fake_ring.logged < FAKE_LOG)
		taken[fake_ring.logged++] = *s;
	if (linked_before && !go_on && result != FAKE_PENDING)
		result = -ECANCELED;
	else if (result == FAKE_RUN)
		result = (int)run(s);
	if (result != FAKE_PENDING && (s->flags & IOSQE_ASYNC || linked_before))
		fake_ring_complete(s->user_data, result);
	else if (result != FAKE_PENDING)
		post(s->user_data, result);
	/* A short read breaks its chain. */
	return result >= 0 && (s->opcode != IORING_OP_READ || result == (int)s->len);
}

static long submit(unsigned n)
{
	bool linked = false, go_on = true;

	if (fake_ring.interrupted) {
		fake_ring.interrupted--;
		return -EINTR;
	}
	if (fake_ring.take < 0)
		return fake_ring.take;
	if (n > (unsigned)fake_ring.take)
		n = (unsigned)fake_ring.take;
	for (unsigned i = 0; i < n; i++) {
		const struct io_uring_sqe *s =
			&fake_ring.sqes[*fake_ring.sq_head & (FA_RING_ENTRIES - 1)];

		go_on = one(s, linked, go_on);
		linked = s->flags & IOSQE_IO_LINK;
		__atomic_store_n(fake_ring.sq_head, *fake_ring.sq_head + 1,
				 __ATOMIC_RELEASE);
	}
	return n;
}

static long on_enter(long index, long n, long wait, long flags, long arg, long size)
{
	const struct io_uring_getevents_arg *a = (void *)arg;
	struct timespec ts = { 0, 0 };

	(void)index, (void)size;
	if (!(flags & IORING_ENTER_GETEVENTS))
		return submit((unsigned)n);
	if (n) {
		n = submit((unsigned)n);
		run_deferred();
		return n;
	}
	if (!wait) {
		run_deferred();
		return 0;
	}
	fake_ring.waits++;
	if (a && a->ts)
		memcpy(&ts, (void *)(uintptr_t)a->ts, sizeof(ts));
	fake_ring.wait_ns = (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
	if (fake_ring.on_wait)
		fake_ring.on_wait();
	run_deferred();
	if (*fake_ring.cq_head != *fake_ring.cq_tail)
		return 0;
	fake_ring.timed_out_ns += fake_ring.wait_ns;
	nanosleep(&ts, NULL);
	return -ETIME;
}

unsigned fake_ring_took(unsigned op, const struct io_uring_sqe **last)
{
	unsigned n = 0;

	for (unsigned i = 0; i < fake_ring.logged; i++) {
		if (taken[i].opcode != op)
			continue;
		n++;
		if (last)
			*last = &taken[i];
	}
	return n;
}

const struct io_uring_sqe *fake_ring_nth(unsigned op, unsigned nth)
{
	for (unsigned i = 0; i < fake_ring.logged; i++)
		if (taken[i].opcode == op && !nth--)
			return &taken[i];
	fail_msg("operation %u was taken less often", op);
	return NULL;
}

void fake_ring_use(void)
{
	memset(&fake_ring, 0, sizeof(fake_ring));
	deferrals = 0;
	for (unsigned i = 0; i < FAKE_OPS; i++)
		fake_ring.result[i] = FAKE_RUN;
	for (unsigned i = 0; i < FAKE_SLOTS; i++)
		fake_ring.slot[i] = -1;
	fake_ring.eventfd = -1;
	fake_ring.take = FA_RING_ENTRIES;
	fake_ring.last_op = FA_OP_FIXED_FD_INSTALL;
	fake_ring.log = taken;
	fake_hook(SYS_io_uring_setup, on_setup);
	fake_hook(SYS_io_uring_register, on_register);
	fake_hook(SYS_io_uring_enter, on_enter);
}
