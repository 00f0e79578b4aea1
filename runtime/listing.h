/* SPDX-License-Identifier: MIT
 *
 * A listing: the names that a directory's stream has told, in the order in which
 * they came, and in the other orders in which programs follow them. It outlives
 * its stream, for most programs read all names before they touch the first file.
 */
#ifndef FA_LISTING_H
#define FA_LISTING_H

#include <stdbool.h>
#include <stdint.h>

#define FA_LISTING_BYTES (4U << 20) /* memory of one at most: some 80,000 names */
#define FA_LISTING_SORTED 32768U    /* longer ones are not sorted */
#define FA_LISTING_NONE UINT32_MAX

/* Orders; the odd ones are the even ones backwards. */
enum fa_order {
	FA_ORDER_READDIR,
	FA_ORDER_READDIR_BACK,
	FA_ORDER_INODE,
	FA_ORDER_INODE_BACK,
	FA_ORDER_NAME,
	FA_ORDER_NAME_BACK,
	FA_ORDERS
};

struct fa_name {
	uint64_t ino;
	uint32_t at;  /* in `bytes` */
	uint8_t type; /* DT_* */
	uint8_t kind; /* which class of names: by type and suffix */
	bool seen;    /* the program has visited it */
};

#define FA_KINDS 64U

/* Each array has memory of its own: a page, and twice as much whenever it is full. */
struct fa_listing {
	struct fa_name *names;
	char *bytes;
	uint32_t *index;  /* hash table: place of a name + 1 */
	uint32_t *sorted; /* by position, in order `by` */
	uint32_t *rank;	  /* position of a name in it */
	uint32_t n, len;  /* names; bytes of all of them */
	uint32_t room, names_room;
	uint32_t slots;	   /* of the hash table */
	uint32_t sorted_n; /* so many were there when they were sorted */
	enum fa_order by;  /* an even one */
};

/* Adds a name. False: no room, and none for later ones. */
bool fa_listing_add(struct fa_listing *l, const char *name, uint64_t ino, uint8_t type);

static inline const char *fa_listing_name(const struct fa_listing *l, uint32_t i)
{
	return l->bytes + l->names[i].at;
}

/* Where a name of `len` bytes is, or FA_LISTING_NONE. */
uint32_t fa_listing_find(struct fa_listing *l, const char *name, uint32_t len);

/* Does `b` come after `a` in this order? */
bool fa_listing_after(const struct fa_listing *l, enum fa_order order, uint32_t a,
		      uint32_t b);

/*
 * The position of a name in an order, and the name at a position; FA_LISTING_NONE
 * where there is no such order to be had, or nothing there.
 */
uint32_t fa_listing_position(struct fa_listing *l, enum fa_order order, uint32_t i);
uint32_t fa_listing_at(struct fa_listing *l, enum fa_order order, uint32_t position);

/* Bytes that it holds in memory. */
uint64_t fa_listing_size(const struct fa_listing *l);

/* Gives its memory back. */
void fa_listing_free(struct fa_listing *l);

#endif
