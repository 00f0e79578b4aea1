/* SPDX-License-Identifier: MIT */
/*
 * Handlers that open and close files, called at a known place or at any.
 */
#define _GNU_SOURCE 1
#include "twin.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

static struct twin *interrupted;

static void at_a_known_place(int sig)
{
	char c[16] = "";
	int fd = (int)DID(interrupted, open("f4096", O_RDONLY), "handler open");

	(void)sig;
	DID(interrupted, read(fd, c, sizeof(c)), "handler read");
	say(interrupted, "  hash %016llx", (unsigned long long)hash(c, sizeof(c)));
	DID(interrupted, close(fd), "handler close");
}

void op_signal(struct twin *t)
{
	struct sigaction sa = { .sa_handler = at_a_known_place, .sa_flags = SA_RESTART };

	interrupted = t;
	DID(t, sigaction(SIGUSR1, &sa, NULL), "sigaction");
	DID(t, one_in(t, 2) ? raise(SIGUSR1) : kill(getpid(), SIGUSR1), "raise");
	sa.sa_handler = SIG_DFL;
	sigaction(SIGUSR1, &sa, NULL);
}

/* --- at any place ------------------------------------------------------- */

static volatile sig_atomic_t surprises;
static char timer_path[4096];

static void at_any_place(int sig)
{
	int saved = errno, fd = open(timer_path, O_RDONLY);
	char c[5000];

	(void)sig;
	if (fd < 0) {
		surprises += errno != EMFILE;
	} else {
		surprises += read(fd, c, sizeof(c)) < 0;
		surprises += close(fd) != 0;
	}
	errno = saved;
}

static void arm(unsigned us)
{
	struct itimerval it = { .it_value.tv_usec = (suseconds_t)us };

	setitimer(ITIMER_REAL, &it, NULL);
}

static void read_interrupted(struct twin *t)
{
	const char *path = good_path(t);
	struct stat st;
	int fd;

	if (one_in(t, 2))
		stat_somehow(t, AT_FDCWD, path, &st);
	if (one_in(t, 2))
		nap(200);
	fd = open_somehow(t, AT_FDCWD, path, O_RDONLY);
	DID(t, fstat(fd, &st), "fstat %d", fd);
	memset(t->buf, 0, 70000);
	say_data(t, DID(t, read(fd, t->buf, 65536), "read %d", fd), 65536);
	close_somehow(t, fd);
}

void op_timer(struct twin *t)
{
	struct sigaction sa = { .sa_handler = at_any_place, .sa_flags = SA_RESTART };

	/* A path of its own: what it finds must not depend on when it comes. */
	strcpy(timer_path, "/proc/self/stat");
	if (one_in(t, 2)) {
		strcpy(timer_path, t->top);
		strcat(timer_path, "/script");
	}
	surprises = 0;
	sigaction(SIGALRM, &sa, NULL);
	for (unsigned n = 3 + below(t, 5); n; n--) {
		arm(50 + below(t, 1500));
		read_interrupted(t);
		arm(0);
	}
	sa.sa_handler = SIG_IGN;
	sigaction(SIGALRM, &sa, NULL);
	say(t, "timer surprises %d", (int)surprises);
}
