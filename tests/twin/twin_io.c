/* SPDX-License-Identifier: MIT */
/*
 * Moving bytes between descriptors and memory.
 */
#define _GNU_SOURCE 1
#include "twin.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

ssize_t __read_chk(int fd, void *buf, size_t n, size_t room);
ssize_t __pread_chk(int fd, void *buf, size_t n, off_t offset, size_t room);
ssize_t __pread64_chk(int fd, void *buf, size_t n, off64_t offset, size_t room);

static size_t any_size(struct twin *t)
{
	static const size_t sizes[] = { 0,    1,     100,    4095,	   4096,
					4097, 65536, 131072, BUF_SIZE - 64 };

	return sizes[below(t, sizeof(sizes) / sizeof(sizes[0]))];
}

static off_t any_offset(struct twin *t)
{
	static const off_t offsets[] = { 0,	 0,	1,	 4095,	  4096, 99999,
					 100000, 65536, 1 << 20, 5000000, -1 };

	return offsets[below(t, sizeof(offsets) / sizeof(offsets[0]))];
}

static struct iovec *two_parts(struct twin *t, size_t n, struct iovec v[2])
{
	size_t first = n ? below(t, (unsigned)n) : 0;

	v[0] = (struct iovec){ t->buf, first };
	v[1] = (struct iovec){ t->buf + first, n - first };
	return v;
}

static ssize_t read_at(struct twin *t, int fd, size_t n)
{
	off_t at = any_offset(t);
	struct iovec v[2];

	switch (below(t, 7)) {
	case 0:
	case 1:
		return DID(t, pread(fd, t->buf, n, at), "pread %d %zu at %ld", fd, n,
			   (long)at);
	case 2:
		return DID(t, pread64(fd, t->buf, n, at), "pread64 %d %zu at %ld", fd, n,
			   (long)at);
	case 3:
		return DID(t, __pread_chk(fd, t->buf, n, at, BUF_SIZE),
			   "__pread_chk %d %zu at %ld", fd, n, (long)at);
	case 4:
		return DID(t, __pread64_chk(fd, t->buf, n, at, BUF_SIZE),
			   "__pread64_chk %d %zu at %ld", fd, n, (long)at);
	case 5:
		return DID(t, preadv(fd, two_parts(t, n, v), 2, at), "preadv %d %zu at %ld",
			   fd, n, (long)at);
	default:
		return DID(t, preadv2(fd, two_parts(t, n, v), 2, one_in(t, 2) ? -1 : at, 0),
			   "preadv2 %d %zu", fd, n);
	}
}

ssize_t read_somehow(struct twin *t, int fd)
{
	size_t n = any_size(t);
	struct iovec v[2];
	ssize_t r;

	memset(t->buf, 0xa5, n + 64);
	switch (below(t, 6)) {
	case 0:
	case 1:
		r = DID(t, read(fd, t->buf, n), "read %d %zu", fd, n);
		break;
	case 2:
		r = DID(t, __read_chk(fd, t->buf, n, BUF_SIZE), "__read_chk %d %zu", fd, n);
		break;
	case 3:
		r = DID(t, readv(fd, two_parts(t, n, v), 2), "readv %d %zu", fd, n);
		break;
	default:
		r = read_at(t, fd, n);
	}
	say_data(t, r, n);
	say_fd(t, fd);
	return r;
}

void op_read(struct twin *t)
{
	int fd = any_fd(t);

	if (fd_waits(fd)) {
		say(t, "read %d: would wait", fd);
		return;
	}
	if (one_in(t, 30)) {
		void *volatile nowhere = (void *)8;

		DID(t, read(fd, nowhere, 100), "read %d to nowhere", fd);
		return;
	}
	read_somehow(t, fd);
}

void op_write(struct twin *t)
{
	int fd = any_fd(t);
	size_t n = one_in(t, 3) ? 1 : 1 + below(t, 600);
	off_t at = below(t, 6000);
	struct iovec v[2];

	if (fd_waits(fd)) {
		say(t, "write %d: would wait", fd);
		return;
	}
	memset(t->buf, (int)(n & 0x7f), n + 64);
	switch (below(t, 5)) {
	case 0:
	case 1:
		DID(t, write(fd, t->buf, n), "write %d %zu", fd, n);
		break;
	case 2:
		DID(t, pwrite(fd, t->buf, n, at), "pwrite %d %zu at %ld", fd, n, (long)at);
		break;
	case 3:
		DID(t, writev(fd, two_parts(t, n, v), 2), "writev %d %zu", fd, n);
		break;
	default:
		DID(t, pwritev(fd, two_parts(t, n, v), 2, at), "pwritev %d %zu at %ld", fd,
		    n, (long)at);
	}
	say_fd(t, fd);
}

void op_lseek(struct twin *t)
{
	static const int whences[] = { SEEK_SET,  SEEK_SET,  SEEK_CUR, SEEK_END,
				       SEEK_DATA, SEEK_HOLE, 99 };
	int fd = any_fd(t), whence = whences[below(t, 7)];
	off_t to = any_offset(t);
	struct stat st;

	/* A directory's positions are cookies of its file system. */
	if (!real.fstat(fd, &st) && S_ISDIR(st.st_mode))
		to = 0, whence = SEEK_SET;
	if (one_in(t, 2))
		DID(t, lseek(fd, to, whence), "lseek %d %ld %d", fd, (long)to, whence);
	else
		DID(t, lseek64(fd, to, whence), "lseek64 %d %ld %d", fd, (long)to, whence);
}

void op_map(struct twin *t)
{
	int fd = any_fd(t);
	struct stat st;
	char *p;

	if (one_in(t, 2)) {
		/* This one returns the error and leaves errno alone. */
		int r = posix_fadvise(fd, 0, 0, (int)below(t, 6));

		say(t, "posix_fadvise %d: %d", fd, r);
		return;
	}
	p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
	say(t, "mmap %d: %s", fd, p == MAP_FAILED ? strerrorname_np(errno) : "ok");
	if (p == MAP_FAILED)
		return;
	if (!real.fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size)
		say(t, "  hash %016llx", (unsigned long long)hash(p, 4096));
	munmap(p, 4096);
}
