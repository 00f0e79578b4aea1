/* SPDX-License-Identifier: MIT
 *
 * What the tests of chains share: one file, one chain for it, and its adoption.
 */
#ifndef UNIT_CHAIN_H
#define UNIT_CHAIN_H

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <liburing.h>

#include "fake.h"

static struct fa_thread *t;
static char file[280];
static struct fa_seen seen;

/* A file "f" of 5000 bytes and its attributes. */
static inline int chain_setup(void **state)
{
	unit_setup(state);
	t = unit_self();
	strcpy(file, unit_file("f", 5000));
	seen = unit_seen(file);
	return 0;
}

static inline int fake_setup(void **state)
{
	chain_setup(state);
	fake_ring_use();
	return 0;
}

static inline void chain_begin(int flags, uint32_t window)
{
	unit_chain_start(t, AT_FDCWD, file, flags, window, &seen.file);
}

static inline int chain_adopt(int flags)
{
	struct fa_identity id = { 0, 0, 0, 0 };
	int fd = unit_adopt(t, AT_FDCWD, file, flags, &id);

	if (fd >= 0)
		assert_memory_equal(&id.ino, &seen.file.ino, sizeof(id.ino));
	return fd;
}

/* The chain was there, was not used for this reason, and is gone. */
static inline void chain_lost(enum fa_fallback why)
{
	/* What is not there any more is found by the look-up, or by an open that failed. */
	assert_int_equal(
		t->fallback[why] + (why == FA_F_stale ? t->fallback[FA_F_failed] : 0), 1);
	assert_int_equal(t->h.n[FA_N_adopted], 0);
	assert_int_equal(t->h.n[FA_N_dropped], 1);
	assert_int_equal(t->h.chains, 0);
}

#define REAL_RING()                                            \
	do {                                                   \
		if (fa_ring_need(t) < 0)                       \
			SKIP("the kernel gives no ring here"); \
	} while (0)

#define REAL_TEST(name) cmocka_unit_test_setup_teardown(name, chain_setup, unit_teardown)
#define FAKE_TEST(name) cmocka_unit_test_setup_teardown(name, fake_setup, unit_teardown)

#endif
