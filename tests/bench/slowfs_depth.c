/* SPDX-License-Identifier: MIT */
/*
 * slowfs_depth DIR FILES DEPTH: opens, reads and closes FILES files of DIR, named
 * f000000 and so on, DEPTH of them at a time, and prints files per second. Shows
 * what the test file system can carry, so that it is never what gets measured.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define MAX_DEPTH 1024

static const char *dir;
static int files;
static atomic_int next_file, failed;

static void *work(void *arg)
{
	static _Thread_local char buf[1 << 16];
	char path[4096];
	int i;

	while ((i = atomic_fetch_add(&next_file, 1)) < files) {
		int fd;

		snprintf(path, sizeof(path), "%s/f%06d", dir, i);
		fd = open(path, O_RDONLY);
		if (fd < 0 || read(fd, buf, sizeof(buf)) <= 0)
			atomic_fetch_add(&failed, 1);
		if (fd >= 0)
			close(fd);
	}
	return arg;
}

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
	pthread_t threads[MAX_DEPTH];
	pthread_attr_t attr;
	double start, took;
	int depth;

	if (argc != 4 || (files = atoi(argv[2])) <= 0 || (depth = atoi(argv[3])) <= 0 ||
	    depth > MAX_DEPTH) {
		fprintf(stderr, "usage: slowfs_depth DIR FILES DEPTH (at most %d)\n",
			MAX_DEPTH);
		return 2;
	}
	dir = argv[1];
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, 256 << 10);
	start = seconds();
	for (int i = 0; i < depth; i++)
		if (pthread_create(&threads[i], &attr, work, NULL)) {
			perror("slowfs_depth: pthread_create");
			return 1;
		}
	for (int i = 0; i < depth; i++)
		pthread_join(threads[i], NULL);
	took = seconds() - start;
	printf("{\"files\": %d, \"depth\": %d, \"failed\": %d, \"files_per_s\": %.0f}\n",
	       files, depth, atomic_load(&failed), files / took);
	return atomic_load(&failed) != 0;
}
