/* SPDX-License-Identifier: MIT
 *
 * A file server in one thread: "GET /name HTTP/1.0" is answered by "OK size" and the
 * file, 1.1 keeps the connection. It makes the calls that event-loop servers make, in
 * their order: wait, recv, open, fstat, send, sendfile, close.
 */
#include <arpa/inet.h>
#include <limits.h>
#include <netinet/in.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

#include "events.h"

int listen_on(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket_tcp();

	MUST(fcntl(fd, F_SETFL, O_NONBLOCK));
	MUST(bind(fd, (struct sockaddr *)&any, sizeof(any)));
	MUST(listen(fd, 128));
	return fd;
}

/* A loop with a listening socket in it. */
void server_init(struct loop *l)
{
	int listener = listen_on();

	loop_init(l);
	l->listener = listener;
	conn_new(listener)->listening = true;
	MUST(loop_ctl(l, EPOLL_CTL_ADD, &conns[listener], EPOLLIN));
}

struct conn *join(struct loop *l, int fd)
{
	struct conn *c = conn_new(fd);

	MUST(loop_ctl(l, EPOLL_CTL_ADD, c, style.both ? EPOLLIN | EPOLLOUT : EPOLLIN));
	return c;
}

/* The next connection that waits to be accepted; none: NULL. */
struct conn *take(struct loop *l)
{
	int fd = accept4(l->listener, NULL, NULL, style.blocking ? 0 : SOCK_NONBLOCK);

	return fd < 0 ? NULL : join(l, fd);
}

void drop(struct loop *l, struct conn *c)
{
	if (c->file >= 0)
		close(c->file);
	if (l) {
		l->has[c->fd] = false;
		l->want[c->fd] = 0;
	}
	close(c->fd);
	c->live = false;
	c->file = -1;
}

static ssize_t receive(int fd, char *to, size_t n)
{
	struct iovec iov = { to, n };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	/* Connections that block are read once per event. */
	switch (style.reader) {
	case BY_READ:
		return read(fd, to, n);
	case BY_RECVFROM:
		return recvfrom(fd, to, n, 0, NULL, NULL);
	case BY_RECVMSG:
		return recvmsg(fd, &m, 0);
	case BY_READV:
		return readv(fd, &iov, 1);
	default:
		return recv(fd, to, n, 0);
	}
}

static bool reply(struct conn *c, const char *text)
{
	size_t n = strlen(text);

	if (send(c->fd, text, n, MSG_NOSIGNAL) == (ssize_t)n)
		return true;
	c->closing = true;
	return false;
}

static void open_file(struct loop *l, struct conn *c, const char *name)
{
	static char root[PATH_MAX];
	char path[PATH_MAX], line[64];
	struct stat st;
	int fd = -1;

	if (!root[0] && !getcwd(root, sizeof(root)))
		_exit(95);
	errno = EINVAL;
	if (name[0] == '/' && !strstr(name, "..") &&
	    snprintf(path, sizeof(path), "%s%s", root, name) < (int)sizeof(path))
		fd = open(path, O_RDONLY | O_NONBLOCK);
	if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		snprintf(line, sizeof(line), "ERR %s\n", fd < 0 ? error_name(-1) : "kind");
		reply(c, line);
		if (fd >= 0)
			close(fd);
		l->answers++;
		return;
	}
	c->file = fd;
	c->at = 0;
	c->size = st.st_size;
	snprintf(line, sizeof(line), "OK %ld\n", (long)st.st_size);
	reply(c, line);
}

static bool refuse(struct loop *l, struct conn *c)
{
	reply(c, "BAD\n");
	c->closing = true;
	c->have = 0;
	l->answers++;
	return true;
}

/* Takes one whole request from the buffer and starts its answer. */
static bool begin(struct loop *l, struct conn *c)
{
	char verb[16] = "", name[4096] = "", version[16] = "";
	char *end, *length;
	size_t whole;

	c->in[c->have] = '\0';
	end = memmem(c->in, c->have, "\r\n\r\n", 4);
	if (!end && c->have < REQUEST - 1)
		return false;
	if (!end || sscanf(c->in, "%15s %4095s %15s", verb, name, version) != 3 ||
	    strncmp(version, "HTTP/1.", 7) || strlen(c->in) < (size_t)(end - c->in))
		return refuse(l, c);
	whole = (size_t)(end + 4 - c->in);
	*end = '\0';
	length = strcasestr(c->in, "\r\nContent-Length:");
	*end = '\r';
	if (length)
		whole += strtoul(length + 17, NULL, 10);
	if (whole > c->have && whole < REQUEST)
		return false;
	if (whole >= REQUEST)
		return refuse(l, c);
	c->have -= whole;
	memmove(c->in, c->in + whole, c->have);
	c->keep = !strcmp(version, "HTTP/1.1");
	if (!c->keep)
		c->closing = true;
	open_file(l, c, name);
	return true;
}

/* Sends what it can of the file; false when the socket takes no more. */
static bool pump(struct loop *l, struct conn *c)
{
	while (c->at < c->size) {
		size_t left = (size_t)(c->size - c->at);
		ssize_t n;

		n = sendfile(c->fd, c->file, style.position ? NULL : &c->at,
			     left < style.chunk ? left : style.chunk);
		l->sends++;
		if (n > 0 && style.position) {
			c->at += n;
			if (lseek(c->file, 0, SEEK_CUR) != c->at)
				say("position %ld after %ld\n",
				    (long)lseek(c->file, 0, SEEK_CUR), (long)c->at);
		}
		if (n > (ssize_t)left || (n > 0 && (size_t)n > style.chunk))
			say("sendfile gave %zd of %zu\n", n, left);
		if (n < 0 && errno == EAGAIN) {
			l->again++;
			if (style.blocking)
				say("EAGAIN on a socket that blocks\n");
			return false;
		}
		if (n <= 0) {
			/* The file has become shorter, or the client has gone. */
			c->closing = true;
			break;
		}
	}
	close(c->file);
	c->file = -1;
	l->answers++;
	return true;
}

/* While something is being sent only that is waited for, but where both always are. */
static void arm(struct loop *l, struct conn *c)
{
	uint32_t want = c->file >= 0 ? EPOLLOUT : EPOLLIN;

	if (style.both)
		want = EPOLLIN | EPOLLOUT;
	if (want == l->want[c->fd] && !(style.flags & EPOLLONESHOT))
		return;
	if (style.replaces || style.flags & EPOLLEXCLUSIVE) {
		MUST(loop_ctl(l, EPOLL_CTL_DEL, c, 0));
		MUST(loop_ctl(l, EPOLL_CTL_ADD, c, want));
	} else {
		MUST(loop_ctl(l, EPOLL_CTL_MOD, c, want));
	}
}

static void work(struct loop *l, struct conn *c)
{
	for (;;) {
		if (c->file >= 0 && !pump(l, c))
			break;
		if (c->closing) {
			drop(l, c);
			return;
		}
		if (!begin(l, c))
			break;
	}
	if (c->file < 0 && c->eof) {
		drop(l, c);
		return;
	}
	arm(l, c);
}

static void readable(struct loop *l, struct conn *c)
{
	while (c->have < REQUEST - 1) {
		ssize_t n = receive(c->fd, c->in + c->have, REQUEST - 1 - c->have);

		if (n < 0 && errno != EAGAIN) {
			drop(l, c);
			return;
		}
		if (n == 0)
			c->eof = true;
		if (n <= 0)
			break;
		c->have += (size_t)n;
		if (style.blocking || !(style.flags & EPOLLET))
			break;
	}
	work(l, c);
}

void on_event(struct loop *l, const struct ready *r)
{
	struct conn *c = r->c;

	/* An event earlier in the batch may have ended it. */
	if (!c->live || c->tag != r->tag)
		return;
	c->seen |= r->events;
	if (c->parked)
		return;
	if (c->listening) {
		while (take(l))
			;
		return;
	}
	if (c->file >= 0 && !(r->events & (EPOLLOUT | EPOLLHUP | EPOLLERR)))
		return; /* read when this has been sent */
	if (c->file < 0 && !(r->events & READABLE))
		return; /* writable, and nothing to write */
	if (c->file >= 0) {
		work(l, c);
		if (!c->live || c->tag != r->tag || c->file >= 0 ||
		    !(style.flags & EPOLLET))
			return;
	}
	readable(l, c);
}

/* One wait and what follows from it; as the wait. */
int step(struct loop *l, int ms)
{
	struct ready r[BATCH];
	int n = loop_wait(l, r, ms);

	for (int i = 0; i < n; i++)
		on_event(l, &r[i]);
	return n;
}

/* Until that many more have been answered. */
bool serve(struct loop *l, unsigned answers, int ms)
{
	unsigned goal = l->answers + answers;
	int64_t end = now_ms() + ms;

	while (l->answers < goal && now_ms() < end)
		if (step(l, 100) < 0 && errno != EINTR)
			return false;
	return l->answers >= goal;
}
