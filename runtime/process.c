/* SPDX-License-Identifier: MIT
 *
 * The process and its threads. Start-up is an ordered list in
 * fa_process_starts(); forks are noticed by memory that the kernel wipes, so
 * that raw clones need no wrapper; and everything that must happen before the
 * program changes what it may do is here.
 */
#include "process.h"
#include "promise.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

#include "hints.h"
#include "own.h"
#include "record.h"
#include "report.h"
#include "site.h"
#include "sys.h"
#include "walk.h"

FA_HIDDEN __thread struct fa_thread_head *fa_self
	__attribute__((tls_model("initial-exec")));
FA_HIDDEN struct fa_fd *fa_fds;
FA_HIDDEN const uint32_t *fa_any_cold;
FA_HIDDEN bool fa_capture_all;
FA_HIDDEN struct fa_process *fa_process;
FA_HIDDEN struct fa_options fa_options;
FA_HIDDEN uint32_t fa_epoch, fa_directory;
FA_HIDDEN bool fa_off = true; /* until the constructor has run */
FA_HIDDEN bool fa_other_locks;
FA_HIDDEN bool fa_behind_filter;
FA_HIDDEN int fa_pid;

static pthread_key_t thread_key;
static uint64_t start_cycles, start_ns;
static uint64_t ns_per_2_32; /* nanoseconds in 2^32 cycles, 0: not known yet */

enum process_state { WIPED, STARTING, RUNNING };

/* ---- clock ---- */

/* Good enough to tell 2 µs from 100 µs until there is something to measure by. */
#define GUESS_HZ 3000000000U

static void calibrate(void)
{
	uint64_t cycles = fa_cycles() - start_cycles, ns = fa_sys_clock_ns() - start_ns;
	uint64_t hz = fa_cycles_hz();

	if (hz)
		ns_per_2_32 = (1000000000ULL << 32) / hz;
	else if (ns > 1000000 && cycles)
		ns_per_2_32 = (uint64_t)(((__uint128_t)ns << 32) / cycles);
}

FA_HIDDEN uint64_t fa_ns(uint64_t cycles)
{
	uint64_t rate = ns_per_2_32;

	if (fa_unlikely(!rate)) {
		calibrate();
		rate = ns_per_2_32 ? ns_per_2_32 : (1000000000ULL << 32) / GUESS_HZ;
	}
	return (uint64_t)(((__uint128_t)cycles * rate) >> 32);
}

/* ---- threads ---- */

static void thread_begin(struct fa_thread *t)
{
	t->tid = fa_sys_gettid();
	t->epoch = fa_epoch;
	t->attr.fd = -1;
	t->attention = FA_ATTENTION / 4;
	t->h.word = FA_T_READY;
}

static void thread_list(struct fa_thread *t)
{
	struct fa_thread *first = __atomic_load_n(&fa_process->threads, __ATOMIC_RELAXED);

	do
		t->next = first;
	while (!__atomic_compare_exchange_n(&fa_process->threads, &first, t, false,
					    __ATOMIC_RELEASE, __ATOMIC_RELAXED));
}

/* The block of a thread that has ended keeps its counters and its patterns. */
static struct fa_thread *thread_reuse(void)
{
	struct fa_thread *t = __atomic_load_n(&fa_process->threads, __ATOMIC_ACQUIRE);

	for (; t; t = t->next) {
		bool free = true;

		if (__atomic_compare_exchange_n(&t->free, &free, false, false,
						__ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			return t;
	}
	return NULL;
}

static struct fa_thread *thread_new(void)
{
	struct fa_thread *t = thread_reuse();

	if (!t) {
		t = fa_map_wiped(sizeof(*t));
		if (!t)
			return NULL;
		thread_list(t);
	}
	thread_begin(t);
	fa_self = &t->h;
	pthread_setspecific(thread_key, t);
	return t;
}

FA_HIDDEN void fa_thread_drop(struct fa_thread *t)
{
	fa_promise_lost(t);
	fa_chain_reset(t);
	fa_walk_forget(t);
	fa_readiness_release_all(t);
	fa_stream_reset(t);
	fa_ring_retire(t);
}

static void thread_ends(void *arg)
{
	struct fa_thread *t = arg;

	fa_self = NULL;
	/* Behind a filter not even gettid() is ours to call. */
	if (fa_off || t->h.word == FA_T_WIPED || t->tid != fa_sys_gettid())
		return;
	t->h.word = FA_T_BUSY;
	fa_thread_drop(t);
	t->closing = 0;
	t->closed = 0;
	__atomic_store_n(&t->free, true, __ATOMIC_RELEASE); /* pairs with thread_reuse() */
}

static void after_fork(void)
{
	uint32_t wiped = WIPED;

	if (!__atomic_compare_exchange_n(&fa_process->state, &wiped, STARTING, false,
					 __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return; /* another thread of the child is at it: pass through meanwhile */
	fa_pid = fa_sys_getpid();
	fa_own_drop(FA_OWN_WAKE); /* the parent's */
	fa_process->forked = true;
	fa_record_forked();
	__atomic_store_n(&fa_process->state, RUNNING, __ATOMIC_RELEASE);
}

/* Another task may be running on this thread's storage: which one is this? */
static bool shared_parent(struct fa_thread *t)
{
	if (fa_sys_gettid() != t->tid)
		return false;
	if (t->shared_until_parent)
		t->h.word = FA_T_READY;
	return true;
}

FA_HIDDEN struct fa_thread_head *fa_enter_slow(void)
{
	struct fa_thread_head *h = fa_self;
	struct fa_thread *t = fa_thread_of(h);

	if (fa_unlikely(fa_process->state != RUNNING))
		after_fork();
	if (fa_process->state != RUNNING)
		return NULL;
	if (!t) {
		t = thread_new();
	} else if (h->word == FA_T_WIPED) {
		/* A signal handler's call below this one must not list it again. */
		__atomic_store_n(&h->word, FA_T_BUSY, __ATOMIC_RELAXED);
		__atomic_signal_fence(__ATOMIC_SEQ_CST);
		thread_list(t);
		thread_begin(t);
	} else if (h->word != FA_T_SHARED || !shared_parent(t)) {
		return NULL;
	}
	if (!t)
		return NULL;
	t->h.n[FA_N_calls]++;
	return &t->h;
}

FA_HIDDEN void fa_storage_shared(bool until_parent_runs)
{
	struct fa_thread *t = fa_thread_of(fa_enter());

	if (!t || t->h.word != FA_T_READY)
		return;
	t->shared_until_parent = until_parent_runs;
	t->h.word = FA_T_SHARED;
}

/* ---- privileges, filters, limits ---- */

FA_HIDDEN void fa_directory_changes(void)
{
	__atomic_add_fetch(&fa_directory, 1, __ATOMIC_RELAXED);
}

#define PATIENCE 20000 /* of 50 µs: a second */

/* Ends all that the thread has started, or gives up when patience does. */
static void quiesce(struct fa_thread *t, unsigned *patience)
{
	if (t->ring.broken)
		fa_thread_drop(t); /* what was lost never ends */
	while ((!fa_chain_drop_all(t) || !fa_ring_idle(t)) && *patience) {
		fa_sys_sleep_us(50);
		--*patience;
	}
}

/* The thread has no ring any more, nor anything on one. */
static void retire(struct fa_thread *t)
{
	unsigned patience = PATIENCE;

	quiesce(t, &patience);
	fa_thread_drop(t);
	__atomic_store_n(&t->closing, 0, __ATOMIC_RELEASE);
}

FA_HIDDEN void fa_privileges_changed(void)
{
	/* Another thread may have started something since, still with the old ones. */
	__atomic_add_fetch(&fa_epoch, 1, __ATOMIC_RELEASE);
}

FA_HIDDEN void fa_privilege_changes(bool for_good)
{
	struct fa_thread *t = fa_thread_of(fa_enter());

	fa_settle_all();
	fa_privileges_changed();
	if (!t)
		return;
	if (for_good && (fa_process->had_ring || fa_threaded()))
		fa_process->in_line = true;
	if (!fa_busy(t))
		return;
	retire(t);
	fa_hints_private();
	fa_ready(t);
}

static bool thread_inside(struct fa_thread *t)
{
	return __atomic_load_n(&t->h.word, __ATOMIC_ACQUIRE) == FA_T_BUSY &&
	       !__atomic_load_n(&t->free, __ATOMIC_ACQUIRE);
}

FA_HIDDEN void fa_filter_coming(void)
{
	struct fa_thread *self = fa_thread_of(fa_enter());

	if (!self) {
		/* The child of a vfork filters only itself; else nothing may go on. */
		if (!fa_self || fa_self->word != FA_T_SHARED)
			fa_off = true;
		return;
	}
	fa_settle_all();
	fa_fallback(self, FA_F_filter);
	retire(self);
	/* The last word of this process: later a write() may be its end. */
	fa_process->ended = true;
	if (fa_recording)
		fa_record_end(self);
	fa_stats_write();
	__atomic_store_n(&fa_off, true, __ATOMIC_SEQ_CST);
	/*
	 * A thread inside the runtime is let finish, a second at most. Twice: it
	 * may have looked at fa_off just before.
	 */
	for (unsigned round = 0; round < 2; round++) {
		unsigned patience = 1000;

		for (struct fa_thread *t = fa_process->threads; t; t = t->next) {
			for (; patience && thread_inside(t) && t != self; patience--)
				fa_sys_sleep_us(1000);
			__atomic_store_n(&t->h.word, FA_T_OFF, __ATOMIC_RELEASE);
		}
		if (fa_threaded() && round == 0)
			fa_sys_sleep_us(1000);
	}
}

FA_HIDDEN void fa_nproc_falls(void)
{
	struct fa_thread *t;

	if (!fa_options.prespawn || !fa_starts())
		return;
	t = fa_thread_of(fa_enter());
	if (t && fa_busy(t)) {
		fa_prespawn(t);
		fa_ready(t);
	}
}

/*
 * Only a ring's owner can see what has ended on it. Closes of other threads are
 * taken to have ended 100 ms after the last was submitted; from the first call
 * that must know, a process with threads starts none.
 */
static bool others_closed(const struct fa_thread *self)
{
	uint64_t now = fa_cycles();

	for (struct fa_thread *t = fa_process->threads; t; t = t->next)
		if (t != self && __atomic_load_n(&t->closing, __ATOMIC_ACQUIRE) &&
		    fa_ns(now - __atomic_load_n(&t->closed, __ATOMIC_RELAXED)) < 100000000)
			return false;
	return true;
}

/* Waits, a second at most, until no close of the process is on its way. */
static void wait_for_closes(struct fa_thread *t)
{
	unsigned patience = PATIENCE;

	if (fa_threaded())
		fa_process->in_line = true;
	quiesce(t, &patience);
	while (!others_closed(t) && patience) {
		fa_sys_sleep_us(50);
		patience--;
	}
}

FA_HIDDEN void fa_drain(void)
{
	struct fa_thread *t = fa_thread_of(fa_enter());

	fa_touch();
	if (!t || !fa_busy(t))
		return;
	fa_walk_disturbed(t);
	/* A file held open would be kept under another name by NFS and FUSE. */
	wait_for_closes(t);
	/* A worker lets go of the file just after it has posted the completion. */
	if (t->closed && fa_ns(fa_cycles() - t->closed) < 100000000)
		fa_sys_sleep_us(200);
	fa_ready(t);
}

FA_HIDDEN void fa_locks(bool posix)
{
	struct fa_thread *t;

	fa_touch();
	if (!posix) {
		fa_other_locks = true;
		return;
	}
	/* The end of a close takes all POSIX locks of its file away, new ones too. */
	t = fa_thread_of(fa_enter());
	if (!t || !fa_busy(t))
		return;
	wait_for_closes(t);
	fa_ready(t);
}

FA_HIDDEN bool fa_on_loan(void)
{
	return fa_self && fa_self->word == FA_T_SHARED &&
	       fa_thread_of(fa_self)->tid != fa_sys_gettid();
}

/* ---- start and end ---- */

static bool named(const char *list, const char *name)
{
	size_t n = strlen(name);

	for (;; list++) {
		size_t len = strcspn(list, ",");

		if (len == n && !memcmp(list, name, n))
			return true;
		list += len;
		if (!*list)
			return false;
	}
}

static void find_name(void)
{
	unsigned long at = getauxval(AT_EXECFN);
	const char *path, *base;

	memcpy(&path, &at, sizeof(path));
	base = path ? strrchr(path, '/') : NULL;
	base = base ? base + 1 : path ? path : "?";
	strncpy(fa_program, base, sizeof(fa_program) - 1);
}

/* Where nothing may be called: room for the last line to say so. */
static struct fa_process filtered_process;
static struct fa_thread filtered_thread;

/*
 * Was a seccomp filter inherited? Asked with calls that the loader has just made
 * itself; the process id comes from the same page.
 */
static bool filtered(void)
{
	char buf[4096];
	const char *line;
	int fd = fa_sys_openat(AT_FDCWD, "/proc/self/status", O_RDONLY | O_CLOEXEC, 0);
	long n;

	if (fd < 0)
		return false;
	n = fa_sys_read(fd, buf, sizeof(buf) - 1);
	fa_sys_close(fd);
	buf[n < 0 ? 0 : n] = '\0';
	line = strstr(buf, "\nPid:\t");
	for (line = line ? line + 6 : ""; *line >= '0' && *line <= '9'; line++)
		fa_pid = fa_pid * 10 + (*line - '0');
	line = strstr(buf, "\nSeccomp:\t");
	return line && line[10] != '0';
}

static void stay_off(void)
{
	filtered_process.threads = &filtered_thread;
	filtered_process.state = RUNNING;
	fa_process = &filtered_process;
	fa_behind_filter = true;
	fa_fallback(&filtered_thread, FA_F_filter);
}

static int make_memory(void)
{
	fa_fds = fa_sys_mmap(NULL, FA_FDS * sizeof(*fa_fds), PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_NORESERVE);
	fa_process = fa_map_wiped(sizeof(*fa_process));
	fa_watches = fa_map_wiped(FA_FDS * sizeof(*fa_watches));
	if (!fa_fds || !fa_process || !fa_watches || fa_hints_make() < 0 ||
	    pthread_key_create(&thread_key, thread_ends) != 0)
		return -ENOMEM;
	fa_any_cold = &fa_hints->any_cold;
	return 0;
}

/* In this order: what a later step needs, an earlier one has. */
FA_HIDDEN void fa_process_starts(void)
{
	const char *allowed = "", *bad;
	bool filter;

	/* In a program with more rights than its caller the environment is not ours. */
	if (getauxval(AT_SECURE))
		return;
	find_name();
	bad = fa_options_parse(&fa_options, environ, &allowed);
	/* First: what the rest calls, a filter that was inherited may kill for. */
	fa_pid = 0;
	filter = !fa_options.ring && filtered();
	if (!fa_pid)
		fa_pid = fa_sys_getpid();
	/* The log before anything that may have something to say. */
	if (*fa_options.log)
		fa_own_open(FA_OWN_LOG, fa_options.log);
	if (bad) {
		fa_log(bad, "value not known; calls are passed through; allowed:");
		fa_log(bad, allowed);
		return;
	}
	if (fa_options.mode == FA_MODE_OFF ||
	    (*fa_options.only && !named(fa_options.only, fa_program)))
		return;
	if (*fa_options.stats && fa_own_open(FA_OWN_STATS, fa_options.stats) < 0)
		fa_log(fa_options.stats, "cannot be opened for appending; no statistics; "
					 "check FUSE_AIO_STATS");
	if (filter) {
		stay_off();
		return;
	}
	start_cycles = fa_cycles();
	start_ns = fa_sys_clock_ns();
	if (make_memory() < 0) {
		fa_log("no_memory", "mmap refused; calls are passed through");
		return;
	}
	if (fa_options.stacks && !fa_site_stacks())
		fa_log("FUSE_AIO_STACKS",
		       "libunwind.so.8 not found; return addresses are used; "
		       "install libunwind8");
	if (*fa_options.record) {
		bad = fa_record_start(fa_options.record);
		if (bad)
			fa_log(fa_options.record, bad);
	}
	fa_capture_all = fa_recording || fa_options.mode == FA_MODE_OBSERVE ||
			 fa_options.mode == FA_MODE_FUSE;
	fa_process->state = RUNNING;
	fa_off = false;
}

/*
 * What was opened ahead is closed now: a ring's files outlive its process for some
 * milliseconds, and somebody who waits for its end may want to unmount them.
 */
static void end_chains(void)
{
	struct fa_thread *t = fa_thread_of(fa_self);
	unsigned patience = PATIENCE;

	if (fa_off || !t || !t->ahead || !fa_busy(t))
		return;
	quiesce(t, &patience);
	fa_ready(t);
}

FA_HIDDEN void fa_process_ends(void)
{
	/* Behind an inherited filter nothing was called, and nothing is but write(). */
	bool ours = fa_behind_filter || fa_enter();

	if (!ours || !fa_process || fa_process->state != RUNNING)
		return;
	fa_promises_end();
	fa_process->no_promises = true; /* nothing of ours is called at the very end */
	if (fa_process->ended)
		return;
	fa_process->ended = true;
	end_chains();
	if (fa_recording && fa_self)
		fa_record_end(fa_thread_of(fa_self));
	fa_stats_write();
}
