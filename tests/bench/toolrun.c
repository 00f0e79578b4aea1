/* SPDX-License-Identifier: MIT */
/*
 * toolrun OUTPUT [NAME=VALUE ...] PROGRAM [ARGUMENT ...]: runs a program, with its
 * standard output in the file OUTPUT, and prints what it and the children that it
 * waited for took, as JSON. A small process of its own between the benchmark and
 * the tool: the kernel counts the memory of whoever starts a program as the
 * program's, and the settings (LD_PRELOAD) are the tool's alone.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double seconds(struct timeval t)
{
	return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void run(int out, char **argv)
{
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	for (; *argv && strchr(*argv, '='); argv++)
		putenv(*argv);
	if (dup2(out, STDOUT_FILENO) >= 0 && *argv)
		execvp(*argv, argv);
	fprintf(stderr, "toolrun: %s: %s\n", *argv ? *argv : "no program", strerror(errno));
	_exit(127);
}

int main(int argc, char **argv)
{
	struct rusage used;
	double start, took;
	int out, status;
	pid_t pid;

	if (argc < 3) {
		fprintf(stderr,
			"usage: toolrun OUTPUT [NAME=VALUE ...] PROGRAM [ARGUMENT ...]\n");
		return 2;
	}
	out = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (out < 0) {
		perror(argv[1]);
		return 1;
	}
	start = now();
	pid = fork();
	if (!pid)
		run(out, argv + 2);
	if (pid < 0 || wait4(pid, &status, 0, &used) != pid) {
		perror("toolrun");
		return 1;
	}
	took = now() - start;
	if (!WIFEXITED(status)) {
		fprintf(stderr, "toolrun: ended by signal %d\n", WTERMSIG(status));
		return 1;
	}
	printf("{\"status\": %d, \"seconds\": %.6f, \"cpu\": %.6f, \"rss_kib\": %ld}\n",
	       WEXITSTATUS(status), took, seconds(used.ru_utime) + seconds(used.ru_stime),
	       used.ru_maxrss);
	return 0;
}
