/* SPDX-License-Identifier: MIT
 *
 * What the tests of readiness share: an epoll set and a connection as a server has
 * them, a log of what the runtime does to registrations, and a request that is
 * known to make the program open the file.
 */
#ifndef UNIT_EVENTS_H
#define UNIT_EVENTS_H

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "unit_chain.h"

static int set;	       /* made in the library's sight */
static int conn, peer; /* the two ends of a connection; conn does not block */

/* What the runtime has asked of epoll_ctl() */
static struct {
	int set, op, fd;
	struct epoll_event ev;
} ctl[64];
static unsigned ctls;

static inline long on_epoll_ctl(long in, long op, long fd, long ev, long e, long f)
{
	if (ctls < sizeof(ctl) / sizeof(*ctl)) {
		ctl[ctls].set = (int)in;
		ctl[ctls].op = (int)op;
		ctl[ctls].fd = (int)fd;
		memcpy(&ctl[ctls].ev, (void *)ev, sizeof(ctl[ctls].ev));
	}
	ctls++;
	return fake_kernel(SYS_epoll_ctl, in, op, fd, ev, e, f);
}

/* The last thing asked, and nothing else, was to register these events of `fd`. */
static inline void rearmed(int fd, uint32_t events)
{
	assert_int_equal(ctls, 1);
	assert_int_equal(ctl[0].op, EPOLL_CTL_MOD);
	assert_int_equal(ctl[0].set, set);
	assert_int_equal(ctl[0].fd, fd);
	assert_int_equal(ctl[0].ev.events, events);
	assert_true(ctl[0].ev.data.u64 == fa_watches[fd].data);
	ctls = 0;
}

static inline void not_rearmed(void)
{
	assert_int_equal(ctls, 0);
}

/* epoll_ctl as the wrapper does it. */
static inline void registers(int in, int op, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event ev = { .events = events, .data.u64 = data };

	assert_return_code(epoll_ctl(in, op, fd, &ev), errno);
	fa_registered(in, op, fd, op == EPOLL_CTL_DEL ? NULL : &ev);
}

static inline void adds(int fd, uint32_t events)
{
	registers(set, EPOLL_CTL_ADD, fd, events, (uint64_t)fd);
}

/* What the kernel has to say of `fd` in the set. */
static inline uint32_t reported(int fd)
{
	struct epoll_event ev[8];
	int n = epoll_wait(set, ev, 8, 0);

	for (int i = 0; i < n; i++)
		if (ev[i].data.u64 == (uint64_t)fd)
			return ev[i].events;
	return 0;
}

static inline int new_set(void)
{
	int made = epoll_create1(EPOLL_CLOEXEC);

	assert_true(made >= 0);
	fa_set_made(made);
	return made;
}

/* What the wrapper of close does, as far as readiness is concerned. */
static inline void closes(int fd)
{
	fa_forget_watch(fd);
	close(fd);
}

/* ---- a connection ---- */

static inline void connects(int *server, int *client)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	socklen_t len = sizeof(at);
	int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_return_code(bind(l, (struct sockaddr *)&at, sizeof(at)), errno);
	assert_return_code(listen(l, 4), errno);
	assert_return_code(getsockname(l, (struct sockaddr *)&at, &len), errno);
	*client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_return_code(connect(*client, (struct sockaddr *)&at, sizeof(at)), errno);
	*server = accept4(l, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_true(*server >= 0);
	close(l);
}

/* The peer sends, and it has arrived. */
static inline void says(const char *text)
{
	struct pollfd p = { .fd = conn, .events = POLLIN };

	assert_int_equal(write(peer, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(poll(&p, 1, 5000), 1);
}

/* The program reads all that has come. */
static inline void hears(void)
{
	char buf[4096];

	while (read(conn, buf, sizeof(buf)) > 0)
		;
}

/* ---- a request ---- */

#define SITE 0x1234U
#define REQUEST "GET /f HTTP/1.1\r\nHost: a\r\n\r\n"

/* From now on the library knows what REQUEST is going to open, and reads. */
static inline void learns(void)
{
	for (unsigned i = 0; i < 4; i++) {
		says(REQUEST);
		t->suspect = true; /* runs plain */
		assert_int_equal(fa_readiness_filter(t, conn, EPOLLIN), EPOLLIN);
		assert_false(fa_recv_touch(conn));
		hears();
		fa_ahead_opened(t, file, O_RDONLY, SITE);
		fa_hint_read(fa_hint_of(SITE), 5000, true);
	}
	t->probed = fa_cycles();
	t->probing = t->suspect = false;
	assert_int_equal(t->h.held, 0);
}

/* It comes, and its event is held. */
static inline void asks(void)
{
	says(REQUEST);
	assert_int_equal(fa_readiness_filter(t, conn, EPOLLIN), 0);
	assert_true(fa_ring_submit(t) > 0);
	ctls = 0;
}

/* ---- set up ---- */

static inline int events_setup(void **state)
{
	fake_setup(state);
	unit_cold(seen.file.dev, FA_OPEN);
	fake_hook(SYS_epoll_ctl, on_epoll_ctl);
	ctls = 0;
	set = new_set();
	connects(&conn, &peer);
	return 0;
}

static inline int events_teardown(void **state)
{
	close(conn);
	close(peer);
	close(set);
	unit_teardown(state);
	fa_own_drop(FA_OWN_WAKE);
	return 0;
}

#define EVENTS_TEST(name) \
	cmocka_unit_test_setup_teardown(name, events_setup, events_teardown)

#endif
