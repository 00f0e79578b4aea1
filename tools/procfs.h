/* SPDX-License-Identifier: MIT
 *
 * Small files of the kernel's.
 */
#ifndef PROCFS_H
#define PROCFS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* The beginning of a file, NUL-terminated, without its last newline; false: none. */
bool procfs_read(const char *path, char *text, size_t size);

/* A number of /proc/self/status; `none` where there is no such line. */
long procfs_status(const char *key, long none);

/* Sends a signal to the children of this process, which has one thread. How many. */
int procfs_kill_children(int sig);

#endif
