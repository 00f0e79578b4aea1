/* SPDX-License-Identifier: MIT
 *
 * What an open at the call costs when it is put on a ring, beside the plain call
 * with a WILLNEED behind it: the measurement behind docs/ARCHITECTURE.md,
 * "Where practice changed the design", 1.
 *
 *   atcall plain|hint|ring DIR FIRST COUNT
 *
 * opens, stats, reads and closes DIR/fFIRST ..., each once, and prints the
 * nanoseconds per file. plain: the four calls. hint: posix_fadvise(WILLNEED)
 * after the open. ring: openat into a direct descriptor linked to the WILLNEED,
 * waited for, installed as a descriptor.
 */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define WINDOW (128 << 10)
#define OP_FIXED_FD_INSTALL 54 /* Linux 6.8 */

static struct io_uring ring;

static void fail(const char *what, int e)
{
	fprintf(stderr, "atcall: %s: %s\n", what, strerror(e));
	exit(1);
}

static int reap(void)
{
	struct io_uring_cqe *cqe;
	int r = io_uring_wait_cqe(&ring, &cqe);

	if (r < 0)
		fail("waiting for the ring", -r);
	r = cqe->res;
	io_uring_cqe_seen(&ring, cqe);
	return r;
}

static struct io_uring_sqe *entry(void)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

	if (!sqe)
		fail("ring", ENOSPC);
	return sqe;
}

static int open_ring(const char *path)
{
	struct io_uring_sqe *sqe = entry();
	int r;

	io_uring_prep_openat_direct(sqe, AT_FDCWD, path, O_RDONLY, 0, 0);
	sqe->flags |= IOSQE_IO_LINK | IOSQE_ASYNC;
	sqe = entry();
	io_uring_prep_fadvise(sqe, 0, 0, WINDOW, POSIX_FADV_WILLNEED);
	sqe->flags |= IOSQE_FIXED_FILE;
	io_uring_submit(&ring);
	r = reap();
	if (r < 0)
		fail(path, -r);
	sqe = entry();
	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = OP_FIXED_FD_INSTALL;
	sqe->flags = IOSQE_FIXED_FILE;
	io_uring_submit(&ring);
	/* The window's and the installation's, in either order: a number is an fd. */
	r = reap();
	return r > 0 ? (reap(), r) : reap();
}

static int open_plain(const char *path, int hint)
{
	int fd = open(path, O_RDONLY);

	if (fd >= 0 && hint)
		posix_fadvise(fd, 0, WINDOW, POSIX_FADV_WILLNEED);
	return fd;
}

static void one(const char *path, const char *mode)
{
	static char buf[WINDOW];
	struct stat st;
	int fd = !strcmp(mode, "ring") ? open_ring(path)
				       : open_plain(path, !strcmp(mode, "hint"));

	if (fd < 0 || fstat(fd, &st) < 0)
		fail(path, errno);
	while (read(fd, buf, sizeof(buf)) > 0)
		;
	close(fd);
}

int main(int argc, char **argv)
{
	struct timespec a, b;
	char path[4096];
	int first, count;

	if (argc != 5) {
		fprintf(stderr, "usage: atcall plain|hint|ring DIR FIRST COUNT\n");
		return 2;
	}
	first = atoi(argv[3]);
	count = atoi(argv[4]);
	if (!strcmp(argv[1], "ring")) {
		int r = io_uring_queue_init(8, &ring, 0);

		if (r == 0)
			r = io_uring_register_files_sparse(&ring, 1);
		if (r < 0)
			fail("making a ring", -r);
	}
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (int i = first; i < first + count; i++) {
		snprintf(path, sizeof(path), "%s/f%d", argv[2], i);
		one(path, argv[1]);
	}
	clock_gettime(CLOCK_MONOTONIC, &b);
	printf("%.0f\n",
	       ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) /
		       count);
	return 0;
}
