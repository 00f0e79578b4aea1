/* SPDX-License-Identifier: MIT
 *
 * A library that is preloaded next to ours and whose constructor and destructor
 * work with files: before our constructor has run, or after it, and after our
 * destructor.
 */
#include "zoo.h"

static void use_files(const char *when)
{
	struct stat st;
	uint64_t sum = 0;
	int p[2], fd;

	for (unsigned i = 0; i < ZOO_FILES; i++)
		sum = sum * 31 + visit(file_name(i));
	say("%s %lx %s ", when, (unsigned long)sum, error_name(stat("nothing", &st)));
	say("%s ", error_name(open("nothing", O_RDONLY)));
	say("%s ", error_name(close(-1)));
	MUST(pipe(p));
	MUST(dup2(p[0], p[1]));
	MUST(fcntl(p[0], F_SETFD, FD_CLOEXEC));
	MUST(close(p[0]));
	MUST(close(p[1]));
	fd = MUST(open("f00", O_RDONLY | O_CLOEXEC));
	MUST(lseek(fd, 3, SEEK_SET));
	closefrom(3);
	say_status("child", child_exits(3));
	say("%ld\n", syscall(SYS_getpid) == getpid() ? 1L : 0L);
}

__attribute__((constructor)) static void starts(void)
{
	use_files("constructor");
}

__attribute__((destructor)) static void ends(void)
{
	use_files("destructor");
}
