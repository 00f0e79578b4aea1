/* SPDX-License-Identifier: MIT
 *
 * Names of one directory: stored, found, put in order.
 */
#include "listing.h"

#include <string.h>

#include "runtime.h"
#include "sys.h"

#define PAGE 4096U

/* An array of at least `want` elements; `*has` are there. False: no memory. */
static bool grow(void **array, uint32_t *has, uint32_t want, size_t element)
{
	uint64_t room = *has ? *has : PAGE / element;
	void *more;

	if (want <= *has)
		return true;
	while (room < want)
		room *= 2;
	if (room * element > FA_LISTING_BYTES)
		return false;
	more = fa_sys_mmap(NULL, room * element, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	if (!more)
		return false;
	if (*array) {
		memcpy(more, *array, *has * element);
		fa_sys_munmap(*array, *has * element);
	}
	*array = more;
	*has = (uint32_t)room;
	return true;
}

static uint32_t hash(const char *name, uint32_t len)
{
	uint64_t h = 0xcbf29ce484222325ULL;

	for (uint32_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)name[i]) * 0x100000001b3ULL;
	return (uint32_t)(h >> 32 ^ h);
}

/* What a program does with a name goes by its type and suffix. */
static uint8_t kind_of(const char *name, uint32_t len, uint8_t type)
{
	uint32_t dot = len;

	while (dot > 0 && len - dot < 8 && name[dot - 1] != '.')
		dot--;
	if (dot == 0 || name[dot - 1] != '.')
		dot = len; /* no suffix, or a long one */
	return (uint8_t)((hash(name + dot, len - dot) * 31 + type) % FA_KINDS);
}

static void index_put(struct fa_listing *l, uint32_t i)
{
	const char *name = fa_listing_name(l, i);
	uint32_t at = hash(name, (uint32_t)strlen(name));

	while (l->index[at & (l->slots - 1)])
		at++;
	l->index[at & (l->slots - 1)] = i + 1;
}

/* At most half full. */
static bool index_room(struct fa_listing *l)
{
	uint32_t slots = 0;
	void *index = NULL;

	if (2 * (l->n + 1) <= l->slots)
		return true;
	if (!grow(&index, &slots, 4 * (l->n + 1), sizeof(*l->index)))
		return false;
	if (l->index)
		fa_sys_munmap(l->index, l->slots * sizeof(*l->index));
	l->index = index;
	l->slots = slots;
	for (uint32_t i = 0; i < l->n; i++)
		index_put(l, i);
	return true;
}

FA_HIDDEN bool fa_listing_add(struct fa_listing *l, const char *name, uint64_t ino,
			      uint8_t type)
{
	uint32_t len = (uint32_t)strlen(name);
	void *bytes = l->bytes, *names = l->names;
	bool ok;

	ok = grow(&bytes, &l->room, l->len + len + 1, 1) &&
	     grow(&names, &l->names_room, l->n + 1, sizeof(*l->names));
	l->bytes = bytes;
	l->names = names;
	if (!ok || !index_room(l))
		return false;
	memcpy(l->bytes + l->len, name, len + 1);
	l->names[l->n] =
		(struct fa_name){ ino, l->len, type, kind_of(name, len, type), false };
	l->len += len + 1;
	index_put(l, l->n++);
	return true;
}

FA_HIDDEN uint32_t fa_listing_find(struct fa_listing *l, const char *name, uint32_t len)
{
	if (!l->n)
		return FA_LISTING_NONE;
	for (uint32_t at = hash(name, len);; at++) {
		uint32_t i = l->index[at & (l->slots - 1)];
		const char *has;

		if (!i)
			return FA_LISTING_NONE;
		has = fa_listing_name(l, i - 1);
		if (!strncmp(has, name, len) && !has[len])
			return i - 1;
	}
}

FA_HIDDEN bool fa_listing_after(const struct fa_listing *l, enum fa_order order, uint32_t a,
				uint32_t b)
{
	uint32_t t;

	if (order & 1) {
		t = a;
		a = b;
		b = t;
	}
	switch (order & ~1U) {
	case FA_ORDER_INODE:
		return l->names[a].ino < l->names[b].ino;
	case FA_ORDER_NAME:
		return strcmp(fa_listing_name(l, a), fa_listing_name(l, b)) < 0;
	default:
		return a < b;
	}
}

/* Heap sort: no memory, no recursion, no bad case. */
static void sift(const struct fa_listing *l, uint32_t *heap, uint32_t at, uint32_t n)
{
	uint32_t moved = heap[at], child;

	while ((child = 2 * at + 1) < n) {
		if (child + 1 < n &&
		    fa_listing_after(l, l->by, heap[child], heap[child + 1]))
			child++;
		if (!fa_listing_after(l, l->by, moved, heap[child]))
			break;
		heap[at] = heap[child];
		at = child;
	}
	heap[at] = moved;
}

static void heap_sort(const struct fa_listing *l, uint32_t *heap, uint32_t n)
{
	for (uint32_t i = n / 2; i-- > 0;)
		sift(l, heap, i, n);
	while (n > 1) {
		uint32_t last = heap[--n];

		heap[n] = heap[0];
		heap[0] = last;
		sift(l, heap, 0, n);
	}
}

static void unsort(struct fa_listing *l)
{
	if (l->sorted)
		fa_sys_munmap(l->sorted, l->sorted_n * 2 * sizeof(*l->sorted));
	l->sorted = NULL;
	l->sorted_n = 0;
}

static bool in_order(struct fa_listing *l, enum fa_order by)
{
	if (l->sorted && l->by == by && l->sorted_n == l->n)
		return true;
	unsort(l);
	if (l->n > FA_LISTING_SORTED)
		return false;
	l->sorted = fa_sys_mmap(NULL, l->n * 2 * sizeof(*l->sorted), PROT_READ | PROT_WRITE,
				MAP_PRIVATE);
	if (!l->sorted)
		return false;
	l->sorted_n = l->n;
	l->by = by;
	l->rank = l->sorted + l->n;
	for (uint32_t i = 0; i < l->n; i++)
		l->sorted[i] = i;
	heap_sort(l, l->sorted, l->n);
	for (uint32_t i = 0; i < l->n; i++)
		l->rank[l->sorted[i]] = i;
	return true;
}

FA_HIDDEN uint32_t fa_listing_position(struct fa_listing *l, enum fa_order order,
				       uint32_t i)
{
	enum fa_order by = order & ~1U;

	if (by != FA_ORDER_READDIR) {
		if (!in_order(l, by))
			return FA_LISTING_NONE;
		i = l->rank[i];
	}
	return order & 1 ? l->n - 1 - i : i;
}

FA_HIDDEN uint32_t fa_listing_at(struct fa_listing *l, enum fa_order order,
				 uint32_t position)
{
	enum fa_order by = order & ~1U;

	if (position >= l->n)
		return FA_LISTING_NONE;
	if (order & 1)
		position = l->n - 1 - position;
	if (by == FA_ORDER_READDIR)
		return position;
	return in_order(l, by) ? l->sorted[position] : FA_LISTING_NONE;
}

FA_HIDDEN uint64_t fa_listing_size(const struct fa_listing *l)
{
	return l->room + l->names_room * sizeof(*l->names) +
	       (l->slots + 2UL * l->sorted_n) * sizeof(uint32_t);
}

FA_HIDDEN void fa_listing_free(struct fa_listing *l)
{
	unsort(l);
	if (l->index)
		fa_sys_munmap(l->index, l->slots * sizeof(*l->index));
	if (l->names)
		fa_sys_munmap(l->names, l->names_room * sizeof(*l->names));
	if (l->bytes)
		fa_sys_munmap(l->bytes, l->room);
	memset(l, 0, sizeof(*l));
}
