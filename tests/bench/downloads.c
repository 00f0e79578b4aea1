/* SPDX-License-Identifier: MIT */
/*
 * downloads PORT CLIENTS BYTES_PER_SECOND SECONDS PROBE_PATH: that many clients each
 * download /fNNNNNNN from an HTTP server on the loopback, none faster than the given
 * rate, while another asks for a small file every 5 ms. Prints as JSON what rate each
 * client got and how long the small file took. A client that had to wait may catch
 * up. A probe that is due while the one before is unanswered is late from when it was
 * due, and all that were due are waited for.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define TICK_US 5000u
/* Fixed, so that the kernel's buffers do not hold most of a download. */
#define RECEIVE_BUFFER (256 << 10)
#define HEAD_MAX 2048
#define ANSWER_SECONDS 30 /* a probe unanswered for so long: the server is stuck */

struct client {
	int fd;
	bool in_body;
	char head[HEAD_MAX];
	size_t head_len;
	uint64_t got;
};

static int port;
static const char *probe_path;
static uint32_t *probe_us;
static size_t probes, probes_max;

__attribute__((format(printf, 1, 2), noreturn)) static void die(const char *format, ...)
{
	va_list ap;

	fputs("downloads: ", stderr);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static uint64_t now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000u + (uint64_t)ts.tv_nsec / 1000u;
}

static void sleep_until(uint64_t us)
{
	struct timespec ts = { (time_t)(us / 1000000u), (long)(us % 1000000u) * 1000 };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

static int connect_to_server(int receive_buffer)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons((uint16_t)port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval limit = { .tv_sec = ANSWER_SECONDS };
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (receive_buffer)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer,
			   sizeof(receive_buffer));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)))
		die("connect: %s", strerror(errno));
	return fd;
}

static void ask(int fd, const char *path)
{
	char text[400];
	int n = snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n",
			 path);

	if (send(fd, text, (size_t)n, MSG_NOSIGNAL) != n)
		die("send: %s", strerror(errno));
}

/* Where the body begins, NULL while the header is not complete. */
static char *body_of(char *head, const char *what)
{
	char *end = strstr(head, "\r\n\r\n");

	if (end && strncmp(head, "HTTP/1.1 200", 12))
		die("%s: %.40s", what, head);
	return end ? end + 4 : NULL;
}

/* --- the probe ---------------------------------------------------------- */

static void one_probe(int fd)
{
	char answer[HEAD_MAX + 1];
	size_t got = 0;

	ask(fd, probe_path);
	for (;;) {
		ssize_t n = recv(fd, answer + got, HEAD_MAX - got, 0);
		char *body, *length;

		if (n <= 0)
			die("%s: %s", probe_path, n ? strerror(errno) : "closed");
		got += (size_t)n;
		answer[got] = '\0';
		body = body_of(answer, probe_path);
		if (!body)
			continue;
		length = strcasestr(answer, "\r\nContent-Length:");
		if (!length)
			die("%s: no length", probe_path);
		if (got - (size_t)(body - answer) >= strtoul(length + 17, NULL, 10))
			return;
	}
}

static void *prober(void *arg)
{
	int fd = connect_to_server(0);
	uint64_t due = now_us();

	prctl(PR_SET_TIMERSLACK, 1);
	while (probes < probes_max) {
		sleep_until(due);
		one_probe(fd);
		probe_us[probes++] = (uint32_t)(now_us() - due);
		due += TICK_US;
	}
	close(fd);
	return arg;
}

/* --- the downloads ------------------------------------------------------ */

static void read_head(struct client *c)
{
	ssize_t n = recv(c->fd, c->head + c->head_len, HEAD_MAX - 1 - c->head_len,
			 MSG_DONTWAIT);
	char *body;

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0)
		die("download: %s", n ? strerror(errno) : "closed");
	c->head_len += (size_t)n;
	c->head[c->head_len] = '\0';
	body = body_of(c->head, "download");
	if (!body && c->head_len == HEAD_MAX - 1)
		die("download: endless header");
	if (!body)
		return;
	c->got = c->head_len - (size_t)(body - c->head);
	c->in_body = true;
}

/* Up to what is due at its rate. */
static void read_body(struct client *c, uint64_t due)
{
	while (c->got < due) {
		/* MSG_TRUNC on TCP: taken off the queue without being copied. */
		ssize_t n = recv(c->fd, NULL, due - c->got, MSG_TRUNC | MSG_DONTWAIT);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0)
			die("download: %s", n ? strerror(errno) : "file too short");
		c->got += (uint64_t)n;
	}
}

static double download(struct client *clients, int count, double rate, double seconds)
{
	uint64_t start, now, tick;
	char path[32];

	for (int i = 0; i < count; i++)
		clients[i].fd = connect_to_server(RECEIVE_BUFFER);
	start = tick = now_us();
	for (int i = 0; i < count; i++) {
		snprintf(path, sizeof(path), "/f%07d", i);
		ask(clients[i].fd, path);
	}
	do {
		tick += TICK_US;
		sleep_until(tick);
		now = now_us();
		for (int i = 0; i < count; i++) {
			if (!clients[i].in_body)
				read_head(&clients[i]);
			if (clients[i].in_body)
				read_body(&clients[i],
					  (uint64_t)(rate * (double)(now - start) / 1e6));
		}
	} while ((double)(now - start) < seconds * 1e6);
	return (double)(now - start) / 1e6;
}

/* --- figures ------------------------------------------------------------ */

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static int by_bytes(const void *a, const void *b)
{
	uint64_t x = ((const struct client *)a)->got, y = ((const struct client *)b)->got;

	return (x > y) - (x < y);
}

static double percentile_ms(unsigned int percent)
{
	return probe_us[(probes * percent + 99) / 100 - 1] / 1000.0;
}

static void print_figures(struct client *clients, int count, double took)
{
	uint64_t sum = 0;

	for (int i = 0; i < count; i++)
		sum += clients[i].got;
	qsort(clients, (size_t)count, sizeof(*clients), by_bytes);
	qsort(probe_us, probes, sizeof(*probe_us), by_value);
	printf("{\"slowest_kbs\": %.1f, \"median_kbs\": %.1f, \"all_kbs\": %.1f, "
	       "\"seconds\": %.6f, \"probes\": %zu, \"p50_ms\": %.3f, \"p99_ms\": %.3f, "
	       "\"max_ms\": %.3f}\n",
	       (double)clients[0].got / took / 1e3,
	       (double)clients[count / 2].got / took / 1e3, (double)sum / took / 1e3, took,
	       probes, percentile_ms(50), percentile_ms(99), percentile_ms(100));
}

int main(int argc, char **argv)
{
	struct client *clients;
	pthread_t thread;
	double rate, seconds, took;
	int count;

	if (argc != 6 || (port = atoi(argv[1])) <= 0 || (count = atoi(argv[2])) <= 0 ||
	    (rate = atof(argv[3])) <= 0 || (seconds = atof(argv[4])) <= 0) {
		fputs("usage: downloads PORT CLIENTS BYTES_PER_SECOND SECONDS PROBE_PATH\n",
		      stderr);
		return 2;
	}
	probe_path = argv[5];
	probes_max = (size_t)(seconds * 1e6 / TICK_US) + 1;
	probe_us = calloc(probes_max, sizeof(*probe_us));
	clients = calloc((size_t)count, sizeof(*clients));
	if (!probe_us || !clients)
		die("out of memory");
	if (pthread_create(&thread, NULL, prober, NULL))
		die("no thread");
	took = download(clients, count, rate, seconds);
	pthread_join(thread, NULL);
	print_figures(clients, count, took);
	free(clients);
	free(probe_us);
	return 0;
}
