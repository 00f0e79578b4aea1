/* SPDX-License-Identifier: MIT
 *
 * Lookahead by request: which connections are looked at, which events are held for
 * what they say, and which never are.
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

/* It has come, and goes to the program as if the library were not there. */
static void passes(uint32_t events)
{
	unsigned logged = fake_ring.logged;

	assert_int_equal(filter(events), events);
	if (t->ring.prepared)
		fa_ring_submit(t);
	assert_int_equal(fake_ring.logged, logged);
	assert_int_equal(t->h.held, 0);
	assert_false(watch()->flags & FA_WATCH_CHAIN);
}

static void chains_end(void)
{
	for (int i = 0; i < 5; i++)
		fa_chain_sweep(t);
}

/* ---- from the request to the open ---- */

static void test_learned_and_held(void **state)
{
	const struct io_uring_sqe *sqe = NULL;
	int fd;

	(void)state;
	adds(conn, EPOLLIN | EPOLLET);
	learns();
	assert_int_equal(t->h.n[FA_N_hits], 0);
	unit_cold(seen.file.dev, FA_REOPEN);
	asks();
	assert_int_equal(t->h.n[FA_N_held], 1);
	assert_true(watch()->flags & FA_WATCH_CHAIN);
	assert_int_equal(t->ahead->chain[0].conn, conn);
	assert_int_equal(fake_ring_took(IORING_OP_STATX, &sqe), 1);
	assert_string_equal((char *)(uintptr_t)sqe->addr, file);
	chains_end();
	/* Open, read, and now the program may know. */
	rearmed(conn, EPOLLIN | EPOLLET);
	assert_int_equal(t->h.held, 0);
	assert_int_equal(t->ahead->chain[0].conn, -1);
	assert_int_equal(filter(reported(conn)), EPOLLIN);
	hears();
	fd = chain_adopt(O_RDONLY);
	assert_true(fd >= 0);
	fa_ahead_opened(t, file, O_RDONLY, SITE);
	assert_int_equal(t->h.n[FA_N_hits], 1);
	assert_int_equal(t->h.n[FA_N_misses], 0);
	close(fd);
}

static void test_something_else_is_opened(void **state)
{
	char other[280];

	(void)state;
	learns();
	asks();
	chains_end();
	snprintf(other, sizeof(other), "/elsewhere/f");
	fa_ahead_opened(t, other, O_RDONLY, SITE);
	assert_int_equal(t->h.n[FA_N_hits], 0);
	assert_int_equal(t->h.n[FA_N_misses], 1);
}

/* Bytes that cannot be foretold make no chain, and are learned from. */
static void test_unknown_request(void **state)
{
	(void)state;
	learns();
	says("GET /f HTTP/1.1\r\nHost: other\r\n\r\nmore");
	hears();
	says("PUT /f HTTP/1.1\r\nHost: a\r\n\r\n");
	passes(EPOLLIN);
	assert_true(watch()->flags & FA_WATCH_TOLD);
}

static void test_half_a_request(void **state)
{
	(void)state;
	learns();
	says("GET /");
	passes(EPOLLIN);
	/* Whole by the next event. */
	says("f HTTP/1.1\r\nHost: a\r\n\r\n");
	assert_int_equal(filter(EPOLLIN), 0);
}

static void test_paths_of_no_use(void **state)
{
	(void)state;
	/* Before anything was looked at there is nothing to learn with. */
	fa_ahead_opened(t, file, O_RDONLY, SITE);
	learns();
	says(REQUEST);
	t->suspect = true;
	passes(EPOLLIN);
	fa_ahead_opened(t, "f", O_RDONLY, SITE);
	fa_ahead_opened(t, "", O_RDONLY, SITE);
	assert_int_equal(t->h.n[FA_N_hits] + t->h.n[FA_N_misses], 0);
}

/* The file is opened in a way that no chain may open it. */
static void test_flags_of_the_open(void **state)
{
	(void)state;
	learns();
	for (int i = 0; i < 2; i++) {
		says(REQUEST);
		t->suspect = true;
		filter(EPOLLIN);
		hears();
		fa_ahead_opened(t, file, O_RDWR, SITE);
	}
	says(REQUEST);
	t->suspect = false;
	passes(EPOLLIN);
}

/* ---- what is not looked at ---- */

static void not_looked_at(int fd)
{
	uint64_t peeks = t->h.n[FA_N_peeks];

	for (int i = 0; i < 3; i++)
		assert_int_equal(fa_readiness_filter(t, fd, EPOLLIN), EPOLLIN);
	assert_true(fa_watches[fd].flags & FA_WATCH_PLAIN);
	assert_in_range(t->h.n[FA_N_peeks], peeks, peeks + 1);
}

static void test_no_connections(void **state)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	int pipes[2], pair[2], l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	assert_return_code(pipe(pipes), errno);
	assert_return_code(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), errno);
	assert_return_code(bind(l, (struct sockaddr *)&at, sizeof(at)), errno);
	assert_return_code(listen(l, 1), errno);
	not_looked_at(pipes[0]);
	not_looked_at(pair[0]);
	not_looked_at(l);
	not_looked_at(set);
	not_looked_at(open(file, O_RDONLY | O_CLOEXEC));
	close(pipes[0]);
	close(pipes[1]);
	close(pair[0]);
	close(pair[1]);
	close(l);
}

/* TLS and the like: a few times are enough. */
static void test_unreadable(void **state)
{
	(void)state;
	says("\x16\x03\x01\x02");
	for (int i = 0; i < 3; i++)
		passes(EPOLLIN);
	assert_false(watch()->flags & FA_WATCH_PLAIN);
	passes(EPOLLIN);
	assert_true(watch()->flags & FA_WATCH_PLAIN);
	passes(EPOLLIN);
	assert_int_equal(t->h.n[FA_N_peeks], 4);
}

static void test_a_request_among_other_bytes(void **state)
{
	(void)state;
	for (int i = 0; i < 10; i++) {
		says(i & 1 ? REQUEST : "body");
		passes(EPOLLIN);
		hears();
	}
	assert_false(watch()->flags & FA_WATCH_PLAIN);
}

static void test_while_all_is_hot(void **state)
{
	(void)state;
	learns();
	unit_hot(seen.file.dev, FA_OPEN);
	says(REQUEST);
	passes(EPOLLIN);
	assert_int_equal(t->h.n[FA_N_peeks], 4); /* those that taught it */
}

static void test_on_a_hot_file_system(void **state)
{
	(void)state;
	learns();
	unit_hot(seen.file.dev, FA_OPEN);
	unit_cold(seen.file.dev + 1, FA_OPEN);
	fa_place_note(file, seen.file.dev);
	fa_place_note(file, seen.file.dev);
	says(REQUEST);
	passes(EPOLLIN);
	/* Where nothing is known of the place, its statx will tell. */
	hears();
	memset(fa_hints->place, 0, sizeof(fa_hints->place));
	asks();
	chains_end();
	assert_int_equal(t->h.held, 0);
	assert_int_equal(fake_ring_took(IORING_OP_OPENAT, NULL), 0);
}

static void test_now_and_then_one_runs_plain(void **state)
{
	unsigned plain = 0, rounds = 64;

	(void)state;
	learns();
	t->probed = unit_ago(10000000000);
	for (unsigned i = 0; i < rounds; i++) {
		says(REQUEST);
		plain += filter(EPOLLIN) != 0;
		chains_end();
		fa_readiness_release_all(t);
		watch()->flags = 0;
		hears();
		/* Chains of this fake are fast. */
		t->suspect = false;
		unit_cold(seen.file.dev, FA_OPEN);
	}
	/* Time was over once, and not again so soon. */
	assert_int_equal(plain, 1);
	assert_true(t->probing);
	/* Suspicion is enough for one. */
	t->suspect = true;
	says(REQUEST);
	passes(EPOLLIN);
	assert_false(t->suspect);
}

/* Nobody asks for files: most connections are left alone. */
static void test_of_no_use(void **state)
{
	uint64_t peeks;

	(void)state;
	says("GET /other HTTP/1.1\r\nHost: a\r\n\r\n");
	for (int i = 0; i < 300; i++)
		passes(EPOLLIN);
	peeks = t->h.n[FA_N_peeks];
	for (int i = 0; i < 160; i++)
		passes(EPOLLIN);
	assert_in_range(t->h.n[FA_N_peeks] - peeks, 9, 11);
}

/* ---- events that are never held ---- */

static void test_kinds_that_are_not_held(void **state)
{
	(void)state;
	learns();
	says(REQUEST);
	passes(EPOLLIN | EPOLLPRI);
	passes(EPOLLOUT);
	passes(EPOLLRDHUP);
	/* One report is all that this registration gives. */
	registers(set, EPOLL_CTL_ADD, conn, EPOLLIN | EPOLLOUT | EPOLLONESHOT, 1);
	passes(EPOLLIN | EPOLLOUT);
	registers(set, EPOLL_CTL_DEL, conn, 0, 0);
	/* It cannot be set anew. */
	registers(set, EPOLL_CTL_ADD, conn, EPOLLIN | EPOLLEXCLUSIVE, 1);
	passes(EPOLLIN);
	registers(set, EPOLL_CTL_DEL, conn, 0, 0);
	/* But for those it would have been. */
	adds(conn, EPOLLIN | EPOLLONESHOT);
	assert_int_equal(filter(EPOLLIN), 0);
}

/* It goes to the program in whole: there will be no other report of it. */
static void test_request_and_the_end(void **state)
{
	(void)state;
	learns();
	says(REQUEST);
	passes(EPOLLIN | EPOLLRDHUP | EPOLLHUP);
}

static void test_request_and_an_error(void **state)
{
	(void)state;
	learns();
	says(REQUEST);
	passes(EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR);
}

/* The peer has sent all that it will: it waits for the answer. */
static void test_request_and_half_the_end(void **state)
{
	(void)state;
	adds(conn, EPOLLIN | EPOLLRDHUP);
	learns();
	says(REQUEST);
	shutdown(peer, SHUT_WR);
	assert_int_equal(filter(reported(conn)), 0);
	fa_readiness_release(t, conn, FA_HELD_IN);
	assert_int_equal(reported(conn), EPOLLIN | EPOLLRDHUP);
}

static void test_in_two_sets(void **state)
{
	int other = new_set();

	(void)state;
	learns();
	adds(conn, EPOLLIN);
	registers(other, EPOLL_CTL_ADD, conn, EPOLLIN, 9);
	says(REQUEST);
	passes(EPOLLIN);
	closes(other);
}

/* Events of two descriptors that cannot be told apart. */
static void test_same_data_twice_in_a_set(void **state)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = 1 };
	int pipes[2];

	(void)state;
	learns();
	assert_return_code(pipe(pipes), errno);
	registers(set, EPOLL_CTL_ADD, pipes[0], EPOLLIN | EPOLLET, 1);
	registers(set, EPOLL_CTL_ADD, conn, EPOLLIN | EPOLLET, 1);
	says(REQUEST);
	/* It may be the pipe's. */
	assert_int_equal(fa_readiness_filter_set(t, set, &ev, 1), 1);
	assert_int_equal(ev.events, EPOLLIN);
	closes(pipes[0]);
	close(pipes[1]);
}

static void test_no_room_to_hold(void **state)
{
	(void)state;
	learns();
	for (unsigned i = 0; i < FA_HELD_MAX; i++)
		assert_true(fa_readiness_hold(t, 5000 + (int)i, FA_HELD_OUT));
	says(REQUEST);
	assert_int_equal(filter(EPOLLIN), EPOLLIN);
	assert_false(watch()->flags & FA_WATCH_CHAIN);
	fa_ring_submit(t);
	chains_end();
	assert_int_equal(t->h.held, FA_HELD_MAX);
}

/* Nothing that could be opened: the program finds that out, at once. */
static void test_file_is_not_there(void **state)
{
	(void)state;
	learns();
	unlink(file);
	asks();
	chains_end();
	assert_int_equal(t->h.held, 0);
	assert_int_equal(t->ahead->chain[0].state, FA_CHAIN_FAILED);
	assert_int_equal(filter(EPOLLIN), EPOLLIN);
	assert_int_equal(t->h.n[FA_N_misses], 0);
}

/* However many ask for it: that is no fault of what has been learned. */
static void test_flood_for_what_is_not_there(void **state)
{
	(void)state;
	learns();
	unlink(file);
	for (unsigned i = 0; i < FA_REQUESTS + 10; i++) {
		watch()->flags = 0;
		asks();
		chains_end();
		assert_int_equal(t->h.held, 0);
		hears();
		t->unprobed = 0;
		fa_chain_drop_all(t);
	}
	fa_ahead_opened(t, "/elsewhere/g", O_RDONLY, SITE);
	assert_int_equal(t->h.n[FA_N_misses], 0);
	watch()->flags = 0;
	asks();
}

static void test_no_table(void **state)
{
	(void)state;
	assert_true(fa_readiness_able(t));
	fake_fail(SYS_mmap, -ENOMEM);
	says(REQUEST);
	passes(EPOLLIN);
	assert_int_equal(t->h.n[FA_N_peeks], 0);
}

int main(void)
{
	const struct CMUnitTest ahead_tests[] = {
		EVENTS_TEST(test_learned_and_held),
		EVENTS_TEST(test_something_else_is_opened),
		EVENTS_TEST(test_unknown_request),
		EVENTS_TEST(test_half_a_request),
		EVENTS_TEST(test_paths_of_no_use),
		EVENTS_TEST(test_flags_of_the_open),
		EVENTS_TEST(test_no_connections),
		EVENTS_TEST(test_unreadable),
		EVENTS_TEST(test_a_request_among_other_bytes),
		EVENTS_TEST(test_while_all_is_hot),
		EVENTS_TEST(test_on_a_hot_file_system),
		EVENTS_TEST(test_now_and_then_one_runs_plain),
		EVENTS_TEST(test_of_no_use),
		EVENTS_TEST(test_kinds_that_are_not_held),
		EVENTS_TEST(test_request_and_the_end),
		EVENTS_TEST(test_request_and_an_error),
		EVENTS_TEST(test_request_and_half_the_end),
		EVENTS_TEST(test_in_two_sets),
		EVENTS_TEST(test_same_data_twice_in_a_set),
		EVENTS_TEST(test_no_room_to_hold),
		EVENTS_TEST(test_file_is_not_there),
		EVENTS_TEST(test_flood_for_what_is_not_there),
		EVENTS_TEST(test_no_table),
	};

	return cmocka_run_group_tests_name("ahead", ahead_tests, NULL, NULL);
}
