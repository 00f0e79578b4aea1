/* SPDX-License-Identifier: MIT
 *
 * Windows that fail, that find no room, whose file or socket is another by the
 * time that they end, or whose ring goes away: the plain call runs, and nobody
 * waits for ever.
 */
#include "unit_stream.h"

/* The event is due, and the same bytes are not waited for again. */
static void not_again(uint64_t at)
{
	assert_false(waits_for_room(conn));
	assert_int_equal(sends(at, SIZE), SIZE);
	assert_false(waits_for_room(conn));
}

/* ---- reads that fail ---- */

static void fails_with(int result)
{
	assert_int_equal(sends(0, SIZE), 0);
	read_ends(0, result);
	rearmed(conn, EPOLLIN | EPOLLOUT | EPOLLET);
	assert_int_equal(fa_fds[from].resident_to, 0);
	not_again(0);
	assert_int_equal(t->h.n[FA_N_put_off], 1);
	/* What follows may be better. */
	assert_int_equal(sends(STEP, SIZE), 0);
}

static void test_read_fails(void **state)
{
	(void)state;
	fails_with(-EIO);
}

static void test_read_cancelled(void **state)
{
	(void)state;
	fails_with(-ECANCELED);
}

static void test_nothing_to_read(void **state)
{
	(void)state;
	fails_with(0);
}

/* One of several is enough. */
static void test_one_of_many_fails(void **state)
{
	(void)state;
	fa_fds[from].window_steps = 2;
	assert_int_equal(sends(0, SIZE), 0);
	assert_int_equal(reads(), 4);
	read_ends(1, -EIO);
	for (unsigned i = 0; i < 4; i++) {
		assert_true(waits_for_room(conn));
		if (i != 1)
			read_ends(i, (int)STEP);
	}
	not_again(0);
}

/* It is long: each time that the program asks it is put off anew, or sends itself. */
static void test_late(void **state)
{
	(void)state;
	sends(0, SIZE);
	fa_watches[conn].since = unit_ago(FA_HOLD_NS + 1000000);
	t->turned = 0;
	fa_readiness_turn(t);
	assert_false(waits_for_room(conn));
	assert_int_equal(t->h.n[FA_N_late], 1);
	sends(0, SIZE);
	assert_int_equal(reads(), 1);
	reads_end(0);
	assert_int_equal(sends(0, SIZE), STEP);
}

/* ---- no room ---- */

static void test_no_memory(void **state)
{
	(void)state;
	assert_true(fa_readiness_able(t));
	fake_fail(SYS_mmap, -ENOMEM);
	assert_int_equal(sends(0, SIZE), SIZE);
	assert_int_equal(t->fallback[FA_F_no_memory], 1);
	assert_int_equal(reads(), 0);
}

static void test_no_ring(void **state)
{
	(void)state;
	fake_fail(SYS_io_uring_setup, -EPERM);
	assert_int_equal(sends(0, SIZE), SIZE);
}

static void test_no_eventfd(void **state)
{
	(void)state;
	fake_fail(SYS_eventfd2, -EMFILE);
	assert_int_equal(sends(0, SIZE), SIZE);
	assert_int_equal(reads(), 0);
}

static struct fa_thread other_thread;

static void test_threads(void **state)
{
	(void)state;
	sends(0, SIZE);
	memset(&other_thread, 0, sizeof(other_thread));
	other_thread.next = fa_process->threads;
	fa_process->threads = &other_thread;
	assert_int_equal(sends(0, SIZE), SIZE);
	fa_readiness_turn(t);
	assert_false(waits_for_room(conn));
	/* What is on its way ends all the same. */
	reads_end(0);
	assert_int_equal(t->h.held, 0);
}

static void test_no_room_to_hold(void **state)
{
	(void)state;
	for (unsigned i = 0; i < FA_HELD_MAX; i++)
		assert_true(fa_readiness_hold(t, 5000 + (int)i, FA_HELD_IN));
	assert_int_equal(sends(0, SIZE), SIZE);
	assert_int_equal(t->h.n[FA_N_put_off], 0);
	reads_end(0);
	assert_int_equal(t->h.held, FA_HELD_MAX);
}

/* The ring is full of other things. */
static void test_ring_full(void **state)
{
	(void)state;
	assert_true(fa_readiness_able(t));
	fake_ring.result[IORING_OP_NOP] = FAKE_PENDING;
	for (unsigned i = 0; i < FA_RING_FLIGHT; i++) {
		struct io_uring_sqe *sqe = fa_ring_entry(t);

		assert_non_null(sqe);
		io_uring_prep_nop(sqe);
		sqe->user_data = FA_TAG_OTHER;
	}
	fa_ring_submit(t);
	assert_int_equal(sends(0, SIZE), SIZE);
	assert_int_equal(t->h.held, 0);
	/* Room for one of two. */
	fake_ring_complete(FA_TAG_OTHER, 0);
	fa_ring_reap(t);
	fa_fds[from].window_steps = 1;
	fa_fds[from].put_off = 0;
	assert_int_equal(sends(0, SIZE), 0);
	assert_int_equal(reads(), 1);
	reads_end(0);
	assert_int_equal(fa_fds[from].resident_to, STEP);
}

static void test_refused(void **state)
{
	(void)state;
	assert_true(fa_readiness_able(t));
	fake_ring.take = -EAGAIN;
	sends(0, SIZE);
	assert_int_equal(reads(), 0);
	fake_ring.take = FA_RING_ENTRIES;
	/* Whatever it was told: its event comes with the next wait. */
	assert_true(fa_readiness_able(t));
	not_again(0);
	assert_int_equal(sends(STEP, SIZE), 0);
	reads_end(0);
	assert_int_equal(sends(STEP, SIZE), STEP);
}

static void test_taken_in_part(void **state)
{
	(void)state;
	assert_true(fa_readiness_able(t));
	fa_fds[from].window_steps = 2;
	fake_ring.take = 2;
	sends(0, SIZE);
	assert_int_equal(reads(), 2);
	fake_ring.take = FA_RING_ENTRIES;
	read_ends(0, (int)STEP);
	read_ends(1, (int)STEP);
	assert_true(fa_readiness_able(t));
	not_again(0);
}

/* ---- whose window ---- */

static void test_two_sockets(void **state)
{
	int pair[2];

	(void)state;
	assert_return_code(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair),
		errno);
	adds(pair[0], EPOLLOUT | EPOLLET);
	assert_int_equal(sends(0, SIZE), 0);
	/* The window is the other's: its end would not be told here. */
	assert_int_equal(sends_from(from, pair[0], 0, SIZE), SIZE);
	assert_false(waits_for_room(pair[0]));
	reads_end(0);
	assert_false(waits_for_room(conn));
	assert_int_equal(sends_from(from, pair[0], 0, SIZE), STEP);
	closes(pair[0]);
	close(pair[1]);
}

/* Its number is another file's by now. */
static void test_descriptor_used_again(void **state)
{
	int fd = from;

	(void)state;
	sends(0, SIZE);
	fa_fds[fd].flags = 0;
	close(fd);
	from = opens();
	assert_int_equal(from, fd);
	reads_end(0);
	assert_int_equal(fa_fds[from].resident_to, 0);
	assert_false(waits_for_room(conn));
	assert_int_equal(sends(0, SIZE), 0);
	assert_int_equal(reads(), 2);
}

static void test_descriptor_closed(void **state)
{
	(void)state;
	sends(0, SIZE);
	fa_fds[from].flags = 0;
	reads_end(0);
	assert_false(waits_for_room(conn));
	assert_int_equal(fa_fds[from].resident_to, 0);
}

/* The socket is closed, and its number is another's that waits for room itself. */
static void test_socket_closed(void **state)
{
	(void)state;
	sends(0, SIZE);
	closes(conn);
	ctls = 0;
	reads_end(0);
	not_rearmed();
	assert_int_equal(t->h.held, 0);
	assert_int_equal(fa_fds[from].resident_to, STEP);
	conn = -1;
}

/* ---- the file changes ---- */

static void test_file_shrinks(void **state)
{
	(void)state;
	sends(0, SIZE);
	assert_return_code(truncate(file, 500), errno);
	read_ends(0, 500);
	assert_int_equal(sends(0, SIZE), SIZE);
	assert_int_equal(sends(500, SIZE), SIZE);
	assert_int_equal(sends(STEP, SIZE), SIZE);
	assert_int_equal(reads(), 1);
}

static void test_file_grows(void **state)
{
	(void)state;
	assert_return_code(truncate(file, 500), errno);
	sends(0, SIZE);
	read_ends(0, 500);
	assert_int_equal(sends(0, SIZE), SIZE);
	assert_return_code(truncate(file, (off_t)SIZE), errno);
	assert_int_equal(sends(500, SIZE), 0);
	assert_int_equal(fake_ring_nth(IORING_OP_READ, 1)->off, 500);
}

/* ---- the ring goes ---- */

static void *scratch;
static unsigned unmapped;

static long on_munmap(long at, long len, long c, long d, long e, long f)
{
	unmapped += (void *)at == scratch;
	return fake_kernel(SYS_munmap, at, len, c, d, e, f);
}

/* A worker may still be about to write there: it must not become the program's. */
static void test_bytes_after_the_ring(void **state)
{
	(void)state;
	sends(0, SIZE);
	scratch = t->scratch;
	unmapped = 0;
	fake_hook(SYS_munmap, on_munmap);
	fa_thread_drop(t);
	assert_int_equal(unmapped, 0);
}

int main(void)
{
	const struct CMUnitTest stream_faults_tests[] = {
		STREAM_TEST(test_read_fails),
		STREAM_TEST(test_read_cancelled),
		STREAM_TEST(test_nothing_to_read),
		STREAM_TEST(test_one_of_many_fails),
		STREAM_TEST(test_late),
		STREAM_TEST(test_no_memory),
		STREAM_TEST(test_no_ring),
		STREAM_TEST(test_no_eventfd),
		STREAM_TEST(test_threads),
		STREAM_TEST(test_no_room_to_hold),
		STREAM_TEST(test_ring_full),
		STREAM_TEST(test_refused),
		STREAM_TEST(test_taken_in_part),
		STREAM_TEST(test_two_sockets),
		STREAM_TEST(test_descriptor_used_again),
		STREAM_TEST(test_descriptor_closed),
		STREAM_TEST(test_socket_closed),
		STREAM_TEST(test_file_shrinks),
		STREAM_TEST(test_file_grows),
		STREAM_TEST(test_bytes_after_the_ring),
	};

	return cmocka_run_group_tests_name("stream_faults", stream_faults_tests, NULL,
					   NULL);
}
