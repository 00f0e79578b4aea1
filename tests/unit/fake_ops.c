/* SPDX-License-Identifier: MIT
 *
 * The operations of the ring that is played by hand, as the kernel would do them, but
 * at once. A send that finds no room stays, whether its socket blocks or not, and goes
 * on with a descriptor of its own, for the program may close its number.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "fake.h"
#include "fake_ops.h"

#define SENDS 128
#define AWAY 600 /* out of the way of the lowest free number */

static struct sending {
	struct io_uring_sqe sqe;
	int fd; /* -1: free */
	uint32_t done;
} sending[SENDS];
static unsigned sends;

static long call(long nr, long a, long b, long c, long d, long e)
{
	return fake_kernel(nr, a, b, c, d, e, 0);
}

void fake_slot_clear(unsigned index)
{
	if (fake_ring.slot[index] >= 0)
		close(fake_ring.slot[index]);
	fake_ring.slot[index] = -1;
}

void fake_ops_end(void)
{
	for (unsigned i = 0; i < sends; i++)
		close(sending[i].fd);
	sends = 0;
	for (unsigned i = 0; i < FAKE_SLOTS; i++)
		fake_slot_clear(i);
}

/* ---- sends ---- */

/* As much as there is room for. False: it is to go on later. */
static bool push(const struct io_uring_sqe *s, int fd, uint32_t *done, int *result)
{
	int flags = ((int)s->msg_flags & ~MSG_WAITALL) | MSG_DONTWAIT;

	while (*done < s->len) {
		long n = fake_kernel(SYS_sendto, fd, (long)(s->addr + *done),
				     s->len - *done, flags, 0, 0);

		if (n == -EAGAIN)
			return false;
		if (n < 0) {
			/* What has gone counts; the error has been told to nobody. */
			*result = *done ? (int)*done : (int)n;
			return true;
		}
		*done += (uint32_t)n;
	}
	*result = (int)*done;
	return true;
}

static int start_send(const struct io_uring_sqe *s)
{
	struct sending *new = &sending[sends];
	uint32_t done = 0;
	int result;

	if (push(s, s->fd, &done, &result))
		return result;
	if (s->msg_flags & MSG_DONTWAIT)
		return done ? (int)done : -EAGAIN;
	assert_in_range(sends, 0, SENDS - 1);
	sends++;
	new->sqe = *s;
	new->done = done;
	new->fd = fcntl(s->fd, F_DUPFD_CLOEXEC, AWAY);
	assert_true(new->fd >= 0);
	return FAKE_PENDING;
}

bool fake_op_sent(struct io_uring_sqe *s, int *result)
{
	for (unsigned i = 0; i < sends; i++) {
		if (!push(&sending[i].sqe, sending[i].fd, &sending[i].done, result))
			continue;
		*s = sending[i].sqe;
		close(sending[i].fd);
		memmove(&sending[i], &sending[i + 1], (--sends - i) * sizeof(*sending));
		return true;
	}
	return false;
}

/* ---- all of them ---- */

static int run_close(const struct io_uring_sqe *s)
{
	int r;

	if (s->file_index) {
		fake_slot_clear(s->file_index - 1);
		return 0;
	}
	r = (int)call(SYS_close, s->fd, 0, 0, 0, 0);
	if (r == 0)
		fake_ring.closed++;
	else
		fake_ring.closed_nothing++;
	return r;
}

static int run_open(const struct io_uring_sqe *s)
{
	unsigned slot = s->file_index - 1;
	long r = call(SYS_openat, s->fd, (long)s->addr, (int)s->open_flags | O_CLOEXEC,
		      s->len, 0);

	if (r < 0)
		return (int)r;
	fake_slot_clear(slot);
	/* Out of the way, like a direct descriptor. */
	fake_ring.slot[slot] = fcntl((int)r, F_DUPFD_CLOEXEC, AWAY);
	close((int)r);
	return 0;
}

/* What is not ready yet ends when the test says so. */
static int run_poll(const struct io_uring_sqe *s)
{
	struct pollfd p = { s->fd, (short)s->poll32_events, 0 };
	struct timespec now = { 0, 0 };
	long n = call(SYS_ppoll, (long)&p, 1, (long)&now, 0, 0);

	return n > 0 ? p.revents : n < 0 ? (int)n : FAKE_PENDING;
}

int fake_op_run(const struct io_uring_sqe *s)
{
	switch (s->opcode) {
	case IORING_OP_OPENAT:
		return run_open(s);
	case IORING_OP_STATX:
		return (int)call(SYS_statx, s->fd, (long)s->addr, (int)s->statx_flags,
				 s->len, (long)s->off);
	case IORING_OP_READ:
		return (int)call(SYS_pread64,
				 s->flags & IOSQE_FIXED_FILE ? fake_ring.slot[s->fd]
							     : s->fd,
				 (long)s->addr, s->len, (long)s->off, 0);
	case IORING_OP_CLOSE:
		return run_close(s);
	case IORING_OP_SEND:
		return start_send(s);
	case IORING_OP_POLL_ADD:
		return run_poll(s);
	case IORING_OP_RECV:
		return (int)fake_kernel(SYS_recvfrom, s->fd, (long)s->addr, s->len,
					(int)s->msg_flags | MSG_DONTWAIT, 0, 0);
	case FA_OP_FIXED_FD_INSTALL:
		return (int)call(SYS_fcntl, fake_ring.slot[s->fd],
				 s->rw_flags & (int)FA_FIXED_FD_NO_CLOEXEC
					 ? F_DUPFD
					 : F_DUPFD_CLOEXEC,
				 0, 0, 0);
	default:
		return 0;
	}
}
