/* SPDX-License-Identifier: MIT
 *
 * The parts of a server: connections, the ways to send a header, the ways to send a
 * file, and the sequence of both.
 */
#include <arpa/inet.h>

#include "promise.h"

static int listener = -1;

int listen_on(void)
{
	struct sockaddr_in6 v6 = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
	struct sockaddr_in v4 = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	bool six = style.family == AF_INET6;
	struct sockaddr *at = six ? (struct sockaddr *)&v6 : (struct sockaddr *)&v4;
	socklen_t n = six ? sizeof(v6) : sizeof(v4);

	listener = MUST(socket(style.family, SOCK_STREAM, 0));
	/* Those that are accepted inherit it. */
	if (style.sndbuf)
		MUST(setsockopt(listener, SOL_SOCKET, SO_SNDBUF, &style.sndbuf,
				sizeof(style.sndbuf)));
	MUST(bind(listener, at, n));
	MUST(listen(listener, 64));
	MUST(getsockname(listener, at, &n));
	__atomic_store_n(&board->port, ntohs(six ? v6.sin6_port : v4.sin_port),
			 __ATOMIC_RELEASE);
	return listener;
}

/* The next connection, in the style that was asked for; -1 where a signal came first. */
int take_any(void)
{
	int fd = accept4(listener, NULL, NULL, style.nonblock ? SOCK_NONBLOCK : 0);

	if (fd >= 0 && style.nodelay)
		nodelay(fd, 1);
	return fd;
}

int take(void)
{
	return MUST(take_any());
}

void cork(int fd, int on)
{
	MUST(setsockopt(fd, IPPROTO_TCP, TCP_CORK, &on, sizeof(on)));
}

void nodelay(int fd, int on)
{
	MUST(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)));
}

/* What was sent is overwritten as soon as the call has returned. */
long head_by(enum head by, int fd, const char *text)
{
	static char copy[1024];
	size_t n = strlen(text), third = n / 3;
	struct iovec iov[4] = { { copy, third },
				{ NULL, 0 },
				{ copy + third, third },
				{ copy + 2 * third, n - 2 * third } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 4 };
	long r = 0, more;

	memcpy(copy, text, n);
	switch (by) {
	case BY_WRITE:
		r = write(fd, copy, n);
		break;
	case BY_WRITEV:
		r = writev(fd, iov, 4);
		break;
	case BY_SEND:
		r = send(fd, copy, n, 0);
		break;
	case BY_SENDTO:
		r = sendto(fd, copy, n, MSG_NOSIGNAL, NULL, 0);
		break;
	case BY_SENDMSG:
		r = sendmsg(fd, &m, 0);
		break;
	case BY_MORE:
		r = send(fd, copy, n, MSG_MORE);
		break;
	case BY_DONTWAIT:
		r = send(fd, copy, n, MSG_DONTWAIT);
		break;
	case BY_TWO:
		r = write(fd, copy, third);
		more = r == (long)third ? write(fd, copy + third, n - third) : 0;
		r = more < 0 ? more : r + more;
		break;
	default:
		return 0;
	}
	memset(copy, '#', sizeof(copy));
	memset(iov, 0, sizeof(iov));
	return told("head", r);
}

static long at_offset(int fd, int file, off_t at, size_t n)
{
	long r = sendfile(fd, file, &at, n);
	int error = errno;

	note("to %ld, ", (long)at);
	at = 1 << 20; /* as if the program used it for something else now */
	errno = error;
	return told("body", r);
}

static long in_turn(int fd, int file)
{
	long r, sum = 0;

	while ((r = told("body", sendfile(fd, file, NULL, 0x7fffffff00000000UL))) > 0)
		sum += r;
	return r < 0 ? r : sum;
}

static long by_copy(int fd, int file)
{
	static char part[32768];
	long n, r, sum = 0;

	while ((n = told("read", read(file, part, sizeof(part)))) > 0) {
		r = told("write", write(fd, part, (size_t)n));
		if (r < 0)
			return r;
		sum += r;
	}
	return n < 0 ? n : sum;
}

long body_by(enum body by, int fd, int file)
{
	struct stat st = { 0 };
	off_t half, third;
	size_t size;
	long r = 0;

	MUST(fstat(file, &st));
	size = (size_t)st.st_size;
	half = st.st_size / 2;
	third = st.st_size / 3;
	switch (by) {
	case AT_OFFSET:
		return at_offset(fd, file, 0, size);
	case AT_POSITION:
		return told("body", sendfile(fd, file, NULL, size));
	case BEYOND:
		return in_turn(fd, file);
	case IN_PARTS:
		r = at_offset(fd, file, 0, (size_t)third);
		r += at_offset(fd, file, third, (size_t)third);
		return r + at_offset(fd, file, 2 * third, size);
	case BACKWARDS:
		r = at_offset(fd, file, half, size);
		return r + at_offset(fd, file, 0, (size_t)half);
	case TWICE:
		r = told("body", sendfile(fd, file, NULL, size));
		told("seek", lseek(file, 0, SEEK_SET));
		return r + told("body", sendfile(fd, file, NULL, size));
	case AFTER_SEEK:
		told("seek", lseek(file, half, SEEK_SET));
		return told("body", sendfile(fd, file, NULL, size));
	case BY_COPY:
		return by_copy(fd, file);
	case NOTHING:
		r = told("body", sendfile(fd, file, NULL, 0));
		return r + at_offset(fd, file, st.st_size, size);
	default:
		return 0;
	}
}

/* open, fstat, header, file, close: what a server does with a request. */
long answer(int fd, const char *name)
{
	return serve(fd, name, NULL);
}

long serve(int fd, const char *name, const char *trailer)
{
	int file = MUST(open(name, O_RDONLY));
	struct stat st;
	char text[256];
	long sum;

	MUST(fstat(file, &st));
	snprintf(text, sizeof(text), "%s has %ld bytes\n", name, (long)st.st_size);
	if (style.cork)
		cork(fd, 1);
	sum = head_by(style.head, fd, text);
	sum += body_by(style.body, fd, file);
	told("close", close(file));
	if (trailer)
		sum += told("trailer", write(fd, trailer, strlen(trailer)));
	if (style.cork)
		cork(fd, 0);
	return sum;
}

/* Something that waits for nothing, and before which all must have gone. */
void touch(void)
{
	poll(NULL, 0, 0);
}

int unix_pair(int pair[2], int type)
{
	return MUST(socketpair(AF_UNIX, type, 0, pair));
}

union control {
	struct cmsghdr align;
	char space[CMSG_SPACE(sizeof(int))];
};

void pass(int over, int fd)
{
	union control control = { 0 };
	struct iovec iov = { "d", 1 };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	MUST(sendmsg(over, &m, 0));
}

int passed(int over)
{
	union control control = { 0 };
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control) };
	int fd = -1;

	MUST(recvmsg(over, &m, 0));
	if (CMSG_FIRSTHDR(&m))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(fd));
	return fd;
}
