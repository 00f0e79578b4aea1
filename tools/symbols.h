/* SPDX-License-Identifier: MIT
 *
 * Names of code addresses, from the symbols and debugging information of the files
 * on this machine (libdw). Nothing is asked for over the network.
 */
#ifndef SYMBOLS_H
#define SYMBOLS_H

#include <stdint.h>

struct symbols;

/* To be freed. Works, without names, where libdw cannot. */
struct symbols *symbols_new(void);

/*
 * What is at `address`, a return address, of the file `path` (NULL: of none). *name:
 * "function", "file+0x12" or "0x12"; *detail: "function+0x12 source.c:34 (file)" as
 * far as it is known. Both to be freed.
 */
void symbols_find(struct symbols *s, const char *path, uint64_t address, char **name,
		  char **detail);

void symbols_free(struct symbols *s);

#endif
