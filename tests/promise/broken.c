/* SPDX-License-Identifier: MIT
 *
 * Files that are not any more what they were when their bytes were promised: the
 * connection is reset, never ended or continued with a hole in it. The test truncates
 * while the program stops, which it does without a call.
 */
#include <sys/mman.h>

#include "promise.h"

static char path[128];

static const char *own(const char *name)
{
	snprintf(path, sizeof(path), "%s/%s", style.own, name);
	return path;
}

/* What the next calls on a connection say; whether it counts as gone. */
static void aftermath(int fd)
{
	struct pollfd p = { fd, POLLIN | POLLOUT, 0 };
	char byte;
	int gone = 0;
	socklen_t n = sizeof(gone);

	if (what_is("recv"))
		gone += recv(fd, &byte, 1, MSG_DONTWAIT) >= 0 || errno != EAGAIN;
	else if (what_is("poll"))
		gone += poll(&p, 1, 0) == 1 && p.revents & (POLLERR | POLLHUP);
	else if (what_is("option"))
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &gone, &n);
	for (unsigned i = 0; i < 3; i++) {
		ssize_t r = write(fd, "more\n", 5);

		fact("write: %zd %s\n", r, error_name((int)r));
		gone += r < 0;
	}
	fact("gone: %d\n", gone);
}

/*
 * A header and a file that is cut short before anything has gone; the closes that were
 * promised with it are done all the same.
 */
static void truncated(void)
{
	int fd, other, file;
	off_t at = 0;

	listen_on();
	fd = take();
	other = take();
	answer(fd, "f01");
	file = MUST(open(own("file"), O_RDONLY));
	head_by(style.head, fd, "a header\n");
	if (style.body == AT_POSITION)
		told("sent", sendfile(fd, file, NULL, 1 << 20));
	else
		told("sent", sendfile(fd, file, &at, 1 << 20));
	if (style.count != 2)
		told("close", close(file));
	stop(1);
	touch();
	reached(2);
	aftermath(fd);
	if (style.count == 2) {
		told("position", lseek(file, 0, SEEK_CUR));
		told("close", close(file));
	}
	/* Nobody else is touched, and the numbers are as they were. */
	answer(other, "f02");
	told("next", dup(0));
	told("close", close(fd));
	fd = take();
	note("number %d\n", fd);
	answer(fd, "f03");
	answer(other, "f04");
	stop(3);
	told("close", close(fd));
	told("close", close(other));
}

/* Of several files one is cut short: those before it may arrive, nothing behind it. */
static void one_of(void)
{
	int fd, first, file, last;

	listen_on();
	fd = take();
	first = MUST(open("f02", O_RDONLY));
	file = MUST(open(own("file"), O_RDONLY));
	last = MUST(open("f03", O_RDONLY));
	head_by(style.head, fd, "a header\n");
	told("first", sendfile(fd, first, NULL, 100000));
	told("sent", sendfile(fd, file, NULL, 1 << 20));
	told("last", sendfile(fd, last, NULL, 100000));
	stop(1);
	touch();
	told("close", close(first));
	told("close", close(file));
	told("close", close(last));
	told("close", close(fd));
}

/* Whatever ends the program comes after the reset. */
static void ends_after(void)
{
	int fd, file;

	listen_on();
	fd = take();
	file = MUST(open(own("file"), O_RDONLY));
	head_by(style.head, fd, "a header\n");
	told("sent", sendfile(fd, file, NULL, 1 << 20));
	stop(1);
	if (what_is("close"))
		close(fd);
	else if (what_is("shutdown"))
		shutdown(fd, SHUT_WR);
	else if (what_is("_exit"))
		_exit(0);
	else if (what_is("exec"))
		execl("/bin/true", "true", (char *)NULL);
}

/*
 * A file system that gives an error: what was acknowledged is less than the peer has
 * got, or it is told by a reset. The test compares the sums.
 */
static void failing(void)
{
	char name[96];
	int fd, file;
	long n, sum = 0;
	off_t at = 0;

	listen_on();
	fd = take();
	for (unsigned i = 0; i < style.count; i++) {
		snprintf(name, sizeof(name), "%s/e%u", style.with, i);
		file = (int)open(name, O_RDONLY);
		if (file < 0) {
			fact("%s\n", error_name(-1));
			continue;
		}
		n = write(fd, "a header\n", 9);
		sum += n > 0 ? n : 0;
		while ((n = sendfile(fd, file, &at, 1 << 20)) > 0)
			sum += n;
		if (n < 0)
			fact("sendfile: %s\n", error_name(-1));
		at = 0;
		close(file);
	}
	board->flag[0] = (uint32_t)sum;
	touch();
	stop(1);
	told("close", close(fd));
}

/* Slow, but whole. */
static void slow(void)
{
	char name[96];
	int fd;

	listen_on();
	fd = take();
	for (unsigned i = 0; i < style.count; i++) {
		snprintf(name, sizeof(name), "%s/e%u", style.with, i);
		answer(fd, i % 2 ? "f02" : name);
	}
	told("close", close(fd));
}

const struct way brokens[] = {
	{ "truncated", truncated }, { "one_of", one_of }, { "ends_after", ends_after },
	{ "failing", failing },	    { "slow", slow },	  { NULL, NULL },
};
