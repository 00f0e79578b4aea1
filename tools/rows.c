/* SPDX-License-Identifier: MIT
 *
 * The rows of a report: what took most time, by whatever was asked for.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "devices.h"
#include "memory.h"
#include "summary.h"
#include "text.h"

/* More tallies than this have no histogram: 5 KiB each. */
#define MAX_HISTOGRAMS (1U << 14)

void tally_add(struct summary *s, struct tally *t, const struct tally *one)
{
	if (!t->count && !t->plain && s->histograms < MAX_HISTOGRAMS) {
		t->ns = need(1, sizeof(*t->ns));
		s->histograms++;
	}
	t->count += one->count;
	t->cold += one->cold;
	t->bytes += one->bytes;
	t->blocked += one->blocked;
	if (one->blocked > t->max)
		t->max = one->blocked;
	if (t->ns)
		histogram_add(t->ns, one->blocked);
}

void rows_add(struct summary *s, size_t key, const struct tally *one)
{
	struct tallies *all = &s->by_key;
	struct tally *t;

	/* Keys are indexes of what is known already: sites, files, threads. */
	while (all->n <= key) {
		all->tally = grow(all->tally, &all->room, all->n, sizeof(*all->tally));
		all->n = all->room <= key ? all->room : key + 1;
	}
	t = &all->tally[key];
	t->plain = s->by == BY_FILE;
	tally_add(s, t, one);
}

/* ---- names ---- */

static void name_site(const struct summary *s, uint32_t index, struct row *row)
{
	const struct site *site = &s->sites->site[index];
	const char *detail;
	size_t length = 0;
	FILE *stack;

	if (!index || !site->n) {
		row->name = text_format("(call site not known)");
		row->detail = text_format("%s", "");
		return;
	}
	sites_frame(s->sites, index, 0, &detail);
	row->name = text_format("%s", detail);
	stack = open_memstream(&row->detail, &length);
	for (uint32_t i = 0; stack && i < site->n; i++)
		fprintf(stack, "%s%s", i ? " < " : "",
			sites_frame(s->sites, index, i, NULL));
	if (stack)
		fclose(stack);
	if (!row->detail)
		row->detail = text_format("%s", "");
}

static void name_thread(const struct summary *s, uint32_t index, struct row *row)
{
	const struct thread *t = &s->processes.thread[index];
	const struct process *p = &s->processes.process[t->process];
	char *comm = text_clean(s->processes.comm[t->comm], sizeof(*s->processes.comm));

	row->name = text_format("%s/%u", comm, t->tid);
	row->detail = text_format("process %u, %s", p->pid, p->program);
	free(comm);
}

static void name_device(const struct summary *s, uint32_t index, struct row *row)
{
	uint64_t dev = s->files.device[index];
	char *mount = index ? devices_mount(dev) : NULL;

	if (!index)
		row->name = text_format("(file system not known)");
	else
		row->name = text_format("%u:%u", major(dev), minor(dev));
	row->detail = mount ? mount : text_format("%s", "");
}

static void name_row(const struct summary *s, uint32_t index, struct row *row)
{
	char signature[256];

	switch (s->by) {
	case BY_SITE:
		name_site(s, index, row);
		return;
	case BY_THREAD:
		name_thread(s, index, row);
		return;
	case BY_FS:
		name_device(s, index, row);
		return;
	case BY_FILE:
		row->name = text_format("%s", files_path(&s->files, index));
		break;
	case BY_SEQUENCE:
		row->name =
			text_format("%s", summary_signature(signature, sizeof(signature),
							    s->sequence[index].signature));
		break;
	default:
		row->name = text_format("%s", op_names[index]);
		break;
	}
	row->detail = text_format("%s", "");
}

/* ---- order ---- */

static int longest_first(const void *a, const void *b, void *data)
{
	const struct tally *tally = data;
	const struct tally *x = &tally[*(const uint32_t *)a],
			   *y = &tally[*(const uint32_t *)b];

	if (x->blocked != y->blocked)
		return x->blocked < y->blocked ? 1 : -1;
	if (x->count != y->count)
		return x->count < y->count ? 1 : -1;
	return *(const uint32_t *)a < *(const uint32_t *)b ? -1 : 1;
}

static int longest_sequence_first(const void *a, const void *b)
{
	const struct sequence *x = a, *y = b;

	if (x->tally.blocked != y->tally.blocked)
		return x->tally.blocked < y->tally.blocked ? 1 : -1;
	return x->signature < y->signature ? -1 : x->signature > y->signature;
}

void rows_make(struct summary *s)
{
	struct tallies *all = &s->by_key;
	uint32_t *order;
	size_t n = 0;

	if (s->sequences_n)
		qsort(s->sequence, s->sequences_n, sizeof(*s->sequence),
		      longest_sequence_first);
	for (size_t i = 0; s->by == BY_SEQUENCE && i < s->sequences_n; i++) {
		all->tally = grow(all->tally, &all->room, i, sizeof(*all->tally));
		all->tally[all->n++] = s->sequence[i].tally;
	}
	order = need(all->n, sizeof(*order));
	for (size_t i = 0; i < all->n; i++)
		if (all->tally[i].count)
			order[n++] = (uint32_t)i;
	qsort_r(order, n, sizeof(*order), longest_first, all->tally);
	s->rows_all = n;
	s->rows_n = n < s->top ? n : s->top;
	s->rows = need(s->rows_n, sizeof(*s->rows));
	for (size_t i = 0; i < s->rows_n; i++) {
		s->rows[i].tally = all->tally[order[i]];
		name_row(s, order[i], &s->rows[i]);
	}
	free(order);
}

void rows_free(struct summary *s)
{
	for (size_t i = 0; i < s->rows_n; i++) {
		free(s->rows[i].name);
		free(s->rows[i].detail);
	}
	/* By sequence, the histograms are those of the sequences. */
	for (size_t i = 0; s->by != BY_SEQUENCE && i < s->by_key.n; i++)
		free(s->by_key.tally[i].ns);
	free(s->rows);
	free(s->by_key.tally);
}
