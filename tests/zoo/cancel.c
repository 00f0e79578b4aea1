/* SPDX-License-Identifier: MIT
 *
 * Threads cancelled while they wait in open, read or close: clean-up handlers
 * run, and every descriptor that the thread knows of is closed exactly once.
 * Whether a cancelled open leaves a descriptor is timing; that none is left whose
 * number the thread had, and none of somebody else's is closed, is not.
 */
#include <pthread.h>

#include "zoo.h"

#define ROUNDS 24

static int known[ROUNDS], cleaned, closing;

static void clean(void *at)
{
	int *fd = at;

	cleaned++;
	if (*fd >= 0)
		close_here(*fd);
	*fd = -1;
}

static void *reads(void *at)
{
	int *fd = at;
	char buf[256];

	pthread_cleanup_push(clean, fd);
	for (;;) {
		*fd = open_here("f00", O_RDONLY);
		for (unsigned i = 0; i < 4; i++)
			pread(*fd, buf, sizeof(buf), 0);
		lseek(*fd, 0, SEEK_SET);
		read_here(*fd, buf, sizeof(buf));
		/* Cancelled in a close, nobody can know: no cancellation there. */
		int before, fd_now = *fd;

		pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
		*fd = -1;
		close_here(fd_now);
		pthread_setcancelstate(before, NULL);
	}
	pthread_cleanup_pop(0);
	return NULL;
}

static void in_open_and_read(void)
{
	unsigned extra = 0;

	warm();
	say_open("before");
	for (unsigned i = 0; i < ROUNDS; i++) {
		pthread_t t;
		void *result;
		int fd;

		known[i] = -1;
		pthread_create(&t, NULL, reads, &known[i]);
		nap(1500 + i * 333);
		pthread_cancel(t);
		pthread_join(t, &result);
		if (result != PTHREAD_CANCELED || known[i] != -1)
			say("round %u: not cancelled\n", i);
		/* A cancelled open may have left one: POSIX lets it. */
		fd = dup(0);
		extra += fd != 3;
		close(fd);
		closefrom(3);
	}
	say("cleaned %d, %s\n", cleaned, extra < ROUNDS ? "mostly tidy" : "always untidy");
	say_open("after");
}

/* In close: the number is either still open or free, never another's. */
static void *closes(void *at)
{
	int *fd = at;

	for (;;) {
		*fd = open_here("f01", O_RDONLY);
		closing = 1;
		close_here(*fd);
		closing = 0;
	}
	return NULL;
}

static void in_close(void)
{
	warm();
	for (unsigned i = 0; i < ROUNDS; i++) {
		int state, other;
		pthread_t t;
		void *result;

		pthread_create(&t, NULL, closes, &known[0]);
		nap(1000 + i * 271);
		pthread_cancel(t);
		pthread_join(t, &result);
		closefrom(3);
		/* What was closed late would now hit this one. */
		other = MUST(open("f02", O_RDONLY));
		nap(3000);
		state = fcntl(other, F_GETFD);
		if (result != PTHREAD_CANCELED || state < 0)
			say("round %u: %d\n", i, state);
		close(other);
	}
	say("done\n");
	say_open("after");
}

/* A cancellation that is pending acts at the call, before it does anything. */
static void *pending(void *at)
{
	struct stat st;
	int *fd = at, before;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
	warm();
	stat_here("f03", &st);
	nap(3000);
	pthread_cancel(pthread_self());
	pthread_setcancelstate(before, NULL);
	*fd = open_here("f03", O_RDONLY);
	say("not reached\n");
	return NULL;
}

static void *pending_close(void *at)
{
	int *fd = at, before;

	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &before);
	warm();
	*fd = open_here("f03", O_RDONLY);
	sum_of(*fd);
	pthread_cancel(pthread_self());
	pthread_setcancelstate(before, NULL);
	close_here(*fd);
	say("not reached\n");
	return NULL;
}

static void at_once(void)
{
	pthread_t t;
	int fd = -1;

	pthread_create(&t, NULL, pending, &fd);
	pthread_join(t, NULL);
	say("%d\n", fd);
	say_open("open");
	pthread_create(&t, NULL, pending_close, &fd);
	pthread_join(t, NULL);
	say("%d\n", fd);
	say_open("close");
}

int main(int argc, char **argv)
{
	static const struct way ways[] = {
		{ "open", in_open_and_read },
		{ "close", in_close },
		{ "pending", at_once },
		{ NULL, NULL },
	};

	return choose(ways, argc, argv);
}
