/* SPDX-License-Identifier: MIT
 *
 * How much may be promised and not sent: 1 MiB on a connection, 16 MiB in all. What
 * would be more waits, as a plain call does.
 */
#include "promise.h"

#define PART (900 << 10)

static long memory(const char *key)
{
	char line[256];
	long kb = -1;
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)))
			sscanf(line + strlen(key), ": %ld", &kb);
	if (f)
		fclose(f);
	return kb;
}

static void send_part(int fd)
{
	int file = MUST(open("big", O_RDONLY));

	told("header", write(fd, "a header\n", 9));
	told("sent", sendfile(fd, file, NULL, PART));
	told("close", close(file));
}

/* The second does not fit behind the first. */
static void one_socket(void)
{
	int fd;

	listen_on();
	fd = take();
	send_part(fd);
	touch();
	reached(1);
	send_part(fd);
	reached(2);
	answer(fd, "f01");
	told("close", close(fd));
	reached(3);
}

/* Small ones: that they add up counts. */
static void little_by_little(void)
{
	int fd;

	listen_on();
	fd = take();
	for (unsigned i = 0; i < style.count; i++) {
		answer(fd, "f15");
		board->flag[0] = i + 1;
		if (i % 3 == 0)
			touch();
	}
	reached(1);
	told("close", close(fd));
}

/* As many as the test has connected, none of which reads. */
static void many_sockets(void)
{
	long before, peak;
	int fds[PEERS];

	listen_on();
	for (unsigned i = 0; i < style.count; i++)
		fds[i] = take();
	answer(fds[0], "f01");
	touch();
	before = memory("VmRSS");
	for (unsigned i = 0; i < style.count; i++) {
		send_part(fds[i]);
		touch();
		board->flag[0] = i + 1;
	}
	peak = memory("VmHWM");
	reached(1);
	/* Each of these waits until its rest has gone. */
	for (unsigned i = 0; i < style.count; i++)
		answer(fds[i], "f02");
	for (unsigned i = 0; i < style.count; i++)
		told("close", close(fds[i]));
	touch();
	fact("%ld, %ld KiB\n", before, peak);
	note("peak: %s\n", peak < before + (22 << 10) ? "within the limit" : "too high");
}

/* One file larger than everything. */
static void huge(void)
{
	int fd;

	listen_on();
	fd = take();
	answer(fd, "huge");
	reached(1);
	answer(fd, "huge");
	told("close", close(fd));
}

/* A header that is no header any more. */
static void long_header(void)
{
	static char much[300 << 10];
	static const size_t sizes[] = { 60000, 65535, 65536, 65537, 300 << 10 };
	int fd, file;

	listen_on();
	fd = take();
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		memset(much, 'a' + (int)i, sizeof(much));
		file = MUST(open("f02", O_RDONLY));
		told("head", write(fd, much, sizes[i]));
		told("body", sendfile(fd, file, NULL, 1 << 20));
		told("close", close(file));
	}
	told("close", close(fd));
}

/* More sequences between two touches than anybody would queue; none closes its file. */
static void many_parts(void)
{
	int fds[4], file[40];
	off_t at;

	listen_on();
	for (unsigned i = 0; i < 4; i++)
		fds[i] = take();
	for (unsigned i = 0; i < 40; i++)
		file[i] = MUST(open(file_name(i), O_RDONLY));
	for (unsigned i = 0; i < 400; i++) {
		at = (off_t)(i * 7);
		if (i % 5 == 0)
			told("head", write(fds[i % 4], "a header\n", 9));
		told("part",
		     sendfile(fds[i % 4], file[i % 40], i % 3 ? &at : NULL, 100 + i));
	}
	for (unsigned i = 0; i < 40; i++)
		told("close", close(file[i]));
	for (unsigned i = 0; i < 4; i++)
		told("close", close(fds[i]));
}

const struct way limits[] = {
	{ "one_socket", one_socket },
	{ "little", little_by_little },
	{ "many_sockets", many_sockets },
	{ "huge", huge },
	{ "long_header", long_header },
	{ "many_parts", many_parts },
	{ NULL, NULL },
};
