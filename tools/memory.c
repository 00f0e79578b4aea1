/* SPDX-License-Identifier: MIT
 *
 * Memory of the reader of recordings.
 */
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "memory.h"

static void *checked(void *p)
{
	if (!p)
		exit(complain("out of memory"));
	return p;
}

void *need(size_t n, size_t size)
{
	return checked(calloc(n ? n : 1, size));
}

void *grow(void *array, size_t *room, size_t n, size_t size)
{
	size_t more;

	if (n < *room)
		return array;
	more = *room ? *room * 2 : 16;
	array = checked(reallocarray(array, more, size));
	memset((char *)array + *room * size, 0, (more - *room) * size);
	*room = more;
	return array;
}
