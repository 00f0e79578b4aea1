/* SPDX-License-Identifier: MIT */
/*
 * Names and sizes: what changes the tree under descriptors that are open.
 */
#define _GNU_SOURCE 1
#include "twin.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void rename_somehow(struct twin *t, const char *from, const char *to)
{
	const char *a = path_text(t, from), *b = path_text(t, to);

	switch (below(t, 3)) {
	case 0:
		DID(t, rename(from, to), "rename %s %s", a, b);
		break;
	case 1:
		DID(t, renameat(AT_FDCWD, from, AT_FDCWD, to), "renameat %s %s", a, b);
		break;
	default:
		DID(t,
		    renameat2(AT_FDCWD, from, AT_FDCWD, to,
			      one_in(t, 2) ? RENAME_EXCHANGE : RENAME_NOREPLACE),
		    "renameat2 %s %s", a, b);
	}
}

void op_names(struct twin *t)
{
	const char *path = new_path(t), *name = path_text(t, path), *from = good_path(t);

	switch (below(t, 8)) {
	case 0:
		rename_somehow(t, from, path);
		break;
	case 1:
		DID(t, unlink(path), "unlink %s", name);
		break;
	case 2:
		DID(t, unlinkat(AT_FDCWD, path, one_in(t, 2) ? AT_REMOVEDIR : 0),
		    "unlinkat %s", name);
		break;
	case 3:
		DID(t, link(from, path), "link %s %s", path_text(t, from), name);
		break;
	case 4:
		DID(t, symlink(from, path), "symlink to %s", name);
		break;
	case 5:
		DID(t, mkdir(path, 0755), "mkdir %s", name);
		break;
	case 6:
		DID(t, rmdir(path), "rmdir %s", name);
		break;
	default:
		DID(t, remove(path), "remove %s", name);
	}
}

void op_chdir(struct twin *t)
{
	static const char *const dirs[] = {
		"d1", "d1/d2", "empty", "missing", "f1", "dlink"
	};
	const char *path = dirs[below(t, 6)];
	int fd;

	switch (below(t, 4)) {
	case 0:
		DID(t, chdir(path), "chdir %s", path);
		break;
	case 1:
		fd = any_fd(t);
		DID(t, fchdir(fd), "fchdir %d", fd);
		break;
	default:
		DID(t, chdir(t->top), "chdir TOP");
	}
}

void op_size(struct twin *t)
{
	const char *path = one_in(t, 2) ? good_path(t) : new_path(t);
	off_t size = below(t, 200000);
	int fd = any_fd(t);

	switch (below(t, 3)) {
	case 0:
		DID(t, truncate(path, size), "truncate %s %ld", path_text(t, path),
		    (long)size);
		break;
	case 1:
		DID(t, truncate64(path, size), "truncate64 %s %ld", path_text(t, path),
		    (long)size);
		break;
	default:
		DID(t, ftruncate(fd, size), "ftruncate %d %ld", fd, (long)size);
	}
}

/* --- somebody changes what is about to be opened -------------------------- */

/* The calls of a change: the program's own, or libc's past the library. */
struct hand {
	int (*open)(const char *, int, ...);
	ssize_t (*write)(int, const void *, size_t);
	int (*close)(int);
	int (*rename)(const char *, const char *);
	int (*unlink)(const char *);
	int (*symlink)(const char *, const char *);
	int (*truncate)(const char *, off_t);
	int (*mkdir)(const char *, mode_t);
};

static void write_to(const struct hand *h, const char *path, int flags, size_t n)
{
	char data[3000];
	/* Not to wait for a reader, should it be a FIFO. */
	int fd = h->open(path, O_WRONLY | O_NONBLOCK | flags, 0644);

	memset(data, 'c', sizeof(data));
	if (fd < 0)
		return;
	if (h->write(fd, data, n) < 0)
		n = 0;
	h->close(fd);
}

static void change(const struct hand *h, const char *path, unsigned how, size_t n)
{
	switch (how) {
	case 0:
		write_to(h, "made4", O_CREAT | O_TRUNC, n);
		h->rename("made4", path);
		break;
	case 1:
		h->unlink(path);
		break;
	case 2:
		h->truncate(path, (off_t)n);
		break;
	case 3:
		write_to(h, path, O_APPEND, n);
		break;
	case 4:
		h->unlink(path);
		h->symlink("d1/f100k", path);
		break;
	case 5:
		h->unlink(path);
		h->mkdir(path, 0755);
		break;
	case 6:
		real.chmod(path, 0000);
		break;
	case 7:
		/* Gone and back: a new file of the same name and size. */
		h->unlink(path);
		write_to(h, path, O_CREAT | O_EXCL, n);
		break;
	default:
		write_to(h, path, 0, n);
	}
}

static void await(struct twin *t, pid_t pid)
{
	int status = -1;

	if (pid > 0)
		waitpid(pid, &status, 0);
	if (status)
		say(t, "changer: pid %d status %#x", pid > 0, (unsigned)status);
}

void change_something(struct twin *t, const char *path)
{
	static const struct hand own = {
		open, write, close, rename, unlink, symlink, truncate, mkdir,
	};
	const struct hand hidden = {
		real.open,   real.write,   real.close,	  real.rename,
		real.unlink, real.symlink, real.truncate, real.mkdir,
	};
	unsigned how = below(t, 9), who = below(t, 3);
	size_t n = 1 + below(t, 2999);
	pid_t pid;

	if (!in_tree(t, path))
		return;
	say(t, "change %u by %u: %s", how, who, path_text(t, path));
	if (!who) {
		change(&own, path, how, n);
		return;
	}
	pid = who == 1 ? fork() : real.fork();
	if (!pid) {
		change(who == 1 ? &own : &hidden, path, how, n);
		if (who == 1)
			_exit(0);
		real._exit(0);
	}
	await(t, pid);
}
