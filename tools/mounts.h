/* SPDX-License-Identifier: MIT
 *
 * Mounted file systems, as /proc/self/mountinfo lists them.
 */
#ifndef MOUNTS_H
#define MOUNTS_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Where a file system keeps its files. */
enum mount_kind { MOUNT_LOCAL, MOUNT_REMOTE, MOUNT_FUSE, MOUNT_MEMORY, MOUNT_KERNEL };

struct mount {
	uint64_t id;
	enum mount_kind kind;
	char point[PATH_MAX];
	char type[64];
	char source[256];
};

/* The next line of an open mountinfo; false at its end. */
bool mounts_next(FILE *mountinfo, struct mount *m);

/* "local" etc. */
const char *mount_kind_name(enum mount_kind kind);

#endif
