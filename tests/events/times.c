/* SPDX-License-Identifier: MIT
 *
 * The program's own time: timeouts, signals and masks during a wait in which something
 * is held, jumps out of it, and that nothing happens while nothing is to be done.
 */
#include <setjmp.h>
#include <sys/time.h>

#include "events.h"

static volatile sig_atomic_t alarms, events_in_handler;
static volatile int64_t alarm_at;
static struct loop *of_handler;
static sigjmp_buf out_of_wait;

static void on_alarm(int sig)
{
	(void)sig;
	alarms++;
	alarm_at = now_ms();
}

static void handle(void (*handler)(int))
{
	struct sigaction sa = { .sa_handler = handler, .sa_flags = SA_RESTART };

	MUST(sigaction(SIGALRM, &sa, NULL));
}

static void alarm_in(int ms)
{
	struct itimerval it = { .it_value = { 0, ms * 1000 } };

	MUST(setitimer(ITIMER_REAL, &it, NULL));
}

/* A request of which nothing has been told, not even that a wait was tried. */
static struct held pending(struct loop *l, unsigned i)
{
	struct held h;

	measured(l);
	h = connected(l, late_name(i));
	ask(h.client, h.name);
	return h;
}

/* One wait; 1: the connection was reported, 0: time is up, -1: interrupted. */
static int wait_for(struct loop *l, struct held *h, int ms)
{
	struct ready r[BATCH];
	int n = loop_wait(l, r, ms);

	for (int i = 0; i < n; i++)
		if (r[i].c == h->c)
			h->c->seen |= r[i].events;
	if (n < 0 && errno != EINTR)
		say("%s\n", error_name(n));
	return n < 0 ? -1 : n > 0;
}

/* Timeouts shorter than what is kept back, of a millisecond to 30. */
static void timeouts(void)
{
	static const int lengths[] = { 30, 5, 1, 0 };
	struct loop l;

	start(&l);
	for (unsigned i = 0; i < 4; i++) {
		struct held h = pending(&l, i);
		int64_t end = now_ms() + IN_TIME;
		unsigned empty = 0, early = 0, late = 0;

		while (!(h.c->seen & EPOLLIN) && now_ms() < end) {
			int64_t before = now_ms(), took;

			if (wait_for(&l, &h, lengths[i]))
				continue;
			took = now_ms() - before;
			empty++;
			early += took < lengths[i] - 1;
			late += took > lengths[i] + 200;
			if (!lengths[i])
				nap(1000);
		}
		fact("empty: %s\n", empty > (i ? 4 : 1) ? "several" : "few");
		say("timeouts of %d ms: %u early, %u late\n", lengths[i], early, late);
		finish(&l, &h);
	}
}

/* epoll_pwait2 counts in nanoseconds, as ppoll and pselect do. */
static void nanoseconds(void)
{
	struct timespec limit = { 0, 1500000 };
	struct timespec a, b;
	struct held h;
	struct loop l;
	unsigned n = 0;
	long took;

	start(&l);
	l.limit = &limit;
	h = pending(&l, 0);
	clock_gettime(CLOCK_MONOTONIC, &a);
	while (!wait_for(&l, &h, 0) && ++n < 200)
		;
	clock_gettime(CLOCK_MONOTONIC, &b);
	took = (b.tv_sec - a.tv_sec) * 1000000 + (b.tv_nsec - a.tv_nsec) / 1000;
	fact("empty: %s\n", n > 4 ? "several" : "few");
	/* Twice as long is what whole milliseconds would give. */
	say("in all: %s\n", took < (long)n * 1500 ? "too short" : "right");
	say("limit: %ld\n", limit.tv_nsec);
	l.limit = NULL;
	finish(&l, &h);
}

static void endless(void)
{
	int64_t before;
	struct held h;
	struct loop l;

	start(&l);
	h = pending(&l, 0);
	before = now_ms();
	say("reported: %d\n", wait_for(&l, &h, -1));
	say("%s\n", now_ms() - before <= IN_TIME ? "in time" : "late");
	finish(&l, &h);
}

static void wait_out_the_alarm(void)
{
	for (int64_t end = now_ms() + 1000; !alarms && now_ms() < end;)
		nap(2000);
}

/* A handler runs during the wait: that ends it, and only that. */
static void interrupted(void)
{
	unsigned interrupts = 0;
	struct held h;
	struct loop l;

	start(&l);
	handle(on_alarm);
	h = pending(&l, 0);
	alarm_in(30);
	while (!(h.c->seen & EPOLLIN))
		if (wait_for(&l, &h, -1) < 0)
			interrupts++;
	fact("interrupted: %u\n", interrupts);
	wait_out_the_alarm();
	say("alarms %d, interrupts without: %d\n", alarms, interrupts > (unsigned)alarms);
	finish(&l, &h);
}

/* The mask of the wait blocks it: it stays pending until the wait has ended. */
static void mask_blocks(void)
{
	unsigned interrupts = 0;
	int64_t ended;
	sigset_t mask;
	struct held h;
	struct loop l;

	start(&l);
	handle(on_alarm);
	sigemptyset(&mask);
	sigaddset(&mask, SIGALRM);
	l.mask = &mask;
	h = pending(&l, 0);
	alarm_in(30);
	while (!(h.c->seen & EPOLLIN))
		if (wait_for(&l, &h, -1) < 0)
			interrupts++;
	ended = now_ms();
	fact("pending: %s\n", alarms ? "yes" : "no");
	wait_out_the_alarm();
	say("alarms %d, interrupts %u\n", alarms, interrupts);
	say("inside: %s\n", alarm_at < ended - 20 ? "yes" : "no");
	finish(&l, &h);
}

/* Blocked but in the wait: handlers run there and nowhere else. */
static void mask_opens(void)
{
	unsigned interrupts = 0;
	uint32_t events;
	sigset_t open, blocked;
	struct held h;
	struct loop l;

	start(&l);
	handle(on_alarm);
	sigemptyset(&open);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGALRM);
	MUST(sigprocmask(SIG_BLOCK, &blocked, NULL));
	l.mask = &open;
	for (unsigned i = 0; i < 2; i++) {
		h = pending(&l, i);
		if (i)
			raise(SIGALRM); /* before: the wait must not miss it */
		else
			alarm_in(30);
		while (!(h.c->seen & EPOLLIN))
			if (wait_for(&l, &h, -1) < 0)
				interrupts++;
		fact("interrupted: %u\n", interrupts);
		/* The event may have come first; then the signal is still to come. */
		events = l.want[h.c->fd];
		MUST(loop_ctl(&l, EPOLL_CTL_DEL, h.c, 0));
		for (int64_t end = now_ms() + 1000; interrupts <= i && now_ms() < end;)
			if (wait_for(&l, &h, 20) < 0)
				interrupts++;
		MUST(loop_ctl(&l, EPOLL_CTL_ADD, h.c, events));
		say("alarms %d, interrupts %u\n", alarms, interrupts);
		finish(&l, &h);
	}
}

static void handler_waits(int sig)
{
	struct epoll_event ev[8];
	int n = epoll_wait(of_handler->set, ev, 8, 0);

	(void)sig;
	alarms++;
	for (int i = 0; i < n; i++)
		events_in_handler += !!(ev[i].events & EPOLLIN);
}

/* The handler waits itself, in the middle of the program's wait, on the same set. */
static void waits_in_handler(void)
{
	struct itimerval often = { { 0, 7000 }, { 0, 7000 } }, never = { 0 };
	struct held h;
	struct loop l;
	int64_t end;

	start(&l);
	of_handler = &l;
	handle(handler_waits);
	h = pending(&l, 0);
	MUST(setitimer(ITIMER_REAL, &often, NULL));
	end = now_ms() + IN_TIME;
	while (!(h.c->seen & EPOLLIN) && !events_in_handler && now_ms() < end)
		wait_for(&l, &h, 50);
	MUST(setitimer(ITIMER_REAL, &never, NULL));
	say("told: %s\n", (h.c->seen & EPOLLIN) || events_in_handler ? "yes" : "no");
	h.c->seen = EPOLLIN;
	finish(&l, &h);
}

static void jump(int sig)
{
	siglongjmp(out_of_wait, sig);
}

/* The wait is left by a jump; the event is there afterwards. */
static void jumps(void)
{
	struct held h;
	struct loop l;

	start(&l);
	handle(jump);
	for (volatile unsigned i = 0; i < 3; i++) {
		volatile bool returned = false;

		h = pending(&l, i);
		if (!sigsetjmp(out_of_wait, 1)) {
			alarm_in(30);
			wait_for(&l, &h, -1);
			returned = true;
			nap(1000000);
		}
		fact("jumped out of the wait: %s\n", returned ? "no" : "yes");
		finish(&l, &h);
	}
	warm_server(&l);
	say("answers %u\n", l.answers);
}

/* select() tells how much time was left; poll() zeroes what is not ready. */
static void leftovers(void)
{
	struct timeval tv = { 0, 30000 };
	struct pollfd p[4];
	struct held h;
	struct loop l;
	fd_set in;
	int n;

	start(&l);
	h = pending(&l, 0);
	for (unsigned i = 0; i < 4; i++)
		p[i] = (struct pollfd){ i & 1 ? h.c->fd : -1, POLLIN, 0x55 };
	n = poll(p, 4, GLANCE);
	fact("held: %s\n", n ? "no" : "yes");
	say("poll: %s\n", n == !!p[1].revents + !!p[3].revents && !p[0].revents &&
					  p[1].revents == p[3].revents
				  ? "consistent"
				  : "not");
	say("events: %d %d\n", p[1].events, p[3].fd == h.c->fd);
	FD_ZERO(&in);
	FD_SET(h.c->fd, &in);
	n = select(h.c->fd + 1, &in, NULL, NULL, &tv);
	say("select: %s\n",
	    n == FD_ISSET(h.c->fd, &in) && (n || !tv.tv_usec) ? "consistent" : "not");
	tv = (struct timeval){ 2, 0 };
	FD_SET(h.c->fd, &in);
	n = select(h.c->fd + 1, &in, NULL, NULL, &tv);
	say("select: %d, left %s\n", n,
	    tv.tv_sec == 1 || tv.tv_sec == 2 ? "most" : "little");
	h.c->seen = EPOLLIN;
	finish(&l, &h);
}

/* Readable and writable: what is writable is told at once, every time. */
static void polls_both(void)
{
	unsigned empty = 0, n = 0;
	struct held h;
	struct loop l;

	start(&l);
	measured(&l);
	h = connected(&l, late_name(0));
	MUST(loop_ctl(&l, EPOLL_CTL_MOD, h.c, EPOLLIN | EPOLLOUT));
	ask(h.client, h.name);
	for (int64_t end = now_ms() + IN_TIME; !(h.c->seen & EPOLLIN) && now_ms() < end;
	     n++) {
		empty += wait_for(&l, &h, 5) != 1;
		nap(1000);
	}
	fact("held: %s\n", n > 2 ? "yes" : "no");
	say("not writable: %u times\n", empty);
	finish(&l, &h);
}

static void measure(struct rusage *u)
{
	MUST(getrusage(RUSAGE_THREAD, u));
}

static long cpu_us(const struct rusage *a, const struct rusage *b)
{
	return (b->ru_utime.tv_sec - a->ru_utime.tv_sec + b->ru_stime.tv_sec -
		a->ru_stime.tv_sec) *
		       1000000 +
	       b->ru_utime.tv_usec - a->ru_utime.tv_usec + b->ru_stime.tv_usec -
	       a->ru_stime.tv_usec;
}

/* Two seconds without a request: in the second one the process does nothing at all. */
static void idle(void)
{
	struct rusage a, b;
	struct held h;
	struct loop l;
	int fd;

	start(&l);
	fd = dial(l.listener); /* one that says half of something */
	put(fd, "GET /f0");
	step(&l, 100);
	step(&l, 100);
	h = hold(&l);
	finish(&l, &h);
	say("first: %d\n", step(&l, 1000));
	measure(&a);
	say("second: %d\n", step(&l, 1000));
	measure(&b);
	fact("%ld switches, %ld us\n", b.ru_nvcsw - a.ru_nvcsw, cpu_us(&a, &b));
	say("idle: %s\n",
	    b.ru_nvcsw - a.ru_nvcsw <= 3 && cpu_us(&a, &b) < 3000 ? "yes" : "no");
	visit_server(&l, "f01");
	say("answers %u\n", l.answers);
}

/* Waiting for what is held is waiting, not looking again and again. */
static void calm(void)
{
	struct rusage a, b;
	struct held h;
	struct loop l;

	start(&l);
	for (unsigned i = 0; i < 2; i++) {
		h = pending(&l, i);
		measure(&a);
		while (!(h.c->seen & EPOLLIN))
			if (wait_for(&l, &h, -1) < 0)
				break;
		measure(&b);
		fact("%ld switches, %ld us\n", b.ru_nvcsw - a.ru_nvcsw, cpu_us(&a, &b));
		say("calm: %s\n",
		    b.ru_nvcsw - a.ru_nvcsw <= 20 && cpu_us(&a, &b) < 30000 ? "yes" : "no");
		finish(&l, &h);
	}
}

const struct way times[] = {
	{ "timeouts", timeouts },
	{ "nanoseconds", nanoseconds },
	{ "endless", endless },
	{ "interrupted", interrupted },
	{ "mask_blocks", mask_blocks },
	{ "mask_opens", mask_opens },
	{ "waits_in_handler", waits_in_handler },
	{ "jumps", jumps },
	{ "leftovers", leftovers },
	{ "polls_both", polls_both },
	{ "idle", idle },
	{ "calm", calm },
	{ NULL, NULL },
};
