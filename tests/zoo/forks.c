/* SPDX-License-Identifier: MIT
 *
 * Children in great number and of every make: fork, clone by number as vsftpd
 * makes its sessions, daemons, threads that fork; and that the program has no
 * children but its own.
 */
#include <pthread.h>
#include <sched.h>
#include <sys/syscall.h>

#include "zoo.h"

static volatile sig_atomic_t children_died;

static void on_child(int sig)
{
	(void)sig;
	children_died++;
}

static pid_t raw_fork(void)
{
	return (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static void children(pid_t (*make)(void), unsigned n, bool ends_by_exit)
{
	uint64_t expected;
	int ended = 0;

	say("%lx\n", (unsigned long)warm());
	expected = visit("f00");
	for (unsigned i = 0; i < n; i++) {
		pid_t pid = MUST(make());
		int status;

		if (pid == 0) {
			bool right = visit("f00") == expected;

			right = right && visit(file_name(i)) > 200; /* no errno */
			if (ends_by_exit)
				exit(right ? 11 : 12);
			_exit(right ? 11 : 12);
		}
		MUST(waitpid(pid, &status, 0));
		ended += status == 11 << 8;
	}
	say("%d of %u\n", ended, n);
	say_open("parent");
}

static void by_fork(void)
{
	children(fork, 200, true);
}

static void by_number(void)
{
	children(raw_fork, 40, false);
}

/* Children of a cold start: nobody has learned anything yet. Two at a time. */
static void early(void)
{
	for (unsigned i = 0; i < 4; i++) {
		pid_t a = fork(), b = a ? fork() : 0;

		if (!a || !b) {
			uint64_t sum = warm();

			_exit(sum ? 1 : 2);
		}
		say_status("a", a);
		say_status("b", b);
	}
}

/* The grandchild is the daemon; what it reads goes through a pipe. */
static void daemonize(void)
{
	uint64_t sum = 0;
	int p[2];
	pid_t pid;

	say("%lx\n", (unsigned long)warm());
	MUST(pipe(p));
	pid = MUST(fork());
	if (!pid) {
		MUST(setsid());
		if (MUST(fork()))
			_exit(0);
		int null = open("/dev/null", O_RDWR);

		for (int fd = 0; fd < 3; fd++)
			dup2(null, fd);
		close(p[0]);
		closefrom(null > p[1] ? null : p[1] + 1);
		sum = warm();
		MUST(write(p[1], &sum, sizeof(sum)));
		exit(0);
	}
	close(p[1]);
	say_status("first", pid);
	MUST(read(p[0], &sum, sizeof(sum)));
	say("daemon %lx\n", (unsigned long)sum);
	say("end %zd\n", read(p[0], &sum, 1)); /* it has ended */
}

static void *forker(void *bad)
{
	uint64_t expected = visit("f03");

	for (unsigned i = 0; i < 12; i++) {
		pid_t pid = fork();
		int status = 0;

		if (!pid)
			_exit(visit("f03") == expected && visit("f04") ? 0 : 1);
		waitpid(pid, &status, 0);
		*(int *)bad += status != 0;
	}
	return NULL;
}

/* Threads with rings fork while others work; the child is one thread. */
static void threads(void)
{
	pthread_t t[4];
	int bad[4] = { 0 };

	warm();
	for (unsigned i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, forker, &bad[i]);
	for (unsigned i = 0; i < 2; i++)
		warm();
	for (unsigned i = 0; i < 4; i++) {
		pthread_join(t[i], NULL);
		say("bad %d\n", bad[i]);
	}
}

/* Nothing of the library's is to be waited for, and no SIGCHLD comes. */
static void none(void)
{
	int status;

	signal(SIGCHLD, on_child);
	say("%lx\n", (unsigned long)warm());
	say("wait: %s\n", error_name(wait(&status)));
	say("waitpid: %s\n", error_name(waitpid(-1, &status, WNOHANG | __WALL)));
	say("died %d\n", children_died);
}

/* Nobody who counts threads counts more than there are. */
static void count(void)
{
	char line[256];
	FILE *f;

	say("%lx\n", (unsigned long)warm());
	f = fopen("/proc/self/status", "r");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "Threads:", 8))
			say("%s", line);
	if (f)
		fclose(f);
}

static void siblings_of(const char *who)
{
	char line[256];
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof(line), f))
		/* SigQ counts those of all processes of the user. */
		if ((!strncmp(line, "Sig", 3) && line[3] != 'Q') ||
		    !strncmp(line, "Shd", 3))
			say("%s %s", who, line);
	if (f)
		fclose(f);
}

/* Masks, pending and handled signals are the program's own. */
static void masks(void)
{
	siblings_of("before");
	say("%lx\n", (unsigned long)warm());
	siblings_of("after");
}

/* Ends and new programs while a close is on its way. */
static void ends(void)
{
	for (unsigned i = 0; i < 8; i++) {
		pid_t pid = MUST(fork());

		if (!pid) {
			warm();
			struct stat st;
			int fd = MUST(open_here("f01", O_RDONLY));

			sum_of(fd);
			MUST(stat_here("f02", &st));
			MUST(close_here(fd));
			if (i % 4 == 0)
				exit(21);
			if (i % 4 == 1)
				_exit(22);
			if (i % 4 == 2)
				syscall(SYS_exit_group, 23);
			kill(getpid(), SIGKILL);
		}
		say_status("child", pid);
	}
}

static void opened_after_exec(void)
{
	say_open("after exec");
	say("%lx\n", (unsigned long)warm());
}

static void execs(void)
{
	struct stat st;
	int fd;

	warm();
	MUST(open_here("f05", O_RDONLY));
	fd = MUST(open_here("f01", O_RDONLY));
	sum_of(fd);
	MUST(stat_here("f02", &st));
	MUST(close_here(fd));
	execl("/proc/self/exe", "forks", "after", (char *)NULL);
	_exit(97);
}

int main(int argc, char **argv)
{
	static const struct way ways[] = {
		{ "fork", by_fork },	{ "number", by_number },
		{ "early", early },	{ "daemon", daemonize },
		{ "threads", threads }, { "none", none },
		{ "masks", masks },	{ "ends", ends },
		{ "exec", execs },	{ "after", opened_after_exec },
		{ "count", count },	{ NULL, NULL },
	};

	return choose(ways, argc, argv);
}
