/* SPDX-License-Identifier: MIT
 *
 * Whose bytes may be promised to whom: connections and files that qualify, what makes
 * them lose it again, and processes in which nothing is promised.
 */
#include "unit_promise.h"

#include <sys/ioctl.h>

/* Neither bytes nor a file are promised to it: the calls are made. */
static void refuses(int to)
{
	unsigned before = promised();
	int file = opens(name);
	off_t at = 0;

	sends(to, "x", 1, MSG_DONTWAIT);
	sends_file(to, file, &at, 1);
	assert_int_equal(promised(), before);
	assert_false(is_queued());
	assert_int_equal(closes(file), 0);
	forgets(peer);
}

/* Both are. */
static void agrees(int to)
{
	int file = opens(name);

	answers(to, file);
	assert_int_equal(closes(file), 0);
	fa_touch();
	gets_answer(peer_of(to));
	assert_false(is_queued());
}

/* ---- connections ---- */

static void test_accepted(void **state)
{
	(void)state;
	agrees(conn);
	agrees(connects(SOCK_NONBLOCK));
	/* Nobody had to ask what they are. */
	assert_true(fa_ours(conn));
	assert_int_equal(fake_calls(SYS_fcntl), 0);
}

static void test_six(void **state)
{
	(void)state;
	close(listener);
	fa_forget_watch(listener);
	listener = socket(AF_INET6, SOCK_STREAM, 0);
	close(listener);
	if (listener < 0)
		SKIP("no IPv6 here");
	listens(AF_INET6);
	agrees(connects(0));
}

/* One that the program has connected itself: the other end of `conn`. */
static void test_connected(void **state)
{
	int file = opens(name);

	(void)state;
	answers(peer, file);
	closes(file);
	fa_touch();
	gets_answer(conn);
	assert_false(fa_ours(peer));
}

/* A peer that sends no more may still read. */
static void test_half_closed(void **state)
{
	(void)state;
	shutdown(peer, SHUT_WR);
	fa_watches[conn].tcp = 0;
	gets_end(conn);
	agrees(conn);
}

static void test_no_stream(void **state)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(9) };
	int pair[2], fd;

	(void)state;
	assert_return_code(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), errno);
	refuses(pair[0]);
	close(pair[0]);
	close(pair[1]);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_return_code(connect(fd, (void *)&at, sizeof(at)), errno);
	fa_forget_watch(fd);
	refuses(fd);
	close(fd);
	assert_return_code(pipe(pair), errno);
	fa_forget_watch(pair[1]);
	refuses(pair[1]);
	close(pair[0]);
	close(pair[1]);
	refuses(-1);
	refuses(FA_FDS);
}

static void test_not_connected(void **state)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	refuses(fd);
	refuses(listener);
	/* It was not, when it was looked at. */
	assert_true(fa_watches[fd].tcp & FA_TCP_KNOWN);
	close(fd);
}

/* A file that is open for writing, and what was opened at the number of a connection. */
static void test_captured_numbers(void **state)
{
	int to = opens_with(unit_path("to"), O_RDWR | O_CREAT | O_CLOEXEC);

	(void)state;
	assert_true(to >= 0);
	refuses(to);
	closes(to);
	agrees(conn);
	fa_fds[conn].flags = FA_FD_CAPTURED;
	refuses(conn);
	fa_fds[conn].flags = 0;
	agrees(conn);
}

/* ---- what changes them ---- */

static void test_flags_change(void **state)
{
	int on = 1;

	(void)state;
	agrees(conn);
	fa_socket_flags(conn, O_RDWR | O_NONBLOCK);
	assert_true(fa_watches[conn].tcp & FA_TCP_NONBLOCK);
	fa_socket_flags(conn, O_RDWR);
	assert_false(fa_watches[conn].tcp & FA_TCP_NONBLOCK);
	/* Behind a pointer: it is asked for again. */
	fa_forget_socket(conn);
	assert_return_code(ioctl(conn, FIONBIO, &on), errno);
	assert_false(fa_watches[conn].tcp & FA_TCP_KNOWN);
	agrees(conn);
	assert_true(fa_watches[conn].tcp & FA_TCP_NONBLOCK);
	assert_true(fa_ours(conn));
	/* Of what nothing is known, nothing is noted. */
	fa_socket_flags(listener + 1000, O_NONBLOCK);
	assert_int_equal(fa_watches[listener + 1000].tcp, 0);
}

static void test_duplicated(void **state)
{
	int file = opens(name), two;

	(void)state;
	agrees(conn);
	sends_file(conn, file, NULL, 10);
	fa_duplicating(conn);
	assert_false(is_queued());
	two = dup(conn);
	assert_true(fa_watches[conn].tcp & FA_TCP_GOOD);
	assert_false(fa_ours(conn));
	gets_file(peer, 0, 10);
	closes(file);
	close(two);
}

static void test_stdio_has_it(void **state)
{
	int file = opens(name);

	(void)state;
	agrees(conn);
	sends_file(conn, file, NULL, 10);
	fa_plain_from_now(conn);
	assert_false(is_queued());
	gets_file(peer, 0, 10);
	refuses(conn);
	closes(file);
}

static bool through_standard_error(void)
{
	int file;

	t = unit_self();
	CHECK(dup2(conn, 2) == 2);
	file = opens(name);
	sends(2, "x", 1, 0);
	sends_file(2, file, NULL, 1);
	return promised() == 0;
}

static bool through_standard_output(void)
{
	static char buffer[100];
	int file;

	t = unit_self();
	setvbuf(stdout, buffer, _IOFBF, sizeof(buffer));
	CHECK(dup2(conn, 1) == 1);
	file = opens(name);
	sends(1, "x", 1, 0);
	sends_file(1, file, NULL, 1);
	return promised() == 0;
}

static void test_standard_streams(void **state)
{
	(void)state;
	assert_true(unit_child(through_standard_error));
	assert_true(unit_child(through_standard_output));
}

/* The next one with that number is a stranger. */
static void test_closed(void **state)
{
	int pair[2];

	(void)state;
	agrees(conn);
	fa_watches[conn].error = ECONNRESET;
	fa_watches[conn].room = 100;
	assert_int_equal(closes(conn), 0);
	assert_int_equal(fa_watches[conn].tcp, 0);
	assert_int_equal(fa_watches[conn].error, 0);
	assert_int_equal(fa_watches[conn].room, 0);
	assert_return_code(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), errno);
	assert_int_equal(pair[0], conn);
	refuses(conn);
	close(pair[1]);
}

/* ---- files ---- */

/* Nothing of it is promised. */
static void not_from(int from)
{
	unsigned before = promised();
	off_t at = 0;

	sends_file(conn, from, &at, 1);
	assert_int_equal(promised(), before);
	assert_false(is_queued());
}

static void test_only_readers(void **state)
{
	static const int flags[] = { O_RDWR, O_WRONLY, O_RDONLY | O_SYNC,
				     O_RDONLY | O_DIRECT, O_PATH };
	int fd;

	(void)state;
	for (unsigned i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		fd = opens_with(name, flags[i] | O_CLOEXEC);
		if (fd < 0)
			continue; /* no O_DIRECT on this file system */
		not_from(fd);
		closes(fd);
	}
	/* By a call that nobody saw. */
	fd = open(name, O_RDONLY | O_CLOEXEC);
	not_from(fd);
	close(fd);
	not_from(-1);
	not_from(FA_FDS);
}

static void test_only_regular_files(void **state)
{
	int fd, writer;

	(void)state;
	fd = opens_with("/dev/zero", O_RDONLY);
	not_from(fd);
	closes(fd);
	fd = opens_with("/", O_RDONLY);
	not_from(fd);
	closes(fd);
	assert_return_code(mkfifo(unit_path("fifo"), 0600), errno);
	writer = open(unit_path("fifo"), O_RDWR);
	fd = opens_with(unit_path("fifo"), O_RDONLY | O_NONBLOCK);
	assert_true(fd >= 0);
	not_from(fd);
	closes(fd);
	close(writer);
}

/* Another process may move its position, or another number. */
static void test_shared_files(void **state)
{
	int fd = opens(name), two;

	(void)state;
	fa_promise_fork();
	not_from(fd);
	closes(fd);
	fd = opens(name);
	assert_int_equal(sends_file(conn, fd, NULL, 10), 10);
	assert_true(is_queued());
	fa_duplicating(fd);
	two = dup(fd);
	assert_int_equal(lseek(two, 0, SEEK_CUR), 10);
	not_from(fd);
	closes(fd);
	close(two);
}

/* A socket that does not block would keep what waits for its file for nothing. */
static void test_cold_file(void **state)
{
	int free = connects(SOCK_NONBLOCK), fd = opens(name);

	(void)state;
	fa_fds[fd].flags |= FA_FD_COLD;
	fa_fds[fd].dev = unit_seen(name).file.dev;
	assert_int_equal(sends_file(free, fd, NULL, 10), 10);
	assert_int_equal(promised(), 0);
	assert_int_equal(sends_file(conn, fd, NULL, 10), 10);
	assert_int_equal(promised(), 1);
	closes(fd);
}

/* ---- processes ---- */

static void test_other_modes(void **state)
{
	(void)state;
	promise_teardown(state);
	promise_start("auto");
	refuses(conn);
	promise_teardown(state);
	promise_start("observe");
	refuses(conn);
	assert_null(t->promises);
}

static void test_no_ring(void **state)
{
	(void)state;
	fake_fail(SYS_io_uring_setup, -EPERM);
	refuses(conn);
	assert_int_equal(fake_ring.logged, 0);
}

static void test_no_memory(void **state)
{
	(void)state;
	fake_fail(SYS_mmap, -ENOMEM);
	refuses(conn);
	/* Without it once, without it for good. */
	fake_fail_nth(SYS_mmap, 2, -ENOMEM);
	refuses(conn);
	refuses(conn);
	assert_true(t->promises->refused);
	assert_null(t->promises->staging);
}

static void test_threads(void **state)
{
	static struct fa_thread other;
	int file = opens(name);

	(void)state;
	answers(conn, file);
	/* pthread_create() */
	fa_thread_coming();
	assert_false(is_queued());
	gets_answer(peer);
	refuses(conn);
	fa_process->no_promises = false;
	agrees(conn);
	/* One that came unseen. */
	memset(&other, 0, sizeof(other));
	other.next = fa_process->threads;
	fa_process->threads = &other;
	refuses(conn);
	fa_process->threads = other.next;
	closes(file);
}

static void test_closes_in_line(void **state)
{
	(void)state;
	fa_process->in_line = true;
	refuses(conn);
}

/* Below a handler that has interrupted the runtime calls pass. */
static void test_within_the_runtime(void **state)
{
	int file = opens(name);

	(void)state;
	t->h.word = FA_T_BUSY;
	assert_false(fa_promising());
	assert_int_equal(sends(conn, "x", 1, 0), 1);
	t->h.word = FA_T_READY;
	assert_int_equal(promised(), 0);
	gets_text(peer, "x");
	closes(file);
}

int main(void)
{
	const struct CMUnitTest who_tests[] = {
		PROMISE_TEST(test_accepted),	     PROMISE_TEST(test_six),
		PROMISE_TEST(test_connected),	     PROMISE_TEST(test_half_closed),
		PROMISE_TEST(test_no_stream),	     PROMISE_TEST(test_not_connected),
		PROMISE_TEST(test_captured_numbers), PROMISE_TEST(test_flags_change),
		PROMISE_TEST(test_duplicated),	     PROMISE_TEST(test_stdio_has_it),
		PROMISE_TEST(test_standard_streams), PROMISE_TEST(test_closed),
		PROMISE_TEST(test_only_readers),     PROMISE_TEST(test_only_regular_files),
		PROMISE_TEST(test_shared_files),     PROMISE_TEST(test_cold_file),
		PROMISE_TEST(test_other_modes),	     PROMISE_TEST(test_no_ring),
		PROMISE_TEST(test_no_memory),	     PROMISE_TEST(test_threads),
		PROMISE_TEST(test_closes_in_line),   PROMISE_TEST(test_within_the_runtime),
	};

	return cmocka_run_group_tests_name("promise_who", who_tests, NULL, NULL);
}
