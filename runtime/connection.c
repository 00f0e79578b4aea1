/* SPDX-License-Identifier: MIT
 *
 * What is known of the program's connections: which of them take promises, how much
 * fits into their send buffers, and what they have to report.
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "process.h"
#include "promise.h"
#include "sys.h"

FA_HIDDEN bool fa_rooms;

#define SO_MEMINFO_ 55
#define MEMINFO_SNDBUF 3
#define MEMINFO_QUEUED 5
#define MEMINFO_WORDS 9

/* Is standard output nothing that stdio has ever written to, or does not buffer? */
static bool stdio_uses(int fd)
{
	return fd == 2 || (fd == 1 && (stdout->_IO_buf_base || stdout->_flags & 0x202));
}

static bool is_tcp(int fd)
{
	int protocol = 0;

	return fa_sys_getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol,
				 sizeof(protocol)) == 0 &&
	       protocol == IPPROTO_TCP;
}

/* Somebody else may have changed it by another number. */
static void ask_whether_it_blocks(int fd)
{
	int flags = fa_sys_fcntl(fd, F_GETFL, 0);

	fa_socket_flags(fd, flags < 0 ? O_NONBLOCK : flags);
}

static bool connected(int fd)
{
	unsigned char state = 0;

	return fa_sys_getsockopt(fd, IPPROTO_TCP, TCP_INFO, &state, 1) == 0 &&
	       (state == TCP_ESTABLISHED || state == TCP_CLOSE_WAIT);
}

static void ask(struct fa_watch *w, int fd)
{
	char above = 0; /* a protocol: TLS does not know all flags of a send */

	w->tcp |= FA_TCP_KNOWN;
	if (!is_tcp(fd) || !connected(fd) ||
	    fa_sys_getsockopt(fd, IPPROTO_TCP, TCP_ULP, &above, 1) < 0 || above)
		return;
	w->tcp |= FA_TCP_GOOD;
	ask_whether_it_blocks(fd);
}

FA_HIDDEN struct fa_watch *fa_connection(int fd)
{
	const struct fa_fd *f = fa_fd_slot(fd);
	struct fa_watch *w = fa_watch_of(fd);

	if (!w || !f || f->flags || stdio_uses(fd))
		return NULL;
	if (!(w->tcp & FA_TCP_KNOWN))
		ask(w, fd);
	else if (!fa_ours(fd) && w->tcp & FA_TCP_GOOD) {
		if (!connected(fd))
			return NULL;
		ask_whether_it_blocks(fd);
	}
	return w->tcp & FA_TCP_GOOD ? w : NULL;
}

FA_HIDDEN void fa_promise_accepted(int fd, int listener, int flags)
{
	struct fa_watch *w = fa_watch_of(fd), *from = fa_watch_of(listener);
	struct fa_thread *t = fa_thread_of(fa_self);

	if (!w || !from || !t || fa_options.mode == FA_MODE_OBSERVE || !fa_busy(t))
		return;
	if (!(from->tcp & FA_TCP_KNOWN)) {
		from->tcp = FA_TCP_KNOWN;
		if (is_tcp(listener))
			from->tcp |= FA_TCP_LISTENS;
	}
	w->tcp = 0;
	w->accepted = fa_forks + 1;
	if (from->tcp & FA_TCP_LISTENS)
		w->tcp |= FA_TCP_KNOWN | FA_TCP_GOOD |
			  (flags & SOCK_NONBLOCK ? FA_TCP_NONBLOCK : 0);
	w->room = 0;
	fa_ready(t);
}

FA_HIDDEN void fa_socket_flags(int fd, long flags)
{
	struct fa_watch *w = fa_watch_of(fd);

	if (w && w->tcp & FA_TCP_KNOWN)
		w->tcp = (uint8_t)((w->tcp & ~FA_TCP_NONBLOCK) |
				   (flags & O_NONBLOCK ? FA_TCP_NONBLOCK : 0));
}

FA_HIDDEN void fa_forget_socket(int fd)
{
	struct fa_watch *w = fa_watch_of(fd);

	if (w && !fa_off)
		w->tcp = 0;
}

FA_HIDDEN void fa_plain_from_now(int fd)
{
	struct fa_watch *w = fa_watch_of(fd);

	fa_settle_all();
	if (w && !fa_off)
		w->tcp = FA_TCP_KNOWN;
}

FA_HIDDEN bool fa_connection_fits(struct fa_watch *w, int fd, uint32_t n)
{
	uint32_t info[MEMINFO_WORDS] = { 0 };

	if (w->room < n &&
	    fa_sys_getsockopt(fd, SOL_SOCKET, SO_MEMINFO_, info, sizeof(info)) == 0 &&
	    info[MEMINFO_SNDBUF] > info[MEMINFO_QUEUED]) {
		uint32_t queued = fa_unsent(fa_thread_of(fa_self), fd);

		fa_rooms = true;
		/* Small segments take three times their bytes. */
		w->room = (info[MEMINFO_SNDBUF] - info[MEMINFO_QUEUED]) / 4;
		w->room -= queued < w->room ? queued : w->room;
	}
	if (w->room < n)
		return false;
	w->room -= n;
	return true;
}

FA_HIDDEN void fa_room_taken(int fd)
{
	struct fa_watch *w = fa_watch_of(fd);

	if (w)
		w->room = 0;
}

FA_HIDDEN void fa_corked(int fd, const void *value)
{
	struct fa_watch *w = fa_watch_of(fd);
	int on;

	if (!w || !(w->tcp & FA_TCP_GOOD))
		return;
	memcpy(&on, value, sizeof(on));
	w->tcp = (uint8_t)((w->tcp & ~(FA_TCP_CORKED | FA_TCP_CORK_WANTED)) |
			   FA_TCP_CORK_KNOWN |
			   (on ? FA_TCP_CORKED | FA_TCP_CORK_WANTED : 0));
}

FA_HIDDEN int fa_take_error(int fd)
{
	struct fa_watch *w = fa_watch_of(fd);
	struct fa_thread *t = fa_thread_of(fa_self);
	int e = w ? w->error : 0;

	if (!e)
		return 0;
	w->error = 0;
	if (!--t->promises->errors)
		t->h.promise &= ~FA_P_ERROR;
	return e;
}
