/* SPDX-License-Identifier: MIT
 *
 * The library's own descriptors: the log, the statistics file and a pipe of
 * libunwind's, when the operator asked for them, and an eventfd from the first
 * event that is held back. They live at the top of the table, out of the way of the lowest
 * free number, and the program's closes and duplications go around them.
 */
#ifndef FA_OWN_H
#define FA_OWN_H

#include "runtime.h"

enum fa_own {
	FA_OWN_LOG,
	FA_OWN_STATS,
	FA_OWN_WAKE, /* eventfd of the ring, while readiness events are held */
	FA_OWN_UNWIND,
	FA_OWN_UNWIND_END,
	FA_OWN_COUNT
};

/*
 * Opens `path` for appending, at start. "%p" becomes the process id.
 * 0, or a negative errno.
 */
int fa_own_open(enum fa_own which, const char *path) FA_HIDDEN;

/* Moves `fd` up and keeps it. Its new number, or a negative errno. */
int fa_own_take(enum fa_own which, int fd) FA_HIDDEN;

/* Its number, or -1. */
int fa_own_fd(enum fa_own which) FA_HIDDEN;

/* Closes it, in a child that has inherited what is its parent's. */
void fa_own_drop(enum fa_own which) FA_HIDDEN;

/* It is not there any more. */
void fa_own_forget(enum fa_own which) FA_HIDDEN;

/* One write; nothing happens when the file is not open. */
void fa_own_write(enum fa_own which, const char *text, size_t len) FA_HIDDEN;

#endif
