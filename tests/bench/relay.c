/* SPDX-License-Identifier: MIT */
/*
 * relay PORT TARGET_PORT DELAY_US: passes TCP connections to PORT on the loopback on
 * to TARGET_PORT, every byte later by the delay in either direction, as many on their
 * way as there are. It stands for a network where the kernel has no netem.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define CHUNK (64 << 10)
#define PAIRS 32
#define MOST_WAITING (16u << 20) /* bytes on their way in one direction */

struct chunk {
	struct chunk *next;
	uint64_t due;
	size_t len, sent;
	char data[];
};

/* One direction: what has been read and is not due, or has found no room. */
struct way {
	int from, to;
	struct chunk *first, *last;
	size_t bytes;
	bool ended; /* nothing more comes */
	bool full;  /* the other side has no room */
};

static struct way ways[2 * PAIRS];
static size_t used;
static uint64_t delay_ns;

static void fail(const char *what)
{
	fprintf(stderr, "relay: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static struct sockaddr_in loopback(int port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port = htons((uint16_t)port),
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static void prepare(int fd)
{
	int one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	fcntl(fd, F_SETFL, O_NONBLOCK);
}

static void accept_one(int listener, int target)
{
	struct sockaddr_in a = loopback(target);
	int in = accept(listener, NULL, NULL), out;

	if (in < 0)
		return;
	out = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (used == 2 * PAIRS || out < 0 ||
	    connect(out, (struct sockaddr *)&a, sizeof(a))) {
		close(in);
		close(out);
		return;
	}
	prepare(in);
	prepare(out);
	ways[used++] = (struct way){ .from = in, .to = out };
	ways[used++] = (struct way){ .from = out, .to = in };
}

static void receive(struct way *w)
{
	struct chunk *c = malloc(sizeof(*c) + CHUNK), *fitting;
	ssize_t n = c ? recv(w->from, c->data, CHUNK, 0) : -1;

	if (n <= 0) {
		w->ended = n == 0 || errno != EAGAIN;
		if (w->ended && !w->first)
			shutdown(w->to, SHUT_WR);
		free(c);
		return;
	}
	fitting = realloc(c, sizeof(*c) + (size_t)n);
	if (fitting)
		c = fitting;
	c->next = NULL;
	c->due = now_ns() + delay_ns;
	c->len = (size_t)n;
	c->sent = 0;
	if (w->last)
		w->last->next = c;
	else
		w->first = c;
	w->last = c;
	w->bytes += c->len;
}

static void pass_on(struct way *w, uint64_t now)
{
	struct chunk *c;

	while ((c = w->first) && c->due <= now) {
		ssize_t n = send(w->to, c->data + c->sent, c->len - c->sent, MSG_NOSIGNAL);

		w->full = n < 0 && errno == EAGAIN;
		if (w->full)
			return;
		c->sent += n < 0 ? c->len - c->sent : (size_t)n; /* gone: into the void */
		if (c->sent < c->len)
			continue;
		w->first = c->next;
		if (!w->first)
			w->last = NULL;
		w->bytes -= c->len;
		free(c);
		if (w->ended && !w->first)
			shutdown(w->to, SHUT_WR);
	}
}

/* Until something is readable, writable again, or due. */
static void wait_for_work(int listener, struct pollfd *p)
{
	uint64_t next = UINT64_MAX, now = now_ns();
	struct timespec ts;

	p[0] = (struct pollfd){ .fd = listener, .events = POLLIN };
	for (size_t i = 0; i < used; i++) {
		const struct way *w = &ways[i];
		bool more = !w->ended && w->bytes < MOST_WAITING;

		p[1 + 2 * i] =
			(struct pollfd){ .fd = more ? w->from : -1, .events = POLLIN };
		p[2 + 2 * i] =
			(struct pollfd){ .fd = w->full ? w->to : -1, .events = POLLOUT };
		if (w->first && !w->full && w->first->due < next)
			next = w->first->due;
	}
	next = next > now ? next - now : 0;
	ts = (struct timespec){ (time_t)(next / 1000000000u), (long)(next % 1000000000u) };
	if (ppoll(p, 1 + 2 * used, next > (uint64_t)INT64_MAX / 2 ? NULL : &ts, NULL) < 0 &&
	    errno != EINTR)
		fail("ppoll");
}

int main(int argc, char **argv)
{
	struct pollfd p[1 + 4 * PAIRS];
	struct sockaddr_in a;
	int listener, one = 1, target;

	if (argc != 4) {
		fputs("usage: relay PORT TARGET_PORT DELAY_US\n", stderr);
		return 2;
	}
	a = loopback(atoi(argv[1]));
	target = atoi(argv[2]);
	delay_ns = strtoull(argv[3], NULL, 10) * 1000;
	prctl(PR_SET_TIMERSLACK, 1);
	signal(SIGPIPE, SIG_IGN);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (listener < 0 || bind(listener, (struct sockaddr *)&a, sizeof(a)) ||
	    listen(listener, PAIRS))
		fail(argv[1]);
	for (;;) {
		size_t before = used;

		wait_for_work(listener, p);
		for (size_t i = 0; i < before; i++) {
			if (p[1 + 2 * i].revents)
				receive(&ways[i]);
			pass_on(&ways[i], now_ns());
		}
		if (p[0].revents)
			accept_one(listener, target);
	}
}
