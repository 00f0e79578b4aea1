/* SPDX-License-Identifier: MIT
 *
 * Wrappers of the calls that read, send and seek.
 */
#include <errno.h>

#include "real.h"

#define USE(fd, op, call)                        \
	do {                                     \
		struct fa_call c;                \
                                                 \
		if (fa_likely(fa_pass_fd(fd)))   \
			return call;             \
		fa_use_begin(&c, fd, op, SITE);  \
		return fa_use_end(&c, op, call); \
	} while (0)

/* A read that may be of a connection; a look at what is there never is put off. */
#define RECV_FLAGS(fd, flags, buf, n)        \
	do {                                 \
		if (flags & MSG_PEEK)        \
			fa_recv_told(fd);    \
		else                         \
			RECV(fd);            \
		PROMISED(fd, buf, n, flags); \
	} while (0)

/* It may go to the kernel together with what was promised, or has to report an error. */
#define PROMISED(fd, buf, n, flags) ANSWERED(fa_promise_receive(fd, buf, n, flags, &result))

#define RECV(fd)                                      \
	do {                                          \
		if (fa_unlikely(fa_recv_touch(fd))) { \
			errno = EAGAIN;               \
			return -1;                    \
		}                                     \
	} while (0)

ssize_t fa_read(int fd, void *buf, size_t n)
{
	RECV(fd);
	PROMISED(fd, buf, n, 0);
	USE(fd, FA_READ, REAL(read)(fd, buf, n));
}

ssize_t fa___read_chk(int fd, void *buf, size_t n, size_t size)
{
	RECV(fd);
	PROMISED(fd, n <= size ? buf : NULL, n, 0);
	USE(fd, FA_READ, REAL(__read_chk)(fd, buf, n, size));
}

ssize_t fa_pread(int fd, void *buf, size_t n, off_t offset)
{
	USE(fd, FA_READ, REAL(pread)(fd, buf, n, offset));
}

ssize_t fa_pread64(int fd, void *buf, size_t n, off_t offset)
{
	USE(fd, FA_READ, REAL(pread64)(fd, buf, n, offset));
}

ssize_t fa___pread_chk(int fd, void *buf, size_t n, off_t offset, size_t size)
{
	USE(fd, FA_READ, REAL(__pread_chk)(fd, buf, n, offset, size));
}

ssize_t fa___pread64_chk(int fd, void *buf, size_t n, off_t offset, size_t size)
{
	USE(fd, FA_READ, REAL(__pread64_chk)(fd, buf, n, offset, size));
}

ssize_t fa_readv(int fd, const struct iovec *iov, int count)
{
	RECV(fd);
	PROMISED(fd, NULL, 0, 0);
	USE(fd, FA_READ, REAL(readv)(fd, iov, count));
}

ssize_t fa_preadv(int fd, const struct iovec *iov, int count, off_t offset)
{
	USE(fd, FA_READ, REAL(preadv)(fd, iov, count, offset));
}

ssize_t fa_preadv64(int fd, const struct iovec *iov, int count, off_t offset)
{
	USE(fd, FA_READ, REAL(preadv64)(fd, iov, count, offset));
}

ssize_t fa_preadv2(int fd, const struct iovec *iov, int count, off_t offset, int flags)
{
	USE(fd, FA_READ, REAL(preadv2)(fd, iov, count, offset, flags));
}

ssize_t fa_preadv64v2(int fd, const struct iovec *iov, int count, off_t offset, int flags)
{
	USE(fd, FA_READ, REAL(preadv64v2)(fd, iov, count, offset, flags));
}

off_t fa_lseek(int fd, off_t offset, int whence)
{
	USE(fd, FA_SEEK, REAL(lseek)(fd, offset, whence));
}

off_t fa_lseek64(int fd, off_t offset, int whence)
{
	USE(fd, FA_SEEK, REAL(lseek64)(fd, offset, whence));
}

/* Where the socket may say "not now", it does while the file would wait. */
#define SENDFILE(name)                                                         \
	do {                                                                   \
		struct fa_call c;                                              \
		ssize_t r = -1;                                                \
		size_t some;                                                   \
                                                                               \
		ANSWERED(fa_promise_file(to, from, offset, n, SITE, &result)); \
		fa_sending_plainly(to);                                        \
		if (fa_likely(fa_pass_fd(from)))                               \
			return REAL(name)(to, from, offset, n);                \
		fa_use_begin(&c, from, FA_SENDFILE, SITE);                     \
		if (!c.f)                                                      \
			return REAL(name)(to, from, offset, n);                \
		some = fa_send_touch(&c, to, offset, n);                       \
		if (some || !n)                                                \
			r = REAL(name)(to, from, offset, some);                \
		else                                                           \
			errno = EAGAIN;                                        \
		fa_send_end(&c, to, n, some, r);                               \
		return r;                                                      \
	} while (0)

ssize_t fa_sendfile(int to, int from, off_t *offset, size_t n)
{
	SENDFILE(sendfile);
}

ssize_t fa_sendfile64(int to, int from, off_t *offset, size_t n)
{
	SENDFILE(sendfile64);
}

ssize_t fa_copy_file_range(int from, off_t *offset, int to, off_t *to_offset, size_t n,
			   unsigned flags)
{
	fa_touch();
	USE(from, FA_SENDFILE,
	    REAL(copy_file_range)(from, offset, to, to_offset, n, flags));
}

ssize_t fa_splice(int from, off_t *offset, int to, off_t *to_offset, size_t n,
		  unsigned flags)
{
	fa_settle_all();
	USE(from, FA_SENDFILE, REAL(splice)(from, offset, to, to_offset, n, flags));
}

ssize_t fa_recv(int fd, void *buf, size_t n, int flags)
{
	RECV_FLAGS(fd, flags, buf, n);
	return REAL(recv)(fd, buf, n, flags);
}

ssize_t fa___recv_chk(int fd, void *buf, size_t n, size_t size, int flags)
{
	RECV_FLAGS(fd, flags, n <= size ? buf : NULL, n);
	return REAL(__recv_chk)(fd, buf, n, size, flags);
}

ssize_t fa_recvfrom(int fd, void *buf, size_t n, int flags, void *from, socklen_t *len)
{
	RECV_FLAGS(fd, flags, from ? NULL : buf, n);
	return REAL(recvfrom)(fd, buf, n, flags, from, len);
}

ssize_t fa___recvfrom_chk(int fd, void *buf, size_t n, size_t size, int flags, void *from,
			  socklen_t *len)
{
	RECV_FLAGS(fd, flags, from || n > size ? NULL : buf, n);
	return REAL(__recvfrom_chk)(fd, buf, n, size, flags, from, len);
}

ssize_t fa_recvmsg(int fd, struct msghdr *message, int flags)
{
	RECV_FLAGS(fd, flags, NULL, 0);
	return REAL(recvmsg)(fd, message, flags);
}
