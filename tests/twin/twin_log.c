/* SPDX-License-Identifier: MIT */
/*
 * The log of a program and how what it sees is written there.
 */
#define _GNU_SOURCE 1
#include "twin.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#define LOG_SIZE (4u << 20)

static struct log {
	_Atomic size_t used;
	char text[LOG_SIZE];
} * shared;

int log_make(void)
{
	void *p = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return -errno;
	shared = p;
	return 0;
}

void log_clear(void)
{
	shared->used = 0;
}

const char *log_text(size_t *len)
{
	*len = shared->used < LOG_SIZE ? shared->used : LOG_SIZE;
	return shared->text;
}

static void put(struct twin *t, const char *text)
{
	char line[1200];
	int n = snprintf(line, sizeof(line), "%u.%u.%u %s\n", t->depth, t->thread,
			 t->line++, text);
	size_t len = (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1;
	size_t at = shared->used;

	/* Bounded, whole lines: what does not fit is missing in both runs. */
	do {
		if (at + len > LOG_SIZE)
			return;
	} while (!__atomic_compare_exchange_n((size_t *)&shared->used, &at, at + len, false,
					      __ATOMIC_RELAXED, __ATOMIC_RELAXED));
	memcpy(shared->text + at, line, len);
}

void say(struct twin *t, const char *format, ...)
{
	char text[1100];
	int saved = errno;
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	put(t, text);
	errno = saved;
}

void before(void)
{
	errno = ERRNO_BEFORE;
}

long did(struct twin *t, long result, const char *format, ...)
{
	int e = errno;
	char text[1000], full[1100];
	const char *name;
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	name = strerrorname_np(e);
	if (result == -1)
		snprintf(full, sizeof(full), "%s = -1 %s", text, name ? name : "?");
	else if (e != ERRNO_BEFORE)
		snprintf(full, sizeof(full), "%s = %ld, errno became %s", text, result,
			 name ? name : "?");
	else
		snprintf(full, sizeof(full), "%s = %ld", text, result);
	put(t, full);
	errno = e;
	return result;
}

uint64_t hash(const void *data, size_t n)
{
	const unsigned char *p = data;
	uint64_t h = 0xcbf29ce484222325u ^ n, w;

	for (; n >= 8; n -= 8, p += 8) {
		memcpy(&w, p, 8);
		h = (h ^ w) * 0x9e3779b97f4a7c15u;
		h ^= h >> 29;
	}
	for (; n; n--, p++)
		h = (h ^ *p) * 0x100000001b3u;
	return h;
}

/* Files are made with a time long past; a newer one is "new", and no more is said. */
const char *stat_text(const struct stat *st, char text[160])
{
	char when[32] = "new";

	if (st->st_mtime < 1000000000)
		snprintf(when, sizeof(when), "%lld.%09ld", (long long)st->st_mtim.tv_sec,
			 st->st_mtim.tv_nsec);
	snprintf(text, 160, "mode %o links %lu owner %u:%u size %lld block %ld time %s",
		 st->st_mode, (unsigned long)st->st_nlink, st->st_uid, st->st_gid,
		 /* What a directory's size and a new directory's look like is the
		  * file system's business. */
		 S_ISDIR(st->st_mode) ? 0LL : (long long)st->st_size, (long)st->st_blksize,
		 S_ISDIR(st->st_mode) ? "-" : when);
	return text;
}

/* The whole buffer, so that bytes written behind the result show as well. */
void say_data(struct twin *t, ssize_t n, size_t room)
{
	say(t, "  data %zd hash %016llx", n, (unsigned long long)hash(t->buf, room + 64));
}

void say_fd(struct twin *t, int fd)
{
	off_t at = real.lseek(fd, 0, SEEK_CUR);

	if (at >= 0)
		say(t, "  offset %lld", (long long)at);
}
