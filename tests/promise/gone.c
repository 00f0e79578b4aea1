/* SPDX-License-Identifier: MIT
 *
 * The peer has gone. A program that was promised its bytes would be sent learns of it
 * from its next call on the connection, as if the reset had come a moment later; each
 * error is told once, by whatever asks first, and SIGPIPE comes with each EPIPE.
 */
#include "promise.h"

#define ROUNDS 6

static int fd;
static char errors[256];
static unsigned epipes, calls, first_at;

/* What a call on the connection says, in order; the same twice counts once. */
static void heard(int error)
{
	const char *name = strerrorname_np(error);
	size_t n = strlen(errors);

	if (!first_at)
		first_at = calls;
	if (n < strlen(name) || strcmp(errors + n - strlen(name), name))
		snprintf(errors + n, sizeof(errors) - n, " %s", name);
}

static long call(long r)
{
	int error = errno;

	calls++;
	if (r < 0 && error != EAGAIN)
		heard(error);
	errno = error;
	return r;
}

/* One of those that are due a signal. */
static void sends(long r)
{
	if (call(r) < 0)
		epipes += errno == EPIPE;
}

static void sequence(void)
{
	int file = MUST(open("f02", O_RDONLY));
	char text[32] = "a header\n";

	sends(write(fd, text, 9));
	sends(sendfile(fd, file, NULL, 5000));
	MUST(close(file));
}

static void by_poll(void)
{
	struct pollfd p = { fd, POLLIN | POLLOUT | POLLRDHUP, 0 };

	MUST(poll(&p, 1, 1000));
	fact("poll %x\n", p.revents);
	note("hung up: %s\n", p.revents & (POLLHUP | POLLRDHUP) ? "yes" : "no");
}

static void by_epoll(void)
{
	int set = epoll_of(fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP);
	struct epoll_event ev = { 0 };

	MUST(epoll_wait(set, &ev, 1, 1000));
	fact("epoll %x\n", ev.events);
	note("hung up: %s\n", ev.events & (EPOLLHUP | EPOLLRDHUP) ? "yes" : "no");
	close(set);
}

static void by_select(void)
{
	fd_set in, out;

	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_SET(fd, &in);
	FD_SET(fd, &out);
	told("select", select(fd + 1, &in, &out, NULL, NULL));
}

static void by_recv(void)
{
	char byte;
	long r = call(recv(fd, &byte, 1, MSG_DONTWAIT));

	fact("recv %ld\n", r);
}

static void by_read(void)
{
	char byte;
	long r = call(read(fd, &byte, 1));

	fact("read %ld\n", r);
}

static void by_option(void)
{
	socklen_t n = sizeof(int);
	int error = 0;

	MUST(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n));
	calls++;
	fact("SO_ERROR %d\n", error);
	if (error)
		heard(error);
}

static void by_writing(void)
{
	sends(write(fd, "x", 1));
}

static void by_sending(void)
{
	call(send(fd, "x", 1, MSG_NOSIGNAL));
}

static void by_sendfile(void)
{
	int file = MUST(open("f02", O_RDONLY));

	sends(sendfile(fd, file, NULL, 10));
	MUST(close(file));
}

static void by_shutdown(void)
{
	long r = shutdown(fd, SHUT_WR);

	fact("shutdown %ld\n", r);
}

static void by_name(void)
{
	struct sockaddr_storage name;
	socklen_t n = sizeof(name);
	long r = getpeername(fd, (struct sockaddr *)&name, &n);

	note("peer: %s\n", error_name((int)r));
}

static const struct way asks[] = {
	{ "poll", by_poll },	     { "epoll", by_epoll },  { "select", by_select },
	{ "recv", by_recv },	     { "read", by_read },    { "option", by_option },
	{ "write", by_writing },     { "send", by_sending }, { "sendfile", by_sendfile },
	{ "shutdown", by_shutdown }, { "name", by_name },    { NULL, NULL },
};

/*
 * Answers, until the peer's absence has been told and told again. The test takes the
 * peer away before the first, between header and file, or behind the close.
 */
static void gone(void)
{
	char text[32] = "a header\n";
	sigset_t pending;
	unsigned behind;
	int file;

	listen_on();
	fd = take();
	answer(fd, "f01");
	touch();
	stop(1);
	file = MUST(open("f02", O_RDONLY));
	sends(write(fd, text, 9));
	stop(2);
	sends(sendfile(fd, file, NULL, 5000));
	MUST(close(file));
	stop(3);
	touch();
	behind = calls;
	if (style.what)
		pick(asks, style.what);
	for (unsigned i = 0; i < ROUNDS; i++) {
		sequence();
		touch();
	}
	fact("first error at call %u, %u before the touch\n", first_at, behind);
	/*
	 * Not later than by the first call after what was promised had to be done. A file
	 * that has waited is sent plainly, where the socket does not block: then it is the
	 * next answer, of three calls, that is the first to be promised.
	 */
	note("in time: %s\n",
	     first_at && first_at <= behind + 3 + style.count ? "yes" : "no");
	note("errors:%s\n", errors);
	if (style.sigpipe == PIPE_HANDLED)
		note("signals: %s\n",
		     pipes_broken == (int)epipes ? "one for each" : "wrong");
	fact("%u, %d\n", epipes, pipes_broken);
	sigpending(&pending);
	note("pending: %d\n", sigismember(&pending, SIGPIPE));
	told("close", close(fd));
}

/* With the default action the first EPIPE ends it. */
static void dies(void)
{
	listen_on();
	fd = take();
	answer(fd, "f01");
	touch();
	stop(1);
	for (unsigned i = 0; i < ROUNDS; i++) {
		board->flag[0] = i;
		sequence();
		touch();
	}
	note("alive\n");
}

/* Others are served as if nothing were. */
static void others(void)
{
	int other;

	listen_on();
	fd = take();
	other = take();
	answer(fd, "f01");
	touch();
	stop(1);
	for (unsigned i = 0; i < ROUNDS; i++) {
		sequence();
		answer(other, file_name(i));
	}
	note("errors:%s\n", errors);
	close(fd);
	/* The number is another's now: nothing is told to the wrong one. */
	fd = take();
	answer(fd, "f02");
	by_option();
	note("errors:%s\n", errors);
	answer(other, "f03");
	told("close", close(fd));
	told("close", close(other));
}

/* The peer has gone, and so does the number before anything could be told. */
static void renewed(void)
{
	socklen_t n = sizeof(int);
	int error = 0;

	listen_on();
	for (unsigned i = 0; i < 5; i++) {
		fd = take();
		note("number %d\n", fd);
		stop(2 * i + 1);
		sequence();
		if (i % 2)
			touch();
		if (i == 3)
			dup2(0, fd);
		told("close", close(fd));
		fd = take();
		note("number %d\n", fd);
		told("option", getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n));
		note("SO_ERROR %d\n", error);
		answer(fd, "f02");
		stop(2 * i + 2);
		told("close", close(fd));
	}
}

const struct way gones[] = {
	{ "gone", gone },	{ "dies", dies }, { "others", others },
	{ "renewed", renewed }, { NULL, NULL },
};
