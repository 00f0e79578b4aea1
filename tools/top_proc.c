/* SPDX-License-Identifier: MIT
 *
 * Reading /proc/PID. The process may end or become another program between any two
 * lines; whoever reads its memory next finds that out.
 */
#include "top_proc.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

int proc_open(pid_t pid)
{
	char path[32];
	int dir;

	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return dir < 0 ? -errno : dir;
}

static FILE *open_in(int dir, const char *name)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "r");

	if (!f && fd >= 0)
		close(fd);
	return f;
}

int proc_who(int dir, struct proc_who *who)
{
	char line[1024], *name, *end, *rest;
	int fd = openat(dir, "stat", O_RDONLY | O_CLOEXEC), error = errno;
	ssize_t n;

	if (fd < 0)
		return -error;
	n = read(fd, line, sizeof(line) - 1);
	error = errno;
	close(fd);
	if (n < 0)
		return -error;
	line[n] = '\0';
	name = strchr(line, '(');
	end = strrchr(line, ')');
	if (!name || !end || end[1] != ' ')
		return -ESRCH;
	*end = '\0';
	snprintf(who->name, sizeof(who->name), "%s", name + 1);
	who->state = end[2];
	/* It is the twentieth field behind the name. */
	rest = end + 1;
	for (int i = 0; i < 20 && rest; i++)
		rest = strchr(rest + 1, ' ');
	if (!rest)
		return -ESRCH;
	who->start = strtoull(rest, NULL, 10);
	return 0;
}

int proc_maps_open(struct proc_maps *maps, int dir)
{
	memset(maps, 0, sizeof(*maps));
	maps->file = open_in(dir, "maps");
	return maps->file ? 0 : -errno;
}

void proc_maps_close(struct proc_maps *maps)
{
	fclose(maps->file);
	free(maps->line);
}

/*
 * A file counts when its first page is mapped and, behind that, a part of it to be
 * run: pages of data that a program has mapped are not touched.
 */
bool proc_maps_next(struct proc_maps *maps, struct proc_module *module)
{
	while (getline(&maps->line, &maps->size, maps->file) > 0) {
		uint64_t start, offset, ino;
		unsigned dev_major, dev_minor;
		char mode[5];
		const char *path;
		int at = 0;

		if (sscanf(maps->line,
			   "%" SCNx64 "-%*x %4s %" SCNx64 " %x:%x %" SCNu64 " %n", &start,
			   mode, &offset, &dev_major, &dev_minor, &ino, &at) < 6 ||
		    !ino)
			continue;
		if (!offset && mode[0] == 'r') {
			path = strrchr(maps->line + at, '/');
			maps->at.start = start;
			maps->at.ours = path && strstr(path, "libfuse_aio");
			maps->dev_major = dev_major;
			maps->dev_minor = dev_minor;
			maps->ino = ino;
		}
		if (mode[2] != 'x' || ino != maps->ino || dev_major != maps->dev_major ||
		    dev_minor != maps->dev_minor)
			continue;
		*module = maps->at;
		maps->ino = 0;
		return true;
	}
	return false;
}

/* Takes \040 and the like back, in place. */
static void unescape(char *s)
{
	char *to = s;

	for (; *s; to++) {
		if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' &&
		    s[2] <= '7' && s[3] >= '0' && s[3] <= '7') {
			*to = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
			s += 4;
		} else {
			*to = *s++;
		}
	}
	*to = '\0';
}

bool proc_mount(int dir, uint64_t dev, char *to, size_t size)
{
	FILE *f = open_in(dir, "mountinfo");
	char *line = NULL;
	size_t room = 0;
	bool found = false, whole = false;

	while (f && !whole && getline(&line, &room, f) > 0) {
		unsigned dev_major, dev_minor;
		int root = 0, path = 0, end = 0;

		if (sscanf(line, "%*d %*d %u:%u %n%*s %n%*s%n", &dev_major, &dev_minor,
			   &root, &path, &end) != 2 ||
		    !end || dev_major != major(dev) || dev_minor != minor(dev))
			continue;
		/* Better the whole file system than a part that is bound elsewhere. */
		whole = line[root] == '/' && line[root + 1] == ' ';
		line[end] = '\0';
		unescape(line + path);
		if ((whole || !found) && strlen(line + path) < size) {
			strcpy(to, line + path);
			found = true;
		}
	}
	free(line);
	if (f)
		fclose(f);
	return found;
}
