/* SPDX-License-Identifier: MIT
 *
 * Locks and closes. When close() returns, the process's POSIX locks on that file
 * are gone and another process gets them at once; with flock and OFD locks the
 * last close counts. And a close that has returned takes no later lock away.
 */
#include <pthread.h>
#include <sys/file.h>

#include "zoo.h"

#define ROUNDS 12

static int take(int fd, int cmd, short type)
{
	struct flock l = { .l_type = type, .l_whence = SEEK_SET };

	return fcntl(fd, cmd, &l);
}

/* A second process that asks for a lock on each file named by a byte in a pipe. */
struct other {
	pid_t pid;
	int ask, answer;
};

static struct other other_starts(bool by_flock)
{
	int ask[2], answer[2];
	struct other o = { 0 };
	unsigned char at;

	MUST(pipe(ask));
	MUST(pipe(answer));
	o.pid = MUST(fork());
	o.ask = ask[1];
	o.answer = answer[0];
	if (o.pid) {
		close(ask[0]);
		close(answer[1]);
		return o;
	}
	close(ask[1]);
	/* Opened before, so that asking takes no time. */
	int fd[ZOO_FILES];

	for (unsigned i = 0; i < ZOO_FILES; i++)
		fd[i] = MUST(open(file_name(i), O_RDWR));
	MUST(write(answer[1], "r", 1));
	while (read(ask[0], &at, 1) == 1) {
		bool got = by_flock ? flock(fd[at], LOCK_EX | LOCK_NB) == 0
				    : take(fd[at], F_SETLK, F_WRLCK) == 0;

		if (got)
			by_flock ? flock(fd[at], LOCK_UN) : take(fd[at], F_SETLK, F_UNLCK);
		MUST(write(answer[1], got ? "y" : "n", 1));
	}
	_exit(0);
}

static char ask(const struct other *o, unsigned at)
{
	unsigned char c = (unsigned char)at;
	char got;

	MUST(write(o->ask, &c, 1));
	MUST(read(o->answer, &got, 1));
	return got;
}

static void rounds(bool by_flock, int (*lock)(int))
{
	struct other o = other_starts(by_flock);
	char text[ROUNDS * 2 + 1] = "", ready;

	MUST(read(o.answer, &ready, 1));
	say("%lx\n", (unsigned long)warm());
	for (unsigned i = 0; i < ROUNDS; i++) {
		int fd = MUST(open_here(file_name(i), O_RDONLY));

		sum_of(fd);
		MUST(lock(fd));
		text[2 * i] = ask(&o, i % ZOO_FILES);
		MUST(close_here(fd));
		text[2 * i + 1] = ask(&o, i % ZOO_FILES);
	}
	say("held and free: %s\n", text);
	close(o.ask);
	say_status("other", o.pid);
}

static int lock_posix(int fd)
{
	return take(fd, F_SETLK, F_RDLCK);
}

static int lock_ofd(int fd)
{
	return take(fd, F_OFD_SETLK, F_RDLCK);
}

static int lock_flock(int fd)
{
	return flock(fd, LOCK_SH);
}

static void posix(void)
{
	rounds(false, lock_posix);
}

static void ofd(void)
{
	rounds(false, lock_ofd);
}

static void by_flock(void)
{
	rounds(true, lock_flock);
}

/* Two descriptors of one file; one closes, then the other takes a lock and keeps it. */
static void relock(void)
{
	struct other o = other_starts(false);
	char text[ROUNDS + 1] = "", ready;

	MUST(read(o.answer, &ready, 1));
	say("%lx\n", (unsigned long)warm());
	for (unsigned i = 0; i < ROUNDS; i++) {
		int first = MUST(open_here(file_name(i), O_RDONLY));
		int second = MUST(open_here(file_name(i), O_RDONLY));

		sum_of(first);
		MUST(close_here(first));
		MUST(take(second, F_SETLK, F_RDLCK));
		nap(6000);
		text[i] = ask(&o, i % ZOO_FILES);
		MUST(take(second, F_SETLK, F_UNLCK));
		MUST(close_here(second));
	}
	say("held: %s\n", text);
	close(o.ask);
	say_status("other", o.pid);
}

static void *closer(void *fd)
{
	MUST(close_here((int)(intptr_t)fd));
	return NULL;
}

static void *warmer(void *turn)
{
	for (unsigned i = 0; i < ROUNDS; i++) {
		int fd;

		if (!i)
			warm();
		fd = MUST(open_here(file_name(i), O_RDONLY));
		sum_of(fd);
		pthread_barrier_wait(turn);
		closer((void *)(intptr_t)fd);
		pthread_barrier_wait(turn);
		pthread_barrier_wait(turn);
	}
	return NULL;
}

/* The same with the close in one thread and the lock in another. */
static void threads(void)
{
	struct other o = other_starts(false);
	char text[ROUNDS + 1] = "", ready;
	pthread_barrier_t turn;
	pthread_t t;

	MUST(read(o.answer, &ready, 1));
	pthread_barrier_init(&turn, NULL, 2);
	pthread_create(&t, NULL, warmer, &turn);
	for (unsigned i = 0; i < ROUNDS; i++) {
		int fd = MUST(open_here(file_name(i), O_RDONLY));

		pthread_barrier_wait(&turn);
		pthread_barrier_wait(&turn);
		MUST(take(fd, F_SETLK, F_RDLCK));
		nap(6000);
		text[i] = ask(&o, i % ZOO_FILES);
		MUST(take(fd, F_SETLK, F_UNLCK));
		MUST(close_here(fd));
		pthread_barrier_wait(&turn);
	}
	pthread_join(t, NULL);
	say("held: %s\n", text);
	close(o.ask);
	say_status("other", o.pid);
}

/* Locks live through exec, and the new program's close ends them. */
static void exec_first(void)
{
	int fd = MUST(open("f03", O_RDONLY));

	MUST(take(fd, F_SETLK, F_RDLCK));
	execl("/proc/self/exe", "locks", "exec2", (char *)NULL);
	_exit(97);
}

static void exec_second(void)
{
	struct other o = other_starts(false);
	char before, after, ready;
	int fd;

	MUST(read(o.answer, &ready, 1));
	for (unsigned i = 4; i < 4 + ZOO_WARM; i++)
		if (i % ZOO_FILES != 3)
			visit(file_name(i));
	fd = MUST(open_here("f03", O_RDONLY));
	sum_of(fd);
	before = ask(&o, 3);
	MUST(close_here(fd));
	after = ask(&o, 3);
	say("held %c, free %c\n", before, after);
	close(o.ask);
	say_status("other", o.pid);
}

int main(int argc, char **argv)
{
	static const struct way ways[] = {
		{ "posix", posix },	{ "ofd", ofd },		{ "flock", by_flock },
		{ "relock", relock },	{ "exec", exec_first }, { "exec2", exec_second },
		{ "threads", threads }, { NULL, NULL },
	};

	return choose(ways, argc, argv);
}
