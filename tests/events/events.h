/* SPDX-License-Identifier: MIT
 *
 * The parts that the event-loop programs are made of: a loop over any of the calls
 * that wait (loop.c), a small file server on it (serve.c), and the client that lives
 * in the same thread, so that it is known at every moment what the server could have
 * been told (client.c). A program is `events COMMAND [STYLE...]`, the current
 * directory is the document root. What it prints must be the same with and without
 * the library, but for lines that begin with "~": those say what really happened.
 */
#ifndef EVENTS_H
#define EVENTS_H

#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>

#include "../zoo/zoo.h"

#define FDS 1024
#define BATCH 64
#define REQUEST 8192

/* Milliseconds. The library may keep an event for 100; the rest is for the machine. */
#define IN_TIME 250
#define SETTLED 200 /* what has not come by then does not come */
#define GLANCE 20   /* what was there is reported within */

#define READABLE (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)

#define fact(...) say("~ " __VA_ARGS__)

enum call {
	BY_EPOLL_WAIT,
	BY_EPOLL_PWAIT,
	BY_EPOLL_PWAIT2,
	BY_POLL,
	BY_PPOLL,
	BY_SELECT,
	BY_PSELECT
};

enum form { AS_U64, AS_FD, AS_PTR };

enum reader { BY_RECV, BY_READ, BY_RECVFROM, BY_RECVMSG, BY_READV };

/* How the server is built; from the command line. */
struct style {
	enum call call;
	enum form form;
	enum reader reader;
	uint32_t flags;	     /* of every registration: EPOLLET and so on */
	bool both;	     /* EPOLLIN | EPOLLOUT, registered once */
	bool replaces;	     /* changes by DEL and ADD */
	bool blocking;	     /* connections block */
	bool position;	     /* sendfile without an offset */
	bool slowly;	     /* the client takes its time */
	int most;	     /* events a wait, at most */
	size_t chunk;	     /* bytes a sendfile, at most */
	const char *late;    /* where files are that are slow to open */
	char own[32];	     /* a directory for this run only */
	int number, number2; /* of what an exec inherits */
};

extern struct style style;

struct conn {
	int fd;
	uint64_t tag; /* differs for every user of a number */
	bool live, listening, keep, closing, eof;
	bool parked;   /* told of events only: a test takes care of it */
	uint32_t seen; /* meanwhile */
	size_t have;
	char in[REQUEST];
	int file; /* being sent, or -1 */
	off_t at, size;
};

extern struct conn conns[FDS];

struct loop {
	int set; /* -1: poll and select */
	int listener;
	const sigset_t *mask;
	const struct timespec *limit; /* instead of the milliseconds, where there is one */
	uint32_t want[FDS];	      /* what is registered */
	bool has[FDS];
	bool crowded; /* by threads: what is registered is not known for sure */
	/* what has happened */
	unsigned waits, answers, sends, again;
};

struct ready {
	struct conn *c;
	uint64_t tag;
	uint32_t events;
};

/* loop.c */
int64_t now_ms(void);
bool by_set(void);
int socket_tcp(void);
void loop_init(struct loop *l);
struct conn *conn_new(int fd);
int loop_ctl(struct loop *l, int op, struct conn *c, uint32_t events);
int loop_wait(struct loop *l, struct ready *r, int ms);

/* serve.c */
int listen_on(void);
void server_init(struct loop *l);
struct conn *join(struct loop *l, int fd);
struct conn *take(struct loop *l);
void drop(struct loop *l, struct conn *c);
void on_event(struct loop *l, const struct ready *r);
int step(struct loop *l, int ms);
bool serve(struct loop *l, unsigned answers, int ms);

/* client.c */
struct held {
	struct conn *c;
	int client;
	const char *name;
};

int dial(int listener);
void put(int fd, const char *text);
void ask(int fd, const char *name);
bool answer(struct loop *l, int fd, const char *label);
void visit_server(struct loop *l, const char *name);
void warm_server(struct loop *l);
uint32_t await(struct loop *l, struct conn *c, uint32_t bits, int ms);
void silence(struct loop *l, struct conn *c, int ms);
const char *late_name(unsigned i);
void measured(struct loop *l);
struct held connected(struct loop *l, const char *name);
void hold_on(struct loop *l, struct held *h);
struct held hold(struct loop *l);
void deliver(struct loop *l, struct conn *c);
void finish(struct loop *l, struct held *h);
void start(struct loop *l);

/* commands, by file */
extern const struct way kinds[], sets[], forks[], changes[], times[], numbers[], sends[],
	requests[];

#endif
