/* SPDX-License-Identifier: MIT
 *
 * The files of a recording: which identifiers mean the same path, which paths are in
 * the same directory, on which device they are. Millions of them have to fit, so
 * only hashes of paths are kept; the text is read from the recording when it is
 * wanted.
 */
#ifndef FILES_H
#define FILES_H

#include "map.h"
#include "recording.h"

struct file {
	uint64_t at;		   /* of its record in the recording */
	uint64_t hash, directory;  /* of its path, and of that without the last part */
	uint32_t id, parent;	   /* identifiers in the recording; parent 0: none */
	uint32_t device;	   /* index */
	uint32_t same;		   /* index of the first file with this path */
	uint16_t length;	   /* of the path that is in the record, and of the */
	uint16_t directory_length; /* part before its last slash */
	bool relative, resolved;
};

struct files {
	const struct recording *recording;
	struct map by_id, by_hash, by_device;
	struct file *file; /* [0]: not known */
	uint64_t *device;  /* as in st_dev; [0] = 0: not known */
	size_t n, room, devices_n, devices_room;
	uint64_t forgotten; /* that were too many */
	struct path_cache *cache;
};

void files_init(struct files *f, const struct recording *r);

/* Takes a FILE record at offset `at`. */
void files_take(struct files *f, const struct fa_rec_file *rec, uint64_t at);

/* To be called once, when all are taken. */
void files_resolve(struct files *f);

/* Index of the first file with the same path as the one with that identifier. */
uint32_t files_find(const struct files *f, uint32_t id);

/* The whole path, clean. It stays until the next calls of this. */
const char *files_path(const struct files *f, uint32_t index);

void files_free(struct files *f);

#endif
