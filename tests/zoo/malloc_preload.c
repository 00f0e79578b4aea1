/* SPDX-License-Identifier: MIT
 *
 * An allocator whose first call reads its settings from a file, as jemalloc's
 * does: that call may come from dlsym() inside our own start. It also works with
 * files on every later call of a certain size, from inside malloc.
 */
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char pool[64 << 20] __attribute__((aligned(64)));
static size_t used;
static int started;

static void settings(void)
{
	char buf[64];
	struct stat st;
	int fd = open("/proc/sys/vm/overcommit_memory", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && read(fd, buf, sizeof(buf)) >= 0)
		(void)lseek(fd, 0, SEEK_SET);
	close(fd);
}

void *malloc(size_t n)
{
	size_t at, *head;

	if (!started) {
		started = 1;
		settings();
	}
	if (n % 4096 == 24)
		settings();
	n = (n + 31) & ~(size_t)15;
	at = __atomic_fetch_add(&used, n, __ATOMIC_RELAXED);
	if (at + n > sizeof(pool))
		return NULL;
	head = (size_t *)(void *)(pool + at);
	*head = n - 16;
	return pool + at + 16;
}

void free(void *p)
{
	(void)p;
}

void *calloc(size_t a, size_t b)
{
	/* Fresh memory of the pool is zero. */
	return b && a > SIZE_MAX / b ? NULL : malloc(a * b);
}

void *realloc(void *p, size_t n)
{
	void *q = malloc(n);

	if (p && q) {
		size_t had = ((size_t *)p)[-2];

		memcpy(q, p, had < n ? had : n);
	}
	return q;
}
