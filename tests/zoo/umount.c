/* SPDX-License-Identifier: MIT
 *
 * A file system can be unmounted as soon as its last file has been closed or
 * looked at: by the process itself, by its child, by a program it starts, or by
 * a parent once the child has ended. Binds its directory to another, so that one slow
 * file system serves many rounds; to be started in a mount name space of its own.
 */
#include <pthread.h>
#include <spawn.h>
#include <sys/mount.h>

#include "zoo.h"

#define ROUNDS 12

extern char **environ;

static char top[4096];

static void bind_again(void)
{
	MUST(mount(".", "../bound", NULL, MS_BIND, NULL));
	MUST(chdir("../bound"));
}

static void leave(void)
{
	MUST(chdir(top));
}

static void prepare(void)
{
	if (!getcwd(top, sizeof(top)))
		_exit(97);
	if (mkdir("../bound", 0755) < 0 && errno != EEXIST)
		_exit(97);
	bind_again();
	say("%lx\n", (unsigned long)warm());
}

static void read_last(unsigned i)
{
	int fd = MUST(open_here(file_name(i), O_RDONLY));

	sum_of(fd);
	leave();
	MUST(close_here(fd));
}

static void verdict(int failed)
{
	say("%s\n", error_name(failed));
	if (failed)
		MUST(umount2("../bound", MNT_DETACH));
}

static void self(void)
{
	prepare();
	for (unsigned i = 0; i < ROUNDS; i++) {
		read_last(i);
		verdict(umount2("../bound", 0));
		bind_again();
	}
}

/* A stat that may have started a chain is the last thing that happened there. */
static void looked(void)
{
	struct stat st;

	prepare();
	for (unsigned i = 0; i < ROUNDS; i++) {
		char path[64];

		/* By its full name, or leaving would already end the chain. */
		snprintf(path, sizeof(path), "%s", file_name(i));
		visit(file_name(i + 1));
		stat_here(path, &st);
		leave();
		verdict(umount2("../bound", 0));
		bind_again();
	}
}

static void by_number(void)
{
	prepare();
	for (unsigned i = 0; i < ROUNDS; i++) {
		read_last(i);
		verdict((int)syscall(SYS_umount2, "../bound", 0));
		bind_again();
	}
}

static void child(void)
{
	prepare();
	for (unsigned i = 0; i < ROUNDS; i++) {
		pid_t pid;

		read_last(i);
		pid = MUST(fork());
		if (!pid) {
			verdict(umount2("../bound", 0));
			_exit(0);
		}
		say_status("child", pid);
		bind_again();
	}
}

static void spawned(void)
{
	char *argv[] = { (char *)"umount", (char *)"-i", (char *)"../bound", NULL };

	prepare();
	for (unsigned i = 0; i < ROUNDS; i++) {
		pid_t pid;

		read_last(i);
		if (posix_spawnp(&pid, "umount", NULL, NULL, argv, environ))
			_exit(97);
		say_status("umount", pid);
		bind_again();
	}
}

/* The child closes and ends; whoever has waited for it may unmount. */
static void ended(void)
{
	prepare();
	for (unsigned i = 0; i < ROUNDS; i++) {
		pid_t pid = MUST(fork());

		if (!pid) {
			read_last(i);
			_exit(0);
		}
		leave();
		say_status("child", pid);
		verdict(umount2("../bound", 0));
		bind_again();
	}
}

static pthread_barrier_t turn;
static bool only_look;

static void *other_thread(void *unused)
{
	struct stat st;

	(void)unused;
	for (unsigned i = 0; i < ROUNDS; i++) {
		pthread_barrier_wait(&turn);
		if (!i)
			warm();
		visit(file_name(i + 1));
		if (only_look) {
			stat_here(file_name(i), &st);
			leave();
		} else {
			read_last(i);
		}
		pthread_barrier_wait(&turn);
	}
	return NULL;
}

/* One thread was there last, another unmounts. */
static void threads(void)
{
	pthread_t t;

	prepare();
	pthread_barrier_init(&turn, NULL, 2);
	pthread_create(&t, NULL, other_thread, NULL);
	for (unsigned i = 0; i < ROUNDS; i++) {
		pthread_barrier_wait(&turn);
		pthread_barrier_wait(&turn);
		verdict(umount2("../bound", 0));
		bind_again();
	}
	pthread_join(t, NULL);
}

static void thread_looked(void)
{
	only_look = true;
	threads();
}

int main(int argc, char **argv)
{
	static const struct way ways[] = {
		{ "self", self },
		{ "looked", looked },
		{ "by_number", by_number },
		{ "child", child },
		{ "spawned", spawned },
		{ "ended", ended },
		{ "thread", threads },
		{ "thread_looked", thread_looked },
		{ NULL, NULL },
	};

	return choose(ways, argc, argv);
}
