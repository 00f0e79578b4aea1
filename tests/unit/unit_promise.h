/* SPDX-License-Identifier: MIT
 *
 * What the tests of promises share: a connection over the loopback, a file whose every
 * byte tells where it is from, and the program's calls as the wrappers make them, which
 * give a count or a negative errno.
 */
#ifndef UNIT_PROMISE_H
#define UNIT_PROMISE_H

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include <liburing.h>

#include "../../runtime/promise.h"
#include "fake.h"

#define HEADER "HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"
#define HEAD ((int64_t)sizeof(HEADER) - 1)
#define SIZE 5000
#define LARGE (FA_UNSENT_SOCKET - 1000) /* more than a peer takes without reading */
#define STUFF (LARGE / 2)		/* so is half of it, where the buffer is small */
#define PEERS 80

static struct fa_thread *t;
static int listener;
static int conn, peer; /* the two ends of a connection, which blocks */
static int peers[PEERS], conns[PEERS];
static unsigned connected;
static char name[280], large[280];

/* ---- the program's calls ---- */

static inline int64_t counted(int64_t r)
{
	return r < 0 ? -errno : r;
}

/* Standing for write, writev, send and sendto alike. */
static inline int64_t sends_all(int fd, const struct iovec *iov, int count, int flags)
{
	struct msghdr m = { .msg_iov = (void *)(uintptr_t)iov,
			    .msg_iovlen = (size_t)count };
	int64_t result;

	if (fa_promising() && fa_promise_bytes(fd, iov, count, flags, &result))
		return result;
	return counted(sendmsg(fd, &m, flags));
}

static inline int64_t sends(int fd, const void *bytes, size_t n, int flags)
{
	struct iovec iov = { (void *)(uintptr_t)bytes, n };
	int64_t result;

	if (fa_promising() && fa_promise_bytes(fd, &iov, 1, flags, &result))
		return result;
	return counted(send(fd, bytes, n, flags));
}

static inline int64_t sends_message(int fd, const struct msghdr *m, int flags)
{
	int64_t result;

	if (fa_promising() && fa_promise_message(fd, m, flags, &result))
		return result;
	return counted(sendmsg(fd, m, flags));
}

static inline int64_t sends_file(int to, int from, off_t *offset, size_t n)
{
	struct fa_call c;
	int64_t result;
	size_t some;

	if (fa_promising() && fa_promise_file(to, from, offset, n, &t, &result))
		return result;
	if (fa_pass_fd(from))
		return counted(sendfile(to, from, offset, n));
	fa_use_begin(&c, from, FA_SENDFILE, &t);
	if (!c.f)
		return counted(sendfile(to, from, offset, n));
	some = fa_send_touch(&c, to, offset, n);
	errno = EAGAIN;
	result = some || !n ? sendfile(to, from, offset, some) : -1;
	result = counted(result);
	fa_send_end(&c, to, n, some, result < 0 ? -1 : result);
	return result;
}

static inline int64_t receives(int fd, void *to, size_t n, int flags)
{
	int64_t result;

	if (fa_promising() && fa_promise_receive(fd, to, n, flags, &result))
		return result;
	return counted(recv(fd, to, n, flags));
}

static inline int opens_with(const char *path, int flags)
{
	struct fa_call c;
	int fd = fa_open_begin(&c, AT_FDCWD, path, flags, &t);

	return fd >= 0 ? fd : fa_open_end(&c, open(path, flags, 0644));
}

static inline int opens(const char *path)
{
	int fd = opens_with(path, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	/* The machine may be busy: it is not the file that has waited. */
	fa_fds[fd].flags &= ~(FA_FD_COLD | FA_FD_WINDOW);
	return fd;
}

static inline int64_t closes(int fd)
{
	struct fa_call c;
	int r;

	if (fa_promising() && !fa_captured(fd))
		fa_promise_closing(fd);
	fa_forget_watch(fd);
	r = fa_close_begin(&c, fd, &t);
	return r < 0 ? counted(fa_close_end(&c, close(fd))) : -r;
}

static inline int64_t seeks(int fd, int64_t to, int whence)
{
	struct fa_call c;

	fa_use_begin(&c, fd, FA_SEEK, &t);
	return counted(fa_use_end(&c, FA_SEEK, lseek(fd, to, whence)));
}

static inline int64_t reads(int fd, void *to, size_t n)
{
	struct fa_call c;
	int64_t result;

	if (fa_promising() && fa_promise_receive(fd, to, n, 0, &result))
		return result;
	fa_use_begin(&c, fd, FA_READ, &t);
	return counted(fa_use_end(&c, FA_READ, read(fd, to, n)));
}

static inline int64_t stats(int fd)
{
	struct fa_call c;
	struct stat st;

	if (fa_fstat_begin(&c, fd, &st, &t))
		return 0;
	return counted(fa_fstat_end(&c, fstat(fd, &st), &st));
}

static inline int64_t corks(int fd, int on)
{
	int r;

	if (fa_promising()) {
		if (fa_promise_cork(fd, &on, sizeof(on)))
			return 0;
		fa_touch();
	}
	r = setsockopt(fd, IPPROTO_TCP, TCP_CORK, &on, sizeof(on));
	if (r == 0)
		fa_corked(fd, &on);
	return counted(r);
}

/* SO_ERROR */
static inline int error_of(int fd)
{
	bool promising = fa_promising();
	socklen_t len = sizeof(int);
	int e = 0, kept;

	fa_touch();
	assert_return_code(getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &len), errno);
	kept = promising ? fa_take_error(fd) : 0;
	return e ? e : kept;
}

static inline int takes(int flags)
{
	int e = fa_promising() ? fa_promise_accept(listener) : 0, fd;

	if (e < 0)
		return e;
	fd = accept4(listener, NULL, NULL, flags | SOCK_CLOEXEC);
	if (fd >= 0) {
		fa_accepted(fd);
		fa_promise_accepted(fd, listener, flags);
	}
	return (int)counted(fd);
}

/* ---- connections ---- */

/* One that the program has accepted. */
static inline int connects(int flags)
{
	struct sockaddr_storage at;
	socklen_t len = sizeof(at);
	unsigned i = connected++;

	assert_in_range(i, 0, PEERS - 1);
	assert_return_code(getsockname(listener, (void *)&at, &len), errno);
	peers[i] = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_return_code(connect(peers[i], (void *)&at, len), errno);
	conns[i] = takes(flags);
	assert_true(conns[i] >= 0);
	return conns[i];
}

static inline int peer_of(int fd)
{
	for (unsigned i = connected; i-- > 0;)
		if (conns[i] == fd)
			return peers[i];
	fail_msg("%d is no connection of this test", fd);
	return -1;
}

static inline void listens(int family)
{
	struct sockaddr_in6 at6 = { .sin6_family = AF_INET6,
				    .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	bool six = family == AF_INET6;

	listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_return_code(bind(listener, six ? (void *)&at6 : (void *)&at,
				six ? sizeof(at6) : sizeof(at)),
			   errno);
	assert_return_code(listen(listener, PEERS), errno);
}

/* ---- what the peer has ---- */

/* The byte at this place of every file of the tests. */
static inline char byte_at(uint64_t at)
{
	return (char)(at * 31 + at / 251 + at / 65536);
}

/* Within five seconds. Sends that wait for room go on meanwhile. */
static inline bool comes(int fd, char *to, size_t n)
{
	struct pollfd p = { fd, POLLIN, 0 };

	for (unsigned patience = 500; n; patience--) {
		ssize_t got = recv(fd, to, n, MSG_DONTWAIT);

		if (got == 0 || (got < 0 && errno != EAGAIN) || !patience)
			return false;
		fake_ring_retry();
		if (got < 0)
			poll(&p, 1, 10);
		to += got > 0 ? got : 0;
		n -= got > 0 ? (size_t)got : 0;
	}
	return true;
}

/* These bytes come next. */
static inline void gets_text(int fd, const char *text)
{
	char got[200];

	assert_in_range(strlen(text), 1, sizeof(got));
	assert_true(comes(fd, got, strlen(text)));
	assert_memory_equal(got, text, strlen(text));
}

/* A range of the file. */
static inline void gets_file(int fd, uint64_t at, uint64_t n)
{
	static char got[4096];

	while (n) {
		size_t some = n < sizeof(got) ? n : sizeof(got);

		assert_true(comes(fd, got, some));
		for (size_t i = 0; i < some; i++)
			if (got[i] != byte_at(at + i))
				fail_msg("byte %llu is wrong",
					 (unsigned long long)(at + i));
		at += some;
		n -= some;
	}
}

static inline void gets_nothing(int fd)
{
	char byte;

	assert_int_equal(recv(fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK), -1);
	assert_int_equal(errno, EAGAIN);
}

/* The end, or a reset: 0 or an errno. */
static inline int gets_end(int fd)
{
	struct pollfd p = { fd, POLLIN, 0 };
	char byte;
	ssize_t n;

	assert_int_equal(poll(&p, 1, 5000), 1);
	n = recv(fd, &byte, 1, MSG_DONTWAIT);
	assert_true(n <= 0);
	return n < 0 ? errno : 0;
}

/* What has come is of no interest. */
static inline void forgets(int fd)
{
	char bytes[4096];

	while (recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
		;
}

/* ---- what the library has done ---- */

static inline unsigned took(unsigned op)
{
	return fake_ring_took(op, NULL);
}

/* The program's calls so far that were answered and not made. */
static inline unsigned promised(void)
{
	return (unsigned)t->h.n[FA_N_promised];
}

static inline bool is_queued(void)
{
	return t->h.promise & FA_P_QUEUED;
}

static inline bool is_on_its_way(void)
{
	return t->h.promise & FA_P_FLIGHT;
}

/* Header and file, by calls that all were answered. */
static inline void answers(int to, int from)
{
	unsigned before = promised();

	assert_int_equal(sends(to, HEADER, (size_t)HEAD, 0), HEAD);
	assert_int_equal(sends_file(to, from, NULL, 1UL << 40), SIZE);
	assert_int_equal(promised(), before + 2);
	assert_true(is_queued());
}

static inline void gets_answer(int fd)
{
	gets_text(fd, HEADER);
	gets_file(fd, 0, SIZE);
}

/* From now on the kernel takes little that the peer has not read. */
static inline void narrows(int to)
{
	int little = 16384;

	assert_return_code(setsockopt(to, SOL_SOCKET, SO_SNDBUF, &little, sizeof(little)),
			   errno);
}

/* A file that is more than there is room for: it is on its way, on a socket that blocks. */
static inline void stuffs(int to)
{
	int fd = opens(large);

	narrows(to);
	assert_int_equal(sends_file(to, fd, NULL, STUFF), STUFF);
	assert_int_equal(closes(fd), 0);
	fa_touch();
	assert_true(is_on_its_way());
	assert_int_equal(fa_unsent(t, to), STUFF);
}

/* ---- what happens while the program waits ---- */

static void (*meanwhile)(void);

/* In the ring. */
static inline void on_wait(void)
{
	if (meanwhile)
		meanwhile();
}

/* In a read of the eventfd, as in a call of the program's. */
static inline long on_read(long fd, long to, long n, long d, long e, long f)
{
	struct pollfd p = { (int)fd, POLLIN, 0 };

	if (fd == fake_ring.eventfd && poll(&p, 1, 0) == 0) {
		on_wait();
		if (poll(&p, 1, 0) != 1)
			fail_msg("this would wait for ever");
	}
	return fake_kernel(SYS_read, fd, to, n, d, e, f);
}

/* From now on this happens in whatever it waits. */
static inline void waits(void (*what)(void))
{
	meanwhile = what;
	fake_ring.on_wait = on_wait;
	fake_hook(SYS_read, on_read);
}

/* ---- set up ---- */

static inline void write_file(char *to, const char *called, size_t size)
{
	static char bytes[FA_UNSENT_SOCKET];
	int fd;

	strcpy(to, unit_path(called));
	for (size_t i = 0; i < size; i++)
		bytes[i] = byte_at(i);
	fd = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	assert_int_equal(write(fd, bytes, size), (ssize_t)size);
	close(fd);
}

static inline void promise_start(const char *mode)
{
	static char setting[40];
	static char *env[] = { setting, "FUSE_AIO_RING=1", NULL };

	fake_reset();
	signal(SIGPIPE, SIG_IGN);
	snprintf(setting, sizeof(setting), "FUSE_AIO_MODE=%s", mode);
	unit_start(env);
	t = unit_self();
	fake_ring_use();
	fake_ring.no_time = true;
	/* So long that the clock knows the rate of the cycle counter. */
	unit_sleep_ms(3);
	fa_ns(1);
	write_file(name, "f", SIZE);
	write_file(large, "large", LARGE);
	connected = 0;
	listens(AF_INET);
	conn = connects(0);
	peer = peers[0];
}

static inline int promise_setup(void **state)
{
	(void)state;
	promise_start("fuse");
	return 0;
}

static inline int promise_teardown(void **state)
{
	bool ready = t->h.word == FA_T_READY;

	/* What is on its way still wants its connections. */
	meanwhile = NULL;
	fa_thread_drop(t);
	close(listener);
	for (unsigned i = 0; i < connected; i++) {
		close(conns[i]);
		close(peers[i]);
	}
	unit_teardown(state);
	fa_own_drop(FA_OWN_WAKE);
	assert_true(ready);
	return 0;
}

#define PROMISE_TEST(name) \
	cmocka_unit_test_setup_teardown(name, promise_setup, promise_teardown)

#endif
