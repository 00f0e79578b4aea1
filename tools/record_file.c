/* SPDX-License-Identifier: MIT
 *
 * The file of a recording. Its room is really there before the program starts: a
 * page of a sparse file for which the disk has no room left would be a SIGBUS in
 * somebody else's process.
 */
#include "record_file.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"

/* ---- clocks ---- */

static uint64_t cycles(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#elif defined(__aarch64__)
	uint64_t n;

	__asm__ volatile("isb; mrs %0, cntvct_el0" : "=r"(n));
	return n;
#endif
}

static uint64_t clock_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

/* Of several tries the one that was interrupted least. */
static struct fa_rec_moment moment(void)
{
	struct fa_rec_moment best = { 0 };
	uint64_t width = UINT64_MAX;

	for (unsigned i = 0; i < 8; i++) {
		uint64_t before = cycles(), ns = clock_ns(CLOCK_MONOTONIC);
		uint64_t took = cycles() - before;

		if (took >= width)
			continue;
		width = took;
		best = (struct fa_rec_moment){ before + took / 2, ns };
	}
	return best;
}

static uint64_t frequency(void)
{
#if defined(__aarch64__)
	uint64_t n;

	__asm__("mrs %0, cntfrq_el0" : "=r"(n));
	return n;
#else
	const struct timespec while_ticking = { 0, 20000000 };
	struct fa_rec_moment a = moment(), b;

	nanosleep(&while_ticking, NULL);
	b = moment();
	return (uint64_t)((double)(b.cycles - a.cycles) * 1e9 / (double)(b.ns - a.ns));
#endif
}

/* ---- creation ---- */

/* Whether `path` may be replaced: by a recording that nobody makes just now. */
static int replaceable(const char *path)
{
	char magic[8] = "";
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) < 0) {
		complain("%s: %s", path, strerror(errno));
		goto no;
	}
	n = S_ISREG(st.st_mode) ? read(fd, magic, sizeof(magic)) : -1;
	if (n != 0 && (n < (ssize_t)sizeof(magic) ||
		       memcmp(magic, FA_REC_MAGIC, sizeof(magic)) != 0)) {
		complain("%s is not a recording and is left alone; give another name "
			 "with -o",
			 path);
		goto no;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		complain("%s is being recorded to; give another name with -o", path);
		goto no;
	}
	close(fd);
	return 0;
no:
	if (fd >= 0)
		close(fd);
	return -1;
}

/* The absolute path of a file that need not be there. */
static int absolute(const char *name, char path[PATH_MAX])
{
	char directory[PATH_MAX];
	const char *slash = strrchr(name, '/'), *base = slash ? slash + 1 : name;

	if (realpath(name, path))
		return replaceable(path);
	if (errno != ENOENT || !*base) {
		complain("%s: %s", name,
			 *base ? strerror(errno) : "not the name of a file");
		return -1;
	}
	snprintf(directory, sizeof(directory), "%.*s", slash ? (int)(slash - name + 1) : 1,
		 slash ? name : ".");
	if (!realpath(directory, path)) {
		complain("%s: %s", directory, strerror(errno));
		return -1;
	}
	if (strlen(path) + strlen(base) + 16 > PATH_MAX) {
		complain("%s: %s", name, strerror(ENAMETOOLONG));
		return -1;
	}
	if (strcmp(path, "/") != 0)
		strcat(path, "/");
	strcat(path, base);
	return 0;
}

static int allocate(int fd, const char *path, uint64_t size)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN }, old;
	struct statvfs fs;
	int e;

	sigaction(SIGXFSZ, &ignore, &old);
	do
		e = posix_fallocate(fd, 0, (off_t)size);
	while (e == EINTR);
	sigaction(SIGXFSZ, &old, NULL);
	if (e == ENOSPC && fstatvfs(fd, &fs) == 0)
		complain("%s: no room for %.0f MiB, %.0f MiB are free; give a smaller "
			 "--size "
			 "or another disk with -o",
			 path, (double)size / 1048576,
			 (double)fs.f_bavail * (double)fs.f_frsize / 1048576);
	else if (e)
		complain("%s: %s for %.0f MiB; give a smaller --size", path, strerror(e),
			 (double)size / 1048576);
	return e ? -1 : 0;
}

static void fill(struct fa_rec_header *h, uint64_t blocks, uint32_t flags, char **command)
{
	size_t at = 0;

	memcpy(h->magic, FA_REC_MAGIC, sizeof(h->magic));
	h->version = FA_REC_VERSION;
	h->header_size = FA_REC_HEADER;
	h->block_size = FA_REC_BLOCK;
	h->flags = flags;
	h->blocks = blocks;
	h->hz = frequency();
	h->time_ns = clock_ns(CLOCK_REALTIME);
	h->begin = moment();
	for (; *command && at < sizeof(h->command) - 1; command++) {
		int n = snprintf(h->command + at, sizeof(h->command) - at, "%s%s",
				 at ? " " : "", *command);

		at += n > 0 ? (size_t)n : 0;
	}
}

int record_create(struct record_file *f, const char *name, uint64_t size, uint32_t flags,
		  char **command)
{
	uint64_t blocks = size / FA_REC_BLOCK;
	char temporary[PATH_MAX + 8];

	if (absolute(name, f->path) < 0)
		return -1;
	snprintf(temporary, sizeof(temporary), "%s.XXXXXX", f->path);
	f->fd = mkostemp(temporary, O_CLOEXEC);
	if (f->fd < 0) {
		complain("%s: %s", f->path, strerror(errno));
		return -1;
	}
	flock(f->fd, LOCK_EX | LOCK_NB);
	if (allocate(f->fd, f->path, FA_REC_HEADER + blocks * FA_REC_BLOCK) < 0)
		goto err;
	f->header = mmap(NULL, FA_REC_HEADER, PROT_READ | PROT_WRITE, MAP_SHARED, f->fd, 0);
	if (f->header == MAP_FAILED) {
		complain("%s: mmap: %s", f->path, strerror(errno));
		goto err;
	}
	fill(f->header, blocks, flags, command);
	if (rename(temporary, f->path) == 0)
		return 0;
	complain("%s: %s", f->path, strerror(errno));
	munmap(f->header, FA_REC_HEADER);
err:
	unlink(temporary);
	close(f->fd);
	return -1;
}

/* ---- the end ---- */

static void let_go(struct record_file *f)
{
	munmap(f->header, FA_REC_HEADER);
	close(f->fd);
}

void record_remove(struct record_file *f)
{
	unlink(f->path);
	let_go(f);
}

uint64_t record_used(const struct record_file *f)
{
	const struct fa_rec_header *h = f->header;
	uint64_t next = __atomic_load_n(&h->next, __ATOMIC_ACQUIRE);

	return FA_REC_HEADER + (next < h->blocks ? next : h->blocks) * FA_REC_BLOCK;
}

int record_finish(struct record_file *f)
{
	int e = 0;

	f->header->end = moment();
	if (ftruncate(f->fd, (off_t)record_used(f)) < 0) {
		complain("%s: giving back what was not used: %s", f->path, strerror(errno));
		e = -1;
	}
	let_go(f);
	return e;
}
