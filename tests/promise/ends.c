/* SPDX-License-Identifier: MIT
 *
 * However a program ends by itself, what it has sent before arrives, in order; where it
 * is ended by others, at least nothing comes that was not sent.
 */
#include <setjmp.h>
#include <spawn.h>
#include <sys/resource.h>

#include "promise.h"

extern char **environ;

static int fd;

static void at_end(void)
{
	answer(fd, "f04");
}

static void by_exit(void)
{
	exit(3);
}

static void by_exit_handler(void)
{
	atexit(at_end);
	answer(fd, "f03");
	exit(3);
}

static void by_quick_exit(void)
{
	quick_exit(3);
}

static void by_quick_exit_handler(void)
{
	at_quick_exit(at_end);
	answer(fd, "f03");
	quick_exit(3);
}

static void by__exit(void)
{
	_exit(3);
}

static void by__Exit(void)
{
	_Exit(3);
}

static void by_syscall(void)
{
	syscall(SYS_exit_group, 3);
}

static void by_return(void)
{
}

static void no_core(void)
{
	struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_CORE, &none);
}

static void by_abort(void)
{
	abort();
}

static void by_raise(void)
{
	raise(SIGTERM);
}

static void by_kill(void)
{
	kill(getpid(), SIGTERM);
}

static void by_killing(void)
{
	kill(getpid(), SIGKILL);
}

static void by_raw_kill(void)
{
	syscall(SYS_kill, getpid(), SIGKILL);
}

static void by_alarm(void)
{
	ualarm(400000, 0);
	pause();
}

static void exits(int sig)
{
	(void)sig;
	_exit(4);
}

static void by_handler(void)
{
	handle(SIGUSR1, exits, 0);
	raise(SIGUSR1);
}

static void by_late_handler(void)
{
	handle(SIGALRM, exits, 0);
	ualarm(400000, 0);
	pause();
}

/* The next program goes on with the connection. */
static char number[32];
static char *next[] = { "promise", NULL, "after", number, NULL };

static char **next_args(void)
{
	snprintf(number, sizeof(number), "number=%d", fd);
	next[1] = (char *)board_path;
	return next;
}

static void by_execv(void)
{
	execv("/proc/self/exe", next_args());
}

static void by_execl(void)
{
	next_args();
	execl("/proc/self/exe", "promise", board_path, "after", number, (char *)NULL);
}

static void by_execvp(void)
{
	execvp("true", (char *[]){ "true", NULL });
}

/* The connection ends with this program. */
static void by_cloexec(void)
{
	MUST(fcntl(fd, F_SETFD, FD_CLOEXEC));
	answer(fd, "f01");
	execl("/bin/true", "true", (char *)NULL);
}

static void by_spawn(void)
{
	pid_t pid;

	if (posix_spawn(&pid, "/proc/self/exe", NULL, NULL, next_args(), environ))
		note("cannot spawn\n");
	say_status("spawned", pid);
	answer(fd, "f05");
}

static void by_vfork_exec(void)
{
	char **args = next_args();
	pid_t pid = vfork();

	if (!pid) {
		execve("/proc/self/exe", args, environ);
		_exit(90);
	}
	say_status("child", pid);
	answer(fd, "f05");
}

static void by_system(void)
{
	char command[64];

	snprintf(command, sizeof(command), "printf 'by the shell\n' >&%d", fd);
	told("system", system(command));
	answer(fd, "f05");
}

static void by_popen(void)
{
	char command[64];
	FILE *f;

	snprintf(command, sizeof(command), "cat >&%d", fd);
	f = popen(command, "w");
	if (f) {
		fputs("by the pipe\n", f);
		told("pclose", pclose(f));
	}
	answer(fd, "f05");
}

/* A process for each connection; the parent goes on first. */
static void by_child(void)
{
	pid_t pid = MUST(fork());

	if (!pid) {
		answer(fd, "f05");
		exit(5);
	}
	close(fd);
	say_status("child", pid);
}

static void by_orphan(void)
{
	pid_t pid = MUST(fork());

	if (pid)
		exit(6);
	answer(fd, "f05");
	exit(5);
}

static const struct way endings[] = {
	{ "exit", by_exit },
	{ "exit_handler", by_exit_handler },
	{ "quick_exit", by_quick_exit },
	{ "quick_exit_handler", by_quick_exit_handler },
	{ "_exit", by__exit },
	{ "_Exit", by__Exit },
	{ "syscall", by_syscall },
	{ "return", by_return },
	{ "abort", by_abort },
	{ "raise", by_raise },
	{ "kill", by_kill },
	{ "killing", by_killing },
	{ "raw_kill", by_raw_kill },
	{ "alarm", by_alarm },
	{ "handler", by_handler },
	{ "late_handler", by_late_handler },
	{ "execv", by_execv },
	{ "execl", by_execl },
	{ "execvp", by_execvp },
	{ "cloexec", by_cloexec },
	{ "spawn", by_spawn },
	{ "vfork_exec", by_vfork_exec },
	{ "system", by_system },
	{ "popen", by_popen },
	{ "child", by_child },
	{ "orphan", by_orphan },
	{ NULL, NULL },
};

/* The next program, with its own library. */
static void after(void)
{
	answer(style.number, "f06");
}

static void end(void)
{
	no_core();
	listen_on();
	fd = take();
	answer(fd, "f02");
	answer(fd, style.rest ? "big" : "f03");
	if (!pick(endings, style.what))
		note("no such end\n");
}

/* Ended by the test: with promises open, or in a wait behind them. */
static void ended(void)
{
	char byte;

	listen_on();
	fd = take();
	for (unsigned i = 0; i < style.count; i++)
		answer(fd, style.rest ? "big" : "f05");
	stop(1);
	told("read", read(STDIN_FILENO, &byte, 1));
}

const struct way ends[] = {
	{ "end", end },
	{ "after", after },
	{ "ended", ended },
	{ NULL, NULL },
};
