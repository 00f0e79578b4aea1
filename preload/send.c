/* SPDX-License-Identifier: MIT
 *
 * Wrappers of the calls that send to connections and set their options.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "real.h"

#define BYTES(fd, buf, n, flags)                                                      \
	fa_promise_bytes(fd, &(const struct iovec){ (void *)(uintptr_t)(buf), n }, 1, \
			 flags, &result)

/* The plain call follows unless a promise has answered this one. */
#define SENDS(fd, answered)             \
	do {                            \
		ANSWERED(answered);     \
		fa_sending_plainly(fd); \
	} while (0)

ssize_t fa_write(int fd, const void *buf, size_t n)
{
	SENDS(fd, BYTES(fd, buf, n, 0));
	return REAL(write)(fd, buf, n);
}

ssize_t fa_writev(int fd, const struct iovec *iov, int count)
{
	SENDS(fd, fa_promise_bytes(fd, iov, count, 0, &result));
	return REAL(writev)(fd, iov, count);
}

ssize_t fa_send(int fd, const void *buf, size_t n, int flags)
{
	SENDS(fd, BYTES(fd, buf, n, flags));
	return REAL(send)(fd, buf, n, flags);
}

ssize_t fa_sendto(int fd, const void *buf, size_t n, int flags, const void *to,
		  socklen_t len)
{
	SENDS(fd, fa_promise_bytes(fd, &(const struct iovec){ (void *)(uintptr_t)buf, n },
				   to ? 0 : 1, flags, &result));
	return REAL(sendto)(fd, buf, n, flags, to, len);
}

ssize_t fa_sendmsg(int fd, const struct msghdr *message, int flags)
{
	SENDS(fd, fa_promise_message(fd, message, flags, &result));
	return REAL(sendmsg)(fd, message, flags);
}

int fa_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	bool cork = level == IPPROTO_TCP && name == TCP_CORK;
	int r;

	if (level == IPPROTO_TCP && name == TCP_ULP)
		fa_plain_from_now(fd);
	/* Whether small segments wait changes no byte of what was promised. */
	if (fa_promising() && !(level == IPPROTO_TCP && name == TCP_NODELAY)) {
		if (cork && fa_promise_cork(fd, value, len))
			return 0;
		fa_touch();
	}
	r = REAL(setsockopt)(fd, level, name, value, len);
	if (r == 0 && cork)
		fa_corked(fd, value);
	return r;
}

int fa_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	int r, e;

	if (!fa_promising())
		return REAL(getsockopt)(fd, level, name, value, len);
	fa_touch();
	r = REAL(getsockopt)(fd, level, name, value, len);
	if (r == 0 && level == SOL_SOCKET && name == SO_ERROR && *len == sizeof(int)) {
		e = fa_take_error(fd);
		if (e && !*(int *)value)
			*(int *)value = e;
	}
	return r;
}
