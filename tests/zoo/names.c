/* SPDX-License-Identifier: MIT
 *
 * Names go right after the file has been closed, or has only been looked at: by
 * every call that removes or moves one, by name and by number. What is left in
 * the directory and what the calls return must be as ever.
 */
#include <dirent.h>

#include "zoo.h"

static int by_unlink(const char *path)
{
	return unlink(path);
}

static int by_unlinkat(const char *path)
{
	return unlinkat(AT_FDCWD, path, 0);
}

static int by_remove(const char *path)
{
	return remove(path);
}

static int by_rename(const char *path)
{
	return rename(path, "d/gone");
}

static int by_number(const char *path)
{
	return (int)syscall(SYS_unlinkat, AT_FDCWD, path, 0);
}

#ifdef SYS_unlink
static int by_old_number(const char *path)
{
	return (int)syscall(SYS_unlink, path);
}
#endif

static int (*const removes[])(const char *) = {
	by_unlink,     by_unlinkat, by_remove, by_rename, by_number,
#ifdef SYS_unlink
	by_old_number,
#else
	by_number,
#endif
};

static void make(const char *path, char c)
{
	int fd = MUST(open(path, O_CREAT | O_WRONLY | O_TRUNC, 0644));

	MUST(write(fd, &c, 1));
	MUST(close(fd));
}

static void empty(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while (d && (e = readdir(d)))
		if (e->d_name[0] != '.' || strlen(e->d_name) > 2)
			say("left: %s\n", e->d_name);
	if (d)
		closedir(d);
}

static void round_of(int (*gone)(const char *), bool only_look)
{
	struct stat st;

	MUST(mkdir("d", 0755));
	make("d/a", 'a');
	visit("d/a");
	visit("f01");
	MUST(stat_here("d/a", &st));
	if (!only_look) {
		int fd;

		nap(300);
		fd = MUST(open_here("d/a", O_RDONLY));
		sum_of(fd);
		MUST(close_here(fd));
	}
	say("%s ", error_name(gone("d/a")));
	say("%s ", error_name(open_here("d/a", O_RDONLY)));
	if (gone == by_rename)
		MUST(unlink("d/gone"));
	empty("d");
	say("%s\n", error_name(rmdir("d")));
}

/* The name is given to another file between the stat and the open. */
static void replaced(void)
{
	struct stat st;
	char c;
	int fd;

	make("a", 'a');
	make("b", 'b');
	visit("a");
	visit("a");
	MUST(stat_here("a", &st));
	nap(300);
	MUST(rename("b", "a"));
	fd = MUST(open_here("a", O_RDONLY));
	MUST(read(fd, &c, 1));
	say("read %c\n", c);
	MUST(close(fd));
	MUST(unlink("a"));
}

int main(void)
{
	say("%lx\n", (unsigned long)warm());
	for (unsigned i = 0; i < sizeof(removes) / sizeof(removes[0]); i++) {
		round_of(removes[i], false);
		round_of(removes[i], true);
	}
	replaced();
	say_open("end");
	return 0;
}
