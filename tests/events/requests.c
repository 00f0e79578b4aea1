/* SPDX-License-Identifier: MIT
 *
 * Requests as they come from real networks and from people who mean no good: in
 * pieces, several at once, with bodies, with options, or no requests at all.
 */
#include "events.h"

/* Sends the pieces with a turn of the server after each, and reads the answers. */
static void talk(struct loop *l, const char *label, const char *const *pieces,
		 unsigned answers)
{
	int client = dial(l->listener);

	step(l, 100);
	for (; *pieces; pieces++) {
		put(client, *pieces);
		step(l, GLANCE);
	}
	for (unsigned i = 0; i < answers; i++)
		answer(l, client, label);
	close(client);
	step(l, 10);
}

#define TALK(l, label, answers, ...) \
	talk(l, label, (const char *const[]){ __VA_ARGS__, NULL }, answers)

static void pieces(void)
{
	struct held h;
	struct loop l;

	start(&l);
	for (unsigned i = 0; i < 3; i++) {
		TALK(&l, "two", 1, "GET /f0", "1 HTTP/1.0\r\n\r\n");
		TALK(&l, "end of line", 1, "GET /f02 HTTP/1.0\r\n", "\r\n");
		TALK(&l, "bytes", 1, "G", "E", "T", " /f03 HTTP/1.", "0\r", "\n", "\r",
		     "\n");
		TALK(&l, "pipelined", 3,
		     "GET /f04 HTTP/1.1\r\n\r\nGET /f05 HTTP/1.1\r\n\r\n"
		     "GET /f06 HTTP/1.0\r\n\r\n");
		TALK(&l, "shifted", 2, "GET /f04 HTTP/1.1\r\n\r\nGET /f0",
		     "7 HTTP/1.0\r\n\r\n");
		TALK(&l, "kept", 3, "GET /f08 HTTP/1.1\r\n\r\n",
		     "GET /f09 HTTP/1.1\r\n\r\n", "GET /f10 HTTP/1.0\r\n\r\n");
		TALK(&l, "kept late", 2, "GET /late/f08 HTTP/1.1\r\n\r\n",
		     "GET /f09 HTTP/1.0\r\n\r\n");
	}
	h = hold(&l);
	finish(&l, &h);
}

static void bodies(void)
{
	struct held h;
	struct loop l;

	start(&l);
	for (unsigned i = 0; i < 3; i++) {
		TALK(&l, "whole", 1,
		     "POST /f01 HTTP/1.0\r\nContent-Length: 10\r\n\r\n0123456789");
		TALK(&l, "later", 1, "POST /f02 HTTP/1.0\r\nContent-Length: 10\r\n\r\n",
		     "01234", "56789");
		TALK(&l, "a request", 2,
		     "POST /f03 HTTP/1.1\r\nContent-Length: 21\r\n\r\nGET /f04 "
		     "HTTP/1.0\r\n\r\n"
		     "GET /f05 HTTP/1.0\r\n\r\n");
		TALK(&l, "options", 1,
		     "GET /f06 HTTP/1.0\r\nHost: a.example\r\nRange: bytes=100-\r\n\r\n");
		TALK(&l, "other verb", 1, "HEAD /f07 HTTP/1.0\r\nHost: b.example\r\n\r\n");
		TALK(&l, "late", 1,
		     "POST /late/f01 HTTP/1.0\r\nContent-Length: 2\r\n\r\nxx");
	}
	h = hold(&l);
	finish(&l, &h);
}

static const char *long_line(char *to, size_t n, const char *before, const char *after)
{
	size_t head = strlen(before);

	memcpy(to, before, head);
	memset(to + head, 'a', n - head);
	strcpy(to + n, after);
	return to;
}

static void put_bytes(struct loop *l, const char *label, const void *bytes, size_t n)
{
	int client = dial(l->listener);

	step(l, 100);
	MUST(send(client, bytes, n, MSG_NOSIGNAL));
	step(l, GLANCE);
	step(l, GLANCE);
	shutdown(client, SHUT_WR);
	step(l, GLANCE);
	answer(l, client, label);
	close(client);
}

/* Bytes that are no request, or none that a file can be made of. */
static void garbage(void)
{
	static const unsigned char hello[] = { 0x16, 3,	   1, 0, 0xc8, 1,   0,
					       0,    0xc4, 3, 3, 'G',  'E', 'T' };
	static char text[12000];
	struct held h;
	uint64_t x = 88172645463325252ULL;
	struct loop l;

	start(&l);
	put_bytes(&l, "tls", hello, sizeof(hello));
	put_bytes(&l, "nul", "GET /f0\0001 HTTP/1.0\r\n\r\n", 23);
	put_bytes(&l, "ends", "\r\n\r\n\r\n\r\n", 8);
	for (unsigned i = 0; i < 20; i++) {
		for (unsigned j = 0; j < 600; j++) {
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			text[j] = (char)x;
		}
		if (i & 1)
			memcpy(text, "GET /", 5);
		put_bytes(&l, "random", text, 600 - i);
	}
	for (size_t n = 100; n < 9000; n = n * 3 / 2) {
		long_line(text, n, "GET /", " HTTP/1.0\r\n\r\n");
		put_bytes(&l, "long", text, strlen(text));
	}
	TALK(&l, "up", 1, "GET /../f01 HTTP/1.0\r\n\r\n");
	TALK(&l, "dot", 1, "GET /./f01 HTTP/1.0\r\n\r\n");
	TALK(&l, "slashes", 1, "GET //f01 HTTP/1.0\r\n\r\n");
	TALK(&l, "encoded", 1, "GET /%66%30%31 HTTP/1.0\r\n\r\n");
	TALK(&l, "query", 1, "GET /f01?a=b HTTP/1.0\r\n\r\n");
	TALK(&l, "directory", 1, "GET /late HTTP/1.0\r\n\r\n");
	TALK(&l, "root", 1, "GET / HTTP/1.0\r\n\r\n");
	TALK(&l, "through a file", 1, "GET /f01/f02 HTTP/1.0\r\n\r\n");
	TALK(&l, "relative", 1, "GET f01 HTTP/1.0\r\n\r\n");
	TALK(&l, "empty", 1, "GET  HTTP/1.0\r\n\r\n");
	TALK(&l, "old", 1, "GET /f01\r\n\r\n");
	h = hold(&l);
	finish(&l, &h);
}

/* Files that are none, in the place of those that are. */
static void kinds_of_files(void)
{
	static const char *const names[] = { "link",   "loop", "dangling",
					     "secret", "fifo", "empty" };
	char text[64];
	struct held h;
	struct loop l;

	start(&l);
	for (unsigned turn = 0; turn < 3; turn++)
		for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
			snprintf(text, sizeof(text), "GET /%s HTTP/1.0\r\n\r\n", names[i]);
			TALK(&l, names[i], 1, text);
		}
	h = hold(&l);
	finish(&l, &h);
}

/* Many that say half of something, or nothing, and stay. */
static void slow_lories(void)
{
	int client[100];
	struct held h;
	struct loop l;

	start(&l);
	for (unsigned i = 0; i < 100; i++) {
		client[i] = dial(l.listener);
		take(&l);
		if (i % 2)
			put(client[i], "GET /f01 HT");
	}
	for (int i = 0; i < 100 && step(&l, 0) > 0; i++)
		;
	h = hold(&l);
	finish(&l, &h);
	for (unsigned i = 1; i < 100; i += 2)
		put(client[i], "TP/1.0\r\n\r\n");
	for (unsigned i = 0; i < 100; i++)
		if (i % 2)
			answer(&l, client[i], i < 8 ? "half" : NULL);
		else
			close(client[i]);
	for (unsigned i = 0; i < 50 && step(&l, 10) > 0; i++)
		;
	visit_server(&l, "f01");
	say("answers %u\n", l.answers);
}

/* A file changes between the request and the answer, by the server's own hand. */
static void rewritten(void)
{
	char names[4][64];
	struct held h;
	struct loop l;
	int fd;

	start(&l);
	for (unsigned i = 0; i < 4; i++)
		snprintf(names[i], sizeof(names[i]), "%s/%s/w%u", style.late, style.own, i);
	for (unsigned i = 0; i < 3; i++) {
		measured(&l);
		h = connected(&l, names[i]);
		hold_on(&l, &h);
		/* Written over in place, replaced by another, removed. */
		fd = MUST(open(names[i ? 3 : 0], O_WRONLY | O_CREAT | O_TRUNC, 0644));
		for (unsigned j = 0; j < 100 + i; j++)
			MUST(write(fd, "0123456789", 10));
		MUST(close(fd));
		if (i == 1)
			MUST(rename(names[3], names[1]));
		if (i == 2)
			MUST(unlink(names[2]));
		h.name = "changed";
		finish(&l, &h);
	}
}

const struct way requests[] = {
	{ "pieces", pieces },
	{ "bodies", bodies },
	{ "garbage", garbage },
	{ "files", kinds_of_files },
	{ "lories", slow_lories },
	{ "rewritten", rewritten },
	{ NULL, NULL },
};
