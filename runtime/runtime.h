/* SPDX-License-Identifier: MIT
 *
 * The only door from the wrappers in preload/ into the runtime. What runs on
 * every call of a hot program is inline here and touches one thread-local word,
 * one counter and, for calls on a descriptor, one word of its state; the rest is
 * behind functions that only captured sequences reach.
 *
 * Rules for every function here: errno is left alone, nothing allocates through
 * libc, nothing prints, and a call that cannot be captured (library off, busy
 * below a signal handler, child of a vfork) is simply not captured.
 */
#ifndef FA_RUNTIME_H
#define FA_RUNTIME_H

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "arch.h"

struct statx;

#define fa_likely(x) __builtin_expect(!!(x), 1)
#define fa_unlikely(x) __builtin_expect(!!(x), 0)
#define FA_HIDDEN __attribute__((visibility("hidden")))

/* Classes of calls. The first ones are timed into the regime. */
enum fa_op {
#define OP(id, name) FA_##id,
#include "../include/fuse_aio_ops.def"
#undef OP
	FA_OPS,
	FA_TIMED_OPS = FA_REOPEN + 1
};

enum fa_counter {
#define COUNTER(id, help) FA_N_##id,
#include "../include/fuse_aio_counters.def"
#undef COUNTER
	FA_COUNTERS
};

/*
 * The state of a thread. Owner: that thread; others read the counters and the
 * ring's tails, and write `word` only through fa_retire(). The memory is wiped on
 * fork (MADV_WIPEONFORK), so a child finds FA_T_WIPED and starts clean.
 */
enum fa_thread_word {
	FA_T_WIPED,
	FA_T_READY,
	FA_T_BUSY,   /* inside the runtime: a signal handler passes through */
	FA_T_SHARED, /* another task runs on this thread-local storage: compare tids */
	FA_T_OFF
};

struct fa_thread_head {
	uint32_t word;
	uint32_t skip;	   /* opens and stats to pass by before one is looked at */
	uint32_t chains;   /* chains that an open might adopt */
	uint32_t listings; /* directories whose names may come next */
	uint32_t held;	   /* descriptors of which events are held back */
	uint32_t heard;	   /* times that something may have been told to the program */
	uint32_t tick;	   /* opens and stats looked at */
	uint32_t promise;  /* FA_P_* */
	uint32_t touched;  /* times that something else than a promise was made */
	uint64_t looked;   /* calls looked at: the others passed through */
	uint64_t n[FA_COUNTERS];
};

extern __thread struct fa_thread_head *fa_self FA_HIDDEN
	__attribute__((tls_model("initial-exec")));

/*
 * What is known of a captured descriptor: hints only. Whoever acts on one checks
 * the descriptor itself first, so a number that was reused behind our back costs
 * nothing but the hint. Threads race on it freely; `flags` is the word that says
 * whether the rest means anything.
 */
struct fa_fd {
	uint32_t flags;	     /* FA_FD_*, 0: not captured */
	uint32_t steps;	     /* calls on it so far */
	uint64_t site;	     /* of the open */
	uint64_t signature;  /* 4 bits a step, repeats collapsed */
	uint64_t opened;     /* cycles when the open returned */
	uint64_t bytes;	     /* read or sent so far */
	uint64_t dev, ino;   /* 0: not known */
	uint32_t file;	     /* its identifier in the recording, 0: none */
	uint64_t at[FA_OPS]; /* last return address per class */
	uint64_t cycles[FA_OPS];
	uint64_t resident, resident_to; /* bytes that a read of ours has found in memory */
	uint64_t ahead;			/* bytes asked for in front of a reader */
	uint64_t put_off;		/* offset + 1 of the last sendfile that was */
	uint64_t position;		/* with FA_FD_POSITION */
	uint64_t size; /* while the thread's `touched` is what it was then */
	uint32_t size_at;
	uint32_t born;	      /* count of forks when it was opened */
	uint16_t stream;      /* index + 1 of the window on its way */
	uint8_t window_steps; /* its size */
};

#define FA_FD_CAPTURED (1U << 0)
#define FA_FD_COLD (1U << 1)   /* regular, read only, and its open waited */
#define FA_FD_WINDOW (1U << 2) /* a window was started and not yet touched */
#define FA_FD_WAITED (1U << 3) /* a sendfile of it could not go on at once */

#define FA_FD_READER (1U << 4)	/* opened read-only here */
#define FA_FD_REGULAR (1U << 5) /* a regular file, and its size has been seen */
#define FA_FD_POSITION (1U << 6)
#define FA_FD_OWED (1U << 7)	 /* the kernel's position is behind */
#define FA_FD_PROMISED (1U << 8) /* some of it is queued to be sent */
#define FA_FD_CLOSING (1U << 9)	 /* and its close: for the program it is closed */
#define FA_FD_PLAIN (1U << 10)	 /* the ring is no place to read it */
#define FA_FD_SENT (1U << 11)	 /* some of it was sent, plainly or not */

#define FA_FDS 16384U

extern struct fa_fd *fa_fds FA_HIDDEN;	      /* FA_FDS entries, NULL while off */
extern const uint32_t *fa_any_cold FA_HIDDEN; /* how many (device, op) are cold */
extern bool fa_off FA_HIDDEN;		      /* not started, or for good */
extern bool fa_capture_all FA_HIDDEN;	      /* observe, or recording */
extern bool fa_recording FA_HIDDEN;	      /* see record.h */

/* One call on its way through a wrapper. */
struct fa_call {
	struct fa_thread_head *t; /* NULL: not captured */
	uint64_t start;		  /* cycles, 0: not timed */
	uint64_t site;
	const char *path;
	struct fa_fd *f;
	uint64_t dev; /* of what is being closed, 0: not known */
	int fd;	      /* or directory */
	int flags;
	uint32_t file; /* in the recording, of what is being closed */
	bool cold;     /* what is being closed is a reader's, and has waited */
	bool foreseen; /* a stat for which something was started, */
	bool ready;    /* and has ended */
	uint32_t walk; /* directory that is walked through (walk.h), and which name */
	uint32_t name; /* of it this is; 0: of none that is known */
};

/* What identifies a file, with the time that any change to it moves. */
struct fa_identity {
	uint64_t dev, ino;
	int64_t ctime_s;
	uint32_t ctime_ns;
};

/* What a stat of a path has told. */
struct fa_seen {
	struct fa_identity file;
	uint64_t size;
	uint32_t mode;
};

static inline void fa_touch(void);

struct fa_thread_head *fa_enter_slow(void) FA_HIDDEN;
int fa_open_touch(struct fa_call *c) FA_HIDDEN;
bool fa_stat_touch(struct fa_call *c, struct stat *st, bool follow) FA_HIDDEN;
void fa_opened(struct fa_call *c, int fd) FA_HIDDEN;
void fa_statted(struct fa_call *c, const struct fa_seen *seen) FA_HIDDEN;
bool fa_fstat_touch(struct fa_call *c, struct stat *st) FA_HIDDEN;
void fa_fd_touch(struct fa_call *c, enum fa_op op) FA_HIDDEN;
void fa_fd_done(struct fa_call *c, enum fa_op op, int64_t result) FA_HIDDEN;
int fa_close_touch(struct fa_call *c) FA_HIDDEN;
void fa_closed(struct fa_call *c) FA_HIDDEN;

/* The thread, or NULL when this call is not ours to look at. */
static inline struct fa_thread_head *fa_enter(void)
{
	struct fa_thread_head *t;

	if (fa_unlikely(fa_off))
		return NULL;
	t = fa_self;
	if (fa_likely(t && t->word == FA_T_READY)) {
		t->n[FA_N_calls]++;
		return t;
	}
	return fa_enter_slow();
}

static inline struct fa_fd *fa_fd_slot(int fd)
{
	return (unsigned)fd < FA_FDS ? &fa_fds[fd] : NULL;
}

/*
 * May a call on this descriptor go straight through? Then the wrapper ends in a
 * jump to the real function: a frame of ours would cost a mispredicted return
 * behind every system call.
 */
static inline bool fa_pass_fd(int fd)
{
	struct fa_thread_head *t = fa_self;

	if (fa_unlikely(fa_off))
		return true;
	if (fa_unlikely(!t || t->word != FA_T_READY))
		return false;
	if ((unsigned)fd < FA_FDS && fa_unlikely(fa_fds[fd].flags))
		return false;
	t->n[FA_N_calls]++;
	return true;
}

/*
 * The same for an open or a stat. While everything is hot one in 16 is looked at,
 * and all of the first ones and for a while after one that waited.
 */
static inline bool fa_pass_path(void)
{
	struct fa_thread_head *t = fa_self;

	if (fa_unlikely(fa_off))
		return true;
	if (fa_unlikely(!t || t->word != FA_T_READY || t->chains || !t->skip ||
			t->promise || *fa_any_cold || fa_capture_all))
		return false;
	t->skip--;
	t->n[FA_N_calls]++;
	return true;
}

/*
 * Before an open. Returns the descriptor when a chain had opened this file
 * already, else -1: do the call and hand its result to fa_open_end().
 */
static inline int fa_open_begin(struct fa_call *c, int dirfd, const char *path, int flags,
				const void *site)
{
	c->t = fa_enter();
	c->start = 0;
	if (fa_likely(c->t)) {
		fa_touch();
		c->site = (uintptr_t)site;
		c->fd = dirfd;
		c->path = path;
		c->flags = flags;
		c->walk = 0;
		if (c->t->chains | c->t->listings) {
			int fd = fa_open_touch(c);

			if (fd >= 0)
				return fd;
		}
		c->start = fa_cycles();
	}
	return -1;
}

static inline int fa_open_end(struct fa_call *c, int fd)
{
	if (c->start)
		fa_opened(c, fd);
	return fd;
}

void fa_stat_failed_slow(struct fa_call *c) FA_HIDDEN;

static inline void fa_stat_failed(struct fa_call *c)
{
	if (fa_unlikely(fa_recording))
		fa_stat_failed_slow(c);
}

/*
 * Before a stat of a path. True: settled, *st is filled. `st` is NULL where only
 * the plain call will do.
 */
static inline bool fa_stat_begin(struct fa_call *c, int dirfd, const char *path,
				 struct stat *st, bool follow, const void *site)
{
	c->t = fa_enter();
	c->start = 0;
	if (fa_likely(c->t)) {
		c->site = (uintptr_t)site;
		c->fd = dirfd;
		c->path = path;
		c->foreseen = c->ready = false;
		c->walk = 0;
		if (c->t->chains | c->t->listings && fa_stat_touch(c, st, follow))
			return true;
		c->start = fa_cycles();
	}
	return false;
}

/* After a stat of a path; `st` is read only when it succeeded. */
static inline int fa_stat_end(struct fa_call *c, int r, const struct stat *st)
{
	if (fa_likely(!c->start))
		return r;
	if (r != 0)
		fa_stat_failed(c);
	else
		fa_statted(c, &(struct fa_seen){ .file = { st->st_dev, st->st_ino,
							   st->st_ctim.tv_sec,
							   (uint32_t)st->st_ctim.tv_nsec },
						 .size = (uint64_t)st->st_size,
						 .mode = st->st_mode });
	return r;
}

/* The same for statx, after success. */
void fa_statx_end(struct fa_call *c, const struct statx *stx) FA_HIDDEN;

/* Before a call on a descriptor. True: it belongs to a captured sequence. */
static inline bool fa_fd_begin(struct fa_call *c, int fd, const void *site)
{
	c->t = fa_enter();
	c->f = NULL;
	c->start = 0;
	if (fa_likely(c->t)) {
		struct fa_fd *f = fa_fd_slot(fd);

		if (f && fa_unlikely(f->flags)) {
			c->f = f;
			c->fd = fd;
			c->site = (uintptr_t)site;
			return true;
		}
	}
	return false;
}

/* Before and after any call on a descriptor but fstat and close. */
static inline void fa_use_begin(struct fa_call *c, int fd, enum fa_op op, const void *site)
{
	if (fa_fd_begin(c, fd, site))
		fa_fd_touch(c, op);
}

static inline int64_t fa_use_end(struct fa_call *c, enum fa_op op, int64_t result)
{
	if (fa_unlikely(c->f))
		fa_fd_done(c, op, result);
	return result;
}

/* True: settled, *st is filled. False: do the call, then fa_use_end(FA_FSTAT). */
static inline bool fa_fstat_begin(struct fa_call *c, int fd, struct stat *st,
				  const void *site)
{
	return fa_fd_begin(c, fd, site) && fa_fstat_touch(c, st);
}

/*
 * A sendfile of a captured file: how many bytes of the `n` to ask for, 0: answer
 * EAGAIN. Afterwards, what became of it.
 */
size_t fa_send_touch(struct fa_call *c, int to, const off_t *offset, size_t n) FA_HIDDEN;
void fa_send_end(struct fa_call *c, int to, size_t n, size_t some, int64_t sent) FA_HIDDEN;

/* ---- directory streams: see dirstream.h ---- */

struct dirent;

/* How many are read by the runtime. */
extern uint32_t fa_dirstreams FA_HIDDEN;

/* Around the opening of one, `path` as for opendir(), else NULL. */
void fa_dir_opened(struct fa_call *c, const void *dir, int fd, const char *path) FA_HIDDEN;
void fa_dir_failed(struct fa_call *c, const char *path) FA_HIDDEN;

static inline bool fa_dir_begin(struct fa_call *c, const void *site)
{
	c->t = fa_enter();
	c->site = (uintptr_t)site;
	c->fd = AT_FDCWD;
	c->start = c->t ? fa_cycles() : 0;
	return c->t;
}

/* After a readdir() that began at `start` cycles. */
void fa_dir_done_slow(uint64_t start, const void *site) FA_HIDDEN;

static inline void fa_dir_done(uint64_t start, const void *site)
{
	if (fa_unlikely(fa_recording))
		fa_dir_done_slow(start, site);
}

/*
 * What readdir(), telldir() and seekdir() would do. False: it is libc's stream.
 * *error is an errno, 0 at the end.
 */
bool fa_dir_read(const void *dir, struct dirent **entry, int *error) FA_HIDDEN;
bool fa_dir_tell(const void *dir, int64_t *told) FA_HIDDEN;
bool fa_dir_seek(const void *dir, int64_t to) FA_HIDDEN;

/* A descriptor was duplicated: it may be a directory's whose names are known. */
void fa_duplicated(int fd, int to) FA_HIDDEN;

/* It is about to be closed. */
void fa_dir_closed_slow(const void *dir) FA_HIDDEN;

static inline void fa_dir_closed(const void *dir)
{
	if (fa_unlikely(fa_dirstreams))
		fa_dir_closed_slow(dir);
}

int fa_own_guard(int fd) FA_HIDDEN; /* EBADF when the descriptor is ours, else 0 */
extern int fa_own_lowest FA_HIDDEN; /* the library's own descriptors are >= this */

/* Before a close. 0: closed. Negative: do the call. Positive: the errno to fail with. */
static inline int fa_close_begin(struct fa_call *c, int fd, const void *site)
{
	c->f = NULL;
	if (fa_unlikely(fd >= fa_own_lowest)) {
		int e = fa_own_guard(fd);

		if (e)
			return e;
	}
	return fa_fd_begin(c, fd, site) ? fa_close_touch(c) : -1;
}

static inline int fa_close_end(struct fa_call *c, int r)
{
	if (fa_unlikely(c->f))
		fa_closed(c);
	return r;
}

/* Is it a file whose sequence is captured? */
static inline bool fa_captured(int fd)
{
	return fa_fds && (unsigned)fd < FA_FDS && fa_fds[fd].flags;
}

/* ---- promises: see promise.h ---- */

#define FA_P_OPEN 1U   /* files are open that may be sent */
#define FA_P_QUEUED 2U /* something was promised that has not gone to the kernel */
#define FA_P_FLIGHT 4U /* or is on its way to a peer that makes no room */
#define FA_P_ERROR 8U  /* a connection has an error to report */

struct iovec;

/* Has anything of promises to be thought of? Below a handler of ours: no. */
static inline bool fa_promising(void)
{
	const struct fa_thread_head *t = fa_self;

	return fa_unlikely(t && t->promise && t->word == FA_T_READY);
}

/*
 * Before a call that others may notice: all that was promised goes to the kernel. Or
 * before one that ends the thread's way, or blocks where nothing can be sent meanwhile:
 * until all of it has been sent.
 */
void fa_touch_slow(void) FA_HIDDEN;
void fa_settle_slow(void) FA_HIDDEN;

/* The same before the program ends: what cannot be sent within a minute is broken. */
void fa_promises_end(void) FA_HIDDEN;

static inline void fa_touch(void)
{
	if (fa_promising())
		fa_touch_slow();
}

static inline void fa_settle_all(void)
{
	if (fa_promising())
		fa_settle_slow();
}

/*
 * Only while fa_promising(). Before a send: true where it has been answered, with a
 * count or a negative errno, else the plain call follows.
 */
bool fa_promise_bytes(int fd, const struct iovec *iov, int count, int flags,
		      int64_t *result) FA_HIDDEN;
bool fa_promise_message(int fd, const void *message, int flags, int64_t *result) FA_HIDDEN;
bool fa_promise_file(int to, int from, off_t *offset, size_t n, const void *site,
		     int64_t *result) FA_HIDDEN;

/* Before a receive; `buf` is NULL where it cannot go along with a commit. */
bool fa_promise_receive(int fd, void *buf, size_t n, int flags, int64_t *result) FA_HIDDEN;

/* Before TCP_CORK is set: true where it has been noted. After a plain one. */
bool fa_promise_cork(int fd, const void *value, uint32_t len) FA_HIDDEN;
void fa_corked(int fd, const void *value) FA_HIDDEN;

/* Before an accept: 0, or the negative errno that it fails with. */
int fa_promise_accept(int fd) FA_HIDDEN;

/* Before a connection is closed. */
void fa_promise_closing(int fd) FA_HIDDEN;

/* SO_ERROR of a promised send. Forgets it. */
int fa_take_error(int fd) FA_HIDDEN;

/* Always: a connection was accepted, a descriptor gets flags, or goes to stdio or TLS. */
void fa_promise_accepted(int fd, int listener, int flags) FA_HIDDEN;
void fa_socket_flags(int fd, long flags) FA_HIDDEN;
void fa_forget_socket(int fd) FA_HIDDEN;
void fa_plain_from_now(int fd) FA_HIDDEN;

/* Has room in a connection ever been asked for? Then a plain send takes of it. */
extern bool fa_rooms FA_HIDDEN;
void fa_room_taken(int fd) FA_HIDDEN;

static inline void fa_sending_plainly(int fd)
{
	if (fa_unlikely(fa_rooms))
		fa_room_taken(fd);
}

/* A descriptor is about to have two numbers. */
void fa_duplicating(int fd) FA_HIDDEN;

/* Another process is about to share all descriptors, another thread all memory. */
void fa_promise_fork(void) FA_HIDDEN;
void fa_thread_coming(void) FA_HIDDEN;

void fa_promise_size(struct fa_call *c, const struct stat *st) FA_HIDDEN;

/* After an fstat. */
static inline int fa_fstat_end(struct fa_call *c, int r, const struct stat *st)
{
	if (fa_unlikely(c->f && c->f->flags & FA_FD_READER && r == 0))
		fa_promise_size(c, st);
	return (int)fa_use_end(c, FA_FSTAT, r);
}

/* ---- readiness: see readiness.h ---- */

struct epoll_event;
struct pollfd;

/* One descriptor, as it was registered; in memory that a fork wipes. */
struct fa_watch {
	uint32_t set;	   /* epoll set + 1, 0: none */
	uint32_t events;   /* registered */
	uint64_t data;	   /* registered */
	uint64_t since;	   /* cycles when it was first held */
	uint64_t listener; /* local address, 0: not asked yet */
	uint32_t born;	   /* an epoll set: count of forks + 1 when it was made */
	uint16_t at;	   /* its place in the thread's list of held ones */
	uint8_t held;	   /* FA_HELD_* */
	uint8_t flags;	   /* FA_WATCH_* */
	uint8_t odd;	   /* in a row, bytes that were no request */
	uint8_t tcp;	   /* FA_TCP_*, see promise.h */
	uint16_t error;	   /* of a promised send, which the next call reports */
	uint32_t room;	   /* bytes that surely fit into its send buffer */
	uint32_t accepted; /* count of forks + 1 then; 0: it may have another number */
};

extern struct fa_watch *fa_watches FA_HIDDEN; /* FA_FDS entries, NULL while off */

/* An epoll set was made, a descriptor was registered, changed or taken out. */
void fa_set_made(int set) FA_HIDDEN;
void fa_registered(int set, int op, int fd, const struct epoll_event *ev) FA_HIDDEN;

/* A connection was accepted: some programs read it before they wait for it. */
void fa_accepted(int fd) FA_HIDDEN;

/* The descriptor is about to be closed or replaced. */
void fa_forget_watch_slow(int fd) FA_HIDDEN;

static inline void fa_forget_watch(int fd)
{
	const struct fa_watch *w =
		fa_watches && (unsigned)fd < FA_FDS ? &fa_watches[fd] : NULL;

	if (w && fa_unlikely(w->set | w->born | w->flags | w->tcp))
		fa_forget_watch_slow(fd);
}

/* Another program is about to take over the process: it knows of no held event. */
void fa_exec_coming(void) FA_HIDDEN;

/* A child is about to inherit the epoll sets. */
void fa_sets_inherited(void) FA_HIDDEN;

/* A connection is read while its event is held, or before any was reported. */
bool fa_recv_touch_slow(int fd) FA_HIDDEN;

/* The program has learned by other means that a connection has something to read. */
void fa_recv_told(int fd) FA_HIDDEN;

/*
 * The program is about to learn something, from another program perhaps: what was
 * looked ahead before may be out of date then on a file system that others change.
 */
static inline void fa_heard(void)
{
	struct fa_thread_head *t = fa_self;

	if (t && fa_unlikely(t->chains))
		t->heard++;
}

/* Before a read of a connection. True: answer EAGAIN, an event will follow. */
static inline bool fa_recv_touch(int fd)
{
	const struct fa_thread_head *t = fa_self;
	const struct fa_watch *w;

	if (fa_likely(fa_off || !t || t->word != FA_T_READY ||
		      (!*fa_any_cold && !t->held) || (unsigned)fd >= FA_FDS))
		return false;
	if (!fa_fds[fd].flags)
		fa_heard();
	w = &fa_watches[fd];
	return (w->set | w->flags) && fa_recv_touch_slow(fd);
}

/* May a wait for readiness go straight through? */
static inline bool fa_pass_wait(void)
{
	struct fa_thread_head *t = fa_self;

	fa_touch();
	return fa_likely(
		fa_off || !t || t->word != FA_T_READY ||
		(!*fa_any_cold && !t->held && !t->chains && !(t->promise & FA_P_FLIGHT)));
}

/* A wait on its way through a wrapper. */
struct fa_wait {
	struct fa_thread_head *t;
	bool limited;
	int64_t ns;	   /* if limited */
	uint64_t began;	   /* cycles */
	uint64_t deadline; /* ns of CLOCK_MONOTONIC_RAW; 0: not asked for yet */
	const void *mask;  /* sigset_t, or NULL */
};

#define FA_WAIT_BAD INT64_MIN /* a time that the kernel will refuse */

/*
 * Before a wait of `ns` nanoseconds (-1: no limit, or FA_WAIT_BAD). True: the real call
 * is to be made, and its result given to the end; false: the end waits.
 */
bool fa_wait_begin(struct fa_wait *w, int64_t ns, const void *mask) FA_HIDDEN;

/* After it: what the program gets, a count or a negative errno. */
int fa_epoll_end(struct fa_wait *w, int set, struct epoll_event *events, int max,
		 int n) FA_HIDDEN;
int fa_poll_end(struct fa_wait *w, struct pollfd *fds, unsigned long count,
		int n) FA_HIDDEN;

/*
 * select, all of it, for its arguments are overwritten by the call. False: the
 * plain call is to be made.
 */
bool fa_select_wait(struct fa_wait *w, int count, void *in, void *out, void *except,
		    int *result) FA_HIDDEN;

/* Copies what a pointer of the program's shows. False: it is bad. */
bool fa_wait_read(void *to, const void *from, size_t n) FA_HIDDEN;
void fa_wait_write(void *to, const void *from, size_t n) FA_HIDDEN;

/* Nanoseconds that are left of a limited wait. */
int64_t fa_wait_left(struct fa_wait *w) FA_HIDDEN;

/* The number `fd` is about to be replaced or has been closed by other means. */
void fa_forget_fds(unsigned first, unsigned last) FA_HIDDEN;

/* Make room at `fd` if one of the library's own descriptors is there (dup2). */
void fa_own_yield(int fd) FA_HIDDEN;

/* Calls action(first, last) for every part of the range that is not ours. */
int fa_own_split(unsigned first, unsigned last, int (*action)(unsigned, unsigned, int),
		 int flags) FA_HIDDEN;

/* The working directory changes: what was opened ahead may mean something else. */
void fa_directory_changes(void) FA_HIDDEN;

/* Names are about to go: wait until no close of ours is on its way (1 s at most). */
void fa_drain(void) FA_HIDDEN;

/*
 * Before and after any change of credentials, root, namespace: contract 6.
 * `for_good`: or one after which the kernel's workers would see other files.
 */
void fa_privilege_changes(bool for_good) FA_HIDDEN;
void fa_privileges_changed(void) FA_HIDDEN;

/* Is this the child of a vfork, on its parent's memory? */
bool fa_on_loan(void) FA_HIDDEN;

/* Before a seccomp filter takes effect: off for good, in all threads. */
void fa_filter_coming(void) FA_HIDDEN;

/* Before RLIMIT_NPROC is set. */
void fa_nproc_falls(void) FA_HIDDEN;

/* Before the process takes a lock. `posix`: goes with any close, else with the last. */
void fa_locks(bool posix) FA_HIDDEN;

/* Something will run on this thread's storage beside it: vfork and raw clones. */
void fa_storage_shared(bool until_parent_runs) FA_HIDDEN;

/* The process ends: write the statistics line, once. */
void fa_process_ends(void) FA_HIDDEN;

/* A pipe was made: libunwind's, while it starts, is moved out of the program's way. */
void fa_pipe_made(int fds[2]) FA_HIDDEN;

/* Start-up, from the constructor. */
void fa_process_starts(void) FA_HIDDEN;

#endif
