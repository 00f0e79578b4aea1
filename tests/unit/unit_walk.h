/* SPDX-License-Identifier: MIT
 *
 * What the tests of lookahead by directory share: a directory of files on a file
 * system where everything waits, and a program that walks through it.
 */
#ifndef UNIT_WALK_H
#define UNIT_WALK_H

#include <dirent.h>
#include <fcntl.h>

#include "../../runtime/walk.h"
#include "unit_staged.h"

#define WALK_FILES 40U

static char walk_dir[256];
static char walk_file[WALK_FILES][280];
static uint32_t walk_handle;

/* f00 to f39, so that order of reading and of names is the same. */
static inline void make_files(const char *suffix)
{
	char name[32];

	for (unsigned i = 0; i < WALK_FILES; i++) {
		snprintf(name, sizeof(name), "f%02u%s", i, suffix);
		strcpy(walk_file[i], unit_file(name, 100));
	}
	strcpy(walk_dir, walk_file[0]);
	*strrchr(walk_dir, '/') = '\0';
}

/* The same, and all of them are directories. */
static inline void make_directories(void)
{
	make_files("");
	for (unsigned i = 0; i < WALK_FILES; i++) {
		assert_return_code(unlink(walk_file[i]), errno);
		assert_return_code(mkdir(walk_file[i], 0700), errno);
	}
}

static inline const char *name_of(unsigned i)
{
	return strrchr(walk_file[i], '/') + 1;
}

/* The program lists the directory; its names are called entries of this type. */
static inline void list_as(uint8_t type)
{
	int fd = open(walk_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	assert_true(fd >= 0);
	walk_handle = fa_walk_directory(t, fd, walk_dir);
	assert_int_not_equal(walk_handle, 0);
	for (unsigned i = 0; i < WALK_FILES; i++) {
		assert_return_code(stat(walk_file[i], &st), errno);
		assert_true(fa_walk_name(t, walk_handle, name_of(i), st.st_ino, type));
	}
	close(fd);
}

static inline void list_files(void)
{
	list_as(DT_REG);
}

/* Names took so long without lookahead that it gains much. */
static inline void worth_it(void)
{
	for (unsigned i = 0; i < FA_PASSES; i++) {
		t->walk->habit[i].measured[0] = 32;
		t->walk->habit[i].cost[0] = 1ULL << 50;
	}
}

/* It stats a file, which takes that long; the plain call is made, unless settled. */
static inline bool walk_stat(unsigned i, uint64_t ns)
{
	struct fa_call c;
	struct stat st;
	bool settled = fa_stat_begin(&c, AT_FDCWD, walk_file[i], &st, false, (void *)0x11);

	if (!settled) {
		assert_return_code(lstat(walk_file[i], &st), errno);
		c.start = unit_ago(ns);
		fa_stat_end(&c, 0, &st);
	}
	return settled;
}

/* It opens a file, 2 ms if it waits, reads from it and closes it. True: adopted. */
static inline bool walk_open(unsigned i, int flags)
{
	char buf[128];
	struct fa_call c;
	int fd = fa_open_begin(&c, AT_FDCWD, walk_file[i], flags, (void *)0x22);
	bool adopted = fd >= 0;

	if (!adopted) {
		fd = open(walk_file[i], flags);
		assert_true(fd >= 0);
		c.start = unit_ago(2000000);
		fa_open_end(&c, fd);
	}
	fa_use_begin(&c, fd, FA_READ, (void *)0x33);
	fa_use_end(&c, FA_READ, read(fd, buf, sizeof(buf)));
	if (fa_close_begin(&c, fd, (void *)0x44) < 0)
		fa_close_end(&c, close(fd));
	return adopted;
}

static inline int walk_setup(void **state)
{
	staged_setup(state);
	unit_cold(seen.file.dev, FA_STAT);
	return 0;
}

#define WALK_TEST(name) cmocka_unit_test_setup_teardown(name, walk_setup, unit_teardown)

#endif
