/* SPDX-License-Identifier: MIT
 *
 * The other end of the connections, in the same thread: what it has sent is there, and
 * what the server has not yet been told of is known. And the one thing that all tests
 * turn on: a request that the library keeps back while the file is being opened.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/time.h>

#include "events.h"

#define WARM 20
#define COLD 3 /* opens until a file system is known to be slow */
#define PATIENCE 5000

int dial(int listener)
{
	struct timeval patience = { .tv_sec = PATIENCE / 1000 };
	struct sockaddr_in to;
	socklen_t n = sizeof(to);
	int fd = socket_tcp();

	MUST(getsockname(listener, (struct sockaddr *)&to, &n));
	MUST(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)));
	MUST(connect(fd, (struct sockaddr *)&to, n));
	return fd;
}

void put(int fd, const char *text)
{
	size_t n = strlen(text);

	if (send(fd, text, n, MSG_NOSIGNAL) != (ssize_t)n)
		say("client could not send\n");
}

void ask(int fd, const char *name)
{
	char text[512];

	snprintf(text, sizeof(text), "GET /%s HTTP/1.0\r\n\r\n", name);
	put(fd, text);
}

/* With a loop, the server works while there is nothing to read. */
static ssize_t read_some(struct loop *l, int fd, void *to, size_t n)
{
	int64_t end = now_ms() + PATIENCE;

	for (;;) {
		ssize_t got = recv(fd, to, n, l ? MSG_DONTWAIT : 0);

		if (!l || got >= 0 || errno != EAGAIN || now_ms() > end)
			return got;
		step(l, GLANCE);
	}
}

/* Reads one answer, and says what it was unless there is no label. */
bool answer(struct loop *l, int fd, const char *label)
{
	uint64_t h = 0xcbf29ce484222325ULL;
	char line[128], buf[16384];
	size_t have = 0;
	long size = 0, got = 0;

	while (have < sizeof(line) - 1) {
		ssize_t n = read_some(l, fd, line + have, 1);

		if (n <= 0) {
			line[have] = '\0';
			say("%s: %s%s\n", label ?: "answer", line,
			    n ? error_name(-1) : "end");
			return false;
		}
		if (line[have] == '\n')
			break;
		have++;
	}
	line[have] = '\0';
	if (sscanf(line, "OK %ld", &size) == 1)
		while (got < size) {
			size_t most = sizeof(buf);
			ssize_t n;

			if (size - got < (long)most)
				most = (size_t)(size - got);
			n = read_some(l, fd, buf, most);
			if (n <= 0)
				break;
			for (ssize_t i = 0; i < n; i++)
				h = (h ^ (unsigned char)buf[i]) * 0x100000001b3ULL;
			got += n;
		}
	if (label)
		say("%s: %s, %ld bytes, %lx\n", label, line, got, (unsigned long)h);
	return got == size;
}

/* One connection, one request, from beginning to end. */
void visit_server(struct loop *l, const char *name)
{
	int client = dial(l->listener);

	ask(client, name);
	answer(l, client, NULL);
	close(client);
}

/* Until the library knows where the files are, and which of them are slow to open. */
void warm_server(struct loop *l)
{
	for (unsigned i = 0; i < WARM; i++)
		visit_server(l, file_name(i));
	for (unsigned i = 0; i < COLD; i++)
		visit_server(l, late_name(ZOO_FILES - 1 - i));
}

/*
 * Waits until `bits` of a connection are reported, at most `ms`; the events, or 0.
 * What comes for others is served.
 */
uint32_t await(struct loop *l, struct conn *c, uint32_t bits, int ms)
{
	int64_t end = now_ms() + ms;

	for (;;) {
		struct ready r[BATCH];
		int64_t left = end - now_ms();
		uint32_t seen = 0;
		int n = loop_wait(l, r, left > 0 ? (int)left : 0);

		for (int i = 0; i < n; i++)
			if (r[i].c != c)
				on_event(l, &r[i]);
			else if (r[i].tag == c->tag)
				seen |= r[i].events;
		c->seen |= seen;
		if (seen & bits)
			return seen;
		if (left <= 0)
			return 0;
		/* Level-triggered: this must not turn into a busy loop. */
		if (n)
			nap(1000);
	}
}

/* Nothing more is reported of a connection, but that it is writable. */
void silence(struct loop *l, struct conn *c, int ms)
{
	uint32_t seen = await(l, c, ~(uint32_t)EPOLLOUT, ms);

	say("then: %s\n", seen ? "an event" : "silence");
	if (seen)
		say("%x\n", seen);
}

const char *late_name(unsigned i)
{
	static char names[ZOO_FILES][16];
	char *name = names[i % ZOO_FILES];

	snprintf(name, sizeof(names[0]), "%s/f%02u", style.late, i % ZOO_FILES);
	return name;
}

/* A request now and then is not looked at, to measure: the next one most probably is. */
void measured(struct loop *l)
{
	visit_server(l, "f03");
	visit_server(l, "f04");
}

/* A connection that has not asked yet. Its events are noted, and left to the test. */
struct held connected(struct loop *l, const char *name)
{
	struct held h = { .client = dial(l->listener), .name = name };

	h.c = take(l);
	if (!h.c)
		_exit(94);
	h.c->parked = true;
	await(l, h.c, READABLE, 0);
	h.c->seen = 0;
	return h;
}

void hold_on(struct loop *l, struct held *h)
{
	ask(h->client, h->name);
	await(l, h->c, READABLE, GLANCE);
	fact("held: %s\n", h->c->seen & EPOLLIN ? "no" : "yes");
}

/* A request for a slow file; where nothing is held its event has been seen. */
struct held hold(struct loop *l)
{
	static unsigned turn;
	struct held h;

	measured(l);
	h = connected(l, late_name(turn++));
	hold_on(l, &h);
	return h;
}

/* To the server, what has been seen so far. */
void deliver(struct loop *l, struct conn *c)
{
	struct ready r = { .c = c, .tag = c->tag, .events = c->seen };

	c->parked = false;
	on_event(l, &r);
}

/* Its event comes, if a plain wait has not given it already, and it is answered. */
void finish(struct loop *l, struct held *h)
{
	if (!(h->c->seen & EPOLLIN))
		await(l, h->c, READABLE, IN_TIME);
	say("came: %s\n", h->c->seen & EPOLLIN ? "in time" : "not");
	deliver(l, h->c);
	answer(l, h->client, h->name);
	close(h->client);
	silence(l, h->c, 0);
}

/* A server that has learned. */
void start(struct loop *l)
{
	server_init(l);
	warm_server(l);
}
