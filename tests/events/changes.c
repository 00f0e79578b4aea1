/* SPDX-License-Identifier: MIT
 *
 * What may happen to a connection between the arrival of its request and the event: it
 * is taken out of the set, changed, closed, its number used again, shut down or reset
 * by the other side, read without an event.
 */
#include <netinet/in.h>

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
	h.seen = 0;
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
	h.seen = 0;
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
	h.seen = 0;
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
	h.seen = 0;
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
	h.seen |= seen;
	finish(&l, &h);
}

static uint32_t reset_once(struct loop *l, int64_t *took)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };
	struct held h = hold(l);
	uint32_t seen, bits = EPOLLHUP | EPOLLERR;
	int64_t start_ms = now_ms();
	struct ready r = { .c = h.c, .tag = h.c->tag };

	if (style.call >= BY_SELECT)
		bits = EPOLLIN; /* all that it can say */
	if (style.flags & EPOLLONESHOT && h.seen)
		MUST(loop_ctl(l, EPOLL_CTL_MOD, h.c, EPOLLIN));
	MUST(setsockopt(h.client, SOL_SOCKET, SO_LINGER, &now, sizeof(now)));
	close(h.client);
	seen = await(l, h.c, bits, IN_TIME);
	*took = now_ms() - start_ms;
	r.events = seen;
	on_event(l, &r);
	if (h.c->live && h.c->tag == r.tag)
		drop(l, h.c);
	return seen;
}

/* A reset is told at once. That is a matter of time: once in three is enough. */
static void reset(void)
{
	int64_t took = IN_TIME, best = IN_TIME;
	uint32_t seen = 0;
	struct loop l;

	start(&l);
	for (unsigned i = 0; i < 3 && best > 60; i++) {
		seen = reset_once(&l, &took);
		best = took < best ? took : best;
	}
	say("reset: %x, %s\n", seen, best <= 60 ? "at once" : "late");
	visit_server(&l, "f01");
	say("answers: %s\n", l.answers > 20 ? "more" : "no more");
}

/* Who has sent the request and gone leaves nothing behind. */
static void gone(void)
{
	struct ready r = { 0 };
	struct loop l;
	struct held h;

	start(&l);
	h = hold(&l);
	close(h.client);
	r.c = h.c;
	r.tag = h.c->tag;
	r.events = h.seen & EPOLLIN ? h.seen : await(&l, h.c, READABLE, IN_TIME);
	say("came: %s\n", r.events & EPOLLIN ? "in time" : "not");
	on_event(&l, &r);
	for (unsigned i = 0; i < 20 && h.c->live; i++)
		step(&l, 50);
	say("live: %d\n", h.c->live);
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

/* Read without waiting for the event: then there is none. */
static void unasked(void)
{
	char text[512];
	struct loop l;
	struct held h;
	ssize_t n;

	start(&l);
	h = hold(&l);
	n = recv(h.c->fd, text, sizeof(text), 0);
	say("read %zd bytes\n", n);
	silence(&l, h.c, SETTLED);
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
	h = (struct held){ .client = dial(l.listener), .name = "first" };
	h.c = take(&l);
	await(&l, h.c, READABLE, 0);
	snprintf(text, sizeof(text), "GET /%s HTTP/1.1\r\n\r\n", late_name(1));
	put(h.client, text);
	h.seen = await(&l, h.c, READABLE, GLANCE);
	fact("held: %s\n", h.seen & EPOLLIN ? "no" : "yes");
	put(h.client, "GET /f02 HT");
	h.seen |= await(&l, h.c, READABLE, GLANCE);
	put(h.client, "TP/1.1\r\n\r\nGET /f03 HTTP/1.0\r\n\r\n");
	h.seen |= await(&l, h.c, READABLE, GLANCE);
	if (!(h.seen & EPOLLIN))
		h.seen = await(&l, h.c, READABLE, IN_TIME);
	on_event(&l, &(struct ready){ h.c, h.c->tag, h.seen });
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
	{ "more", more },
	{ NULL, NULL },
};
