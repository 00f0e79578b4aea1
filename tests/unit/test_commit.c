/* SPDX-License-Identifier: MIT
 *
 * What goes to the ring when all that was promised is committed, in which order, and
 * what makes it go: entries and their links, connections, corks, receives that go along.
 */
#include "unit_promise.h"

static int pair[2]; /* a connection that does not block, and its peer */

static int commit_setup(void **state)
{
	promise_setup(state);
	pair[0] = connects(SOCK_NONBLOCK);
	pair[1] = peer_of(pair[0]);
	return 0;
}

#define COMMIT_TEST(name) \
	cmocka_unit_test_setup_teardown(name, commit_setup, promise_teardown)

/* ---- entries ---- */

/* The nth entry was this operation on this descriptor, linked to the next one. */
static void entry_is(unsigned n, unsigned op, int fd, bool linked)
{
	const struct io_uring_sqe *sqe = &fake_ring.log[n];

	assert_in_range(n, 0, fake_ring.logged - 1);
	assert_int_equal(sqe->opcode, op);
	assert_int_equal(sqe->fd, fd);
	assert_int_equal(sqe->flags, linked ? IOSQE_IO_LINK : 0);
}

static void test_entries(void **state)
{
	int one = opens(name), two = opens(name);
	off_t at = 100;

	(void)state;
	answers(conn, one);
	assert_int_equal(closes(one), 0);
	assert_int_equal(sends_file(pair[0], two, &at, 50), 50);
	fa_touch();
	entry_is(0, IORING_OP_READ, one, true);
	entry_is(1, IORING_OP_CLOSE, one, true);
	entry_is(2, IORING_OP_SEND, conn, false);
	entry_is(3, IORING_OP_READ, two, true);
	entry_is(4, IORING_OP_SEND, pair[0], false);
	assert_int_equal(fake_ring.logged, 5);
	assert_int_equal(fake_ring.log[3].off, 100);
	assert_int_equal(fake_ring.log[3].len, 50);
	/* All of it, and nobody is killed for a peer that has gone. */
	assert_int_equal(fake_ring.log[2].len, HEAD + SIZE);
	assert_int_equal(fake_ring.log[2].msg_flags, MSG_NOSIGNAL | MSG_WAITALL);
	assert_int_equal(t->h.n[FA_N_enters], 1);
	assert_int_equal(t->h.n[FA_N_commits], 1);
	assert_int_equal(fake_ring.waits, 0);
	gets_answer(peer);
	gets_file(pair[1], 100, 50);
	assert_int_equal(fcntl(one, F_GETFD), -1);
	closes(two);
}

static void test_nothing_to_commit(void **state)
{
	int file;

	(void)state;
	fa_touch();
	fa_settle_all();
	fa_promise_fork();
	file = opens(name);
	assert_int_equal(t->h.n[FA_N_enters], 0);
	assert_int_equal(t->h.n[FA_N_commits], 0);
	assert_int_equal(sends_file(conn, file, &(off_t){ 0 }, 5), 5);
	fa_touch();
	fa_touch();
	assert_int_equal(t->h.n[FA_N_enters], 1);
	assert_int_equal(t->h.n[FA_N_commits], 1);
	closes(file);
}

static void test_header_alone(void **state)
{
	int file = opens(name);

	(void)state;
	assert_int_equal(sends(conn, "only", 4, 0), 4);
	fa_touch();
	assert_int_equal(fake_ring.logged, 1);
	entry_is(0, IORING_OP_SEND, conn, false);
	gets_text(peer, "only");
	closes(file);
}

static void test_far_offset(void **state)
{
	const off_t far = (5LL << 30) + 123;
	int fd = open(name, O_WRONLY | O_CLOEXEC), file;
	off_t at = far;

	(void)state;
	assert_int_equal(pwrite(fd, "far away", 8, far), 8);
	close(fd);
	file = opens(name);
	assert_int_equal(sends_file(conn, file, &at, 1 << 20), 8);
	assert_int_equal(at, far + 8);
	fa_touch();
	gets_text(peer, "far away");
	closes(file);
}

/* ---- connections ---- */

/* Two sends of one connection in a submission might overtake each other. */
static void test_same_again(void **state)
{
	int file = opens(name);

	(void)state;
	sends_file(conn, file, &(off_t){ 0 }, 10);
	sends_file(pair[0], file, &(off_t){ 20 }, 10);
	assert_int_equal(t->h.n[FA_N_commits], 0);
	sends_file(conn, file, &(off_t){ 40 }, 10);
	assert_int_equal(t->h.n[FA_N_commits], 1);
	assert_true(is_queued());
	sends_file(pair[0], file, &(off_t){ 60 }, 10);
	assert_int_equal(t->h.n[FA_N_commits], 1);
	fa_touch();
	gets_file(peer, 0, 10);
	gets_file(peer, 40, 10);
	gets_file(pair[1], 20, 10);
	gets_file(pair[1], 60, 10);
	assert_int_equal(took(IORING_OP_SEND), 4);
	closes(file);
}

/* Only of numbers that were accepted here it is known that they are not the same. */
static void test_same_by_another_number(void **state)
{
	int file = opens(name), two;

	(void)state;
	two = dup(conn); /* by a call that nobody saw */
	fa_forget_watch(two);
	sends_file(conn, file, &(off_t){ 0 }, 10);
	assert_int_equal(sends_file(two, file, &(off_t){ 20 }, 10), 10);
	assert_int_equal(t->h.n[FA_N_commits], 1);
	assert_true(is_queued());
	assert_int_equal(sends_file(pair[0], file, &(off_t){ 40 }, 10), 10);
	assert_int_equal(t->h.n[FA_N_commits], 2);
	assert_int_equal(sends_file(conn, file, &(off_t){ 60 }, 10), 10);
	assert_int_equal(promised(), 4);
	fa_touch();
	gets_file(peer, 0, 10);
	gets_file(peer, 20, 10);
	gets_file(peer, 60, 10);
	gets_file(pair[1], 40, 10);
	closes(file);
	close(two);
}

/* ---- corks ---- */

static struct {
	int value;
	unsigned entries; /* that the ring had taken by then */
} set[8];
static unsigned sets;

static long on_setsockopt(long fd, long level, long option, long value, long len, long f)
{
	assert_int_equal(level, IPPROTO_TCP);
	assert_int_equal(option, TCP_CORK);
	assert_in_range(sets, 0, 7);
	set[sets].value = *(const int *)value;
	set[sets++].entries = fake_ring.logged;
	return fake_kernel(SYS_setsockopt, fd, level, option, value, len, f);
}

static bool is_corked(int fd)
{
	socklen_t len = sizeof(int);
	int on = -1;

	assert_return_code(getsockopt(fd, IPPROTO_TCP, TCP_CORK, &on, &len), errno);
	return on;
}

static void test_corks_vanish(void **state)
{
	int file = opens(name);

	(void)state;
	sets = 0;
	fake_hook(SYS_setsockopt, on_setsockopt);
	/* Until one was set nobody knows how it stands. */
	assert_int_equal(corks(conn, 1), 0);
	assert_int_equal(promised(), 0);
	assert_true(is_corked(conn));
	assert_int_equal(corks(conn, 0), 0);
	assert_int_equal(promised(), 1);
	fa_touch();
	assert_int_equal(sets, 1);
	assert_false(is_corked(conn));
	/* From now on: */
	assert_int_equal(corks(conn, 1), 0);
	answers(conn, file);
	assert_int_equal(corks(conn, 0), 0);
	assert_int_equal(closes(file), 0);
	assert_int_equal(promised(), 6);
	fa_touch();
	gets_answer(peer);
	assert_int_equal(sets, 1);
	assert_int_equal(took(IORING_OP_SEND), 1);
	assert_false(is_corked(conn));
}

static void test_cork_stays(void **state)
{
	int file = opens(name);

	(void)state;
	corks(conn, 0);
	sets = 0;
	fake_hook(SYS_setsockopt, on_setsockopt);
	corks(conn, 1);
	assert_int_equal(sends(conn, HEADER, (size_t)HEAD, 0), HEAD);
	fa_touch();
	/* Before the bytes that it is to keep, and taken off behind the others. */
	assert_int_equal(sets, 1);
	assert_int_equal(set[0].value, 1);
	assert_int_equal(set[0].entries, 0);
	assert_true(is_corked(conn));
	assert_int_equal(sends_file(conn, file, NULL, SIZE), SIZE);
	corks(conn, 0);
	fa_touch();
	assert_int_equal(sets, 2);
	assert_int_equal(set[1].value, 0);
	assert_int_equal(set[1].entries, 3);
	assert_false(is_corked(conn));
	gets_answer(peer);
	closes(file);
}

/* On a connection that is not promised anything, or is not one at all. */
static void test_other_corks(void **state)
{
	int file = opens(name), udp = socket(AF_INET, SOCK_DGRAM, 0);

	(void)state;
	fa_forget_watch(udp);
	assert_true(corks(udp, 1) < 0);
	assert_int_equal(corks(conn, 0), 0);
	sends_file(pair[0], file, &(off_t){ 0 }, 10);
	assert_int_equal(corks(pair[0], 1), 0); /* plain, and commits */
	assert_false(is_queued());
	assert_true(is_corked(pair[0]));
	/* Known by now; and forgotten with the other flags. */
	fa_forget_socket(pair[0]);
	assert_int_equal(promised(), 1);
	assert_int_equal(corks(pair[0], 0), 0);
	assert_int_equal(promised(), 1);
	gets_file(pair[1], 0, 10);
	closes(file);
	close(udp);
}

/* ---- receives ---- */

static void test_receive(void **state)
{
	int file = opens(name);
	char bytes[10];
	uint64_t calls;

	(void)state;
	calls = t->h.n[FA_N_calls];
	sends_file(conn, file, &(off_t){ 0 }, 10);
	assert_int_equal(receives(pair[0], bytes, sizeof(bytes), 0), -EAGAIN);
	assert_int_equal(t->h.n[FA_N_calls], calls + 2);
	entry_is(2, IORING_OP_RECV, pair[0], false);
	assert_true(fake_ring.log[2].msg_flags & MSG_DONTWAIT);
	assert_int_equal(t->h.n[FA_N_enters], 1);
	assert_int_equal(send(pair[1], "hello", 5, 0), 5);
	sends_file(conn, file, &(off_t){ 10 }, 10);
	assert_int_equal(receives(pair[0], bytes, 2, MSG_PEEK), 2);
	sends_file(conn, file, &(off_t){ 20 }, 10);
	assert_int_equal(receives(pair[0], bytes, sizeof(bytes), 0), 5);
	assert_memory_equal(bytes, "hello", 5);
	sends_file(conn, file, &(off_t){ 30 }, 10);
	assert_int_equal(send(pair[1], "x", 1, 0), 1);
	assert_int_equal(receives(pair[0], (void *)16, 1, 0), -EFAULT);
	assert_int_equal(receives(pair[0], bytes, 1, 0), 1);
	shutdown(pair[1], SHUT_WR);
	sends_file(conn, file, &(off_t){ 40 }, 10);
	assert_int_equal(receives(pair[0], bytes, 1, 0), 0);
	assert_int_equal(took(IORING_OP_RECV), 5);
	assert_int_equal(t->h.n[FA_N_enters], 5);
	gets_file(peer, 0, 50);
	/* Nothing is promised any more: it is the program's own call. */
	assert_int_equal(receives(pair[0], bytes, 1, 0), 0);
	assert_int_equal(took(IORING_OP_RECV), 5);
	closes(file);
}

/* These commit, and are then made. */
static void test_receives_alone(void **state)
{
	static char bytes[10]; /* far from the end of what may be addressed */
	int file = opens(name), unix_pair[2], other = connects(0);

	(void)state;
	assert_return_code(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, unix_pair),
			   errno);
	/* Of the connection that comes last. */
	sends_file(pair[0], file, &(off_t){ 0 }, 10);
	assert_int_equal(receives(pair[0], bytes, 1, 0), -EAGAIN);
	assert_false(is_queued());
	/* More than a ring takes; into several buffers. */
	sends_file(conn, file, &(off_t){ 0 }, 10);
	assert_int_equal(receives(pair[0], bytes, (size_t)INT32_MAX + 1, 0), -EAGAIN);
	assert_false(is_queued());
	sends_file(conn, file, &(off_t){ 0 }, 10);
	assert_int_equal(receives(pair[0], NULL, 1, 0), -EAGAIN);
	assert_false(is_queued());
	/* What is no TCP connection; one that blocks. */
	sends_file(conn, file, &(off_t){ 0 }, 10);
	assert_int_equal(receives(unix_pair[0], bytes, 1, 0), -EAGAIN);
	assert_false(is_queued());
	assert_int_equal(send(peer_of(other), "x", 1, 0), 1);
	sends_file(conn, file, &(off_t){ 0 }, 10);
	assert_int_equal(receives(other, bytes, 1, 0), 1);
	assert_false(is_queued());
	assert_int_equal(took(IORING_OP_RECV), 0);
	/* It does not now. */
	sends_file(conn, file, &(off_t){ 0 }, 10);
	assert_int_equal(receives(other, bytes, 1, MSG_DONTWAIT), -EAGAIN);
	assert_int_equal(took(IORING_OP_RECV), 1);
	close(unix_pair[0]);
	close(unix_pair[1]);
	closes(file);
}

/* ---- what commits ---- */

static int another;

static void by_touch(void)
{
	fa_touch();
}

static void by_open(void)
{
	closes(opens(name));
}

static void by_accept(void)
{
	fa_promise_accept(listener);
}

static void by_close(void)
{
	fa_promise_closing(another);
}

static void by_plain_send(void)
{
	sends(another, "x", 1, 0);
}

static void by_unlink(void)
{
	fa_drain();
}

static void by_lock(void)
{
	fa_locks(true);
}

static void by_flock(void)
{
	fa_locks(false);
	fa_other_locks = false;
}

static void by_dup(void)
{
	fa_duplicating(another);
}

static void by_dup2(void)
{
	fa_forget_fds((unsigned)another, (unsigned)another);
}

static void by_privileges(void)
{
	fa_privilege_changes(false);
	fa_privileges_changed();
}

static void by_wait(void)
{
	fa_pass_wait();
}

static void by_end(void)
{
	fa_process_ends();
}

static void test_what_commits(void **state)
{
	static void (*const by[])(
		void) = { by_touch,	 by_open, by_accept, by_close, by_unlink,
			  by_plain_send, by_lock, by_flock,  by_dup,   by_dup2,
			  by_privileges, by_wait, by_end };
	int file;

	(void)state;
	another = open("/dev/null", O_WRONLY | O_CLOEXEC);
	file = opens(name);
	for (unsigned i = 0; i < sizeof(by) / sizeof(*by); i++) {
		uint32_t touched = t->h.touched;

		assert_int_equal(sends_file(conn, file, &(off_t){ 0 }, 10), 10);
		assert_true(is_queued());
		by[i]();
		if (is_queued())
			fail_msg("number %u does not commit", i);
		assert_int_not_equal(t->h.touched, touched);
		assert_int_equal(t->h.n[FA_N_commits], i + 1);
		gets_file(peer, 0, 10);
	}
	closes(file);
	close(another);
}

/* ---- memory ---- */

static unsigned given_back;
static long how_much;

static long on_madvise(long at, long len, long advice, long d, long e, long f)
{
	if (advice == MADV_DONTNEED) {
		given_back++;
		how_much = len;
		assert_ptr_equal((void *)at, t->promises->staging);
	}
	return fake_kernel(SYS_madvise, at, len, advice, d, e, f);
}

static void test_memory_is_given_back(void **state)
{
	int file = opens(large);

	(void)state;
	given_back = 0;
	fake_hook(SYS_madvise, on_madvise);
	fake_ring.result[IORING_OP_SEND] = FAKE_PENDING;
	sends_file(conn, file, &(off_t){ 0 }, LARGE);
	fa_touch();
	sends_file(connects(0), file, &(off_t){ 0 }, LARGE);
	fa_touch();
	fake_ring_complete(fake_ring_nth(IORING_OP_SEND, 0)->user_data, LARGE);
	fa_ring_reap(t);
	assert_int_equal(given_back, 0);
	fake_ring_complete(fake_ring_nth(IORING_OP_SEND, 1)->user_data, LARGE);
	fa_ring_reap(t);
	assert_false(is_on_its_way());
	assert_int_equal(given_back, 0);
	/* Not at once: whoever needs it will need it again. A mebibyte is kept for good. */
	fake_ring.result[IORING_OP_SEND] = FAKE_RUN;
	for (unsigned i = 0; i < 1000; i++) {
		sends_file(conn, file, &(off_t){ 0 }, 10);
		fa_touch();
		gets_file(peer, 0, 10);
	}
	assert_int_equal(given_back, 1);
	assert_int_equal(how_much, 2 * LARGE);
	closes(file);
}

int main(void)
{
	const struct CMUnitTest commit_tests[] = {
		COMMIT_TEST(test_entries),
		COMMIT_TEST(test_nothing_to_commit),
		COMMIT_TEST(test_header_alone),
		COMMIT_TEST(test_far_offset),
		COMMIT_TEST(test_same_again),
		COMMIT_TEST(test_same_by_another_number),
		COMMIT_TEST(test_corks_vanish),
		COMMIT_TEST(test_cork_stays),
		COMMIT_TEST(test_other_corks),
		COMMIT_TEST(test_receive),
		COMMIT_TEST(test_receives_alone),
		COMMIT_TEST(test_what_commits),
		COMMIT_TEST(test_memory_is_given_back),
	};

	return cmocka_run_group_tests_name("commit", commit_tests, NULL, NULL);
}
