/* SPDX-License-Identifier: MIT
 *
 * Promises that cannot be kept as they were meant: files that are shorter by now or fail,
 * chains that break, submissions that fail, and a ring that goes. What can be done is done
 * plainly, else the connection is reset; files are closed exactly once.
 */
#include "unit_promise.h"

static int other, theirs; /* another connection, to which all goes well */

static unsigned closed_plainly, closed_nothing;

static long on_close(long fd, long b, long c, long d, long e, long f)
{
	long r = fake_kernel(SYS_close, fd, b, c, d, e, f);

	if (r == 0)
		closed_plainly++;
	else
		closed_nothing++;
	return r;
}

static int faults_setup(void **state)
{
	promise_setup(state);
	other = connects(SOCK_NONBLOCK);
	theirs = peer_of(other);
	closed_plainly = closed_nothing = 0;
	fake_hook(SYS_close, on_close);
	return 0;
}

#define FAULTS_TEST(name) \
	cmocka_unit_test_setup_teardown(name, faults_setup, promise_teardown)

/* So many files were closed, each of them once. */
static void were_closed(unsigned n)
{
	assert_int_equal(fake_ring.closed + closed_plainly, n);
	assert_int_equal(fake_ring.closed_nothing + closed_nothing, 0);
}

static void was_broken(unsigned n)
{
	assert_int_equal(t->h.n[FA_N_broken], n);
	assert_int_equal(t->fallback[FA_F_broken], n);
}

/* A whole answer, and the file closed behind it. */
static void serves_file(int to, int file)
{
	answers(to, file);
	assert_int_equal(closes(file), 0);
	assert_true(is_queued());
}

static void serves(int to)
{
	serves_file(to, opens(name));
}

/* Two of them in one submission of six entries. */
static void serves_both(void)
{
	int one = opens(name), two = opens(name);

	serves_file(conn, one);
	serves_file(other, two);
	assert_int_equal(t->h.n[FA_N_commits], 0);
}

/* Both ends find the connection gone, and not merely ended. */
static void is_reset(int fd, int end)
{
	char bytes[4096];
	ssize_t n;

	do
		n = recv(end, bytes, sizeof(bytes), MSG_DONTWAIT);
	while (n > 0);
	assert_int_equal(n, -1);
	assert_int_equal(errno, ECONNRESET);
	assert_int_equal(send(fd, "x", 1, 0), -1);
	assert_true(errno == ECONNRESET || errno == EPIPE);
	assert_int_equal(send(fd, "x", 1, 0), -1);
	assert_int_equal(errno, EPIPE);
}

static void all_is_over(void)
{
	assert_false(is_queued());
	assert_false(is_on_its_way());
	assert_int_equal(fa_unsent(t, -1), 0);
	assert_int_equal(t->h.word, FA_T_READY);
}

/* ---- files ---- */

static void test_truncated(void **state)
{
	(void)state;
	serves_both();
	assert_return_code(truncate(name, 100), errno);
	fa_touch();
	was_broken(2);
	all_is_over();
	were_closed(2);
	is_reset(conn, peer);
	is_reset(other, theirs);
}

static void test_one_of_two_is_truncated(void **state)
{
	int file = opens(large);

	(void)state;
	serves(other);
	assert_int_equal(t->h.n[FA_N_commits], 0);
	assert_int_equal(sends(conn, HEADER, (size_t)HEAD, 0), HEAD);
	assert_int_equal(sends_file(conn, file, NULL, 1000), 1000);
	assert_return_code(truncate(large, 999), errno);
	fa_touch();
	was_broken(1);
	gets_answer(theirs);
	gets_nothing(theirs);
	is_reset(conn, peer);
	/* The program was told so. */
	assert_int_equal(lseek(file, 0, SEEK_CUR), 1000);
	closes(file);
	were_closed(1);
	/* Others go on. */
	serves(other);
	fa_touch();
	gets_answer(theirs);
	was_broken(1);
}

/* Some file systems read less at a time. */
static void test_short_read(void **state)
{
	(void)state;
	fake_ring.result[IORING_OP_READ] = 10;
	serves(conn);
	fa_touch();
	gets_answer(peer);
	was_broken(0);
	were_closed(1);
	assert_int_equal(fake_calls(SYS_pread64), 1);
	assert_int_equal(took(IORING_OP_SEND), 2); /* the first went with its chain */
}

static void fails_once(int error)
{
	fake_ring.result[IORING_OP_READ] = error;
	serves(conn);
	fake_fail_nth(SYS_pread64, 1, -EINTR);
	fa_touch();
	gets_answer(peer);
	were_closed(1);
	was_broken(0);
}

static void test_read_fails_once(void **state)
{
	static const int errors[] = { -EIO, -EAGAIN, -ECANCELED, -EOPNOTSUPP, -EINTR };

	for (unsigned i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
		fails_once(errors[i]);
		promise_teardown(state);
		faults_setup(state);
	}
}

static void test_read_fails(void **state)
{
	(void)state;
	fake_ring.result[IORING_OP_READ] = -EIO;
	fake_fail(SYS_pread64, -EIO);
	serves(conn);
	fa_touch();
	was_broken(1);
	were_closed(1);
	all_is_over();
	is_reset(conn, peer);
}

/* What was read is not read again, and what was closed is not closed again. */
static void test_second_file_is_short(void **state)
{
	int one = opens(name), two = opens(large);

	(void)state;
	serves_file(conn, one);
	assert_int_equal(sends_file(conn, two, NULL, 1000), 1000);
	assert_int_equal(closes(two), 0);
	assert_return_code(truncate(large, 500), errno);
	fa_touch();
	were_closed(2);
	assert_int_equal(fake_ring.closed, 1);
	/* 500 bytes, and that there are no more */
	assert_int_equal(fake_calls(SYS_pread64), 2);
	was_broken(1);
	all_is_over();
	is_reset(conn, peer);
}

/* ---- submissions ---- */

/* A ring that takes so many entries of two answers, or an error. */
static void submission_takes(int taken)
{
	serves_both();
	fake_ring.take = taken;
	fa_touch();
	fake_ring.take = FA_RING_ENTRIES;
	were_closed(2);
	/* The next promise needs a ring that works. */
	assert_int_equal(fa_ring_need(t), 0);
	all_is_over();
	assert_int_equal(t->fallback[FA_F_refused], 1);
	/* What was not taken is done plainly. */
	gets_answer(peer);
	gets_answer(theirs);
	was_broken(0);
	serves(conn);
	fa_touch();
	gets_answer(peer);
}

static void test_takes_nothing(void **state)
{
	(void)state;
	submission_takes(0);
}

static void test_takes_some(void **state)
{
	for (int taken = 1; taken < 6; taken++) {
		submission_takes(taken);
		promise_teardown(state);
		faults_setup(state);
	}
}

static void test_takes_errors(void **state)
{
	static const int errors[] = { -EAGAIN, -EBUSY, -ENOMEM, -EBADF, -EPERM };

	for (unsigned i = 0; i < sizeof(errors) / sizeof(*errors); i++) {
		submission_takes(errors[i]);
		promise_teardown(state);
		faults_setup(state);
	}
}

static void test_interrupted(void **state)
{
	(void)state;
	fake_ring.interrupted = 3;
	serves(conn);
	fa_touch();
	gets_answer(peer);
	was_broken(0);
	assert_int_equal(t->fallback[FA_F_refused], 0);
}

/* The receive was not taken: the program's own call is made. */
static void test_receive_is_not_taken(void **state)
{
	char bytes[10];

	(void)state;
	assert_int_equal(send(theirs, "hello", 5, 0), 5);
	serves(conn);
	fake_ring.take = 3;
	assert_int_equal(receives(other, bytes, sizeof(bytes), 0), 5);
	assert_int_equal(took(IORING_OP_RECV), 0);
	gets_answer(peer);
	were_closed(1);
	was_broken(0);
}

/* ---- a file that does not come ---- */

static void test_read_never_ends(void **state)
{
	(void)state;
	fake_ring.result[IORING_OP_READ] = FAKE_PENDING;
	serves(conn);
	fa_touch();
	/* After a minute it is broken off, and the file read plainly. */
	assert_in_range(fake_ring.timed_out_ns / 1000000000, 50, 70);
	was_broken(0);
	were_closed(1);
	all_is_over();
	gets_answer(peer);
}

static void ends_at_last(void)
{
	if (fake_ring.waits == 150)
		fake_ring_run(fake_ring_nth(IORING_OP_READ, 0));
}

/* A worker that cannot be stopped: the plain call would hang as well. */
static void test_read_hangs(void **state)
{
	(void)state;
	fake_ring.result[IORING_OP_READ] = FAKE_PENDING;
	fake_ring.registers[IORING_REGISTER_SYNC_CANCEL] = -ETIME;
	waits(ends_at_last);
	serves(conn);
	fa_touch();
	gets_answer(peer);
	assert_int_equal(fake_ring.waits, 150);
	was_broken(0);
	were_closed(1);
	all_is_over();
}

/* Nobody knows whether its close has run: the number is left alone. */
static void test_read_is_lost(void **state)
{
	(void)state;
	fake_ring.result[IORING_OP_READ] = FAKE_PENDING;
	fake_ring.registers[IORING_REGISTER_SYNC_CANCEL] = -ENOENT;
	serves(conn);
	fa_touch();
	gets_answer(peer);
	assert_int_equal(t->fallback[FA_F_timeout], 1);
	was_broken(0);
	were_closed(0);
	all_is_over();
}

static void ends_late(void)
{
	if (fake_ring.waits == 5)
		fake_ring_run(fake_ring_nth(IORING_OP_READ, 0));
}

static void test_read_ends_late(void **state)
{
	(void)state;
	fake_ring.result[IORING_OP_READ] = FAKE_PENDING;
	waits(ends_late);
	serves(conn);
	fa_touch();
	gets_answer(peer);
	assert_int_equal(fake_ring.waits, 5);
	was_broken(0);
	were_closed(1);
	all_is_over();
}

/* ---- the ring goes ---- */

/* What was queued is done before. */
static void test_lost_with_a_queue(void **state)
{
	int one = opens(name), file = opens(name);

	(void)state;
	serves_file(conn, one);
	answers(other, file);
	fa_thread_drop(t);
	all_is_over();
	gets_answer(peer);
	gets_answer(theirs);
	were_closed(1);
	was_broken(0);
	assert_int_equal(lseek(file, 0, SEEK_CUR), SIZE);
	closes(file);
}

static void test_lost_with_a_short_file(void **state)
{
	(void)state;
	serves(conn);
	assert_return_code(truncate(name, SIZE - 1), errno);
	fa_thread_drop(t);
	all_is_over();
	was_broken(1);
	were_closed(1);
	is_reset(conn, peer);
}

/* Privileges have changed: the next promise has another ring. */
static void test_lost_between(void **state)
{
	int file = opens(name);

	(void)state;
	answers(conn, file);
	fa_epoch++;
	assert_int_equal(sends_file(conn, file, &(off_t){ 0 }, 10), 10);
	fa_touch();
	gets_answer(peer);
	gets_file(peer, 0, 10);
	was_broken(0);
	closes(file);
}

/* Nobody knows how much of it has gone. */
static void test_lost_with_a_flight(void **state)
{
	(void)state;
	stuffs(conn);
	fa_thread_drop(t);
	all_is_over();
	was_broken(1);
	is_reset(conn, peer);
	/* Of one that the program has closed nothing can be told. */
	fake_ring.result[IORING_OP_SEND] = FAKE_PENDING;
	serves(other);
	fa_touch();
	assert_int_equal(closes(other), 0);
	conns[1] = -1;
	fa_thread_drop(t);
	all_is_over();
	was_broken(2);
}

/* ---- sends that are made plainly ---- */

static int send_result;
static unsigned polled;

static long on_send(long fd, long at, long n, long flags, long to, long len)
{
	if (send_result)
		return send_result;
	return fake_kernel(SYS_sendto, fd, at, n > 1000 ? 1000 : n, flags, to, len);
}

static long on_ppoll(long fds, long n, long ts, long mask, long size, long f)
{
	(void)n, (void)ts, (void)mask, (void)size, (void)f;
	assert_int_equal(((const struct pollfd *)fds)->events, POLLOUT);
	polled++;
	return 0;
}

static void loses(int result)
{
	send_result = result;
	polled = 0;
	fake_hook(SYS_sendto, on_send);
	fake_hook(SYS_ppoll, on_ppoll);
	serves(conn);
	fake_ring.take = 0;
	fa_touch();
	all_is_over();
}

static void test_sent_in_pieces(void **state)
{
	(void)state;
	loses(0);
	gets_answer(peer);
	was_broken(0);
}

static void test_no_room_at_all(void **state)
{
	(void)state;
	loses(-EAGAIN);
	assert_in_range(polled, 50, 70);
	was_broken(1);
	fake_reset();
	is_reset(conn, peer);
}

static void test_send_fails(void **state)
{
	(void)state;
	loses(-ECONNRESET);
	assert_int_equal(polled, 0);
	was_broken(0);
	fake_reset();
	assert_int_equal(sends(conn, "x", 1, 0), -ECONNRESET);
}

int main(void)
{
	const struct CMUnitTest faults_tests[] = {
		FAULTS_TEST(test_truncated),
		FAULTS_TEST(test_one_of_two_is_truncated),
		FAULTS_TEST(test_short_read),
		FAULTS_TEST(test_read_fails_once),
		FAULTS_TEST(test_read_fails),
		FAULTS_TEST(test_second_file_is_short),
		FAULTS_TEST(test_takes_nothing),
		FAULTS_TEST(test_takes_some),
		FAULTS_TEST(test_takes_errors),
		FAULTS_TEST(test_interrupted),
		FAULTS_TEST(test_receive_is_not_taken),
		FAULTS_TEST(test_read_never_ends),
		FAULTS_TEST(test_read_hangs),
		FAULTS_TEST(test_read_is_lost),
		FAULTS_TEST(test_read_ends_late),
		FAULTS_TEST(test_lost_with_a_queue),
		FAULTS_TEST(test_lost_with_a_short_file),
		FAULTS_TEST(test_lost_between),
		FAULTS_TEST(test_lost_with_a_flight),
		FAULTS_TEST(test_sent_in_pieces),
		FAULTS_TEST(test_no_room_at_all),
		FAULTS_TEST(test_send_fails),
	};

	return cmocka_run_group_tests_name("commit_faults", faults_tests, NULL, NULL);
}
