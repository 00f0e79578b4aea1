/* SPDX-License-Identifier: MIT
 *
 * A program that closes everything it did not open, in all the ways in use, and
 * then goes on opening files. The numbers of those are the lowest free ones, and
 * whoever asked for statistics still gets them.
 */
#include <dirent.h>
#include <linux/close_range.h>
#include <sys/resource.h>

#include "zoo.h"

static void then(void)
{
	int fd = MUST(open_here("f00", O_RDONLY));

	say("next %d\n", fd);
	MUST(close_here(fd));
	say("%lx\n", (unsigned long)warm());
	say_open("open");
}

static int top(void)
{
	struct rlimit rl;

	MUST(getrlimit(RLIMIT_NOFILE, &rl));
	return (int)rl.rlim_cur;
}

/* As daemons do, results unseen: one way before the files and once more after. */
static void loop(void)
{
	for (int fd = 3; fd < top(); fd++)
		close(fd);
	then();
	for (int fd = 3; fd < top(); fd++)
		close(fd);
	then();
}

static void by_closefrom(void)
{
	closefrom(3);
	then();
	closefrom(3);
	then();
}

static void range(void)
{
	say("%d\n", close_range(3, ~0U, 0));
	then();
	say("%d\n", close_range(3, ~0U, (int)CLOSE_RANGE_UNSHARE));
	then();
	say("%d\n", close_range(3, ~0U, (int)CLOSE_RANGE_CLOEXEC));
	say("%s\n", error_name(close_range(9, 3, 0)));
	then();
}

/* What stands in /proc/self/fd, but for the directory itself. */
static void listed(void)
{
	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;

	if (!d)
		_exit(97);
	while ((e = readdir(d))) {
		int fd = atoi(e->d_name);

		if (fd > 2 && fd != dirfd(d))
			close(fd);
	}
	closedir(d);
	then();
}

/* With files of its own in between, some cold and captured. */
static void captured(void)
{
	warm();
	for (unsigned i = 0; i < 6; i++)
		open_here(file_name(i), O_RDONLY);
	say_open("six");
	close_range(4, 6, 0);
	say_open("gap");
	say("%d\n", open_here("f07", O_RDONLY));
	closefrom(3);
	then();
}

/* dup2 onto every number there is, one after the other, up and down. */
static void dups(void)
{
	int bad = 0, full = top();

	for (int fd = 3; fd < full; fd++) {
		bad += dup2(1, fd) != fd || fcntl(fd, F_GETFD) < 0;
		bad += close(fd) != 0;
	}
	for (int fd = full - 1; fd > full - 40; fd--) {
		bad += dup3(2, fd, O_CLOEXEC) != fd || fcntl(fd, F_GETFD) != FD_CLOEXEC;
		bad += close(fd) != 0;
	}
	say("bad %d\n", bad);
	then();
}

/* All numbers at once: for the library's own there is no room left. */
static void all(void)
{
	int bad = 0;

	for (int round = 0; round < 2; round++) {
		for (int fd = 3; fd < top(); fd++)
			bad += dup2(1, fd) != fd || fcntl(fd, F_GETFD) < 0;
		say("bad %d, one more: %s\n", bad, error_name(dup(0)));
		say("%s\n", error_name(open_here("f00", O_RDONLY)));
		for (int fd = 3; fd < top(); fd++)
			bad += close(fd) != 0;
		say("bad %d\n", bad);
		then();
	}
}

/* Standard descriptors closed: files get those numbers. */
static void standard(void)
{
	uint64_t sum;
	int copy = fcntl(1, F_DUPFD, 50), fd;

	close(0);
	close(1);
	close(2);
	sum = warm();
	fd = open_here("f00", O_RDONLY);
	close_here(fd);
	MUST(dup2(copy, 1));
	close(copy);
	say("%d %lx\n", fd, (unsigned long)sum);
	say_open("open");
}

int main(int argc, char **argv)
{
	static const struct way ways[] = {
		{ "loop", loop },     { "closefrom", by_closefrom }, { "range", range },
		{ "listed", listed }, { "captured", captured },	     { "dups", dups },
		{ "all", all },	      { "standard", standard },	     { NULL, NULL },
	};

	return choose(ways, argc, argv);
}
