/* SPDX-License-Identifier: MIT */
/*
 * batch [options] DIR: what a server does with files that are in memory, and nothing
 * else. Opens a batch of the files DIR/f00 to DIR/f63, sends each behind a header to a
 * connection of its own (writev, sendfile, close), and then looks at the connections
 * once, as every server does before it waits for more. Repeats that, and prints files,
 * and nanoseconds of the clock and of CPU time per file, as JSON.
 *
 * All files of a batch are opened first: an open between a close and its commit would
 * commit at once, since the number of what was closed has to be free.
 *
 * The other ends of the connections are read by a process without the library, which
 * discards everything and counts it: nothing may get lost.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define CONNECTIONS 64 /* more than most batches: all have time to be drained */
#define FILES 64
#define HEADER 200
#define DRAIN_NS 50000 /* between two looks at what has come */
#define LIMIT_S 100    /* that a stuck run ends by itself */

static struct {
	size_t size;
	unsigned int batch;
	double warmup, seconds;
	bool blocking, by_recv;
} opt = { .size = 4096, .batch = 1, .warmup = 0.05, .seconds = 0.1 };

static char paths[FILES][4096];
static int conns[CONNECTIONS];
static unsigned int next_conn, next_file;
static uint64_t files, waits;

__attribute__((format(printf, 1, 2), noreturn)) static void die(const char *format, ...)
{
	va_list ap;

	fputs("batch: ", stderr);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(1);
}

static uint64_t nanoseconds(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Of the whole process: the kernel's workers are threads of it. */
static uint64_t process_cpu(void)
{
	struct rusage u;

	getrusage(RUSAGE_SELF, &u);
	return ((uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1000000u +
		(uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec)) *
	       1000u;
}

/* --- the process that drains ---------------------------------------------------- */

static struct sockaddr_in loopback(int port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET,
				     .sin_port = htons((uint16_t)port),
				     .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

/* Looks again and again: were it woken, whether it sleeps just then would be half of
 * what a file costs. */
static int drain(int port)
{
	struct sockaddr_in a = loopback(port);
	struct timespec pause = { .tv_nsec = DRAIN_NS };
	struct pollfd p[CONNECTIONS];
	int left = CONNECTIONS;
	uint64_t bytes = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_TIMERSLACK, 1);
	alarm(LIMIT_S);
	for (int i = 0; i < CONNECTIONS; i++) {
		p[i] = (struct pollfd){ .fd = socket(AF_INET, SOCK_STREAM, 0),
					.events = POLLIN };
		if (connect(p[i].fd, (struct sockaddr *)&a, sizeof(a)))
			die("connect: %s", strerror(errno));
	}
	for (; left; nanosleep(&pause, NULL)) {
		poll(p, CONNECTIONS, 0);
		for (int i = 0; i < CONNECTIONS; i++) {
			ssize_t got;

			if (!p[i].revents)
				continue;
			/* MSG_TRUNC on TCP: taken off the queue without being copied. */
			got = recv(p[i].fd, NULL, 1 << 30, MSG_TRUNC | MSG_DONTWAIT);
			if (got < 0)
				die("draining: %s", strerror(errno));
			bytes += (uint64_t)got;
			if (!got) {
				p[i].fd = -1;
				p[i].revents = 0;
				left--;
			}
		}
	}
	printf("%llu\n", (unsigned long long)bytes);
	return 0;
}

/* Returns the pipe on which it will say how many bytes have come. It is started before
 * there are connections: those that a fork has shared are not what a server has. */
static int start_drain(void)
{
	struct sockaddr_in a = loopback(0);
	socklen_t len = sizeof(a);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
	int result[2];
	char port[16];
	pid_t pid;

	if (bind(listener, (struct sockaddr *)&a, len) || listen(listener, CONNECTIONS) ||
	    getsockname(listener, (struct sockaddr *)&a, &len) || pipe2(result, O_CLOEXEC))
		die("listening: %s", strerror(errno));
	snprintf(port, sizeof(port), "%d", ntohs(a.sin_port));
	pid = fork();
	if (pid < 0)
		die("fork: %s", strerror(errno));
	if (!pid) {
		dup2(result[1], STDOUT_FILENO);
		execle("/proc/self/exe", "batch", "-D", port, NULL, (char *[]){ NULL });
		_exit(127);
	}
	close(result[1]);
	for (int i = 0; i < CONNECTIONS; i++) {
		conns[i] = accept4(listener, NULL, NULL,
				   SOCK_CLOEXEC | (opt.blocking ? 0 : SOCK_NONBLOCK));
		if (conns[i] < 0 ||
		    setsockopt(conns[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)))
			die("accept: %s", strerror(errno));
	}
	close(listener);
	return result[0];
}

/* --- the server ----------------------------------------------------------------- */

/* The connection takes no more: the reader is behind. */
static void wait_for_room(int conn, ssize_t n, const char *what)
{
	struct pollfd p = { .fd = conn, .events = POLLOUT };

	if (n < 0 && errno != EAGAIN)
		die("%s: %s", what, strerror(errno));
	waits++;
	poll(&p, 1, -1);
}

static void send_file(int conn, int file)
{
	static char header[HEADER];
	struct iovec parts[2] = { { header, 40 }, { header + 40, HEADER - 40 } };
	size_t sent = 0;
	off_t at = 0;
	ssize_t n = writev(conn, parts, 2);

	while (n < 0 || (sent += (size_t)n) < HEADER) {
		wait_for_room(conn, n, "writev");
		n = write(conn, header + sent, HEADER - sent);
	}
	while (at < (off_t)opt.size) {
		n = sendfile(conn, file, &at, opt.size - (size_t)at);
		if (n == 0)
			die("a file is too short");
		if (n < 0 || at < (off_t)opt.size)
			wait_for_room(conn, n, "sendfile");
	}
	close(file);
}

/* What ends a batch: nothing is there to be read. */
static void touch(const int *used)
{
	struct pollfd p[CONNECTIONS];
	char c;

	if (opt.by_recv) {
		if (recv(used[0], &c, 1, MSG_DONTWAIT) >= 0 || errno != EAGAIN)
			die("recv: a connection has ended");
		return;
	}
	for (unsigned int i = 0; i < opt.batch; i++)
		p[i] = (struct pollfd){ .fd = used[i], .events = POLLIN };
	if (poll(p, opt.batch, 0) != 0)
		die("poll: a connection has ended");
}

static void one_batch(void)
{
	int fds[CONNECTIONS], used[CONNECTIONS];

	for (unsigned int i = 0; i < opt.batch; i++) {
		fds[i] = open(paths[next_file++ % FILES], O_RDONLY | O_CLOEXEC);
		if (fds[i] < 0)
			die("%s: %s", paths[(next_file - 1) % FILES], strerror(errno));
		used[i] = conns[next_conn++ % CONNECTIONS];
	}
	for (unsigned int i = 0; i < opt.batch; i++)
		send_file(used[i], fds[i]);
	touch(used);
	files += opt.batch;
}

static void run_for(double seconds)
{
	uint64_t end = nanoseconds(CLOCK_MONOTONIC) + (uint64_t)(seconds * 1e9);

	/* A look at the clock for each 64 files. */
	do {
		for (unsigned int i = 0; i < 64; i += opt.batch)
			one_batch();
	} while (nanoseconds(CLOCK_MONOTONIC) < end);
}

static void measure(int result)
{
	uint64_t wall, cpu, process, n, sent, came;
	char text[32] = "";

	run_for(opt.warmup);
	n = files;
	waits = 0;
	wall = nanoseconds(CLOCK_MONOTONIC);
	cpu = nanoseconds(CLOCK_THREAD_CPUTIME_ID);
	process = process_cpu();
	run_for(opt.seconds);
	process = process_cpu() - process;
	cpu = nanoseconds(CLOCK_THREAD_CPUTIME_ID) - cpu;
	wall = nanoseconds(CLOCK_MONOTONIC) - wall;
	n = files - n;

	for (int i = 0; i < CONNECTIONS; i++)
		close(conns[i]);
	sent = files * (opt.size + HEADER);
	if (read(result, text, sizeof(text) - 1) <= 0)
		die("the process that drains has failed");
	came = strtoull(text, NULL, 10);
	if (came != sent)
		die("%llu bytes sent, %llu have come", (unsigned long long)sent,
		    (unsigned long long)came);
	wait(NULL);
	printf("{\"files\": %llu, \"all\": %llu, \"wall_ns\": %.1f, \"cpu_ns\": %.1f, "
	       "\"process_ns\": %.1f, \"waits\": %llu}\n",
	       (unsigned long long)n, (unsigned long long)files, (double)wall / (double)n,
	       (double)cpu / (double)n, (double)process / (double)n,
	       (unsigned long long)waits);
}

static const char usage_text[] =
	"usage: batch [options] DIR\n"
	"  -s BYTES    length of the files (4096)\n"
	"  -n N        files in a batch, 1 to 64 (1)\n"
	"  -t SECONDS  measured (0.1)\n"
	"  -w SECONDS  before that, unmeasured (0.05)\n"
	"  -b          blocking connections\n"
	"  -r          recv() from one connection ends a batch, not poll() of all\n";

int main(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "s:n:t:w:brD:")) != -1) {
		switch (c) {
		case 's':
			opt.size = strtoul(optarg, NULL, 10);
			break;
		case 'n':
			opt.batch = (unsigned int)strtoul(optarg, NULL, 10);
			break;
		case 't':
			opt.seconds = strtod(optarg, NULL);
			break;
		case 'w':
			opt.warmup = strtod(optarg, NULL);
			break;
		case 'b':
			opt.blocking = true;
			break;
		case 'r':
			opt.by_recv = true;
			break;
		case 'D':
			return drain((int)strtol(optarg, NULL, 10));
		default:
			fputs(usage_text, stderr);
			return 2;
		}
	}
	if (argc - optind != 1 || opt.batch < 1 || opt.batch > CONNECTIONS) {
		fputs(usage_text, stderr);
		return 2;
	}
	for (int i = 0; i < FILES; i++)
		snprintf(paths[i], sizeof(paths[i]), "%s/f%02d", argv[optind], i);
	alarm(LIMIT_S);
	measure(start_drain());
	return 0;
}
