/* SPDX-License-Identifier: MIT
 *
 * Mounted file systems. What kind one is must be told from its name: the kernel does
 * not say whether a network is in between.
 */
#include "mounts.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const char *const remote[] = { "nfs",  "nfs4",	"cifs",	    "smb3",    "smbfs",
				      "ceph", "9p",	"afs",	    "coda",    "lustre",
				      "gpfs", "beegfs", "orangefs", "virtiofs" };
static const char *const kernel[] = {
	"proc",	      "sysfs",	    "cgroup",	 "cgroup2", "devpts",	"devtmpfs",
	"mqueue",     "securityfs", "debugfs",	 "tracefs", "bpf",	"pstore",
	"configfs",   "autofs",	    "nsfs",	 "fusectl", "efivarfs", "binfmt_misc",
	"rpc_pipefs", "selinuxfs",  "hugetlbfs",
};

#define AMONG(list, name) among(list, sizeof(list) / sizeof((list)[0]), name)

static bool among(const char *const *list, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(list[i], name))
			return true;
	return false;
}

static enum mount_kind kind(const char *type)
{
	if (AMONG(remote, type))
		return MOUNT_REMOTE;
	if (AMONG(kernel, type))
		return MOUNT_KERNEL;
	if (!strcmp(type, "fuse") || !strncmp(type, "fuse.", 5))
		return MOUNT_FUSE;
	if (!strcmp(type, "tmpfs") || !strcmp(type, "ramfs"))
		return MOUNT_MEMORY;
	return MOUNT_LOCAL;
}

const char *mount_kind_name(enum mount_kind kind_)
{
	static const char *const name[] = { "local", "remote", "fuse", "memory", "kernel" };

	return name[kind_];
}

/* \040 and the like, in place. */
static void unescape(char *s)
{
	char *to = s;

	while (*s) {
		unsigned code;

		if (sscanf(s, "\\%3o", &code) == 1) {
			*to++ = (char)code;
			s += 4;
		} else {
			*to++ = *s++;
		}
	}
	*to = '\0';
}

static bool parse(const char *line, struct mount *m)
{
	const char *rest = strstr(line, " - ");

	_Static_assert(PATH_MAX == 4096, "the width below");
	if (!rest ||
	    sscanf(line, "%" SCNu64 " %*u %*s %*s %4095s", &m->id, m->point) != 2 ||
	    sscanf(rest + 3, "%63s %255s", m->type, m->source) < 1)
		return false;
	unescape(m->point);
	unescape(m->source);
	m->kind = kind(m->type);
	return true;
}

bool mounts_next(FILE *mountinfo, struct mount *m)
{
	char *line = NULL;
	size_t room = 0;
	bool found = false;

	while (!found && getline(&line, &room, mountinfo) > 0) {
		m->source[0] = '\0';
		found = parse(line, m);
	}
	free(line);
	return found;
}
