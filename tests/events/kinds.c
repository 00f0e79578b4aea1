/* SPDX-License-Identifier: MIT
 *
 * Traffic over every kind of registration and wait; who is served first; what a
 * connection may report while its request is kept back; other descriptors in the same
 * set; and arguments that are wrong.
 */
#include <netinet/in.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <sys/un.h>

#include "events.h"

#define AT_ONCE 6

static void wave(struct loop *l, unsigned first)
{
	int client[AT_ONCE];
	char label[32];

	for (unsigned i = 0; i < AT_ONCE; i++)
		client[i] = dial(l->listener);
	for (unsigned i = 0; i < AT_ONCE; i++)
		ask(client[i], file_name(first + i));
	for (unsigned i = 0; i < AT_ONCE; i++) {
		snprintf(label, sizeof(label), "%s", file_name(first + i));
		answer(l, client[i], label);
		close(client[i]);
	}
}

/* Many at once, files that exist and one that does not, again and again. */
static void traffic(void)
{
	struct held h;
	struct loop l;

	start(&l);
	for (unsigned i = 0; i < 4; i++)
		wave(&l, i * 3);
	visit_server(&l, "none");
	h = hold(&l);
	finish(&l, &h);
	wave(&l, 1);
	say("answers %u\n", l.answers);
}

/* The client is another process, which exists before there is anything to inherit. */
static void forked(void)
{
	struct loop l;
	int listener = listen_on();
	pid_t pid = MUST(fork());

	if (!pid) {
		for (unsigned i = 0; i < 40; i++) {
			int fd = dial(listener);

			ask(fd, file_name(i));
			if (!answer(NULL, fd, NULL))
				_exit(1);
			close(fd);
		}
		_exit(0);
	}
	loop_init(&l);
	l.listener = listener;
	conn_new(listener)->listening = true;
	MUST(loop_ctl(&l, EPOLL_CTL_ADD, &conns[listener], EPOLLIN));
	say("all: %d\n", serve(&l, 40, 20000));
	say_status("client", pid);
}

/* Whoever asks for a fast file is not kept by those who have asked for slow ones. */
static void order(void)
{
	struct held h[4];
	unsigned before = 0;
	struct loop l;
	int client;

	start(&l);
	measured(&l);
	for (unsigned i = 0; i < 4; i++)
		h[i] = connected(&l, late_name(i));
	for (unsigned i = 0; i < 4; i++)
		ask(h[i].client, h[i].name);
	step(&l, GLANCE);
	client = dial(l.listener);
	ask(client, "f03");
	answer(&l, client, "fast");
	close(client);
	for (unsigned i = 0; i < 4; i++)
		before += !!(h[i].c->seen & EPOLLIN);
	fact("before the fast one: %u\n", before);
	for (unsigned i = 0; i < 4; i++)
		finish(&l, &h[i]);
}

/* More are ready than one wait may report; none is forgotten. */
static void many(void)
{
	int client[12];
	struct loop l;

	start(&l);
	measured(&l);
	for (unsigned i = 0; i < 12; i++) {
		client[i] = dial(l.listener);
		take(&l);
	}
	for (unsigned i = 0; i < 12; i++)
		ask(client[i], i % 3 ? file_name(i) : late_name(i));
	for (unsigned i = 0; i < 12; i++) {
		answer(&l, client[i], "one of many");
		close(client[i]);
	}
	say("more: %d\n", step(&l, 0));
}

/* What makes a socket writable again is told while what it has to read is kept back. */
static void writable(void)
{
	static char block[65536];
	struct loop l;
	struct held h;
	bool seen;
	size_t filled = 0;
	ssize_t n;

	start(&l);
	measured(&l);
	h = connected(&l, late_name(0));
	if (!style.both)
		MUST(loop_ctl(&l, EPOLL_CTL_MOD, h.c, EPOLLIN | EPOLLOUT));
	while ((n = send(h.c->fd, block, sizeof(block), MSG_DONTWAIT)) > 0)
		filled += (size_t)n;
	await(&l, h.c, READABLE, 0);
	hold_on(&l, &h);
	while (filled && (n = recv(h.client, block, sizeof(block), 0)) > 0)
		filled -= (size_t)n;
	seen = await(&l, h.c, EPOLLOUT, GLANCE) & EPOLLOUT;
	say("writable: %s\n", seen ? "at once" : "not");
	finish(&l, &h);
}

/* What has been reported once is reported no more until it is armed again. */
static void oneshot(void)
{
	uint32_t first;
	struct loop l;
	struct held h;

	start(&l);
	measured(&l);
	h = connected(&l, late_name(0));
	ask(h.client, h.name);
	MUST(loop_ctl(&l, EPOLL_CTL_MOD, h.c, EPOLLIN | EPOLLOUT));
	first = await(&l, h.c, ~0U, IN_TIME);
	say("one report: %s\n", first ? "yes" : "no");
	silence(&l, h.c, SETTLED);
	say("second: %s\n", await(&l, h.c, ~0U, 0) ? "yes" : "no");
	/* What was not in the report comes with the next one. */
	for (unsigned i = 0; i < 100 && !(h.c->seen & EPOLLIN); i++) {
		MUST(loop_ctl(&l, EPOLL_CTL_MOD, h.c, EPOLLIN));
		await(&l, h.c, EPOLLIN, IN_TIME);
	}
	finish(&l, &h);
}

static int timer_in(int ms)
{
	struct itimerspec it = { .it_value = { 0, ms * 1000000L } };
	int fd = MUST(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));

	MUST(timerfd_settime(fd, 0, &it, NULL));
	return fd;
}

/* A timer, a counter and a pipe beside a request that is kept back. */
static void others(void)
{
	int fd[3], p[2];
	uint64_t value = 1;
	struct held h;
	struct loop l;

	start(&l);
	h = hold(&l);
	MUST(pipe(p));
	fd[0] = timer_in(10);
	fd[1] = MUST(eventfd(0, EFD_NONBLOCK));
	fd[2] = p[0];
	for (unsigned i = 0; i < 3; i++) {
		struct conn *c = conn_new(fd[i]);

		MUST(loop_ctl(&l, EPOLL_CTL_ADD, c, EPOLLIN));
		if (i == 1)
			MUST(write(fd[1], &value, sizeof(value)));
		if (i == 2)
			MUST(write(p[1], "x", 1));
		say("%u: %s\n", i, await(&l, c, EPOLLIN, 60) & EPOLLIN ? "at once" : "not");
		MUST(loop_ctl(&l, EPOLL_CTL_DEL, c, 0));
		close(fd[i]);
	}
	finish(&l, &h);
}

/* Connections that are not TCP ask for the same files. */
static void unix_sockets(void)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = "\0events" };
	socklen_t n = sizeof(sa_family_t) + 16;
	int pair[2], listener, client;
	struct held h;
	struct loop l;

	snprintf(name.sun_path + 1, 15, "ev%d", getpid());
	start(&l);
	listener = MUST(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
	MUST(bind(listener, (struct sockaddr *)&name, n));
	MUST(listen(listener, 8));
	for (unsigned i = 0; i < 10; i++) {
		client = MUST(socket(AF_UNIX, SOCK_STREAM, 0));
		MUST(connect(client, (struct sockaddr *)&name, n));
		join(&l, MUST(accept4(listener, NULL, NULL, SOCK_NONBLOCK)));
		ask(client, i < 8 ? file_name(i) : late_name(i));
		answer(&l, client, "unix");
		close(client);
	}
	MUST(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair));
	join(&l, pair[0]);
	ask(pair[1], "f07");
	answer(&l, pair[1], "pair");
	h = hold(&l);
	finish(&l, &h);
}

static void no_good(const char *what, int n)
{
	say("%s: %d %s\n", what, n, error_name(n < 0 ? -1 : 0));
}

static void wrong_sets(struct loop *l, struct conn *piped)
{
	struct epoll_event ev[4], *volatile bad = (struct epoll_event *)8;
	struct epoll_event in = { .events = EPOLLIN };
	volatile int far_too_many = INT32_MAX, below_zero = -1;
	struct timespec ts = { 0, 2000000000 };
	struct epoll_event *volatile nowhere = NULL;
	int null = MUST(open("/dev/null", O_RDONLY)), none = MUST(epoll_create1(0));

	no_good("no events", epoll_wait(l->set, ev, 0, 0));
	no_good("fewer", epoll_wait(l->set, ev, below_zero, 0));
	no_good("too many", epoll_wait(l->set, ev, far_too_many, 0));
	no_good("bad pointer", epoll_wait(l->set, bad, 4, 0));
	no_good("null", epoll_wait(l->set, nowhere, 4, 0));
	no_good("kernel's", epoll_wait(l->set, (struct epoll_event *)-4096L, 4, 0));
	no_good("no set", epoll_wait(-1, ev, 4, 0));
	no_good("a file", epoll_wait(null, ev, 4, 0));
	no_good("a socket", epoll_wait(piped->fd, ev, 4, 0));
	no_good("empty", epoll_wait(none, bad, 4, 0));
	no_good("odd timeout",
		epoll_wait(none, ev, 4, 0) ?: epoll_wait(l->set, ev, 4, -7) < 0);
	no_good("nanoseconds", epoll_pwait2(l->set, ev, 4, &ts, NULL));
	no_good("no mask", epoll_pwait(l->set, ev, 4, 0, (sigset_t *)8));
	no_good("add twice", epoll_ctl(l->set, EPOLL_CTL_ADD, piped->fd, &in));
	no_good("add a file", epoll_ctl(l->set, EPOLL_CTL_ADD, null, &in));
	no_good("add itself", epoll_ctl(l->set, EPOLL_CTL_ADD, l->set, &in));
	no_good("add nothing", epoll_ctl(l->set, EPOLL_CTL_ADD, -1, &in));
	no_good("modify what is not", epoll_ctl(l->set, EPOLL_CTL_MOD, none, &in));
	no_good("delete what is not", epoll_ctl(l->set, EPOLL_CTL_DEL, none, &in));
	no_good("no event", epoll_ctl(l->set, EPOLL_CTL_MOD, piped->fd, NULL));
	no_good("no operation", epoll_ctl(l->set, 77, piped->fd, &in));
	in.events = EPOLLIN | EPOLLEXCLUSIVE;
	no_good("exclusive later", epoll_ctl(l->set, EPOLL_CTL_MOD, piped->fd, &in));
	close(null);
	close(none);
}

static void wrong_others(struct conn *piped)
{
	struct pollfd p[3] = { { piped->fd, POLLIN, 0 },
			       { -1, POLLIN, 7 },
			       { 999, POLLIN, 0 } };
	struct timespec ts = { 0, 2000000000 };
	struct pollfd *volatile bad = (struct pollfd *)8;
	volatile nfds_t too_long = 5 * FDS;
	struct timeval tv = { 0, -1 }, none = { 0, 0 };
	int closed = MUST(dup(piped->fd));
	fd_set in;

	close(closed);
	no_good("bad array", poll(bad, 2, 0));
	no_good("too long", poll(p, too_long, 0));
	no_good("none", poll(NULL, 0, 0));
	no_good("three", poll(p, 3, 0));
	say("%x %x %x\n", (unsigned)p[0].revents, (unsigned)p[1].revents,
	    (unsigned)p[2].revents);
	no_good("nanoseconds", ppoll(p, 3, &ts, NULL));
	/* Near: numbers above all that were ever open the kernel ignores. */
	FD_ZERO(&in);
	FD_SET(closed, &in);
	no_good("not open", select(closed + 1, &in, NULL, NULL, &none));
	no_good("negative", select(-1, NULL, NULL, NULL, &none));
	no_good("bad set", select(64, (fd_set *)8, NULL, NULL, &none));
	no_good("bad time", select(0, NULL, NULL, NULL, &tv));
	no_good("bad timespec", pselect(0, NULL, NULL, NULL, &ts, NULL));
}

/* A pipe with something in it makes every wait return; a request is kept back. */
static void errors(void)
{
	struct conn *piped;
	struct held h;
	struct loop l;
	int p[2];

	start(&l);
	MUST(pipe(p));
	MUST(write(p[1], "x", 1));
	piped = conn_new(p[0]);
	h = hold(&l);
	MUST(loop_ctl(&l, EPOLL_CTL_ADD, piped, EPOLLIN));
	if (by_set())
		wrong_sets(&l, piped);
	wrong_others(piped);
	MUST(loop_ctl(&l, EPOLL_CTL_DEL, piped, 0));
	finish(&l, &h);
}

const struct way kinds[] = {
	{ "traffic", traffic }, { "forked", forked },	  { "order", order },
	{ "many", many },	{ "writable", writable }, { "oneshot", oneshot },
	{ "others", others },	{ "unix", unix_sockets }, { "errors", errors },
	{ NULL, NULL },
};
