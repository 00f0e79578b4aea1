/* SPDX-License-Identifier: MIT
 *
 * Bad addresses at call sites that know nothing yet and at those that have
 * learned: EFAULT as ever, and never a signal. Paths that end where the mapping
 * ends are good ones.
 */
#include <sys/mman.h>

#include "zoo.h"

static char *hole, *edge;

static void bad(void)
{
	struct stat st;
	char *const addresses[] = { NULL, (char *)8, hole, (char *)-4096L };
	int fd = MUST(open_here("f00", O_RDONLY));

	for (unsigned i = 0; i < 4; i++) {
		char *a = addresses[i];

		say("open %s ", error_name(open_here(a, O_RDONLY)));
		say("stat %s ", error_name(stat_here(a, &st)));
		say("stat into %s ",
		    error_name(stat_here("f00", (struct stat *)(void *)a)));
		say("fstat into %s ", error_name(fstat_here(fd, (struct stat *)(void *)a)));
		say("read into %s\n", error_name((int)read_here(fd, a, 100)));
	}
	MUST(close_here(fd));
}

/* fstat right behind an open that was adopted, into nowhere. */
static void adopted(void)
{
	struct stat st;

	for (unsigned i = 0; i < 8; i++) {
		int fd;

		MUST(stat_here("f01", &st));
		nap(300);
		fd = MUST(open_here("f01", O_RDONLY));
		say("%s ", error_name(fstat_here(fd, (struct stat *)(void *)hole)));
		say("%s ", error_name(fstat_here(fd, &st)));
		say("%ld\n", (long)st.st_size);
		MUST(close_here(fd));
	}
}

static void at_the_edge(const char *path)
{
	size_t n = strlen(path) + 1;
	char *at = edge - n;
	struct stat st;

	memcpy(at, path, n);
	for (unsigned i = 0; i < 4; i++) {
		int fd;

		say("%s ", error_name(stat_here(at, &st)));
		nap(300);
		fd = open_here(at, O_RDONLY);
		say("%s %lx\n", error_name(fd), fd < 0 ? 0 : (unsigned long)sum_of(fd));
		if (fd >= 0)
			MUST(close_here(fd));
	}
	/* The same without the end: the path runs into the hole. */
	memset(at, 'x', n);
	say("%s ", error_name(stat_here(at, &st)));
	say("%s\n", error_name(open_here(at, O_RDONLY)));
}

/* Longer than anything the library remembers, and longer than allowed. */
static void lengths(void)
{
	static char path[8192];

	for (unsigned n = 200; n < 8000; n = n < 300 ? n + 7 : n * 2 - 50) {
		struct stat st;
		int fd;

		for (unsigned i = 0; i + 2 < n; i += 2)
			memcpy(path + i, "./", 2);
		strcpy(path + (n - 3) / 2 * 2, "f02");
		for (unsigned i = 0; i < 3; i++) {
			say("%s ", error_name(stat_here(path, &st)));
			nap(300);
			fd = open_here(path, O_RDONLY);
			say("%s ", error_name(fd));
			if (fd >= 0)
				MUST(close_here(fd));
		}
		say("\n");
	}
}

int main(void)
{
	char *page = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return 97;
	hole = edge = page + 4096;
	/* Not unmapped: whatever is mapped next would be put there. */
	MUST(mprotect(hole, 4096, PROT_NONE));
	bad();
	say("%lx\n", (unsigned long)warm());
	bad();
	adopted();
	at_the_edge("f03");
	at_the_edge("./f04");
	lengths();
	/* errno is left alone by success. */
	errno = 4711;
	uint64_t sum = warm();

	say("%lx %d\n", (unsigned long)sum, errno);
	say_open("end");
	return 0;
}
