/* SPDX-License-Identifier: MIT
 *
 * More than one epoll set, sets in sets, and more than one number for the same set or
 * the same socket, while something is held.
 */
#include "events.h"

/* The other set is served meanwhile; what was held is there when its set is asked. */
static void two(void)
{
	struct loop a, b;
	struct held h;

	start(&a);
	start(&b);
	h = hold(&a);
	visit_server(&b, "f05");
	say("b: %u\n", b.answers);
	silence(&b, h.c, SETTLED);
	/* By now it has been released: no wait is needed to see it. */
	if (!(h.c->seen & EPOLLIN))
		await(&a, h.c, READABLE, 0);
	finish(&a, &h);
}

/* The same connection in both; each tells of it. */
static void shared(void)
{
	struct loop a, b;
	struct held h;
	uint32_t other;

	start(&a);
	loop_init(&b);
	measured(&a);
	h = connected(&a, late_name(0));
	MUST(loop_ctl(&b, EPOLL_CTL_ADD, h.c, EPOLLIN));
	hold_on(&a, &h);
	other = await(&b, h.c, EPOLLIN, IN_TIME);
	say("b: %x\n", other);
	if (!(h.c->seen & EPOLLIN))
		await(&a, h.c, READABLE, IN_TIME);
	finish(&a, &h);
	say("b: %x\n", await(&b, h.c, READABLE, 0));
}

/* It is read when the one set tells of it; the other then has nothing to tell. */
static void shared_read(void)
{
	struct loop a, b;
	struct held h;

	start(&a);
	loop_init(&b);
	measured(&a);
	h = connected(&a, late_name(0));
	MUST(loop_ctl(&b, EPOLL_CTL_ADD, h.c, EPOLLIN));
	hold_on(&a, &h);
	h.c->seen = 0;
	finish(&b, &h);
	say("a: %x\n", await(&a, h.c, READABLE, SETTLED));
}

/* In each round: does the outer one say that there is something, and what is it? */
static unsigned inner_rounds(struct loop *l, struct held *h, int outer, unsigned *empty)
{
	struct pollfd p = { outer, POLLIN, 0 };
	int64_t end = now_ms() + IN_TIME;
	unsigned rounds = 0;

	while (!(h->c->seen & EPOLLIN) && now_ms() < end) {
		struct epoll_event ev;
		int n = style.most == 1 ? poll(&p, 1, IN_TIME)
					: epoll_wait(outer, &ev, 1, IN_TIME);

		if (n <= 0)
			continue;
		rounds++;
		*empty += !await(l, h->c, READABLE, 0);
	}
	return rounds;
}

/* Waited for on the outside (with most=1 by poll), looked into when it says so. */
static void nested(void)
{
	struct epoll_event ev = { .events = EPOLLIN | (style.flags & EPOLLET) };
	unsigned rounds, empty = 0;
	struct held h;
	struct loop l;
	int outer;

	start(&l);
	outer = MUST(epoll_create1(0));
	MUST(epoll_ctl(outer, EPOLL_CTL_ADD, l.set, &ev));
	for (unsigned i = 0; i < 2; i++) {
		measured(&l);
		h = connected(&l, late_name(i));
		ask(h.client, h.name);
		rounds = inner_rounds(&l, &h, style.most == 1 ? l.set : outer, &empty);
		say("rounds: %s\n", !rounds ? "none" : rounds < 10 ? "few" : "many");
		fact("held: %s\n", empty ? "yes" : "no");
		finish(&l, &h);
	}
}

/* The outer one also has a connection of its own, and is waited on without end. */
static void nested_beside(void)
{
	struct loop l, outer;
	struct conn *inner;
	struct held h;

	start(&l);
	start(&outer);
	inner = conn_new(l.set);
	MUST(loop_ctl(&outer, EPOLL_CTL_ADD, inner, EPOLLIN));
	h = hold(&l);
	visit_server(&outer, "f06");
	say("outer: %u\n", outer.answers);
	if (!(h.c->seen & EPOLLIN) && !await(&outer, inner, EPOLLIN, IN_TIME))
		say("outer: nothing\n");
	if (!(h.c->seen & EPOLLIN))
		await(&l, h.c, READABLE, GLANCE);
	finish(&l, &h);
}

/* The set goes on under another number. */
static void set_dup(void)
{
	struct held h;
	struct loop l;
	int other, old;

	start(&l);
	h = hold(&l);
	other = MUST(dup(l.set));
	old = l.set;
	close(old);
	l.set = other;
	h.c->seen = 0;
	finish(&l, &h);
	visit_server(&l, "f01");
	say("answers %u\n", l.answers);
}

/* Changed through another number of the same set: what counts is the change. */
static void set_dup_changes(void)
{
	struct epoll_event none = { .events = 0 };
	struct held h;
	struct loop l;
	int other;

	start(&l);
	other = MUST(dup(l.set));
	h = hold(&l);
	none.data.u64 = h.c->tag;
	MUST(epoll_ctl(other, EPOLL_CTL_MOD, h.c->fd, &none));
	silence(&l, h.c, SETTLED);
	MUST(epoll_ctl(other, EPOLL_CTL_DEL, h.c->fd, NULL));
	silence(&l, h.c, SETTLED);
	MUST(loop_ctl(&l, EPOLL_CTL_ADD, h.c, EPOLLIN));
	h.c->seen = 0;
	finish(&l, &h);
}

/* The set is closed, a new one is made; it has the same number. */
static void set_closed(void)
{
	struct held h;
	struct loop l;
	int old;

	start(&l);
	h = hold(&l);
	old = l.set;
	close(old);
	l.set = MUST(epoll_create1(0));
	say("same number: %s\n", old == l.set ? "yes" : "no");
	l.has[h.c->fd] = false;
	silence(&l, h.c, SETTLED);
	MUST(loop_ctl(&l, EPOLL_CTL_ADD, h.c, EPOLLIN));
	h.c->seen = 0;
	finish(&l, &h);
}

/* The set's number becomes that of another set. */
static void set_over(void)
{
	struct loop a, b;
	struct held h;

	start(&a);
	start(&b);
	h = hold(&a);
	MUST(dup2(b.set, a.set));
	a.has[h.c->fd] = false;
	/* Now both are b's. */
	visit_server(&b, "f04");
	b.set = a.set;
	visit_server(&b, "f04");
	silence(&b, h.c, SETTLED);
	MUST(loop_ctl(&b, EPOLL_CTL_ADD, h.c, EPOLLIN));
	h.c->seen = 0;
	finish(&b, &h);
}

/* One socket under two numbers: the registration outlives the number it was made for. */
static void socket_dup(void)
{
	struct held h;
	struct loop l;
	uint64_t tag;
	int other;

	start(&l);
	h = hold(&l);
	other = MUST(fcntl(h.c->fd, F_DUPFD, 0));
	tag = h.c->tag;
	close(h.c->fd);
	/* Level-triggered, and still unread. */
	say("still: %s\n", await(&l, h.c, READABLE, IN_TIME) ? "reported" : "not reported");
	say("tag: %s\n", h.c->tag == tag ? "its own" : "another");
	MUST(dup2(other, h.c->fd));
	close(other);
	h.c->seen = 0;
	finish(&l, &h);
}

/* Both numbers in the set: both are told of. */
static void socket_twice(void)
{
	uint32_t a, b = 0;
	struct conn *twin;
	struct held h;
	struct loop l;

	start(&l);
	measured(&l);
	h = connected(&l, late_name(0));
	twin = join(&l, MUST(dup(h.c->fd)));
	ask(h.client, h.name);
	a = 0;
	for (int64_t end = now_ms() + IN_TIME; now_ms() < end && !(a && b);) {
		struct ready r[BATCH];
		int n = loop_wait(&l, r, 20);

		fact("reported: %d\n", n);
		for (int i = 0; i < n; i++) {
			if (r[i].c == h.c)
				a |= r[i].events;
			if (r[i].c == twin)
				b |= r[i].events;
		}
	}
	say("a: %x, b: %x\n", a, b);
	MUST(loop_ctl(&l, EPOLL_CTL_DEL, twin, 0));
	close(twin->fd);
	h.c->seen = a;
	finish(&l, &h);
}

const struct way sets[] = {
	{ "two", two },
	{ "shared", shared },
	{ "shared_read", shared_read },
	{ "nested", nested },
	{ "nested_beside", nested_beside },
	{ "set_dup", set_dup },
	{ "set_dup_changes", set_dup_changes },
	{ "set_closed", set_closed },
	{ "set_over", set_over },
	{ "socket_dup", socket_dup },
	{ "socket_twice", socket_twice },
	{ NULL, NULL },
};
