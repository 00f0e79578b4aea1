/* SPDX-License-Identifier: MIT */
/*
 * The tree that a program works in: made before it starts, logged after its end.
 * All of it past the library, and where there is a slow file system, below it.
 */
#define _GNU_SOURCE 1
#include "twin.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct made {
	const char *name;
	long size;
	mode_t mode;
} files[] = {
	{ "f0", 0, 0644 },
	{ "f1", 1, 0644 },
	{ "f4095", 4095, 0644 },
	{ "f4096", 4096, 0644 },
	{ "f5000", 5000, 0600 },
	{ "f100k", 100000, 0644 },
	{ "f1m5", 1536 * 1024, 0644 },
	{ "unreadable", 4096, 0000 },
	{ "writeonly", 700, 0222 },
	{ "readonly", 4097, 0444 },
	{ "script", 20, 0755 },
	{ "d1/f0", 0, 0644 },
	{ "d1/f1", 1, 0644 },
	{ "d1/f4095", 4095, 0644 },
	{ "d1/f4096", 3000, 0644 },
	{ "d1/f100k", 70000, 0644 },
	{ "d1/d2/f1", 33, 0644 },
	{ "d1/d2/f4096", 9999, 0644 },
	{ "closed/f1", 12, 0644 },
};

static int make_file(const char *top, const struct made *m)
{
	static char data[1536 * 1024];
	static const struct timespec old[2] = { { 500000000, 1000 },
						{ 500000000, 123456000 } };
	char path[PATH_MAX];
	uint64_t x = hash(m->name, strlen(m->name));
	int fd;

	/* Different bytes everywhere: a read at a wrong place must show. */
	for (long i = 0; i < m->size; i += 8) {
		x = x * 6364136223846793005u + 1442695040888963407u;
		memcpy(data + i, &x, 8);
	}
	snprintf(path, sizeof(path), "%s/%s", top, m->name);
	fd = real.open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	if (fd < 0)
		return -1;
	if (real.write(fd, data, (size_t)m->size) != m->size || futimens(fd, old) ||
	    fchmod(fd, m->mode)) {
		real.close(fd);
		return -1;
	}
	return real.close(fd);
}

static int make_links(const char *top)
{
	static const char *const list[][2] = {
		{ "f100k", "link" },	 { "link", "link2" },  { "nothing", "dangling" },
		{ "loop2", "loop1" },	 { "loop1", "loop2" }, { "d1", "dlink" },
		{ "../f4096", "d1/up" },
	};
	char path[PATH_MAX], target[PATH_MAX], name[256];

	for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", top, list[i][1]);
		if (real.symlink(list[i][0], path))
			return -1;
	}
	snprintf(target, sizeof(target), "%s/f4096", top);
	snprintf(path, sizeof(path), "%s/hard", top);
	if (real.link(target, path))
		return -1;
	memset(name, 'n', 255);
	name[255] = 0;
	snprintf(path, sizeof(path), "%s/%s", top, name);
	return real.link(target, path);
}

int tree_make(const char *top)
{
	static const char *const dirs[] = { "", "/d1", "/d1/d2", "/closed", "/empty" };
	char path[PATH_MAX];

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		snprintf(path, sizeof(path), "%s%s", top, dirs[i]);
		if (real.mkdir(path, 0755))
			return -1;
	}
	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (make_file(top, &files[i]))
			return -1;
	if (make_links(top))
		return -1;
	snprintf(path, sizeof(path), "%s/fifo", top);
	if (mkfifo(path, 0644))
		return -1;
	snprintf(path, sizeof(path), "%s/closed", top);
	return real.chmod(path, 0);
}

/* --- the end ------------------------------------------------------------ */

static struct twin *teller;
static size_t top_len;

static void say_content(const char *path, const struct stat *st)
{
	ssize_t n = 0;
	size_t all = 0;
	int fd;

	if (!(st->st_mode & 0400))
		real.chmod(path, st->st_mode | 0400);
	fd = real.open(path, O_RDONLY);
	if (fd < 0) {
		say(teller, "tree cannot open %s", path + top_len);
		return;
	}
	while (all < BUF_SIZE && (n = real.read(fd, teller->buf + all, BUF_SIZE - all)) > 0)
		all += (size_t)n;
	real.close(fd);
	say(teller, "tree   bytes %zu hash %016llx", all,
	    (unsigned long long)hash(teller->buf, all));
}

static void say_entry(const char *path, const struct stat *st)
{
	char text[160], target[PATH_MAX];
	ssize_t n;

	say(teller, "tree %.300s %s", path + top_len, stat_text(st, text));
	if (S_ISREG(st->st_mode))
		say_content(path, st);
	if (!S_ISLNK(st->st_mode))
		return;
	n = readlink(path, target, sizeof(target) - 1);
	target[n < 0 ? 0 : n] = 0;
	say(teller, "tree   to %s",
	    strncmp(target, teller->top, strlen(teller->top))
		    ? target
		    : target + strlen(teller->top));
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void say_dir(const char *dir)
{
	struct dirent **list = NULL;
	struct stat st;
	int n;

	/* The tree's owner may have closed it to itself. */
	if (!real.lstat(dir, &st) && (st.st_mode & 0700) != 0700)
		real.chmod(dir, 0700);
	n = scandir(dir, &list, NULL, by_name);
	for (int i = 0; i < n; i++) {
		const char *name = list[i]->d_name;
		char path[PATH_MAX];

		if (strcmp(name, ".") && strcmp(name, "..")) {
			snprintf(path, sizeof(path), "%s/%s", dir, name);
			if (!real.lstat(path, &st)) {
				say_entry(path, &st);
				if (S_ISDIR(st.st_mode))
					say_dir(path);
			}
		}
		free(list[i]);
	}
	free(list);
}

void tree_say(struct twin *t, const char *top)
{
	teller = t;
	top_len = strlen(top);
	say_dir(top);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)ftw;
	return type == FTW_DP ? real.rmdir(path) : real.unlink(path);
}

void tree_remove(const char *top)
{
	nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
