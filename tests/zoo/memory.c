/* SPDX-License-Identifier: MIT
 *
 * A million calls, thousands of threads one after the other, and call sites
 * without number: memory stays bounded. Prints whether it grew by more than
 * 8 MiB after the first round.
 */
#include <pthread.h>
#include <sys/mman.h>

#include "zoo.h"

static long resident_kib(void)
{
	char line[256];
	long kib = -1;
	FILE *f = fopen("/proc/self/status", "r");

	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "VmRSS:", 6))
			kib = atol(line + 6);
	if (f)
		fclose(f);
	return kib;
}

static void calls(unsigned n)
{
	struct stat st;
	char c;

	for (unsigned i = 0; i < n; i++) {
		int fd;

		stat_here(file_name(i), &st);
		fd = open_here(file_name(i), O_RDONLY);
		fstat_here(fd, &st);
		read_here(fd, &c, 1);
		/* Every order of calls is another signature. */
		for (unsigned bits = i % 512; bits; bits /= 2)
			bits % 2 ? (void)lseek(fd, 0, SEEK_SET)
				 : (void)read_here(fd, &c, 1);
		close_here(fd);
	}
}

static void *thread(void *unused)
{
	(void)unused;
	calls(8);
	return NULL;
}

static void threads(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		pthread_t t;

		if (pthread_create(&t, NULL, thread, NULL))
			_exit(97);
		pthread_join(t, NULL);
	}
}

int main(void)
{
	long before, after;

	calls(20000);
	threads(100);
	before = resident_kib();
	calls(70000);
	threads(2000);
	after = resident_kib();
	if (before < 0 || after - before > 8192)
		say("grew from %ld to %ld KiB\n", before, after);
	else
		say("bounded\n");
	return 0;
}
