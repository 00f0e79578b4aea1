/* SPDX-License-Identifier: MIT
 *
 * Connections that block, and peers that are slow to read: the program is free to serve
 * others while the rest of an answer is on its way, and whatever it does to the
 * connection comes after that.
 */
#include <pthread.h>

#include "promise.h"

#define ROUNDS 5

static int slow, fd;
static char room[64];

/* ---- others are served meanwhile: by each call that waits for them ---- */

static bool by_accept(void)
{
	fd = take();
	return read(fd, room, 1) == 1;
}

static bool by_recv(void)
{
	return recv(fd, room, 1, 0) == 1;
}

static bool by_read(void)
{
	return read(fd, room, 1) == 1;
}

static bool by_recvmsg(void)
{
	struct iovec iov = { room, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	return recvmsg(fd, &m, 0) == 1;
}

/* The slow one is asked about as well: it says nothing. */
static bool by_poll(void)
{
	struct pollfd p[2] = { { slow, POLLIN, 0 }, { fd, POLLIN, 0 } };

	return poll(p, 2, -1) == 1 && p[1].revents == POLLIN && by_read();
}

static bool by_select(void)
{
	fd_set in;

	FD_ZERO(&in);
	FD_SET(slow, &in);
	FD_SET(fd, &in);
	return select(fd + 1, &in, NULL, NULL, NULL) == 1 && FD_ISSET(fd, &in) && by_read();
}

static bool by_epoll(void)
{
	static int set = -1;
	struct epoll_event ev = { .events = EPOLLIN };

	if (set < 0) {
		set = epoll_of(fd, EPOLLIN);
		MUST(epoll_ctl(set, EPOLL_CTL_ADD, slow, &ev));
	}
	ev.data.fd = -1;
	return epoll_wait(set, &ev, 1, -1) == 1 && ev.data.fd == fd && by_read();
}

static const struct {
	const char *name;
	bool (*ask)(void);
	bool new;
} loops[] = {
	{ "accept", by_accept, true }, { "recv", by_recv, false },
	{ "read", by_read, false },    { "recvmsg", by_recvmsg, false },
	{ "poll", by_poll, false },    { "select", by_select, false },
	{ "epoll", by_epoll, false },  { NULL, NULL, false },
};

static void beside(void)
{
	unsigned i = 0;

	listen_on();
	slow = take();
	while (loops[i].name && !what_is(loops[i].name))
		i++;
	if (!loops[i].name)
		return;
	if (!loops[i].new)
		fd = take();
	answer(slow, "big");
	reached(1);
	for (unsigned round = 0; round < ROUNDS; round++) {
		note("asked: %d\n", loops[i].ask());
		answer(fd, file_name(round));
		if (loops[i].new)
			told("close", close(fd));
	}
	reached(2);
	answer(slow, "f03");
	told("close", close(slow));
}

/* ---- what is done to the connection itself comes after the rest ---- */

static void then_close(void)
{
	told("close", close(slow));
}

static void then_linger(void)
{
	struct linger l = { 1, 5 };

	MUST(setsockopt(slow, SOL_SOCKET, SO_LINGER, &l, sizeof(l)));
	told("close", close(slow));
}

static void then_shutdown(void)
{
	told("shutdown", shutdown(slow, SHUT_WR));
}

static void then_dup2(void)
{
	told("dup2", dup2(0, slow) == slow);
}

static void then_close_range(void)
{
	told("close_range", close_range((unsigned)slow, (unsigned)slow, 0));
}

static void then_cloexec(void)
{
	/* An exec that fails changes nothing. */
	told("fcntl", fcntl(slow, F_SETFD, FD_CLOEXEC));
	told("exec", execl("/nonexistent", "x", (char *)NULL));
	told("write", write(slow, "more\n", 5));
}

static void then_write(void)
{
	told("write", write(slow, "more\n", 5));
	told("send", send(slow, "more\n", 5, 0));
	answer(slow, "f02");
}

static void then_quiet(void)
{
	/* Neither waits: as much as goes, which is not told in advance. */
	long n = send(slow, "more\n", 5, MSG_DONTWAIT);

	fact("dontwait %ld\n", n);
	if (n < 0)
		note("%s\n", errno == EAGAIN ? "again" : "failed");
	else
		note("again\n");
	board->flag[1] = n > 0;
}

static void then_number(void)
{
	int other;

	told("close", close(slow));
	/* The same number, another connection. */
	other = take();
	note("number %d\n", other - slow);
	answer(other, "f04");
	told("close", close(other));
}

static void then_child(void)
{
	pid_t pid = MUST(fork());

	if (!pid) {
		answer(slow, "f04");
		exit(3);
	}
	say_status("child", pid);
	answer(slow, "f05");
	told("close", close(slow));
}

static void then_children(void)
{
	for (unsigned i = 0; i < 3; i++) {
		pid_t pid;

		answer(slow, "big");
		pid = MUST(fork());
		if (!pid) {
			answer(slow, "f04");
			answer(slow, "big");
			_exit(3);
		}
		say_status("child", pid);
	}
	answer(slow, "f05");
}

static void then_vfork(void)
{
	pid_t pid = vfork();

	if (!pid) {
		(void)!write(slow, "vforked\n", 8);
		_exit(3);
	}
	say_status("child", pid);
	told("write", write(slow, "parent\n", 7));
}

static void then_pass(void)
{
	int pair[2];
	pid_t pid;

	unix_pair(pair, SOCK_STREAM);
	pid = MUST(fork());
	if (!pid) {
		int got = passed(pair[0]);

		answer(got, "f06");
		_exit(3);
	}
	answer(slow, "big");
	pass(pair[1], slow);
	say_status("child", pid);
	answer(slow, "f07");
}

static void then_recv(void)
{
	told("recv", recv(slow, room, 1, 0));
	answer(slow, "f01");
}

static void then_options(void)
{
	int value = 0;
	socklen_t n = sizeof(value);

	cork(slow, 1);
	nodelay(slow, 1);
	told("error", getsockopt(slow, SOL_SOCKET, SO_ERROR, &value, &n));
	note("%d\n", value);
	told("flags", fcntl(slow, F_GETFL));
	answer(slow, "f01");
	cork(slow, 0);
}

static void then_nonblocking(void)
{
	long n;
	int file = MUST(open("big", O_RDONLY));

	MUST(fcntl(slow, F_SETFL, O_NONBLOCK));
	n = sendfile(slow, file, NULL, 10);
	fact("%ld\n", n);
	board->flag[1] = n > 0 ? (uint32_t)n : 0;
	MUST(fcntl(slow, F_SETFL, 0));
	answer(slow, "f01");
	close(file);
}

static void *thread(void *arg)
{
	(void)arg;
	answer(slow, "f04");
	return NULL;
}

/* From here on nothing is promised; what was comes first. */
static void then_thread(void)
{
	pthread_t t;

	if (pthread_create(&t, NULL, thread, NULL))
		note("no thread\n");
	else
		pthread_join(t, NULL);
	answer(slow, "f05");
}

static const struct way thens[] = {
	{ "close", then_close },
	{ "linger", then_linger },
	{ "shutdown", then_shutdown },
	{ "dup2", then_dup2 },
	{ "close_range", then_close_range },
	{ "cloexec", then_cloexec },
	{ "write", then_write },
	{ "quiet", then_quiet },
	{ "number", then_number },
	{ "child", then_child },
	{ "children", then_children },
	{ "vfork", then_vfork },
	{ "pass", then_pass },
	{ "recv", then_recv },
	{ "options", then_options },
	{ "nonblocking", then_nonblocking },
	{ "thread", then_thread },
	{ NULL, NULL },
};

/* The test begins to read when the program has come to 1, or at once without promises. */
static void then(void)
{
	listen_on();
	slow = take();
	answer(slow, "big");
	reached(1);
	pick(thens, style.what);
	reached(2);
	/* Before the end, which would wait as well. */
	stop(3);
}

/* Aborted by the program itself: a prefix, and a reset. */
static void aborted(void)
{
	struct linger l = { 1, 0 };

	listen_on();
	slow = take();
	answer(slow, "big");
	MUST(setsockopt(slow, SOL_SOCKET, SO_LINGER, &l, sizeof(l)));
	told("close", close(slow));
	reached(1);
	fd = take();
	answer(fd, "f01");
	told("close", close(fd));
}

/* The peer goes while the rest is on its way: told by the next call. */
static void lost(void)
{
	unsigned errors = 0;

	listen_on();
	slow = take();
	answer(slow, "big");
	reached(1);
	/* Waits for the other, during which the first is reset. */
	fd = take();
	told("recv", recv(fd, room, 1, 0));
	answer(fd, "f01");
	for (unsigned i = 0; i < 3; i++)
		errors += write(slow, "x", 1) < 0;
	note("errors: %s\n", errors ? "some" : "none");
	note("signals: %s\n", pipes_broken ? "some" : "none");
	told("close", close(slow));
	answer(fd, "f02");
}

const struct way rests[] = {
	{ "beside", beside }, { "then", then }, { "aborted", aborted },
	{ "lost", lost },     { NULL, NULL },
};
