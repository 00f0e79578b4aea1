/* SPDX-License-Identifier: MIT */
/*
 * micro DIR [CALLS]: what one call of each kind costs on hot data, in ns, as JSON.
 * Run plain, with a preload that only forwards, and with the library in its modes;
 * the differences are what interposing costs. Each figure is the best of many short
 * batches, spread over the run: whatever disturbs a batch only makes it slower.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BATCHES 60

static char path[4096];
static int file, null;
static char byte;
static struct stat st;
static volatile long sink;

static int die(const char *what)
{
	perror(what);
	exit(1);
}

static void do_open_close(void)
{
	int fd = open(path, O_RDONLY);

	if (fd < 0)
		die("open");
	close(fd);
}

static void do_fstat(void)
{
	sink += fstat(file, &st);
}
static void do_stat(void)
{
	sink += stat(path, &st);
}
static void do_read(void)
{
	sink += read(file, &byte, 1);
}
static void do_pread(void)
{
	sink += pread(file, &byte, 1, 0);
}
static void do_lseek(void)
{
	sink += lseek(file, 0, SEEK_SET);
}
static void do_fcntl(void)
{
	sink += fcntl(file, F_GETFL);
}
static void do_write(void)
{
	sink += write(null, &byte, 1);
}
static void do_dup_close(void)
{
	close(dup(null));
}
static void do_close_bad(void)
{
	sink += close(-1);
}

static void do_poll(void)
{
	struct pollfd p = { .fd = null, .events = POLLOUT };

	sink += poll(&p, 1, 0);
}

/* calls: interposed calls in one go, to divide the overhead by */
static const struct {
	const char *name;
	void (*run)(void);
	int calls;
} cases[] = {
	{ "open+close", do_open_close, 2 },
	{ "fstat", do_fstat, 1 },
	{ "stat", do_stat, 1 },
	{ "read 1 byte", do_read, 1 },
	{ "pread 1 byte", do_pread, 1 },
	{ "lseek", do_lseek, 1 },
	{ "fcntl F_GETFL", do_fcntl, 1 },
	{ "write 1 byte", do_write, 1 },
	{ "dup+close", do_dup_close, 2 },
	{ "close (EBADF)", do_close_bad, 1 },
	{ "poll", do_poll, 1 },
};

#define CASES (sizeof(cases) / sizeof(cases[0]))

static double now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static double batch(void (*run)(void), int n)
{
	double start = now_ns();

	for (int i = 0; i < n; i++)
		run();
	return (now_ns() - start) / n;
}

int main(int argc, char **argv)
{
	static char content[1 << 20];
	double best[CASES];
	int n = argc > 2 ? atoi(argv[2]) : 1000;

	if (argc < 2 || n <= 0) {
		fprintf(stderr, "usage: micro DIR [CALLS]\n");
		return 2;
	}
	snprintf(path, sizeof(path), "%s/micro-file", argv[1]);
	memset(content, 'x', sizeof(content));
	file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
	if (file < 0 || write(file, content, sizeof(content)) != sizeof(content))
		die(path);
	close(file);
	file = open(path, O_RDONLY);
	null = open("/dev/null", O_WRONLY);
	if (file < 0 || null < 0)
		die("open");
	for (int b = 0; b < BATCHES; b++) {
		lseek(file, 0, SEEK_SET);
		for (size_t i = 0; i < CASES; i++) {
			double ns = batch(cases[i].run, n);

			if (!b || ns < best[i])
				best[i] = ns;
		}
	}
	for (size_t i = 0; i < CASES; i++)
		printf("%s\"%s\": [%.2f, %d]", i ? ", " : "{", cases[i].name, best[i],
		       cases[i].calls);
	puts("}");
	return 0;
}
