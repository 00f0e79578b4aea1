/* SPDX-License-Identifier: MIT
 *
 * How a reader tells somebody else that it comes to a file, and waits until that
 * has been heard. Whatever the other has done before it answers happened before
 * the reader's next call: the reader must see it. The ways differ in which calls
 * of the reader, if any, that order can be seen in.
 */
#ifndef ACK_H
#define ACK_H

#include <poll.h>
#include <sched.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "../zoo/zoo.h"

struct ack {
	const char *way;
	int out, in;	 /* descriptors; a socket is both, memory is mapped from `in` */
	pid_t peer;	 /* who gets the signal */
	_Atomic int *at; /* shared memory: what is asked, and what was answered */
};

UNUSED static void ack_start(struct ack *a)
{
	sigset_t set;

	if (!strcmp(a->way, "memory"))
		a->at = MUST(
			mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, a->in, 0));
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	MUST(sigprocmask(SIG_BLOCK, &set, NULL));
}

static void ack_pipe(const struct ack *a, int n)
{
	char c;

	MUST(write(a->out, &n, sizeof(n)));
	if (MUST(read(a->in, &c, 1)) != 1)
		_exit(97);
}

static void ack_poll(const struct ack *a, int n)
{
	struct pollfd p = { .fd = a->in, .events = POLLIN };
	char c;

	MUST(write(a->out, &n, sizeof(n)));
	MUST(poll(&p, 1, 20000));
	if (MUST(read(a->in, &c, 1)) != 1)
		_exit(97);
}

static void ack_socket(const struct ack *a, int n)
{
	struct iovec iov = { &n, sizeof(n) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	char c;

	MUST(sendmsg(a->in, &m, 0));
	if (MUST(recv(a->in, &c, 1, 0)) != 1)
		_exit(97);
}

static void ack_signal(const struct ack *a)
{
	sigset_t set;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	MUST(kill(a->peer, SIGUSR1));
	sigwait(&set, &sig);
}

/* No call of the library's at all: all that can be seen is that time has passed. */
static void ack_memory(const struct ack *a, int n)
{
	atomic_store(&a->at[0], n + 1);
	while (atomic_load(&a->at[1]) != n + 1)
		sched_yield();
}

/* A child asks; the reader itself only waits for it. */
static void ack_child(const struct ack *a, int n)
{
	pid_t pid = MUST(fork());
	int status;

	if (!pid) {
		ack_pipe(a, n);
		_exit(0);
	}
	MUST(waitpid(pid, &status, 0));
	if (status)
		_exit(97);
}

UNUSED static void ack_wait(const struct ack *a, int n)
{
	if (!strcmp(a->way, "pipe"))
		ack_pipe(a, n);
	else if (!strcmp(a->way, "poll"))
		ack_poll(a, n);
	else if (!strcmp(a->way, "socket"))
		ack_socket(a, n);
	else if (!strcmp(a->way, "signal"))
		ack_signal(a);
	else if (!strcmp(a->way, "memory"))
		ack_memory(a, n);
	else if (!strcmp(a->way, "child"))
		ack_child(a, n);
}

#endif
