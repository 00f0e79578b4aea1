/* SPDX-License-Identifier: MIT */
/*
 * The operations of slowfs: each does the same on the backing file and replies
 * at once; that the reply leaves later is not their concern. The kernel checks
 * permissions (default_permissions), and locks stay in the kernel. Readdirplus
 * is in a table of its own: most file systems in user space do not have it.
 */
#include "slowfs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/fuse.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>
#include <unistd.h>

void reply_result(fuse_req_t req, int result)
{
	fuse_reply_err(req, result < 0 ? errno : 0);
}

static void reply_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param e;
	int err = inode_lookup(parent, name, &e);

	if (err)
		fuse_reply_err(req, -err);
	else
		fuse_reply_entry(req, &e);
}

/* What root makes on behalf of a caller must belong to that caller. */
static int give_to_caller(fuse_req_t req, int dirfd, const char *name)
{
	const struct fuse_ctx *ctx = fuse_req_ctx(req);
	struct stat dir;
	gid_t gid = ctx->gid;

	if (!fs.root)
		return 0;
	if (!fstat(dirfd, &dir) && dir.st_mode & S_ISGID)
		gid = (gid_t)-1;
	return fchownat(dirfd, name, ctx->uid, gid, AT_SYMLINK_NOFOLLOW);
}

static void reply_made(fuse_req_t req, fuse_ino_t parent, const char *name, int result)
{
	if (result < 0 || give_to_caller(req, inode_fd(parent), name) < 0)
		fuse_reply_err(req, errno);
	else
		reply_lookup(req, parent, name);
}

static void op_init(void *data, struct fuse_conn_info *conn)
{
	(void)data;
	conn->max_background = fs.max_background;
	conn->congestion_threshold = fs.max_background;
	/* Splicing would bypass the reply queue. */
	conn->want &= ~(unsigned int)(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE |
				      FUSE_CAP_SPLICE_MOVE);
}

/* --- names -------------------------------------------------------------- */

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	reply_lookup(req, parent, name);
}

static void op_forget(fuse_req_t req, fuse_ino_t ino, uint64_t count)
{
	inode_forget(ino, count);
	fuse_reply_none(req);
}

static void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *f)
{
	for (size_t i = 0; i < count; i++)
		inode_forget(f[i].ino, f[i].nlookup);
	fuse_reply_none(req);
}

static void op_readlink(fuse_req_t req, fuse_ino_t ino)
{
	char target[PATH_MAX + 1];
	ssize_t n = readlinkat(inode_fd(ino), "", target, sizeof(target) - 1);

	if (n < 0) {
		fuse_reply_err(req, errno);
		return;
	}
	target[n] = 0;
	fuse_reply_readlink(req, target);
}

static void op_mknod(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
		     dev_t rdev)
{
	reply_made(req, parent, name, mknodat(inode_fd(parent), name, mode, rdev));
}

static void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	reply_made(req, parent, name, mkdirat(inode_fd(parent), name, mode));
}

static void op_symlink(fuse_req_t req, const char *link, fuse_ino_t parent,
		       const char *name)
{
	reply_made(req, parent, name, symlinkat(link, inode_fd(parent), name));
}

static void op_unlink(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	reply_result(req, unlinkat(inode_fd(parent), name, 0));
}

static void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	reply_result(req, unlinkat(inode_fd(parent), name, AT_REMOVEDIR));
}

static void op_rename(fuse_req_t req, fuse_ino_t parent, const char *name,
		      fuse_ino_t newparent, const char *newname, unsigned int flags)
{
	reply_result(req, renameat2(inode_fd(parent), name, inode_fd(newparent), newname,
				    flags));
}

static void op_link(fuse_req_t req, fuse_ino_t ino, fuse_ino_t newparent,
		    const char *newname)
{
	char path[64];

	inode_path(ino, path);
	if (linkat(AT_FDCWD, path, inode_fd(newparent), newname, AT_SYMLINK_FOLLOW) < 0)
		fuse_reply_err(req, errno);
	else
		reply_lookup(req, newparent, newname);
}

/* --- attributes --------------------------------------------------------- */

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	struct stat st;

	(void)fi;
	if (fstatat(inode_fd(ino), "", &st, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0)
		fuse_reply_err(req, errno);
	else
		fuse_reply_attr(req, &st, fs.attr_timeout);
}

static struct timespec wanted_time(const struct timespec *t, int to_set, int set,
				   int set_now)
{
	if (to_set & set_now)
		return (struct timespec){ .tv_nsec = UTIME_NOW };
	if (to_set & set)
		return *t;
	return (struct timespec){ .tv_nsec = UTIME_OMIT };
}

static int set_attributes(fuse_ino_t ino, const struct stat *attr, int to_set,
			  const struct fuse_file_info *fi)
{
	char path[64];

	inode_path(ino, path);
	if (to_set & FUSE_SET_ATTR_MODE && chmod(path, attr->st_mode) < 0)
		return -1;
	if (to_set & (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID)) {
		uid_t uid = to_set & FUSE_SET_ATTR_UID ? attr->st_uid : (uid_t)-1;
		gid_t gid = to_set & FUSE_SET_ATTR_GID ? attr->st_gid : (gid_t)-1;

		if (fchownat(inode_fd(ino), "", uid, gid,
			     AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW) < 0)
			return -1;
	}
	if (to_set & FUSE_SET_ATTR_SIZE) {
		int r = fi ? ftruncate((int)fi->fh, attr->st_size)
			   : truncate(path, attr->st_size);
		if (r < 0)
			return -1;
	}
	if (to_set & (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_MTIME)) {
		struct timespec times[2] = {
			wanted_time(&attr->st_atim, to_set, FUSE_SET_ATTR_ATIME,
				    FUSE_SET_ATTR_ATIME_NOW),
			wanted_time(&attr->st_mtim, to_set, FUSE_SET_ATTR_MTIME,
				    FUSE_SET_ATTR_MTIME_NOW),
		};

		if (utimensat(inode_fd(ino), "", times, AT_EMPTY_PATH) < 0)
			return -1;
	}
	return 0;
}

static void op_setattr(fuse_req_t req, fuse_ino_t ino, struct stat *attr, int to_set,
		       struct fuse_file_info *fi)
{
	if (set_attributes(ino, attr, to_set, fi) < 0)
		fuse_reply_err(req, errno);
	else
		op_getattr(req, ino, fi);
}

static void op_statfs(fuse_req_t req, fuse_ino_t ino)
{
	struct statvfs st;

	if (fstatvfs(inode_fd(ino), &st) < 0)
		fuse_reply_err(req, errno);
	else
		fuse_reply_statfs(req, &st);
}

/* Both ways of asking: size 0 wants the length only. */
static void reply_xattr(fuse_req_t req, ssize_t n, const char *value, size_t size)
{
	if (n < 0)
		fuse_reply_err(req, errno);
	else if (!size)
		fuse_reply_xattr(req, (size_t)n);
	else
		fuse_reply_buf(req, value, (size_t)n);
}

static void op_getxattr(fuse_req_t req, fuse_ino_t ino, const char *name, size_t size)
{
	char path[64], *value = size ? malloc(size) : NULL;

	inode_path(ino, path);
	reply_xattr(req, getxattr(path, name, value, size), value, size);
	free(value);
}

static void op_listxattr(fuse_req_t req, fuse_ino_t ino, size_t size)
{
	char path[64], *value = size ? malloc(size) : NULL;

	inode_path(ino, path);
	reply_xattr(req, listxattr(path, value, size), value, size);
	free(value);
}

static void op_setxattr(fuse_req_t req, fuse_ino_t ino, const char *name, const char *value,
			size_t size, int flags)
{
	char path[64];

	inode_path(ino, path);
	reply_result(req, setxattr(path, name, value, size, flags));
}

static void op_removexattr(fuse_req_t req, fuse_ino_t ino, const char *name)
{
	char path[64];

	inode_path(ino, path);
	reply_result(req, removexattr(path, name));
}

/* --- files -------------------------------------------------------------- */

/* The kernel does appending itself, and pwrite() on O_APPEND ignores offsets. */
static int backing_flags(int flags)
{
	return (flags & ~(O_APPEND | O_NOFOLLOW | O_DIRECT | O_NONBLOCK)) | O_CLOEXEC;
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	char path[64];
	int fd;

	if (fs.count[FUSE_OPEN] == fs.fail_open) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	inode_path(ino, path);
	fd = open(path, backing_flags(fi->flags));
	if (fd < 0) {
		fuse_reply_err(req, errno);
		return;
	}
	fi->fh = (uint64_t)fd;
	fi->keep_cache = fs.keep_cache;
	fuse_reply_open(req, fi);
}

static void op_create(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode,
		      struct fuse_file_info *fi)
{
	int dirfd = inode_fd(parent), flags = backing_flags(fi->flags), fd, err;
	struct fuse_entry_param e;

	/* Exclusively first: only what is really new changes hands. */
	fd = openat(dirfd, name, flags | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
	if (fd >= 0 && give_to_caller(req, dirfd, name) < 0) {
		err = errno;
		goto fail;
	}
	if (fd < 0 && errno == EEXIST && !(fi->flags & O_EXCL))
		fd = openat(dirfd, name, (flags & ~O_CREAT) | O_NOFOLLOW);
	if (fd < 0) {
		fuse_reply_err(req, errno);
		return;
	}
	err = -inode_lookup(parent, name, &e);
	if (err)
		goto fail;
	fi->fh = (uint64_t)fd;
	fi->keep_cache = fs.keep_cache;
	fuse_reply_create(req, &e, fi);
	return;
fail:
	close(fd);
	fuse_reply_err(req, err);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		    struct fuse_file_info *fi)
{
	static char *buf;
	static size_t room;
	ssize_t n;

	(void)ino;
	if (fs.count[FUSE_READ] == fs.fail_read) {
		fuse_reply_err(req, EIO);
		return;
	}
	if (size > room) {
		free(buf);
		buf = malloc(size);
		room = buf ? size : 0;
	}
	n = room < size ? -1 : pread((int)fi->fh, buf, size, off);
	if (n < 0) {
		fuse_reply_err(req, errno);
		return;
	}
	if (fs.count[FUSE_READ] == fs.short_read)
		n /= 2;
	fuse_reply_buf(req, buf, (size_t)n);
}

static void op_write(fuse_req_t req, fuse_ino_t ino, const char *buf, size_t size,
		     off_t off, struct fuse_file_info *fi)
{
	ssize_t n = pwrite((int)fi->fh, buf, size, off);

	(void)ino;
	if (n < 0)
		fuse_reply_err(req, errno);
	else
		fuse_reply_write(req, (size_t)n);
}

static void op_flush(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	reply_result(req, close(dup((int)fi->fh)));
}

static void op_release(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi)
{
	(void)ino;
	close((int)fi->fh);
	fuse_reply_err(req, 0);
}

static void op_fsync(fuse_req_t req, fuse_ino_t ino, int datasync,
		     struct fuse_file_info *fi)
{
	(void)ino;
	reply_result(req, datasync ? fdatasync((int)fi->fh) : fsync((int)fi->fh));
}

static void op_fallocate(fuse_req_t req, fuse_ino_t ino, int mode, off_t off, off_t len,
			 struct fuse_file_info *fi)
{
	(void)ino;
	reply_result(req, fallocate((int)fi->fh, mode, off, len));
}

static void op_lseek(fuse_req_t req, fuse_ino_t ino, off_t off, int whence,
		     struct fuse_file_info *fi)
{
	off_t r = lseek((int)fi->fh, off, whence);

	(void)ino;
	if (r < 0)
		fuse_reply_err(req, errno);
	else
		fuse_reply_lseek(req, r);
}

static void op_copy_file_range(fuse_req_t req, fuse_ino_t in, off_t off_in,
			       struct fuse_file_info *fi_in, fuse_ino_t out, off_t off_out,
			       struct fuse_file_info *fi_out, size_t len, int flags)
{
	ssize_t n = copy_file_range((int)fi_in->fh, &off_in, (int)fi_out->fh, &off_out, len,
				    (unsigned int)flags);

	(void)in;
	(void)out;
	if (n < 0)
		fuse_reply_err(req, errno);
	else
		fuse_reply_write(req, (size_t)n);
}

#define COMMON_OPS                                                                     \
	.init = op_init, .lookup = op_lookup, .forget = op_forget,                     \
	.forget_multi = op_forget_multi, .getattr = op_getattr, .setattr = op_setattr, \
	.readlink = op_readlink, .mknod = op_mknod, .mkdir = op_mkdir,                 \
	.unlink = op_unlink, .rmdir = op_rmdir, .symlink = op_symlink,                 \
	.rename = op_rename, .link = op_link, .open = op_open, .create = op_create,    \
	.read = op_read, .write = op_write, .flush = op_flush, .release = op_release,  \
	.fsync = op_fsync, .fallocate = op_fallocate, .lseek = op_lseek,               \
	.copy_file_range = op_copy_file_range, .opendir = op_opendir,                  \
	.readdir = op_readdir, .releasedir = op_releasedir, .fsyncdir = op_fsyncdir,   \
	.statfs = op_statfs, .setxattr = op_setxattr, .getxattr = op_getxattr,         \
	.listxattr = op_listxattr, .removexattr = op_removexattr

const struct fuse_lowlevel_ops slowfs_ops = { COMMON_OPS };
const struct fuse_lowlevel_ops slowfs_ops_plus = { COMMON_OPS,
						   .readdirplus = op_readdirplus };
