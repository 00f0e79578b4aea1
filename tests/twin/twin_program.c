/* SPDX-License-Identifier: MIT */
/*
 * A program: calls chosen by weight, and what is left open at its end.
 */
#define _GNU_SOURCE 1
#include "twin.h"

#include <fcntl.h>
#include <string.h>

static const struct choice {
	twin_op *op;
	unsigned weight;
	bool calm;
} choices[] = {
	{ op_open, 14, true },	   { op_stat, 6, true },     { op_fstat, 6, true },
	{ op_list, 1, true },	   { op_read, 12, true },    { op_write, 5, true },
	{ op_lseek, 4, true },	   { op_map, 2, true },	     { op_close, 8, true },
	{ op_dup, 5, true },	   { op_fcntl, 4, true },    { op_high, 1, true },
	{ op_range, 1, true },	   { op_sendfile, 3, true }, { op_copy, 3, true },
	{ op_pair, 2, true },	   { op_serve, 3, true },    { op_names, 3, true },
	{ op_chdir, 2, true },	   { op_size, 2, true },     { op_fork, 2, false },
	{ op_vfork, 2, false },	   { op_limit, 1, false },   { op_lock, 1, false },
	{ op_signal, 1, false },   { op_timer, 1, false },   { op_turns, 1, false },
	{ op_together, 1, false }, { op_scan, 10, false },
};

#define CHOICES (sizeof(choices) / sizeof(choices[0]))

static void call(struct twin *t, bool calm)
{
	unsigned all = 0, at;

	for (size_t i = 0; i < CHOICES; i++)
		all += choices[i].calm || !calm ? choices[i].weight : 0;
	at = below(t, all);
	for (size_t i = 0; i < CHOICES; i++) {
		unsigned weight = choices[i].calm || !calm ? choices[i].weight : 0;

		if (at < weight) {
			choices[i].op(t);
			return;
		}
		at -= weight;
	}
}

void calm_call(struct twin *t)
{
	call(t, true);
}

void program(struct twin *t, unsigned calls)
{
	for (; calls; calls--)
		call(t, false);
}

void say_descriptors(struct twin *t)
{
	for (int fd = 0; fd < FD_MAX - 16; fd++) {
		int flags = real.fcntl(fd, F_GETFD);
		struct stat st = { 0 };

		if (flags < 0)
			continue;
		real.fstat(fd, &st);
		say(t, "left %d fdflags %d flags %#x offset %lld type %o size %lld", fd,
		    flags, (unsigned)real.fcntl(fd, F_GETFL),
		    (long long)real.lseek(fd, 0, SEEK_CUR), st.st_mode & S_IFMT,
		    S_ISREG(st.st_mode) ? (long long)st.st_size : 0LL);
	}
}
