/* SPDX-License-Identifier: MIT
 *
 * Holding events and releasing them: what is asked of the kernel for each kind of
 * registration, the list of what is held, and the ends that a hold can come to.
 */
#include "unit_events.h"

#define ALL (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLPRI)

static uint32_t filter(uint32_t events)
{
	return fa_readiness_filter(t, conn, events);
}

static void hold(int fd, unsigned held)
{
	assert_true(fa_readiness_hold(t, fd, held));
}

/* The list and the entries agree. */
static void list_is(unsigned n)
{
	assert_int_equal(t->h.held, n);
	for (unsigned i = 0; i < n; i++) {
		const struct fa_watch *w = &fa_watches[t->held[i]];

		assert_true(w->held);
		assert_int_equal(w->at, i);
	}
}

/* ---- kinds of registrations ---- */

static void test_edge_triggered(void **state)
{
	(void)state;
	adds(conn, ALL | EPOLLET);
	hold(conn, FA_HELD_IN);
	not_rearmed(); /* it has been reported: the kernel is silent */
	assert_int_equal(t->h.n[FA_N_held], 1);
	fa_readiness_release(t, conn, FA_HELD_IN);
	rearmed(conn, ALL | EPOLLET);
}

static void test_level_triggered(void **state)
{
	(void)state;
	adds(conn, ALL);
	hold(conn, FA_HELD_IN);
	rearmed(conn, EPOLLOUT | EPOLLPRI);
	hold(conn, FA_HELD_OUT);
	rearmed(conn, EPOLLPRI);
	fa_readiness_release(t, conn, FA_HELD_IN);
	rearmed(conn, ALL & ~EPOLLOUT);
	list_is(1);
	fa_readiness_release(t, conn, FA_HELD_OUT);
	rearmed(conn, ALL);
	list_is(0);
}

static void test_other_names_of_the_bits(void **state)
{
	(void)state;
	adds(conn, EPOLLRDNORM | EPOLLWRNORM | EPOLLRDBAND);
	hold(conn, FA_HELD_IN | FA_HELD_OUT);
	rearmed(conn, EPOLLRDBAND);
}

static void test_nothing_to_mask(void **state)
{
	(void)state;
	adds(conn, EPOLLIN);
	hold(conn, FA_HELD_OUT);
	not_rearmed();
	fa_readiness_release(t, conn, FA_HELD_OUT);
	rearmed(conn, EPOLLIN);
}

static void test_polled(void **state)
{
	(void)state;
	fa_watches[conn].flags = FA_WATCH_POLLED;
	hold(conn, FA_HELD_IN | FA_HELD_OUT);
	list_is(1);
	assert_int_equal(filter(EPOLLIN | EPOLLOUT | EPOLLPRI), EPOLLPRI);
	fa_readiness_release(t, conn, FA_HELD_IN | FA_HELD_OUT);
	not_rearmed();
	list_is(0);
}

static void test_kernel_reports_again(void **state)
{
	(void)state;
	adds(conn, EPOLLIN | EPOLLET);
	says("x");
	assert_int_equal(reported(conn), EPOLLIN);
	assert_int_equal(reported(conn), 0);
	hold(conn, FA_HELD_IN);
	fa_readiness_release(t, conn, FA_HELD_IN);
	assert_int_equal(reported(conn), EPOLLIN);
	/* And nothing when it is not true any more. */
	hold(conn, FA_HELD_IN);
	hears();
	fa_readiness_release(t, conn, FA_HELD_IN);
	assert_int_equal(reported(conn), 0);
}

/* The program changes what is held: it is what the release sets. */
static void test_modified_while_held(void **state)
{
	(void)state;
	adds(conn, EPOLLIN);
	hold(conn, FA_HELD_IN);
	ctls = 0;
	registers(set, EPOLL_CTL_MOD, conn, EPOLLIN | EPOLLOUT, 77);
	rearmed(conn, EPOLLOUT); /* still masked */
	registers(set, EPOLL_CTL_MOD, conn, EPOLLIN | EPOLLET, 78);
	not_rearmed();
	/* The kernel reports it for that: it is held as before. */
	assert_int_equal(filter(EPOLLIN), 0);
	fa_readiness_release(t, conn, FA_HELD_IN);
	rearmed(conn, EPOLLIN | EPOLLET);
}

/* ---- the list ---- */

static void test_as_many_as_there_is_room(void **state)
{
	const int first = 5000;

	(void)state;
	for (unsigned i = 0; i < FA_HELD_MAX; i++)
		hold(first + (int)i, FA_HELD_IN);
	list_is(FA_HELD_MAX);
	assert_false(fa_readiness_hold(t, conn, FA_HELD_IN));
	assert_int_equal(fa_watches[conn].held, 0);
	/* One that is in the list already may have more held. */
	hold(first, FA_HELD_OUT);
	/* From the middle, from the end, from the start. */
	fa_readiness_release(t, first + 7, FA_HELD_IN);
	fa_forget_watch(first + 7);
	fa_readiness_release(t, first + (int)FA_HELD_MAX - 1, FA_HELD_IN);
	fa_readiness_release(t, first, FA_HELD_IN | FA_HELD_OUT);
	list_is(FA_HELD_MAX - 3);
	hold(conn, FA_HELD_IN);
	list_is(FA_HELD_MAX - 2);
	fa_readiness_release_all(t);
	list_is(0);
	for (unsigned i = 0; i < FA_HELD_MAX; i++)
		assert_int_equal(fa_watches[first + (int)i].held, 0);
	hold(conn, FA_HELD_IN);
	list_is(1);
}

static void test_held_twice(void **state)
{
	uint64_t since;

	(void)state;
	adds(conn, EPOLLIN | EPOLLET);
	hold(conn, FA_HELD_IN);
	since = fa_watches[conn].since;
	hold(conn, FA_HELD_IN);
	list_is(1);
	assert_true(fa_watches[conn].since == since);
	fa_readiness_release(t, conn, FA_HELD_IN);
	ctls = 0;
	/* There is nothing left to release. */
	fa_readiness_release(t, conn, FA_HELD_IN);
	fa_readiness_release(t, conn, FA_HELD_OUT);
	not_rearmed();
	list_is(0);
}

static void test_closed_while_held(void **state)
{
	(void)state;
	adds(peer, EPOLLIN | EPOLLET);
	adds(conn, EPOLLIN | EPOLLET);
	hold(peer, FA_HELD_IN);
	hold(conn, FA_HELD_IN);
	fa_forget_watch(peer);
	list_is(1);
	assert_int_equal(t->held[0], conn);
	ctls = 0;
	fa_readiness_release_all(t);
	rearmed(conn, EPOLLIN | EPOLLET);
}

/* Below a signal handler the list is left alone; the number is used again and held. */
static void forgotten_below_a_handler(int *before, int *behind)
{
	adds(conn, EPOLLIN | EPOLLET);
	hold(conn, FA_HELD_IN);
	*before = 5000;
	*behind = 5001;
	hold(*before, FA_HELD_IN);
	assert_true(fa_busy(t));
	fa_forget_watch(conn);
	fa_ready(t);
	assert_int_equal(t->h.held, 2);
	fa_watches[conn].set = (uint32_t)set + 1;
	fa_watches[conn].events = EPOLLIN | EPOLLET;
	hold(conn, FA_HELD_IN);
	hold(*behind, FA_HELD_IN);
	ctls = 0;
}

static void test_forgotten_below_a_handler(void **state)
{
	int before, behind;

	(void)state;
	forgotten_below_a_handler(&before, &behind);
	fa_readiness_release_all(t);
	assert_int_equal(t->h.held, 0);
	assert_int_equal(fa_watches[before].held | fa_watches[behind].held, 0);
	rearmed(conn, EPOLLIN | EPOLLET);
}

static void test_forgotten_and_released_one_by_one(void **state)
{
	int before, behind;

	(void)state;
	forgotten_below_a_handler(&before, &behind);
	fa_readiness_release(t, conn, FA_HELD_IN);
	rearmed(conn, EPOLLIN | EPOLLET);
	fa_readiness_release(t, before, FA_HELD_IN);
	fa_readiness_release(t, behind, FA_HELD_IN);
	/* What is left of it goes with the next look, and was not late. */
	fa_readiness_turn(t);
	assert_int_equal(t->h.held, 0);
	assert_int_equal(t->h.n[FA_N_late], 0);
	not_rearmed();
}

/* ---- its ends ---- */

static void test_late(void **state)
{
	(void)state;
	adds(conn, EPOLLIN | EPOLLET);
	adds(peer, EPOLLIN | EPOLLET);
	hold(conn, FA_HELD_IN);
	hold(peer, FA_HELD_IN);
	fa_watches[conn].since = unit_ago(FA_HOLD_NS + 1000000);
	fa_watches[peer].since = unit_ago(FA_HOLD_NS - 50000000);
	fa_readiness_turn(t);
	list_is(1);
	rearmed(conn, EPOLLIN | EPOLLET);
	assert_int_equal(t->h.n[FA_N_late], 1);
	/* The next event is the one that was released. */
	assert_int_equal(filter(EPOLLIN), EPOLLIN);
	/* Nothing is looked at again that soon. */
	fa_watches[peer].since = unit_ago(FA_HOLD_NS + 1000000);
	t->turned = fa_cycles();
	fa_readiness_turn(t);
	list_is(1);
	t->turned = unit_ago(5000000);
	fa_readiness_turn(t);
	list_is(0);
	assert_int_equal(t->h.n[FA_N_late], 2);
}

/* What was masked is missing in the report: the next one has all of it. */
static void test_hung_up(void **state)
{
	(void)state;
	adds(conn, EPOLLIN | EPOLLOUT);
	hold(conn, FA_HELD_IN);
	ctls = 0;
	assert_int_equal(filter(EPOLLHUP | EPOLLOUT), 0);
	list_is(0);
	rearmed(conn, EPOLLIN | EPOLLOUT);
	assert_int_equal(filter(EPOLLIN | EPOLLHUP | EPOLLOUT),
			 EPOLLIN | EPOLLHUP | EPOLLOUT);
	/* From now on nothing of it is held. */
	assert_false(fa_readiness_hold(t, conn, FA_HELD_IN));
}

/* An edge-triggered one masks nothing: this is all there is. */
static void test_edge_triggered_hung_up(void **state)
{
	(void)state;
	adds(conn, EPOLLIN | EPOLLET);
	hold(conn, FA_HELD_IN | FA_HELD_OUT);
	assert_int_equal(filter(EPOLLIN | EPOLLERR), EPOLLIN | EPOLLERR);
	list_is(0);
}

/* The peer resets while its event is held: the program hears of it in whole. */
static void test_reset_by_the_peer(void **state)
{
	struct linger now = { 1, 0 };
	struct epoll_event ev;
	int n = 0;

	(void)state;
	adds(conn, EPOLLIN);
	says("x");
	hold(conn, FA_HELD_IN);
	assert_int_equal(reported(conn), 0);
	setsockopt(peer, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(peer);
	for (int i = 0; i < 3 && !n; i++) {
		assert_int_equal(epoll_wait(set, &ev, 1, 5000), 1);
		n = fa_readiness_filter_set(t, set, &ev, 1);
	}
	assert_int_equal(n, 1);
	assert_int_equal(ev.events & (EPOLLIN | EPOLLHUP), EPOLLIN | EPOLLHUP);
	list_is(0);
	/* The registration is what the program has made it. */
	assert_true(reported(conn) & EPOLLIN);
}

static struct fa_thread other_thread;

static void test_threads_appear(void **state)
{
	(void)state;
	adds(conn, EPOLLIN);
	hold(conn, FA_HELD_IN);
	ctls = 0;
	memset(&other_thread, 0, sizeof(other_thread));
	other_thread.next = fa_process->threads;
	fa_process->threads = &other_thread;
	assert_false(fa_readiness_able(t));
	fa_readiness_turn(t);
	list_is(0);
	rearmed(conn, EPOLLIN);
	assert_int_equal(t->h.n[FA_N_late], 0);
}

static void test_ring_given_up(void **state)
{
	(void)state;
	adds(conn, EPOLLIN | EPOLLOUT);
	hold(conn, FA_HELD_IN | FA_HELD_OUT);
	ctls = 0;
	fa_thread_drop(t);
	list_is(0);
	rearmed(conn, EPOLLIN | EPOLLOUT);
}

/* Closed where nobody saw it: the kernel knows of no such registration. */
static void test_registration_is_gone(void **state)
{
	(void)state;
	adds(conn, EPOLLIN);
	fake_fail(SYS_epoll_ctl, -ENOENT);
	hold(conn, FA_HELD_IN);
	list_is(1);
	fa_readiness_release(t, conn, FA_HELD_IN);
	list_is(0);
	assert_int_equal(fa_watches[conn].held, 0);
	assert_int_equal(fake_calls(SYS_epoll_ctl), 2);
}

/* ---- what the program was told ---- */

static void test_released_event_passes(void **state)
{
	(void)state;
	learns();
	asks();
	fa_readiness_release(t, conn, FA_HELD_IN);
	assert_true(fa_watches[conn].flags & FA_WATCH_PASS);
	assert_false(fa_watches[conn].flags & FA_WATCH_CHAIN);
	assert_int_equal(filter(EPOLLIN), EPOLLIN);
	assert_false(fa_watches[conn].flags & FA_WATCH_PASS);
	/* It was one event: the next may be held again. */
	assert_int_equal(filter(EPOLLIN), 0);
}

static void test_out_passes_nothing(void **state)
{
	(void)state;
	learns();
	hold(conn, FA_HELD_OUT);
	fa_readiness_release(t, conn, FA_HELD_OUT);
	assert_false(fa_watches[conn].flags & FA_WATCH_PASS);
	asks();
}

int main(void)
{
	const struct CMUnitTest hold_tests[] = {
		EVENTS_TEST(test_edge_triggered),
		EVENTS_TEST(test_level_triggered),
		EVENTS_TEST(test_other_names_of_the_bits),
		EVENTS_TEST(test_nothing_to_mask),
		EVENTS_TEST(test_polled),
		EVENTS_TEST(test_kernel_reports_again),
		EVENTS_TEST(test_modified_while_held),
		EVENTS_TEST(test_as_many_as_there_is_room),
		EVENTS_TEST(test_held_twice),
		EVENTS_TEST(test_closed_while_held),
		EVENTS_TEST(test_forgotten_below_a_handler),
		EVENTS_TEST(test_forgotten_and_released_one_by_one),
		EVENTS_TEST(test_late),
		EVENTS_TEST(test_hung_up),
		EVENTS_TEST(test_edge_triggered_hung_up),
		EVENTS_TEST(test_reset_by_the_peer),
		EVENTS_TEST(test_threads_appear),
		EVENTS_TEST(test_ring_given_up),
		EVENTS_TEST(test_registration_is_gone),
		EVENTS_TEST(test_released_event_passes),
		EVENTS_TEST(test_out_passes_nothing),
	};

	return cmocka_run_group_tests_name("hold", hold_tests, NULL, NULL);
}
