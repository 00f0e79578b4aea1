/* SPDX-License-Identifier: MIT
 *
 * A process that watches its own directory with inotify: when close() has
 * returned, the event of that close can be read, and no file is opened that it
 * did not open.
 */
#include <sys/inotify.h>

#include "zoo.h"

static void events(int watch)
{
	char buf[8192] __attribute__((aligned(8)));
	ssize_t n = read(watch, buf, sizeof(buf));

	for (ssize_t at = 0; at < n;) {
		struct inotify_event e;

		memcpy(&e, buf + at, sizeof(e));
		say(" %s:%s", buf + at + sizeof(e), e.mask & IN_OPEN ? "open" : "close");
		at += (ssize_t)(sizeof(e) + e.len);
	}
	say("\n");
}

int main(void)
{
	int watch = MUST(inotify_init1(IN_NONBLOCK));

	say("%lx\n", (unsigned long)warm());
	MUST(inotify_add_watch(watch, ".", IN_OPEN | IN_CLOSE_NOWRITE));
	for (unsigned i = 0; i < 4; i++) {
		struct stat st;
		int fd;

		MUST(stat_here(file_name(i), &st));
		nap(4000);
		say("stat");
		events(watch);
		fd = MUST(open_here(file_name(i), O_RDONLY));
		sum_of(fd);
		say("read");
		events(watch);
		MUST(close_here(fd));
		say("closed");
		events(watch);
		nap(5000);
	}
	return 0;
}
