/* SPDX-License-Identifier: MIT */
/*
 * A preload that only forwards: the floor under any interposer, beside which the
 * library's own cost is to be seen. Same calls as micro.c makes.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

static int (*real_open)(const char *, int, ...);
static int (*real_close)(int);
static int (*real_fstat)(int, struct stat *);
static int (*real_stat)(const char *restrict, struct stat *restrict);
static ssize_t (*real_read)(int, void *, size_t);
static ssize_t (*real_pread)(int, void *, size_t, off_t);
static ssize_t (*real_write)(int, const void *, size_t);
static off_t (*real_lseek)(int, off_t, int);
static int (*real_fcntl)(int, int, ...);
static int (*real_dup)(int);
static int (*real_poll)(struct pollfd *, nfds_t, int);

#define FIND(name) (*(void **)&real_##name = dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void start(void)
{
	FIND(open);
	FIND(close);
	FIND(fstat);
	FIND(stat);
	FIND(read);
	FIND(pread);
	FIND(write);
	FIND(lseek);
	FIND(fcntl);
	FIND(dup);
	FIND(poll);
}

int open(const char *path, int flags, ...)
{
	va_list ap;
	unsigned int mode;

	va_start(ap, flags);
	mode = va_arg(ap, unsigned int);
	va_end(ap);
	return real_open(path, flags, mode);
}

int fcntl(int fd, int cmd, ...)
{
	va_list ap;
	void *arg;

	va_start(ap, cmd);
	arg = va_arg(ap, void *);
	va_end(ap);
	return real_fcntl(fd, cmd, arg);
}

int close(int fd)
{
	return real_close(fd);
}
int fstat(int fd, struct stat *st)
{
	return real_fstat(fd, st);
}
int stat(const char *restrict path, struct stat *restrict st)
{
	return real_stat(path, st);
}
ssize_t read(int fd, void *buf, size_t n)
{
	return real_read(fd, buf, n);
}
ssize_t pread(int fd, void *buf, size_t n, off_t off)
{
	return real_pread(fd, buf, n, off);
}
ssize_t write(int fd, const void *buf, size_t n)
{
	return real_write(fd, buf, n);
}
off_t lseek(int fd, off_t off, int whence)
{
	return real_lseek(fd, off, whence);
}
int dup(int fd)
{
	return real_dup(fd);
}
int poll(struct pollfd *p, nfds_t n, int timeout)
{
	return real_poll(p, n, timeout);
}
