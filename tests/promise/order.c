/* SPDX-License-Identifier: MIT
 *
 * The order of bytes on connections: every way to send a header with every way to send
 * a file, what may stand around them, and several connections at once.
 */
#include "promise.h"

#define TRAILERS 5
#define AROUND 7

static const char *const sizes[] = { "f00", "f01", "f02", "f05", "empty", "one", "page" };

static long trailer(unsigned kind, int fd, int file)
{
	static const char text[] = "and a trailer\n";
	static char copy[sizeof(text)];
	struct iovec iov = { copy, sizeof(text) - 1 };
	off_t at = 0;

	memcpy(copy, text, sizeof(text));
	switch (kind) {
	case 1:
		return told("trailer", write(fd, copy, sizeof(text) - 1));
	case 2:
		return told("trailer", send(fd, copy, sizeof(text) - 1, MSG_MORE));
	case 3:
		return told("trailer", writev(fd, &iov, 1));
	case 4:
		/* The file is still open: more of it after what stands between. */
		if (told("trailer", write(fd, copy, sizeof(text) - 1)) < 0)
			return 0;
		return (long)sizeof(text) - 1 + told("more", sendfile(fd, file, &at, 100));
	default:
		return 0;
	}
}

static void around(unsigned kind, int fd, unsigned when)
{
	switch (kind * 4 + when) {
	case 1 * 4 + 0: /* cork around all */
	case 2 * 4 + 0: /* header and file */
	case 3 * 4 + 1: /* only the file */
	case 4 * 4 + 0: /* never ends here */
		cork(fd, 1);
		break;
	case 1 * 4 + 3:
	case 2 * 4 + 2:
	case 3 * 4 + 3:
		cork(fd, 0);
		break;
	case 5 * 4 + 0:
	case 6 * 4 + 3:
		nodelay(fd, 1);
		break;
	case 5 * 4 + 3:
	case 6 * 4 + 1:
		nodelay(fd, 0);
		break;
	}
}

static long mixed(int fd, enum head by, enum body what, unsigned behind, unsigned options,
		  unsigned number)
{
	const char *name = sizes[number % (sizeof(sizes) / sizeof(sizes[0]))];
	int file = MUST(open(name, O_RDONLY));
	struct stat st;
	char text[256];
	long sum;

	note("%u: %s %d %d %u %u\n", number, name, by, what, behind, options);
	MUST(fstat(file, &st));
	snprintf(text, sizeof(text), "%u: %s has %ld bytes\n", number, name,
		 (long)st.st_size);
	around(options, fd, 0);
	sum = head_by(by, fd, text);
	around(options, fd, 1);
	sum += body_by(what, fd, file);
	/* Behind the close, or before it. */
	if (behind != 4 && number % 3)
		told("close", close(file));
	around(options, fd, 2);
	sum += trailer(behind, fd, file);
	around(options, fd, 3);
	if (behind == 4 || number % 3 == 0)
		told("close", close(file));
	return sum;
}

/* All of it on one connection, without a pause. */
static void mixes(void)
{
	unsigned number = 0;
	int fd;

	listen_on();
	fd = take();
	for (unsigned options = 0; options < AROUND; options++)
		for (enum head by = 0; by < HEADS; by++)
			for (enum body what = 0; what < BODIES; what++, number++)
				mixed(fd, by, what, number % TRAILERS, options, number);
	told("close", close(fd));
}

/* One that asks, another after that: nothing is ever left behind. */
static void asked(void)
{
	unsigned number = 0;
	char byte;
	int fd;

	listen_on();
	fd = take();
	while (read(fd, &byte, 1) == 1) {
		enum head by = dice(HEADS);
		enum body what = dice(BODIES);
		unsigned behind = dice(TRAILERS);
		long n = mixed(fd, by, what, behind, dice(AROUND), number++);

		board->flag[0] += (uint32_t)n;
		/* What stays corked would never come, or late. */
		cork(fd, 0);
		nodelay(fd, 1);
		reached(number);
	}
	note("%u answers\n", number);
}

/* ---- several at once, each a step further at a time ---- */

struct actor {
	int fd, file;
	unsigned step, turn;
	const char *name;
};

static bool act(struct actor *a, unsigned i)
{
	char text[64];
	off_t at = 0;

	note("%u.%u ", i, a->step);
	switch (a->step++) {
	case 0:
		a->name = sizes[dice(sizeof(sizes) / sizeof(sizes[0]))];
		a->file = (int)told("open", open(a->name, O_RDONLY));
		return true;
	case 1:
		if (a->turn % 3 == 1)
			cork(a->fd, 1);
		return true;
	case 2:
		snprintf(text, sizeof(text), "%u: %u of %s\n", i, a->turn, a->name);
		head_by(a->turn % HEADS, a->fd, text);
		return true;
	case 3:
		told("part", sendfile(a->fd, a->file, &at, 300));
		return true;
	case 4:
		body_by(dice(BODIES), a->fd, a->file);
		return true;
	case 5:
		told("close", close(a->file));
		return true;
	default:
		if (a->turn % 3 == 1)
			cork(a->fd, 0);
		a->step = 0;
		a->turn++;
		return a->turn < style.count;
	}
}

static void interleaved(void)
{
	struct actor actors[PEERS] = { 0 };
	unsigned n = (unsigned)style.number, alive = n;

	listen_on();
	for (unsigned i = 0; i < n; i++)
		actors[i].fd = take();
	while (alive) {
		unsigned i = dice(n);

		if (actors[i].fd < 0)
			continue;
		if (!act(&actors[i], i)) {
			told("end", close(actors[i].fd));
			actors[i].fd = -1;
			alive--;
		}
	}
}

/*
 * The first from a file that is slow to read, the second from one that is not: who has
 * something of the second has all of the first.
 */
static void cold_first(void)
{
	char name[64];
	int a, b;

	listen_on();
	a = take();
	b = take();
	for (unsigned i = 0; i < style.count; i++) {
		snprintf(name, sizeof(name), "%s/c%02u", style.with, i);
		answer(a, name);
		answer(b, "f01");
		touch();
		stop(i + 1);
	}
}

/* The same socket under two numbers, blocking, with more than the kernel takes at once. */
static void two_numbers(void)
{
	const char *name = style.rest ? "big" : "f03";
	int pair[2], fd, other;

	listen_on();
	fd = take();
	if (what_is("passed")) {
		unix_pair(pair, SOCK_STREAM);
		pass(pair[0], fd);
		other = passed(pair[1]);
	} else {
		other = what_is("fcntl") ? MUST(fcntl(fd, F_DUPFD, 60)) : MUST(dup(fd));
	}
	for (unsigned i = 0; i < style.count; i++) {
		serve(i % 2 ? fd : other, name, i % 3 ? "first\n" : NULL);
		told("other", write(i % 2 ? other : fd, "other\n", 6));
		serve(i % 2 ? other : fd, "f02", NULL);
	}
	told("close", close(fd));
	serve(other, "f04", "last\n");
	told("close", close(other));
}

/* The number is given to another socket, or another file, in the middle. */
static void renumbered(void)
{
	int a, b, file, was;

	listen_on();
	a = take();
	b = take();
	for (unsigned i = 0; i < style.count; i++) {
		char head[64];

		was = MUST(dup(a));
		file = MUST(open("f03", O_RDONLY));
		snprintf(head, sizeof(head), "round %u\n", i);
		head_by(style.head, a, head);
		told("first", sendfile(a, file, NULL, 1000));
		if (i % 2)
			told("dup2", dup2(b, a));
		else
			told("dup2", dup2(MUST(open("f04", O_RDONLY)), file));
		told("second", sendfile(a, file, NULL, 1000));
		told("third", write(a, "third\n", 6));
		told("back", dup2(was, a));
		close(was);
		close(file);
		closefrom(b + 1);
	}
}

const struct way orders[] = {
	{ "mixes", mixes },
	{ "asked", asked },
	{ "interleaved", interleaved },
	{ "cold_first", cold_first },
	{ "two_numbers", two_numbers },
	{ "renumbered", renumbered },
	{ NULL, NULL },
};
