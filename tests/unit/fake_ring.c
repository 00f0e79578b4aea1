/* SPDX-License-Identifier: MIT
 *
 * io_uring played by hand in the memory that the runtime gives it: what is
 * submitted runs at once, stays pending, or ends as the test says.
 */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "fake.h"
#include "fake_ops.h"

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

/* What is linked behind an operation that has not ended. */
#define LINKS 256U

static struct {
	uint64_t behind;
	struct io_uring_sqe sqe;
} linked[LINKS];
static unsigned links;

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
	deferrals = links = 0;
	return 3;
}

/* What is cancelled, a poll or a read, ends when the program next enters. */
static long cancel(uint64_t user_data)
{
	for (unsigned i = fake_ring.logged; i-- > 0;)
		if (taken[i].user_data == user_data) {
			if (taken[i].opcode == IORING_OP_POLL_ADD ||
			    (taken[i].opcode == IORING_OP_READ &&
			     fake_ring.result[IORING_OP_READ] == FAKE_PENDING))
				fake_ring_complete(user_data, -ECANCELED);
			return 0;
		}
	return -ENOENT;
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
		fake_slot_clear(u->offset);
		/* Out of the way of the lowest free number, like a direct descriptor. */
		fake_ring.slot[u->offset] = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 600);
		return 1;
	}
	if (bare == IORING_REGISTER_SYNC_CANCEL)
		return cancel(((const struct io_uring_sync_cancel_reg *)arg)->addr);
	if (bare == IORING_UNREGISTER_RING_FDS) {
		fake_ring.made = false;
		fake_ring.eventfd = -1;
		fake_ops_end();
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

static void defer(uint64_t user_data, int result)
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

/* ---- chains ---- */

/* How a chain stands behind what was submitted last. */
enum chain { GOES_ON, BROKEN, WAITS };

static enum chain stands(const struct io_uring_sqe *s, int result)
{
	bool counts = s->opcode == IORING_OP_READ || s->opcode == IORING_OP_SEND;

	if (result == FAKE_PENDING)
		return WAITS;
	/* One that is short has failed, as far as others are linked to it. */
	return result < (counts ? (int)s->len : 0) ? BROKEN : GOES_ON;
}

static int start(const struct io_uring_sqe *s, enum chain chain)
{
	int result = fake_ring.result[s->opcode];

	if (chain == BROKEN)
		return -ECANCELED;
	return result == FAKE_RUN ? fake_op_run(s) : result;
}

/* It has ended: what is linked to it is next. */
static void ended(const struct io_uring_sqe *s, int result)
{
	struct io_uring_sqe last = *s;

	for (unsigned i = 0; i < links; i++) {
		struct io_uring_sqe next = linked[i].sqe;

		if (linked[i].behind != last.user_data)
			continue;
		memmove(&linked[i], &linked[i + 1], (--links - i) * sizeof(*linked));
		defer(last.user_data, result);
		result = start(&next, stands(&last, result));
		if (result == FAKE_PENDING)
			return;
		last = next;
		i = UINT32_MAX;
	}
	defer(last.user_data, result);
}

void fake_ring_complete(uint64_t user_data, int result)
{
	for (unsigned i = fake_ring.logged; i-- > 0;)
		if (taken[i].user_data == user_data) {
			ended(&taken[i], result);
			return;
		}
	defer(user_data, result);
}

int fake_ring_run(const struct io_uring_sqe *s)
{
	int result = fake_op_run(s);

	if (result != FAKE_PENDING)
		fake_ring_complete(s->user_data, result);
	return result;
}

void fake_ring_retry(void)
{
	struct io_uring_sqe s;
	int result;

	while (fake_op_sent(&s, &result))
		ended(&s, result);
}

/* ---- entering ---- */

static enum chain take(const struct io_uring_sqe *s, const struct io_uring_sqe *before,
		       enum chain chain)
{
	int result;

	if (fake_ring.logged < FAKE_LOG)
		taken[fake_ring.logged++] = *s;
	if (chain == WAITS) {
		assert_in_range(links, 0, LINKS - 1);
		linked[links].behind = before->user_data;
		linked[links++].sqe = *s;
		return WAITS;
	}
	result = start(s, chain);
	if (result != FAKE_PENDING && (s->flags & IOSQE_ASYNC || before))
		defer(s->user_data, result);
	else if (result != FAKE_PENDING)
		post(s->user_data, result);
	return stands(s, result);
}

static long submit(unsigned n)
{
	const struct io_uring_sqe *before = NULL;
	enum chain chain = GOES_ON;

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

		chain = take(s, before, before ? chain : GOES_ON);
		before = s->flags & IOSQE_IO_LINK ? s : NULL;
		__atomic_store_n(fake_ring.sq_head, *fake_ring.sq_head + 1,
				 __ATOMIC_RELEASE);
	}
	return n;
}

static bool enough(long wait)
{
	fake_ring_retry();
	run_deferred();
	return *fake_ring.cq_tail - *fake_ring.cq_head >= (uint32_t)wait;
}

static long wait_for(long wait, const struct io_uring_getevents_arg *a)
{
	struct timespec ts = { 0, 0 };

	if (enough(wait))
		return 0;
	fake_ring.waits++;
	if (a && a->ts)
		memcpy(&ts, (void *)(uintptr_t)a->ts, sizeof(ts));
	fake_ring.wait_ns = (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
	if (fake_ring.on_wait)
		fake_ring.on_wait();
	if (enough(wait))
		return 0;
	fake_ring.timed_out_ns += fake_ring.wait_ns;
	if (!fake_ring.no_time)
		nanosleep(&ts, NULL);
	return -ETIME;
}

static long on_enter(long index, long n, long wait, long flags, long arg, long size)
{
	bool events = flags & IORING_ENTER_GETEVENTS;
	long got = 0, r;

	(void)index, (void)size;
	if (n || !events) {
		got = submit((unsigned)n);
		if (got < n || !events)
			return got;
	}
	r = wait_for(wait, (void *)arg);
	return got ? got : r;
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
	deferrals = links = 0;
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
