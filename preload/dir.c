/* SPDX-License-Identifier: MIT
 *
 * Wrappers of the calls on directory streams.
 */
#include <dirent.h>
#include <errno.h>

#include "real.h"

/* A stream whose opening has waited is read by the runtime. */
#define OPENDIR(path, call)                                       \
	do {                                                      \
		struct fa_call c;                                 \
		DIR *dir;                                         \
                                                                  \
		fa_touch();                                       \
		if (!fa_dir_begin(&c, SITE))                      \
			return call;                              \
		dir = call;                                       \
		if (dir)                                          \
			fa_dir_opened(&c, dir, dirfd(dir), path); \
		else                                              \
			fa_dir_failed(&c, path);                  \
		return dir;                                       \
	} while (0)

DIR *fa_opendir(const char *path)
{
	OPENDIR(path, REAL(opendir)(path));
}

DIR *fa_fdopendir(int fd)
{
	OPENDIR(NULL, REAL(fdopendir)(fd));
}

int fa_closedir(DIR *dir)
{
	fa_dir_closed(dir);
	return REAL(closedir)(dir);
}

#define READDIR(dir, call)                                               \
	do {                                                             \
		struct dirent *entry;                                    \
		uint64_t start;                                          \
		int error = 0;                                           \
                                                                         \
		if (fa_likely(!fa_dirstreams && !fa_recording))          \
			return call;                                     \
		start = fa_cycles();                                     \
		if (!fa_dirstreams || !fa_dir_read(dir, &entry, &error)) \
			entry = (void *)call;                            \
		fa_dir_done(start, SITE);                                \
		if (error)                                               \
			errno = error;                                   \
		return (void *)entry;                                    \
	} while (0)

struct dirent *fa_readdir(DIR *dir)
{
	READDIR(dir, REAL(readdir)(dir));
}

struct dirent64 *fa_readdir64(DIR *dir)
{
	READDIR(dir, REAL(readdir64)(dir));
}

/* The old forms, which copy the entry: 0 at the end as well, or an errno. */
#define READDIR_R(dir, to, result, call)                                            \
	do {                                                                        \
		struct dirent *entry;                                               \
		int error;                                                          \
                                                                                    \
		if (fa_likely(!fa_dirstreams) || !fa_dir_read(dir, &entry, &error)) \
			return call;                                                \
		if (entry && entry->d_reclen > sizeof(*(to)))                       \
			error = ENAMETOOLONG;                                       \
		else if (entry)                                                     \
			__builtin_memcpy(to, entry, entry->d_reclen);               \
		*(result) = entry && !error ? (to) : NULL;                          \
		return error;                                                       \
	} while (0)

int fa_readdir_r(DIR *dir, struct dirent *to, struct dirent **result)
{
	READDIR_R(dir, to, result, REAL(readdir_r)(dir, to, result));
}

int fa_readdir64_r(DIR *dir, struct dirent64 *to, struct dirent64 **result)
{
	READDIR_R(dir, to, result, REAL(readdir64_r)(dir, to, result));
}

long fa_telldir(DIR *dir)
{
	int64_t told;

	if (fa_likely(!fa_dirstreams) || !fa_dir_tell(dir, &told))
		return REAL(telldir)(dir);
	return (long)told;
}

void fa_seekdir(DIR *dir, long to)
{
	if (fa_likely(!fa_dirstreams) || !fa_dir_seek(dir, to))
		REAL(seekdir)(dir, to);
}

void fa_rewinddir(DIR *dir)
{
	if (fa_likely(!fa_dirstreams) || !fa_dir_seek(dir, 0))
		REAL(rewinddir)(dir);
}
