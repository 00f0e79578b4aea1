/* SPDX-License-Identifier: MIT */
/*
 * blocking_server PORT DIR SEND_BUFFER: an HTTP server as simple as they come, one
 * connection after the other, every call blocking: who reads slowly holds up everybody
 * behind him. SEND_BUFFER is how many bytes of a connection the kernel keeps unsent.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static volatile sig_atomic_t stopped;

static void stop(int sig)
{
	(void)sig;
	stopped = 1;
}

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void serve(int conn)
{
	char text[4096], path[4096 + 8];
	size_t len = 0;
	ssize_t n = 1;
	off_t at = 0;
	struct stat st;
	int file;

	text[0] = '\0';
	while (!strstr(text, "\r\n\r\n") && len < sizeof(text) - 1 && n > 0) {
		n = read(conn, text + len, sizeof(text) - 1 - len);
		len += n > 0 ? (size_t)n : 0;
		text[len] = '\0';
	}
	if (sscanf(text, "GET %4095s HTTP/1.", path + 1) != 1)
		return;
	path[0] = '.';
	file = open(path, O_RDONLY);
	if (file < 0 || fstat(file, &st)) {
		dprintf(conn, "HTTP/1.0 404 Not Found\r\n\r\n");
		return;
	}
	len = (size_t)snprintf(text, sizeof(text),
			       "HTTP/1.0 200 OK\r\nContent-Length: %lld\r\n\r\n",
			       (long long)st.st_size);
	if (write(conn, text, len) == (ssize_t)len)
		while (at < st.st_size &&
		       sendfile(conn, file, &at, (size_t)(st.st_size - at)) > 0)
			;
	close(file);
}

int main(int argc, char **argv)
{
	/* Not restarted: accept() then ends, and main with it. */
	struct sigaction end = { .sa_handler = stop };
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int one = 1, buffer, listener = socket(AF_INET, SOCK_STREAM, 0);

	if (argc != 4) {
		fprintf(stderr, "usage: blocking_server PORT DIR SEND_BUFFER\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	sigaction(SIGTERM, &end, NULL);
	buffer = atoi(argv[3]);
	a.sin_port = htons((uint16_t)atoi(argv[1]));
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	/* Connections inherit it. */
	setsockopt(listener, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
	if (chdir(argv[2]))
		fail(argv[2]);
	if (bind(listener, (struct sockaddr *)&a, sizeof(a)) || listen(listener, 128))
		fail("listening");
	while (!stopped) {
		int conn = accept(listener, NULL, NULL);

		if (conn >= 0) {
			serve(conn);
			close(conn);
		} else if (errno != EINTR && errno != ECONNABORTED) {
			fail("accept");
		}
	}
	return 0;
}
