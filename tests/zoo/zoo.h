/* SPDX-License-Identifier: MIT
 *
 * What the programs of the zoo share: calls that always come from the same place,
 * so that the library learns there; a warm-up that makes it learn; and output that
 * neither buffers nor allocates, so that forks and signal handlers may use it.
 * A program runs in a directory of its own with files f00..f15.
 */
#ifndef ZOO_H
#define ZOO_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ZOO_FILES 16
#define ZOO_WARM 32 /* visits until stat, open and close are known to wait */

#define UNUSED __attribute__((unused))
/* A call of its own, not a jump: the return address is what the library goes by. */
#define HERE(call)                                   \
	({                                           \
		__typeof__(call) here_r_ = (call);   \
		__asm__ volatile("" : : : "memory"); \
		here_r_;                             \
	})
#define SITE_FUNCTION UNUSED __attribute__((noinline)) static

UNUSED __attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
	char text[512];
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (n > 0 && write(STDOUT_FILENO, text, (size_t)n) != n)
		_exit(99);
}

/* Ends the program, visibly, when something that must not fail has failed. */
#define MUST(call)                                                                  \
	({                                                                          \
		__typeof__(call) must_r_ = (call);                                  \
		if ((long)must_r_ == -1) {                                          \
			say("line %d: %s: %s\n", __LINE__, #call, strerror(errno)); \
			_exit(98);                                                  \
		}                                                                   \
		must_r_;                                                            \
	})

UNUSED static void nap(unsigned us)
{
	struct timespec ts = { us / 1000000, (long)(us % 1000000) * 1000 };

	while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
		;
}

UNUSED static const char *error_name(int failed)
{
	return failed < 0 ? strerrorname_np(errno) : "ok";
}

SITE_FUNCTION int open_here(const char *path, int flags)
{
	return HERE(open(path, flags));
}

SITE_FUNCTION int stat_here(const char *path, struct stat *st)
{
	return HERE(stat(path, st));
}

SITE_FUNCTION int fstat_here(int fd, struct stat *st)
{
	return HERE(fstat(fd, st));
}

SITE_FUNCTION ssize_t read_here(int fd, void *buf, size_t n)
{
	return HERE(read(fd, buf, n));
}

SITE_FUNCTION int close_here(int fd)
{
	return HERE(close(fd));
}

/* What is in the rest of a descriptor, as one number. */
UNUSED static uint64_t sum_of(int fd)
{
	uint64_t h = 0xcbf29ce484222325ULL;
	unsigned char buf[16384];
	ssize_t n;

	while ((n = read_here(fd, buf, sizeof(buf))) > 0)
		for (ssize_t i = 0; i < n; i++)
			h = (h ^ buf[i]) * 0x100000001b3ULL;
	return n < 0 ? (uint64_t)-1 : h;
}

UNUSED static const char *file_name(unsigned i)
{
	static __thread char name[8];

	name[0] = 'f';
	name[1] = (char)('0' + i % ZOO_FILES / 10);
	name[2] = (char)('0' + i % ZOO_FILES % 10);
	name[3] = '\0';
	return name;
}

/* stat, a little work, open, fstat, read, close: what a server does with a file. */
UNUSED static uint64_t visit(const char *path)
{
	struct stat st;
	uint64_t sum;
	int fd;

	if (stat_here(path, &st) < 0)
		return (uint64_t)errno;
	nap(200);
	fd = open_here(path, O_RDONLY);
	if (fd < 0)
		return (uint64_t)errno;
	MUST(fstat_here(fd, &st));
	sum = sum_of(fd) ^ (uint64_t)st.st_size;
	MUST(close_here(fd));
	return sum;
}

/* Visits all files until the library knows; the sum is the same every time. */
UNUSED static uint64_t warm(void)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < ZOO_WARM; i++)
		sum = sum * 31 + visit(file_name(i));
	return sum;
}

UNUSED static void say_status(const char *who, pid_t pid)
{
	int status;

	MUST(waitpid(pid, &status, 0));
	if (WIFEXITED(status))
		say("%s: exit %d\n", who, WEXITSTATUS(status));
	else
		say("%s: signal %d\n", who, WTERMSIG(status));
}

UNUSED static pid_t child_exits(int status)
{
	pid_t pid = MUST(fork());

	if (!pid)
		_exit(status);
	return pid;
}

/* Which of the descriptors below 64 are open, as text. */
UNUSED static void say_open(const char *when)
{
	char text[65];

	for (int fd = 0; fd < 64; fd++)
		text[fd] = fcntl(fd, F_GETFD) < 0 ? '.' : 'x';
	text[64] = '\0';
	say("%s: %s\n", when, text);
}

/* A word of the command line that turns something on. */
struct a_switch {
	const char *name;
	bool *on;
};

UNUSED static bool switched(const char *text, const struct a_switch *switches)
{
	for (; switches->name; switches++)
		if (!strcmp(text, switches->name)) {
			*switches->on = true;
			return true;
		}
	return false;
}

/* One of a program's behaviours, by the name that stands in argv[1]. */
struct way {
	const char *name;
	void (*run)(void);
};

UNUSED static int choose(const struct way *ways, int argc, char **argv)
{
	for (; ways->name; ways++)
		if (argc > 1 && !strcmp(ways->name, argv[1])) {
			ways->run();
			return 0;
		}
	say("no such way\n");
	return 64;
}

#endif
