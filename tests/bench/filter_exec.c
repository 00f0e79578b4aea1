/* SPDX-License-Identifier: MIT */
/*
 * filter_exec [-a] PROGRAM [ARGUMENT ...]: runs a program behind a seccomp filter of 50
 * instructions that compares the number of each call with 48 that never come, and
 * allows everything: what entering the kernel costs in a container. For such a filter
 * kernels since 5.11 note once and for all which calls it always allows, and do not
 * run it for them. With -a it looks at an argument first, and is run at each call.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define INSTRUCTIONS 50
#define NEVER 100000 /* and the numbers behind it: calls that there are not */

static void build(struct sock_filter *f, int by_argument)
{
	unsigned short i = 0, last = INSTRUCTIONS - 1;

	if (by_argument)
		f[i++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
						      offsetof(struct seccomp_data, args));
	f[i++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS,
					      offsetof(struct seccomp_data, nr));
	for (; i < last; i++)
		f[i] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NEVER + i,
						    (unsigned char)(last - i - 1), 0);
	f[last] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
}

int main(int argc, char **argv)
{
	struct sock_filter code[INSTRUCTIONS];
	struct sock_fprog program = { INSTRUCTIONS, code };
	int by_argument = argc > 1 && !strcmp(argv[1], "-a");

	argv += 1 + by_argument;
	if (!*argv) {
		fprintf(stderr, "usage: filter_exec [-a] PROGRAM [ARGUMENT ...]\n");
		return 2;
	}
	build(code, by_argument);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program)) {
		fprintf(stderr, "filter_exec: no filter: %s\n", strerror(errno));
		return 77;
	}
	execvp(*argv, argv);
	fprintf(stderr, "filter_exec: %s: %s\n", *argv, strerror(errno));
	return 127;
}
