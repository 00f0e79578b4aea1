/* SPDX-License-Identifier: MIT
 *
 * Where calls come from: sites are lists of code addresses, which the modules of
 * their process turn into places in files. Two sites that are the same places, in
 * whatever process, are one.
 */
#ifndef SITES_H
#define SITES_H

#include "map.h"
#include "processes.h"
#include "recording.h"

/* A place in a module, or, where module is 0, an address that is in none. */
struct frame {
	uint32_t module;  /* index of its path */
	uint64_t address; /* in the file; a return address */
	char *name;	  /* what symbols.h made of it, NULL: not asked yet */
	char *detail;
};

struct site {
	uint32_t id, process;
	uint32_t first, n; /* of its frames, in `address` and `place` */
	uint32_t same;	   /* index of the first site with the same places */
};

struct sites {
	struct map by_id, by_place, by_hash, by_path;
	struct site *site; /* [0]: not known */
	uint64_t *address; /* of all frames of all sites, the innermost first */
	uint32_t *place;   /* the same, as indexes of frames */
	struct frame *frame;
	char **path; /* of modules; [0]: of none */
	struct module *module;
	size_t n, room, addresses_n, addresses_room, frames_n, frames_room, paths_n,
		paths_room, modules_n, modules_room;
	uint64_t forgotten; /* that were too many */
	struct symbols *symbols;
};

void sites_init(struct sites *s);

/* Takes a SITE or a MODULE record of process `process`, an index. */
void sites_take(struct sites *s, uint32_t process, const struct fa_rec_site *rec);
void sites_module(struct sites *s, uint32_t process, const struct fa_rec_module *rec);

/* To be called once, when all are taken. */
void sites_resolve(struct sites *s, const struct processes *p);

/* Index of the site with that identifier, or of the first that is the same; 0: none. */
uint32_t sites_find(const struct sites *s, uint32_t id);

/*
 * The name of frame `i` of a site, 0 the innermost: "function", or "module+0x12" or
 * "0x12" where there are no symbols. *detail: "function+0x12 file.c:34 (module)".
 */
const char *sites_frame(struct sites *s, uint32_t site, uint32_t i, const char **detail);

void sites_free(struct sites *s);

#endif
