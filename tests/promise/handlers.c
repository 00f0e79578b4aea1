/* SPDX-License-Identifier: MIT
 *
 * Signal handlers that send: between two calls, in a wait, out of the program's
 * computing, and in the middle of whatever the library does. What they send comes after
 * what was sent before, and before what is sent after.
 */
#include <setjmp.h>
#include <sys/time.h>

#include "promise.h"

static int fd, other;
static volatile sig_atomic_t came;
static volatile int to = -1;
static sigjmp_buf back;

static void writes(int sig)
{
	int error = errno;

	(void)sig;
	came++;
	if (write(to, "[handler]\n", 10) != 10)
		_exit(95);
	board->flag[0]++;
	errno = error;
}

static void sends_file(int sig)
{
	int error = errno;

	(void)sig;
	came++;
	answer(to, "f01");
	board->flag[0]++;
	errno = error;
}

static void opens(int sig)
{
	int n = open("f00", O_RDONLY), error = errno;

	(void)sig;
	came++;
	note("opened %d\n", n);
	close(n);
	board->flag[0]++;
	errno = error;
}

static void jumps(int sig)
{
	came++;
	siglongjmp(back, sig);
}

static void set_handler(int flags)
{
	void (*handler)(int) = writes;

	if (what_is("file"))
		handler = sends_file;
	else if (what_is("open"))
		handler = opens;
	handle(SIGUSR1, handler, flags);
	to = style.number ? other : fd;
}

static void begin(int flags)
{
	listen_on();
	fd = take();
	other = take();
	set_handler(flags);
}

static void finish(void)
{
	note("%d signals\n", (int)came);
	told("close", close(fd));
	told("close", close(other));
}

static void point(unsigned here, unsigned at)
{
	if (here == at)
		raise(SIGUSR1);
}

/* At every point of a sequence in turn. */
static void between(void)
{
	begin(SA_RESTART);
	for (unsigned at = 0; at < 8; at++) {
		int file, n = 0;

		point(0, at);
		file = MUST(open("f03", O_RDONLY));
		point(1, at);
		cork(fd, 1);
		point(2, at);
		head_by(style.head, fd, "a header\n");
		point(3, at);
		n += (int)body_by(style.body, fd, file);
		point(4, at);
		told("close", close(file));
		point(5, at);
		cork(fd, 0);
		point(6, at);
		told("number", dup(0));
		closefrom(file);
		note("%d\n", n);
	}
	finish();
}

/* While it makes no call, with promises open: sent by the test. */
static void computing(void)
{
	begin(SA_RESTART);
	for (unsigned i = 0; i < 4; i++) {
		int file = MUST(open("f03", O_RDONLY));

		head_by(style.head, fd, "a header\n");
		if (i == 0)
			stop(1);
		body_by(style.body, fd, file);
		if (i == 1)
			stop(2);
		told("close", close(file));
		if (i == 2)
			stop(3);
		answer(other, "f02");
	}
	stop(4);
	finish();
}

/* In a wait; the rest of a large answer may be on its way. */
static void waiting(void)
{
	char byte;

	begin(style.restart ? SA_RESTART : 0);
	answer(fd, style.rest ? "big" : "f03");
	reached(1);
	told("read", read(STDIN_FILENO, &byte, 1));
	if (!style.restart)
		told("read", read(STDIN_FILENO, &byte, 1));
	answer(fd, "f02");
	finish();
}

/* Leaves the wait by a jump. */
static void jumping(void)
{
	static volatile unsigned i;
	struct pollfd p = { STDIN_FILENO, POLLIN, 0 };
	char byte;

	listen_on();
	fd = take();
	handle(SIGUSR1, jumps, 0);
	for (i = 0; i < 4; i++) {
		answer(fd, style.rest && i % 2 ? "big" : "f03");
		reached(i + 1);
		if (sigsetjmp(back, 1)) {
			note("back\n");
			continue;
		}
		if (i % 2)
			told("poll", poll(&p, 1, -1));
		else
			told("read", read(STDIN_FILENO, &byte, 1));
	}
	answer(fd, "f02");
	note("%d signals\n", (int)came);
	told("close", close(fd));
}

/* Many a second, of which each sends a byte to the other connection. */
static void byte(int sig)
{
	int error = errno;

	(void)sig;
	came++;
	if (write(other, "h", 1) != 1)
		_exit(95);
	errno = error;
}

static void storm(void)
{
	struct itimerval often = { { 0, 300 }, { 0, 300 } }, never = { { 0, 0 }, { 0, 0 } };

	listen_on();
	fd = take();
	other = take();
	handle(SIGALRM, byte, SA_RESTART);
	MUST(setitimer(ITIMER_REAL, &often, NULL));
	for (unsigned i = 0; i < style.count; i++)
		answer(fd, i % 16 ? file_name(dice(4)) : "f15");
	MUST(setitimer(ITIMER_REAL, &never, NULL));
	board->flag[0] = (uint32_t)came;
	told("close", close(fd));
	told("close", close(other));
}

const struct way handlers[] = {
	{ "between", between }, { "computing", computing }, { "waiting", waiting },
	{ "jumping", jumping }, { "storm", storm },	    { NULL, NULL },
};
