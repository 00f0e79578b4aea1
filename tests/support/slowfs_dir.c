/* SPDX-License-Identifier: MIT */
/*
 * Directories of slowfs: open, read with or without attributes, release.
 */
#include "slowfs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct dir {
	DIR *stream;
	struct dirent *kept; /* read, but did not fit the last reply */
	off_t offset;
};

static struct dir *get_dir(const struct fuse_file_info *fi)
{
	return (struct dir *)(uintptr_t)fi->fh;
}

void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct dir *d = calloc(1, sizeof(*d));
	int fd = d ? openat(inode_fd(ino), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	if (d && fd >= 0)
		d->stream = fdopendir(fd);
	if (!d || !d->stream) {
		int err = errno;

		if (fd >= 0)
			close(fd);
		free(d);
		fuse_reply_err(req, err);
		return;
	}
	fi->fh = (uintptr_t)d;
	fuse_reply_open(req, fi);
}

static bool is_dots(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..");
}

/* The bytes the entry took; more than room: it did not fit. */
static size_t add_entry(fuse_req_t req, fuse_ino_t ino, const struct dirent *de, char *buf,
			size_t room, bool plus)
{
	struct fuse_entry_param e = {
		.attr = { .st_ino = de->d_ino, .st_mode = (mode_t)de->d_type << 12 },
	};
	size_t n;

	if (!plus)
		return fuse_add_direntry(req, buf, room, de->d_name, &e.attr, de->d_off);
	/* A name that vanished meanwhile goes without attributes, as "." and ".." do. */
	if (!is_dots(de->d_name))
		inode_lookup(ino, de->d_name, &e);
	n = fuse_add_direntry_plus(req, buf, room, de->d_name, &e, de->d_off);
	if (n > room && e.ino)
		inode_forget(e.ino, 1);
	return n;
}

static void read_directory(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
			   struct fuse_file_info *fi, bool plus)
{
	struct dir *d = get_dir(fi);
	char *buf = malloc(size);
	size_t used = 0;

	if (!buf) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	if (off != d->offset) {
		seekdir(d->stream, off);
		d->kept = NULL;
		d->offset = off;
	}
	for (;;) {
		size_t n;

		errno = 0;
		if (!d->kept)
			d->kept = readdir(d->stream);
		if (!d->kept)
			break;
		n = add_entry(req, ino, d->kept, buf + used, size - used, plus);
		if (n > size - used)
			break;
		used += n;
		d->offset = d->kept->d_off;
		d->kept = NULL;
	}
	if (!used && !d->kept && errno)
		fuse_reply_err(req, errno);
	else
		fuse_reply_buf(req, buf, used);
	free(buf);
}

void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		struct fuse_file_info *fi)
{
	read_directory(req, ino, size, off, fi, false);
}

void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		    struct fuse_file_info *fi)
{
	read_directory(req, ino, size, off, fi, true);
}

void op_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct dir *d = get_dir(fi);

	(void)ino;
	closedir(d->stream);
	free(d);
	fuse_reply_err(req, 0);
}

void op_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi)
{
	int fd = dirfd(get_dir(fi)->stream);

	(void)ino;
	reply_result(req, datasync ? fdatasync(fd) : fsync(fd));
}
