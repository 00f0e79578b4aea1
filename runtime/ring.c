/* SPDX-License-Identifier: MIT
 *
 * io_uring without a descriptor and without libc. The entries are prepared with
 * liburing's inline helpers; setting up and entering are raw, because the
 * preloaded library may pull nothing into the program.
 */
#include "ring.h"

#include <errno.h>
#include <string.h>

#include <liburing.h>

#include "process.h"
#include "promise.h"
#include "sys.h"

#define PAGE 4096UL

static long ring_register(const struct fa_ring *r, unsigned op, void *arg, unsigned n)
{
	return FA_SYS(SYS_io_uring_register, r->index, op | FA_REGISTER_BY_INDEX, arg, n, 0,
		      0);
}

/* Waits for `wait` completions, `ns` at most; 0 and 0: runs what has been deferred. */
static int enter(struct fa_thread *t, unsigned submit, bool reap, unsigned wait,
		 uint64_t ns)
{
	struct __kernel_timespec ts = { (long long)(ns / 1000000000U),
					(long long)(ns % 1000000000U) };
	struct io_uring_getevents_arg arg = { .ts = (uintptr_t)&ts };
	unsigned flags = IORING_ENTER_REGISTERED_RING;
	long r;

	t->h.n[FA_N_enters]++;
	if (reap)
		flags |= IORING_ENTER_GETEVENTS | IORING_ENTER_EXT_ARG;
	r = FA_SYS(SYS_io_uring_enter, t->ring.index, submit, wait, flags,
		   reap ? &arg : NULL, reap ? sizeof(arg) : 0);
	return (int)r;
}

/* Io-wq workers are threads: without room for one, requests would never run. */
static bool workers_possible(void)
{
	struct rlimit rl;

	if (fa_sys_getrlimit(RLIMIT_NPROC, &rl) < 0)
		return false;
	return rl.rlim_cur > 0 || fa_sys_geteuid() == 0;
}

static int setup(struct fa_ring *r, char *memory)
{
	struct io_uring_params p;
	uint64_t rings = (uintptr_t)memory, sqes = (uintptr_t)memory + PAGE;
	long index;

	memset(&p, 0, sizeof(p));
	p.flags = FA_SETUP_NO_MMAP | FA_SETUP_REGISTERED_FD_ONLY | FA_SETUP_NO_SQARRAY |
		  IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
		  IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL;
	/* user_addr, called resv2 in headers before Linux 6.5 */
	memcpy((char *)&p.cq_off + sizeof(p.cq_off) - 8, &rings, 8);
	memcpy((char *)&p.sq_off + sizeof(p.sq_off) - 8, &sqes, 8);
	index = FA_SYS(SYS_io_uring_setup, FA_RING_ENTRIES, &p, 0, 0, 0, 0);
	if (index < 0)
		return (int)index;
	memset(r, 0, sizeof(*r));
	r->index = (int)index;
	r->sqes = (struct io_uring_sqe *)(memory + PAGE);
	r->sq_head = (uint32_t *)(memory + p.sq_off.head);
	r->sq_tail = (uint32_t *)(memory + p.sq_off.tail);
	r->sq_flags = (uint32_t *)(memory + p.sq_off.flags);
	r->cq_head = (uint32_t *)(memory + p.cq_off.head);
	r->cq_tail = (uint32_t *)(memory + p.cq_off.tail);
	r->cqes = memory + p.cq_off.cqes;
	r->cq_mask = p.cq_entries - 1;
	r->memory = memory;
	return 0;
}

static void unregister(const struct fa_ring *r)
{
	struct io_uring_rsrc_update u = { .offset = (unsigned)r->index };

	ring_register(r, IORING_UNREGISTER_RING_FDS, &u, 1);
}

/* The tables a chain needs, and a limit on what a stall can pile up. */
static int furnish(struct fa_ring *r)
{
	struct io_uring_rsrc_register files = { .flags = IORING_RSRC_REGISTER_SPARSE };
	unsigned workers[2] = { FA_RING_WORKERS, FA_RING_WORKERS };
	union {
		struct io_uring_probe head;
		char room[sizeof(struct io_uring_probe) +
			  64 * sizeof(struct io_uring_probe_op)];
	} probe;
	struct rlimit rl;
	long e;

	memset(&probe, 0, sizeof(probe));
	e = ring_register(r, IORING_REGISTER_PROBE, &probe, 64);
	if (e < 0)
		return (int)e;
	if (probe.head.last_op < FA_OP_FIXED_FD_INSTALL)
		return -EOPNOTSUPP;
	e = ring_register(r, IORING_REGISTER_IOWQ_MAX_WORKERS, workers, 2);
	if (e < 0)
		return (int)e;
	/* The kernel gives no more than the program may have open. */
	if (fa_sys_getrlimit(RLIMIT_NOFILE, &rl) < 0)
		return -EMFILE;
	r->slots = FA_STREAMS_FLIGHT + FA_CHAINS;
	if (rl.rlim_cur < r->slots)
		r->slots = (uint32_t)rl.rlim_cur;
	files.nr = r->slots;
	return (int)ring_register(r, IORING_REGISTER_FILES2, &files, sizeof(files));
}

static int refuse(struct fa_thread *t, enum fa_fallback why, int e)
{
	t->ring.refused = true;
	fa_fallback(t, why);
	return e;
}

FA_HIDDEN int fa_ring_need(struct fa_thread *t)
{
	char *memory;
	int e;

	if (t->epoch != fa_epoch || t->ring.broken) {
		fa_thread_drop(t);
		t->epoch = fa_epoch;
	}
	if (t->ring.refused)
		return -EPERM;
	if (t->ring.memory)
		return 0;
	if (!workers_possible())
		return refuse(t, FA_F_no_workers, -EAGAIN);
	memory = fa_sys_mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_POPULATE);
	if (!memory)
		return refuse(t, FA_F_no_memory, -ENOMEM);
	e = fa_sys_madvise(memory, 2 * PAGE, MADV_DONTFORK);
	if (e == 0)
		e = setup(&t->ring, memory);
	if (e < 0)
		goto err_map;
	e = furnish(&t->ring);
	if (e < 0)
		goto err_ring;
	fa_process->had_ring = true;
	return 0;

err_ring:
	unregister(&t->ring);
	t->ring.memory = NULL;
err_map:
	fa_sys_munmap(memory, 2 * PAGE);
	return refuse(t, FA_F_no_ring, e);
}

FA_HIDDEN bool fa_ring_scratch(struct fa_thread *t)
{
	/* Never given back: a worker of a ring that has gone may still write there. */
	if (!t->scratch) {
		t->scratch = fa_sys_mmap(NULL, FA_RING_SCRATCH, PROT_READ | PROT_WRITE,
					 MAP_PRIVATE | MAP_NORESERVE);
		if (!t->scratch) {
			fa_fallback(t, FA_F_no_memory);
			return false;
		}
		/* A worker writes while the program forks: nobody needs a copy. */
		fa_sys_madvise(t->scratch, FA_RING_SCRATCH, MADV_DONTFORK);
	}
	return true;
}

FA_HIDDEN int fa_ring_slot(struct fa_thread *t, unsigned slot, int fd)
{
	struct io_uring_files_update u = { .offset = slot, .fds = (uintptr_t)&fd };

	return (int)ring_register(&t->ring, IORING_REGISTER_FILES_UPDATE, &u, 1);
}

FA_HIDDEN int fa_ring_wakes(struct fa_thread *t, int eventfd)
{
	int e = (int)ring_register(&t->ring, IORING_REGISTER_EVENTFD, &eventfd, 1);

	t->ring.wakes = e == 0;
	return e;
}

/* Submitted or prepared, and not yet handed over. */
static uint32_t in_flight(const struct fa_ring *r)
{
	return r->submitted + r->prepared - __atomic_load_n(r->cq_head, __ATOMIC_RELAXED);
}

FA_HIDDEN struct io_uring_sqe *fa_ring_entry(struct fa_thread *t)
{
	struct fa_ring *r = &t->ring;
	struct io_uring_sqe *sqe;
	uint32_t tail;

	/* A signal handler may have forked below us: then there is no ring here. */
	if (!r->memory)
		return NULL;
	if (r->prepared == FA_RING_ENTRIES)
		fa_ring_submit(t);
	tail = *r->sq_tail + r->prepared;
	if (in_flight(r) >= FA_RING_FLIGHT) {
		fa_fallback(t, FA_F_ring_full);
		return NULL;
	}
	sqe = &r->sqes[tail & (FA_RING_ENTRIES - 1)];
	memset(sqe, 0, sizeof(*sqe));
	r->prepared++;
	return sqe;
}

FA_HIDDEN unsigned fa_ring_room(const struct fa_thread *t)
{
	const struct fa_ring *r = &t->ring;
	uint32_t flight, left;

	if (!r->memory || r->broken)
		return 0;
	flight = in_flight(r);
	left = FA_RING_ENTRIES - r->prepared;
	if (flight >= FA_RING_FLIGHT)
		return 0;
	return FA_RING_FLIGHT - flight < left ? FA_RING_FLIGHT - flight : left;
}

/* What was promised is done plainly where the kernel does not take it. */
static void not_taken(struct fa_thread *t, uint32_t first, uint32_t n)
{
	for (uint32_t i = first; i != first + n; i++) {
		uint64_t user_data = t->ring.sqes[i & (FA_RING_ENTRIES - 1)].user_data;

		if ((user_data & FA_TAGS) == FA_TAG_PROMISE)
			fa_promise_completed(t, user_data, -ECANCELED);
	}
}

static int submit(struct fa_thread *t, unsigned wait, uint64_t ns)
{
	struct fa_ring *r = &t->ring;
	uint32_t n = r->prepared, end, head;
	int got;

	if (!r->memory)
		return -EBADF;
	r->prepared = 0;
	end = *r->sq_tail + n;
	/* Pairs with the kernel's acquire of the tail: entries first. */
	__atomic_store_n(r->sq_tail, end, __ATOMIC_RELEASE);
	do
		got = enter(t, n, wait, wait, ns);
	while (got == -EINTR);
	if (got < (int)n) {
		/* Without SQPOLL the kernel looks only while we enter: take back the rest.
		 */
		head = __atomic_load_n(r->sq_head, __ATOMIC_ACQUIRE);
		__atomic_store_n(r->sq_tail, head, __ATOMIC_RELEASE);
		fa_fallback(t, FA_F_refused);
		/* What was not taken will never end: whoever counts on it must not wait. */
		r->broken = true;
		not_taken(t, head, end - head);
	}
	if (got <= 0)
		return got < 0 ? got : -EAGAIN;
	r->submitted += (uint32_t)got;
	t->h.n[FA_N_sqes] += (uint32_t)got;
	return got;
}

FA_HIDDEN int fa_ring_submit(struct fa_thread *t)
{
	return submit(t, 0, 0);
}

/* The kernel runs so much deferred work when it is entered, and tells of no rest. */
#define BATCH 20U

/* Hands over what is in the completion queue; how much that was. */
static unsigned drain(struct fa_thread *t)
{
	struct fa_ring *r = &t->ring;
	const struct io_uring_cqe *cqes = r->cqes;
	uint32_t head = *r->cq_head, first = head;
	/* Pairs with the kernel's release of the tail. */
	uint32_t tail = __atomic_load_n(r->cq_tail, __ATOMIC_ACQUIRE);

	while (head != tail) {
		struct io_uring_cqe cqe = cqes[head & r->cq_mask];

		/* Pairs with the kernel's acquire of the head: entries are free again. */
		__atomic_store_n(r->cq_head, ++head, __ATOMIC_RELEASE);
		fa_completed(t, cqe.user_data, cqe.res);
	}
	return head - first;
}

FA_HIDDEN bool fa_ring_work(const struct fa_thread *t)
{
	const struct fa_ring *r = &t->ring;

	/* The kernel leaves the flag behind when work makes work: nothing in flight, none.
	 */
	return r->memory &&
	       __atomic_load_n(r->sq_flags, __ATOMIC_RELAXED) & IORING_SQ_TASKRUN &&
	       __atomic_load_n(r->cq_tail, __ATOMIC_ACQUIRE) != r->submitted;
}

FA_HIDDEN void fa_ring_reap(struct fa_thread *t)
{
	struct fa_ring *r = &t->ring;
	unsigned n = 0;

	if (!r->memory)
		return;
	r->turn++;
	do {
		if (n >= BATCH || fa_ring_work(t))
			enter(t, 0, true, 0, 0);
		n = drain(t);
		/* What is submitted here may have ended already. */
		if (r->prepared && r->memory) {
			fa_ring_submit(t);
			n += drain(t);
		}
	} while (n);
}

FA_HIDDEN int fa_ring_run(struct fa_thread *t, unsigned wait, uint64_t ns)
{
	int got = submit(t, wait, ns);

	fa_ring_reap(t);
	return got;
}

FA_HIDDEN bool fa_ring_wait(struct fa_thread *t, uint64_t ns)
{
	uint32_t before;
	int r;

	if (!t->ring.memory)
		return false;
	before = *t->ring.cq_head;
	fa_ring_reap(t);
	if (*t->ring.cq_head != before)
		return true;
	r = enter(t, 0, true, 1, ns);
	fa_ring_reap(t);
	return t->ring.memory && (r == -EINTR || *t->ring.cq_head != before);
}

FA_HIDDEN int fa_ring_cancel(struct fa_thread *t, uint64_t user_data)
{
	struct io_uring_sync_cancel_reg c;

	memset(&c, 0, sizeof(c));
	c.addr = user_data;
	c.fd = -1;
	c.timeout.tv_sec = 0;
	c.timeout.tv_nsec = 0;
	return (int)ring_register(&t->ring, IORING_REGISTER_SYNC_CANCEL, &c, 1);
}

FA_HIDDEN bool fa_ring_idle(struct fa_thread *t)
{
	fa_ring_reap(t);
	return !t->ring.memory || *t->ring.cq_head == t->ring.submitted;
}

FA_HIDDEN void fa_ring_retire(struct fa_thread *t)
{
	void *memory = t->ring.memory;

	t->ring.refused = false;
	if (!memory)
		return;
	unregister(&t->ring);
	t->ring.memory = NULL;
	fa_sys_munmap(memory, 2 * PAGE);
}
