/* SPDX-License-Identifier: MIT
 *
 * How much may be promised, and what must never be believed: pointers of the program's,
 * and room that a send buffer may not have.
 */
#include "unit_promise.h"

#include <linux/sock_diag.h>

/* ---- pointers ---- */

static char *good, *bad; /* a page, and the next one, where nothing may be looked at */

static void map_pages(void)
{
	good = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(good != MAP_FAILED);
	bad = good + 4096;
	assert_return_code(mprotect(bad, 4096, PROT_NONE), errno);
	memset(good, 'g', 4096);
}

static void test_bad_headers(void **state)
{
	struct iovec iov[] = { { "ab", 2 }, { NULL, 2 } };
	int file = opens(name);

	(void)state;
	map_pages();
	assert_int_equal(sends(conn, bad, 10, 0), -EFAULT);
	assert_int_equal(sends(conn, NULL, 10, 0), -EFAULT);
	assert_int_equal(sends(conn, (void *)-4096L, 10, 0), -EFAULT);
	assert_int_equal(sends(conn, (void *)UINTPTR_MAX, 10, 0), -EFAULT);
	assert_int_equal(sends_message(conn, (void *)bad, 0), -EFAULT);
	assert_int_equal(sends_message(conn, (void *)(bad - 8), 0), -EFAULT);
	assert_int_equal(sends_all(conn, (void *)bad, 1, 0), -EFAULT);
	assert_int_equal(sends_all(conn, (void *)(bad - 8), 1, 0), -EFAULT);
	/* All of it or none: the kernel may send what is good of them. */
	sends_all(conn, iov, 2, 0);
	sends(conn, bad - 5, 10, 0);
	assert_int_equal(promised(), 0);
	assert_int_equal(sends(conn, bad - 5, 5, 0), 5);
	assert_int_equal(promised(), 1);
	closes(file);
	munmap(good, 8192);
}

static void test_bad_offsets(void **state)
{
	off_t *constant;
	int file = opens(name);

	(void)state;
	map_pages();
	assert_int_equal(sends_file(conn, file, (void *)bad, 10), -EFAULT);
	/* Good to read, but it would have to be written. */
	constant = (void *)good;
	*constant = 0;
	assert_int_equal(sends(conn, good, 1, 0), 1);
	assert_return_code(mprotect(good, 4096, PROT_READ), errno);
	assert_int_equal(sends_file(conn, file, constant, 10), -EFAULT);
	assert_int_equal(promised(), 1);
	assert_return_code(mprotect(good, 4096, PROT_READ | PROT_WRITE), errno);
	assert_int_equal(sends_file(conn, file, constant, 10), 10);
	assert_int_equal(promised(), 2);
	assert_int_equal(*constant, 10);
	assert_int_equal(sends_file(conn, file, (void *)(bad - 4), 10), -EFAULT);
	assert_int_equal(promised(), 2);
	closes(file);
	munmap(good, 8192);
}

static void test_bad_options(void **state)
{
	int file = opens(name), on = 1;

	(void)state;
	map_pages();
	assert_int_equal(corks(conn, 0), 0);
	assert_false(fa_promise_cork(conn, bad, sizeof(int)));
	assert_false(fa_promise_cork(conn, NULL, sizeof(int)));
	assert_false(fa_promise_cork(conn, &on, sizeof(int) - 1));
	assert_int_equal(promised(), 0);
	assert_true(fa_promise_cork(conn, &on, sizeof(int)));
	closes(file);
	munmap(good, 8192);
}

/* The kernel is asked once a page. */
static void test_pages_are_remembered(void **state)
{
	static char bytes[3 * 4096] __attribute__((aligned(4096)));
	struct iovec *iov = (void *)bytes;
	int file = opens(name);
	unsigned asked;

	(void)state;
	*iov = (struct iovec){ bytes + 4096, 4096 };
	assert_int_equal(sends_all(conn, iov, 1, 0), 4096);
	asked = fake_calls(SYS_process_vm_readv);
	assert_int_equal(asked, 2);
	assert_int_equal(sends_all(conn, iov, 1, 0), 4096);
	iov->iov_base = bytes + 4096 + 10;
	assert_int_equal(sends_all(conn, iov, 1, 0), 4096);
	assert_int_equal(fake_calls(SYS_process_vm_readv), asked + 1);
	assert_int_equal(fake_calls(SYS_process_vm_writev), 0);
	/* That it may be written as well is another question. */
	memset(bytes + 4096, 0, sizeof(off_t));
	assert_int_equal(sends_file(conn, file, (void *)(bytes + 4096), 10), 10);
	assert_int_equal(sends_file(conn, file, (void *)(bytes + 4096), 10), 10);
	assert_int_equal(fake_calls(SYS_process_vm_writev), 1);
	closes(file);
}

/* ---- sizes ---- */

static void test_large_headers(void **state)
{
	static char bytes[FA_HEADER_MAX + 1];
	struct iovec iov[65];
	int file = opens(name);

	(void)state;
	for (unsigned i = 0; i < 65; i++)
		iov[i] = (struct iovec){ bytes, 1 };
	assert_int_equal(sends_all(conn, iov, 64, 0), 64);
	assert_int_equal(promised(), 1);
	assert_int_equal(sends_all(conn, iov, 65, 0), 65);
	assert_int_equal(promised(), 1);
	iov[0].iov_len = FA_HEADER_MAX - 63;
	assert_int_equal(sends_all(conn, iov, 64, 0), FA_HEADER_MAX);
	assert_int_equal(promised(), 2);
	iov[0].iov_len++;
	assert_true(sends_all(conn, iov, 64, MSG_DONTWAIT) > 0);
	assert_int_equal(promised(), 2);
	iov[0].iov_len = iov[1].iov_len = SIZE_MAX / 2 + 1;
	assert_int_equal(sends_all(conn, iov, 64, 0), -EINVAL);
	assert_int_equal(promised(), 2);
	closes(file);
}

/* A mebibyte of a connection, and the rest as ever. */
static void test_much_for_a_connection(void **state)
{
	static char bytes[1000];
	int file = opens(large), other = opens(name);

	(void)state;
	fake_ring.result[IORING_OP_SEND] = FA_UNSENT_SOCKET;
	assert_int_equal(sends_file(conn, file, NULL, LARGE), LARGE);
	assert_int_equal(sends(conn, bytes, 1000, 0), 1000);
	assert_int_equal(promised(), 2);
	assert_int_equal(fa_unsent(t, conn), FA_UNSENT_SOCKET);
	assert_int_equal(sends(conn, "x", 1, 0), 1);
	assert_int_equal(promised(), 2);
	assert_int_equal(fa_unsent(t, conn), 0);
	gets_text(peer, "x");
	/* More than that is not even begun. */
	assert_return_code(truncate(large, FA_UNSENT_SOCKET + 1), errno);
	assert_int_equal(sends_file(conn, other, NULL, 10), 10);
	assert_true(is_queued());
	fa_fds[file].size_at = t->h.touched - 1;
	narrows(conn);
	fa_socket_flags(conn, O_NONBLOCK);
	assert_return_code(fcntl(conn, F_SETFL, O_NONBLOCK), errno);
	assert_true(sends_file(conn, file, &(off_t){ 0 }, FA_UNSENT_SOCKET + 1) > 0);
	assert_false(is_queued());
	assert_int_equal(promised(), 3);
	closes(file);
	closes(other);
}

/* All that are taken into the ring end. */
static void all_sent(void)
{
	const struct io_uring_sqe *sqe;

	for (unsigned i = 0; i < took(IORING_OP_SEND); i++) {
		sqe = fake_ring_nth(IORING_OP_SEND, i);
		fake_ring_complete(sqe->user_data, (int)sqe->len);
	}
	fa_settle_all();
	assert_false(is_on_its_way());
}

static void test_much_for_the_process(void **state)
{
	static char bytes[1000];
	unsigned all = FA_UNSENT_PROCESS / FA_UNSENT_SOCKET;
	int file = opens(large);

	(void)state;
	fake_ring.result[IORING_OP_SEND] = FAKE_PENDING;
	for (unsigned i = 0; i < all; i++)
		connects(0);
	for (unsigned i = 1; i <= all; i++) {
		sends_file(conns[i], file, &(off_t){ 0 }, LARGE);
		sends(conns[i], bytes, 1000, 0);
	}
	assert_int_equal(promised(), 2 * all);
	assert_int_equal(fa_unsent(t, -1), FA_UNSENT_PROCESS);
	assert_int_equal(sends_file(conn, file, &(off_t){ 0 }, 10), 10);
	assert_int_equal(promised(), 2 * all);
	assert_int_equal(took(IORING_OP_SEND), all);
	gets_file(peer, 0, 10);
	all_sent();
	assert_int_equal(sends_file(conn, file, &(off_t){ 0 }, 10), 10);
	assert_int_equal(promised(), 2 * all + 1);
	closes(file);
}

/* The queue is full, but nothing is on its way: a commit empties it. */
static void test_many_connections(void **state)
{
	int file = opens(name);

	(void)state;
	for (unsigned i = 0; i < FA_TASKS; i++)
		connects(0);
	for (unsigned i = 1; i <= FA_TASKS; i++)
		sends_file(conns[i], file, &(off_t){ (off_t)i }, 10);
	assert_int_equal(t->h.n[FA_N_commits], 0);
	sends_file(conn, file, &(off_t){ 99 }, 10);
	assert_int_equal(t->h.n[FA_N_commits], 1);
	assert_true(is_queued());
	assert_int_equal(promised(), FA_TASKS + 1);
	fa_touch();
	for (unsigned i = 1; i <= FA_TASKS; i++)
		gets_file(peers[i], i, 10);
	gets_file(peer, 99, 10);
	closes(file);
}

static void test_many_on_their_way(void **state)
{
	int file = opens(name);

	(void)state;
	fake_ring.result[IORING_OP_SEND] = FAKE_PENDING;
	for (unsigned i = 0; i < FA_TASKS; i++)
		connects(0);
	for (unsigned i = 1; i <= FA_TASKS; i++)
		sends_file(conns[i], file, &(off_t){ 0 }, 10);
	fa_touch();
	assert_int_equal(took(IORING_OP_SEND), FA_TASKS);
	assert_int_equal(sends_file(conn, file, &(off_t){ 0 }, 10), 10);
	assert_int_equal(promised(), FA_TASKS);
	gets_file(peer, 0, 10);
	all_sent();
	assert_int_equal(sends_file(conn, file, &(off_t){ 0 }, 10), 10);
	assert_int_equal(promised(), FA_TASKS + 1);
	closes(file);
}

/* ---- room in the send buffer ---- */

static uint32_t buffer, filled;
static unsigned asked;

static long on_option(long fd, long level, long option, long value, long len, long f)
{
	if (level != SOL_SOCKET || option != SO_MEMINFO)
		return fake_kernel(SYS_getsockopt, fd, level, option, value, len, f);
	asked++;
	((uint32_t *)value)[SK_MEMINFO_SNDBUF] = buffer;
	((uint32_t *)value)[SK_MEMINFO_WMEM_QUEUED] = filled;
	return 0;
}

static void has_room(uint32_t size, uint32_t of_it)
{
	buffer = size;
	filled = of_it;
	asked = 0;
	fake_hook(SYS_getsockopt, on_option);
}

/* A quarter of what is free, asked for only where what is known of is used up. */
static void test_room_is_counted_down(void **state)
{
	int free = connects(SOCK_NONBLOCK), file = opens(name);

	(void)state;
	has_room(60000, 20000);
	sends_file(free, file, &(off_t){ 0 }, 4000);
	sends_file(free, file, &(off_t){ 0 }, 4000);
	sends(free, HEADER, (size_t)HEAD, 0);
	assert_int_equal(promised(), 3);
	assert_int_equal(asked, 1);
	/* What is promised is not free any more. */
	assert_int_equal(sends_file(free, file, &(off_t){ 0 }, 2000), 2000);
	assert_int_equal(promised(), 3);
	assert_int_equal(asked, 2);
	assert_false(is_queued());
	assert_int_equal(sends_file(free, file, &(off_t){ 0 }, 2000), 2000);
	assert_int_equal(promised(), 4);
	assert_int_equal(asked, 3);
	assert_int_equal(fa_watches[free].room, 8000);
	closes(file);
}

/* The kernel's own answer, with what it has sent of it. */
static void test_no_room(void **state)
{
	int free = connects(SOCK_NONBLOCK), file = opens(large);
	int64_t n, sent = 0;

	(void)state;
	narrows(free);
	for (n = 1; n > 0 && sent<LARGE; sent += n> 0 ? n : 0)
		n = sends_file(free, file, NULL, LARGE);
	assert_int_equal(n, -EAGAIN);
	assert_in_range(sent, 10000, LARGE - 1);
	assert_int_equal(promised(), 0);
	gets_file(peer_of(free), 0, (uint64_t)sent);
	closes(file);
}

static void test_room_cannot_be_told(void **state)
{
	int free = connects(SOCK_NONBLOCK), file = opens(name);

	(void)state;
	fake_fail(SYS_getsockopt, -ENOPROTOOPT);
	assert_int_equal(sends_file(free, file, &(off_t){ 0 }, 10), 10);
	assert_int_equal(promised(), 0);
	/* One that blocks would wait for it all the same. */
	assert_int_equal(sends_file(conn, file, &(off_t){ 0 }, 10), 10);
	assert_int_equal(promised(), 1);
	fake_fail(SYS_getsockopt, 0);
	has_room(1000, 2000);
	assert_int_equal(sends_file(free, file, &(off_t){ 0 }, 10), 10);
	assert_int_equal(promised(), 1);
	closes(file);
}

/* Bytes that shall not wait on a socket that does. */
static void test_not_to_wait(void **state)
{
	int file = opens(name);

	(void)state;
	has_room(400, 0);
	assert_int_equal(sends(conn, HEADER, (size_t)HEAD, MSG_DONTWAIT), HEAD);
	assert_int_equal(sends(conn, HEADER, (size_t)HEAD, MSG_DONTWAIT), HEAD);
	assert_int_equal(promised(), 2);
	assert_int_equal(sends(conn, HEADER, (size_t)HEAD, MSG_DONTWAIT), HEAD);
	assert_int_equal(promised(), 2);
	assert_int_equal(sends(conn, HEADER, (size_t)HEAD, 0), HEAD);
	assert_int_equal(promised(), 3);
	closes(file);
}

int main(void)
{
	const struct CMUnitTest limits_tests[] = {
		PROMISE_TEST(test_bad_headers),
		PROMISE_TEST(test_bad_offsets),
		PROMISE_TEST(test_bad_options),
		PROMISE_TEST(test_pages_are_remembered),
		PROMISE_TEST(test_large_headers),
		PROMISE_TEST(test_much_for_a_connection),
		PROMISE_TEST(test_much_for_the_process),
		PROMISE_TEST(test_many_connections),
		PROMISE_TEST(test_many_on_their_way),
		PROMISE_TEST(test_room_is_counted_down),
		PROMISE_TEST(test_no_room),
		PROMISE_TEST(test_room_cannot_be_told),
		PROMISE_TEST(test_not_to_wait),
	};

	return cmocka_run_group_tests_name("promise_limits", limits_tests, NULL, NULL);
}
