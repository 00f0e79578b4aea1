/* SPDX-License-Identifier: MIT
 *
 * A connection whose peer makes no room: the rest of what was promised stays on its way,
 * and who needs it sent waits for it, and nobody else does.
 */
#include "unit_promise.h"

static unsigned drained; /* times that the peer has read it while the program waited */

static void drains(void)
{
	drained++;
	gets_file(peer, 0, STUFF);
}

static int flight_setup(void **state)
{
	promise_setup(state);
	drained = 0;
	waits(drains);
	return 0;
}

#define FLIGHT_TEST(name) \
	cmocka_unit_test_setup_teardown(name, flight_setup, promise_teardown)

/* ---- the rest ---- */

static void test_on_its_way(void **state)
{
	int other = connects(0), file;

	(void)state;
	stuffs(conn);
	assert_int_equal(took(IORING_OP_SEND), 1);
	/* Nobody else minds. */
	file = opens(name);
	answers(other, file);
	assert_int_equal(closes(file), 0);
	fa_touch();
	gets_answer(peer_of(other));
	assert_true(is_on_its_way());
	assert_int_equal(fa_unsent(t, other), 0);
	gets_file(peer, 0, STUFF);
	gets_nothing(peer);
	fake_ring_retry();
	fa_ring_reap(t);
	assert_int_equal(t->h.promise, 0);
	assert_int_equal(fa_unsent(t, conn), 0);
	assert_int_equal(drained, 0);
}

/* The program's next bytes for it come behind, whether promised or not. */
static void test_next_send(void **state)
{
	(void)state;
	stuffs(conn);
	assert_int_equal(sends(conn, "next", 4, 0), 4);
	assert_int_equal(promised(), 2);
	assert_int_equal(drained, 1);
	assert_false(is_on_its_way());
	gets_text(peer, "next");
}

static void test_next_promises(void **state)
{
	int one, two;

	(void)state;
	stuffs(conn);
	one = opens(name);
	answers(conn, one);
	assert_int_equal(closes(one), 0);
	fa_touch();
	/* Its file has been read and closed, but its bytes have to wait. */
	assert_int_equal(fcntl(one, F_GETFD), -1);
	assert_int_equal(took(IORING_OP_SEND), 1);
	two = opens(name);
	answers(conn, two);
	assert_int_equal(closes(two), 0);
	fa_touch();
	assert_int_equal(took(IORING_OP_SEND), 1);
	assert_int_equal(fa_unsent(t, conn), STUFF + 2 * (HEAD + SIZE));
	drains();
	fa_ring_reap(t);
	assert_int_equal(took(IORING_OP_SEND), 3);
	gets_answer(peer);
	gets_answer(peer);
	assert_false(is_on_its_way());
}

/* No more than a mebibyte of a connection is unsent. */
static void test_too_much(void **state)
{
	int file = opens(large);

	(void)state;
	stuffs(conn);
	assert_int_equal(sends_file(conn, file, NULL, STUFF), STUFF);
	assert_int_equal(drained, 0);
	assert_int_equal(fa_unsent(t, conn), 2 * STUFF);
	assert_return_code(fcntl(conn, F_SETFL, O_NONBLOCK), errno);
	assert_true(sends_file(conn, file, &(off_t){ 0 }, STUFF) > 0);
	assert_in_range(drained, 1, 2);
	assert_false(is_on_its_way());
	closes(file);
}

/* ---- closes ---- */

static void hangs_up(int fd)
{
	assert_int_equal(closes(fd), 0);
	for (unsigned i = 0; i < connected; i++)
		if (conns[i] == fd)
			conns[i] = -1;
}

/* It need not wait: what was promised goes on without the number. */
static void test_closed(void **state)
{
	struct sockaddr_in at;
	socklen_t len = sizeof(at);
	int file, theirs = peer;

	(void)state;
	stuffs(conn);
	assert_return_code(getsockname(listener, (void *)&at, &len), errno);
	peers[connected] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_return_code(connect(peers[connected], (void *)&at, len), errno);
	hangs_up(conn);
	assert_int_equal(fcntl(conn, F_GETFD), -1);
	assert_true(is_on_its_way());
	assert_int_equal(fa_unsent(t, conn), 0);
	assert_int_equal(fa_unsent(t, -1), STUFF);
	/* A stranger gets the number. */
	conns[connected++] = takes(0);
	assert_int_equal(conns[connected - 1], conn);
	file = opens(name);
	answers(conn, file);
	closes(file);
	fa_touch();
	gets_answer(peer_of(conn));
	assert_int_equal(drained, 0);
	gets_file(theirs, 0, STUFF);
	fa_ring_reap(t);
	assert_int_equal(gets_end(theirs), 0);
	assert_false(is_on_its_way());
}

/* What has not been submitted needs the number. */
static void test_closed_with_more_to_come(void **state)
{
	int file;

	(void)state;
	stuffs(conn);
	file = opens(name);
	answers(conn, file);
	closes(file);
	hangs_up(conn);
	assert_int_equal(drained, 1);
	gets_answer(peer);
	assert_int_equal(gets_end(peer), 0);
	assert_false(is_on_its_way());
}

static void test_closed_with_linger(void **state)
{
	struct linger linger = { 1, 5 };

	(void)state;
	assert_return_code(setsockopt(conn, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)),
			   errno);
	stuffs(conn);
	hangs_up(conn);
	assert_int_equal(drained, 1);
	assert_false(is_on_its_way());
	assert_int_equal(gets_end(peer), 0);
}

/* To throw away what is unsent is no reason to wait for it. */
static void test_closed_to_reset(void **state)
{
	struct linger linger = { 1, 0 };

	(void)state;
	assert_return_code(setsockopt(conn, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)),
			   errno);
	stuffs(conn);
	hangs_up(conn);
	assert_int_equal(drained, 0);
}

/* ---- sockets that do not block ---- */

/* There was less room than was thought. */
static int misjudges(void)
{
	int free = connects(SOCK_NONBLOCK), file = opens(large);

	narrows(free);
	fa_watches[free].room = STUFF;
	assert_int_equal(sends_file(free, file, NULL, STUFF), STUFF);
	assert_int_equal(closes(file), 0);
	fa_touch();
	assert_true(is_on_its_way());
	peer = peer_of(free);
	return free;
}

static void test_misjudged(void **state)
{
	int free, file;

	(void)state;
	meanwhile = NULL;
	free = misjudges();
	file = opens(name);
	/* As if there was no room. */
	assert_int_equal(sends(free, HEADER, (size_t)HEAD, 0), -EAGAIN);
	assert_int_equal(sends_file(free, file, NULL, 10), -EAGAIN);
	assert_int_equal(sends(free, "x", 1, MSG_EOR), -EAGAIN);
	assert_int_equal(lseek(file, 0, SEEK_CUR), 0);
	assert_int_equal(promised(), 2);
	drains();
	assert_int_equal(sends(free, "x", 1, 0), 1);
	assert_false(is_on_its_way());
	gets_text(peer, "x");
	closes(file);
}

/* Its program would not wait either. */
static void test_nobody_waits_for_it(void **state)
{
	unsigned waited;
	char byte;
	int free;

	(void)state;
	meanwhile = NULL;
	free = misjudges();
	assert_int_equal(receives(free, &byte, 1, 0), -EAGAIN);
	waited = fake_ring.waits;
	fa_settle_all();
	assert_true(is_on_its_way());
	assert_in_range(fake_ring.waits, waited, waited + 1);
	hangs_up(free);
	assert_in_range(fake_ring.waits, waited, waited + 1);
	drains();
	fa_ring_reap(t);
	assert_int_equal(gets_end(peer), 0);
	assert_false(is_on_its_way());
}

/* ---- who waits until it is sent ---- */

static void by_fork(void)
{
	uint32_t forks = fa_forks;

	fa_promise_fork();
	assert_int_equal(fa_forks, forks + 1);
}

static void by_privileges(void)
{
	fa_privilege_changes(false);
	fa_privileges_changed();
}

static void by_range(void)
{
	fa_forget_fds(1000, 1001);
}

static void by_stdio(void)
{
	fa_plain_from_now(1000);
}

static void test_who_settles(void **state)
{
	static void (*const by[])(void) = { fa_settle_all,   by_fork,  by_privileges,
					    by_range,	     by_stdio, fa_process_ends,
					    fa_thread_coming };

	(void)state;
	for (unsigned i = 0; i < sizeof(by) / sizeof(*by); i++) {
		stuffs(conn);
		by[i]();
		if (is_on_its_way())
			fail_msg("number %u does not settle", i);
		assert_int_equal(drained, i + 1);
		assert_int_equal(t->h.n[FA_N_broken], 0);
		fa_process->no_promises = false;
	}
}

/* A plain send that would block, while somebody waits for bytes of ours. */
static void test_full_pipe(void **state)
{
	static char bytes[1 << 20];
	int ends[2];

	(void)state;
	assert_return_code(pipe2(ends, O_NONBLOCK | O_CLOEXEC), errno);
	fa_forget_watch(ends[1]);
	while (write(ends[1], bytes, sizeof(bytes)) > 0)
		;
	stuffs(conn);
	sends(ends[1], "x", 1, 0);
	assert_int_equal(drained, 0);
	assert_return_code(fcntl(ends[1], F_SETFL, 0), errno);
	sends(ends[1], "x", 1, 0);
	assert_int_equal(drained, 1);
	assert_false(is_on_its_way());
	close(ends[0]);
	close(ends[1]);
}

/* A number that may stand for the same connection. */
static void test_another_number(void **state)
{
	int file = opens(name), two = dup(conn);

	(void)state;
	fa_forget_watch(two);
	stuffs(conn);
	assert_int_equal(sends_file(two, file, &(off_t){ 0 }, 10), 10);
	assert_int_equal(drained, 1);
	fa_touch();
	gets_file(peer, 0, 10);
	closes(file);
	close(two);
}

/* ---- children ---- */

static bool child_has_none(void)
{
	CHECK(fa_enter());
	t = fa_thread_of(fa_self);
	CHECK(!t->promises);
	CHECK(!t->h.promise);
	CHECK(fa_unsent(t, -1) == 0);
	fa_touch();
	fa_settle_all();
	fa_process_ends();
	return fake_ring.logged == 1 && t->h.n[FA_N_broken] == 0;
}

/* Of a fork that nobody saw the child knows nothing, and its parent goes on. */
static void test_child(void **state)
{
	int file = opens(name), other = connects(0);

	(void)state;
	meanwhile = NULL;
	fake_ring.result[IORING_OP_SEND] = FAKE_PENDING;
	assert_int_equal(sends(conn, "on its way", 10, 0), 10);
	fa_touch();
	answers(other, file);
	assert_true(unit_child(child_has_none));
	fake_ring.result[IORING_OP_SEND] = FAKE_RUN;
	fake_ring_run(fake_ring_nth(IORING_OP_SEND, 0));
	fa_touch();
	gets_text(peer, "on its way");
	gets_answer(peer_of(other));
	gets_nothing(peer_of(other));
	closes(file);
}

int main(void)
{
	const struct CMUnitTest flight_tests[] = {
		FLIGHT_TEST(test_on_its_way),
		FLIGHT_TEST(test_next_send),
		FLIGHT_TEST(test_next_promises),
		FLIGHT_TEST(test_too_much),
		FLIGHT_TEST(test_closed),
		FLIGHT_TEST(test_closed_with_more_to_come),
		FLIGHT_TEST(test_closed_with_linger),
		FLIGHT_TEST(test_closed_to_reset),
		FLIGHT_TEST(test_misjudged),
		FLIGHT_TEST(test_nobody_waits_for_it),
		FLIGHT_TEST(test_who_settles),
		FLIGHT_TEST(test_full_pipe),
		FLIGHT_TEST(test_another_number),
		FLIGHT_TEST(test_child),
	};

	return cmocka_run_group_tests_name("commit_flight", flight_tests, NULL, NULL);
}
