/* SPDX-License-Identifier: MIT
 *
 * Do files wait here? Each file system is measured by files that are there, as they
 * are in or out of the page cache now; in a child, for a server that does not answer
 * must not hang us.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "doctor.h"
#include "mounts.h"

#define FILES 32
#define DIRECTORIES 32 /* looked into, at most */
#define ENTRIES 256    /* of each, at most */
#define MOUNTS 8       /* below the current directory, at most */
#define LIMIT_MS 5000
#define WAITS_NS 100000 /* from here the library calls a file cold */
#define WALKS_NS 250000 /* from here look-ups are made ahead in a walk */

enum call { STAT, OPEN, READ, CALLS };

static const char *const call_name[CALLS] = { "stat", "open", "read" };

struct measurement {
	char path[PATH_MAX];
	int error;
	uint64_t mount;
	unsigned files, queued;
	uint64_t ns[CALLS][FILES];
	uint64_t longest[FILES]; /* of a file's calls */
	dev_t dev;
	char queue[DIRECTORIES][PATH_MAX];
};

/* ---- in the child ---- */

static uint64_t now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000U + (uint64_t)ts.tv_nsec;
}

static void measure_file(struct measurement *m, const char *path)
{
	const int how = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
	uint64_t t[CALLS + 1];
	char page[4096];
	struct stat st;
	int fd;

	t[STAT] = now();
	if (lstat(path, &st) < 0 || !S_ISREG(st.st_mode) || st.st_dev != m->dev)
		return;
	t[OPEN] = now();
	fd = open(path, how | O_NOATIME);
	if (fd < 0 && errno == EPERM)
		fd = open(path, how);
	if (fd < 0) {
		m->error = errno;
		return;
	}
	t[READ] = now();
	if (pread(fd, page, sizeof(page), 0) >= 0) {
		t[CALLS] = now();
		for (unsigned i = 0; i < CALLS; i++) {
			m->ns[i][m->files] = t[i + 1] - t[i];
			if (m->ns[i][m->files] > m->longest[m->files])
				m->longest[m->files] = m->ns[i][m->files];
		}
		m->files++;
	}
	close(fd);
}

static void measure_directory(struct measurement *m, const char *path)
{
	char name[PATH_MAX + 256];
	const struct dirent *e;
	DIR *dir = opendir(path);

	if (!dir) {
		m->error = errno;
		return;
	}
	for (unsigned i = 0; i < ENTRIES && m->files < FILES && (e = readdir(dir)); i++) {
		if (snprintf(name, sizeof(name), "%s/%s", path, e->d_name) >= PATH_MAX ||
		    !strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (e->d_type == DT_REG || e->d_type == DT_UNKNOWN)
			measure_file(m, name);
		if (e->d_type == DT_DIR && m->queued < DIRECTORIES)
			strcpy(m->queue[m->queued++], name);
	}
	closedir(dir);
}

static void measure(void *shared)
{
	struct measurement *m = shared;
	struct statx stx;
	struct stat st;

	if (stat(m->path, &st) < 0 || statx(AT_FDCWD, m->path, 0, STATX_MNT_ID, &stx) < 0) {
		m->error = errno;
		return;
	}
	m->mount = stx.stx_mnt_id;
	m->dev = st.st_dev;
	measure_directory(m, m->path);
	if (!S_ISDIR(st.st_mode))
		return;
	for (unsigned i = 0; i < m->queued && m->files < FILES; i++)
		measure_directory(m, m->queue[i]);
}

/* ---- what it means ---- */

static int by_size(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static uint64_t median(uint64_t *ns, unsigned n)
{
	qsort(ns, n, sizeof(*ns), by_size);
	return ns[n / 2];
}

static bool mount_of(uint64_t id, struct mount *m)
{
	FILE *list = fopen("/proc/self/mountinfo", "re");
	bool found = false;

	while (list && !found && mounts_next(list, m))
		found = m->id == id;
	if (list)
		fclose(list);
	return found;
}

static const char *prospect(enum mount_kind kind, uint64_t wait, unsigned waited)
{
	if (kind == MOUNT_MEMORY)
		return "nothing to hide, its files are always in memory";
	if (!waited)
		return "nothing to hide now, they are in memory or the file system is fast";
	if (wait < WAITS_NS)
		return "most are in memory now; event loops gain by those that wait";
	if (kind == MOUNT_LOCAL)
		return "event loops gain; who takes one small file after the other does "
		       "not";
	if (wait < WALKS_NS)
		return "event loops and slow opens gain; walks through directories need "
		       "waits of 250 us";
	return "event loops, slow opens and walks through directories gain";
}

/* The figures again, for programs. */
static void add_numbers(json_t *line, const struct measurement *m,
			const struct mount *mount, const uint64_t middle[CALLS],
			unsigned waited)
{
	json_object_set_new(line, "path", doctor_text(m->path));
	json_object_set_new(line, "type", json_string(mount->type));
	json_object_set_new(line, "kind", json_string(mount_kind_name(mount->kind)));
	json_object_set_new(line, "files", json_integer(m->files));
	json_object_set_new(line, "waited", json_integer(waited));
	for (unsigned i = 0; i < CALLS; i++) {
		char key[16];

		snprintf(key, sizeof(key), "%s_us", call_name[i]);
		json_object_set_new(line, key, json_real((double)middle[i] / 1000));
	}
}

static void tell(struct doctor *d, struct measurement *m)
{
	static const char elsewhere[] = "Measure where the files are that matter: "
					"--path DIRECTORY";
	struct mount mount = { .kind = MOUNT_LOCAL, .type = "?" };
	uint64_t middle[CALLS];
	unsigned waited = 0;
	bool memory;
	json_t *line;

	mount_of(m->mount, &mount);
	if (!m->files) {
		doctor_say(d, WARN, "files", elsewhere, "%s (%s): %s", m->path, mount.type,
			   m->error ? strerror(m->error) : "no files to measure");
		return;
	}
	for (unsigned i = 0; i < m->files; i++)
		waited += m->longest[i] >= WAITS_NS;
	for (unsigned i = 0; i < CALLS; i++)
		middle[i] = median(m->ns[i], m->files);
	memory = mount.kind == MOUNT_MEMORY;
	line = doctor_say(
		d, memory ? WARN : OK, "files", memory ? elsewhere : NULL,
		"%s (%s, %s): median of %u files: stat %.1f us, open %.1f us, read "
		"%.1f us; %u waited 100 us or more: %s",
		m->path, mount.type, mount_kind_name(mount.kind), m->files,
		(double)middle[STAT] / 1000, (double)middle[OPEN] / 1000,
		(double)middle[READ] / 1000, waited,
		prospect(mount.kind, median(m->longest, m->files), waited));
	add_numbers(line, m, &mount, middle, waited);
}

static void check_one(struct doctor *d, const char *path)
{
	struct measurement *m = doctor_shared(sizeof(*m));
	int e;

	if (!m) {
		doctor_say(d, WARN, "files", NULL, "%s: not measured: mmap: %s", path,
			   strerror(errno));
		return;
	}
	snprintf(m->path, sizeof(m->path), "%s", path);
	e = doctor_try(measure, m, LIMIT_MS);
	if (e == -ETIMEDOUT && !m->files)
		doctor_say(d, WARN, "files", "Is its server alive?",
			   "%s: did not answer within 5 s", path);
	else if (e < 0 && e != -ETIMEDOUT)
		doctor_say(d, WARN, "files", NULL, "%s: not measured: %s", path,
			   strerror(-e));
	else
		tell(d, m);
	munmap(m, sizeof(*m));
}

/* File systems mounted below `here`, one line each. */
static void check_below(struct doctor *d, const char *here)
{
	FILE *list = fopen("/proc/self/mountinfo", "re");
	size_t len = strcmp(here, "/") ? strlen(here) : 0;
	struct mount m;
	unsigned n = 0;

	while (list && n < MOUNTS && mounts_next(list, &m)) {
		if (m.kind == MOUNT_KERNEL || strncmp(m.point, here, len) != 0 ||
		    m.point[len] != '/' || !m.point[len + 1])
			continue;
		check_one(d, m.point);
		n++;
	}
	if (list)
		fclose(list);
}

void check_files(struct doctor *d)
{
	char here[PATH_MAX];

	for (unsigned i = 0; i < d->n_paths; i++)
		check_one(d, d->paths[i]);
	if (d->n_paths)
		return;
	if (!getcwd(here, sizeof(here))) {
		doctor_say(d, WARN, "files", NULL, "the current directory: %s",
			   strerror(errno));
		return;
	}
	check_one(d, here);
	check_below(d, here);
}
