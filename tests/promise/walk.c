/* SPDX-License-Identifier: MIT
 *
 * A walk at random, the same in every run, over a few connections and files: whatever
 * may be done to either, in any order, and what each call returns.
 */
#include <sys/ioctl.h>

#include "promise.h"

#define CONNS 3
#define SLOTS 3

static int conns[CONNS], doubles[CONNS], slots[SLOTS], out[2];
static char room[4096];

static const char *any_name(void)
{
	static const char *const odd[] = { "empty", "one", "page", "big" };
	unsigned i = dice(24);

	return i < ZOO_FILES ? file_name(i) : odd[i % 4 - (i % 4 == 3 && dice(4))];
}

/* A connection, mostly by the number it came with. */
static int conn(void)
{
	unsigned i = dice(CONNS);

	return doubles[i] >= 0 && dice(4) == 0 ? doubles[i] : conns[i];
}

static void open_one(unsigned i)
{
	if (slots[i] >= 0)
		told("close", close(slots[i]));
	slots[i] =
		(int)told("open", open(any_name(), O_RDONLY | (dice(2) ? O_NONBLOCK : 0)));
}

static void close_one(unsigned i)
{
	told("close", close(slots[i]));
	slots[i] = -1;
}

static void head_one(unsigned i)
{
	char text[64];

	snprintf(text, sizeof(text), "header %u %u\n", i, dice(1000));
	head_by(dice(NO_HEAD), conn(), text);
}

static void body_one(unsigned i)
{
	static const size_t counts[] = {
		0, 1, 500, 5000, 0x7fffffff, 0x7fffffff00000000UL
	};
	off_t at = (off_t)dice(30000);
	size_t n = counts[dice(6)];
	long r;

	if (dice(2)) {
		told("body", sendfile(conn(), slots[i], NULL, n));
		return;
	}
	r = sendfile(conn(), slots[i], &at, n);
	note("%ld ", (long)at);
	told("body at", r);
}

/* What a server does most of the time. */
static void whole(unsigned i)
{
	open_one(i);
	head_one(i);
	body_one(i);
	if (dice(3))
		close_one(i);
}

static void file_op(unsigned i)
{
	struct stat st = { 0 };
	int fd = slots[i];

	switch (dice(9)) {
	case 0:
		told("seek", lseek(fd, (off_t)dice(9000), (int)dice(3)));
		break;
	case 1:
		told("tell", lseek(fd, 0, SEEK_CUR));
		break;
	case 2:
		told("read", read(fd, room, 1 + dice(4000)));
		note("%x\n", room[0]);
		break;
	case 3:
		told("pread", pread(fd, room, 1 + dice(4000), dice(9000)));
		note("%x\n", room[0]);
		break;
	case 4:
		told("fstat", fstat(fd, &st));
		note("%ld\n", (long)st.st_size);
		break;
	case 5:
		fd = (int)told("dup", dup(fd));
		told("seek", lseek(fd, 10, SEEK_CUR));
		told("close", close(fd));
		break;
	case 6:
		told("flags", fcntl(fd, F_GETFL));
		break;
	case 7:
		told("cloexec", fcntl(fd, F_SETFD, FD_CLOEXEC));
		break;
	case 8:
		told("copy", sendfile(out[1], fd, NULL, 700));
		while (read(out[0], room, sizeof(room)) > 0)
			;
		break;
	}
}

static void conn_op(unsigned i)
{
	int value = (int)dice(2), fd = conn();
	struct sockaddr_storage name;
	socklen_t n = sizeof(value);

	switch (dice(11)) {
	case 0:
	case 1:
		told("cork", setsockopt(fd, IPPROTO_TCP, TCP_CORK, &value, n));
		break;
	case 2:
		told("nodelay", setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, n));
		break;
	case 3:
		told("corked", getsockopt(fd, IPPROTO_TCP, TCP_CORK, &value, &n));
		note("%d\n", value);
		break;
	case 4:
		told("error", getsockopt(fd, SOL_SOCKET, SO_ERROR, &value, &n));
		note("%d\n", value);
		break;
	case 5:
		told("recv", recv(fd, room, 1, MSG_DONTWAIT));
		break;
	case 6:
		told("flags", fcntl(fd, F_GETFL));
		break;
	case 7:
		n = sizeof(name);
		told("peer", getpeername(fd, (struct sockaddr *)&name, &n));
		break;
	case 8:
		value = style.nonblock;
		told("block", ioctl(fd, FIONBIO, &value));
		break;
	case 9:
		if (doubles[i % CONNS] >= 0)
			told("close", close(doubles[i % CONNS]));
		doubles[i % CONNS] = (int)told("dup", dup(conns[i % CONNS]));
		break;
	case 10:
		told("oob", send(fd, "!", 1, MSG_OOB));
		break;
	}
}

static void other_op(void)
{
	struct pollfd p = { conn(), POLLIN | POLLHUP, 0 };
	int pair[2];

	switch (dice(6)) {
	case 0:
		touch();
		break;
	case 1:
		told("poll", poll(&p, 1, 0));
		note("%x\n", p.revents);
		break;
	case 2:
		told("pipe", pipe(pair));
		note("%d %d\n", pair[0], pair[1]);
		close(pair[0]);
		close(pair[1]);
		break;
	case 3:
		told("bad", sendfile(conn(), -1, NULL, 10));
		told("bad", sendfile(-1, slots[0], NULL, 10));
		break;
	case 4:
		close((int)told("null", open("/dev/null", O_RDONLY)));
		break;
	case 5:
		told("none", open("no such file", O_RDONLY));
		break;
	}
}

static void walk(void)
{
	listen_on();
	for (unsigned i = 0; i < CONNS; i++) {
		conns[i] = take();
		doubles[i] = -1;
	}
	/* Out of the way of the files' numbers. */
	MUST(pipe2(out, O_NONBLOCK));
	for (unsigned i = 0; i < SLOTS; i++)
		slots[i] = -1;
	for (unsigned i = 0; i < style.count; i++) {
		note("%u ", i);
		switch (dice(12)) {
		case 0:
			open_one(dice(SLOTS));
			break;
		case 1:
			close_one(dice(SLOTS));
			break;
		case 2:
		case 3:
			head_one(i);
			break;
		case 4:
		case 5:
			body_one(dice(SLOTS));
			break;
		case 6:
			file_op(dice(SLOTS));
			break;
		case 7:
			conn_op(i);
			break;
		case 8:
			if (dice(2))
				other_op();
			break;
		default:
			whole(dice(SLOTS));
		}
	}
	say_open("end");
	for (unsigned i = 0; i < CONNS; i++)
		shutdown(conns[i], SHUT_WR);
}

const struct way walks[] = { { "walk", walk }, { NULL, NULL } };
