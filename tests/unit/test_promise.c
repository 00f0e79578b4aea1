/* SPDX-License-Identifier: MIT
 *
 * Promises: what joins, what goes to the ring, and what becomes of it when the file is
 * shorter than promised, the peer takes nothing, or the connection is gone.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <liburing.h>

#include "../../runtime/promise.h"
#include "fake.h"

#define HEADER "HTTP/1.1 200 OK\r\n\r\n"
#define HEAD ((int64_t)sizeof(HEADER) - 1)
#define SIZE 5000

static struct fa_thread *t;
static int conn, peer, file;
static char name[256];

static void connect_both(int flags)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_return_code(bind(l, (void *)&at, len), errno);
	assert_return_code(listen(l, 1), errno);
	assert_return_code(getsockname(l, (void *)&at, &len), errno);
	peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_return_code(connect(peer, (void *)&at, len), errno);
	conn = accept4(l, NULL, NULL, SOCK_CLOEXEC | flags);
	assert_true(conn >= 0);
	close(l);
}

static void opens(void)
{
	struct fa_call c = { .t = &t->h, .fd = AT_FDCWD, .path = name };

	file = open(name, O_RDONLY | O_CLOEXEC);
	assert_true(file >= 0);
	/* One that has waited is not promised where the socket does not block. */
	c.start = fa_cycles();
	fa_opened(&c, file);
}

static void start(int flags)
{
	static char *env[] = { "FUSE_AIO_MODE=fuse", "FUSE_AIO_RING=1", NULL };
	int fd;

	unit_start(env);
	fake_ring_use();
	t = unit_self();
	strcpy(name, unit_path("file"));
	fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	for (int i = 0; i < SIZE; i++)
		assert_int_equal(write(fd, &(char){ (char)(i % 251) }, 1), 1);
	close(fd);
	connect_both(flags);
	opens();
}

static void end(void)
{
	assert_int_equal(t->h.word, FA_T_READY);
	close(conn);
	close(peer);
}

static int64_t header(void)
{
	struct iovec iov = { HEADER, (size_t)HEAD };
	int64_t result;

	return fa_promise_bytes(conn, &iov, 1, 0, &result) ? result : 0;
}

static int64_t sends(off_t *offset, size_t n)
{
	int64_t result;

	return fa_promise_file(conn, file, offset, n, NULL, &result) ? result : INT64_MIN;
}

/* The close of the file: 0 where it was promised. */
static int closes(void)
{
	struct fa_call c;

	return fa_close_begin(&c, file, NULL);
}

static void peer_has(bool head, int64_t from, int64_t n)
{
	static char got[SIZE * 4];
	int64_t had = 0, all = n + (head ? HEAD : 0);

	while (had < all) {
		ssize_t more = recv(peer, got + had, (size_t)(all - had), MSG_DONTWAIT);

		assert_true(more > 0);
		had += more;
	}
	assert_int_equal(had, all);
	if (head)
		assert_memory_equal(got, HEADER, HEAD);
	for (int64_t i = 0; i < n; i++)
		assert_int_equal(got[(head ? HEAD : 0) + i], (char)((from + i) % 251));
}

/* ---- what joins ---- */

static void test_one_task(void **state)
{
	off_t at = 0;
	int fd;

	(void)state;
	start(SOCK_NONBLOCK);
	fd = file;
	assert_int_equal(header(), HEAD);
	assert_int_equal(sends(&at, 1UL << 62), SIZE);
	assert_int_equal(at, SIZE);
	assert_int_equal(sends(&at, 100), 0);
	assert_int_equal(closes(), 0);
	assert_int_equal(recv(peer, &(char){ 0 }, 1, MSG_DONTWAIT), -1);
	assert_return_code(fcntl(fd, F_GETFD), errno);
	fa_touch();
	peer_has(true, 0, SIZE);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
	assert_int_equal(fake_ring_took(IORING_OP_SEND, NULL), 1);
	assert_int_equal(t->h.n[FA_N_commits], 1);
	assert_int_equal(t->h.n[FA_N_promised], 4);
	assert_int_equal(t->h.promise, 0);
	end();
}

static void test_position(void **state)
{
	(void)state;
	start(SOCK_NONBLOCK);
	assert_int_equal(sends(NULL, 1000), 1000);
	assert_int_equal(sends(NULL, 1000), 1000);
	assert_int_equal(lseek(file, 0, SEEK_CUR), 0);
	fa_touch();
	/* One read of both, and the kernel's position is what the program was told. */
	assert_int_equal(fake_ring_took(IORING_OP_READ, NULL), 1);
	assert_int_equal(lseek(file, 0, SEEK_CUR), 2000);
	peer_has(false, 0, 2000);
	assert_int_equal(closes(), -1);
	close(file);
	end();
}

static void test_bad_pointers(void **state)
{
	struct iovec iov = { (void *)16, 10 };
	int64_t result;

	(void)state;
	start(0);
	assert_false(fa_promise_bytes(conn, &iov, 1, 0, &result));
	assert_false(fa_promise_bytes(conn, (void *)16, 1, 0, &result));
	assert_true(sends((off_t *)16, 10) == INT64_MIN);
	assert_int_equal(t->h.n[FA_N_promised], 0);
	close(file);
	end();
}

static void test_not_a_connection(void **state)
{
	int pair[2], tcp = conn;

	(void)state;
	start(0);
	tcp = conn;
	assert_return_code(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), errno);
	conn = pair[0];
	assert_int_equal(header(), 0);
	assert_true(sends(NULL, 10) == INT64_MIN);
	close(pair[0]);
	close(pair[1]);
	conn = tcp;
	close(file);
	end();
}

static void test_fits_or_plain(void **state)
{
	int small = 4096;

	(void)state;
	start(SOCK_NONBLOCK);
	setsockopt(conn, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	assert_true(sends(NULL, SIZE) == INT64_MIN);
	assert_int_equal(t->h.n[FA_N_promised], 0);
	close(file);
	end();
}

static void test_twice_closed(void **state)
{
	(void)state;
	start(0);
	sends(NULL, 100);
	assert_int_equal(closes(), 0);
	assert_int_equal(closes(), -1);
	assert_int_equal(close(file), -1);
	assert_int_equal(errno, EBADF);
	peer_has(false, 0, 100);
	end();
}

static void test_corks_vanish(void **state)
{
	const int on = 1, off = 0;

	(void)state;
	start(0);
	assert_false(fa_promise_cork(conn, &off, sizeof(off)));
	fa_corked(conn, &off);
	assert_true(fa_promise_cork(conn, &on, sizeof(on)));
	header();
	sends(NULL, SIZE);
	assert_true(fa_promise_cork(conn, &off, sizeof(off)));
	fa_touch();
	assert_int_equal(fake_calls(SYS_setsockopt), 0);
	assert_true(fa_promise_cork(conn, &on, sizeof(on)));
	fa_touch();
	assert_int_equal(fake_calls(SYS_setsockopt), 1);
	close(file);
	end();
}

/* ---- what becomes of it ---- */

static void test_truncated(void **state)
{
	char byte;

	(void)state;
	start(0);
	header();
	assert_int_equal(sends(NULL, SIZE), SIZE);
	assert_int_equal(closes(), 0);
	assert_return_code(truncate(name, 100), errno);
	fa_touch();
	assert_int_equal(t->h.n[FA_N_broken], 1);
	assert_int_equal(fcntl(file, F_GETFD), -1);
	assert_int_equal(recv(peer, &byte, 1, MSG_DONTWAIT), -1);
	assert_int_equal(errno, ECONNRESET);
	assert_int_equal(t->h.promise, 0);
	end();
}

static void test_short_read_goes_on(void **state)
{
	(void)state;
	start(0);
	header();
	sends(NULL, SIZE);
	fake_ring.result[IORING_OP_READ] = 10;
	fa_touch();
	peer_has(true, 0, SIZE);
	assert_int_equal(t->h.n[FA_N_broken], 0);
	close(file);
	end();
}

static void test_peer_makes_no_room(void **state)
{
	const struct io_uring_sqe *sqe;

	(void)state;
	start(0);
	fake_ring.result[IORING_OP_SEND] = FAKE_PENDING;
	header();
	sends(NULL, SIZE);
	fa_touch();
	assert_int_equal(t->h.promise & (FA_P_QUEUED | FA_P_FLIGHT), FA_P_FLIGHT);
	assert_int_equal(fa_unsent(t, conn), HEAD + SIZE);
	/* What follows waits for its turn. */
	assert_int_equal(sends(&(off_t){ 0 }, 10), 10);
	fa_touch();
	assert_int_equal(fake_ring_took(IORING_OP_SEND, &sqe), 1);
	fake_ring.result[IORING_OP_SEND] = FAKE_RUN;
	fake_ring_run(sqe);
	fa_settle_all();
	assert_int_equal(fake_ring_took(IORING_OP_SEND, NULL), 2);
	assert_int_equal(fa_unsent(t, -1), 0);
	peer_has(true, 0, SIZE);
	peer_has(false, 0, 10);
	close(file);
	end();
}

static void test_error_is_told_once(void **state)
{
	int64_t result;

	(void)state;
	start(0);
	fake_ring.result[IORING_OP_SEND] = -ECONNRESET;
	sends(NULL, 10);
	fa_touch();
	assert_true(fa_promise_receive(conn, NULL, 0, 0, &result));
	assert_int_equal(result, -ECONNRESET);
	assert_false(fa_promise_receive(conn, NULL, 0, 0, &result));
	close(file);
	end();
}

static void test_ring_refuses(void **state)
{
	(void)state;
	start(0);
	header();
	sends(NULL, SIZE);
	closes();
	fake_ring.take = -EBUSY;
	fa_touch();
	assert_int_equal(fcntl(file, F_GETFD), -1);
	assert_int_equal(t->h.promise, 0);
	assert_int_equal(t->h.n[FA_N_broken], 1);
	end();
}

static void test_receive_goes_along(void **state)
{
	int64_t result;
	int first, theirs;
	char byte = 0;

	(void)state;
	start(SOCK_NONBLOCK);
	sends(NULL, 10);
	first = conn;
	theirs = peer;
	connect_both(SOCK_NONBLOCK);
	fa_watches[conn].tcp = FA_TCP_KNOWN | FA_TCP_GOOD | FA_TCP_NONBLOCK;
	assert_int_equal(send(peer, "x", 1, 0), 1);
	assert_true(fa_promise_receive(conn, &byte, 1, 0, &result));
	assert_int_equal(result, 1);
	assert_int_equal(byte, 'x');
	assert_int_equal(fake_ring_took(IORING_OP_RECV, NULL), 1);
	/* Nothing is promised any more: it is the program's own call. */
	assert_false(fa_promise_receive(conn, &byte, 1, 0, &result));
	close(conn);
	close(peer);
	conn = first;
	peer = theirs;
	peer_has(false, 0, 10);
	close(file);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_one_task),	       TEST(test_position),
		TEST(test_bad_pointers),       TEST(test_not_a_connection),
		TEST(test_fits_or_plain),      TEST(test_twice_closed),
		TEST(test_corks_vanish),       TEST(test_truncated),
		TEST(test_short_read_goes_on), TEST(test_peer_makes_no_room),
		TEST(test_error_is_told_once), TEST(test_ring_refuses),
		TEST(test_receive_goes_along),
	};

	return cmocka_run_group_tests_name("promise", tests, NULL, NULL);
}
