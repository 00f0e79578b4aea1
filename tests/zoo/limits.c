/* SPDX-License-Identifier: MIT
 *
 * Limits that fall: descriptors, processes, memory. Calls fail as they would, no
 * descriptor is lost, and nothing hangs.
 */
#include <grp.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "zoo.h"

/* A user whom nothing else runs as, so that its processes can be counted. */
#define USER 54321

static void limit(int which, rlim_t n)
{
	struct rlimit rl = { n, n };

	MUST(setrlimit((__rlimit_resource_t)which, &rl));
}

static void no_descriptors(void)
{
	struct stat st;

	say("%lx\n", (unsigned long)warm());
	MUST(stat_here("f01", &st));
	nap(300);
	limit(RLIMIT_NOFILE, 0);
	for (unsigned i = 0; i < 20; i++) {
		say("%s ", error_name(stat_here("f01", &st)));
		nap(300);
		say("%s\n", error_name(open_here("f01", O_RDONLY)));
	}
	say("%s\n", error_name(dup(0)));
}

/* The table is full but for one number while chains are on their way. */
static void few_descriptors(void)
{
	struct stat st;
	int fd[64], n = 0;

	say("%lx\n", (unsigned long)warm());
	limit(RLIMIT_NOFILE, 24);
	for (unsigned i = 0;; i++) {
		MUST(stat_here(file_name(i), &st));
		nap(300);
		fd[n] = open_here(file_name(i), O_RDONLY);
		if (fd[n] < 0)
			break;
		n++;
	}
	say("%d, then %s\n", n, error_name(-1));
	for (unsigned i = 0; i < 20; i++) {
		say("%s ", error_name(stat_here(file_name(i), &st)));
		nap(300);
		say("%s ", error_name(open_here(file_name(i), O_RDONLY)));
		MUST(close_here(fd[--n % 8]));
		fd[n % 8] = open_here(file_name(i), O_RDONLY);
		say("%d\n", fd[n % 8]);
		n = n % 8 ? n : 8;
	}
	say_open("end");
}

/* Opens, reads and closes; every number given back is free when close returns. */
static void numbers(void)
{
	int wrong = 0;

	for (unsigned i = 0; i < 24; i++) {
		int fd = open_here(file_name(i), O_RDONLY);

		if (fd < 0)
			continue;
		sum_of(fd);
		wrong += fd != 3;
		MUST(close_here(fd));
		wrong += fcntl(fd, F_GETFD) >= 0;
	}
	say("wrong numbers: %d\n", wrong);
	say_open("open");
}

static void become_user(void)
{
	if (geteuid() == 0) {
		MUST(setgroups(0, NULL));
		MUST(setgid(USER));
		MUST(setuid(USER));
	}
}

static void no_processes(void)
{
	become_user();
	limit(RLIMIT_NPROC, 0);
	say("%s\n", error_name(fork()));
	say("%lx\n", (unsigned long)warm());
	numbers();
}

/* Room for the process itself only: the limit is not 0, and yet no worker can be. */
static void one_process(void)
{
	become_user();
	limit(RLIMIT_NPROC, 1);
	say("%s\n", error_name(fork()));
	say("%lx\n", (unsigned long)warm());
	numbers();
}

/* Room for one child: it can be had while files are waited for. */
static void two_processes(void)
{
	become_user();
	limit(RLIMIT_NPROC, 2);
	for (unsigned i = 0; i < 4; i++) {
		pid_t pid;

		say("%lx\n", (unsigned long)warm());
		pid = fork();
		if (!pid)
			_exit(9);
		say("%s\n", error_name(pid));
		if (pid > 0)
			say_status("child", pid);
	}
	numbers();
}

/* The limit falls when a ring is in use already, and idle workers soon end. */
static void later(void)
{
	become_user();
	say("%lx\n", (unsigned long)warm());
	limit(RLIMIT_NPROC, 0);
	say("%lx\n", (unsigned long)warm());
	numbers();
	/* Only where there may be workers is it of use to let them go. */
	if (getenv("ZOO_IDLE"))
		nap(6500000);
	say("%lx\n", (unsigned long)warm());
	numbers();
}

/* As vsftpd: the limit falls first, then the rights, and all under 200 MB. */
static void server(void)
{
	limit(RLIMIT_AS, 200 << 20);
	say("%lx\n", (unsigned long)visit("f00"));
	limit(RLIMIT_NPROC, 0);
	become_user();
	say("%lx\n", (unsigned long)warm());
	numbers();
}

/* No memory to be had at all any more. */
static void no_memory(void)
{
	char *p;

	say("%lx\n", (unsigned long)visit("f00"));
	limit(RLIMIT_AS, 0);
	p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	say("%s\n", p == MAP_FAILED ? "none" : "some");
	say("%lx\n", (unsigned long)warm());
	numbers();
}

/* A new program under a limit that is too small for what the library would like. */
static void after(void)
{
	say("%lx\n", (unsigned long)warm());
	numbers();
}

static void small_program(void)
{
	limit(RLIMIT_AS, 6 << 20);
	limit(RLIMIT_MEMLOCK, 0);
	become_user();
	execl("/proc/self/exe", "limits", "after", (char *)NULL);
	_exit(97);
}

static void no_locked(void)
{
	limit(RLIMIT_MEMLOCK, 0);
	become_user();
	after();
}

static void program_without_descriptors(void)
{
	limit(RLIMIT_NOFILE, 4);
	execl("/proc/self/exe", "limits", "after", (char *)NULL);
	_exit(97);
}

int main(int argc, char **argv)
{
	static const struct way ways[] = {
		{ "no_descriptors", no_descriptors },
		{ "few_descriptors", few_descriptors },
		{ "no_processes", no_processes },
		{ "one_process", one_process },
		{ "two_processes", two_processes },
		{ "later", later },
		{ "server", server },
		{ "no_memory", no_memory },
		{ "small_program", small_program },
		{ "no_locked", no_locked },
		{ "four", program_without_descriptors },
		{ "after", after },
		{ NULL, NULL },
	};

	return choose(ways, argc, argv);
}
