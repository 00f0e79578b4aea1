/* SPDX-License-Identifier: MIT
 *
 * Calls that block while something is on its way: they wait for what they are for, and
 * what is on its way goes on; signals, limits of time, and wake-ups that cannot be had.
 */
#include "unit_promise.h"

#include <sys/epoll.h>

static int other, theirs; /* another connection that blocks */
static unsigned times;

static void drains(void)
{
	times++;
	gets_file(peer, 0, STUFF);
}

/* The other peer says something: that is what the program waits for. */
static void says(void)
{
	const struct io_uring_sqe *sqe;

	times++;
	assert_int_equal(send(theirs, "hello", 5, 0), 5);
	if (fake_ring_took(IORING_OP_POLL_ADD, &sqe))
		fake_ring_complete(sqe->user_data, POLLIN);
}

/* First a part of what is on its way, then it is said, then the rest. */
static void drains_and_says(void)
{
	if (times++ == 0) {
		gets_file(peer, 0, 4096);
		fake_ring_complete(~0ULL, 0);
	} else {
		says();
	}
}

static int waits_setup(void **state)
{
	promise_setup(state);
	other = connects(0);
	theirs = peer_of(other);
	times = 0;
	return 0;
}

#define WAITS_TEST(name) \
	cmocka_unit_test_setup_teardown(name, waits_setup, promise_teardown)

static void hears(void)
{
	char bytes[10];

	assert_int_equal(receives(other, bytes, sizeof(bytes), 0), 5);
	assert_memory_equal(bytes, "hello", 5);
}

static bool wake_blocks(void)
{
	return !(fcntl(fake_ring.eventfd, F_GETFL) & O_NONBLOCK);
}

/* ---- receives ---- */

static void test_receive_comes_first(void **state)
{
	const struct io_uring_sqe *sqe = NULL;

	(void)state;
	waits(says);
	stuffs(conn);
	hears();
	assert_int_equal(times, 1);
	assert_int_equal(fake_ring_took(IORING_OP_POLL_ADD, &sqe), 1);
	assert_int_equal(sqe->fd, other);
	assert_true(is_on_its_way());
	assert_false(wake_blocks());
	gets_file(peer, 0, STUFF);
}

static void test_receive_meanwhile(void **state)
{
	(void)state;
	waits(drains_and_says);
	stuffs(conn);
	hears();
	assert_int_equal(times, 3);
	assert_true(is_on_its_way());
	gets_file(peer, 4096, STUFF - 4096);
}

/* It is there already. */
static void test_receive_of_what_has_come(void **state)
{
	(void)state;
	assert_int_equal(send(theirs, "hello", 5, 0), 5);
	stuffs(conn);
	waits(NULL);
	hears();
	assert_true(is_on_its_way());
}

static void drains_then_says(void)
{
	drains();
	assert_int_equal(send(theirs, "hello", 5, 0), 5);
}

/* All has gone: the program's own call may wait as long as it likes. */
static void test_all_has_gone(void **state)
{
	(void)state;
	waits(drains_then_says);
	stuffs(conn);
	hears();
	assert_int_equal(times, 1);
	assert_false(is_on_its_way());
	assert_false(wake_blocks());
}

static void test_receive_of_the_same(void **state)
{
	char bytes[10];

	(void)state;
	other = conn;
	theirs = peer;
	waits(says);
	stuffs(conn);
	assert_int_equal(receives(conn, bytes, sizeof(bytes), 0), 5);
	assert_true(is_on_its_way());
}

/* What does not wait by itself. */
static void test_receives_that_do_not_wait(void **state)
{
	int free = connects(SOCK_NONBLOCK), unix_pair[2];
	char byte;

	(void)state;
	assert_return_code(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, unix_pair),
			   errno);
	waits(drains);
	stuffs(conn);
	assert_int_equal(receives(free, &byte, 1, 0), -EAGAIN);
	assert_int_equal(receives(other, &byte, 1, MSG_DONTWAIT), -EAGAIN);
	assert_int_equal(receives(unix_pair[0], &byte, 1, 0), -EAGAIN);
	assert_int_equal(receives(FA_FDS + 1, &byte, 1, 0), -EBADF);
	assert_int_equal(times, 0);
	assert_true(is_on_its_way());
	close(unix_pair[0]);
	close(unix_pair[1]);
}

static long interrupted(long fd, long to, long n, long d, long e, long f)
{
	if (fd != fake_ring.eventfd)
		return fake_kernel(SYS_read, fd, to, n, d, e, f);
	/* The handler finds the program in a call of its own. */
	assert_int_equal(t->h.word, FA_T_READY);
	assert_true(wake_blocks());
	return -EINTR;
}

static void test_signal(void **state)
{
	char byte;

	(void)state;
	stuffs(conn);
	fake_hook(SYS_read, interrupted);
	assert_int_equal(sends(conn, "x", 1, 0), -EINTR);
	assert_int_equal(receives(other, &byte, 1, 0), -EINTR);
	assert_true(is_on_its_way());
	assert_false(wake_blocks());
	gets_file(peer, 0, STUFF);
	gets_nothing(peer);
}

static void test_signal_in_accept(void **state)
{
	(void)state;
	stuffs(conn);
	fake_hook(SYS_read, interrupted);
	assert_int_equal(takes(0), -EINTR);
	assert_true(is_on_its_way());
}

/* The handler comes as the last of it goes: the call goes on. */
static long gone_and_interrupted(long fd, long to, long n, long d, long e, long f)
{
	if (fd != fake_ring.eventfd)
		return fake_kernel(SYS_read, fd, to, n, d, e, f);
	drains();
	return -EINTR;
}

static void test_signal_at_the_end(void **state)
{
	(void)state;
	stuffs(conn);
	fake_hook(SYS_read, gone_and_interrupted);
	assert_int_equal(sends(conn, "x", 1, 0), 1);
	gets_text(peer, "x");
}

/* Without an eventfd there is no waiting for both. */
static void test_no_wake_up(void **state)
{
	(void)state;
	fake_fail(SYS_eventfd2, -EMFILE);
	waits(drains_then_says);
	stuffs(conn);
	hears();
	assert_int_equal(times, 1);
	assert_int_equal(took(IORING_OP_POLL_ADD), 0);
	assert_false(is_on_its_way());
	assert_int_equal(t->fallback[FA_F_no_wake], 1);
}

/* ---- accepts ---- */

static int new_peer(void)
{
	struct sockaddr_in at;
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_return_code(getsockname(listener, (void *)&at, &len), errno);
	assert_return_code(connect(fd, (void *)&at, len), errno);
	return fd;
}

static void comes_in(void)
{
	const struct io_uring_sqe *sqe;

	times++;
	peers[connected] = new_peer();
	if (fake_ring_took(IORING_OP_POLL_ADD, &sqe))
		fake_ring_complete(sqe->user_data, POLLIN);
}

static void test_accept(void **state)
{
	const struct io_uring_sqe *sqe = NULL;

	(void)state;
	waits(comes_in);
	stuffs(conn);
	conns[connected] = takes(0);
	assert_true(conns[connected++] >= 0);
	assert_int_equal(times, 1);
	assert_int_equal(fake_ring_took(IORING_OP_POLL_ADD, &sqe), 1);
	assert_int_equal(sqe->fd, listener);
	assert_true(is_on_its_way());
}

static void test_accept_that_does_not_wait(void **state)
{
	(void)state;
	waits(drains);
	stuffs(conn);
	assert_return_code(fcntl(listener, F_SETFL, O_NONBLOCK), errno);
	assert_int_equal(takes(0), -EAGAIN);
	assert_int_equal(times, 0);
	assert_int_equal(took(IORING_OP_POLL_ADD), 0);
}

/* ---- poll and epoll ---- */

static long on_ppoll(long fds, long n, long limit, long mask, long size, long f)
{
	const struct pollfd *last = (const struct pollfd *)fds + n - 1;

	/* With the eventfd it is a wait, else only a look. */
	if (n > 1 && last->fd == fake_ring.eventfd && meanwhile)
		meanwhile();
	return fake_kernel(SYS_ppoll, fds, n, limit, mask, size, f);
}

static int polls(int fd, int64_t ns)
{
	struct pollfd p = { fd, POLLIN, 0 };
	struct fa_wait w;
	int n = 0;

	assert_false(fa_pass_wait());
	if (fa_wait_begin(&w, ns, NULL)) {
		n = poll(&p, 1, (int)(ns / 1000000));
		if (n <= 0)
			return n;
	}
	return fa_poll_end(&w, &p, 1, n);
}

static void test_poll(void **state)
{
	(void)state;
	waits(says);
	stuffs(conn);
	fake_hook(SYS_ppoll, on_ppoll);
	assert_int_equal(polls(other, -1), 1);
	assert_int_equal(times, 1);
	assert_true(is_on_its_way());
	/* It goes on; and the time of the program's is over. */
	meanwhile = drains;
	times = 0;
	assert_int_equal(polls(listener, 20000000), 0);
	assert_false(is_on_its_way());
	assert_in_range(times, 1, 1);
}

static void test_epoll(void **state)
{
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = other };
	struct fa_wait w;

	(void)state;
	fa_set_made(epoll);
	assert_return_code(epoll_ctl(epoll, EPOLL_CTL_ADD, other, &ev), errno);
	fa_registered(epoll, EPOLL_CTL_ADD, other, &ev);
	waits(says);
	stuffs(conn);
	fake_hook(SYS_ppoll, on_ppoll);
	assert_false(fa_pass_wait());
	assert_false(fa_wait_begin(&w, -1, NULL));
	assert_int_equal(fa_epoll_end(&w, epoll, &ev, 1, 0), 1);
	assert_int_equal(ev.data.fd, other);
	assert_int_equal(times, 1);
	assert_true(is_on_its_way());
	close(epoll);
}

int main(void)
{
	const struct CMUnitTest waits_tests[] = {
		WAITS_TEST(test_receive_comes_first),
		WAITS_TEST(test_receive_meanwhile),
		WAITS_TEST(test_receive_of_what_has_come),
		WAITS_TEST(test_all_has_gone),
		WAITS_TEST(test_receive_of_the_same),
		WAITS_TEST(test_receives_that_do_not_wait),
		WAITS_TEST(test_signal),
		WAITS_TEST(test_signal_in_accept),
		WAITS_TEST(test_signal_at_the_end),
		WAITS_TEST(test_no_wake_up),
		WAITS_TEST(test_accept),
		WAITS_TEST(test_accept_that_does_not_wait),
		WAITS_TEST(test_poll),
		WAITS_TEST(test_epoll),
	};

	return cmocka_run_group_tests_name("commit_waits", waits_tests, NULL, NULL);
}
