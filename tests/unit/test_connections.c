/* SPDX-License-Identifier: MIT
 *
 * Connections that are not as they were: read without an event, closed and their
 * number used again, or in the hands of a child.
 */
#include "unit_events.h"

static uint32_t filter(uint32_t events)
{
	return fa_readiness_filter(t, conn, events);
}

static struct fa_watch *watch(void)
{
	return &fa_watches[conn];
}

static void chains_end(void)
{
	for (int i = 0; i < 5; i++)
		fa_chain_sweep(t);
}

/* The program reads, and the library has nothing against it. */
static void may_read(void)
{
	assert_false(fa_recv_touch(conn));
	assert_int_equal(t->h.word, FA_T_READY);
}

static void is_put_off(void)
{
	assert_true(fa_recv_touch(conn));
	assert_int_equal(t->h.word, FA_T_READY);
	assert_int_equal(t->h.held, 1);
	assert_true(watch()->held & FA_HELD_IN);
}

/* ---- reads that no event announced ---- */

static void unannounced(uint32_t events)
{
	if (events)
		adds(conn, events);
	else
		watch()->flags = FA_WATCH_POLLED;
	learns();
	says(REQUEST);
	fake_ring.result[IORING_OP_STATX] = FAKE_PENDING;
}

static void test_put_off(void **state)
{
	(void)state;
	unannounced(EPOLLIN | EPOLLET);
	is_put_off();
	/* Submitted: the program may not wait for a while. */
	assert_int_equal(fake_ring_took(IORING_OP_STATX, NULL), 1);
	/* Again, and it is the same. */
	is_put_off();
	assert_int_equal(fake_ring_took(IORING_OP_STATX, NULL), 1);
	assert_int_equal(reported(conn), EPOLLIN); /* what came with the registration */
	assert_int_equal(reported(conn), 0);
	fake_ring_run(fake_ring_nth(IORING_OP_STATX, 0));
	chains_end();
	rearmed(conn, EPOLLIN | EPOLLET);
	assert_int_equal(filter(reported(conn)), EPOLLIN);
	may_read();
}

static void test_put_off_and_masked(void **state)
{
	(void)state;
	unannounced(EPOLLIN | EPOLLOUT);
	is_put_off();
	rearmed(conn, EPOLLOUT);
}

static void test_put_off_and_polled(void **state)
{
	(void)state;
	unannounced(0);
	is_put_off();
	not_rearmed();
}

/* It ends for one who only reads again and again, too. */
static void test_put_off_and_never_waits(void **state)
{
	(void)state;
	unannounced(EPOLLIN | EPOLLET);
	is_put_off();
	watch()->since = unit_ago(FA_HOLD_NS + 1000000);
	t->turned = 0;
	may_read();
	assert_int_equal(t->h.held, 0);
	assert_int_equal(t->h.n[FA_N_late], 1);
}

/* Who was told of an event may read once; what comes then nobody has announced. */
static void test_told(void **state)
{
	(void)state;
	unannounced(EPOLLIN);
	t->suspect = true;
	assert_int_equal(filter(EPOLLIN), EPOLLIN);
	t->suspect = false;
	assert_true(watch()->flags & FA_WATCH_TOLD);
	may_read();
	assert_false(watch()->flags & FA_WATCH_TOLD);
	is_put_off();
}

static void test_released_and_read_without_an_event(void **state)
{
	(void)state;
	unannounced(EPOLLIN | EPOLLET);
	is_put_off();
	fa_readiness_release_all(t);
	may_read();
	/* So the next event is not the released one. */
	assert_false(watch()->flags & FA_WATCH_PASS);
}

static void test_told_by_other_means(void **state)
{
	(void)state;
	unannounced(EPOLLIN);
	fa_recv_told(conn);
	may_read();
	is_put_off();
	fa_recv_told(-1);
	fa_recv_told(FA_FDS);
}

static void test_blocking_socket(void **state)
{
	(void)state;
	unannounced(EPOLLIN);
	fcntl(conn, F_SETFL, 0);
	may_read();
	assert_int_equal(t->h.held, 0);
	assert_int_equal(fake_ring.logged, 0);
}

/* The number is closed: that is for the kernel to say. */
static void test_closed_number(void **state)
{
	(void)state;
	unannounced(EPOLLIN);
	is_put_off();
	close(conn);
	may_read();
	conn = -1;
}

static void test_nothing_has_come(void **state)
{
	(void)state;
	adds(conn, EPOLLIN);
	learns();
	may_read();
	says("no request");
	may_read();
	assert_int_equal(t->h.held, 0);
}

static void test_kinds_that_are_not_put_off(void **state)
{
	static const uint8_t flags[] = { FA_WATCH_PLAIN, FA_WATCH_MULTI };

	(void)state;
	unannounced(EPOLLIN);
	for (unsigned i = 0; i < sizeof(flags); i++) {
		watch()->flags = flags[i];
		may_read();
	}
	registers(set, EPOLL_CTL_DEL, conn, 0, 0);
	registers(set, EPOLL_CTL_ADD, conn, EPOLLIN | EPOLLEXCLUSIVE, 1);
	may_read();
	assert_int_equal(t->h.held, 0);
}

static void test_no_room_to_put_off(void **state)
{
	(void)state;
	unannounced(EPOLLIN);
	for (unsigned i = 0; i < FA_HELD_MAX; i++)
		assert_true(fa_readiness_hold(t, 5000 + (int)i, FA_HELD_OUT));
	may_read();
	assert_false(watch()->flags & FA_WATCH_CHAIN);
}

static void test_while_busy(void **state)
{
	(void)state;
	unannounced(EPOLLIN);
	is_put_off();
	assert_true(fa_busy(t));
	assert_false(fa_recv_touch(conn));
	fa_ready(t);
	is_put_off();
}

/* A child that waits for the same set must not find it masked, should we end. */
static void test_inherited_set(void **state)
{
	(void)state;
	unannounced(EPOLLIN);
	fa_sets_inherited();
	may_read();
	assert_int_equal(t->h.held, 0);
	not_rearmed();
}

/* ---- accepted, and read before they are registered ---- */

static void accepted(void)
{
	learns();
	fa_accepted(conn);
	fake_ring.result[IORING_OP_STATX] = FAKE_PENDING;
	says(REQUEST);
	is_put_off();
	not_rearmed();
}

static void chain_of_it_ends(void)
{
	fake_ring_run(fake_ring_nth(IORING_OP_STATX, 0));
	chains_end();
	assert_int_equal(t->h.held, 0);
}

static void test_accepted(void **state)
{
	(void)state;
	accepted();
	adds(conn, EPOLLIN | EPOLLOUT);
	rearmed(conn, EPOLLOUT); /* it is held already */
	assert_int_equal(reported(conn), EPOLLOUT);
	chain_of_it_ends();
	rearmed(conn, EPOLLIN | EPOLLOUT);
	assert_int_equal(filter(reported(conn)), EPOLLIN | EPOLLOUT);
	may_read();
}

static void test_accepted_for_edges(void **state)
{
	(void)state;
	accepted();
	adds(conn, EPOLLIN | EPOLLET);
	assert_int_equal(filter(reported(conn)), 0);
	chain_of_it_ends();
	assert_int_equal(filter(reported(conn)), EPOLLIN);
	may_read();
}

/* Such a registration cannot be set anew: what it reports must not be held. */
static void test_accepted_for_one_of_many(void **state)
{
	uint32_t events;

	(void)state;
	accepted();
	registers(set, EPOLL_CTL_ADD, conn, EPOLLIN | EPOLLET | EPOLLEXCLUSIVE,
		  (uint64_t)conn);
	events = reported(conn);
	events = events ? filter(events) : 0;
	chain_of_it_ends();
	if (!events)
		assert_int_equal(filter(reported(conn)), EPOLLIN);
}

/* A child may wait for that set, too: it must not find it masked, should we end. */
static void test_accepted_for_a_set_of_a_child(void **state)
{
	(void)state;
	fa_sets_inherited();
	accepted();
	adds(conn, EPOLLIN);
	assert_int_equal(reported(conn), EPOLLIN);
	assert_int_equal(t->h.held, 0);
}

static void test_accepted_and_only_read(void **state)
{
	(void)state;
	accepted();
	chain_of_it_ends();
	may_read();
	hears();
	/* Nothing has come, and then what is no request. */
	may_read();
	says("x");
	may_read();
}

/* The number was another's, whose close nobody saw. */
static void test_accepted_on_a_used_number(void **state)
{
	(void)state;
	adds(conn, EPOLLIN | EPOLLET);
	watch()->flags = FA_WATCH_TOLD;
	assert_true(fa_readiness_hold(t, conn, FA_HELD_IN));
	fa_accepted(conn);
	assert_int_equal(t->h.held, 0);
	assert_int_equal(watch()->set, 0);
	ctls = 0;
	accepted();
}

static void test_accepted_while_all_is_hot(void **state)
{
	(void)state;
	unit_hot(seen.file.dev, FA_OPEN);
	fa_accepted(conn);
	fa_accepted(-1);
	fa_accepted(FA_FDS);
	assert_int_equal(watch()->flags, 0);
}

/* ---- whose chain it is ---- */

/* The connection was closed, and another one got its number and asks, too. */
static void test_chain_of_an_earlier_connection(void **state)
{
	const struct io_uring_sqe *first;
	int a, b;

	(void)state;
	learns();
	fake_ring.result[IORING_OP_STATX] = FAKE_PENDING;
	asks();
	first = fake_ring_nth(IORING_OP_STATX, 0);
	fa_forget_watch(conn);
	connects(&a, &b);
	assert_return_code(dup3(a, conn, O_CLOEXEC), errno);
	assert_return_code(dup3(b, peer, O_CLOEXEC), errno);
	fcntl(conn, F_SETFL, O_NONBLOCK);
	close(a);
	close(b);
	learns(); /* it listens elsewhere */
	asks();
	fake_ring_run(first);
	chains_end();
	assert_int_equal(t->h.held, 1);
	fake_ring_run(fake_ring_nth(IORING_OP_STATX, 1));
	chains_end();
	assert_int_equal(t->h.held, 0);
}

static void test_closed_while_held(void **state)
{
	(void)state;
	adds(conn, EPOLLIN);
	learns();
	fake_ring.result[IORING_OP_STATX] = FAKE_PENDING;
	asks();
	closes(conn);
	ctls = 0;
	fake_ring_run(fake_ring_nth(IORING_OP_STATX, 0));
	chains_end();
	assert_int_equal(t->h.held, 0);
	not_rearmed();
	conn = -1;
}

int main(void)
{
	const struct CMUnitTest connections_tests[] = {
		EVENTS_TEST(test_put_off),
		EVENTS_TEST(test_put_off_and_masked),
		EVENTS_TEST(test_put_off_and_polled),
		EVENTS_TEST(test_put_off_and_never_waits),
		EVENTS_TEST(test_told),
		EVENTS_TEST(test_released_and_read_without_an_event),
		EVENTS_TEST(test_told_by_other_means),
		EVENTS_TEST(test_blocking_socket),
		EVENTS_TEST(test_closed_number),
		EVENTS_TEST(test_nothing_has_come),
		EVENTS_TEST(test_kinds_that_are_not_put_off),
		EVENTS_TEST(test_no_room_to_put_off),
		EVENTS_TEST(test_while_busy),
		EVENTS_TEST(test_inherited_set),
		EVENTS_TEST(test_accepted),
		EVENTS_TEST(test_accepted_for_edges),
		EVENTS_TEST(test_accepted_for_one_of_many),
		EVENTS_TEST(test_accepted_for_a_set_of_a_child),
		EVENTS_TEST(test_accepted_and_only_read),
		EVENTS_TEST(test_accepted_on_a_used_number),
		EVENTS_TEST(test_accepted_while_all_is_hot),
		EVENTS_TEST(test_chain_of_an_earlier_connection),
		EVENTS_TEST(test_closed_while_held),
	};

	return cmocka_run_group_tests_name("connections", connections_tests, NULL, NULL);
}
