/* SPDX-License-Identifier: MIT
 *
 * The files of a recording. The hash of a path is a polynomial in its bytes, so that
 * the one of "directory/name" follows from those of its parts.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files.h"
#include "memory.h"
#include "text.h"

#define MAX_FILES (1U << 22)
#define MAX_DEVICES (1U << 12)
#define DEPTH 32U      /* directories that are given by another directory */
#define MAX_PATH 2048U /* bytes in one record */
#define CACHED 4096U

static const char unknown[] = "(file not known)";

struct path_cache {
	uint32_t index; /* 0: empty */
	char *path;
};

/* The hash of "a/b" where b has n bytes. */
static uint64_t joined(uint64_t a, uint64_t b, size_t n)
{
	uint64_t power = 1, factor = MAP_BASE;

	a = map_text(a, "/", 1);
	for (; n; n >>= 1, factor *= factor)
		if (n & 1)
			power *= factor;
	return a * power + b;
}

void files_init(struct files *f, const struct recording *r)
{
	*f = (struct files){ .recording = r };
	f->file = grow(f->file, &f->room, 0, sizeof(*f->file));
	f->device = grow(f->device, &f->devices_room, 0, sizeof(*f->device));
	f->n = f->devices_n = 1;
	map_put(&f->by_device, 0, 0);
	f->cache = need(CACHED, sizeof(*f->cache));
}

static uint32_t device_index(struct files *f, uint64_t dev)
{
	uint32_t index = map_get(&f->by_device, dev);

	if (index != MAP_NONE)
		return index;
	if (f->devices_n >= MAX_DEVICES)
		return 0;
	f->device = grow(f->device, &f->devices_room, f->devices_n, sizeof(*f->device));
	f->device[f->devices_n] = dev;
	return map_put(&f->by_device, dev, (uint32_t)f->devices_n++);
}

/* Without the slashes at the end. */
static size_t path_length(const char *path, size_t room)
{
	size_t n = strnlen(path, room);

	while (n && path[n - 1] == '/')
		n--;
	return n;
}

void files_take(struct files *f, const struct fa_rec_file *rec, uint64_t at)
{
	size_t room = rec->h.words * 8U - sizeof(*rec), n = path_length(rec->path, room),
	       slash = n;
	struct file *file;

	if (!rec->h.id || map_get(&f->by_id, rec->h.id) != MAP_NONE)
		return;
	if (f->n >= MAX_FILES) {
		f->forgotten++;
		return;
	}
	while (slash && rec->path[slash - 1] != '/')
		slash--;
	f->file = grow(f->file, &f->room, f->n, sizeof(*f->file));
	file = &f->file[f->n];
	*file = (struct file){
		.at = at,
		.hash = map_text(0, rec->path, n),
		.id = rec->h.id,
		.parent = rec->directory,
		.device = device_index(f, rec->dev),
		.length = (uint16_t)n,
		.relative = room && rec->path[0] != '/',
	};
	if (slash) {
		file->directory_length = (uint16_t)path_length(rec->path, slash);
		file->directory = map_text(0, rec->path, file->directory_length);
	}
	map_put(&f->by_id, rec->h.id, (uint32_t)f->n++);
}

/* Index of the directory that a path is relative to, 0 if there is none. */
static uint32_t parent_of(const struct files *f, const struct file *file)
{
	uint32_t index = file->relative ? map_get(&f->by_id, file->parent) : 0;

	return index == MAP_NONE ? 0 : index;
}

static void resolve(struct files *f, uint32_t index, unsigned int depth)
{
	struct file *file = &f->file[index], *parent = &f->file[parent_of(f, file)];

	if (file->resolved)
		return;
	/* Before the parent, which may be the child of this one in a damaged file. */
	file->resolved = true;
	if (parent == f->file)
		return;
	if (depth < DEPTH)
		resolve(f, (uint32_t)(parent - f->file), depth + 1);
	file->hash = joined(parent->hash, file->hash, file->length);
	file->directory = file->directory_length ? joined(parent->hash, file->directory,
							  file->directory_length)
						 : parent->hash;
}

void files_resolve(struct files *f)
{
	for (uint32_t i = 1; i < f->n; i++) {
		resolve(f, i, 0);
		f->file[i].same = map_put(&f->by_hash, f->file[i].hash, i);
		/* The program's first name for it may have failed: then it has no device.
		 */
		if (!f->file[f->file[i].same].device)
			f->file[f->file[i].same].device = f->file[i].device;
	}
	map_free(&f->by_hash);
}

uint32_t files_find(const struct files *f, uint32_t id)
{
	uint32_t index = id ? map_get(&f->by_id, id) : MAP_NONE;

	return index == MAP_NONE ? 0 : f->file[index].same;
}

/* Writes the path in front of `end`; returns its beginning. */
static char *put_path(const struct files *f, uint32_t index, char *start, char *end)
{
	for (unsigned int depth = 0; index && depth <= DEPTH; depth++) {
		const struct file *file = &f->file[index];
		size_t n = file->length;

		if (n + 1 > (size_t)(end - start))
			break;
		if (depth)
			*--end = '/';
		end -= n;
		if (recording_read(f->recording, file->at + sizeof(struct fa_rec_file), end,
				   n) < n)
			memset(end, '?', n);
		index = parent_of(f, file);
	}
	return end;
}

const char *files_path(const struct files *f, uint32_t index)
{
	struct path_cache *cached = &f->cache[index % CACHED];
	char text[4 * MAX_PATH + 1], *start;

	if (!index)
		return unknown;
	if (cached->index == index)
		return cached->path;
	text[sizeof(text) - 1] = '\0';
	start = put_path(f, index, text, text + sizeof(text) - 1);
	free(cached->path);
	cached->index = index;
	cached->path = *start ? text_clean(start, sizeof(text)) : text_clean("/", 1);
	return cached->path;
}

void files_free(struct files *f)
{
	for (size_t i = 0; f->cache && i < CACHED; i++)
		free(f->cache[i].path);
	free(f->cache);
	free(f->file);
	free(f->device);
	map_free(&f->by_id);
	map_free(&f->by_hash);
	map_free(&f->by_device);
}
