/* SPDX-License-Identifier: MIT
 *
 * Memory of the reader of recordings: a report that does not fit into memory ends
 * with a line that says so, so that no caller has to carry that error about.
 */
#ifndef MEMORY_H
#define MEMORY_H

#include <stddef.h>

/* n zeroed elements. Never NULL. */
void *need(size_t n, size_t size);

/*
 * Makes room in an array for one element more than n, zeroed; returns the array.
 * *room is how many it has room for, 0 and NULL at the beginning.
 */
void *grow(void *array, size_t *room, size_t n, size_t size);

#endif
