/* SPDX-License-Identifier: MIT
 *
 * Asynchronous sendfile: the window before the first byte, the ones that follow,
 * what is put off and what is cut short, and who may be put off at all.
 */
#include "unit_stream.h"

#include <sys/sendfile.h>

/* The nth read was of these bytes. */
static void read_is(unsigned nth, uint64_t at, uint64_t len)
{
	const struct io_uring_sqe *sqe = fake_ring_nth(IORING_OP_READ, nth);

	assert_true(sqe->flags & IOSQE_FIXED_FILE);
	assert_int_equal(sqe->off, at);
	assert_int_equal(sqe->len, len);
	assert_true(sqe->flags & IOSQE_ASYNC);
}

/* ---- windows ---- */

static void test_first_window(void **state)
{
	(void)state;
	assert_int_equal(sends(0, SIZE), 0);
	assert_int_equal(reads(), 1);
	read_is(0, 0, STEP);
	assert_true(waits_for_room(conn));
	assert_int_equal(t->h.n[FA_N_put_off], 1);
	assert_int_equal(t->h.n[FA_N_held], 1);
	not_rearmed();
	read_ends(0, (int)STEP);
	assert_false(waits_for_room(conn));
	rearmed(conn, EPOLLIN | EPOLLOUT | EPOLLET);
	assert_int_equal(fa_fds[from].resident_to, STEP);
}

/* While one is sent, the next one is on its way. */
static void test_next_window(void **state)
{
	(void)state;
	sends(0, SIZE);
	reads_end(0);
	/* Cut down to what is there. */
	assert_int_equal(sends(0, SIZE), STEP);
	assert_int_equal(reads(), 2);
	read_is(1, STEP, STEP);
	sent(SIZE, STEP, (int64_t)STEP);
	assert_true(waits_for_room(conn));
	assert_int_equal(t->h.n[FA_N_put_off], 2);
	ctls = 0;
	reads_end(1);
	rearmed(conn, EPOLLIN | EPOLLOUT | EPOLLET);
	/* Half of it: there is enough ahead. */
	assert_int_equal(sends(STEP, STEP / 2), STEP / 2);
	assert_int_equal(reads(), 3);
	sent(STEP / 2, STEP / 2, (int64_t)STEP / 2);
	assert_false(waits_for_room(conn));
	assert_int_equal(sends(STEP + STEP / 2, STEP / 2), STEP / 2);
	assert_int_equal(reads(), 3);
}

/* Who catches up with the reading gets larger ones, up to a limit. */
static void test_windows_grow(void **state)
{
	static const unsigned steps[] = { 1, 2, 4, 4, 4 };
	unsigned had = 0;
	uint64_t at = 0;

	(void)state;
	for (unsigned i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
		assert_int_equal(sends(at, SIZE), 0);
		assert_int_equal(reads(), had + steps[i]);
		for (unsigned k = 0; k < steps[i]; k++)
			read_is(had + k, at + k * STEP, STEP);
		/* All of them, in any order, or it is not there. */
		for (unsigned k = steps[i]; k-- > 0;) {
			assert_true(waits_for_room(conn));
			read_ends(had + k, (int)STEP);
		}
		assert_false(waits_for_room(conn));
		had += steps[i];
		at += steps[i] * STEP;
		assert_int_equal(fa_fds[from].resident_to, at);
	}
}

static void test_end_of_the_file(void **state)
{
	(void)state;
	assert_int_equal(sends(SIZE - 1500, 1 << 20), 0);
	read_is(0, SIZE - 1500, 1500);
	read_ends(0, 1500);
	assert_int_equal(sends(SIZE - 1500, 1 << 20), 1 << 20);
	assert_int_equal(sends(SIZE, 1 << 20), 1 << 20);
	assert_int_equal(sends(SIZE + 5, 1 << 20), 1 << 20);
	assert_int_equal(reads(), 1);
}

/* What the chain of the open has brought in need not be read. */
static void test_after_a_chain(void **state)
{
	(void)state;
	fa_fds[from].resident_to = STEP / 2;
	assert_int_equal(sends(0, 1000), 1000);
	assert_int_equal(sends(0, SIZE), STEP / 2);
	assert_int_equal(sends(STEP / 2, SIZE), 0);
	read_is(0, STEP / 2, STEP);
}

static void test_bytes_that_are_there(void **state)
{
	(void)state;
	fake_ring.result[IORING_OP_READ] = (int)STEP;
	assert_int_equal(sends(0, STEP), STEP);
	assert_int_equal(reads(), 1);
	assert_int_equal(t->h.n[FA_N_put_off], 0);
	assert_false(waits_for_room(conn));
}

static void test_goes_elsewhere(void **state)
{
	(void)state;
	sends(0, SIZE);
	reads_end(0);
	assert_int_equal(sends(10 * STEP, SIZE), 0);
	read_is(1, 10 * STEP, STEP);
	assert_int_equal(fa_fds[from].resident, 10 * STEP);
	reads_end(1);
	assert_int_equal(sends(10 * STEP, SIZE), STEP);
	/* And back. */
	reads_end(2);
	assert_int_equal(sends(5, 10), 0);
}

/* A window that was on its way is not where the reader is now. */
static void test_goes_elsewhere_meanwhile(void **state)
{
	(void)state;
	sends(10 * STEP, SIZE);
	fa_readiness_release_all(t);
	sends(0, SIZE);
	reads_end(0);
	assert_true(fa_fds[from].resident_to <= STEP);
}

static void test_offset_of_the_file(void **state)
{
	(void)state;
	assert_int_equal(lseek(from, (off_t)(3 * STEP), SEEK_SET), 3 * STEP);
	sending = (struct fa_call){ .t = &t->h, .fd = from, .f = &fa_fds[from] };
	assert_int_equal(fa_send_touch(&sending, conn, NULL, SIZE), 0);
	read_is(0, 3 * STEP, STEP);
	assert_int_equal(lseek(from, 0, SEEK_CUR), 3 * STEP);
}

/* ---- cut short ---- */

static void test_cut_short_by_the_socket(void **state)
{
	(void)state;
	fa_fds[from].resident_to = STEP;
	assert_int_equal(sends(0, SIZE), STEP);
	fa_fds[from].flags &= ~FA_FD_WAITED;
	/* It was full before: the kernel will tell. */
	sent(SIZE, STEP, 5000);
	assert_false(waits_for_room(conn));
	not_rearmed();
	sent(SIZE, STEP, -1);
	assert_false(waits_for_room(conn));
	not_rearmed();
	assert_int_equal(t->h.n[FA_N_put_off], 0);
	assert_true(fa_fds[from].flags & FA_FD_WAITED);
}

/* The next window has come while this one was sent: the event is due at once. */
static void test_cut_short_and_there_again(void **state)
{
	(void)state;
	fa_fds[from].resident_to = STEP;
	assert_int_equal(sends(0, SIZE), STEP);
	reads_end(0);
	ctls = 0;
	sent(SIZE, STEP, (int64_t)STEP);
	assert_false(waits_for_room(conn));
	assert_true(ctls > 0);
	assert_int_equal(ctl[ctls - 1].ev.events, EPOLLIN | EPOLLOUT | EPOLLET);
	assert_true(reported(conn) & EPOLLOUT);
}

static void test_not_cut_short(void **state)
{
	(void)state;
	fa_fds[from].resident_to = STEP;
	assert_int_equal(sends(0, STEP), STEP);
	sent(STEP, STEP, (int64_t)STEP);
	assert_false(waits_for_room(conn));
	not_rearmed();
}

/* ---- to whom ---- */

static void plainly(void)
{
	assert_int_equal(sends(0, SIZE), SIZE);
	assert_int_equal(reads(), 0);
	assert_int_equal(t->h.held, 0);
}

static void test_level_triggered(void **state)
{
	(void)state;
	registers(set, EPOLL_CTL_MOD, conn, EPOLLIN | EPOLLOUT, (uint64_t)conn);
	assert_int_equal(sends(0, SIZE), 0);
	rearmed(conn, EPOLLIN);
	reads_end(0);
	rearmed(conn, EPOLLIN | EPOLLOUT);
}

static void test_polled(void **state)
{
	(void)state;
	registers(set, EPOLL_CTL_DEL, conn, 0, 0);
	plainly();
	fa_watches[conn].flags = FA_WATCH_POLLED;
	assert_int_equal(sends(0, SIZE), 0);
	assert_true(waits_for_room(conn));
	reads_end(0);
	assert_false(waits_for_room(conn));
}

static void test_blocking_socket(void **state)
{
	(void)state;
	fcntl(conn, F_SETFL, 0);
	plainly();
}

static void test_number_out_of_range(void **state)
{
	(void)state;
	assert_int_equal(sends_from(from, -1, 0, SIZE), SIZE);
	assert_int_equal(sends_from(from, FA_FDS, 0, SIZE), SIZE);
	assert_int_equal(reads(), 0);
}

/* Closed where nobody saw it: EBADF, not EAGAIN. */
static void test_closed_socket(void **state)
{
	(void)state;
	close(conn);
	plainly();
	conn = -1;
}

static void test_kinds_that_are_not_put_off(void **state)
{
	(void)state;
	fa_watches[conn].flags = FA_WATCH_MULTI;
	plainly();
	fa_watches[conn].flags = FA_WATCH_PLAIN;
	plainly();
}

static void test_set_of_a_child(void **state)
{
	(void)state;
	fa_sets_inherited();
	plainly();
}

static void test_all_of_it_fits(void **state)
{
	int room = 100000;
	socklen_t len = sizeof(room);

	(void)state;
	setsockopt(conn, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	getsockopt(conn, SOL_SOCKET, SO_SNDBUF, &room, &len);
	fa_fds[from].flags &= ~FA_FD_WAITED;
	assert_int_equal(sends(SIZE - (uint64_t)room, SIZE), SIZE);
	assert_int_equal(reads(), 0);
	assert_int_equal(sends(SIZE - (uint64_t)room - 1, SIZE), 0);
}

static void test_hot_file(void **state)
{
	(void)state;
	fa_fds[from].flags = FA_FD_CAPTURED;
	plainly();
	assert_int_equal(fake_calls(SYS_fcntl), 0);
}

static void test_with_locks(void **state)
{
	(void)state;
	fa_other_locks = true;
	plainly();
	fa_other_locks = false;
}

static void test_bad_offset(void **state)
{
	off_t negative = -1;

	(void)state;
	sending = (struct fa_call){ .t = &t->h, .fd = from, .f = &fa_fds[from] };
	assert_int_equal(fa_send_touch(&sending, conn, (off_t *)8, SIZE), SIZE);
	assert_int_equal(fa_send_touch(&sending, conn, &negative, SIZE), SIZE);
	assert_int_equal(sends(0, 0), 0);
	assert_int_equal(reads(), 0);
	assert_int_equal(t->h.held, 0);
}

static void test_while_busy(void **state)
{
	off_t offset = 0;

	(void)state;
	sending = (struct fa_call){ .t = &t->h, .fd = from, .f = &fa_fds[from] };
	assert_true(fa_busy(t));
	assert_int_equal(fa_send_touch(&sending, conn, &offset, SIZE), SIZE);
	fa_stream_cut_short(&sending, conn);
	assert_int_equal(t->h.word, FA_T_BUSY);
	assert_int_equal(t->h.held, 0);
	fa_ready(t);
}

/* ---- on the kernel's ring ---- */

static int real_setup(void **state)
{
	stream_setup(state);
	fake_hook(SYS_io_uring_setup, NULL);
	fake_hook(SYS_io_uring_register, NULL);
	fake_hook(SYS_io_uring_enter, NULL);
	return 0;
}

static void test_real(void **state)
{
	char buf[65536];
	size_t total = 0, heard = 0;

	(void)state;
	REAL_RING();
	for (int i = 0; i < 20000 && heard < SIZE; i++) {
		off_t offset = (off_t)total;
		size_t some = total < SIZE ? sends(total, SIZE - total) : 0;
		ssize_t n = some ? sendfile(conn, from, &offset, some) : -1;

		if (total < SIZE)
			sent(SIZE - total, some, n);
		total += n > 0 ? (size_t)n : 0;
		n = recv(peer, buf, sizeof(buf), MSG_DONTWAIT);
		heard += n > 0 ? (size_t)n : 0;
		if (n <= 0)
			fa_ring_wait(t, 1000000);
	}
	assert_int_equal(total, SIZE);
	assert_int_equal(heard, SIZE);
	assert_int_equal(t->h.held, 0);
	assert_true(t->h.n[FA_N_put_off] > 0);
}

int main(void)
{
	const struct CMUnitTest stream_tests[] = {
		STREAM_TEST(test_first_window),
		STREAM_TEST(test_next_window),
		STREAM_TEST(test_windows_grow),
		STREAM_TEST(test_end_of_the_file),
		STREAM_TEST(test_after_a_chain),
		STREAM_TEST(test_bytes_that_are_there),
		STREAM_TEST(test_goes_elsewhere),
		STREAM_TEST(test_goes_elsewhere_meanwhile),
		STREAM_TEST(test_offset_of_the_file),
		STREAM_TEST(test_cut_short_by_the_socket),
		STREAM_TEST(test_cut_short_and_there_again),
		STREAM_TEST(test_not_cut_short),
		STREAM_TEST(test_level_triggered),
		STREAM_TEST(test_polled),
		STREAM_TEST(test_blocking_socket),
		STREAM_TEST(test_number_out_of_range),
		STREAM_TEST(test_closed_socket),
		STREAM_TEST(test_kinds_that_are_not_put_off),
		STREAM_TEST(test_set_of_a_child),
		STREAM_TEST(test_all_of_it_fits),
		STREAM_TEST(test_hot_file),
		STREAM_TEST(test_with_locks),
		STREAM_TEST(test_bad_offset),
		STREAM_TEST(test_while_busy),
		cmocka_unit_test_setup_teardown(test_real, real_setup, stream_teardown),
	};

	return cmocka_run_group_tests_name("stream", stream_tests, NULL, NULL);
}
