/* SPDX-License-Identifier: MIT
 *
 * Starting a program with the library. A value that the library would not take is
 * refused here: in the program it could only be logged.
 */
#include "launch.h"

#include <argp.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands.h"

#define LIBRARY "libfuse_aio.so"

#if defined(__x86_64__)
#define MULTIARCH "/../lib/x86_64-linux-gnu"
#elif defined(__aarch64__)
#define MULTIARCH "/../lib/aarch64-linux-gnu"
#endif

enum type { ENUM, BOOL, TEXT };

static const struct setting {
	const char *env;
	enum type type;
	const char *values;
} table[LAUNCH_OPTIONS] = {
#define OPTION(id, env, type, def, values, help) { env, type, values },
#include "../include/fuse_aio_options.def"
#undef OPTION
};

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* ---- the library ---- */

static bool usable(const char *at, char path[PATH_MAX])
{
	struct stat st;

	if (!realpath(at, path) || stat(path, &st) < 0)
		return false;
	if (!S_ISREG(st.st_mode)) {
		errno = EINVAL;
		return false;
	}
	return access(path, R_OK) == 0;
}

bool launch_library(char path[PATH_MAX], char *why, unsigned size)
{
	static const char *const places[] = { "", "/../lib", MULTIARCH, "/../lib64" };
	const char *named = getenv("FUSE_AIO_LIB");
	char self[PATH_MAX], at[PATH_MAX + 64];
	ssize_t n;

	if (named && *named) {
		if (usable(named, path))
			return true;
		snprintf(why, size, "FUSE_AIO_LIB=%s: %s", named,
			 errno == EINVAL ? "not a file" : strerror(errno));
		return false;
	}
	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	if (n < 0) {
		snprintf(why, size,
			 "/proc/self/exe: %s; set FUSE_AIO_LIB to the path of " LIBRARY,
			 strerror(errno));
		return false;
	}
	self[n] = '\0';
	*strrchr(self, '/') = '\0';
	for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		snprintf(at, sizeof(at), "%s%s/" LIBRARY, self, places[i]);
		if (usable(at, path))
			return true;
		if (errno == EACCES) {
			snprintf(why, size, "%s: %s", at, strerror(errno));
			return false;
		}
	}
	snprintf(why, size,
		 LIBRARY " is neither in %s nor in ../lib; install it there, or set "
			 "FUSE_AIO_LIB to its path",
		 self);
	return false;
}

static bool same_file(const char *a, const char *b)
{
	struct stat x, y;

	return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev &&
	       x.st_ino == y.st_ino;
}

/*
 * The library before what is preloaded already. Another build of it goes: two of
 * them in one process would both answer for the other's calls.
 */
static int preload(const char *library)
{
	const char *old = getenv("LD_PRELOAD");
	char *copy = strdup(old ? old : ""), *new = NULL, *save = NULL;
	size_t size = 0;
	FILE *out;

	if (strpbrk(library, " :\t")) {
		free(copy);
		complain("%s: the loader splits LD_PRELOAD at spaces and colons; move the "
			 "library or set FUSE_AIO_LIB to a path without",
			 library);
		return -1;
	}
	out = copy ? open_memstream(&new, &size) : NULL;
	if (!out) {
		free(copy);
		complain("out of memory");
		return -1;
	}
	fputs(library, out);
	for (char *p = strtok_r(copy, " :", &save); p; p = strtok_r(NULL, " :", &save)) {
		if (strchr(p, '/') && same_file(p, library))
			goto there;
		if (strcmp(base_name(p), LIBRARY) != 0)
			fprintf(out, ":%s", p);
	}
	fclose(out);
	setenv("LD_PRELOAD", new, 1);
	free(copy);
	free(new);
	return 0;
there:
	fclose(out);
	free(copy);
	free(new);
	return 0;
}

/* ---- the options ---- */

static bool allowed(const char *values, const char *value)
{
	size_t len = strlen(value);

	for (const char *v = values;; v++) {
		size_t n = strcspn(v, "|");

		if (n == len && !memcmp(v, value, n))
			return true;
		v += n;
		if (!*v)
			return false;
	}
}

/* Each process opens it in its own directory: so it must be absolute. */
static int set_file(const char *env, const char *value)
{
	char path[2 * PATH_MAX], here[PATH_MAX];
	int fd;

	if (*value == '/') {
		snprintf(path, sizeof(path), "%s", value);
	} else {
		if (!getcwd(here, sizeof(here))) {
			complain("the current directory: %s", strerror(errno));
			return -1;
		}
		snprintf(path, sizeof(path), "%s/%s", here, value);
	}
	/* The library can tell nobody that it cannot open it. */
	if (!strstr(base_name(path), "%p")) {
		fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK,
			  0666);
		if (fd < 0) {
			complain("%s=%s: %s", env, path, strerror(errno));
			return -1;
		}
		close(fd);
	}
	return setenv(env, path, 1);
}

int launch_environment(const struct launch *l)
{
	char path[PATH_MAX], why[PATH_MAX + 256];

	for (unsigned i = 0; i < LAUNCH_OPTIONS; i++) {
		const struct setting *o = &table[i];
		const char *value = l->value[i] ? l->value[i] : getenv(o->env);

		if (!value || !*value)
			continue;
		if (o->type != TEXT && !allowed(o->values, value)) {
			complain("%s=%s: not a value; allowed: %s", o->env, value,
				 o->values);
			return -1;
		}
		if (!l->value[i])
			continue;
		if (!strcmp(o->values, "FILE")) {
			if (set_file(o->env, value) < 0)
				return -1;
		} else {
			setenv(o->env, value, 1);
		}
	}
	if (!launch_library(path, why, sizeof(why))) {
		complain("%s", why);
		return -1;
	}
	return preload(path);
}

/* ---- the program ---- */

int launch_failed(const char *command, int error)
{
	if (error == ENOENT && strchr(command, '/') && access(command, F_OK) == 0)
		complain("%s: its interpreter or loader is not there", command);
	else
		complain("%s: %s", command,
			 error == ENOENT && !strchr(command, '/') ? "not found in PATH"
								  : strerror(error));
	return error == ENOENT ? LAUNCH_NOT_FOUND : LAUNCH_NOT_EXECUTABLE;
}

int launch_look(const char *command, bool strict, struct linkage *l)
{
	int e = linkage_of(command, l);

	if (e < 0)
		return launch_failed(*l->program ? l->program : command, -e);
	for (unsigned i = 0; i < LINKAGE_REASONS; i++) {
		if (!(l->obstacles & 1U << i))
			continue;
		complain("%s%s: %s", strict ? "" : "warning: ", l->program,
			 linkage_reason(i));
	}
	return strict && l->obstacles ? LAUNCH_FAILED : 0;
}

void launch_parse(const struct argp *argp, int argc, char **argv, void *input)
{
	bool told = getenv("ARGP_HELP_FMT") != NULL;

	argp_err_exit_status = LAUNCH_FAILED;
	/* A help filter of ours would not be asked about it. */
	if (!told)
		setenv("ARGP_HELP_FMT", "no-dup-args-note", 1);
	argp_parse(argp, argc, argv, ARGP_IN_ORDER, NULL, input);
	if (!told)
		unsetenv("ARGP_HELP_FMT");
}
