/* SPDX-License-Identifier: MIT
 *
 * What a program that is started from here inherits: a seccomp filter, limits, the
 * container it is in; and the kernel's switch for io_uring.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "doctor.h"
#include "procfs.h"

#define DESCRIPTORS 1040 /* that many slots the library's ring has */
#define TOO_FEW 64

static bool behind_filter(void)
{
	return procfs_status("Seccomp", 0) > 0;
}

static bool operator_allows(void)
{
	const char *ring = getenv("FUSE_AIO_RING");

	return ring && !strcmp(ring, "1");
}

bool doctor_may_try(void)
{
	return !behind_filter() || operator_allows();
}

static void seccomp(struct doctor *d)
{
	if (!behind_filter())
		doctor_say(d, OK, "seccomp", NULL, "no filter");
	else if (operator_allows())
		doctor_say(d, OK, "seccomp", NULL,
			   "a filter is in place, and FUSE_AIO_RING=1 says that it allows "
			   "the ring");
	else
		doctor_say(d, BAD, "seccomp",
			   "Use a filter that allows io_uring_setup, io_uring_enter, "
			   "io_uring_register, statx and fadvise64 (Docker: --security-opt "
			   "seccomp=FILE), set FUSE_AIO_RING=1, and ask again.",
			   "a filter is in place: behind one the library does nothing, and "
			   "nothing is tried here");
}

static void container(struct doctor *d)
{
	const char *name = NULL, *told = getenv("container");
	char text[4096];

	if (access("/run/.containerenv", F_OK) == 0)
		name = "Podman";
	else if (access("/.dockerenv", F_OK) == 0)
		name = "Docker";
	else if (procfs_read("/proc/1/cgroup", text, sizeof(text)))
		name = strstr(text, "kubepods") ? "Kubernetes"
		       : strstr(text, "docker") ? "Docker"
		       : strstr(text, "lxc")	? "LXC"
						: NULL;
	if (!name && told && *told)
		name = told;
	if (name)
		doctor_say(d, OK, "container",
			   behind_filter() ? "Its default filter refuses io_uring." : NULL,
			   "looks like one (%s)", name);
	else
		doctor_say(d, OK, "container", NULL, "none to be seen");
}

static void io_uring_switch(struct doctor *d)
{
	static const char advice[] = "sysctl kernel.io_uring_disabled=0";
	char text[32];

	if (!procfs_read("/proc/sys/kernel/io_uring_disabled", text, sizeof(text)))
		doctor_say(d, OK, "sysctl", NULL,
			   "this kernel has no switch that forbids io_uring");
	else if (!strcmp(text, "0"))
		doctor_say(d, OK, "sysctl", NULL, "kernel.io_uring_disabled is 0");
	else
		doctor_say(d, WARN, "sysctl", advice,
			   !strcmp(text, "1")
				   ? "kernel.io_uring_disabled is 1: only root and the "
				     "group kernel.io_uring_group have io_uring"
				   : "kernel.io_uring_disabled is 2: nobody has io_uring");
}

static void descriptors(struct doctor *d)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NOFILE, &rl) < 0) {
		doctor_say(d, WARN, "descriptors", NULL, "RLIMIT_NOFILE: %s",
			   strerror(errno));
		return;
	}
	if (rl.rlim_cur == RLIM_INFINITY || rl.rlim_cur >= DESCRIPTORS)
		doctor_say(d, OK, "descriptors", NULL, "as many as the library can use");
	else
		doctor_say(d, rl.rlim_cur < TOO_FEW ? WARN : OK, "descriptors",
			   rl.rlim_cur < TOO_FEW ? "Raise it: ulimit -n 1024" : NULL,
			   "RLIMIT_NOFILE is %llu: so much is opened ahead at most",
			   (unsigned long long)rl.rlim_cur);
}

static void processes(struct doctor *d)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_NPROC, &rl) < 0) {
		doctor_say(d, WARN, "processes", NULL, "RLIMIT_NPROC: %s", strerror(errno));
		return;
	}
	/* The kernel's workers for a ring count as processes of the user. */
	if (geteuid() == 0)
		doctor_say(d, OK, "processes", NULL,
			   "root: no limit on the ring's workers");
	else if (rl.rlim_cur == RLIM_INFINITY || rl.rlim_cur >= 256)
		doctor_say(d, OK, "processes", NULL, "room for the ring's workers");
	else
		doctor_say(d, WARN, "processes",
			   "Raise it: ulimit -u 4096. A program that lowers it itself "
			   "(vsftpd) wants FUSE_AIO_PRESPAWN=1.",
			   "RLIMIT_NPROC is %llu: the ring's workers count as processes",
			   (unsigned long long)rl.rlim_cur);
}

void check_process(struct doctor *d)
{
	seccomp(d);
	container(d);
	io_uring_switch(d);
	descriptors(d);
	processes(d);
}
