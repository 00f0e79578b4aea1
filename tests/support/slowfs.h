/* SPDX-License-Identifier: MIT */
/*
 * slowfs, a pass-through file system that answers late: what its parts share.
 * slowfs.c reads the options and runs the loop, slowfs_delay.c keeps replies
 * back, slowfs_inode.c maps node ids to backing files, slowfs_ops.c and
 * slowfs_dir.c do the operations, all on one thread.
 */
#ifndef SLOWFS_H
#define SLOWFS_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#define FUSE_USE_VERSION 312
#include <fuse_lowlevel.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#define OPCODES 64 /* above the highest FUSE opcode */

struct slowfs {
	double entry_timeout, attr_timeout;
	unsigned int max_background;
	bool keep_cache, readdirplus, root;
	unsigned long fail_read, fail_open, short_read; /* 1-based, 0: never */
	uint64_t delay_ns[OPCODES];
	unsigned long count[OPCODES];
	const char *counts_file, *backing, *mountpoint;
};

extern struct slowfs fs;

/* slowfs_delay.c */
uint64_t now_ns(void);
int delay_put(uint64_t due, const struct iovec *iov, int count);
uint64_t delay_next(void); /* due time of the first one, UINT64_MAX: none */
void delay_send(int fd, uint64_t now);
void delay_drop(void);

/* slowfs_inode.c */
struct inode;
int inode_init(const char *backing); /* 0 or -errno */
int inode_fd(fuse_ino_t ino);	     /* an O_PATH descriptor */
void inode_path(fuse_ino_t ino, char path[64]);
int inode_lookup(fuse_ino_t parent, const char *name, struct fuse_entry_param *e);
void inode_forget(fuse_ino_t ino, uint64_t count);
void inode_exit(void);

/* slowfs_dir.c */
void op_opendir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_readdir(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		struct fuse_file_info *fi);
void op_readdirplus(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
		    struct fuse_file_info *fi);
void op_releasedir(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi);
void op_fsyncdir(fuse_req_t req, fuse_ino_t ino, int datasync, struct fuse_file_info *fi);

/* slowfs_ops.c */
void reply_result(fuse_req_t req, int result); /* negative: errno */
extern const struct fuse_lowlevel_ops slowfs_ops, slowfs_ops_plus;

#endif
