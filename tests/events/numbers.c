/* SPDX-License-Identifier: MIT
 *
 * Descriptor numbers: what the program sees of its own, what it closes or puts over
 * them without having opened them, and waiting afterwards and meanwhile.
 */
#include <dirent.h>
#include <linux/close_range.h>

#include "events.h"

/* Numbers that the statistics file and the library may have are at the top. */
#define OURS (FDS - 32)

static void say_numbers(const char *when)
{
	bool there[FDS] = { false };
	char text[2048];
	int n = 0, above = 0;
	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;

	while (d && (e = readdir(d))) {
		int fd = atoi(e->d_name);

		if (e->d_name[0] != '.' && fd != dirfd(d) && fd < FDS)
			there[fd] = true;
	}
	if (d)
		closedir(d);
	for (int fd = 0; fd < FDS; fd++) {
		if (there[fd] && fd < OURS)
			n += snprintf(text + n, sizeof(text) - (size_t)n, " %d", fd);
		above += there[fd] && fd >= OURS;
	}
	say("%s:%.*s\n", when, n, text);
	fact("above: %d\n", above);
}

static void listed(void)
{
	struct held h;
	struct loop l;
	int fd;

	server_init(&l);
	say_numbers("before");
	warm_server(&l);
	say_numbers("warm");
	h = hold(&l);
	say_numbers("held");
	fd = MUST(open("/dev/null", O_RDONLY));
	say("next: %d\n", fd);
	say("after: %d\n", MUST(dup(fd)));
	close(fd);
	fd = dial(l.listener);
	say("client: %d, accepted: %d\n", fd, take(&l)->fd);
	finish(&l, &h);
	say_numbers("end");
}

static void begin_again(struct loop *l)
{
	struct held h;

	say_numbers("closed");
	memset(conns, 0, sizeof(conns));
	start(l);
	h = hold(l);
	finish(l, &h);
	say_numbers("end");
}

static void by_loop(void)
{
	for (int fd = 3; fd < FDS; fd++)
		close(fd);
}

static void by_closefrom(void)
{
	closefrom(3);
}

static void by_range(void)
{
	MUST(close_range(3, ~0U, 0));
}

static void by_unsharing(void)
{
	MUST(close_range(3, ~0U, (int)CLOSE_RANGE_UNSHARE));
}

static void by_listing(void)
{
	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;

	while (d && (e = readdir(d))) {
		int fd = atoi(e->d_name);

		if (fd > 2 && fd != dirfd(d))
			close(fd);
	}
	if (d)
		closedir(d);
}

/* Everything goes while something is held, the set too; a new server does the same. */
static void all_go(void (*close_all)(void))
{
	struct loop l;

	start(&l);
	hold(&l);
	close_all();
	begin_again(&l);
	close_all();
	begin_again(&l);
}

static void close_loop(void)
{
	all_go(by_loop);
}

static void close_from(void)
{
	all_go(by_closefrom);
}

static void close_by_range(void)
{
	all_go(by_range);
}

static void close_unsharing(void)
{
	all_go(by_unsharing);
}

static void close_listed(void)
{
	all_go(by_listing);
}

/* Only the connection goes, in the same ways. */
static void close_one(void)
{
	struct loop l;

	start(&l);
	for (unsigned i = 0; i < 2; i++) {
		struct held h = hold(&l);
		unsigned fd = (unsigned)h.c->fd;

		l.has[fd] = false;
		if (i)
			MUST(close_range(fd, fd, 0));
		else
			syscall(SYS_close, fd);
		silence(&l, h.c, SETTLED);
		close(h.client);
	}
	visit_server(&l, "f02");
	say("answers %u\n", l.answers);
}

static void over_all(const bool *keep)
{
	int bad = 0;

	for (int fd = 3; fd < FDS; fd++) {
		if (keep[fd])
			continue;
		bad += dup2(1, fd) != fd || fcntl(fd, F_GETFD) < 0;
		bad += close(fd) != 0;
	}
	for (int fd = FDS - 1; fd > 2; fd--) {
		if (keep[fd])
			continue;
		bad += dup3(2, fd, O_CLOEXEC) != fd;
		bad += close(fd) != 0;
	}
	say("bad: %d\n", bad);
}

/* Every number is somebody else's for a moment, while something is held and later. */
static void over(void)
{
	bool keep[FDS] = { false };
	struct held h;
	struct loop l;

	start(&l);
	for (unsigned i = 0; i < 3; i++) {
		h = hold(&l);
		memset(keep, 0, sizeof(keep));
		keep[l.set < 0 ? 0 : l.set] = keep[l.listener] = true;
		keep[h.c->fd] = keep[h.client] = true;
		over_all(keep);
		finish(&l, &h);
	}
	visit_server(&l, "f04");
	say_numbers("end");
}

/* Numbers stay taken: from the top of the table down, then all of them. */
static void full(void)
{
	struct held h;
	struct loop l;
	int spare[12];

	start(&l);
	h = hold(&l);
	for (int fd = FDS - 1; fd >= OURS; fd--)
		if (dup2(1, fd) != fd)
			say("%d: %s\n", fd, error_name(-1));
	finish(&l, &h);
	h = hold(&l);
	finish(&l, &h);
	for (unsigned i = 0; i < 12; i++)
		spare[i] = MUST(dup(1));
	while (dup(1) >= 0)
		;
	say("full: %s\n", error_name(-1));
	say("no more: %s\n", error_name(open("f00", O_RDONLY)));
	for (unsigned i = 0; i < 12; i++)
		close(spare[i]);
	h = hold(&l);
	finish(&l, &h);
	visit_server(&l, "f05");
	say("answers %u\n", l.answers);
}

/* The limit falls below what is in use, and a poll may be as long as it is. */
static void limited(void)
{
	struct rlimit rl = { 64, FDS };
	struct pollfd p[64];
	struct held h;
	struct loop l;
	int n = 0;

	start(&l);
	h = hold(&l);
	MUST(setrlimit(RLIMIT_NOFILE, &rl));
	for (unsigned i = 0; i < 64; i++)
		p[i] = (struct pollfd){ -1, POLLIN, 0 };
	p[63].fd = h.c->fd;
	for (int64_t end = now_ms() + IN_TIME; !n && now_ms() < end;)
		n = poll(p, 64, 20);
	say("poll: %d %s %x\n", n, error_name(n), (unsigned)p[63].revents);
	if (!(h.c->seen & EPOLLIN))
		await(&l, h.c, READABLE, IN_TIME);
	finish(&l, &h);
	for (unsigned i = 0; i < 2; i++) {
		h = hold(&l);
		finish(&l, &h);
	}
	visit_server(&l, "f05");
	say_numbers("end");
}

const struct way numbers[] = {
	{ "listed", listed },
	{ "close_loop", close_loop },
	{ "closefrom", close_from },
	{ "close_range", close_by_range },
	{ "close_unsharing", close_unsharing },
	{ "close_listed", close_listed },
	{ "close_one", close_one },
	{ "over", over },
	{ "full", full },
	{ "limited", limited },
	{ NULL, NULL },
};
