/* SPDX-License-Identifier: MIT
 *
 * Where calls come from.
 */
#include <stdlib.h>
#include <string.h>

#include "memory.h"
#include "sites.h"
#include "symbols.h"
#include "text.h"

#define MAX_SITES (1U << 20)
#define MAX_FRAMES (1U << 24)
#define MAX_MODULES (1U << 20)
#define MAX_PARENTS 64U /* whose modules a process may have inherited */

struct module {
	uint32_t process, path; /* indexes */
	uint64_t low, high, bias;
};

void sites_init(struct sites *s)
{
	*s = (struct sites){ 0 };
	s->site = grow(s->site, &s->room, 0, sizeof(*s->site));
	s->path = grow(s->path, &s->paths_room, 0, sizeof(*s->path));
	s->n = s->paths_n = 1;
}

void sites_take(struct sites *s, uint32_t process, const struct fa_rec_site *rec)
{
	uint32_t n = rec->h.words - 1U;

	if (!rec->h.id || map_get(&s->by_id, rec->h.id) != MAP_NONE)
		return;
	if (s->n >= MAX_SITES || s->addresses_n + n > MAX_FRAMES) {
		s->forgotten++;
		return;
	}
	s->site = grow(s->site, &s->room, s->n, sizeof(*s->site));
	s->site[s->n] = (struct site){ .id = rec->h.id,
				       .process = process,
				       .first = (uint32_t)s->addresses_n,
				       .n = n };
	map_put(&s->by_id, rec->h.id, (uint32_t)s->n++);
	for (uint32_t i = 0; i < n; i++) {
		s->address = grow(s->address, &s->addresses_room, s->addresses_n,
				  sizeof(*s->address));
		s->address[s->addresses_n++] = rec->frame[i];
	}
}

void sites_module(struct sites *s, uint32_t process, const struct fa_rec_module *rec)
{
	size_t n = strnlen(rec->path, rec->h.words * 8U - sizeof(*rec));
	uint32_t path;

	if (s->modules_n >= MAX_MODULES) {
		s->forgotten++;
		return;
	}
	path = map_put(&s->by_path, map_text(0, rec->path, n), (uint32_t)s->paths_n);
	if (path == s->paths_n) {
		s->path = grow(s->path, &s->paths_room, s->paths_n, sizeof(*s->path));
		s->path[path] = need(n + 1, 1);
		memcpy(s->path[path], rec->path, n);
		s->paths_n++;
	}
	s->module = grow(s->module, &s->modules_room, s->modules_n, sizeof(*s->module));
	s->module[s->modules_n++] =
		(struct module){ process, path, rec->low, rec->high, rec->bias };
}

/* By process, then by address. */
static int compare(const void *a, const void *b)
{
	const struct module *x = a, *y = b;

	if (x->process != y->process)
		return x->process < y->process ? -1 : 1;
	return x->low < y->low ? -1 : x->low > y->low;
}

/* The module of exactly this process that has the address. */
static const struct module *own_module(const struct sites *s, uint32_t process,
				       uint64_t address)
{
	size_t low = 0, high = s->modules_n;
	const struct module *m;

	/* The last one that begins at or before it. */
	while (low < high) {
		size_t middle = (low + high) / 2;

		m = &s->module[middle];
		if (m->process < process || (m->process == process && m->low <= address))
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return NULL;
	m = &s->module[low - 1];
	return m->process == process && address < m->high ? m : NULL;
}

/* A child has its parent's code until it runs a program of its own. */
static const struct module *module_of(const struct sites *s, const struct processes *p,
				      uint32_t process, uint64_t address)
{
	for (unsigned int i = 0; i < MAX_PARENTS && process != MAP_NONE; i++) {
		const struct module *m = own_module(s, process, address);

		if (m)
			return m;
		process = processes_parent(p, process);
	}
	return NULL;
}

static uint32_t frame_index(struct sites *s, const struct processes *p, uint32_t process,
			    uint64_t address)
{
	/* A return address is after the call, which may be the last thing in a module. */
	const struct module *m = module_of(s, p, process, address ? address - 1 : 0);
	uint64_t place = m ? address - m->bias : address;
	uint32_t path = m ? m->path : 0, index;

	index = map_put(&s->by_place, place * MAP_BASE + path, (uint32_t)s->frames_n);
	if (index == s->frames_n) {
		s->frame = grow(s->frame, &s->frames_room, s->frames_n, sizeof(*s->frame));
		s->frame[s->frames_n++] =
			(struct frame){ .module = path, .address = place };
	}
	return index;
}

static bool equal(const struct sites *s, const struct site *a, const struct site *b)
{
	return a->n == b->n &&
	       !memcmp(s->place + a->first, s->place + b->first, a->n * sizeof(*s->place));
}

void sites_resolve(struct sites *s, const struct processes *p)
{
	s->place = need(s->addresses_n, sizeof(*s->place));
	if (s->modules_n)
		qsort(s->module, s->modules_n, sizeof(*s->module), compare);
	for (uint32_t i = 1; i < s->n; i++) {
		struct site *site = &s->site[i];
		uint64_t h = site->n;

		for (uint32_t j = site->first; j < site->first + site->n; j++) {
			s->place[j] = frame_index(s, p, site->process, s->address[j]);
			h = (h + s->place[j]) * MAP_BASE;
		}
		site->same = map_put(&s->by_hash, h, i);
		if (!equal(s, site, &s->site[site->same]))
			site->same = i;
	}
	map_free(&s->by_hash);
	map_free(&s->by_place);
	map_free(&s->by_path);
	free(s->address);
	s->address = NULL;
}

uint32_t sites_find(const struct sites *s, uint32_t id)
{
	uint32_t index = id ? map_get(&s->by_id, id) : MAP_NONE;

	return index == MAP_NONE ? 0 : s->site[index].same;
}

const char *sites_frame(struct sites *s, uint32_t site, uint32_t i, const char **detail)
{
	struct frame *frame = &s->frame[s->place[s->site[site].first + i]];

	if (!frame->name) {
		if (!s->symbols)
			s->symbols = symbols_new();
		symbols_find(s->symbols, s->path[frame->module], frame->address,
			     &frame->name, &frame->detail);
	}
	if (detail)
		*detail = frame->detail;
	return frame->name;
}

void sites_free(struct sites *s)
{
	for (size_t i = 0; i < s->frames_n; i++) {
		free(s->frame[i].name);
		free(s->frame[i].detail);
	}
	for (size_t i = 0; i < s->paths_n; i++)
		free(s->path[i]);
	free(s->path);
	free(s->frame);
	free(s->place);
	free(s->address);
	free(s->module);
	free(s->site);
	map_free(&s->by_id);
	map_free(&s->by_place);
	map_free(&s->by_hash);
	map_free(&s->by_path);
	symbols_free(s->symbols);
}
