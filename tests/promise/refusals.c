/* SPDX-License-Identifier: MIT
 *
 * What nothing is promised about: outputs that are no TCP connections, inputs that are
 * no files this program has opened to read, and arguments that are wrong. Results are
 * the kernel's own.
 */
#include <limits.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "promise.h"

static const char *own(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", style.own, name);
	return path;
}

/* Header, file by position, file by offset, and what the two have moved. */
static void attempt(const char *what, int to, int from)
{
	off_t at = 5;

	note("--- %s\n", what);
	head_by(BY_WRITE, to, "a header\n");
	told("sent", sendfile(to, from, NULL, 300));
	told("sent", sendfile(to, from, &at, 300));
	note("%ld\n", (long)at);
	head_by(BY_SEND, to, "sent\n");
	head_by(BY_SENDMSG, to, "by message\n");
	head_by(BY_WRITEV, to, "in parts\n");
	at = lseek(from, 0, SEEK_CUR);
	note("position %ld\n", (long)(at < 0 ? -errno : at));
}

static int file_of(const char *name)
{
	return MUST(open(name, O_RDONLY));
}

static int refused_dial(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(1),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = MUST(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));

	told("connect", connect(fd, (struct sockaddr *)&to, sizeof(to)));
	return fd;
}

static int udp(bool connected)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(9),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = MUST(socket(AF_INET, SOCK_DGRAM, 0));

	if (connected)
		MUST(connect(fd, (struct sockaddr *)&to, sizeof(to)));
	return fd;
}

/* Everything but a connection, each with a file that would be good. */
static void outputs(void)
{
	int pair[2], p[2], listener = listen_on(), other = MUST(open("f05", O_RDONLY));
	/* Kept: a datagram that nobody wanted is told to the next call. */
	int to[] = { listener,
		     MUST(socket(AF_INET, SOCK_STREAM, 0)),
		     udp(false),
		     MUST(open(own("out"), O_RDWR | O_CREAT | O_TRUNC, 0600)),
		     MUST(open(own("app"), O_WRONLY | O_CREAT | O_APPEND, 0600)),
		     MUST(open("/dev/null", O_WRONLY)),
		     MUST(open(".", O_RDONLY)),
		     other,
		     MUST(eventfd(0, EFD_NONBLOCK)),
		     MUST(epoll_create1(0)),
		     MUST(open("f05", O_PATH)),
		     -1,
		     900 };

	for (unsigned i = 0; i < sizeof(to) / sizeof(to[0]); i++) {
		char name[32];
		int from = file_of("f03");

		snprintf(name, sizeof(name), "output %u", i);
		attempt(name, to[i], from);
		told("close", close(from));
	}
	for (int type = SOCK_STREAM; type <= SOCK_DGRAM; type++) {
		char part[8192];
		long n, all = 0;
		int from = file_of("f03");

		unix_pair(pair, type);
		attempt("unix", pair[0], from);
		told("close", close(from));
		while ((n = recv(pair[1], part, sizeof(part), MSG_DONTWAIT)) > 0)
			all += n;
		note("%ld bytes\n", all);
		close(pair[0]);
		close(pair[1]);
	}
	MUST(pipe(p));
	attempt("pipe", p[1], other);
	attempt("pipe's other end", p[0], other);
	close(p[0]);
	attempt("pipe without reader", p[1], other);
	attempt("refused", refused_dial(), other);
}

static int fifo(void)
{
	MUST(mkfifo(own("fifo"), 0600));
	return MUST(open(own("fifo"), O_RDONLY | O_NONBLOCK));
}

static int memfd(void)
{
	int fd = MUST(memfd_create("m", 0));

	MUST(write(fd, "what is in memory", 17));
	MUST(lseek(fd, 3, SEEK_SET));
	return fd;
}

static int temporary(void)
{
	int fd = MUST(open(style.own, O_RDWR | O_TMPFILE, 0600));

	MUST(write(fd, "temporary", 9));
	MUST(lseek(fd, 0, SEEK_SET));
	return fd;
}

static int piped(void)
{
	int p[2];

	MUST(pipe(p));
	MUST(write(p[1], "out of a pipe", 13));
	close(p[1]);
	return p[0];
}

/* Files and what is none, to a good connection. */
static void inputs(void)
{
	int pair[2], fd;
	FILE *f;

	listen_on();
	fd = take();
	unix_pair(pair, SOCK_STREAM);
	pass(pair[0], MUST(open("f04", O_RDONLY)));
	f = fopen("f03", "r");
	const struct {
		const char *name;
		int from;
	} all[] = {
		{ "for both", MUST(open(own("rw"), O_RDWR | O_CREAT, 0600)) },
		{ "to write", MUST(open(own("w"), O_WRONLY | O_CREAT, 0600)) },
		{ "path", MUST(open("f03", O_PATH)) },
		{ "directory", MUST(open(".", O_RDONLY)) },
		{ "fifo", fifo() },
		{ "zero", MUST(open("/dev/zero", O_RDONLY)) },
		{ "null", MUST(open("/dev/null", O_RDONLY)) },
		{ "version", MUST(open("/proc/version", O_RDONLY)) },
		{ "sysfs", MUST(open("/sys/kernel/notes", O_RDONLY)) },
		{ "memfd", memfd() },
		{ "temporary", temporary() },
		{ "pipe", piped() },
		{ "socket", pair[1] },
		{ "event", MUST(eventfd(0, EFD_NONBLOCK)) },
		{ "received", passed(pair[1]) },
		{ "by stdio", fileno(f) },
		{ "raw", (int)MUST(syscall(SYS_openat, AT_FDCWD, "f03", O_RDONLY)) },
		{ "inherited", style.number },
		{ "none", -1 },
		{ "closed", 900 },
	};

	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		/* A file of its own that would do, beside it. */
		int good = file_of("f02");

		attempt(all[i].name, fd, all[i].from);
		told("good", sendfile(fd, good, NULL, 50));
		told("close", close(good));
		if (all[i].from >= 0)
			told("close", close(all[i].from));
	}
	told("close", close(fd));
}

/* A file that has less than its size says. */
static void attribute(void)
{
	int fd, from;

	listen_on();
	fd = take();
	for (unsigned i = 0; i < 2; i++) {
		from = file_of("/sys/devices/system/cpu/possible");
		attempt("attribute", fd, from);
		told("close", close(from));
		answer(fd, "f02");
	}
	told("close", close(fd));
}

/* The last byte before memory that may not be read or written. */
static char *edge(int protection)
{
	char *p = MUST(mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0));

	memset(p, 'e', 8192);
	MUST(mprotect(p + 4096, 4096, protection));
	return p + 4096;
}

static void bad_heads(int fd)
{
	char *volatile nowhere = (char *)8, *volatile null = NULL, *end = edge(PROT_NONE);
	struct iovec iov[3] = { { "ab", 2 }, { nowhere, 2 }, { "cd", 2 } };
	struct iovec *volatile no_iov = (struct iovec *)8;
	struct iovec huge[2] = { { end - 10, SSIZE_MAX }, { end - 10, SSIZE_MAX } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 3 };
	struct msghdr *volatile no_message = (struct msghdr *)8;
	struct sockaddr_in to = { .sin_family = AF_INET };
	volatile int below = -1, many = 1025;
	volatile size_t most = SIZE_MAX;

	told("write", write(fd, nowhere, 5));
	told("write", write(fd, null, 5));
	told("write", write(fd, nowhere, 0));
	told("write", write(fd, end - 10, 20));
	told("write", write(fd, end, 20));
	told("write", write(fd, end - 10, most));
	told("send", send(fd, nowhere, 5, 0));
	told("send", send(fd, end - 10, 20, 0));
	told("send", send(fd, "abc", 3, MSG_OOB));
	told("send", send(fd, "abc", 3, 0x7000000));
	told("send", send(fd, "abc", 0, 0));
	told("sendto", sendto(fd, "abc", 3, 0, (struct sockaddr *)&to, sizeof(to)));
	told("sendto", sendto(fd, "abc", 3, 0, (struct sockaddr *)nowhere, sizeof(to)));
	told("writev", writev(fd, iov, 3));
	told("writev", writev(fd, iov, 1));
	told("writev", writev(fd, iov, 0));
	told("writev", writev(fd, no_iov, 1));
	told("writev", writev(fd, iov, below));
	told("writev", writev(fd, iov, many));
	told("writev", writev(fd, huge, 2));
	told("sendmsg", sendmsg(fd, &m, 0));
	told("sendmsg", sendmsg(fd, no_message, 0));
	m.msg_iovlen = 1;
	m.msg_name = &to;
	m.msg_namelen = sizeof(to);
	told("sendmsg", sendmsg(fd, &m, 0));
	m.msg_name = NULL;
	m.msg_control = nowhere;
	m.msg_controllen = 64;
	told("sendmsg", sendmsg(fd, &m, 0));
	m.msg_control = NULL;
	m.msg_controllen = 0;
	m.msg_iov = no_iov;
	told("sendmsg", sendmsg(fd, &m, 0));
	m.msg_iovlen = most;
	told("sendmsg", sendmsg(fd, &m, 0));
}

static void bad_offsets(int fd, int file)
{
	off_t *volatile nowhere = (off_t *)8;
	off_t *constant = (off_t *)edge(PROT_READ), *none = (off_t *)edge(PROT_NONE);
	off_t *across = (off_t *)(edge(PROT_NONE) - 4);
	off_t below = -1, last = INT64_MAX;

	told("nowhere", sendfile(fd, file, nowhere, 10));
	told("none", sendfile(fd, file, none, 10));
	told("across", sendfile(fd, file, across, 10));
	told("below", sendfile(fd, file, &below, 10));
	told("last", sendfile(fd, file, &last, 10));
	/* The bytes are sent, and then the offset cannot be told. */
	MUST(mprotect(constant, 4096, PROT_READ | PROT_WRITE));
	*constant = 10;
	MUST(mprotect(constant, 4096, PROT_READ));
	told("constant", sendfile(fd, file, constant, 10));
	told("nothing", sendfile(fd, file, constant, 0));
}

/* Wrong arguments between right ones: before anything was promised, and after. */
static void arguments(void)
{
	int fd, file, value = 1;
	volatile int level = 99;

	listen_on();
	fd = take();
	for (unsigned i = 0; i < 2; i++) {
		file = file_of("f03");
		if (i) {
			head_by(BY_WRITE, fd, "a good header\n");
			told("good", sendfile(fd, file, NULL, 100));
		}
		bad_heads(fd);
		bad_offsets(fd, file);
		told("option", setsockopt(fd, IPPROTO_TCP, TCP_CORK, (int *)8, 4));
		told("option", setsockopt(fd, IPPROTO_TCP, TCP_CORK, &value, 1));
		told("option", setsockopt(fd, IPPROTO_TCP, level, &value, 4));
		told("option", setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, 3));
		told("option", setsockopt(fd, level, TCP_CORK, &value, 4));
		told("close", close(file));
		answer(fd, "f02");
	}
	told("close", close(fd));
}

/* A connection whose sending end the program has closed itself. */
static void shut(void)
{
	static const int hows[] = { SHUT_RD, SHUT_WR, SHUT_RDWR };

	listen_on();
	for (unsigned i = 0; i < 3; i++) {
		int fd = take(), file = file_of("f03");

		note("--- %u\n", i);
		head_by(BY_WRITE, fd, "a header\n");
		told("sent", sendfile(fd, file, NULL, 100));
		told("shutdown", shutdown(fd, hows[i]));
		head_by(BY_WRITE, fd, "too late\n");
		note("%d signals\n", pipes_broken);
		told("sent", sendfile(fd, file, NULL, 100));
		note("%d signals\n", pipes_broken);
		told("position", lseek(file, 0, SEEK_CUR));
		head_by(BY_SENDTO, fd, "quietly\n");
		note("%d signals\n", pipes_broken);
		told("close", close(file));
		told("close", close(fd));
	}
}

const struct way refusals[] = {
	{ "outputs", outputs },	    { "inputs", inputs }, { "arguments", arguments },
	{ "attribute", attribute }, { "shut", shut },	  { NULL, NULL },
};
