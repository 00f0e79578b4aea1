/* SPDX-License-Identifier: MIT */
/*
 * libc's own functions. dlsym() on libc's handle finds them whatever is preloaded.
 */
#define _GNU_SOURCE 1
#include "twin.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>

struct real real;

static void *libc;

static bool find(const char *name, void *pointer)
{
	void *p = dlsym(libc, name);

	if (!p)
		fprintf(stderr, "twin: libc has no %s\n", name);
	*(void **)pointer = p;
	return p != NULL;
}

int real_find(void)
{
	libc = dlopen("libc.so.6", RTLD_NOW);
	if (!libc)
		return -1;
#define FIND(name) find(#name, &real.name)
	return FIND(open) && FIND(openat) && FIND(read) && FIND(write) && FIND(lseek) &&
			       FIND(close) && FIND(dup2) && FIND(fcntl) && FIND(fstat) &&
			       FIND(lstat) && FIND(stat) && FIND(rename) && FIND(unlink) &&
			       FIND(link) && FIND(symlink) && FIND(truncate) &&
			       FIND(chmod) && FIND(mkdir) && FIND(chdir) && FIND(rmdir) &&
			       FIND(fork) && FIND(_exit)
		       ? 0
		       : -1;
}

bool real_is_tcp(int fd)
{
	int domain = 0;
	socklen_t len = sizeof(domain);

	return !getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) && domain == AF_INET;
}

bool fd_waits(int fd)
{
	struct stat st;

	if (real.fstat(fd, &st))
		return false;
	if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))
		return false;
	if (S_ISSOCK(st.st_mode) && real_is_tcp(fd))
		return true;
	return !(real.fcntl(fd, F_GETFL) & O_NONBLOCK) && !S_ISCHR(st.st_mode);
}
