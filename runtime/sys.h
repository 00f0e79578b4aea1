/* SPDX-License-Identifier: MIT
 *
 * The system calls that the runtime makes itself, raw: an interposable libc
 * function called from here would come back to us. All return -errno on failure
 * and leave errno alone. This is also the one place with kernel constants that
 * the distribution's headers may be too old for.
 */
#ifndef FA_SYS_H
#define FA_SYS_H

#include <errno.h>
#include <fcntl.h>
#include <linux/stat.h>
#include <linux/time_types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "arch.h"

/* Newer than the headers of Debian 12 (Linux 6.1). */
#define FA_SETUP_NO_MMAP (1U << 14)	       /* Linux 6.5 */
#define FA_SETUP_REGISTERED_FD_ONLY (1U << 15) /* Linux 6.5 */
#define FA_SETUP_NO_SQARRAY (1U << 16)	       /* Linux 6.6 */
#define FA_REGISTER_BY_INDEX (1U << 31)	       /* Linux 6.3 */
#define FA_OP_FIXED_FD_INSTALL 54	       /* Linux 6.8 */
#define FA_FIXED_FD_NO_CLOEXEC (1U << 0)

#ifndef AT_STATX_FORCE_SYNC
#define AT_STATX_FORCE_SYNC 0x2000
#endif
#ifndef AT_STATX_DONT_SYNC
#define AT_STATX_DONT_SYNC 0x4000
#endif

#ifdef FA_FAKE_SYSCALLS
/* The unit tests stand between the runtime and the kernel (tests/unit/fake.c). */
long fa_fake_syscall(long n, long a, long b, long c, long d, long e, long f);
#define fa_kernel fa_fake_syscall
#else
#define fa_kernel fa_syscall6
#endif

#define FA_SYS(n, a, b, c, d, e, f) \
	fa_kernel((n), (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

static inline long fa_sys_statx(int dirfd, const char *path, int flags, unsigned mask,
				struct statx *stx)
{
	return FA_SYS(SYS_statx, dirfd, path, flags, mask, stx, 0);
}

static inline int fa_sys_openat(int dirfd, const char *path, int flags, unsigned mode)
{
	return (int)FA_SYS(SYS_openat, dirfd, path, flags, mode, 0, 0);
}

static inline int fa_sys_close(int fd)
{
	return (int)FA_SYS(SYS_close, fd, 0, 0, 0, 0, 0);
}

static inline long fa_sys_read(int fd, void *buf, size_t n)
{
	return FA_SYS(SYS_read, fd, buf, n, 0, 0, 0);
}

static inline long fa_sys_pread(int fd, void *buf, size_t n, uint64_t offset)
{
	return FA_SYS(SYS_pread64, fd, buf, n, offset, 0, 0);
}

/* As much as there is, up to `n` bytes: how many. */
static inline size_t fa_sys_pread_all(int fd, char *buf, size_t n, uint64_t offset)
{
	size_t done = 0;
	long r = 1;

	while (done < n && (r > 0 || r == -EINTR)) {
		r = fa_sys_pread(fd, buf + done, n - done, offset + done);
		done += r > 0 ? (size_t)r : 0;
	}
	return done;
}

/* Only if it need not wait; -EOPNOTSUPP where the file system cannot tell. */
static inline long fa_sys_pread_now(int fd, void *buf, size_t n)
{
	struct {
		void *base;
		size_t len;
	} iov = { buf, n };

	return FA_SYS(SYS_preadv2, fd, &iov, 1, 0, 0, 8 /* RWF_NOWAIT */);
}

static inline long fa_sys_write(int fd, const void *buf, size_t n)
{
	return FA_SYS(SYS_write, fd, buf, n, 0, 0, 0);
}

static inline int fa_sys_fcntl(int fd, int cmd, long arg)
{
	return (int)FA_SYS(SYS_fcntl, fd, cmd, arg, 0, 0, 0);
}

static inline int fa_sys_fadvise(int fd, int64_t offset, int64_t len, int advice)
{
	return (int)FA_SYS(SYS_fadvise64, fd, offset, len, advice, 0, 0);
}

/* NULL on failure. */
static inline void *fa_sys_mmap(void *at, size_t len, int prot, int flags)
{
	long r = FA_SYS(SYS_mmap, at, len, prot, flags | MAP_ANONYMOUS, -1, 0);

	return r < 0 && r > -4096 ? NULL : (void *)r;
}

/* A file, shared with all who map it. NULL on failure. */
static inline void *fa_sys_map_file(int fd, size_t len)
{
	long r = FA_SYS(SYS_mmap, 0, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return r < 0 && r > -4096 ? NULL : (void *)r;
}

static inline long fa_sys_readlinkat(int dirfd, const char *path, char *buf, size_t n)
{
	return FA_SYS(SYS_readlinkat, dirfd, path, buf, n, 0, 0);
}

static inline int fa_sys_munmap(void *at, size_t len)
{
	return (int)FA_SYS(SYS_munmap, at, len, 0, 0, 0, 0);
}

static inline int fa_sys_mincore(void *at, size_t len, unsigned char *resident)
{
	return (int)FA_SYS(SYS_mincore, at, len, resident, 0, 0, 0);
}

static inline int fa_sys_madvise(void *at, size_t len, int advice)
{
	return (int)FA_SYS(SYS_madvise, at, len, advice, 0, 0, 0);
}

static inline int fa_sys_getrlimit(unsigned resource, struct rlimit *rl)
{
	return (int)FA_SYS(SYS_prlimit64, 0, resource, 0, rl, 0, 0);
}

static inline int fa_sys_getpid(void)
{
	return (int)FA_SYS(SYS_getpid, 0, 0, 0, 0, 0, 0);
}

static inline int fa_sys_gettid(void)
{
	return (int)FA_SYS(SYS_gettid, 0, 0, 0, 0, 0, 0);
}

static inline unsigned fa_sys_geteuid(void)
{
	return (unsigned)FA_SYS(SYS_geteuid, 0, 0, 0, 0, 0, 0);
}

static inline uint64_t fa_sys_clock(int clock)
{
	struct __kernel_timespec ts = { 0, 0 };

	FA_SYS(SYS_clock_gettime, clock, &ts, 0, 0, 0, 0);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

static inline uint64_t fa_sys_clock_ns(void)
{
	return fa_sys_clock(4 /* CLOCK_MONOTONIC_RAW */);
}

static inline uint64_t fa_sys_thread_cpu_ns(void)
{
	return fa_sys_clock(3 /* CLOCK_THREAD_CPUTIME_ID */);
}

static inline void fa_sys_sleep_us(unsigned us)
{
	struct __kernel_timespec ts = { 0, (long long)us * 1000 };

	FA_SYS(SYS_clock_nanosleep, 1 /* CLOCK_MONOTONIC */, 0, &ts, 0, 0, 0);
}

/*
 * Copies between our memory and addresses that the program gave, which may be
 * bad: bytes copied, or -errno where a load or a store would be a SIGSEGV.
 */
static inline long fa_sys_copy(int pid, void *ours, const void *theirs, size_t n, bool to)
{
	struct iovec local = { ours, n }, remote = { (void *)(uintptr_t)theirs, n };

	return FA_SYS(to ? SYS_process_vm_writev : SYS_process_vm_readv, pid, &local, 1,
		      &remote, 1, 0);
}

static inline int fa_sys_eventfd(int flags)
{
	return (int)FA_SYS(SYS_eventfd2, 0, flags, 0, 0, 0, 0);
}

static inline int fa_sys_epoll_ctl(int set, int op, int fd, const void *event)
{
	return (int)FA_SYS(SYS_epoll_ctl, set, op, fd, event, 0, 0);
}

/* What is ready now. */
static inline int fa_sys_epoll_now(int set, void *events, int max)
{
	return (int)FA_SYS(SYS_epoll_pwait, set, events, max, 0, NULL, 0);
}

#define FA_SIGSET 8 /* bytes of the kernel's sigset_t */

static inline int fa_sys_ppoll(void *fds, unsigned n, struct __kernel_timespec *ts,
			       const void *mask)
{
	return (int)FA_SYS(SYS_ppoll, fds, n, ts, mask, FA_SIGSET, 0);
}

/* Bytes that can be read, or -errno. Leaves an error of the connection where it is. */
static inline int fa_sys_readable(int fd)
{
	int bytes = 0;
	int e = (int)FA_SYS(SYS_ioctl, fd, 0x541B /* FIONREAD */, &bytes, 0, 0, 0);

	return e < 0 ? e : bytes;
}

/* MSG_PEEK | MSG_DONTWAIT */
static inline long fa_sys_peek(int fd, void *buf, size_t n)
{
	return FA_SYS(SYS_recvfrom, fd, buf, n, 0x02 | 0x40, NULL, NULL);
}

static inline int fa_sys_getsockname(int fd, void *address, uint32_t *len)
{
	return (int)FA_SYS(SYS_getsockname, fd, address, len, 0, 0, 0);
}

static inline int fa_sys_getsockopt(int fd, int level, int name, void *value, uint32_t size)
{
	return (int)FA_SYS(SYS_getsockopt, fd, level, name, value, &size, 0);
}

static inline int fa_sys_setsockopt(int fd, int level, int name, int value)
{
	return (int)FA_SYS(SYS_setsockopt, fd, level, name, &value, sizeof(value), 0);
}

static inline long fa_sys_send(int fd, const void *buf, size_t n, int flags)
{
	return FA_SYS(SYS_sendto, fd, buf, n, flags, NULL, 0);
}

static inline int fa_sys_connect(int fd, const void *address, uint32_t len)
{
	return (int)FA_SYS(SYS_connect, fd, address, len, 0, 0, 0);
}

static inline int fa_sys_shutdown(int fd, int how)
{
	return (int)FA_SYS(SYS_shutdown, fd, how, 0, 0, 0, 0);
}

/* SO_SNDBUF in bytes, or -errno. */
static inline int fa_sys_send_buffer(int fd)
{
	int bytes = 0;
	int e = fa_sys_getsockopt(fd, 1 /* SOL_SOCKET */, 7 /* SO_SNDBUF */, &bytes,
				  sizeof(bytes));

	return e < 0 ? e : bytes;
}

static inline long fa_sys_lseek(int fd, int64_t offset, int whence)
{
	return FA_SYS(SYS_lseek, fd, offset, whence, 0, 0, 0);
}

static inline void fa_sys_yield(void)
{
	FA_SYS(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
}

#endif
