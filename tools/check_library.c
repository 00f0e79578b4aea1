/* SPDX-License-Identifier: MIT
 *
 * Is the library there, and does it start in a program? It is preloaded into this
 * very program, which must leave a line of statistics.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "doctor.h"
#include "launch.h"

#define LIMIT_MS 5000
#define DESCRIPTORS 16 /* enough to start with and leave a line */

struct trial {
	char library[PATH_MAX];
	char stats[PATH_MAX];
	char why[1024];
};

/* In the child: this program's shortest command, with the library. */
static void run_with_it(void *shared)
{
	struct trial *t = shared;
	int null = open("/dev/null", O_RDWR);

	if (null >= 0) {
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
	}
	unsetenv("FUSE_AIO_MODE");
	unsetenv("FUSE_AIO_ONLY");
	unsetenv("FUSE_AIO_LOG");
	unsetenv("FUSE_AIO_RECORD");
	setenv("FUSE_AIO_STATS", t->stats, 1);
	setenv("LD_PRELOAD", t->library, 1);
	execl("/proc/self/exe", "fuse-aio", "--version", (char *)NULL);
	_exit(LAUNCH_FAILED);
}

/* In another child: the loader's own word. */
static void load_it(void *shared)
{
	struct trial *t = shared;

	if (!dlopen(t->library, RTLD_NOW))
		snprintf(t->why, sizeof(t->why), "%s", dlerror());
}

static bool left_a_line(const char *path)
{
	json_t *line = json_load_file(path, JSON_DISABLE_EOF_CHECK, NULL);
	bool is = json_is_object(line);

	json_decref(line);
	return is;
}

static void try_it(struct doctor *d, struct trial *t)
{
	const char *tmp = getenv("TMPDIR");
	struct rlimit rl;
	int fd, e;

	snprintf(t->stats, sizeof(t->stats), "%s/fuse-aio.XXXXXX",
		 tmp && *tmp ? tmp : "/tmp");
	fd = mkostemp(t->stats, O_CLOEXEC);
	if (fd < 0) {
		doctor_say(d, WARN, "library",
			   "Set TMPDIR to a directory that is writable.",
			   "%s: not tried: %s: %s", t->library, t->stats, strerror(errno));
		return;
	}
	close(fd);
	e = doctor_try(run_with_it, t, LIMIT_MS);
	if (e >= 0 && left_a_line(t->stats)) {
		doctor_say(d, OK, "library", NULL, "%s: starts in a program", t->library);
	} else if (e < 0 && e != -ETIMEDOUT) {
		doctor_say(d, WARN, "library", NULL, "%s: not tried: %s", t->library,
			   strerror(-e));
	} else if (getrlimit(RLIMIT_NOFILE, &rl) == 0 && rl.rlim_cur < DESCRIPTORS) {
		doctor_say(d, WARN, "library",
			   "Raise the limit on descriptors (ulimit -n).",
			   "%s: not known whether it starts: there are too few descriptors "
			   "to tell",
			   t->library);
	} else {
		if (e >= 0)
			doctor_try(load_it, t, LIMIT_MS);
		doctor_say(d, BAD, "library", "Build or install it anew.",
			   "%s: does not start in a program%s%s", t->library,
			   *t->why ? ": " : "", t->why);
	}
	unlink(t->stats);
}

static void stacks(struct doctor *d)
{
	void *unwind = dlopen("libunwind.so.8", RTLD_LAZY);

	if (unwind)
		dlclose(unwind);
	doctor_say(d, OK, "stacks",
		   unwind ? NULL : "Install libunwind8 if you want --stacks.",
		   unwind ? "libunwind is there"
			  : "no libunwind: call sites cannot be told apart by stack");
}

void check_library(struct doctor *d)
{
	struct trial *t = doctor_shared(sizeof(*t));
	char why[PATH_MAX + 256];

	if (!t) {
		doctor_say(d, WARN, "library", NULL, "not tried: mmap: %s",
			   strerror(errno));
		return;
	}
	if (launch_library(t->library, why, sizeof(why)))
		try_it(d, t);
	else
		doctor_say(d, BAD, "library", NULL, "%s", why);
	stacks(d);
	munmap(t, sizeof(*t));
}
