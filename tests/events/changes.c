/* SPDX-License-Identifier: MIT
 *
 * What may happen to a connection between the arrival of its request and the event: it
 * is taken out of the set, changed, closed, its number used again, shut down or reset
 * by the other side, read without an event.
 */
#include <netinet/in.h>
#include <sys/ioctl.h>

#include "events.h"

static void deleted(void)
{
	struct loop l;
	struct held h;

	start(&l);
	h = hold(&l);
	MUST(loop_ctl(&l, EPOLL_CTL_DEL, h.c, 0));
	silence(&l, h.c, SETTLED);
	say("again: %s\n", error_name(loop_ctl(&l, EPOLL_CTL_DEL, h.c, 0)));
	MUST(loop_ctl(&l, EPOLL_CTL_ADD, h.c, EPOLLIN));
	h.c->seen = 0;
	finish(&l, &h);
}

/* Out and in again before the time is up: what comes is the new registration's. */
static void replaced(void)
{
	struct loop l;
	struct held h;

	start(&l);
	h = hold(&l);
	MUST(loop_ctl(&l, EPOLL_CTL_DEL, h.c, 0));
	h.c->tag += 1ULL << 40;
	MUST(loop_ctl(&l, EPOLL_CTL_ADD, h.c, EPOLLIN));
	h.c->seen = 0;
	finish(&l, &h);
}

static void masked(uint32_t events)
{
	struct loop l;
	struct held h;

	start(&l);
	h = hold(&l);
	MUST(loop_ctl(&l, EPOLL_CTL_MOD, h.c, events));
	if (events & EPOLLOUT)
		say("writable: %s\n",
		    await(&l, h.c, EPOLLOUT, GLANCE) & EPOLLOUT ? "at once" : "not");
	silence(&l, h.c, SETTLED);
	MUST(loop_ctl(&l, EPOLL_CTL_MOD, h.c, EPOLLIN));
	h.c->seen = 0;
	finish(&l, &h);
}

static void to_none(void)
{
	masked(0);
}

static void to_out(void)
{
	masked(EPOLLOUT);
}

/* Changed to what it was, with other data, as servers do that arm again and again. */
static void to_same(void)
{
	struct loop l;
	struct held h;

	start(&l);
	h = hold(&l);
	h.c->tag += 1ULL << 40;
	MUST(loop_ctl(&l, EPOLL_CTL_MOD, h.c, EPOLLIN));
	h.c->seen = 0;
	finish(&l, &h);
}

static void closed(void)
{
	struct loop l;
	struct held h;
	char byte;

	start(&l);
	h = hold(&l);
	drop(&l, h.c);
	silence(&l, h.c, SETTLED);
	say("client: %s\n", error_name((int)recv(h.client, &byte, 1, 0)));
	close(h.client);
	h = hold(&l);
	finish(&l, &h);
}

static void close_it(struct loop *l, struct conn *c, bool by_dup)
{
	if (by_dup) {
		int other = MUST(open("/dev/null", O_RDONLY));

		l->has[c->fd] = false;
		MUST(dup2(other, c->fd));
		close(c->fd);
		close(other);
		c->live = false;
	} else {
		drop(l, c);
	}
}

/* The connection that waits to be accepted gets the number of the one that was held. */
static void reuse(bool by_dup)
{
	struct held old, new = { .name = "f02" };
	struct loop l;
	int fd;

	start(&l);
	old = hold(&l);
	fd = old.c->fd;
	new.client = dial(l.listener);
	close_it(&l, old.c, by_dup);
	new.c = take(&l);
	new.c->parked = true;
	say("same number: %s\n", new.c->fd == fd ? "yes" : "no");
	await(&l, new.c, READABLE, 0);
	silence(&l, new.c, SETTLED);
	ask(new.client, new.name);
	finish(&l, &new);
	close(old.client);
}

static void reused(void)
{
	reuse(false);
}

static void overwritten(void)
{
	reuse(true);
}

/* The number becomes that of a pipe, in the same set. */
static void reused_by_pipe(void)
{
	struct conn *c;
	struct held h;
	struct loop l;
	int p[2], fd;

	start(&l);
	h = hold(&l);
	fd = h.c->fd;
	drop(&l, h.c);
	MUST(pipe(p));
	say("same number: %s\n", p[0] == fd ? "yes" : "no");
	c = conn_new(p[0]);
	MUST(loop_ctl(&l, EPOLL_CTL_ADD, c, EPOLLIN));
	silence(&l, c, SETTLED);
	MUST(write(p[1], "x", 1));
	say("pipe: %x\n", await(&l, c, EPOLLIN, IN_TIME));
	close(h.client);
}

/* Nothing more will be sent, but the answer is wanted. */
static void half(void)
{
	struct loop l;
	struct held h;
	uint32_t seen;

	start(&l);
	h = hold(&l);
	MUST(shutdown(h.client, SHUT_WR));
	seen = await(&l, h.c, READABLE, IN_TIME);
	/* The kernel never says one without the other. */
	say("end without data: %s\n",
	    (seen & EPOLLRDHUP) && !(seen & EPOLLIN) ? "yes" : "no");
	h.c->seen |= seen;
	finish(&l, &h);
}

static uint32_t reset_once(struct loop *l, int64_t *took)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };
	uint32_t seen, bits = EPOLLHUP | EPOLLERR;
	struct held h = hold(l);
	int64_t start_ms = now_ms();

	if (style.call >= BY_SELECT)
		bits = EPOLLIN; /* all that it can say */
	if (style.flags & EPOLLONESHOT && h.c->seen)
		MUST(loop_ctl(l, EPOLL_CTL_MOD, h.c, EPOLLIN));
	MUST(setsockopt(h.client, SOL_SOCKET, SO_LINGER, &now, sizeof(now)));
	close(h.client);
	seen = await(l, h.c, bits, IN_TIME);
	*took = now_ms() - start_ms;
	h.c->closing = true;
	deliver(l, h.c);
	if (h.c->live)
		drop(l, h.c);
	return seen;
}

/*
 * A reset is told at once, where there is a bit for it that is waited for. That is a
 * matter of time: once in three is enough.
 */
static void reset(void)
{
	int64_t limit =
		style.call >= BY_SELECT || style.flags & EPOLLONESHOT ? IN_TIME : 60;
	int64_t took = 2 * IN_TIME, best = took;
	uint32_t seen = 0;
	struct held h;
	struct loop l;

	start(&l);
	for (unsigned i = 0; i < 3 && best > limit; i++) {
		seen = reset_once(&l, &took);
		best = took < best ? took : best;
	}
	say("reset: %x, %s\n", seen, best <= limit ? "in time" : "late");
	h = hold(&l);
	h.name = "next";
	finish(&l, &h);
}

/* Who has sent the request and gone leaves nothing behind. */
static void gone(void)
{
	struct loop l;
	struct held h;

	start(&l);
	h = hold(&l);
	close(h.client);
	if (!(h.c->seen & EPOLLIN))
		await(&l, h.c, READABLE, IN_TIME);
	say("came: %s\n", h.c->seen & EPOLLIN ? "in time" : "not");
	deliver(&l, h.c);
	for (int64_t end = now_ms() + 2000; h.c->live && now_ms() < end;)
		step(&l, 50);
	say("live: %d, %s\n", h.c->live, l.again > 10 ? "busy" : "calm");
	h = hold(&l);
	finish(&l, &h);
}

/* The server has ended the connection itself. */
static void shut(void)
{
	struct loop l;
	struct held h;

	start(&l);
	h = hold(&l);
	MUST(shutdown(h.c->fd, SHUT_RDWR));
	say("came: %s\n", await(&l, h.c, READABLE, IN_TIME) & EPOLLIN ? "in time" : "not");
	drop(&l, h.c);
	say("client: %d\n", answer(NULL, h.client, NULL));
	close(h.client);
}

/*
 * Read without having been told. It may be there or not yet, but then either an event
 * comes or another try finds it; and after that there is nothing more.
 */
static void read_unasked(bool waits)
{
	int64_t end;
	char text[512];
	struct loop l;
	struct held h;
	ssize_t n;

	start(&l);
	h = hold(&l);
	end = now_ms() + IN_TIME;
	n = recv(h.c->fd, text, sizeof(text), 0);
	fact("read: %zd\n", n);
	while (n < 0 && errno == EAGAIN && now_ms() < end) {
		if (!waits)
			nap(1000);
		else if (!(await(&l, h.c, READABLE, IN_TIME) & EPOLLIN))
			say("no event\n");
		n = recv(h.c->fd, text, sizeof(text), 0);
	}
	say("read %zd bytes\n", n);
	silence(&l, h.c, SETTLED);
	n = recv(h.c->fd, text, sizeof(text), 0);
	say("more: %s\n", error_name((int)n));
	put(h.client, "x");
	say("more: %x\n", await(&l, h.c, READABLE, IN_TIME));
	n = recv(h.c->fd, text, sizeof(text), 0);
	say("read %zd bytes\n", n);
	drop(&l, h.c);
	close(h.client);
}

static void unasked(void)
{
	read_unasked(true);
}

static void unasked_again(void)
{
	read_unasked(false);
}

/* What tells how much there is to read, and what blocks until there is. */
static void unasked_otherwise(void)
{
	char text[512];
	struct loop l;
	struct held h;
	int n = 0;

	start(&l);
	h = hold(&l);
	MUST(ioctl(h.c->fd, FIONREAD, &n));
	say("there: %d\n", n);
	say("peeked: %zd\n", recv(h.c->fd, text, sizeof(text), MSG_PEEK));
	MUST(fcntl(h.c->fd, F_SETFL, 0));
	say("blocking: %zd\n", recv(h.c->fd, text, sizeof(text), 0));
	silence(&l, h.c, SETTLED);
	drop(&l, h.c);
	close(h.client);
	h = hold(&l);
	MUST(fcntl(h.c->fd, F_SETFL, 0));
	say("all: %zd\n", recv(h.c->fd, text, strlen(h.name) + 17, MSG_WAITALL));
	drop(&l, h.c);
	close(h.client);
	h = hold(&l);
	MUST(fcntl(h.c->fd, F_SETFL, 0));
	say("read: %zd\n", read(h.c->fd, text, sizeof(text)));
	drop(&l, h.c);
	close(h.client);
}

/* More arrives, in pieces, while the first is kept back. */
static void more(void)
{
	char text[64];
	struct loop l;
	struct held h;

	start(&l);
	measured(&l);
	h = connected(&l, "first");
	snprintf(text, sizeof(text), "GET /%s HTTP/1.1\r\n\r\n", late_name(1));
	put(h.client, text);
	await(&l, h.c, READABLE, GLANCE);
	fact("held: %s\n", h.c->seen & EPOLLIN ? "no" : "yes");
	put(h.client, "GET /f02 HT");
	await(&l, h.c, READABLE, GLANCE);
	put(h.client, "TP/1.1\r\n\r\nGET /f03 HTTP/1.0\r\n\r\n");
	await(&l, h.c, READABLE, GLANCE);
	if (!(h.c->seen & EPOLLIN))
		await(&l, h.c, READABLE, IN_TIME);
	deliver(&l, h.c);
	for (unsigned i = 0; i < 3; i++)
		answer(&l, h.client, "one of three");
	close(h.client);
}

const struct way changes[] = {
	{ "deleted", deleted },
	{ "replaced", replaced },
	{ "to_none", to_none },
	{ "to_out", to_out },
	{ "to_same", to_same },
	{ "closed", closed },
	{ "reused", reused },
	{ "overwritten", overwritten },
	{ "reused_by_pipe", reused_by_pipe },
	{ "half", half },
	{ "reset", reset },
	{ "gone", gone },
	{ "shut", shut },
	{ "unasked", unasked },
	{ "unasked_again", unasked_again },
	{ "unasked_otherwise", unasked_otherwise },
	{ "more", more },
	{ NULL, NULL },
};
