/* SPDX-License-Identifier: MIT
 *
 * What the tests of streams share: a large file on a file system whose reads wait,
 * sent to a connection that does not block.
 */
#ifndef UNIT_STREAM_H
#define UNIT_STREAM_H

#include "unit_events.h"

#define STEP ((uint64_t)FA_STREAM_STEP)
#define SIZE (40 * STEP + 1000)

static int from;
static struct fa_call sending;

/* A captured descriptor of the file, as after an open that waited. */
static inline int opens(void)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	memset(&fa_fds[fd], 0, sizeof(fa_fds[fd]));
	fa_fds[fd].flags = FA_FD_CAPTURED | FA_FD_COLD | FA_FD_WAITED;
	fa_fds[fd].dev = seen.file.dev;
	fa_fds[fd].ino = seen.file.ino;
	return fd;
}

/* How much of a sendfile of `n` bytes at `at` is to be done; 0: EAGAIN. */
static inline size_t sends_from(int fd, int to, uint64_t at, size_t n)
{
	off_t offset = (off_t)at;
	size_t some;

	sending = (struct fa_call){
		.t = &t->h, .fd = fd, .f = &fa_fds[fd], .start = fa_cycles()
	};
	some = fa_send_touch(&sending, to, &offset, n);
	assert_int_equal(offset, at);
	assert_int_equal(t->h.word, FA_T_READY);
	return some;
}

static inline size_t sends(uint64_t at, size_t n)
{
	return sends_from(from, conn, at, n);
}

/* What became of it. */
static inline void sent(size_t n, size_t some, int64_t result)
{
	fa_send_end(&sending, conn, n, some, result);
	assert_int_equal(t->h.word, FA_T_READY);
}

static inline unsigned reads(void)
{
	return fake_ring_took(IORING_OP_READ, NULL);
}

/* The nth read ends like this. */
static inline void read_ends(unsigned nth, int result)
{
	fake_ring_complete(fake_ring_nth(IORING_OP_READ, nth)->user_data, result);
	fa_ring_reap(t);
}

/* All from the nth on, in full. */
static inline void reads_end(unsigned nth)
{
	for (; nth < reads(); nth++)
		read_ends(nth, (int)fake_ring_nth(IORING_OP_READ, nth)->len);
}

static inline bool waits_for_room(int fd)
{
	return fa_watches[fd].held & FA_HELD_OUT;
}

static inline int stream_setup(void **state)
{
	events_setup(state);
	assert_return_code(truncate(file, (off_t)SIZE), errno);
	/* Not local: a worker reads. */
	unit_cold(seen.file.dev, FA_REOPEN);
	fake_ring.result[IORING_OP_READ] = FAKE_PENDING;
	adds(conn, EPOLLIN | EPOLLOUT | EPOLLET);
	from = opens();
	return 0;
}

static inline int stream_teardown(void **state)
{
	close(from);
	return events_teardown(state);
}

#define STREAM_TEST(name) \
	cmocka_unit_test_setup_teardown(name, stream_setup, stream_teardown)

#endif
