/* SPDX-License-Identifier: MIT
 *
 * Many windows at a time: some on their way, the others in turn; and the direct
 * descriptors that they are read by.
 */
#include "unit_stream.h"

#include <sys/sysmacros.h>

#define MANY 100

static int files[MANY], ends[MANY][2];

/* Whose window the nth read is of. */
static int read_for(unsigned nth)
{
	return t->stream[fake_ring_nth(IORING_OP_READ, nth)->user_data & 0xffff].from;
}

static void many_send(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		assert_return_code(socketpair(AF_UNIX,
					      SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
					      ends[i]),
				   errno);
		adds(ends[i][0], EPOLLOUT | EPOLLET);
		files[i] = opens();
		assert_int_equal(sends_from(files[i], ends[i][0], 0, SIZE), 0);
		assert_true(waits_for_room(ends[i][0]));
	}
}

static void many_close(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		closes(ends[i][0]);
		close(ends[i][1]);
		fa_fds[files[i]].flags = 0;
		close(files[i]);
	}
}

static void test_in_turn(void **state)
{
	const unsigned n = FA_STREAMS_FLIGHT + 4;

	(void)state;
	many_send(n);
	assert_int_equal(reads(), FA_STREAMS_FLIGHT);
	/* First come, first served. */
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(read_for(i), files[i]);
		read_ends(i, (int)STEP);
		assert_false(waits_for_room(ends[i][0]));
		if (i + 1 < n)
			assert_true(waits_for_room(ends[i + 1][0]));
	}
	assert_int_equal(t->streaming, 0);
	assert_int_equal(t->h.held, 0);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(fa_fds[files[i]].resident_to, STEP);
	many_close(n);
}

/* Those that wait for their turn are closed: the turn goes to the next. */
static void test_closed_while_waiting_for_its_turn(void **state)
{
	const unsigned n = FA_STREAMS_FLIGHT + 4;

	(void)state;
	many_send(n);
	for (unsigned i = FA_STREAMS_FLIGHT; i < n - 1; i++)
		fa_fds[files[i]].flags = 0;
	read_ends(0, (int)STEP);
	assert_int_equal(reads(), FA_STREAMS_FLIGHT + 1);
	assert_int_equal(read_for(FA_STREAMS_FLIGHT), files[n - 1]);
	for (unsigned i = FA_STREAMS_FLIGHT; i < n - 1; i++)
		assert_false(waits_for_room(ends[i][0]));
	reads_end(1);
	assert_int_equal(t->h.held, 0);
	assert_int_equal(t->streaming, 0);
	many_close(n);
}

static void test_more_than_there_are_places(void **state)
{
	(void)state;
	for (unsigned i = 0; i < FA_STREAMS; i++)
		t->stream[i].pending = 1;
	assert_int_equal(sends(0, SIZE), SIZE);
	assert_int_equal(t->h.held, 0);
}

static void test_ring_retired(void **state)
{
	(void)state;
	many_send(FA_STREAMS_FLIGHT + 1);
	fa_thread_drop(t);
	assert_int_equal(t->h.held, 0);
	assert_int_equal(t->streaming, 0);
	/* On the next one it begins anew, and waits for what is there no more. */
	for (unsigned i = 0; i < FA_STREAMS_FLIGHT + 1; i++)
		assert_int_equal(sends_from(files[i], ends[i][0], STEP, SIZE), 0);
	assert_int_equal(reads(), 2 * FA_STREAMS_FLIGHT);
	reads_end(FA_STREAMS_FLIGHT);
	assert_int_equal(t->h.held, 0);
	many_close(FA_STREAMS_FLIGHT + 1);
}

/* ---- by which descriptor ---- */

/* The read is of the file, whatever the number means when a worker comes to it. */
static void test_reads_the_file_and_not_the_number(void **state)
{
	const struct io_uring_sqe *sqe;
	struct stat st;

	(void)state;
	sends(0, SIZE);
	sqe = fake_ring_nth(IORING_OP_READ, 0);
	assert_true(sqe->flags & IOSQE_FIXED_FILE);
	assert_return_code(dup3(peer, from, O_CLOEXEC), errno);
	assert_return_code(fstat(fake_ring.slot[sqe->fd], &st), errno);
	assert_int_equal(st.st_ino, seen.file.ino);
	/* And it lets go of the file when it has ended. */
	read_ends(0, (int)STEP);
	assert_int_equal(fake_ring.slot[sqe->fd], -1);
}

/* Where the kernel reads without a worker, the pages' arrival ends it. */
static void test_local_file(void **state)
{
	(void)state;
	if (!major(seen.file.dev))
		SKIP("the files are not on a block device");
	sends(0, SIZE);
	assert_true(fake_ring_nth(IORING_OP_READ, 0)->flags & IOSQE_ASYNC);
	reads_end(0);
	unit_hot(seen.file.dev, FA_REOPEN);
	sends(10 * STEP, SIZE);
	assert_false(fake_ring_nth(IORING_OP_READ, 1)->flags & IOSQE_ASYNC);
}

static long few_files(long pid, long resource, long set_to, long old, long e, long f)
{
	long r = fake_kernel(SYS_prlimit64, pid, resource, set_to, old, e, f);

	if (resource == RLIMIT_NOFILE && old)
		((struct rlimit *)old)->rlim_cur = FA_STREAMS_FLIGHT - 1;
	return r;
}

static void test_no_slots(void **state)
{
	(void)state;
	fake_hook(SYS_prlimit64, few_files);
	assert_int_equal(fa_ring_need(t), 0);
	fake_hook(SYS_prlimit64, NULL);
	assert_int_equal(sends(0, SIZE), SIZE);
	assert_int_equal(t->h.held, 0);
	assert_int_equal(reads(), 0);
}

static void test_slot_refused(void **state)
{
	(void)state;
	fake_ring.registers[IORING_REGISTER_FILES_UPDATE] = -EBADF;
	assert_int_equal(sends(0, SIZE), SIZE);
	assert_int_equal(t->h.held, 0);
	fake_ring.registers[IORING_REGISTER_FILES_UPDATE] = 0;
	assert_int_equal(sends(STEP, SIZE), 0);
}

int main(void)
{
	const struct CMUnitTest stream_turns_tests[] = {
		STREAM_TEST(test_in_turn),
		STREAM_TEST(test_closed_while_waiting_for_its_turn),
		STREAM_TEST(test_more_than_there_are_places),
		STREAM_TEST(test_ring_retired),
		STREAM_TEST(test_reads_the_file_and_not_the_number),
		STREAM_TEST(test_local_file),
		STREAM_TEST(test_no_slots),
		STREAM_TEST(test_slot_refused),
	};

	return cmocka_run_group_tests_name("stream_turns", stream_turns_tests, NULL, NULL);
}
