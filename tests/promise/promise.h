/* SPDX-License-Identifier: MIT
 *
 * Small single-threaded servers whose every call is told to the test that drives them,
 * without making a call: results go to a board, which is memory that the test has mapped
 * as well, and where the program stops it stops by looking at that memory. What has been
 * promised and not yet sent stays so for as long as the test likes.
 *
 * A program is `promise COMMAND [STYLE...]`, the current directory holds the files.
 * Standard input is a pipe from the test, standard output one to it. What stands on the
 * board must be the same with and without the library, but for lines that begin with
 * "~": those say what need not be the same.
 */
#ifndef PROMISE_H
#define PROMISE_H

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>

#include "../zoo/zoo.h"

#define BOARD_SIZE (8U << 20)
#define FDS 1024
#define PEERS 32

/* The test's side of it is in promise.py. */
struct board {
	volatile uint32_t stage; /* what the program has come to */
	volatile uint32_t go;	 /* how far it may go */
	volatile uint32_t port;
	volatile uint32_t used;
	volatile uint32_t flag[4];
	char text[BOARD_SIZE - 32];
};

extern struct board *board;
extern const char *board_path;

enum head {
	BY_WRITE,
	BY_WRITEV,
	BY_SEND,
	BY_SENDTO,
	BY_SENDMSG,
	BY_MORE,
	BY_DONTWAIT,
	BY_TWO,
	NO_HEAD,
	HEADS
};

enum body {
	AT_OFFSET,
	AT_POSITION,
	BEYOND,	    /* far more than there is, until 0 */
	IN_PARTS,   /* three ranges in order */
	BACKWARDS,  /* two, the last first */
	TWICE,	    /* the same range again */
	AFTER_SEEK, /* from the position that lseek has set */
	BY_COPY,    /* read and write */
	NOTHING,    /* a count of 0, and what lies behind the end */
	NO_BODY,
	BODIES
};

enum sigpipe { PIPE_IGNORED, PIPE_DEFAULT, PIPE_HANDLED, PIPE_BLOCKED };

/* How the program is built; from the command line. */
struct style {
	int family;
	bool nonblock, nodelay, cork, restart;
	bool rest; /* what is sent before a wait is more than the kernel takes at once */
	enum head head;
	enum body body;
	enum sigpipe sigpipe;
	unsigned seed, count;
	int sndbuf;
	int number;
	const char *what, *own, *with;
};

extern struct style style;

/* promise.c */
__attribute__((format(printf, 1, 2))) void note(const char *format, ...);
#define fact(...) note("~ " __VA_ARGS__)
long told(const char *what, long result);
void reached(uint32_t stage);
void stop(uint32_t stage);
unsigned dice(unsigned sides);
bool what_is(const char *name);
bool pick(const struct way *ways, const char *name);
void handle(int sig, void (*handler)(int), int flags);

extern volatile sig_atomic_t pipes_broken; /* SIGPIPEs that a handler has seen */

/* server.c */
int listen_on(void);
int take_any(void);
int take(void);
void cork(int fd, int on);
void nodelay(int fd, int on);
long head_by(enum head by, int fd, const char *text);
long body_by(enum body by, int fd, int file);
long answer(int fd, const char *name);
long serve(int fd, const char *name, const char *trailer);
void touch(void);
int unix_pair(int pair[2], int type);
void pass(int over, int fd);
int passed(int over);

/* waits.c */
extern const struct way wait_ways[];
int epoll_of(int fd, uint32_t events);

/* commands, by file */
extern const struct way orders[], walks[], elsewheres[], waits[], fulls[], positions[],
	numbers[], refusals[], gones[], brokens[], limits[], rests[], ends[], stdios[],
	handlers[];

#endif
