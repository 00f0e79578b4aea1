/* SPDX-License-Identifier: MIT */
/*
 * What programs choose from: paths good, bad and impossible, descriptors open and not.
 */
#define _GNU_SOURCE 1
#include "twin.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

const char *const file_names[FILES] = {
	"f1", "f4095", "f4096", "f5000", "f100k", "f1m5", "readonly",
};

static const char *const more_names[] = {
	"f0",	     "link",	    "link2",	 "hard",      "d1/f4096", "d1/f100k",
	"d1/d2/f1",  "dlink/f4095", "d1/up",	 "./f4096",   "d1/../f1", "d1//f4095",
	"dangling",  "loop1",	    "loop2",	 "d1",	      "dlink",	  ".",
	"/dev/null", "unreadable",  "writeonly", "closed/f1", "f4096/",	  "d1/",
	"f1/x",	     "missing",	    "missing/x", "fifo",      "empty",	  "made1",
	"made2",     "d1/made3",    "",		 "script",
};

/* A string that ends where memory ends: whoever reads on, faults. */
static char *at_the_edge(const char *text)
{
	static char *pages;
	size_t len = strlen(text) + 1;

	if (!pages) {
		pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (pages == MAP_FAILED || mprotect(pages + 4096, 4096, PROT_NONE))
			abort();
	}
	return memcpy(pages + 4096 - len, text, len);
}

static const char *impossible_path(struct twin *t)
{
	static char far[5001], wide[257], longest[256];
	char *p;

	switch (below(t, 7)) {
	case 0:
		return NULL;
	case 1:
		return (const char *)1;
	case 2:
		memset(far, 'a', sizeof(far) - 1);
		return far;
	case 3:
		memset(wide, 'w', sizeof(wide) - 1);
		return wide;
	case 4:
		memset(longest, 'n', sizeof(longest) - 1);
		return longest;
	case 5:
		return at_the_edge("f4096");
	default:
		/* No terminator before the edge. */
		p = at_the_edge("");
		*p = 'x';
		return p;
	}
}

static const char *absolute(struct twin *t, const char *name)
{
	static __thread char path[2][PATH_MAX + 300];
	static __thread unsigned turn;
	char *p = path[turn++ % 2];

	snprintf(p, sizeof(path[0]), "%s/%s", t->top, name);
	return p;
}

const char *good_path(struct twin *t)
{
	const char *name = file_names[below(t, FILES)];

	if (one_in(t, 8))
		name = "d1/f100k";
	return one_in(t, 3) ? absolute(t, name) : name;
}

const char *any_path(struct twin *t)
{
	const char *name;

	if (one_in(t, 2))
		return good_path(t);
	if (one_in(t, 10))
		return impossible_path(t);
	name = more_names[below(t, sizeof(more_names) / sizeof(more_names[0]))];
	return one_in(t, 3) && *name != '/' ? absolute(t, name) : name;
}

const char *new_path(struct twin *t)
{
	static const char *const names[] = {
		"made1", "made2",    "made4",	  "d1/made3", "f1",
		"f4096", "link",     "empty",	  "d1",	      "empty/made5",
		"f100k", "d1/f4095", "missing/x", "closed/x",
	};
	const char *name = names[below(t, sizeof(names) / sizeof(names[0]))];

	return one_in(t, 4) ? absolute(t, name) : name;
}

static bool is_string(const char *path)
{
	uintptr_t address = (uintptr_t)path;

	return address >= 4096 && (address & 4095) != 4095;
}

bool names_fifo(const char *path)
{
	return is_string(path) && strstr(path, "fifo");
}

bool in_tree(struct twin *t, const char *path)
{
	size_t n = strlen(t->top);

	return is_string(path) &&
	       (*path != '/' || (!strncmp(path, t->top, n) && path[n] == '/'));
}

/* Without what differs from one run to the next. */
const char *path_text(struct twin *t, const char *path)
{
	static __thread char text[2][80];
	static __thread unsigned turn;
	size_t n = strlen(t->top);
	uintptr_t address = (uintptr_t)path;
	char *p = text[turn++ % 2];

	if (address < 4096)
		snprintf(p, sizeof(text[0]), "(%lu)", (unsigned long)address);
	else if ((address & 4095) == 4095)
		snprintf(p, sizeof(text[0]), "(edge)");
	else if (!strncmp(path, t->top, n))
		snprintf(p, sizeof(text[0]), "TOP%.40s", path + n);
	else
		snprintf(p, sizeof(text[0]), "%.40s", path);
	return p;
}

int any_fd(struct twin *t)
{
	static const int odd[] = { -1, 63, 255, 256, 1000, INT_MAX, INT_MIN, AT_FDCWD };
	int list[FD_LOOK], n = 0;

	if (one_in(t, 12))
		return odd[below(t, sizeof(odd) / sizeof(odd[0]))];
	for (int fd = 0; fd < FD_LOOK; fd++)
		if (real.fcntl(fd, F_GETFD) >= 0)
			list[n++] = fd;
	if (!n || one_in(t, 12))
		return (int)below(t, 24);
	return list[below(t, (unsigned)n)];
}

int any_dirfd(struct twin *t, bool *opened)
{
	*opened = false;
	if (one_in(t, 4))
		return any_fd(t);
	if (!one_in(t, 3))
		return AT_FDCWD;
	*opened = true;
	return (int)DID(t, open(one_in(t, 2) ? t->top : "d1", O_RDONLY | O_DIRECTORY),
			"open directory");
}

int any_flags(struct twin *t)
{
	static const int ways[] = { O_RDONLY, O_RDONLY, O_RDONLY,
				    O_WRONLY, O_RDWR,	O_ACCMODE };
	static const int extra[] = {
		O_NONBLOCK, O_CLOEXEC, O_NOFOLLOW,  O_DIRECTORY,      O_APPEND,
		O_NOCTTY,   O_NOATIME, O_CREAT,	    O_CREAT | O_EXCL, O_TRUNC,
		O_PATH,	    O_SYNC,    O_LARGEFILE, O_TMPFILE,
	};
	int flags = ways[below(t, 6)];

	if (one_in(t, 3))
		return flags;
	for (unsigned n = 1 + below(t, 2); n; n--)
		flags |= extra[below(t, sizeof(extra) / sizeof(extra[0]))];
	return flags;
}
