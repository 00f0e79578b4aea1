/* SPDX-License-Identifier: MIT
 *
 * Errors of a connection that a promised send has met: the next call tells, once, unless
 * the kernel tells by itself again.
 */
#include "unit_promise.h"

static int other; /* another connection, to which all goes well */

static int errors_setup(void **state)
{
	promise_setup(state);
	other = connects(0);
	return 0;
}

#define ERRORS_TEST(name) \
	cmocka_unit_test_setup_teardown(name, errors_setup, promise_teardown)

/* What was promised to `conn` meets this. */
static void meets(int error)
{
	int file = opens(name);

	fake_ring.result[IORING_OP_SEND] = error;
	answers(conn, file);
	assert_int_equal(closes(file), 0);
	fa_touch();
	fake_ring.result[IORING_OP_SEND] = FAKE_RUN;
	assert_false(is_queued());
	assert_false(is_on_its_way());
	assert_int_equal(t->h.n[FA_N_broken], 0);
}

/* The error has been told: the connection, which is a good one here, is as before. */
static void is_told(void)
{
	int file = opens(name);
	char byte;

	assert_int_equal(fa_watches[conn].error, 0);
	assert_int_equal(error_of(conn), 0);
	assert_int_equal(receives(conn, &byte, 1, MSG_DONTWAIT), -EAGAIN);
	answers(conn, file);
	assert_int_equal(closes(file), 0);
	fa_touch();
	gets_answer(peer);
}

static void test_told_by_send(void **state)
{
	(void)state;
	meets(-ECONNRESET);
	assert_int_equal(sends(conn, "x", 1, 0), -ECONNRESET);
	is_told();
}

static void test_told_by_message(void **state)
{
	struct iovec iov = { "x", 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	(void)state;
	meets(-ETIMEDOUT);
	assert_int_equal(sends_message(conn, &m, 0), -ETIMEDOUT);
	is_told();
}

static void test_told_by_sendfile(void **state)
{
	int file;

	(void)state;
	meets(-EHOSTUNREACH);
	file = opens(name);
	assert_int_equal(sends_file(conn, file, NULL, 10), -EHOSTUNREACH);
	assert_int_equal(lseek(file, 0, SEEK_CUR), 0);
	closes(file);
	is_told();
}

/* Also where a header would have been promised. */
static void test_told_to_a_header(void **state)
{
	int file;

	(void)state;
	meets(-ECONNRESET);
	file = opens(name);
	assert_int_equal(sends(conn, HEADER, (size_t)HEAD, 0), -ECONNRESET);
	assert_int_equal(sends(conn, HEADER, (size_t)HEAD, 0), HEAD);
	assert_true(is_queued());
	fa_touch();
	gets_text(peer, HEADER);
	closes(file);
	is_told();
}

static void test_told_by_receive(void **state)
{
	char byte;

	(void)state;
	meets(-ECONNRESET);
	assert_int_equal(receives(conn, &byte, 1, 0), -ECONNRESET);
	is_told();
	meets(-ECONNRESET);
	assert_int_equal(receives(conn, NULL, 0, MSG_DONTWAIT), -ECONNRESET);
	is_told();
}

static void test_told_by_option(void **state)
{
	(void)state;
	meets(-ECONNRESET);
	assert_int_equal(error_of(other), 0);
	assert_int_equal(error_of(conn), ECONNRESET);
	is_told();
}

/* A dead connection says so each time, with a signal. */
static void test_not_kept(void **state)
{
	(void)state;
	meets(-EPIPE);
	assert_int_equal(fa_watches[conn].error, 0);
	assert_false(t->h.promise & FA_P_ERROR);
	is_told();
}

/* Others do not hear of it. */
static void test_told_to_nobody_else(void **state)
{
	int file;
	char byte;

	(void)state;
	meets(-ECONNRESET);
	assert_int_equal(receives(other, &byte, 1, MSG_DONTWAIT), -EAGAIN);
	assert_int_equal(sends(other, "x", 1, 0), 1);
	file = opens(name);
	answers(other, file);
	fa_touch();
	closes(file);
	gets_text(peer_of(other), "x");
	gets_answer(peer_of(other));
	assert_int_equal(sends(conn, "x", 1, 0), -ECONNRESET);
}

static void test_closed(void **state)
{
	int file;

	(void)state;
	meets(-ECONNRESET);
	assert_int_equal(closes(conn), 0);
	conns[0] = -1;
	assert_int_equal(fa_watches[conn].error, 0);
	/* Nor one that comes when it is closed already. */
	narrows(other);
	peer = peer_of(other);
	conn = other;
	stuffs(other);
	assert_int_equal(closes(other), 0);
	conns[1] = -1;
	fake_ring_complete(fake_ring_nth(IORING_OP_SEND, 1)->user_data, -ECONNRESET);
	fa_ring_reap(t);
	assert_false(is_on_its_way());
	assert_int_equal(fa_watches[other].error, 0);
	file = opens(name);
	closes(file);
}

/* While it is on its way, too: who waits for it to be sent gets it. */
static const struct io_uring_sqe *pending;

static void fails(void)
{
	fake_ring_complete(pending->user_data, -ETIMEDOUT);
}

static void test_met_while_waiting(void **state)
{
	(void)state;
	waits(fails);
	stuffs(conn);
	pending = fake_ring_nth(IORING_OP_SEND, 0);
	assert_int_equal(sends(conn, "x", 1, 0), -ETIMEDOUT);
	assert_false(is_on_its_way());
}

/* What comes behind it meets its own fate, and the first error is the one that counts. */
static void test_first_of_two(void **state)
{
	int file;

	(void)state;
	fake_ring.result[IORING_OP_SEND] = FAKE_PENDING;
	file = opens(name);
	answers(conn, file);
	fa_touch();
	assert_int_equal(sends_file(conn, file, &(off_t){ 0 }, 10), 10);
	fa_touch();
	assert_int_equal(took(IORING_OP_SEND), 1);
	fake_ring.result[IORING_OP_SEND] = -EHOSTUNREACH;
	fake_ring_complete(fake_ring_nth(IORING_OP_SEND, 0)->user_data, -ECONNRESET);
	fa_ring_reap(t);
	assert_int_equal(took(IORING_OP_SEND), 2);
	assert_false(is_on_its_way());
	assert_int_equal(sends(conn, "x", 1, MSG_EOR), -ECONNRESET);
	assert_int_equal(sends(conn, "x", 1, MSG_EOR), 1);
	closes(file);
}

/* ---- by the kernel's own doing ---- */

static void resets(int fd)
{
	struct linger linger = { 1, 0 };

	assert_return_code(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)),
			   errno);
	close(fd);
	peers[0] = -1;
}

/* The peer is gone before anything is sent: one error, then the pipe's. */
static void test_reset_before(void **state)
{
	struct pollfd p = { conn, POLLIN, 0 };
	int file = opens(name);

	(void)state;
	answers(conn, file);
	resets(peer);
	assert_int_equal(poll(&p, 1, 5000), 1);
	fa_touch();
	assert_int_equal(sends(conn, "x", 1, MSG_EOR), -ECONNRESET);
	assert_int_equal(sends(conn, "x", 1, MSG_EOR), -EPIPE);
	closes(file);
}

/* The program has read the error before; then the send finds a pipe without an end. */
static void test_reset_and_told(void **state)
{
	struct pollfd p = { conn, POLLIN, 0 };
	int file = opens(name);

	(void)state;
	answers(conn, file);
	resets(peer);
	assert_int_equal(poll(&p, 1, 5000), 1);
	assert_int_equal(recv(conn, &(char){ 0 }, 1, 0), -1);
	fa_touch();
	assert_int_equal(fa_watches[conn].error, 0);
	assert_int_equal(sends(conn, "x", 1, MSG_EOR), -EPIPE);
	closes(file);
}

int main(void)
{
	const struct CMUnitTest errors_tests[] = {
		ERRORS_TEST(test_told_by_send),	    ERRORS_TEST(test_told_by_message),
		ERRORS_TEST(test_told_by_sendfile), ERRORS_TEST(test_told_to_a_header),
		ERRORS_TEST(test_told_by_receive),  ERRORS_TEST(test_told_by_option),
		ERRORS_TEST(test_not_kept),	    ERRORS_TEST(test_told_to_nobody_else),
		ERRORS_TEST(test_closed),	    ERRORS_TEST(test_met_while_waiting),
		ERRORS_TEST(test_first_of_two),	    ERRORS_TEST(test_reset_before),
		ERRORS_TEST(test_reset_and_told),
	};

	return cmocka_run_group_tests_name("commit_errors", errors_tests, NULL, NULL);
}
