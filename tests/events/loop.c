/* SPDX-License-Identifier: MIT
 *
 * One loop over all the calls that wait. Connections stand in a table by number, and
 * every user of a number has a tag of its own: an event that belongs to an earlier one
 * is told from the data that came with it, and said.
 */
#include <netinet/in.h>

#include "events.h"

struct conn conns[FDS];

int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

bool by_set(void)
{
	return style.call < BY_POLL;
}

int socket_tcp(void)
{
	return MUST(socket(AF_INET, SOCK_STREAM, 0));
}

void loop_init(struct loop *l)
{
	*l = (struct loop){ .set = -1, .listener = -1 };
	if (by_set())
		l->set = MUST(epoll_create1(0));
}

struct conn *conn_new(int fd)
{
	static uint64_t users;
	struct conn *c;

	if (fd < 0 || fd >= FDS) {
		say("number %d\n", fd);
		_exit(96);
	}
	c = &conns[fd];
	*c = (struct conn){
		.fd = fd, .tag = ++users << 32 | (uint32_t)fd, .live = true, .file = -1
	};
	return c;
}

/* As the call; for poll and select, what it would do. */
int loop_ctl(struct loop *l, int op, struct conn *c, uint32_t events)
{
	struct epoll_event ev = { .events = events | style.flags };

	if (l->set >= 0) {
		if (c->listening || op == EPOLL_CTL_MOD)
			ev.events &= ~(uint32_t)EPOLLEXCLUSIVE;
		if (c->listening)
			ev.events &= ~(uint32_t)EPOLLONESHOT;
		if (style.form == AS_FD)
			ev.data.u64 = 0, ev.data.fd = c->fd;
		else if (style.form == AS_PTR)
			ev.data.u64 = 0, ev.data.ptr = c;
		else
			ev.data.u64 = c->tag;
		if (epoll_ctl(l->set, op, c->fd, &ev) < 0)
			return -1;
	}
	l->has[c->fd] = op != EPOLL_CTL_DEL;
	l->want[c->fd] = op == EPOLL_CTL_DEL ? 0 : events;
	return 0;
}

static struct timespec *as_timespec(struct timespec *ts, int ms)
{
	if (ms < 0)
		return NULL;
	ts->tv_sec = ms / 1000;
	ts->tv_nsec = ms % 1000 * 1000000L;
	return ts;
}

static struct conn *conn_of(const struct epoll_event *ev)
{
	uint64_t data = ev->data.u64;
	struct conn *c = style.form == AS_PTR ? ev->data.ptr : &conns[data & (FDS - 1)];

	if (style.form == AS_U64 && data != c->tag)
		say("event of an earlier user of %d\n", c->fd);
	if (style.form == AS_FD && data >> 32)
		say("data of another form: %lx\n", (unsigned long)data);
	return c;
}

static int wait_set(struct loop *l, struct ready *r, int ms)
{
	struct epoll_event ev[BATCH];
	struct timespec ts;
	int n;

	if (style.call == BY_EPOLL_WAIT)
		n = epoll_wait(l->set, ev, style.most, ms);
	else if (style.call == BY_EPOLL_PWAIT)
		n = epoll_pwait(l->set, ev, style.most, ms, l->mask);
	else
		n = epoll_pwait2(l->set, ev, style.most, l->limit ?: as_timespec(&ts, ms),
				 l->mask);
	if (n > style.most)
		say("%d events of at most %d\n", n, style.most);
	for (int i = 0; i < n; i++) {
		r[i].c = conn_of(&ev[i]);
		r[i].events = ev[i].events;
	}
	return n;
}

static int wait_poll(struct loop *l, struct ready *r, int ms)
{
	static struct pollfd p[FDS];
	struct timespec ts;
	nfds_t count = 0;
	int n, found = 0;

	for (int fd = 0; fd < FDS; fd++)
		if (l->has[fd])
			p[count++] = (struct pollfd){ fd, (short)l->want[fd], 0x4000 };
	if (style.call == BY_POLL)
		n = poll(p, count, ms);
	else
		n = ppoll(p, count, l->limit ?: as_timespec(&ts, ms), l->mask);
	for (nfds_t i = 0; i < count; i++) {
		if (p[i].events != (short)l->want[p[i].fd])
			say("poll changed events of %d\n", p[i].fd);
		if (n < 0 || !p[i].revents)
			continue;
		if (found < BATCH)
			r[found] = (struct ready){ .c = &conns[p[i].fd],
						   .events = (uint16_t)p[i].revents };
		found++;
	}
	if (n >= 0 && found != n)
		say("poll said %d, and showed %d\n", n, found);
	return n > BATCH ? BATCH : n;
}

static int wait_select(struct loop *l, struct ready *r, int ms)
{
	fd_set in, out, in_before, out_before;
	struct timeval tv = { ms / 1000, ms % 1000 * 1000 };
	struct timespec ts;
	int n, top = 0, found = 0, bits = 0;

	FD_ZERO(&in);
	FD_ZERO(&out);
	for (int fd = 0; fd < FDS; fd++) {
		if (l->has[fd] && l->want[fd] & EPOLLIN)
			FD_SET(fd, &in);
		if (l->has[fd] && l->want[fd] & EPOLLOUT)
			FD_SET(fd, &out);
		if (l->has[fd])
			top = fd + 1;
	}
	in_before = in;
	out_before = out;
	if (style.call == BY_SELECT)
		n = select(top, &in, &out, NULL, ms < 0 ? NULL : &tv);
	else
		n = pselect(top, &in, &out, NULL, l->limit ?: as_timespec(&ts, ms),
			    l->mask);
	if (n < 0) {
		if (memcmp(&in, &in_before, sizeof(in)) ||
		    memcmp(&out, &out_before, sizeof(out)))
			say("select failed and changed its sets\n");
		return n;
	}
	for (int fd = 0; fd < top; fd++) {
		uint32_t events = (FD_ISSET(fd, &in) ? (uint32_t)EPOLLIN : 0) |
				  (FD_ISSET(fd, &out) ? (uint32_t)EPOLLOUT : 0);

		bits += !!(events & EPOLLIN) + !!(events & EPOLLOUT);
		if (events & ~l->want[fd])
			say("select set what was not asked for, %d\n", fd);
		if (events && found < BATCH)
			r[found++] = (struct ready){ .c = &conns[fd], .events = events };
	}
	if (bits != n)
		say("select said %d, and showed %d\n", n, bits);
	return found;
}

/* At most BATCH events; -1 and errno as the call. */
int loop_wait(struct loop *l, struct ready *r, int ms)
{
	int n;

	if (by_set())
		n = wait_set(l, r, ms);
	else if (style.call == BY_POLL || style.call == BY_PPOLL)
		n = wait_poll(l, r, ms);
	else
		n = wait_select(l, r, ms);
	l->waits += n > 0;
	for (int i = 0; i < n; i++) {
		r[i].tag = r[i].c->tag;
		if (!l->has[r[i].c->fd] && !l->crowded)
			say("event of %d, which is not in the set\n", r[i].c->fd);
	}
	return n;
}
