/* SPDX-License-Identifier: MIT
 *
 * Sockets that do not block, and peers that do not read: the kernel takes what it has
 * room for and no more, and nobody is told otherwise. How much that is differs from run
 * to run; that every byte that was acknowledged arrives, and none beside, does not.
 */
#include <sys/ioctl.h>

#include "promise.h"

#define ROUNDS 4
#define NEVER 2000 /* milliseconds after which something has not come */

static int fd, set = -1;
static long sum; /* bytes that the kernel has said it took, in this round */
static bool again;

static long count(long r, long most)
{
	if (r > 0)
		sum += r;
	if (r > most)
		note("%ld of %ld\n", r, most);
	if (r < 0 && errno == EAGAIN)
		again = true;
	else if (r < 0)
		told("failed", r);
	return r;
}

/* A header and as much of a file as goes. False: the socket is full. */
static bool fill_up(const char *name)
{
	static char text[200];
	int file = MUST(open(name, O_RDONLY));
	struct stat st;
	off_t at = 0;
	long r = 1;

	memset(text, 'h', sizeof(text));
	MUST(fstat(file, &st));
	again = false;
	if (style.head != NO_HEAD) {
		r = count(style.head == BY_MORE ? send(fd, text, sizeof(text), MSG_MORE)
						: write(fd, text, sizeof(text)),
			  sizeof(text));
		again = again || r < (long)sizeof(text);
	}
	while (r > 0 && !again && at < st.st_size) {
		off_t before = at;

		if (style.body == AT_POSITION) {
			r = count(sendfile(fd, file, NULL, (size_t)st.st_size), st.st_size);
			at = lseek(file, 0, SEEK_CUR);
		} else {
			r = count(sendfile(fd, file, &at, (size_t)(st.st_size - at)),
				  st.st_size - at);
		}
		if (at != before + (r > 0 ? r : 0))
			note("%ld bytes from %ld to %ld\n", r, (long)before, (long)at);
	}
	close(file);
	return !again;
}

static bool writable(int ms)
{
	struct pollfd p = { fd, POLLOUT, 0 };
	struct timeval tv = { ms / 1000, ms % 1000 * 1000 };
	struct epoll_event ev;
	fd_set out;

	if (what_is("select")) {
		FD_ZERO(&out);
		FD_SET(fd, &out);
		return select(fd + 1, NULL, &out, NULL, &tv) == 1;
	}
	if (set >= 0)
		return epoll_wait(set, &ev, 1, ms) == 1 && ev.events & EPOLLOUT;
	return poll(&p, 1, ms) == 1 && p.revents & POLLOUT;
}

/* Everything that was acknowledged has gone when it stops; at the latest, when it has
 * slept. */
static void tell_test(unsigned round)
{
	fact("%ld bytes\n", sum);
	board->flag[0] = (uint32_t)sum;
	sum = 0;
	stop(2 * round - 1);
	nap(1);
	stop(2 * round);
}

static void stuff(void)
{
	listen_on();
	fd = take();
	if (what_is("epoll"))
		set = epoll_of(fd, EPOLLOUT);
	else if (what_is("edge"))
		set = epoll_of(fd, EPOLLOUT | EPOLLET);
	for (unsigned i = 0; i < ROUNDS; i++) {
		const char *name = i % 2 ? "f07" : "big";

		note("writable before: %d\n", writable(NEVER));
		while (fill_up(name))
			;
		note("again: %d, writable: %d\n", again, writable(0));
		tell_test(i + 1);
	}
	/* What is small is taken whole. */
	note("writable at the end: %d\n", writable(NEVER));
	answer(fd, "f02");
	told("close", close(fd));
}

/*
 * An answer at a time, each as much as it goes, until all is out: what every event loop
 * does. The sum of a file is its size, the peer's bytes are the file's.
 */
static void loops(void)
{
	static const char *const names[] = { "big", "f15", "huge", "one", "empty" };

	listen_on();
	fd = take();
	set = epoll_of(fd, EPOLLOUT | EPOLLET);
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		int file = MUST(open(names[i], O_RDONLY));
		struct stat st;
		off_t at = 0;
		unsigned waited = 0;

		MUST(fstat(file, &st));
		while (write(fd, "header\n", 7) < 0 && errno == EAGAIN)
			writable(NEVER);
		while (at < st.st_size && waited < 10000) {
			ssize_t n = sendfile(fd, file, &at, 400000);

			if (n < 0 && errno == EAGAIN) {
				if (!writable(NEVER))
					note("never writable\n");
				waited++;
			} else if (n <= 0) {
				told("failed", n);
				break;
			}
		}
		fact("%u waits\n", waited);
		note("%s: %ld\n", names[i], (long)at);
		close(file);
	}
	told("close", close(fd));
}

static void set_blocking(bool on)
{
	int value = !on, flags = fcntl(fd, F_GETFL);
	int other;

	flags = on ? flags & ~O_NONBLOCK : flags | O_NONBLOCK;
	if (what_is("ioctl")) {
		MUST(ioctl(fd, FIONBIO, &value));
	} else if (what_is("dup")) {
		other = dup(fd);
		MUST(fcntl(other, F_SETFL, flags));
		close(other);
	} else if (what_is("child")) {
		/* The flag belongs to the socket, not to the number. */
		pid_t pid = MUST(fork());

		if (!pid)
			_exit(fcntl(fd, F_SETFL, flags) ? 1 : 0);
		MUST(waitpid(pid, NULL, 0));
	} else {
		MUST(fcntl(fd, F_SETFL, flags));
	}
}

/* Blocking and not, in turns. */
static void turns(void)
{
	char byte;

	listen_on();
	fd = take();
	for (unsigned i = 0; i < 3; i++) {
		set_blocking(true);
		sum += answer(fd, "f05");
		set_blocking(false);
		told("recv", recv(fd, &byte, 1, 0));
		while (fill_up("big"))
			;
		note("again: %d\n", again);
		tell_test(i + 1);
	}
	set_blocking(true);
	answer(fd, "f06");
	told("close", close(fd));
}

/* MSG_DONTWAIT on a socket that blocks, as much as goes. */
static void dontwait(void)
{
	char much[30000];
	long n;
	int file;

	listen_on();
	fd = take();
	memset(much, 'm', sizeof(much));
	file = MUST(open("f05", O_RDONLY));
	while ((n = count(send(fd, much, sizeof(much), MSG_DONTWAIT), sizeof(much))) > 0) {
		off_t at = 0;

		if (n == sizeof(much) && sum < 100000)
			count(sendfile(fd, file, &at, 100), 100);
	}
	note("again: %d\n", again);
	tell_test(1);
	answer(fd, "f06");
	told("close", close(fd));
}

/* A limit for the time that a send may wait. */
static void limit(void)
{
	struct timeval tv = { 0, 50000 };

	listen_on();
	fd = take();
	MUST(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)));
	while (fill_up("big"))
		;
	note("too late: %d\n", again);
	tell_test(1);
	answer(fd, "f06");
	told("close", close(fd));
}

const struct way fulls[] = {
	{ "stuff", stuff },	  { "loops", loops }, { "turns", turns },
	{ "dontwait", dontwait }, { "limit", limit }, { NULL, NULL },
};
