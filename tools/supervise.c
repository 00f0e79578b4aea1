/* SPDX-License-Identifier: MIT
 *
 * A program that is run as our child. We are the reaper of what it leaves, so that
 * a daemon's end is seen as well. All signals are blocked and taken one at a time:
 * nothing here runs in a handler.
 */
#include "supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"
#include "launch.h"
#include "procfs.h"

#define SECOND 1000000000LL
#define NEVER INT64_MAX
#define PATIENCE (5 * SECOND) /* between asking and killing, and then until we go */
#define STRAGGLERS SECOND     /* what ends so soon after the program needs no word */

struct supervisor {
	sigset_t set, old;
	struct sigaction child, pipe; /* as they were */
	const char *name;
	pid_t pid; /* of the program, 0 when it has ended */
	double seconds;
	int64_t ask, kill, give_up, tell; /* moments, NEVER */
	struct outcome outcome;
};

static int64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * SECOND + ts.tv_nsec;
}

/* In the child; only comes back through the pipe. */
static void become(struct supervisor *s, char **argv, int report)
{
	int e;

	sigaction(SIGCHLD, &s->child, NULL);
	sigaction(SIGPIPE, &s->pipe, NULL);
	sigprocmask(SIG_SETMASK, &s->old, NULL);
	execvp(argv[0], argv);
	e = errno;
	if (write(report, &e, sizeof(e)) < 0)
		_exit(LAUNCH_FAILED);
	_exit(LAUNCH_NOT_FOUND);
}

static bool start(struct supervisor *s, char **argv)
{
	int report[2], e = 0;
	ssize_t n;

	if (pipe2(report, O_CLOEXEC) < 0) {
		complain("pipe: %s", strerror(errno));
		return false;
	}
	s->pid = fork();
	if (s->pid == 0)
		become(s, argv, report[1]);
	e = errno;
	close(report[1]);
	if (s->pid < 0) {
		close(report[0]);
		complain("fork: %s", strerror(e));
		return false;
	}
	do
		n = read(report[0], &e, sizeof(e));
	while (n < 0 && errno == EINTR);
	close(report[0]);
	if (n <= 0)
		return true;
	waitpid(s->pid, NULL, 0);
	s->outcome.status = launch_failed(argv[0], e);
	return false;
}

/* False when no child is left. */
static bool reap(struct supervisor *s)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != s->pid)
			continue;
		s->pid = 0;
		s->outcome.status =
			WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
		s->tell = now() + STRAGGLERS;
	}
	return pid == 0;
}

/* The terminal has sent it to the program as well; what somebody sent to us is not. */
static void pass_on(struct supervisor *s, const siginfo_t *info)
{
	if (!s->pid)
		s->outcome.left = true;
	else if (info->si_code <= 0)
		kill(s->pid, info->si_signo);
}

static void send_all(struct supervisor *s, int sig)
{
	if (!procfs_kill_children(sig) && s->pid)
		kill(s->pid, sig);
}

/* What is due now. */
static void act(struct supervisor *s)
{
	int64_t t = now();

	if (t >= s->tell) {
		s->tell = NEVER;
		complain("%s has ended; what it started goes on and is waited for "
			 "(Ctrl-C: no longer)",
			 s->name);
	}
	if (t >= s->ask) {
		s->ask = NEVER;
		s->kill = t + PATIENCE;
		complain("%g s have gone by: SIGTERM", s->seconds);
		send_all(s, SIGTERM);
	}
	if (t >= s->kill) {
		if (s->give_up == NEVER) {
			complain("not ended 5 s later: SIGKILL");
			s->give_up = t + PATIENCE;
		}
		/* Again and again: the children of who is killed become ours. */
		s->kill = t + SECOND / 20;
		send_all(s, SIGKILL);
	}
	if (t >= s->give_up)
		s->outcome.left = true;
}

static void wait_for_next(struct supervisor *s)
{
	int64_t t = now(), due = s->tell;
	struct timespec ts;
	siginfo_t info;
	int sig;

	due = s->ask < due ? s->ask : due;
	due = s->kill < due ? s->kill : due;
	if (due == NEVER) {
		sig = sigwaitinfo(&s->set, &info);
	} else {
		due = due > t ? due - t : 0;
		ts.tv_sec = due / SECOND;
		ts.tv_nsec = due % SECOND;
		sig = sigtimedwait(&s->set, &info, &ts);
	}
	if (sig > 0 && sig != SIGCHLD)
		pass_on(s, &info);
}

struct outcome supervise(char **argv, double seconds)
{
	static const int taken[] = { SIGCHLD, SIGINT, SIGTERM, SIGHUP, SIGQUIT };
	struct supervisor s = { .name = argv[0],
				.seconds = seconds,
				.ask = NEVER,
				.kill = NEVER,
				.give_up = NEVER,
				.tell = NEVER };
	struct sigaction by_default = { .sa_handler = SIG_DFL },
			 ignored = { .sa_handler = SIG_IGN };

	s.outcome.status = LAUNCH_FAILED;
	sigemptyset(&s.set);
	for (unsigned i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		sigaddset(&s.set, taken[i]);
	sigprocmask(SIG_BLOCK, &s.set, &s.old);
	/* Ignored, it would take the exit statuses away. */
	sigaction(SIGCHLD, &by_default, &s.child);
	/* That nobody reads what we say must not end us before the file is finished. */
	sigaction(SIGPIPE, &ignored, &s.pipe);
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	if (!start(&s, argv))
		goto end;
	s.outcome.started = true;
	if (seconds > 0)
		s.ask = now() + (int64_t)(seconds * SECOND);
	while (reap(&s) && !s.outcome.left) {
		wait_for_next(&s);
		if (!reap(&s))
			break;
		act(&s);
	}
end:
	sigprocmask(SIG_SETMASK, &s.old, NULL);
	return s.outcome;
}
