/* SPDX-License-Identifier: MIT
 *
 * Sets that others know as well: threads, children by every kind of fork, the next
 * program after exec, while something is held or is going to be.
 */
#include <pthread.h>
#include <spawn.h>

#include "events.h"

#define CHILD_WAITS 300

extern char **environ;

static struct loop *common;
static unsigned by_threads, goal;

static void *thread_waits(void *arg)
{
	struct ready *r = arg;
	struct epoll_event ev;
	int64_t end = now_ms() + IN_TIME;

	while (now_ms() < end) {
		int n = epoll_wait(common->set, &ev, 1, 50);

		if (n == 1 && ev.data.u64 == r->tag) {
			r->events = ev.events;
			break;
		}
		nap(1000);
	}
	return NULL;
}

/* Held by the only thread there was; waited for by the next one. */
static void thread_later(void)
{
	struct ready r;
	struct held h;
	struct loop l;
	pthread_t t;

	start(&l);
	h = hold(&l);
	common = &l;
	r = (struct ready){ .tag = h.c->tag };
	if (pthread_create(&t, NULL, thread_waits, &r))
		_exit(93);
	pthread_join(t, NULL);
	h.c->seen |= r.events;
	finish(&l, &h);
	visit_server(&l, "f01");
	say("answers %u\n", l.answers);
}

static void *thread_serves(void *arg)
{
	int64_t end = now_ms() + 10000;

	(void)arg;
	/* One at a time: the state of the server is not made for more, the set is. */
	while (__atomic_load_n(&by_threads, __ATOMIC_ACQUIRE) < goal && now_ms() < end) {
		static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
		struct ready r[BATCH];
		int n = loop_wait(common, r, 20);

		pthread_mutex_lock(&turn);
		for (int i = 0; i < n; i++)
			on_event(common, &r[i]);
		__atomic_store_n(&by_threads, common->answers, __ATOMIC_RELEASE);
		pthread_mutex_unlock(&turn);
	}
	return NULL;
}

/* Two threads wait on one set, one-shot; a third is the client. */
static void threads(void)
{
	struct loop l;
	pthread_t t[2];

	start(&l);
	common = &l;
	l.crowded = true;
	goal = l.answers + 40;
	for (unsigned i = 0; i < 2; i++)
		if (pthread_create(&t[i], NULL, thread_serves, NULL))
			_exit(93);
	for (unsigned i = 0; i < 40; i++) {
		int client = dial(l.listener);

		ask(client, i % 8 ? file_name(i) : late_name(i));
		answer(NULL, client, i % 8 ? NULL : "late");
		close(client);
	}
	for (unsigned i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	say("answers %u\n", l.answers);
}

/* What the set says about the connection, to somebody who has just come. */
static void child_looks(struct loop *l, struct held *h)
{
	struct epoll_event ev;
	int64_t end = now_ms() + CHILD_WAITS;

	while (now_ms() < end) {
		int n = epoll_wait(l->set, &ev, 1, CHILD_WAITS);

		if (n == 1 && ev.data.u64 == h->c->tag && ev.events & EPOLLIN)
			_exit(1);
		nap(1000);
	}
	_exit(0);
}

static bool child_saw(pid_t pid)
{
	int status;

	MUST(waitpid(pid, &status, 0));
	if (!WIFEXITED(status) || WEXITSTATUS(status) > 1)
		say("child ended with %x\n", (unsigned)status);
	return WEXITSTATUS(status) == 1;
}

/*
 * The child looks at the inherited set, the parent only waits for the child. What is
 * level-triggered both see; of an edge it is enough that one does.
 */
static void while_held(pid_t (*make)(void))
{
	struct held h;
	struct loop l;
	pid_t pid;
	bool saw;

	start(&l);
	h = hold(&l);
	pid = MUST(make());
	if (!pid)
		child_looks(&l, &h);
	saw = child_saw(pid);
	if (style.flags & EPOLLET) {
		if (!saw && !(h.c->seen & EPOLLIN))
			await(&l, h.c, READABLE, IN_TIME);
		say("seen by somebody: %s\n", saw || h.c->seen & EPOLLIN ? "yes" : "no");
		h.c->seen = EPOLLIN;
	} else {
		say("seen by the child: %s\n", saw ? "yes" : "no");
	}
	finish(&l, &h);
}

static pid_t raw_fork(void)
{
	return (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static void fork_held(void)
{
	while_held(fork);
}

static void clone_held(void)
{
	while_held(raw_fork);
}

/* The child does nothing with it: the parent must not lose it. */
static void fork_idle(void)
{
	struct held h;
	struct loop l;
	pid_t pid;

	start(&l);
	h = hold(&l);
	pid = child_exits(3);
	finish(&l, &h);
	say_status("child", pid);
	h = hold(&l);
	pid = MUST(vfork());
	if (!pid)
		_exit(4);
	say_status("vfork", pid);
	finish(&l, &h);
	h = hold(&l);
	say("system: %d\n", system("exit 5") >> 8);
	finish(&l, &h);
}

/* The child closes what it has inherited, as a CGI does: nothing changes for the parent. */
static void fork_closes(void)
{
	struct held h;
	struct loop l;
	pid_t pid;

	start(&l);
	h = hold(&l);
	pid = MUST(fork());
	if (!pid) {
		close(h.c->fd);
		close(l.set);
		closefrom(3);
		_exit(6);
	}
	say_status("child", pid);
	finish(&l, &h);
	visit_server(&l, "f03");
	h = hold(&l);
	finish(&l, &h);
}

/*
 * The set was shared before anything came. One process is told of the event, or would
 * have been, and does nothing about it; the other must be told as well.
 */
static void fork_before(bool dies)
{
	struct held h = { .name = late_name(0) };
	pid_t holder, other;
	struct loop l;
	int p[2], byte;

	start(&l);
	MUST(pipe(p));
	h = connected(&l, h.name);
	holder = MUST(fork());
	if (!holder) {
		warm_server(&l);
		hold_on(&l, &h);
		MUST(write(p[1], "h", 1));
		if (dies)
			kill(getpid(), SIGKILL);
		nap(600000);
		_exit(7);
	}
	MUST(read(p[0], &byte, 1));
	if (dies)
		say_status("holder", holder);
	other = MUST(fork());
	if (!other)
		child_looks(&l, &h);
	say("seen by the other: %s\n", child_saw(other) ? "yes" : "no");
	if (!dies)
		say_status("holder", holder);
	finish(&l, &h);
}

static void fork_shared(void)
{
	fork_before(false);
}

static void fork_killed(void)
{
	fork_before(true);
}

/* Two processes serve from one set and one listening socket. */
static void fork_serves(void)
{
	struct loop l;
	pid_t pid;

	start(&l);
	pid = MUST(fork());
	for (unsigned i = 0; i < 12 && pid; i++) {
		int client = dial(l.listener);

		ask(client, i % 4 ? file_name(i) : late_name(i));
		answer(NULL, client, "one of two");
		close(client);
	}
	if (pid) {
		kill(pid, SIGTERM);
		say_status("server", pid);
		visit_server(&l, "f02");
		return;
	}
	while (step(&l, 5000) > 0)
		;
	_exit(0);
}

/* After exec: what is registered is still there, and so is the request. */
static void after_exec(void)
{
	struct loop l = { .set = style.number, .listener = -1 };
	struct epoll_event ev;
	char text[256];
	ssize_t n;

	n = epoll_wait(l.set, &ev, 1, IN_TIME);
	say("after exec: %zd %x\n", n, n == 1 ? ev.events : 0);
	n = recv(style.number2, text, sizeof(text), MSG_DONTWAIT);
	say("request: %zd bytes\n", n);
}

static void become(struct loop *l, struct held *h)
{
	char number[32];

	snprintf(number, sizeof(number), "number=%d,%d", l->set, h->c->fd);
	execl("/proc/self/exe", "events", "after_exec", number, (char *)NULL);
	_exit(92);
}

static void execs(void)
{
	struct held h;
	struct loop l;

	start(&l);
	h = hold(&l);
	become(&l, &h);
}

static void spawns(void)
{
	char number[32];
	char *argv[] = { "events", "after_exec", number, NULL };
	struct held h;
	struct loop l;
	pid_t pid;

	start(&l);
	h = hold(&l);
	snprintf(number, sizeof(number), "number=%d,%d", l.set, h.c->fd);
	if (posix_spawn(&pid, "/proc/self/exe", NULL, NULL, argv, environ))
		_exit(91);
	say_status("spawned", pid);
	silence(&l, h.c, 0);
	drop(&l, h.c);
	close(h.client);
	h = hold(&l);
	finish(&l, &h);
}

const struct way forks[] = {
	{ "thread_later", thread_later },
	{ "threads", threads },
	{ "fork_held", fork_held },
	{ "clone_held", clone_held },
	{ "fork_idle", fork_idle },
	{ "fork_closes", fork_closes },
	{ "fork_shared", fork_shared },
	{ "fork_killed", fork_killed },
	{ "fork_serves", fork_serves },
	{ "after_exec", after_exec },
	{ "exec", execs },
	{ "spawn", spawns },
	{ NULL, NULL },
};
