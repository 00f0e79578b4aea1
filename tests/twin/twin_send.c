/* SPDX-License-Identifier: MIT */
/*
 * Files to sockets, pipes and other files. What arrives is logged as well.
 */
#define _GNU_SOURCE 1
#include "twin.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

struct taker {
	int fd;
	char *buf;
	size_t got;
};

static void *take(void *arg)
{
	struct taker *k = arg;
	ssize_t n;

	while (k->got < BUF_SIZE &&
	       (n = real.read(k->fd, k->buf + k->got, BUF_SIZE - k->got)) > 0)
		k->got += (size_t)n;
	return NULL;
}

static int tcp_pair(int pair[2])
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int l = socket(AF_INET, SOCK_STREAM, 0);

	pair[0] = socket(AF_INET, SOCK_STREAM, 0);
	pair[1] = -1;
	if (l < 0 || pair[0] < 0 || bind(l, (struct sockaddr *)&at, len) || listen(l, 1) ||
	    getsockname(l, (struct sockaddr *)&at, &len) ||
	    connect(pair[0], (struct sockaddr *)&at, len))
		goto fail;
	pair[1] = accept(l, NULL, NULL);
	real.close(l);
	if (pair[1] >= 0)
		return 0;
	l = -1;
fail:
	if (l >= 0)
		real.close(l);
	if (pair[0] >= 0)
		real.close(pair[0]);
	return -1;
}

static int any_pair(struct twin *t, int pair[2], const char **what)
{
	switch (below(t, 3)) {
	case 0:
		*what = "tcp";
		return tcp_pair(pair);
	case 1:
		*what = "unix";
		return socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	default:
		*what = "pipe";
		if (pipe(pair))
			return -1;
		/* As with the others, [0] is written to. */
		int r = pair[0];

		pair[0] = pair[1];
		pair[1] = r;
		return 0;
	}
}

static void send_one(struct twin *t, int to, int fd)
{
	size_t n = one_in(t, 4) ? 1 + below(t, 5000) : (size_t)BUF_SIZE / 2;
	off_t at = one_in(t, 3) ? (off_t)below(t, 100000) : 0;

	switch (below(t, 5)) {
	case 0:
		DID(t, sendfile64(to, fd, &at, n), "sendfile64 %d %zu", fd, n);
		say(t, "  offset argument %ld", (long)at);
		break;
	case 1:
		DID(t, sendfile(to, fd, &at, n), "sendfile %d %zu", fd, n);
		say(t, "  offset argument %ld", (long)at);
		break;
	default:
		DID(t, sendfile(to, fd, NULL, n), "sendfile %d %zu from here", fd, n);
	}
	say_fd(t, fd);
}

/* Blocking, all the way: somebody takes what is sent. */
void send_somewhere(struct twin *t, int fd)
{
	struct taker k = { .buf = t->buf };
	const char *what;
	int pair[2];
	pthread_t thread;

	if (any_pair(t, pair, &what)) {
		say(t, "no pair: %s", strerrorname_np(errno));
		return;
	}
	k.fd = pair[1];
	if (pthread_create(&thread, NULL, take, &k)) {
		say(t, "no thread");
	} else {
		send_one(t, pair[0], fd);
		/* How full a pipe still is depends on its reader's speed. */
		if (strcmp(what, "pipe") && one_in(t, 2))
			send_one(t, pair[0], fd);
		DID(t, close(pair[0]), "close %s %d", what, pair[0]);
		pthread_join(thread, NULL);
		say(t, "  taken %zu hash %016llx", k.got,
		    (unsigned long long)hash(t->buf, k.got));
	}
	DID(t, close(pair[1]), "close %s %d", what, pair[1]);
}

void op_sendfile(struct twin *t)
{
	int fd = any_fd(t);

	if (fd_waits(fd))
		say(t, "sendfile %d: would wait", fd);
	else
		send_somewhere(t, fd);
}

void op_copy(struct twin *t)
{
	int in = any_fd(t), out = any_fd(t);
	size_t n = 1 + below(t, 9000);
	off_t at = below(t, 5000), to = below(t, 5000);

	if (fd_waits(in) || fd_waits(out)) {
		say(t, "copy %d %d: would wait", in, out);
		return;
	}
	switch (below(t, 4)) {
	case 0:
		DID(t, copy_file_range(in, &at, out, &to, n, 0),
		    "copy_file_range %d %d %zu", in, out, n);
		say(t, "  offset arguments %ld %ld", (long)at, (long)to);
		break;
	case 1:
		DID(t, copy_file_range(in, NULL, out, NULL, n, 0),
		    "copy_file_range %d %d %zu from here", in, out, n);
		break;
	case 2:
		DID(t, splice(in, NULL, out, NULL, n, SPLICE_F_NONBLOCK),
		    "splice %d %d %zu", in, out, n);
		break;
	default:
		DID(t, sendfile(out, in, one_in(t, 2) ? &at : NULL, n),
		    "sendfile %d to %d %zu", in, out, n);
	}
	say_fd(t, in);
	say_fd(t, out);
}

/* New descriptors that are not files, in between and left open. */
void op_pair(struct twin *t)
{
	int pair[2] = { -1, -1 };

	if (one_in(t, 2))
		DID(t, pipe2(pair, O_NONBLOCK | O_CLOEXEC), "pipe2");
	else
		DID(t, socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair),
		    "socketpair");
	say(t, "  numbers %d %d", pair[0], pair[1]);
	if (one_in(t, 2)) {
		DID(t, close(pair[0]), "close %d", pair[0]);
		if (one_in(t, 2))
			DID(t, close(pair[1]), "close %d", pair[1]);
	}
}

/* What a file server does: header, file, close. */
void op_serve(struct twin *t)
{
	static const char header[] = "HTTP/1.0 200 OK\r\n\r\n";
	const char *path = good_path(t);
	int fd =
		open_somehow(t, AT_FDCWD, path, O_RDONLY | (one_in(t, 2) ? O_NONBLOCK : 0));
	struct taker k = { .buf = t->buf };
	struct stat st = { 0 };
	pthread_t thread;
	int pair[2];

	if (fd < 0)
		return;
	DID(t, fstat(fd, &st), "fstat %d", fd);
	if (tcp_pair(pair)) {
		say(t, "no pair: %s", strerrorname_np(errno));
		return;
	}
	k.fd = pair[1];
	if (!pthread_create(&thread, NULL, take, &k)) {
		DID(t, write(pair[0], header, sizeof(header) - 1), "write header");
		DID(t, sendfile(pair[0], fd, NULL, (size_t)st.st_size), "sendfile %d", fd);
		if (one_in(t, 2))
			DID(t, close(fd), "close %d", fd);
		DID(t, close(pair[0]), "close %d", pair[0]);
		pthread_join(thread, NULL);
		say(t, "  taken %zu hash %016llx", k.got,
		    (unsigned long long)hash(t->buf, k.got));
	}
	DID(t, close(pair[1]), "close %d", pair[1]);
}
