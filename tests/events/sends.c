/* SPDX-License-Identifier: MIT
 *
 * Files of 8 MiB that are not in memory, to sockets that do not block: every byte
 * arrives, in the end, without a busy loop, whatever happens to the connection or to
 * the file on the way.
 */
#include <sys/ioctl.h>
#include <sys/sendfile.h>

#include "events.h"

#define BIG "big0"
#define BIG_SIZE (8 << 20)
#define PART 65536
#define WAITS_PER_PART 10 /* 20 per 128 KiB */

struct download {
	int fd;
	long got;
	bool body, ended;
	uint64_t sum;
};

static struct download download_from(int fd)
{
	return (struct download){ .fd = fd, .sum = 0xcbf29ce484222325ULL };
}

static void take_in(struct download *d, const unsigned char *p, ssize_t n)
{
	for (ssize_t i = 0; i < n; i++) {
		if (!d->body) {
			d->body = p[i] == '\n';
			continue;
		}
		d->sum = (d->sum ^ p[i]) * 0x100000001b3ULL;
		d->got++;
	}
}

/* What has come, or one part of it. */
static void drain(struct download *d)
{
	static unsigned char buf[PART];
	ssize_t n;

	while ((n = recv(d->fd, buf, sizeof(buf), MSG_DONTWAIT)) > 0) {
		take_in(d, buf, n);
		if (style.slowly)
			return;
	}
	d->ended = d->ended || !n || errno != EAGAIN;
}

/* Serves and reads in turn until everybody has everything. */
static void downloads(struct loop *l, struct download *d, unsigned n, long until)
{
	int64_t end = now_ms() + 20000;
	unsigned before = l->waits, left = n;
	long got = 0;

	while (left && now_ms() < end) {
		left = 0;
		step(l, 5);
		for (unsigned i = 0; i < n; i++) {
			drain(&d[i]);
			left += !d[i].ended && d[i].got < until;
		}
	}
	for (unsigned i = 0; i < n; i++)
		got += d[i].got;
	fact("%u waits, %u sends, %u again\n", l->waits - before, l->sends, l->again);
	if (l->waits - before > (unsigned)(got / PART + n) * WAITS_PER_PART)
		say("busy\n");
}

static void report(const struct download *d)
{
	say("%ld bytes, %lx, %s\n", d->got, (unsigned long)d->sum,
	    d->ended ? "ended" : "open");
}

static struct download request(struct loop *l, const char *name)
{
	struct download d = download_from(dial(l->listener));

	ask(d.fd, name);
	return d;
}

static void big(void)
{
	struct download d;
	struct loop l;

	start(&l);
	d = request(&l, BIG);
	downloads(&l, &d, 1, BIG_SIZE + 1);
	report(&d);
	close(d.fd);
	visit_server(&l, "f01");
	say("answers %u\n", l.answers);
}

/* Two of the same file, and a third of another. */
static void big_twice(void)
{
	struct download d[3];
	struct loop l;

	start(&l);
	for (unsigned i = 0; i < 3; i++)
		d[i] = request(&l, i < 2 ? BIG : "big1");
	downloads(&l, d, 3, BIG_SIZE + 1);
	for (unsigned i = 0; i < 3; i++)
		report(&d[i]);
}

/* The client is another process; connections may block. */
static void big_forked(void)
{
	static unsigned char buf[PART];
	int listener = listen_on();
	pid_t pid = MUST(fork());
	struct loop l;
	unsigned waits;

	if (!pid) {
		for (unsigned i = 0; i < 20; i++) {
			int fd = dial(listener);

			ask(fd, file_name(i));
			answer(NULL, fd, NULL);
			close(fd);
		}
		struct download d = download_from(dial(listener));
		ssize_t n;

		ask(d.fd, BIG);
		while ((n = recv(d.fd, buf, sizeof(buf), 0)) > 0) {
			take_in(&d, buf, n);
			if (style.slowly)
				nap(2000);
		}
		d.ended = !n;
		report(&d);
		_exit(0);
	}
	loop_init(&l);
	l.listener = listener;
	conn_new(listener)->listening = true;
	MUST(loop_ctl(&l, EPOLL_CTL_ADD, &conns[listener], EPOLLIN));
	serve(&l, 20, 10000);
	waits = l.waits;
	serve(&l, 1, 20000);
	say_status("client", pid);
	fact("%u waits, %u sends, %u again\n", l.waits - waits, l.sends, l.again);
	say("%s\n", l.waits - waits > BIG_SIZE / PART * WAITS_PER_PART ? "busy" : "calm");
}

static void big_unix(void)
{
	struct download d;
	struct loop l;
	int pair[2];

	start(&l);
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair));
	join(&l, pair[0]);
	ask(pair[1], BIG);
	d = download_from(pair[1]);
	downloads(&l, &d, 1, BIG_SIZE + 1);
	report(&d);
}

/* The next request on the connection comes while the first is being answered. */
static void big_behind(void)
{
	struct download d;
	struct loop l;

	start(&l);
	d = download_from(dial(l.listener));
	put(d.fd, "GET /" BIG " HTTP/1.1\r\n\r\n");
	downloads(&l, &d, 1, 1 << 20);
	put(d.fd, "GET /f03 HTTP/1.1\r\n\r\nGET /f05 HTTP/1.0\r\n\r\n");
	downloads(&l, &d, 1, BIG_SIZE * 2);
	report(&d);
	say("answers %u\n", l.answers);
}

/* Others are served meanwhile. */
static void big_beside(void)
{
	struct download d;
	struct held h;
	struct loop l;

	start(&l);
	d = request(&l, BIG);
	for (unsigned i = 0; i < 6; i++) {
		downloads(&l, &d, 1, (long)(i + 1) << 19);
		visit_server(&l, file_name(i));
	}
	h = hold(&l);
	finish(&l, &h);
	downloads(&l, &d, 1, BIG_SIZE + 1);
	report(&d);
}

/* The file becomes shorter on the way: ahead of what was sent, or behind. */
static void shrinks(void)
{
	char name[64];
	struct download d;
	struct loop l;

	start(&l);
	snprintf(name, sizeof(name), "%s/shrinks", style.own);
	for (unsigned i = 0; i < 2; i++) {
		d = request(&l, name);
		downloads(&l, &d, 1, 1 << 20);
		/* By number: as if by somebody else. */
		MUST(syscall(SYS_truncate, name, i ? 100 : 5 << 20));
		downloads(&l, &d, 1, BIG_SIZE + 1);
		if (i)
			say("%s\n", d.got >= 1 << 20 && d.got < 5 << 20 && d.ended ? "ended"
										   : "not");
		else
			report(&d);
		close(d.fd);
	}
	visit_server(&l, name);
	say("answers %u\n", l.answers);
}

/* The client goes in the middle, the number is used again. */
static void vanishes(void)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };
	unsigned answers, before;
	struct download d;
	struct held h;
	int64_t end;
	struct loop l;

	start(&l);
	for (unsigned i = 0; i < 4; i++) {
		answers = l.answers;
		d = request(&l, BIG);
		downloads(&l, &d, 1, (long)i << 18);
		if (i % 2)
			MUST(setsockopt(d.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now)));
		close(d.fd);
		before = l.again;
		end = now_ms() + 2000;
		while (l.answers == answers && now_ms() < end)
			step(&l, 20);
		say("ended: %s\n", l.answers > answers ? "yes" : "no");
		if (l.again > before + 10)
			say("busy\n");
		h = hold(&l);
		finish(&l, &h);
	}
}

/* The server itself ends it in the middle. */
static void abandoned(void)
{
	struct download d;
	struct held h;
	struct loop l;

	start(&l);
	for (unsigned i = 0; i < 2; i++) {
		struct conn *c;

		d = download_from(dial(l.listener));
		c = take(&l);
		ask(d.fd, BIG);
		downloads(&l, &d, 1, 1);
		drop(&l, c);
		silence(&l, c, 50);
		close(d.fd);
	}
	h = hold(&l);
	finish(&l, &h);
}

/* A connection and a cold file, without the server's own ways. */
static struct conn *ready_to_send(struct loop *l, struct download *d)
{
	struct conn *c;

	*d = download_from(dial(l->listener));
	d->body = true;
	c = take(l);
	await(l, c, READABLE, 0);
	c->file = MUST(open(BIG, O_RDONLY));
	c->size = BIG_SIZE;
	return c;
}

/* Tries again after a while, and never waits for an event. */
static void retries(void)
{
	struct download d;
	struct conn *c;
	struct loop l;

	start(&l);
	c = ready_to_send(&l, &d);
	for (int64_t end = now_ms() + 20000; c->at < c->size && now_ms() < end;) {
		ssize_t n = sendfile(c->fd, c->file, &c->at, BIG_SIZE);

		if (n < 0 && errno == EAGAIN)
			nap(1000);
		else if (n <= 0)
			break;
		drain(&d);
	}
	while (!d.ended && d.got < c->at)
		drain(&d);
	report(&d);
}

/* Blocking from now on, in the two ways to say so: no more EAGAIN. */
static void unblocks(void)
{
	struct download d;
	struct conn *c;
	struct loop l;
	long sent = 0;
	int on = 0;

	start(&l);
	c = ready_to_send(&l, &d);
	for (unsigned i = 0; i < 4; i++) {
		off_t at = (off_t)i * 2 << 20;
		ssize_t n = sendfile(c->fd, c->file, &at, PART);

		fact("%zd\n", n);
		sent += n > 0 ? n : 0;
		if (i % 2)
			MUST(ioctl(c->fd, FIONBIO, &on));
		else
			MUST(fcntl(c->fd, F_SETFL, fcntl(c->fd, F_GETFL) & ~O_NONBLOCK));
		at = ((off_t)i * 2 + 1) << 20;
		n = sendfile(c->fd, c->file, &at, PART);
		say("blocking: %zd %s, at %ld\n", n, error_name((int)n), (long)at);
		sent += n;
		while (d.got < sent)
			drain(&d);
		MUST(fcntl(c->fd, F_SETFL, O_NONBLOCK));
	}
}

/* Sent by one number of the socket, waited for by another. */
static void by_dup(void)
{
	struct download d;
	struct conn *c;
	struct loop l;
	int other;

	start(&l);
	c = ready_to_send(&l, &d);
	other = MUST(dup(c->fd));
	MUST(loop_ctl(&l, EPOLL_CTL_MOD, c, EPOLLIN | EPOLLOUT));
	await(&l, c, EPOLLOUT, 0);
	for (int64_t end = now_ms() + 20000; c->at < c->size && now_ms() < end;) {
		ssize_t n = sendfile(other, c->file, &c->at, BIG_SIZE);

		if (n > 0)
			continue;
		if (errno != EAGAIN)
			break;
		drain(&d);
		if (!await(&l, c, EPOLLOUT, 2000)) {
			say("never writable\n");
			break;
		}
	}
	while (!d.ended && d.got < c->at)
		drain(&d);
	report(&d);
}

/* fork while something is put off; both go on, one of them by doing nothing. */
static void forks_between(void)
{
	struct download d;
	struct loop l;

	start(&l);
	d = request(&l, BIG);
	for (unsigned i = 0; i < 6; i++) {
		pid_t pid;

		downloads(&l, &d, 1, d.got + 1);
		pid = child_exits(9);
		say_status("child", pid);
	}
	downloads(&l, &d, 1, BIG_SIZE + 1);
	report(&d);
}

const struct way sends[] = {
	{ "big", big },
	{ "big_twice", big_twice },
	{ "big_forked", big_forked },
	{ "big_unix", big_unix },
	{ "big_behind", big_behind },
	{ "big_beside", big_beside },
	{ "shrinks", shrinks },
	{ "vanishes", vanishes },
	{ "abandoned", abandoned },
	{ "retries", retries },
	{ "unblocks", unblocks },
	{ "by_dup", by_dup },
	{ "forks_between", forks_between },
	{ NULL, NULL },
};
