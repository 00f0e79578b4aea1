/* SPDX-License-Identifier: MIT
 *
 * One-shot registrations: one report each time that the program arms them, which
 * what is held may delay, but neither split nor repeat.
 */
#include "unit_events.h"

static uint32_t filter(uint32_t events)
{
	return events ? fa_readiness_filter(t, conn, events) : 0;
}

static void hold(int fd, unsigned held)
{
	assert_true(fa_readiness_hold(t, fd, held));
}

static void test_held_and_released(void **state)
{
	(void)state;
	adds(conn, EPOLLIN | EPOLLONESHOT);
	says("x");
	hold(conn, FA_HELD_IN);
	not_rearmed();
	assert_int_equal(filter(reported(conn)), 0);
	assert_int_equal(reported(conn), 0);
	fa_readiness_release(t, conn, FA_HELD_IN);
	rearmed(conn, EPOLLIN | EPOLLONESHOT);
	assert_int_equal(filter(reported(conn)), EPOLLIN);
	assert_int_equal(reported(conn), 0);
}

/* One report is all that it gives: nothing of it can wait. */
static void test_more_than_what_is_held(void **state)
{
	(void)state;
	adds(conn, EPOLLIN | EPOLLOUT | EPOLLONESHOT);
	hold(conn, FA_HELD_IN);
	registers(set, EPOLL_CTL_MOD, conn, EPOLLIN | EPOLLOUT | EPOLLONESHOT, 1);
	assert_int_equal(filter(EPOLLIN), 0);
	assert_int_equal(filter(EPOLLIN | EPOLLOUT), EPOLLIN | EPOLLOUT);
}

/* The program has been told all of it and has not armed it: nor may the release. */
static void test_told_in_whole(void **state)
{
	(void)state;
	adds(conn, EPOLLIN | EPOLLOUT | EPOLLONESHOT);
	hold(conn, FA_HELD_IN);
	says("x");
	assert_int_equal(filter(reported(conn)), EPOLLIN | EPOLLOUT);
	fa_readiness_release_all(t);
	assert_int_equal(reported(conn), 0);
}

/* Told of IN, the program sends, and only then arms it again. */
static void test_not_armed_by_a_release(void **state)
{
	(void)state;
	adds(conn, EPOLLIN | EPOLLONESHOT);
	says("x");
	assert_int_equal(filter(reported(conn)), EPOLLIN);
	hold(conn, FA_HELD_OUT);
	fa_readiness_release(t, conn, FA_HELD_OUT);
	assert_int_equal(reported(conn), 0);
}

/* The program arms it itself, while it is held and after. */
static void test_armed_by_the_program(void **state)
{
	(void)state;
	adds(conn, EPOLLIN | EPOLLONESHOT);
	says("x");
	assert_int_equal(filter(reported(conn)), EPOLLIN);
	hold(conn, FA_HELD_OUT);
	registers(set, EPOLL_CTL_MOD, conn, EPOLLOUT | EPOLLONESHOT, (uint64_t)conn);
	assert_int_equal(filter(reported(conn)), 0);
	assert_int_equal(reported(conn), 0);
	fa_readiness_release(t, conn, FA_HELD_OUT);
	assert_int_equal(filter(reported(conn)), EPOLLOUT);
	assert_int_equal(reported(conn), 0);
}

/* Held, swallowed, and armed again by the program: one report is due. */
static void test_armed_while_held(void **state)
{
	(void)state;
	adds(conn, EPOLLIN | EPOLLONESHOT);
	says("x");
	assert_int_equal(reported(conn), EPOLLIN);
	hold(conn, FA_HELD_IN);
	registers(set, EPOLL_CTL_MOD, conn, EPOLLIN | EPOLLONESHOT, (uint64_t)conn);
	assert_int_equal(filter(reported(conn)), 0);
	fa_readiness_release(t, conn, FA_HELD_IN);
	assert_int_equal(filter(reported(conn)), EPOLLIN);
	assert_int_equal(reported(conn), 0);
}

/* Kept once and told later: from then on it is the program's to arm again. */
static void test_kept_and_told(void **state)
{
	(void)state;
	adds(conn, EPOLLIN | EPOLLONESHOT);
	says("x");
	hold(conn, FA_HELD_IN);
	assert_int_equal(filter(reported(conn)), 0);
	fa_readiness_release(t, conn, FA_HELD_IN);
	assert_int_equal(filter(reported(conn)), EPOLLIN);
	hold(conn, FA_HELD_OUT);
	fa_readiness_release(t, conn, FA_HELD_OUT);
	assert_int_equal(reported(conn), 0);
}

/* Cut short, the program has room and knows: an event that it asks for comes. */
static void test_armed_after_a_short_count(void **state)
{
	(void)state;
	adds(conn, EPOLLOUT | EPOLLONESHOT);
	assert_int_equal(filter(reported(conn)), EPOLLOUT);
	hold(conn, FA_HELD_OUT);
	fa_readiness_release(t, conn, FA_HELD_OUT);
	registers(set, EPOLL_CTL_MOD, conn, EPOLLOUT | EPOLLONESHOT, (uint64_t)conn);
	assert_int_equal(filter(reported(conn)), EPOLLOUT);
}

static void test_hung_up(void **state)
{
	(void)state;
	adds(conn, EPOLLIN | EPOLLONESHOT);
	hold(conn, FA_HELD_IN);
	says("x");
	assert_int_equal(reported(conn), EPOLLIN); /* as if the peer had hung up */
	assert_int_equal(filter(EPOLLIN | EPOLLHUP), EPOLLIN | EPOLLHUP);
	assert_int_equal(t->h.held, 0);
	assert_int_equal(reported(conn), 0);
}

int main(void)
{
	const struct CMUnitTest one_shot_tests[] = {
		EVENTS_TEST(test_held_and_released),
		EVENTS_TEST(test_more_than_what_is_held),
		EVENTS_TEST(test_told_in_whole),
		EVENTS_TEST(test_not_armed_by_a_release),
		EVENTS_TEST(test_armed_by_the_program),
		EVENTS_TEST(test_armed_while_held),
		EVENTS_TEST(test_kept_and_told),
		EVENTS_TEST(test_armed_after_a_short_count),
		EVENTS_TEST(test_hung_up),
	};

	return cmocka_run_group_tests_name("one_shot", one_shot_tests, NULL, NULL);
}
