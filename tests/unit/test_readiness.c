/* SPDX-License-Identifier: MIT
 *
 * What the program has registered: which descriptor an event belongs to, and what
 * of the table is left after closes, forks, execs and by children.
 */
#include "unit_events.h"

/* What the program gets when the kernel reports this. */
static uint32_t gets(int in, uint32_t events, uint64_t data)
{
	struct epoll_event ev = { .events = events, .data.u64 = data };
	int n = fa_readiness_filter_set(t, in, &ev, 1);

	if (n)
		assert_true(ev.data.u64 == data);
	return n ? ev.events : 0;
}

static void test_added(void **state)
{
	(void)state;
	registers(set, EPOLL_CTL_ADD, conn, EPOLLIN | EPOLLOUT | EPOLLET, 0x55aa);
	assert_int_equal(fa_watches[conn].set, set + 1);
	assert_int_equal(fa_watches[conn].events, EPOLLIN | EPOLLOUT | EPOLLET);
	assert_int_equal(gets(set, EPOLLIN, 0x55aa), EPOLLIN);
	assert_true(fa_readiness_hold(t, conn, FA_HELD_IN));
	assert_int_equal(gets(set, EPOLLIN, 0x55aa), 0);
	assert_int_equal(gets(set, EPOLLIN | EPOLLRDHUP | EPOLLOUT, 0x55aa), EPOLLOUT);
	/* Somebody else's. */
	assert_int_equal(gets(set, EPOLLIN, 0x55ab), EPOLLIN);
}

static void test_modified(void **state)
{
	(void)state;
	registers(set, EPOLL_CTL_ADD, conn, EPOLLIN | EPOLLET, 7);
	registers(set, EPOLL_CTL_MOD, conn, EPOLLIN | EPOLLOUT | EPOLLET, 8);
	fa_readiness_hold(t, conn, FA_HELD_IN);
	assert_int_equal(gets(set, EPOLLIN, 7), EPOLLIN);
	assert_int_equal(gets(set, EPOLLIN, 8), 0);
	fa_readiness_release(t, conn, FA_HELD_IN);
	rearmed(conn, EPOLLIN | EPOLLOUT | EPOLLET);
}

static void test_deleted(void **state)
{
	(void)state;
	adds(conn, EPOLLIN);
	fa_readiness_hold(t, conn, FA_HELD_IN);
	registers(set, EPOLL_CTL_DEL, conn, 0, 0);
	assert_int_equal(fa_watches[conn].set, 0);
	assert_int_equal(fa_watches[conn].held, 0);
	assert_int_equal(t->h.held, 0);
	assert_int_equal(gets(set, EPOLLIN, (uint64_t)conn), EPOLLIN);
}

static void test_same_data_in_two_sets(void **state)
{
	int other = new_set();

	(void)state;
	registers(set, EPOLL_CTL_ADD, conn, EPOLLIN, 5);
	registers(other, EPOLL_CTL_ADD, peer, EPOLLIN, 5);
	fa_readiness_hold(t, conn, FA_HELD_IN);
	assert_int_equal(gets(set, EPOLLIN, 5), 0);
	assert_int_equal(gets(other, EPOLLIN, 5), EPOLLIN);
	closes(other);
}

/* As programs do that point to their connections. */
static void test_thousand_pointers(void **state)
{
	const int first = 5000, n = 1000;
	int found = 0;

	(void)state;
	for (int i = 0; i < n; i++) {
		struct epoll_event ev = { .events = EPOLLIN | EPOLLET,
					  .data.u64 =
						  0x555500001000ULL + 232U * (unsigned)i };

		fa_registered(set, EPOLL_CTL_ADD, first + i, &ev);
	}
	for (int i = 0; i < n; i++) {
		fa_readiness_hold(t, first + i, FA_HELD_IN);
		found += !gets(set, EPOLLIN, 0x555500001000ULL + 232U * (unsigned)i);
		fa_readiness_release(t, first + i, FA_HELD_IN);
	}
	assert_in_range(found, n * 99 / 100, n);
}

static void test_set_that_nobody_saw_made(void **state)
{
	int other = epoll_create1(EPOLL_CLOEXEC);

	(void)state;
	registers(other, EPOLL_CTL_ADD, conn, EPOLLIN | EPOLLET, 5);
	fa_readiness_hold(t, conn, FA_HELD_IN);
	assert_int_equal(gets(other, EPOLLIN, 5), EPOLLIN);
	close(other);
}

/* Its number is taken by one that the library has not seen made. */
static void test_set_closed(void **state)
{
	int other = epoll_create1(EPOLL_CLOEXEC);

	(void)state;
	adds(conn, EPOLLIN | EPOLLET);
	fa_forget_watch(set);
	assert_return_code(dup3(other, set, O_CLOEXEC), errno);
	adds(conn, EPOLLIN | EPOLLET);
	fa_readiness_hold(t, conn, FA_HELD_IN);
	assert_int_equal(gets(set, EPOLLIN, (uint64_t)conn), EPOLLIN);
	close(other);
}

/* Nobody saw the close: the old registration is gone, and what was held with it. */
static void test_added_again_after_an_unseen_close(void **state)
{
	int another = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	adds(conn, EPOLLIN);
	fa_readiness_hold(t, conn, FA_HELD_IN);
	fa_watches[conn].flags = FA_WATCH_PLAIN | FA_WATCH_CHAIN;
	assert_return_code(dup3(another, conn, O_CLOEXEC), errno);
	close(another);
	ctls = 0;
	adds(conn, EPOLLIN | EPOLLOUT);
	assert_int_equal(fa_watches[conn].held, 0);
	assert_int_equal(fa_watches[conn].flags, 0);
	assert_int_equal(fa_watches[conn].events, EPOLLIN | EPOLLOUT);
	assert_int_equal(t->h.held, 0);
	not_rearmed();
}

static void test_in_two_sets(void **state)
{
	int other = new_set();

	(void)state;
	adds(conn, EPOLLIN);
	registers(other, EPOLL_CTL_ADD, conn, EPOLLIN, 9);
	assert_true(fa_watches[conn].flags & FA_WATCH_MULTI);
	/* The change of one of them does not make it less. */
	registers(set, EPOLL_CTL_MOD, conn, EPOLLIN | EPOLLET, 10);
	assert_true(fa_watches[conn].flags & FA_WATCH_MULTI);
	/* Taken out of one, nothing is known of the other: what it reports passes. */
	registers(other, EPOLL_CTL_DEL, conn, 0, 0);
	assert_int_equal(gets(set, EPOLLIN, 10), EPOLLIN);
	/* Nobody counts in how many sets it still is: it stays so until it is closed. */
	registers(set, EPOLL_CTL_DEL, conn, 0, 0);
	adds(conn, EPOLLIN);
	assert_true(fa_watches[conn].flags & FA_WATCH_MULTI);
	registers(set, EPOLL_CTL_DEL, conn, 0, 0);
	fa_forget_watch(conn);
	adds(conn, EPOLLIN);
	assert_false(fa_watches[conn].flags & FA_WATCH_MULTI);
	closes(other);
}

/* What the first set has reported comes back there. */
static void added_elsewhere_while_held(uint32_t events)
{
	int other = new_set();

	adds(conn, events);
	says("x");
	assert_int_equal(reported(conn), EPOLLIN);
	fa_readiness_hold(t, conn, FA_HELD_IN);
	registers(other, EPOLL_CTL_ADD, conn, EPOLLIN, 9);
	assert_int_equal(t->h.held, 0);
	assert_int_equal(reported(conn), EPOLLIN);
	closes(other);
}

static void test_added_elsewhere_while_held(void **state)
{
	(void)state;
	added_elsewhere_while_held(EPOLLIN | EPOLLET);
}

static void test_added_elsewhere_while_masked(void **state)
{
	(void)state;
	added_elsewhere_while_held(EPOLLIN);
}

static void test_a_set_in_a_set(void **state)
{
	int inner = new_set();

	(void)state;
	adds(inner, EPOLLIN);
	assert_int_equal(fa_watches[inner].set, set + 1);
	/* It is a set all the same. */
	registers(inner, EPOLL_CTL_ADD, conn, EPOLLIN | EPOLLET, 3);
	fa_readiness_hold(t, conn, FA_HELD_IN);
	assert_int_equal(gets(inner, EPOLLIN, 3), 0);
	/* And no connection. */
	assert_int_equal(gets(set, EPOLLIN, (uint64_t)inner), EPOLLIN);
	assert_true(fa_watches[inner].flags & FA_WATCH_PLAIN);
	closes(inner);
}

static void test_numbers_out_of_range(void **state)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = 1 };

	(void)state;
	fa_registered(set, EPOLL_CTL_ADD, FA_FDS, &ev);
	fa_registered(set, EPOLL_CTL_ADD, INT32_MAX, &ev);
	fa_registered(set, EPOLL_CTL_ADD, -1, &ev);
	fa_set_made(FA_FDS);
	fa_set_made(-1);
	fa_forget_watch(FA_FDS);
	fa_forget_watch(-1);
	assert_false(fa_recv_touch(FA_FDS));
	assert_false(fa_recv_touch(-1));
	assert_int_equal(gets(set, EPOLLIN, 1), EPOLLIN);
	assert_int_equal(gets(FA_FDS, EPOLLIN, 1), EPOLLIN);
	assert_int_equal(gets(-1, EPOLLIN, 1), EPOLLIN);
	/* Of what is in a set that is, nothing is held. */
	fa_registered(FA_FDS, EPOLL_CTL_ADD, conn, &ev);
	assert_false(fa_readiness_hold(t, conn, FA_HELD_IN));
	assert_int_equal(gets(FA_FDS, EPOLLIN, 1), EPOLLIN);
	/* The last one that is not. */
	fa_registered(set, EPOLL_CTL_ADD, FA_FDS - 1, &ev);
	fa_readiness_hold(t, FA_FDS - 1, FA_HELD_IN);
	assert_int_equal(gets(set, EPOLLIN, 1), 0);
	fa_forget_watch(FA_FDS - 1);
	assert_int_equal(t->h.held, 0);
}

static void test_library_off(void **state)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = 1 };

	(void)state;
	fa_off = true;
	fa_registered(set, EPOLL_CTL_ADD, conn, &ev);
	fa_set_made(peer);
	assert_int_equal(fa_watches[conn].set, 0);
	assert_int_equal(fa_watches[peer].born, 0);
	assert_true(fa_pass_wait());
	assert_false(fa_recv_touch(conn));
}

/* ---- what comes of it in others ---- */

/* A child gets the set: from now on nothing of it is held, and nothing stays so. */
static void test_inherited(void **state)
{
	int later;

	(void)state;
	adds(conn, EPOLLIN);
	fa_readiness_hold(t, conn, FA_HELD_IN);
	ctls = 0;
	fa_sets_inherited();
	rearmed(conn, EPOLLIN);
	assert_int_equal(t->h.held, 0);
	assert_int_equal(t->h.word, FA_T_READY);
	fa_readiness_hold(t, conn, FA_HELD_IN);
	assert_int_equal(gets(set, EPOLLIN, (uint64_t)conn), EPOLLIN);
	/* The child of the next fork gets this one, too; of the last one none. */
	later = new_set();
	registers(later, EPOLL_CTL_ADD, peer, EPOLLIN, 4);
	fa_readiness_hold(t, peer, FA_HELD_IN);
	assert_int_equal(gets(later, EPOLLIN, 4), 0);
	closes(later);
}

static bool child_knows_nothing(void)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = 5 };

	t = fa_thread_of(fa_enter());
	CHECK(t);
	CHECK(!t->h.held);
	CHECK(!fa_watches[conn].set && !fa_watches[conn].held);
	CHECK(fa_readiness_filter_set(t, set, &ev, 1) == 1);
	/* What it makes itself is its own. */
	set = epoll_create1(EPOLL_CLOEXEC);
	fa_set_made(set);
	fa_registered(set, EPOLL_CTL_ADD, conn, &ev);
	CHECK(fa_readiness_hold(t, conn, FA_HELD_IN));
	CHECK(fa_readiness_filter_set(t, set, &ev, 1) == 0);
	return true;
}

static void test_in_the_child(void **state)
{
	(void)state;
	registers(set, EPOLL_CTL_ADD, conn, EPOLLIN | EPOLLET, 5);
	fa_readiness_hold(t, conn, FA_HELD_IN);
	assert_true(unit_child(child_knows_nothing));
	assert_int_equal(fa_watches[conn].held, FA_HELD_IN);
}

/* Its program does not know either. */
static void test_exec(void **state)
{
	(void)state;
	adds(conn, EPOLLIN | EPOLLOUT);
	fa_readiness_hold(t, conn, FA_HELD_IN | FA_HELD_OUT);
	ctls = 0;
	fa_exec_coming();
	rearmed(conn, EPOLLIN | EPOLLOUT);
	assert_int_equal(t->h.word, FA_T_READY);
	/* It may fail: the set is still this process's alone. */
	fa_readiness_hold(t, conn, FA_HELD_IN);
	assert_int_equal(gets(set, EPOLLIN, (uint64_t)conn), 0);
}

static long other_tid(long a, long b, long c, long d, long e, long f)
{
	(void)a, (void)b, (void)c, (void)d, (void)e, (void)f;
	return 1;
}

/* It runs on our memory, and closes, registers and executes what is its own. */
static void test_child_of_a_vfork(void **state)
{
	struct epoll_event ev = { .events = EPOLLOUT, .data.u64 = 6 };

	(void)state;
	registers(set, EPOLL_CTL_ADD, conn, EPOLLIN, 5);
	fa_readiness_hold(t, conn, FA_HELD_IN);
	ctls = 0;
	fa_storage_shared(true);
	fake_hook(SYS_gettid, other_tid);
	fa_registered(set, EPOLL_CTL_MOD, conn, &ev);
	fa_registered(set, EPOLL_CTL_DEL, conn, NULL);
	fa_set_made(peer);
	fa_forget_watch(conn);
	fa_forget_watch(set);
	fa_forget_fds(3, UINT32_MAX);
	fa_exec_coming();
	fa_sets_inherited();
	assert_false(fa_recv_touch(conn));
	fake_hook(SYS_gettid, NULL);
	assert_non_null(fa_enter());
	not_rearmed();
	assert_int_equal(fa_watches[peer].born, 0);
	assert_int_equal(fa_watches[conn].events, EPOLLIN);
	assert_int_equal(t->h.held, 1);
	assert_int_equal(gets(set, EPOLLIN, 5), 0);
}

/* The parent runs again before its first call that would tell. */
static void test_closed_after_a_vfork(void **state)
{
	(void)state;
	adds(conn, EPOLLIN | EPOLLET);
	fa_readiness_hold(t, conn, FA_HELD_IN);
	fa_storage_shared(true);
	fa_forget_watch(conn);
	assert_int_equal(fa_watches[conn].set, 0);
	assert_non_null(fa_enter());
	fa_readiness_release_all(t);
	assert_int_equal(t->h.held, 0);
	not_rearmed();
}

/* What a signal handler registers counts, and what it closes leaves the list alone. */
static void test_below_a_handler(void **state)
{
	(void)state;
	adds(peer, EPOLLIN | EPOLLET);
	fa_readiness_hold(t, peer, FA_HELD_IN);
	assert_true(fa_busy(t));
	adds(conn, EPOLLIN);
	fa_forget_watch(peer);
	assert_int_equal(t->h.held, 1);
	fa_ready(t);
	assert_int_equal(fa_watches[conn].set, set + 1);
	assert_int_equal(fa_watches[peer].set, 0);
	fa_readiness_release_all(t);
	assert_int_equal(t->h.held, 0);
	not_rearmed();
}

int main(void)
{
	const struct CMUnitTest readiness_tests[] = {
		EVENTS_TEST(test_added),
		EVENTS_TEST(test_modified),
		EVENTS_TEST(test_deleted),
		EVENTS_TEST(test_same_data_in_two_sets),
		EVENTS_TEST(test_thousand_pointers),
		EVENTS_TEST(test_set_that_nobody_saw_made),
		EVENTS_TEST(test_set_closed),
		EVENTS_TEST(test_added_again_after_an_unseen_close),
		EVENTS_TEST(test_in_two_sets),
		EVENTS_TEST(test_added_elsewhere_while_held),
		EVENTS_TEST(test_added_elsewhere_while_masked),
		EVENTS_TEST(test_a_set_in_a_set),
		EVENTS_TEST(test_numbers_out_of_range),
		EVENTS_TEST(test_library_off),
		EVENTS_TEST(test_inherited),
		EVENTS_TEST(test_in_the_child),
		EVENTS_TEST(test_exec),
		EVENTS_TEST(test_child_of_a_vfork),
		EVENTS_TEST(test_closed_after_a_vfork),
		EVENTS_TEST(test_below_a_handler),
	};

	return cmocka_run_group_tests_name("readiness", readiness_tests, NULL, NULL);
}
