/* SPDX-License-Identifier: MIT
 *
 * What once went wrong with promises: each of these is a mistake that was found.
 */
#include "unit_promise.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

static int other, theirs; /* another connection that blocks */

static int mended_setup(void **state)
{
	promise_setup(state);
	other = connects(0);
	theirs = peer_of(other);
	return 0;
}

#define MENDED(name) cmocka_unit_test_setup_teardown(name, mended_setup, promise_teardown)

static void drains(void)
{
	gets_file(peer, 0, STUFF);
}

/* ---- what the program is told ---- */

/* The kernel refuses counts that are negative as a ssize_t. */
static void test_count_is_too_large(void **state)
{
	int file = opens(name);

	(void)state;
	assert_int_equal(sends_file(conn, file, NULL, 10), 10);
	assert_int_equal(sends_file(conn, file, NULL, 1UL << 63), -EINVAL);
	assert_int_equal(sends_file(conn, file, NULL, SIZE_MAX), -EINVAL);
	closes(file);
}

static void test_offset_is_too_large(void **state)
{
	off_t far = 1L << 62;
	int file = opens(name);
	int64_t plain;

	(void)state;
	plain = counted(sendfile(conn, file, &far, 10));
	assert_int_equal(sends_file(conn, file, NULL, 10), 10);
	assert_int_equal(sends_file(conn, file, &far, 10), plain);
	closes(file);
}

/* memcpy() wants no null pointer, not even for nothing (make ubsan). */
static void test_empty_buffer(void **state)
{
	struct iovec iov[] = { { NULL, 0 }, { "x", 1 } };
	int file = opens(name);

	(void)state;
	assert_int_equal(sends_all(conn, iov, 2, 0), 1);
	closes(file);
}

/* ---- chains that break ---- */

/* An answer whose chain broke at the read arrives all the same. */
static void is_read_plainly(int file)
{
	fake_ring.result[IORING_OP_READ] = 10;
	answers(conn, file);
	assert_int_equal(closes(file), 0);
	fa_touch();
	gets_answer(peer);
}

/* Done plainly, it is done: later commits have nothing more to do for it. */
static void test_short_read_is_over(void **state)
{
	(void)state;
	is_read_plainly(opens(name));
	assert_int_equal(fa_unsent(t, conn), 0);
	assert_false(is_on_its_way());
}

/* Its number is another file's by now: bytes of that go to the peer of the first. */
static void test_short_read_is_not_repeated(void **state)
{
	int file = opens(name), stranger;

	(void)state;
	is_read_plainly(file);
	fake_ring.result[IORING_OP_READ] = FAKE_RUN;
	stranger = opens(large);
	assert_int_equal(stranger, file);
	sends_file(other, stranger, NULL, 10);
	fa_touch();
	gets_file(theirs, 0, 10);
	assert_int_equal(t->h.n[FA_N_broken], 0);
	gets_nothing(peer);
	closes(stranger);
}

/* A close that fails has closed, but it cancels the send that is linked to it. */
static void test_close_fails(void **state)
{
	int file = opens(name);

	(void)state;
	answers(conn, file);
	assert_int_equal(closes(file), 0);
	fake_ring.result[IORING_OP_CLOSE] = -EIO;
	fa_touch();
	close(file); /* the ring's */
	assert_int_equal(fa_watches[conn].error, 0);
	gets_answer(peer);
}

/* ---- the ring ---- */

static unsigned rounds;

static void nothing_comes(void)
{
	if (++rounds > 100)
		fail_msg("it waits for what was not submitted");
}

static void test_send_was_not_taken(void **state)
{
	int file = opens(name);

	(void)state;
	rounds = 0;
	answers(conn, file);
	closes(file);
	fake_ring.take = 2;
	waits(nothing_comes);
	fa_touch();
	fa_settle_all();
	assert_false(is_on_its_way());
}

static void test_next_send_was_not_taken(void **state)
{
	int file;

	(void)state;
	rounds = 0;
	stuffs(conn);
	file = opens(name);
	answers(conn, file);
	closes(file);
	fa_touch();
	drains();
	fake_ring.take = -EAGAIN;
	fa_ring_reap(t);
	waits(nothing_comes);
	fa_settle_all();
	assert_false(is_on_its_way());
}

/* ---- waiting ---- */

static long interrupted(long fd, long to, long n, long d, long e, long f)
{
	if (fd != fake_ring.eventfd)
		return fake_kernel(SYS_read, fd, to, n, d, e, f);
	return -EINTR;
}

static void says(void)
{
	const struct io_uring_sqe *sqe = NULL;

	gets_file(peer, 0, STUFF);
	assert_int_equal(send(theirs, "x", 1, 0), 1);
	fake_ring_took(IORING_OP_POLL_ADD, &sqe);
	fake_ring_complete(sqe->user_data, POLLIN);
}

/* The poll of the first try is cancelled, and its end is not that of the second. */
static void test_interrupted_and_again(void **state)
{
	int64_t result;
	char byte;

	(void)state;
	stuffs(conn);
	fake_hook(SYS_read, interrupted);
	assert_int_equal(receives(other, &byte, 1, 0), -EINTR);
	waits(says);
	/* The program's own call comes next, and it would wait with bytes of ours unsent.
	 */
	assert_false(fa_promise_receive(other, &byte, 1, 0, &result));
	assert_int_equal(recv(other, &byte, 1, MSG_DONTWAIT), 1);
}

static unsigned waited;

static void counts(void)
{
	waited++;
	drains();
}

static void test_bytes_that_shall_not_wait(void **state)
{
	(void)state;
	waited = 0;
	stuffs(conn);
	waits(counts);
	assert_int_equal(sends(conn, "x", 1, MSG_DONTWAIT), -EAGAIN);
	assert_int_equal(waited, 0);
}

/* With SO_SNDTIMEO a send to a peer that takes nothing ends with EAGAIN. */
static void test_send_with_a_limit(void **state)
{
	struct timeval limit = { 0, 20000 };

	(void)state;
	assert_return_code(setsockopt(conn, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)),
			   errno);
	waited = 0;
	stuffs(conn);
	waits(counts);
	assert_int_equal(sends(conn, "x", 1, 0), -EAGAIN);
	assert_int_equal(waited, 0);
	assert_true(is_on_its_way());
}

/* And with SO_RCVTIMEO a receive, whatever is on its way to others. */
static void test_receive_with_a_limit(void **state)
{
	struct timeval limit = { 0, 20000 };
	char byte;

	(void)state;
	assert_return_code(
		setsockopt(other, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), errno);
	stuffs(conn);
	assert_int_equal(receives(other, &byte, 1, 0), -EAGAIN);
	assert_true(is_on_its_way());
}

/* A read of a pipe may wait for somebody who waits for what was promised. */
static void test_read_of_a_fifo(void **state)
{
	int file, fifo, writer;
	char byte;

	(void)state;
	assert_return_code(mkfifo(unit_path("fifo"), 0600), errno);
	writer = open(unit_path("fifo"), O_RDWR | O_CLOEXEC);
	fifo = opens_with(unit_path("fifo"), O_RDONLY | O_CLOEXEC);
	file = opens(name);
	answers(conn, file);
	assert_int_equal(write(writer, "x", 1), 1);
	assert_int_equal(reads(fifo, &byte, 1), 1);
	assert_false(is_queued());
	closes(fifo);
	closes(file);
	close(writer);
}

/* ---- errors ---- */

/* Whoever goes on sending to a peer that has gone is told so. */
static void test_dead_connection(void **state)
{
	struct linger linger = { 1, 0 };
	struct pollfd p = { conn, POLLIN, 0 };
	int file = opens(name);

	(void)state;
	assert_return_code(setsockopt(peer, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)),
			   errno);
	close(peer);
	peers[0] = -1;
	assert_int_equal(poll(&p, 1, 5000), 1);
	for (unsigned i = 0; i < 2; i++) {
		sends_file(conn, file, &(off_t){ 0 }, 10);
		fa_touch();
	}
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(sends_file(conn, file, &(off_t){ 0 }, 10), -EPIPE);
		fa_touch();
	}
	closes(file);
}

/* Nor is anything promised on one that a broken promise has reset. */
static void test_broken_connection(void **state)
{
	int file = opens(name);

	(void)state;
	sends_file(conn, file, NULL, SIZE);
	assert_return_code(truncate(name, 10), errno);
	fa_touch();
	assert_int_equal(t->h.n[FA_N_broken], 1);
	assert_true(sends(conn, HEADER, (size_t)HEAD, 0) < 0);
	closes(file);
}

/* Of what has gone only a part, the rest has met an error that nobody else will tell. */
static void test_short_send(void **state)
{
	int file = opens(name);

	(void)state;
	answers(conn, file);
	closes(file);
	fake_ring.result[IORING_OP_SEND] = 100;
	fa_touch();
	assert_int_equal(sends(conn, "x", 1, MSG_EOR), -ECONNRESET);
}

static void test_receive_tells_all(void **state)
{
	int file = opens(name);
	char byte;

	(void)state;
	fake_ring.result[IORING_OP_SEND] = -ETIMEDOUT;
	answers(conn, file);
	closes(file);
	fa_touch();
	assert_int_equal(receives(conn, &byte, 1, MSG_DONTWAIT), -ETIMEDOUT);
}

/* Else every call goes the long way for as long as the thread lives. */
static void test_told_is_forgotten(void **state)
{
	int file = opens(name), another = opens(name);

	(void)state;
	fake_ring.result[IORING_OP_SEND] = -ECONNRESET;
	answers(conn, file);
	answers(other, another);
	closes(file);
	closes(another);
	fa_touch();
	assert_int_equal(sends(conn, "x", 1, 0), -ECONNRESET);
	assert_int_equal(t->h.promise, FA_P_ERROR);
	/* Nobody has asked for it. */
	closes(other);
	conns[1] = -1;
	assert_int_equal(t->h.promise, 0);
}

/* A send that ends after its promise was broken is no error of the next connection. */
static void test_late_error(void **state)
{
	const struct io_uring_sqe *late;
	int old = conn, file;

	(void)state;
	stuffs(conn);
	late = fake_ring_nth(IORING_OP_SEND, 0);
	fa_promise_lost(t);
	assert_false(is_on_its_way());
	closes(conn);
	conns[0] = -1;
	assert_int_equal(dup(other), old);
	file = opens(name);
	assert_int_equal(sends_file(old, file, NULL, 10), 10); /* the same place */
	fake_ring_complete(late->user_data, -ECONNRESET);
	fa_ring_reap(t);
	assert_int_equal(fa_watches[old].error, 0);
	assert_true(is_queued());
	closes(file);
	closes(old);
}

/* ---- what fits ---- */

static void test_plain_sends_take_room(void **state)
{
	int file = opens(name), quick = connects(SOCK_NONBLOCK);

	(void)state;
	assert_int_equal(sends_file(quick, file, &(off_t){ 0 }, 10), 10);
	assert_true(fa_watches[quick].room > 0);
	closes(file);
	fa_touch();
	assert_false(fa_promising());
	fa_sending_plainly(quick);
	assert_int_equal(fa_watches[quick].room, 0);
}

/* ---- files ---- */

static long no_nowait(long fd, long iov, long count, long at, long high, long flags)
{
	(void)fd, (void)iov, (void)count, (void)at, (void)high;
	assert_int_equal(flags, 8);
	return -EOPNOTSUPP;
}

/* Where the ring would give it to a worker it is read plainly, and closed in order. */
static void test_file_that_is_not_for_the_ring(void **state)
{
	int file;

	(void)state;
	fake_hook(SYS_preadv2, no_nowait);
	file = opens(name);
	answers(conn, file);
	assert_int_equal(closes(file), 0);
	fa_touch();
	gets_answer(peer);
	assert_int_equal(took(IORING_OP_READ), 0);
	assert_int_equal(fake_ring.closed, 1);
	assert_false(is_on_its_way());
	/* Asked once per file system. */
	file = opens(name);
	answers(conn, file);
	assert_int_equal(fake_calls(SYS_preadv2), 1);
	/* What comes later is too late, as for a plain call. */
	assert_return_code(truncate(name, 10), errno);
	fa_touch();
	gets_answer(peer);
	/* As in sysfs: there is less than the size says. */
	fa_fds[file].size_at = t->h.touched;
	assert_int_equal(sends_file(conn, file, &(off_t){ 0 }, SIZE), 10);
	fa_touch();
	gets_file(peer, 0, 10);
	gets_nothing(peer);
	assert_int_equal(t->h.n[FA_N_broken], 0);
	closes(file);
}

/* ---- corks ---- */

/* Taking it off and putting it on again sends what is there. */
static void test_cork_off_and_on(void **state)
{
	int file = opens(name), kept = -1;

	(void)state;
	corks(conn, 1);
	assert_int_equal(sends(conn, HEADER, (size_t)HEAD, 0), HEAD);
	corks(conn, 0);
	corks(conn, 1);
	fa_touch();
	assert_return_code(ioctl(conn, 0x894B /* SIOCOUTQNSD */, &kept), errno);
	assert_int_equal(kept, 0);
	closes(file);
}

int main(void)
{
	const struct CMUnitTest mended_tests[] = {
		MENDED(test_count_is_too_large),
		MENDED(test_offset_is_too_large),
		MENDED(test_empty_buffer),
		MENDED(test_short_read_is_over),
		MENDED(test_short_read_is_not_repeated),
		MENDED(test_close_fails),
		MENDED(test_send_was_not_taken),
		MENDED(test_next_send_was_not_taken),
		MENDED(test_interrupted_and_again),
		MENDED(test_bytes_that_shall_not_wait),
		MENDED(test_send_with_a_limit),
		MENDED(test_receive_with_a_limit),
		MENDED(test_read_of_a_fifo),
		MENDED(test_dead_connection),
		MENDED(test_broken_connection),
		MENDED(test_short_send),
		MENDED(test_receive_tells_all),
		MENDED(test_told_is_forgotten),
		MENDED(test_late_error),
		MENDED(test_plain_sends_take_room),
		MENDED(test_file_that_is_not_for_the_ring),
		MENDED(test_cork_off_and_on),
	};

	return cmocka_run_group_tests_name("promise_mended", mended_tests, NULL, NULL);
}
