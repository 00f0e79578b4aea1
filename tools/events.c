/* SPDX-License-Identifier: MIT
 *
 * What happened, record by record. A recording may have a hundred million calls, so
 * nothing is allocated for one: only for each new site, file, thread or signature.
 */
#include <stdlib.h>

#include "events.h"
#include "memory.h"

#define MAX_SEQUENCES (1U << 16)
#define MAX_REGIMES (1U << 12)
#define MAX_CELLS (1U << 20)

struct events {
	struct summary *s;
	struct map signatures, cells;
	double took_ns, steps; /* ns of a unit of `took`; steps of the heat map per ns */
	uint64_t block;	       /* cycles of the block's moment: what `thread` belongs to */
	uint32_t block_process, block_tid;
	uint32_t thread; /* index, of the block */
};

static bool is_data(unsigned int op)
{
	return op == OP_READ || op == OP_SENDFILE;
}

static void pass_over(struct events *e)
{
	e->s->recording.passed_over++;
}

/* What the estimate adds to the sums is what the process would gain. */
static void estimate(struct events *e, const struct estimate_call *c)
{
	struct summary *s = e->s;
	struct thread *t = &s->processes.thread[e->thread];
	uint64_t before = summary_hidden(s);

	if (c)
		estimate_take(&t->estimate, c, &s->estimate);
	else
		estimate_end(&t->estimate, &s->estimate);
	s->processes.process[t->process].hidden += summary_hidden(s) - before;
}

static void add_cell(struct events *e, uint32_t site, unsigned int op, uint64_t ns)
{
	struct summary *s = e->s;
	uint32_t comm = s->processes.thread[e->thread].comm, index;
	uint64_t key = (uint64_t)comm << 40 | (uint64_t)op << 32 | site;

	if (s->cells_n >= MAX_CELLS) {
		index = map_get(&e->cells, key);
		if (index == MAP_NONE) {
			pass_over(e);
			return;
		}
	} else {
		index = map_put(&e->cells, key, (uint32_t)s->cells_n);
	}
	if (index == s->cells_n) {
		s->cell = grow(s->cell, &s->cells_room, s->cells_n, sizeof(*s->cell));
		s->cell[s->cells_n++] =
			(struct cell){ .comm = comm, .site = site, .op = op };
	}
	s->cell[index].count++;
	s->cell[index].blocked += ns;
}

static void add_heat(struct events *e, uint64_t start, uint64_t ns)
{
	uint64_t step = (uint64_t)((double)start * e->steps);
	unsigned int level = ns ? 63U - (unsigned int)__builtin_clzll(ns) : 0;

	if (step >= HEAT_STEPS)
		step = HEAT_STEPS - 1;
	if (level >= HEAT_LEVELS)
		level = HEAT_LEVELS - 1;
	e->s->heat[step][level]++;
}

/* The index that a call's row has. */
static size_t key_of(const struct events *e, const struct fa_rec_call *c, uint32_t site)
{
	const struct summary *s = e->s;

	switch (s->by) {
	case BY_SITE:
		return site;
	case BY_FILE:
		return files_find(&s->files, c->h.id);
	case BY_FS:
		return s->files.file[files_find(&s->files, c->h.id)].device;
	case BY_THREAD:
		return e->thread;
	default:
		return c->h.op;
	}
}

static void add_times(struct events *e, uint64_t start, uint64_t ns)
{
	struct thread *t = &e->s->processes.thread[e->thread];
	struct process *p = &e->s->processes.process[t->process];

	if (!t->calls++)
		p->threads++;
	p->calls++;
	p->blocked += ns;
	if (start + ns > p->last)
		p->last = start + ns;
	e->s->calls++;
	e->s->blocked += ns;
}

static void take_call(struct events *e, const struct fa_rec_call *c)
{
	struct summary *s = e->s;
	struct tally one = { .count = 1 };
	struct call_sum *sum;
	uint64_t start = recording_ns(&s->recording, c->start);
	uint32_t site = sites_find(s->sites, c->site);

	if (c->h.op >= OPS_N) {
		pass_over(e);
		return;
	}
	one.blocked = (uint64_t)((double)c->took * e->took_ns);
	one.cold = one.blocked >= ESTIMATE_COLD;
	if (is_data(c->h.op) && !(c->h.flags & FA_REC_FAILED))
		one.bytes = c->value;
	sum = &s->call[c->h.op];
	sum->count++;
	sum->failed += (c->h.flags & FA_REC_FAILED) != 0;
	sum->settled += (c->h.flags & FA_REC_SETTLED) != 0;
	sum->foreseen += (c->h.flags & FA_REC_FORESEEN) != 0;
	sum->cold += one.cold;
	sum->bytes += one.bytes;
	sum->blocked += one.blocked;
	histogram_add(&sum->ns, one.blocked);
	add_times(e, start, one.blocked);
	add_heat(e, start, one.blocked);
	add_cell(e, site, c->h.op, one.blocked);
	if (s->by != BY_SEQUENCE)
		rows_add(s, key_of(e, c, site), &one);
	if (one.cold) {
		uint32_t file = files_find(&s->files, c->h.id);

		estimate(e, &(struct estimate_call){
				    .op = c->h.op,
				    .file = file,
				    .site = site,
				    .directory = s->files.file[file].directory,
				    .start = start,
				    .ns = one.blocked,
				    .failed = c->h.flags & FA_REC_FAILED });
	}
}

static void take_sequence(struct events *e, const struct fa_rec_sequence *q)
{
	struct summary *s = e->s;
	struct tally one = { .count = 1,
			     .bytes = q->bytes,
			     .blocked = recording_span(&s->recording, q->blocked) };
	uint32_t index = map_get(&e->signatures, q->signature);

	one.cold = one.blocked >= ESTIMATE_COLD;
	if (index == MAP_NONE) {
		if (s->sequences_n >= MAX_SEQUENCES) {
			pass_over(e);
			return;
		}
		s->sequence = grow(s->sequence, &s->sequences_room, s->sequences_n,
				   sizeof(*s->sequence));
		index = map_put(&e->signatures, q->signature, (uint32_t)s->sequences_n);
		s->sequence[s->sequences_n++].signature = q->signature;
	}
	tally_add(s, &s->sequence[index].tally, &one);
}

/* Keeps one in `every`; when there is no room for more, half of them. */
static void keep_span(struct spans *spans, const struct chain_span *one)
{
	if (!spans->span) {
		spans->span = need(SPANS_MAX, sizeof(*spans->span));
		spans->every = 1;
	}
	if (spans->seen++ % spans->every)
		return;
	if (spans->n == SPANS_MAX) {
		for (size_t i = 0; i < SPANS_MAX / 2; i++)
			spans->span[i] = spans->span[2 * i];
		spans->n = SPANS_MAX / 2;
		spans->every *= 2;
		if ((spans->seen - 1) % spans->every)
			return;
	}
	spans->span[spans->n++] = *one;
}

static void take_chain(struct events *e, const struct fa_rec_chain *c)
{
	struct summary *s = e->s;
	struct chain_sum *sum;

	if (c->h.op >= CHAINS_BY || c->h.flags >= CHAINS_FATE) {
		pass_over(e);
		return;
	}
	sum = &s->chain[c->h.op];
	sum->count++;
	sum->bytes += c->bytes;
	sum->fate[c->h.flags]++;
	if (c->ready)
		histogram_add(&sum->ready,
			      recording_between(&s->recording, c->start, c->ready));
	keep_span(&s->spans,
		  &(struct chain_span){
			  .start = recording_ns(&s->recording, c->start),
			  .ready = c->ready ? recording_ns(&s->recording, c->ready) : 0,
			  .end = recording_ns(&s->recording, c->end),
			  .file = files_find(&s->files, c->h.id),
			  .by = c->h.op,
			  .fate = c->h.flags });
}

static void take_hold(struct events *e, const struct fa_rec_hold *h)
{
	struct summary *s = e->s;

	s->held++;
	s->late += h->h.flags & 1U;
	histogram_add(&s->held_ns, recording_between(&s->recording, h->start, h->end));
}

/* Processes tell of the same devices: the longest wait, cold if one found it so. */
static void take_regime(struct events *e, const struct fa_rec_regime *r)
{
	struct summary *s = e->s;
	size_t i = 0;

	while (i < s->regimes_n &&
	       (s->regime[i].dev != r->dev || s->regime[i].op != r->h.op))
		i++;
	if (r->h.op >= OPS_N || i >= MAX_REGIMES) {
		pass_over(e);
		return;
	}
	if (i == s->regimes_n) {
		s->regime = grow(s->regime, &s->regimes_room, i, sizeof(*s->regime));
		s->regimes_n++;
	}
	s->regime[i].dev = r->dev;
	s->regime[i].op = r->h.op;
	s->regime[i].cold = s->regime[i].cold || (r->h.flags & 1U);
	if (r->wait_ns > s->regime[i].wait)
		s->regime[i].wait = r->wait_ns;
}

/* Records of a block come together: its thread is looked up once. */
static bool find_thread(struct events *e, const struct fa_rec_block *block)
{
	if (e->thread == MAP_NONE || e->block != block->moment.cycles ||
	    e->block_process != block->process || e->block_tid != block->tid) {
		e->block = block->moment.cycles;
		e->block_process = block->process;
		e->block_tid = block->tid;
		e->thread = processes_thread(&e->s->processes, block);
	}
	return e->thread != MAP_NONE;
}

static bool take(void *data, const struct fa_rec_block *block, const struct fa_rec *rec,
		 uint64_t at)
{
	struct events *e = data;
	struct process *p;

	(void)at;
	if (!find_thread(e, block)) {
		pass_over(e);
		return true;
	}
	p = &e->s->processes.process[e->s->processes.thread[e->thread].process];
	switch (rec->kind) {
	case FA_REC_CALL:
		take_call(e, (const struct fa_rec_call *)rec);
		break;
	case FA_REC_SEQUENCE:
		take_sequence(e, (const struct fa_rec_sequence *)rec);
		break;
	case FA_REC_CHAIN:
		take_chain(e, (const struct fa_rec_chain *)rec);
		break;
	case FA_REC_HOLD:
		take_hold(e, (const struct fa_rec_hold *)rec);
		break;
	case FA_REC_FALLBACK:
		if (rec->op < FALLBACKS_N)
			p->stepped[rec->op]++;
		else
			pass_over(e);
		break;
	case FA_REC_COUNTERS:
		processes_count(&e->s->processes, (uint32_t)(p - e->s->processes.process),
				(const struct fa_rec_counters *)rec);
		break;
	case FA_REC_REGIME:
		take_regime(e, (const struct fa_rec_regime *)rec);
		break;
	default:
		break;
	}
	return true;
}

void events_read(struct summary *s)
{
	struct events e = { .s = s,
			    .thread = MAP_NONE,
			    .took_ns = s->recording.ns_per_cycle * FA_REC_TOOK,
			    .steps = 1.0 / (double)s->heat_step };

	recording_walk(&s->recording, take, &e);
	for (e.thread = 0; e.thread < s->processes.threads_n; e.thread++)
		estimate(&e, NULL);
	map_free(&e.signatures);
	map_free(&e.cells);
}
