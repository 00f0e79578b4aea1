/* SPDX-License-Identifier: MIT
 *
 * The number of a file that has been sent and closed is free: whatever makes a
 * descriptor next gets it, as does the one after that.
 */
#include <dirent.h>
#include <mqueue.h>
#include <netdb.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

#include "promise.h"

static int fd;

static int from_open(void)
{
	return open("f00", O_RDONLY);
}

static int from_openat(void)
{
	return openat(AT_FDCWD, ".", O_RDONLY | O_DIRECTORY);
}

static int from_creat(void)
{
	return creat("/dev/null", 0600);
}

static int from_path(void)
{
	return open("f00", O_PATH);
}

static int from_dup(void)
{
	return dup(fd);
}

static int from_fcntl(void)
{
	return fcntl(fd, F_DUPFD, 0);
}

static int from_cloexec(void)
{
	return fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

static int from_socket(void)
{
	return socket(AF_INET, SOCK_STREAM, 0);
}

static int from_udp(void)
{
	return socket(AF_INET, SOCK_DGRAM, 0);
}

static int both(int pair[2])
{
	note("and %d\n", pair[1]);
	close(pair[1]);
	return pair[0];
}

static int from_socketpair(void)
{
	int pair[2];

	unix_pair(pair, SOCK_STREAM);
	return both(pair);
}

static int from_pipe(void)
{
	int pair[2];

	MUST(pipe(pair));
	return both(pair);
}

static int from_pipe2(void)
{
	int pair[2];

	MUST(pipe2(pair, O_CLOEXEC));
	return both(pair);
}

static int from_accept(void)
{
	return take();
}

static int from_eventfd(void)
{
	return eventfd(0, 0);
}

static int from_epoll(void)
{
	return epoll_create(1);
}

static int from_epoll1(void)
{
	return epoll_create1(EPOLL_CLOEXEC);
}

static int from_timerfd(void)
{
	return timerfd_create(CLOCK_MONOTONIC, 0);
}

static int from_signalfd(void)
{
	sigset_t set;

	sigemptyset(&set);
	return signalfd(-1, &set, 0);
}

static int from_memfd(void)
{
	return memfd_create("m", 0);
}

static int from_inotify(void)
{
	return inotify_init();
}

static int from_inotify1(void)
{
	return inotify_init1(0);
}

static int from_syscall(void)
{
	return (int)syscall(SYS_openat, AT_FDCWD, "f00", O_RDONLY);
}

static int from_passed(void)
{
	static int pair[2] = { -1, -1 };

	/* Made at the first round, at the same place in every run. */
	if (pair[0] < 0) {
		unix_pair(pair, SOCK_STREAM);
		note("pair %d %d\n", pair[0], pair[1]);
	}
	pass(pair[0], STDIN_FILENO);
	return passed(pair[1]);
}

static int of_stream(FILE *f)
{
	int n = f ? fileno(f) : -1, copy;

	if (!f)
		return -1;
	/* The number is to be kept a while. */
	copy = dup(n);
	fclose(f);
	note("copy %d\n", copy);
	return copy;
}

static int from_fopen(void)
{
	return of_stream(fopen("f00", "r"));
}

static int from_fopen64(void)
{
	return of_stream(fopen64("f00", "re"));
}

static int from_freopen(void)
{
	FILE *f = fopen("f00", "r");

	return of_stream(f ? freopen("f01", "r", f) : NULL);
}

static int from_tmpfile(void)
{
	return of_stream(tmpfile());
}

static int from_popen(void)
{
	FILE *f = popen("exit 0", "r");
	int n = f ? fileno(f) : -1;

	if (f)
		pclose(f);
	note("popen %d\n", n);
	return dup(0);
}

static int from_opendir(void)
{
	DIR *d = opendir(".");
	int n = d ? dirfd(d) : -1;

	note("directory %d\n", n);
	if (d)
		closedir(d);
	return dup(0);
}

static int from_mkstemp(void)
{
	char name[] = "/tmp/promise-XXXXXX";
	int n = mkstemp(name);

	unlink(name);
	return n;
}

static int from_shm(void)
{
	char name[32];
	int n;

	snprintf(name, sizeof(name), "/promise%d", getpid());
	n = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
	shm_unlink(name);
	return n;
}

static int from_mq(void)
{
	char name[32];
	int n;

	snprintf(name, sizeof(name), "/promise%d", getpid());
	n = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, NULL);
	mq_unlink(name);
	return n;
}

static int from_pty(void)
{
	return posix_openpt(O_RDWR | O_NOCTTY);
}

static int from_pidfd(void)
{
	return (int)syscall(SYS_pidfd_open, getpid(), 0);
}

static const struct {
	const char *name;
	int (*make)(void);
} makers[] = {
	{ "open", from_open },
	{ "openat", from_openat },
	{ "creat", from_creat },
	{ "path", from_path },
	{ "dup", from_dup },
	{ "fcntl", from_fcntl },
	{ "cloexec", from_cloexec },
	{ "socket", from_socket },
	{ "udp", from_udp },
	{ "socketpair", from_socketpair },
	{ "pipe", from_pipe },
	{ "pipe2", from_pipe2 },
	{ "accept", from_accept },
	{ "eventfd", from_eventfd },
	{ "epoll_create", from_epoll },
	{ "epoll_create1", from_epoll1 },
	{ "timerfd", from_timerfd },
	{ "signalfd", from_signalfd },
	{ "memfd", from_memfd },
	{ "inotify", from_inotify },
	{ "inotify1", from_inotify1 },
	{ "syscall", from_syscall },
	{ "passed", from_passed },
	{ "fopen", from_fopen },
	{ "fopen64", from_fopen64 },
	{ "freopen", from_freopen },
	{ "tmpfile", from_tmpfile },
	{ "popen", from_popen },
	{ "opendir", from_opendir },
	{ "mkstemp", from_mkstemp },
	{ "shm", from_shm },
	{ "mq", from_mq },
	{ "pty", from_pty },
	{ "pidfd", from_pidfd },
};

static void make_by(int (*make)(void))
{
	int one, two;

	for (unsigned round = 0; round < 3; round++) {
		int file = MUST(open(file_name(round), O_RDONLY));

		note("file %d\n", file);
		head_by(style.head, fd, "a header\n");
		body_by(style.body, fd, file);
		told("close", close(file));
		one = (int)told("one", make());
		two = (int)told("two", dup(0));
		close(one);
		close(two);
		/* Its old number is that of nothing, or of nobody else. */
		told("old", lseek(file, 0, SEEK_CUR));
	}
}

static void number_of(void)
{
	listen_on();
	fd = take();
	for (unsigned i = 0; i < sizeof(makers) / sizeof(makers[0]); i++)
		if (what_is(makers[i].name))
			make_by(makers[i].make);
	told("close", close(fd));
}

/* A number that was closed is closed: every use of it says so, and closing it again. */
static void closed(void)
{
	static int (*const uses[])(int) = { close, fsync, isatty, dup };
	struct pollfd p = { 0, POLLIN, 0 };
	struct stat st;
	char byte;

	listen_on();
	fd = take();
	for (unsigned i = 0; i < 12; i++) {
		int file = MUST(open("f03", O_RDONLY));

		head_by(style.head, fd, "a header\n");
		body_by(style.body, fd, file);
		told("close", close(file));
		switch (i) {
		case 4:
			told("read", read(file, &byte, 1));
			break;
		case 5:
			told("fstat", fstat(file, &st));
			break;
		case 6:
			told("seek", lseek(file, 0, SEEK_SET));
			break;
		case 7:
			told("sendfile", sendfile(fd, file, NULL, 10));
			break;
		case 8:
			told("flags", fcntl(file, F_GETFD));
			break;
		case 9:
			p.fd = file;
			told("poll", poll(&p, 1, 0));
			note("%x\n", p.revents);
			break;
		case 10:
			told("dup2", dup2(file, 50));
			break;
		case 11:
			told("link", readlink("/proc/self/fd/50", &byte, 1));
			break;
		default:
			told("use", uses[i](file));
		}
	}
	say_open("open");
	told("close", close(fd));
}

/* All numbers are used: an open fails, until the file has gone. */
static void exhausted(void)
{
	int file, n, last = -1;

	listen_on();
	fd = take();
	while ((n = dup(0)) >= 0)
		last = n;
	note("last %d\n", last);
	close(last);
	for (unsigned i = 0; i < 4; i++) {
		file = (int)told("open", open("f02", O_RDONLY));
		told("full", open("f02", O_RDONLY));
		head_by(style.head, fd, "a header\n");
		body_by(style.body, fd, file);
		told("full", i % 2 ? dup(0) : socket(AF_INET, SOCK_STREAM, 0));
		told("close", close(file));
		n = (int)told("free", i % 2 ? dup(0) : eventfd(0, 0));
		close(n);
	}
	told("close", close(fd));
}

const struct way numbers[] = {
	{ "number", number_of },
	{ "closed", closed },
	{ "exhausted", exhausted },
	{ NULL, NULL },
};
