/* SPDX-License-Identifier: MIT
 *
 * Does the ring work as the library uses it? It is made with the same flags, opens a
 * file and looks it up in a worker, and installs the descriptor; all in a child. What
 * the kernel can do is never told from its version.
 */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "doctor.h"

/* Newer than some systems' headers. */
#define SETUP_NO_MMAP (1U << 14)
#define SETUP_REGISTERED_FD_ONLY (1U << 15)
#define SETUP_NO_SQARRAY (1U << 16)
#define REGISTER_BY_INDEX (1U << 31)
#define OP_FIXED_FD_INSTALL 54

#define ENTRIES 8
#define PAGE 4096
#define LIMIT_S 2 /* for one operation */

enum step { SET_UP, REGISTER, OPEN, LOOK_UP, INSTALL, STEPS };

#define NOT_REACHED 1

/* 0, -errno or NOT_REACHED */
struct trial {
	int result[STEPS];
};

struct ring {
	long index;
	char *memory;
	struct io_uring_sqe *sqes;
	struct io_uring_params p;
};

static uint32_t *word(const struct ring *r, uint32_t offset)
{
	return (uint32_t *)(void *)(r->memory + offset);
}

static int set_up(struct ring *r)
{
	uint64_t rings, sqes;

	r->memory = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (r->memory == MAP_FAILED)
		return -errno;
	r->sqes = (struct io_uring_sqe *)(void *)(r->memory + PAGE);
	memset(&r->p, 0, sizeof(r->p));
	r->p.flags = SETUP_NO_MMAP | SETUP_REGISTERED_FD_ONLY | SETUP_NO_SQARRAY |
		     IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN |
		     IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL;
	rings = (uintptr_t)r->memory;
	sqes = (uintptr_t)r->sqes;
	/* user_addr, called resv2 in older headers */
	memcpy((char *)&r->p.cq_off + sizeof(r->p.cq_off) - 8, &rings, 8);
	memcpy((char *)&r->p.sq_off + sizeof(r->p.sq_off) - 8, &sqes, 8);
	r->index = syscall(SYS_io_uring_setup, ENTRIES, &r->p);
	return r->index < 0 ? -errno : 0;
}

/* The table that direct descriptors are opened into. */
static int register_files(const struct ring *r)
{
	struct io_uring_rsrc_register files = { .nr = 1,
						.flags = IORING_RSRC_REGISTER_SPARSE };
	long e = syscall(SYS_io_uring_register, r->index,
			 IORING_REGISTER_FILES2 | REGISTER_BY_INDEX, &files, sizeof(files));

	return e < 0 ? -errno : 0;
}

/* Submits the entry and waits for it; its result. */
static int32_t perform(const struct ring *r, const struct io_uring_sqe *entry)
{
	struct __kernel_timespec ts = { LIMIT_S, 0 };
	struct io_uring_getevents_arg arg = { .ts = (uintptr_t)&ts };
	uint32_t *tail = word(r, r->p.sq_off.tail), *head = word(r, r->p.cq_off.head);
	struct io_uring_cqe *cqes = (void *)(r->memory + r->p.cq_off.cqes);
	int32_t result;

	r->sqes[*tail & (r->p.sq_entries - 1)] = *entry;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, r->index, 1, 1,
		    IORING_ENTER_REGISTERED_RING | IORING_ENTER_GETEVENTS |
			    IORING_ENTER_EXT_ARG,
		    &arg, sizeof(arg)) < 0)
		return errno == ETIME ? -ETIMEDOUT : -errno;
	if (__atomic_load_n(word(r, r->p.cq_off.tail), __ATOMIC_ACQUIRE) == *head)
		return -ETIMEDOUT;
	result = cqes[*head & (r->p.cq_entries - 1)].res;
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	return result;
}

static int operate(const struct ring *r, int result[STEPS])
{
	static const char path[] = "/proc/self/exe";
	struct io_uring_sqe sqe = { 0 };
	struct statx stx = { 0 };
	struct stat st;
	int32_t e;

	io_uring_prep_openat_direct(&sqe, AT_FDCWD, path, O_RDONLY, 0, 0);
	sqe.flags |= IOSQE_ASYNC;
	e = perform(r, &sqe);
	result[OPEN] = e < 0 ? e : 0;
	if (e < 0)
		return e;
	memset(&sqe, 0, sizeof(sqe));
	io_uring_prep_statx(&sqe, AT_FDCWD, path, 0, STATX_BASIC_STATS, &stx);
	sqe.flags |= IOSQE_ASYNC;
	e = perform(r, &sqe);
	result[LOOK_UP] = e < 0 ? e : 0;
	if (e < 0)
		return e;
	memset(&sqe, 0, sizeof(sqe));
	sqe.opcode = OP_FIXED_FD_INSTALL;
	sqe.flags = IOSQE_FIXED_FILE;
	e = perform(r, &sqe);
	if (e >= 0 && (fstat(e, &st) < 0 || st.st_ino != stx.stx_ino))
		e = -EBADF;
	result[INSTALL] = e < 0 ? e : 0;
	return e;
}

static void try_ring(void *shared)
{
	struct trial *t = shared;
	struct ring r;

	t->result[SET_UP] = set_up(&r);
	if (t->result[SET_UP] < 0)
		return;
	t->result[REGISTER] = register_files(&r);
	if (t->result[REGISTER] == 0)
		operate(&r, t->result);
}

/* ---- what it means ---- */

#define REST "Without it only pages of open files are read ahead."

static const char *advice(enum step step, int e)
{
	switch (e) {
	case -ENOSYS:
	case -EINVAL:
		return "It needs Linux 6.8 or newer. " REST;
	case -EPERM:
	case -EACCES:
		return "See sysctl and seccomp above. " REST;
	case -ENOMEM:
		return "Raise the limit on locked memory (ulimit -l). " REST;
	case -EMFILE:
		return "Raise the limit on descriptors (ulimit -n). " REST;
	case -ETIMEDOUT:
	case -EAGAIN:
	case -ECANCELED:
		return "The kernel could make no worker: raise RLIMIT_NPROC (ulimit "
		       "-u). " REST;
	default:
		return step == INSTALL ? "It needs Linux 6.8 or newer. " REST : REST;
	}
}

static void tell_step(struct doctor *d, const struct trial *t, enum step step)
{
	static const struct {
		const char *what, *works, *does;
	} text[STEPS] = {
		[SET_UP] = { "ring", "io_uring with all flags that the library uses",
			     "io_uring_setup" },
		[REGISTER] = { "ring", NULL, "io_uring_register" },
		[OPEN] = { "worker", NULL, "opening a file in a worker of the ring" },
		[LOOK_UP] = { "worker", "opens and looks up files for the ring",
			      "looking a file up in a worker of the ring" },
		[INSTALL] = { "install", "what was opened ahead becomes a descriptor",
			      "FIXED_FD_INSTALL" },
	};
	int e = t->result[step];

	if (e < 0)
		doctor_say(d, WARN, text[step].what, advice(step, e), "%s: %s",
			   text[step].does, strerror(-e));
	else if (e == 0 && text[step].works)
		doctor_say(d, OK, text[step].what, NULL, "%s", text[step].works);
}

void check_ring(struct doctor *d)
{
	struct trial *t;
	int status;

	if (!doctor_may_try())
		return;
	t = doctor_shared(sizeof(*t));
	if (!t) {
		doctor_say(d, WARN, "ring", NULL, "not tried: mmap: %s", strerror(errno));
		return;
	}
	for (unsigned i = 0; i < STEPS; i++)
		t->result[i] = NOT_REACHED;
	status = doctor_try(try_ring, t, 1000 * (LIMIT_S * 3 + 1));
	for (unsigned i = 0; i < STEPS; i++)
		tell_step(d, t, i);
	if (status < 0)
		doctor_say(d, WARN, "ring", REST, "not tried to its end: %s",
			   strerror(-status));
	else if (WIFSIGNALED(status))
		doctor_say(d, BAD, "ring",
			   "The filter kills who uses a ring: leave FUSE_AIO_RING unset.",
			   "trying it ended with signal %d (%s)", WTERMSIG(status),
			   strsignal(WTERMSIG(status)));
	munmap(t, sizeof(*t));
}
