/* SPDX-License-Identifier: MIT
 *
 * Blocked time by stack.
 */
#include <stdlib.h>
#include <string.h>

#include "flame.h"
#include "memory.h"
#include "text.h"

/* A part of a stack: without what separates parts. */
static void put(FILE *to, const char *part)
{
	for (; *part; part++)
		fputc(*part == ';' ? ':' : *part, to);
	fputc(';', to);
}

static char *stack_of(const struct summary *s, const struct cell *cell)
{
	const struct site *site = &s->sites->site[cell->site];
	const size_t length = sizeof(*s->processes.comm);
	char *comm = text_clean(s->processes.comm[cell->comm], length), *stack = NULL;
	size_t size;
	FILE *to = open_memstream(&stack, &size);

	if (!to)
		return comm;
	put(to, *comm ? comm : "?");
	for (uint32_t i = site->n; i > 0; i--)
		put(to, sites_frame(s->sites, cell->site, i - 1, NULL));
	if (!site->n)
		put(to, "[call site not known]");
	fputs(op_names[cell->op], to);
	fclose(to);
	free(comm);
	return stack;
}

static int by_stack(const void *a, const void *b)
{
	return strcmp(((const struct flame *)a)->stack, ((const struct flame *)b)->stack);
}

static int longest_first(const void *a, const void *b)
{
	const struct flame *x = a, *y = b;

	if (x->blocked != y->blocked)
		return x->blocked < y->blocked ? 1 : -1;
	return by_stack(a, b);
}

struct flame *flame_make(const struct summary *s, size_t *n)
{
	struct flame *flame = need(s->cells_n, sizeof(*flame));
	size_t kept = 0;

	for (size_t i = 0; i < s->cells_n; i++)
		flame[i] = (struct flame){ stack_of(s, &s->cell[i]), s->cell[i].blocked,
					   s->cell[i].count };
	/* Several places in one function have the same name. */
	qsort(flame, s->cells_n, sizeof(*flame), by_stack);
	for (size_t i = 0; i < s->cells_n; i++) {
		if (!kept || by_stack(&flame[kept - 1], &flame[i]) != 0) {
			flame[kept++] = flame[i];
			continue;
		}
		flame[kept - 1].blocked += flame[i].blocked;
		flame[kept - 1].count += flame[i].count;
		free(flame[i].stack);
	}
	qsort(flame, kept, sizeof(*flame), longest_first);
	*n = kept;
	return flame;
}

void flame_free(struct flame *flame, size_t n)
{
	for (size_t i = 0; i < n; i++)
		free(flame[i].stack);
	free(flame);
}
