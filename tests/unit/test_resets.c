/* SPDX-License-Identifier: MIT
 *
 * Connections that the peer has reset: the kernel tells of it once, and whatever
 * the library looks at, it is the program that has to be told.
 */
#include "unit_events.h"

#include <sys/select.h>

static void resets(void)
{
	struct linger now = { 1, 0 };
	struct pollfd p = { .fd = conn };

	setsockopt(peer, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(peer);
	assert_int_equal(poll(&p, 1, 5000), 1);
	assert_true(p.revents & POLLERR);
}

/* The error of a connection is told once: the program has to get it. */
static void error_is_the_programs(void)
{
	char byte;

	assert_false(fa_recv_touch(conn));
	errno = 0;
	assert_int_equal(read(conn, &byte, 1), -1);
	assert_int_equal(errno, ECONNRESET);
}

static void test_reset_found_by_a_read(void **state)
{
	(void)state;
	adds(conn, EPOLLIN);
	learns();
	resets();
	error_is_the_programs();
}

static void test_reset_found_by_select(void **state)
{
	struct fa_wait w;
	fd_set in;
	int n = 0;

	(void)state;
	learns();
	resets();
	FD_ZERO(&in);
	FD_SET(conn, &in);
	fa_wait_begin(&w, 0, NULL);
	assert_true(fa_select_wait(&w, FD_SETSIZE, &in, NULL, NULL, &n));
	assert_int_equal(n, 1);
	error_is_the_programs();
}

static void test_reset_found_by_epoll(void **state)
{
	struct epoll_event ev;

	(void)state;
	adds(conn, EPOLLIN);
	learns();
	resets();
	assert_int_equal(epoll_wait(set, &ev, 1, 0), 1);
	assert_int_equal(fa_readiness_filter_set(t, set, &ev, 1), 1);
	assert_true(ev.events & EPOLLERR);
	error_is_the_programs();
}

int main(void)
{
	const struct CMUnitTest resets_tests[] = {
		EVENTS_TEST(test_reset_found_by_a_read),
		EVENTS_TEST(test_reset_found_by_select),
		EVENTS_TEST(test_reset_found_by_epoll),
	};

	return cmocka_run_group_tests_name("resets", resets_tests, NULL, NULL);
}
