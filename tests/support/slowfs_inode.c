/* SPDX-License-Identifier: MIT */
/*
 * Node ids of slowfs: one structure per backing file, found by device and inode
 * number, holding an O_PATH descriptor for as long as the kernel remembers it.
 * The held descriptor also keeps the backing inode number from being reused.
 * Their number is bounded by RLIMIT_NOFILE; beyond it lookups get EMFILE.
 */
#include "slowfs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUCKETS 65536u

struct inode {
	struct inode *next;
	dev_t dev;
	ino_t ino;
	uint64_t lookups;
	int fd;
};

static struct inode root;
static struct inode *table[BUCKETS];

static struct inode *get(fuse_ino_t ino)
{
	return ino == FUSE_ROOT_ID ? &root : (struct inode *)(uintptr_t)ino;
}

static struct inode **bucket(dev_t dev, ino_t ino)
{
	uint64_t h = ((uint64_t)ino ^ ((uint64_t)dev << 32)) * 0x9e3779b97f4a7c15u;

	return &table[(h >> 32) % BUCKETS];
}

int inode_init(const char *backing)
{
	struct rlimit rl;
	struct stat st;

	if (!getrlimit(RLIMIT_NOFILE, &rl)) {
		rl.rlim_cur = rl.rlim_max;
		setrlimit(RLIMIT_NOFILE, &rl);
	}
	root.fd = open(backing, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root.fd < 0 || fstat(root.fd, &st))
		return -errno;
	root.dev = st.st_dev;
	root.ino = st.st_ino;
	root.lookups = 1;
	return 0;
}

int inode_fd(fuse_ino_t ino)
{
	return get(ino)->fd;
}

/* Calls that take no O_PATH descriptor reach the very inode by this name. */
void inode_path(fuse_ino_t ino, char path[64])
{
	snprintf(path, 64, "/proc/self/fd/%d", inode_fd(ino));
}

int inode_lookup(fuse_ino_t parent, const char *name, struct fuse_entry_param *e)
{
	struct inode **head, *i;
	int fd;

	*e = (struct fuse_entry_param){
		.entry_timeout = fs.entry_timeout,
		.attr_timeout = fs.attr_timeout,
	};
	fd = openat(inode_fd(parent), name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &e->attr)) {
		int err = errno;

		close(fd);
		return -err;
	}
	head = bucket(e->attr.st_dev, e->attr.st_ino);
	for (i = *head; i; i = i->next)
		if (i->dev == e->attr.st_dev && i->ino == e->attr.st_ino)
			break;
	if (i) {
		close(fd);
	} else {
		i = malloc(sizeof(*i));
		if (!i) {
			close(fd);
			return -ENOMEM;
		}
		*i = (struct inode){ .next = *head,
				     .fd = fd,
				     .dev = e->attr.st_dev,
				     .ino = e->attr.st_ino };
		*head = i;
	}
	i->lookups++;
	e->ino = (uintptr_t)i;
	return 0;
}

void inode_forget(fuse_ino_t ino, uint64_t count)
{
	struct inode *i = get(ino), **p;

	if (i == &root)
		return;
	if (i->lookups > count) {
		i->lookups -= count;
		return;
	}
	for (p = bucket(i->dev, i->ino); *p != i; p = &(*p)->next)
		;
	*p = i->next;
	close(i->fd);
	free(i);
}

void inode_exit(void)
{
	for (unsigned int b = 0; b < BUCKETS; b++)
		while (table[b]) {
			struct inode *i = table[b];

			table[b] = i->next;
			close(i->fd);
			free(i);
		}
	close(root.fd);
}
