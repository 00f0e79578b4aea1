/* SPDX-License-Identifier: MIT
 *
 * What joins the bytes that go to a connection together, and what the program is told:
 * headers and trailers, ranges of files, positions, ends, and closes.
 */
#include "unit_promise.h"

/* ---- headers ---- */

static void test_one_answer(void **state)
{
	int file = opens(name);

	(void)state;
	answers(conn, file);
	assert_int_equal(closes(file), 0);
	assert_int_equal(promised(), 3);
	/* Nothing has happened yet. */
	gets_nothing(peer);
	assert_return_code(fcntl(file, F_GETFD), errno);
	assert_int_equal(fake_ring.logged, 0);
	fa_touch();
	gets_answer(peer);
	assert_int_equal(fcntl(file, F_GETFD), -1);
	assert_int_equal(took(IORING_OP_SEND), 1);
	assert_int_equal(t->h.n[FA_N_commits], 1);
	assert_int_equal(t->h.n[FA_N_enters], 1);
	assert_int_equal(t->h.n[FA_N_sqes], 3);
	assert_int_equal(t->h.promise, 0);
}

static void test_ways_to_send(void **state)
{
	char none;
	struct iovec iov[] = { { "ab", 2 }, { &none, 0 }, { "cde", 3 } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 3 };
	int file = opens(name);

	(void)state;
	assert_int_equal(sends(conn, "1", 1, 0), 1);
	assert_int_equal(sends(conn, "2", 1, MSG_MORE | MSG_NOSIGNAL), 1);
	assert_int_equal(sends(conn, "3", 1, MSG_DONTWAIT), 1);
	assert_int_equal(sends_all(conn, iov, 3, 0), 5);
	assert_int_equal(sends_message(conn, &m, MSG_MORE), 5);
	assert_int_equal(promised(), 5);
	assert_int_equal(sends_file(conn, file, NULL, 10), 10);
	fa_touch();
	gets_text(peer, "123abcdeabcde");
	gets_file(peer, 0, 10);
	assert_int_equal(took(IORING_OP_SEND), 1);
	closes(file);
}

/* What is more than bytes for a connection: the call is made. */
static void test_other_messages(void **state)
{
	struct iovec iov = { "x", 1 };
	struct sockaddr_in to = { .sin_family = AF_INET };
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .room = { 0 } };
	struct msghdr named = { .msg_iov = &iov, .msg_iovlen = 1, .msg_name = &to };
	struct msghdr controlled = { .msg_iov = &iov,
				     .msg_iovlen = 1,
				     .msg_control = &control };
	struct msghdr empty = { .msg_iov = &iov };
	int file = opens(name);

	(void)state;
	sends_message(conn, &named, 0);
	sends_message(conn, &controlled, 0);
	sends_message(conn, &empty, 0);
	sends(conn, "o", 1, MSG_OOB);
	sends(conn, "e", 1, MSG_EOR);
	sends(conn, "w", 1, MSG_WAITALL);
	sends(conn, "", 0, 0);
	sends_all(conn, &iov, 0, 0);
	assert_int_equal(sends_all(conn, &iov, -1, 0), -EMSGSIZE);
	assert_int_equal(promised(), 0);
	closes(file);
}

/* Each of them comes behind what was promised before. */
static void test_others_come_behind(void **state)
{
	int file = opens(name);

	(void)state;
	assert_int_equal(sends(conn, "1", 1, 0), 1);
	assert_int_equal(sends(conn, "2", 1, MSG_EOR), 1);
	assert_false(is_queued());
	assert_int_equal(sends(conn, "3", 1, 0), 1);
	assert_true(is_queued());
	assert_int_equal(sends(conn, "4", 1, MSG_WAITALL), 1);
	gets_text(peer, "1234");
	closes(file);
}

/* Without a file that may follow nobody knows that it is a header. */
static void test_nothing_to_follow(void **state)
{
	int file;

	(void)state;
	assert_int_equal(sends(conn, "x", 1, 0), 1);
	assert_int_equal(promised(), 0);
	gets_text(peer, "x");
	file = opens(name);
	assert_int_equal(closes(file), 0);
	assert_int_equal(t->h.promise, 0);
	assert_int_equal(sends(conn, "x", 1, 0), 1);
	assert_int_equal(promised(), 0);
}

static void test_trailer(void **state)
{
	int file = opens(name);

	(void)state;
	answers(conn, file);
	assert_int_equal(closes(file), 0);
	/* What it goes with is still there. */
	assert_int_equal(sends(conn, "the end", 7, 0), 7);
	assert_int_equal(promised(), 4);
	fa_touch();
	gets_answer(peer);
	gets_text(peer, "the end");
	assert_int_equal(took(IORING_OP_SEND), 1);
	assert_int_equal(sends(conn, "x", 1, 0), 1);
	assert_int_equal(promised(), 4);
}

/* ---- files ---- */

static void test_several_files(void **state)
{
	int one = opens(name), two = opens(large);
	off_t at = 100;

	(void)state;
	answers(conn, one);
	assert_int_equal(sends_file(conn, two, &at, 50), 50);
	assert_int_equal(at, 150);
	assert_int_equal(closes(two), 0);
	assert_int_equal(promised(), 4);
	/* It is not the last any more: the close would come too late in the chain. */
	assert_int_equal(closes(one), 0);
	assert_int_equal(promised(), 4);
	assert_false(is_queued());
	gets_answer(peer);
	gets_file(peer, 100, 50);
	assert_int_equal(fcntl(one, F_GETFD), -1);
	assert_int_equal(fcntl(two, F_GETFD), -1);
	assert_int_equal(fake_ring.closed, 1);
}

/* Ranges in order are one read, and not otherwise. */
static void test_ranges(void **state)
{
	const struct io_uring_sqe *sqe;
	int file = opens(name);
	off_t at = 0;

	(void)state;
	assert_int_equal(sends_file(conn, file, &at, 100), 100);
	assert_int_equal(sends_file(conn, file, &at, 100), 100);
	assert_int_equal(sends_file(conn, file, NULL, 0), 0); /* plain, and commits */
	assert_int_equal(took(IORING_OP_READ), 1);
	sqe = fake_ring_nth(IORING_OP_READ, 0);
	assert_int_equal(sqe->off, 0);
	assert_int_equal(sqe->len, 200);
	gets_file(peer, 0, 200);
	/* A gap, backwards, again, and bytes of the program's in between. */
	at = 300;
	assert_int_equal(sends_file(conn, file, &at, 100), 100);
	at = 500;
	assert_int_equal(sends_file(conn, file, &at, 100), 100);
	at = 400;
	assert_int_equal(sends_file(conn, file, &at, 100), 100);
	at = 400;
	assert_int_equal(sends_file(conn, file, &at, 100), 100);
	assert_int_equal(sends(conn, "--", 2, 0), 2);
	assert_int_equal(sends_file(conn, file, &at, 100), 100);
	fa_touch();
	assert_int_equal(took(IORING_OP_READ), 6);
	assert_int_equal(took(IORING_OP_SEND), 2);
	gets_file(peer, 300, 100);
	gets_file(peer, 500, 100);
	gets_file(peer, 400, 100);
	gets_file(peer, 400, 100);
	gets_text(peer, "--");
	gets_file(peer, 500, 100);
	closes(file);
}

/* A task has room for so many; the next one is another, behind it. */
static void test_many_ranges(void **state)
{
	int file = opens(name);

	(void)state;
	for (unsigned i = 0; i < FA_PARTS + 1; i++) {
		off_t at = 10 * i;

		assert_int_equal(took(IORING_OP_SEND), 0);
		assert_int_equal(sends_file(conn, file, &at, 5), 5);
	}
	assert_int_equal(promised(), FA_PARTS + 1);
	assert_int_equal(took(IORING_OP_SEND), 1);
	assert_int_equal(took(IORING_OP_READ), FA_PARTS);
	assert_int_equal(t->h.n[FA_N_commits], 1);
	assert_true(is_queued());
	assert_int_equal(closes(file), 0);
	fa_touch();
	for (unsigned i = 0; i < FA_PARTS + 1; i++)
		gets_file(peer, 10 * i, 5);
	assert_int_equal(took(IORING_OP_SEND), 2);
	assert_int_equal(fcntl(file, F_GETFD), -1);
}

/* ---- positions ---- */

static void test_position(void **state)
{
	int file = opens(name);
	off_t at = 50;

	(void)state;
	assert_int_equal(sends_file(conn, file, NULL, 1000), 1000);
	assert_int_equal(sends_file(conn, file, &at, 10), 10);
	assert_int_equal(sends_file(conn, file, NULL, 1000), 1000);
	assert_int_equal(lseek(file, 0, SEEK_CUR), 0);
	fa_touch();
	/* As far as the program was told. */
	assert_int_equal(lseek(file, 0, SEEK_CUR), 2000);
	assert_int_equal(fake_calls(SYS_lseek), 1);
	gets_file(peer, 0, 1000);
	gets_file(peer, 50, 10);
	gets_file(peer, 1000, 1000);
	/* An offset of the program's does not move it. */
	assert_int_equal(sends_file(conn, file, &at, 10), 10);
	fa_touch();
	assert_int_equal(fake_calls(SYS_lseek), 1);
	assert_int_equal(lseek(file, 0, SEEK_CUR), 2000);
	gets_file(peer, 60, 10);
	closes(file);
}

/* Nobody will look at it any more. */
static void test_position_of_the_closed(void **state)
{
	int file = opens(name);

	(void)state;
	assert_int_equal(sends_file(conn, file, NULL, 1000), 1000);
	assert_int_equal(closes(file), 0);
	fa_touch();
	assert_int_equal(fake_calls(SYS_lseek), 0);
	gets_file(peer, 0, 1000);
}

/* Calls of the program's that move it. */
static void test_position_moves(void **state)
{
	int file = opens(name);
	char bytes[10];

	(void)state;
	assert_int_equal(seeks(file, 3000, SEEK_SET), 3000);
	assert_int_equal(sends_file(conn, file, NULL, 10), 10);
	assert_int_equal(seeks(file, 10, SEEK_CUR), 3020);
	assert_int_equal(sends_file(conn, file, NULL, 10), 10);
	assert_int_equal(fake_calls(SYS_lseek), 1); /* what the first of them owed */
	assert_int_equal(reads(file, bytes, sizeof(bytes)), sizeof(bytes));
	assert_int_equal(bytes[0], byte_at(3030));
	/* Where a read has come to, the kernel is asked. */
	assert_int_equal(sends_file(conn, file, NULL, 10), 10);
	assert_int_equal(fake_calls(SYS_lseek), 3);
	fa_touch();
	gets_file(peer, 3000, 10);
	gets_file(peer, 3020, 10);
	gets_file(peer, 3040, 10);
	assert_int_equal(seeks(file, 0, SEEK_CUR), 3050);
	closes(file);
}

static void test_impossible_positions(void **state)
{
	int file = opens(name);
	off_t at = -1;

	(void)state;
	assert_int_equal(sends_file(conn, file, &at, 10), -EINVAL);
	at = INT64_MAX;
	assert_true(sends_file(conn, file, &at, 10) <= 0);
	assert_int_equal(at, INT64_MAX);
	assert_int_equal(promised(), 0);
	closes(file);
}

/* ---- ends ---- */

static void test_beyond_the_end(void **state)
{
	int file = opens(name);
	off_t at = SIZE - 10;

	(void)state;
	assert_int_equal(sends_file(conn, file, &at, INT64_MAX - SIZE), 10);
	assert_int_equal(at, SIZE);
	assert_int_equal(sends_file(conn, file, &at, INT64_MAX - SIZE), 0);
	assert_int_equal(sends_file(conn, file, NULL, 1UL << 62), SIZE);
	assert_int_equal(sends_file(conn, file, NULL, 1), 0);
	assert_int_equal(promised(), 4);
	at = SIZE + 1;
	assert_int_equal(sends_file(conn, file, &at, 1), 0);
	assert_int_equal(at, SIZE + 1);
	fa_touch();
	gets_file(peer, SIZE - 10, 10);
	gets_file(peer, 0, SIZE);
	/* Of a file that nothing was promised of the kernel tells. */
	at = SIZE;
	assert_int_equal(sends_file(conn, file, &at, 1), 0);
	assert_int_equal(promised(), 4);
	closes(file);
}

/* The size is asked once, and again where something may have changed it. */
static void test_size(void **state)
{
	int file = opens(name);
	unsigned asked;
	off_t at = 0;

	(void)state;
	asked = fake_calls(SYS_statx);
	sends_file(conn, file, &at, 10);
	sends_file(conn, file, &at, 10);
	assert_int_equal(fake_calls(SYS_statx), asked + 1);
	fa_touch();
	assert_return_code(truncate(name, 15), errno);
	at = 0;
	assert_int_equal(sends_file(conn, file, &at, 100), 15);
	assert_int_equal(fake_calls(SYS_statx), asked + 2);
	/* Or the program has just asked itself. */
	fa_touch();
	assert_return_code(truncate(name, 12), errno);
	assert_int_equal(stats(file), 0);
	at = 10;
	assert_int_equal(sends_file(conn, file, &at, 100), 2);
	assert_int_equal(fake_calls(SYS_statx), asked + 2);
	fa_touch();
	gets_file(peer, 0, 20);
	gets_file(peer, 0, 15);
	gets_file(peer, 10, 2);
	closes(file);
}

/* ---- closes ---- */

static void test_close_of_another(void **state)
{
	int file = opens(name), other = opens(name);

	(void)state;
	sends_file(conn, file, NULL, 10);
	/* Nothing was promised of it. */
	assert_int_equal(closes(other), 0);
	assert_int_equal(promised(), 1);
	assert_int_equal(fcntl(other, F_GETFD), -1);
	assert_int_equal(closes(file), 0);
	fa_touch();
	gets_file(peer, 0, 10);
	assert_int_equal(fcntl(file, F_GETFD), -1);
}

static void test_close_after_a_commit(void **state)
{
	int file = opens(name);

	(void)state;
	sends_file(conn, file, NULL, 10);
	fa_touch();
	assert_int_equal(closes(file), 0);
	assert_int_equal(promised(), 1);
	assert_int_equal(fcntl(file, F_GETFD), -1);
	assert_int_equal(took(IORING_OP_CLOSE), 0);
}

/* Where closes wait there is a way of their own. */
static void test_slow_close(void **state)
{
	int file = opens(name);

	(void)state;
	fa_fds[file].dev = unit_seen(name).file.dev;
	unit_cold(fa_fds[file].dev, FA_CLOSE);
	sends_file(conn, file, NULL, 10);
	assert_int_equal(closes(file), 0);
	assert_int_equal(promised(), 1);
	assert_false(is_queued());
	gets_file(peer, 0, 10);
	assert_int_equal(fcntl(file, F_GETFD), -1);
}

static void test_closed_twice(void **state)
{
	int file = opens(name);

	(void)state;
	sends_file(conn, file, NULL, 10);
	assert_int_equal(closes(file), 0);
	assert_true(is_queued());
	assert_int_equal(closes(file), -EBADF);
	assert_false(is_queued());
	assert_int_equal(fake_ring.closed, 1);
	assert_int_equal(fake_calls(SYS_close), 0);
}

/* For the program it is closed, whatever it does with the number. */
static void test_use_of_the_closed(void **state)
{
	char byte;

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		int file = opens(name);

		sends_file(conn, file, NULL, 10);
		assert_int_equal(closes(file), 0);
		assert_true(is_queued());
		if (i == 0)
			assert_int_equal(reads(file, &byte, 1), -EBADF);
		else if (i == 1)
			assert_int_equal(seeks(file, 0, SEEK_SET), -EBADF);
		else if (i == 2)
			assert_int_equal(stats(file), -EBADF);
		else if (i == 3)
			assert_int_equal(sends_file(conn, file, NULL, 1), -EBADF);
		else
			assert_int_equal(sends(file, "x", 1, 0), -EBADF);
		assert_false(is_queued());
		gets_file(peer, 0, 10);
	}
}

/* What tells nothing about it does not hurry it, and else all of it goes first. */
static void test_use_of_the_promised(void **state)
{
	int file = opens(name), other = opens(name);
	char byte;

	(void)state;
	sends_file(conn, file, NULL, 10);
	assert_int_equal(stats(file), 0);
	assert_int_equal(stats(other), 0);
	assert_int_equal(seeks(other, 5, SEEK_SET), 5);
	assert_int_equal(reads(other, &byte, 1), 1);
	assert_true(is_queued());
	assert_int_equal(reads(file, &byte, 1), 1);
	assert_int_equal(byte, byte_at(10));
	assert_false(is_queued());
	sends_file(conn, file, NULL, 10);
	assert_int_equal(seeks(file, 0, SEEK_CUR), 21);
	assert_false(is_queued());
	closes(file);
	closes(other);
}

int main(void)
{
	const struct CMUnitTest promise_tests[] = {
		PROMISE_TEST(test_one_answer),
		PROMISE_TEST(test_ways_to_send),
		PROMISE_TEST(test_other_messages),
		PROMISE_TEST(test_others_come_behind),
		PROMISE_TEST(test_nothing_to_follow),
		PROMISE_TEST(test_trailer),
		PROMISE_TEST(test_several_files),
		PROMISE_TEST(test_ranges),
		PROMISE_TEST(test_many_ranges),
		PROMISE_TEST(test_position),
		PROMISE_TEST(test_position_of_the_closed),
		PROMISE_TEST(test_position_moves),
		PROMISE_TEST(test_impossible_positions),
		PROMISE_TEST(test_beyond_the_end),
		PROMISE_TEST(test_size),
		PROMISE_TEST(test_close_of_another),
		PROMISE_TEST(test_close_after_a_commit),
		PROMISE_TEST(test_slow_close),
		PROMISE_TEST(test_closed_twice),
		PROMISE_TEST(test_use_of_the_closed),
		PROMISE_TEST(test_use_of_the_promised),
	};

	return cmocka_run_group_tests_name("promise", promise_tests, NULL, NULL);
}
