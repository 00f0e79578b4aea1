/* SPDX-License-Identifier: MIT */
/*
 * httpload [options] PORT: asks an HTTP server on the loopback for files, over a
 * number of kept connections with one request each under way, every file once, and
 * prints rate and latencies as JSON. Every answer must be 200, as long as expected,
 * and begin with the path that was asked for. The rest of a body is discarded in the
 * kernel, so that the client takes little of the machine that it shares with the
 * server. A second kind of files, asked for again and again, can be mixed in.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SILENCE_MS 60000 /* nothing arrives for so long: the server is stuck */
#define HEAD_MAX 4096	 /* of an answer, with the path at the start of its body */

/* Files named PREFIX[dNN/]fNNNNNNN, and the latencies of their requests. */
struct kind {
	const char *prefix;
	unsigned int files;
	uint32_t *us;
	size_t done, room;
};

struct connection {
	int fd;
	bool hot, in_body, closes;
	uint64_t start;
	char path[160];
	char head[HEAD_MAX];
	size_t head_len;
	size_t left; /* of the body */
};

static struct {
	int port, connections;
	double seconds;
	unsigned int first, count, dirs, hot_percent, seed;
	size_t length;
} opt = { .connections = 64, .seconds = 1, .count = 1000, .length = 16384, .seed = 1 };

static struct kind cold = { .prefix = "/" }, hot = { .prefix = "/hot/", .files = 64 };
static unsigned int *order; /* of the cold files, where it is not ascending */
static unsigned int issued; /* cold ones */
static int waiting;	    /* connections with a request under way */
static uint64_t started, ends, last_end;
static int epfd;

__attribute__((format(printf, 1, 2), noreturn)) static void die(const char *format, ...)
{
	va_list ap;

	fputs("httpload: ", stderr);
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

/* Repeatable for a seed. */
static uint32_t any(void)
{
	static uint64_t state;

	if (!state)
		state = 0x9e3779b97f4a7c15u * (opt.seed + 1u);
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (uint32_t)(state >> 32);
}

/* `count` different files out of `total`, in random order. */
static void shuffle(unsigned int total)
{
	order = malloc(total * sizeof(*order));
	if (!order)
		die("out of memory");
	if (opt.count > total)
		opt.count = total;
	for (unsigned int i = 0; i < total; i++)
		order[i] = i;
	for (unsigned int i = 0; i < opt.count; i++) {
		unsigned int k = i + any() % (total - i), t = order[i];

		order[i] = order[k];
		order[k] = t;
	}
}

static void note(struct kind *k, uint64_t us)
{
	if (k->done == k->room) {
		k->room = k->room ? k->room * 2 : 4096;
		k->us = realloc(k->us, k->room * sizeof(*k->us));
		if (!k->us)
			die("out of memory");
	}
	k->us[k->done++] = (uint32_t)us;
}

static void connect_to_server(struct connection *c)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons((uint16_t)opt.port),
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };
	int one = 1;

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&a, sizeof(a)))
		die("connect: %s", strerror(errno));
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (epoll_ctl(epfd, EPOLL_CTL_ADD, c->fd, &e))
		die("epoll_ctl: %s", strerror(errno));
}

static void choose(struct connection *c)
{
	unsigned int i;

	c->hot = any() % 100 < opt.hot_percent;
	if (c->hot)
		i = any() % hot.files;
	else
		i = order ? order[issued++] : opt.first + issued++;
	if (!c->hot && opt.dirs)
		snprintf(c->path, sizeof(c->path), "%sd%02u/f%07u", cold.prefix,
			 i % opt.dirs, i);
	else
		snprintf(c->path, sizeof(c->path), "%sf%07u",
			 c->hot ? hot.prefix : cold.prefix, i);
}

/* The next request; the end of the connection where time or files have run out. */
static void ask(struct connection *c)
{
	char text[400];
	int n;

	c->start = now_us();
	if (c->start >= ends || issued >= opt.count) {
		close(c->fd);
		return;
	}
	choose(c);
	n = snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n",
		     c->path);
	if (send(c->fd, text, (size_t)n, MSG_NOSIGNAL) != n)
		die("send: %s", strerror(errno));
	c->head_len = 0;
	c->in_body = false;
	waiting++;
}

static void answered(struct connection *c)
{
	last_end = now_us();
	note(c->hot ? &hot : &cold, last_end - c->start);
	waiting--;
	if (c->closes) {
		close(c->fd);
		connect_to_server(c);
	}
	ask(c);
}

static size_t content_length(const char *head, const char *path)
{
	const char *line = strcasestr(head, "\r\nContent-Length:");

	if (!line)
		die("%s: an answer without a length", path);
	return strtoul(line + 17, NULL, 10);
}

/* Reads the header and so much of the body that it can be told whose it is. */
static void read_head(struct connection *c)
{
	size_t path_len = strlen(c->path), after;
	ssize_t n = recv(c->fd, c->head + c->head_len, HEAD_MAX - 1 - c->head_len, 0);
	char *body;

	if (n <= 0)
		die("%s: %s", c->path, n ? strerror(errno) : "connection closed");
	c->head_len += (size_t)n;
	c->head[c->head_len] = '\0';
	body = strstr(c->head, "\r\n\r\n");
	if (!body && c->head_len == HEAD_MAX - 1)
		die("%s: endless header", c->path);
	if (!body)
		return;
	body += 4;
	after = c->head_len - (size_t)(body - c->head);
	if (strncmp(c->head, "HTTP/1.1 200", 12))
		die("%s: %.40s", c->path, c->head);
	if (after < path_len + 1)
		return;
	if (strncmp(body, c->path, path_len) || body[path_len] != '\n')
		die("%s: got another file: %.40s", c->path, body);
	body[-2] = '\0';
	if (content_length(c->head, c->path) != opt.length)
		die("%s: a length of %zu", c->path, content_length(c->head, c->path));
	c->closes = strcasestr(c->head, "\r\nConnection: close") != NULL;
	if (after > opt.length)
		die("%s: more than was asked for", c->path);
	c->left = opt.length - after;
	c->in_body = true;
}

static void read_body(struct connection *c)
{
	/* MSG_TRUNC on TCP: taken off the queue without being copied. */
	ssize_t n = recv(c->fd, NULL, c->left, MSG_TRUNC | MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0)
		die("%s: %s", c->path, n ? strerror(errno) : "cut short");
	c->left -= (size_t)n;
}

static void readable(struct connection *c)
{
	if (c->in_body)
		read_body(c);
	else
		read_head(c);
	if (c->in_body && !c->left)
		answered(c);
}

static void loop(void)
{
	struct epoll_event events[64];

	while (waiting) {
		int n = epoll_wait(epfd, events, 64, SILENCE_MS);

		if (n == 0)
			die("%d requests unanswered for %d s", waiting, SILENCE_MS / 1000);
		for (int i = 0; i < n; i++)
			readable(events[i].data.ptr);
	}
}

/* --- figures ------------------------------------------------------------ */

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

static double percentile_ms(const uint32_t *us, size_t n, unsigned int percent)
{
	return n ? us[(n * percent + 99) / 100 - 1] / 1000.0 : 0;
}

static void print_latencies(const char *name, uint32_t *us, size_t n)
{
	qsort(us, n, sizeof(*us), by_value);
	printf("\"%s\": {\"requests\": %zu, \"p50_ms\": %.3f, \"p99_ms\": %.3f}", name, n,
	       percentile_ms(us, n, 50), percentile_ms(us, n, 99));
}

static void print_figures(void)
{
	double took = (double)(last_end - started) / 1e6;
	size_t n = cold.done + hot.done;
	uint32_t *all = malloc((n + 1) * sizeof(*all));

	if (!all || !n)
		die("nothing was asked for");
	/* A kind of which nothing was asked for has no array. */
	if (cold.done)
		memcpy(all, cold.us, cold.done * sizeof(*all));
	if (hot.done)
		memcpy(all + cold.done, hot.us, hot.done * sizeof(*all));
	printf("{\"issued\": %u, \"seconds\": %.6f, \"rate\": %.3f, ", issued, took,
	       (double)n / took);
	print_latencies("all", all, n);
	if (opt.hot_percent) {
		printf(", ");
		print_latencies("hot", hot.us, hot.done);
		printf(", ");
		print_latencies("cold", cold.us, cold.done);
	}
	printf("}\n");
	free(all);
}

static const char usage_text[] =
	"usage: httpload [options] PORT\n"
	"  -c N        connections (64)\n"
	"  -t SECONDS  after which nothing new is asked for (1)\n"
	"  -n N        files asked for at most (1000)\n"
	"  -f N        number of the first one (0)\n"
	"  -r TOTAL    instead: files out of that many, in random order\n"
	"  -s SEED     of that order (1)\n"
	"  -d N        files are spread over so many directories, dNN (0: none)\n"
	"  -l BYTES    length of every file (16384)\n"
	"  -m PERCENT  of the requests are for the 64 files below /hot/ (0)\n";

static unsigned int number(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (end == text || *end || n > 100000000)
		die("'%s' is not a number", text);
	return (unsigned int)n;
}

static void parse(int argc, char **argv)
{
	unsigned int total = 0;
	int c;

	while ((c = getopt(argc, argv, "c:t:n:f:r:s:d:l:m:")) != -1) {
		switch (c) {
		case 't':
			opt.seconds = strtod(optarg, NULL);
			break;
		case 'c':
			opt.connections = (int)number(optarg);
			break;
		case 'n':
			opt.count = number(optarg);
			break;
		case 'f':
			opt.first = number(optarg);
			break;
		case 'r':
			total = number(optarg);
			break;
		case 's':
			opt.seed = number(optarg);
			break;
		case 'd':
			opt.dirs = number(optarg);
			break;
		case 'l':
			opt.length = number(optarg);
			break;
		case 'm':
			opt.hot_percent = number(optarg);
			break;
		default:
			fputs(usage_text, stderr);
			exit(2);
		}
	}
	if (argc - optind != 1 || opt.connections < 1) {
		fputs(usage_text, stderr);
		exit(2);
	}
	opt.port = (int)number(argv[optind]);
	if (total)
		shuffle(total);
}

int main(int argc, char **argv)
{
	struct connection *all;

	parse(argc, argv);
	epfd = epoll_create1(EPOLL_CLOEXEC);
	all = calloc((size_t)opt.connections, sizeof(*all));
	if (epfd < 0 || !all)
		die("out of memory");
	for (int i = 0; i < opt.connections; i++)
		connect_to_server(&all[i]);
	started = now_us();
	ends = started + (uint64_t)(opt.seconds * 1e6);
	for (int i = 0; i < opt.connections; i++)
		ask(&all[i]);
	loop();
	print_figures();
	free(order);
	free(all);
	return 0;
}
