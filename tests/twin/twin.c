/* SPDX-License-Identifier: MIT */
/*
 * twin --dir DIR [--backing DIR] [--seeds A-B | --seed N] [--calls N] [--log FILE]
 *
 * Runs the programs of the given seeds, each in a child and a tree of its own in DIR.
 * BACKING is where DIR's files are when DIR is a slow file system: trees are made and
 * dumped there, so that a program finds them cold. The log goes to FILE, else to
 * standard output.
 */
#define _GNU_SOURCE 1
#include "twin.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECONDS_EACH 30

static struct args {
	char dir[2001], backing[2001];
	const char *log;
	unsigned long first, last;
	unsigned calls;
} args = { .first = 1, .last = 1, .calls = 25 };

static char buf[BUF_SIZE];

/* Descriptors 0 to 2 and nothing else, whoever started us. */
static void clean_start(const sigset_t *mask)
{
	int fd = real.open("/dev/null", O_RDWR);

	for (int i = 0; i < 3; i++)
		real.dup2(fd, i);
	/* Those of a preloaded library are higher; they are not ours to close. */
	for (int i = 3; i < FD_LOOK; i++)
		real.close(i);
	sigprocmask(SIG_SETMASK, mask, NULL);
	signal(SIGPIPE, SIG_IGN);
}

__attribute__((noreturn)) static void child(unsigned long seed, const char *top,
					    const sigset_t *mask)
{
	struct twin t = { .rng = seed * 0x2545f4914f6cdd1du, .buf = buf, .top = top };

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpgid(0, 0);
	clean_start(mask);
	if (real.chdir(top))
		_exit(97);
	program(&t, args.calls);
	say_descriptors(&t);
	exit(0);
}

/* SIGCHLD is blocked: waits for it, but not for ever. */
static int wait_for(pid_t pid, const sigset_t *chld)
{
	struct timespec limit = { .tv_sec = SECONDS_EACH };
	int status = 0;

	for (;;) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return status;
		if (sigtimedwait(chld, NULL, &limit) < 0 && errno == EAGAIN)
			break;
	}
	kill(-pid, SIGKILL);
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return -1;
}

static int put_log(unsigned long seed)
{
	size_t n;
	const char *text = log_text(&n);
	char head[64];
	int fd = args.log ? real.open(args.log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC,
				      0644)
			  : 1,
	    bad;

	snprintf(head, sizeof(head), "=== seed %lu\n", seed);
	bad = fd < 0 || real.write(fd, head, strlen(head)) < 0;
	for (ssize_t r; !bad && n; text += r, n -= (size_t)r) {
		r = real.write(fd, text, n);
		bad = r <= 0;
		if (bad)
			break;
	}
	if (args.log && fd >= 0)
		real.close(fd);
	return bad;
}

static int one(unsigned long seed, const sigset_t *mask, const sigset_t *chld)
{
	char own[2100], below_it[2100], top[2200], made[2200];
	struct twin t = { .buf = buf, .top = top };
	int status;
	pid_t pid;

	snprintf(own, sizeof(own), "%s/s%lu", args.dir, seed);
	snprintf(below_it, sizeof(below_it), "%s/s%lu", args.backing, seed);
	snprintf(top, sizeof(top), "%s/t", own);
	snprintf(made, sizeof(made), "%s/t", below_it);
	if (real.mkdir(below_it, 0755) || tree_make(made)) {
		fprintf(stderr, "twin: %s: %s\n", made, strerror(errno));
		return 1;
	}
	log_clear();
	pid = fork();
	if (!pid)
		child(seed, top, mask);
	status = pid < 0 ? -1 : wait_for(pid, chld);
	say(&t, status == -1 ? "STILL RUNNING after %d s" : "ended %#x",
	    status == -1 ? SECONDS_EACH : status);
	tree_say(&t, below_it);
	tree_remove(below_it);
	return put_log(seed);
}

static void usage(void)
{
	fputs("usage: twin --dir DIR [--backing DIR] [--seed N | --seeds A-B] [--calls N]"
	      " [--log FILE]\n",
	      stderr);
	exit(2);
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "dir", 1, NULL, 'd' },
		{ "backing", 1, NULL, 'b' },
		{ "seed", 1, NULL, 's' },
		{ "seeds", 1, NULL, 's' },
		{ "calls", 1, NULL, 'c' },
		{ "log", 1, NULL, 'l' },
		{ 0 },
	};
	char resolved[PATH_MAX];
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == 'd' || o == 'b') {
			if (!realpath(optarg, resolved) || strlen(resolved) > 2000) {
				perror(optarg);
				exit(2);
			}
			strcpy(o == 'd' ? args.dir : args.backing, resolved);
		} else if (o == 's') {
			char *end;

			args.first = args.last = strtoul(optarg, &end, 10);
			if (*end == '-')
				args.last = strtoul(end + 1, NULL, 10);
		} else if (o == 'c') {
			args.calls = (unsigned)atoi(optarg);
		} else if (o == 'l') {
			args.log = optarg;
		} else {
			usage();
		}
	}
	if (!*args.dir)
		usage();
	if (!*args.backing)
		strcpy(args.backing, args.dir);
}

int main(int argc, char **argv)
{
	struct rlimit rl;
	sigset_t mask, chld;
	int bad = 0;

	parse(argc, argv);
	/* Random calls must not be able to harm the machine; and permissions that refuse
	 * nothing would leave half of the errors untested. */
	if (!getuid() || !geteuid()) {
		fputs("twin: will not run as root; use setpriv --reuid=65534 --regid=65534"
		      " --clear-groups\n",
		      stderr);
		return 2;
	}
	if (real_find() || log_make())
		return 2;
	umask(022);
	getrlimit(RLIMIT_NOFILE, &rl);
	rl.rlim_cur = FD_MAX;
	if (setrlimit(RLIMIT_NOFILE, &rl))
		return 2;
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, &mask);
	for (unsigned long s = args.first; s <= args.last; s++)
		bad |= one(s, &mask, &chld);
	return bad;
}
