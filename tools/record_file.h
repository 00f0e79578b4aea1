/* SPDX-License-Identifier: MIT
 *
 * The file of a recording, from its creation to its last block.
 */
#ifndef RECORD_FILE_H
#define RECORD_FILE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "../include/fuse_aio_recording.h"

struct record_file {
	int fd;
	char path[PATH_MAX]; /* absolute */
	struct fa_rec_header *header;
};

/*
 * Makes a recording with room for `size` bytes of blocks; an older recording of that
 * name is replaced, nothing else is. Returns 0 or -1, then it has complained and
 * whatever had that name is as it was.
 */
int record_create(struct record_file *f, const char *name, uint64_t size, uint32_t flags,
		  char **command);

/* Takes the file away again. */
void record_remove(struct record_file *f);

/*
 * Writes the end and gives back the room that was not used. Not while processes may
 * still write: taken from under them it would kill them. Returns 0 or -1, then it has
 * complained.
 */
int record_finish(struct record_file *f);

/* Bytes of the header and the blocks in use. */
uint64_t record_used(const struct record_file *f);

#endif
