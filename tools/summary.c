/* SPDX-License-Identifier: MIT
 *
 * What a recording says, added up.
 */
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "events.h"
#include "memory.h"
#include "summary.h"

const char *const summary_by_names[BY_N] = { "site", "sequence", "file",
					     "fs",   "thread",	 "op" };
const char *const chain_by_names[CHAINS_BY] = { "open", "stat", "request", "walk" };
const char *const chain_fate_names[CHAINS_FATE] = { "adopted", "used", "dropped",
						    "failed" };

/* ---- the first walk: what identifiers mean ---- */

struct names {
	struct summary *s;
	uint64_t last; /* cycles */
};

static uint64_t last_moment(const struct fa_rec *rec)
{
	switch (rec->kind) {
	case FA_REC_CALL:
		return ((const struct fa_rec_call *)rec)->start +
		       (uint64_t)((const struct fa_rec_call *)rec)->took * FA_REC_TOOK;
	case FA_REC_SEQUENCE:
		return ((const struct fa_rec_sequence *)rec)->end;
	case FA_REC_CHAIN:
		return ((const struct fa_rec_chain *)rec)->end;
	case FA_REC_PROCESS:
		return ((const struct fa_rec_process *)rec)->moment.cycles;
	default:
		return 0;
	}
}

static bool take_name(void *data, const struct fa_rec_block *block,
		      const struct fa_rec *rec, uint64_t at)
{
	struct names *names = data;
	struct summary *s = names->s;
	uint64_t last = last_moment(rec);
	uint32_t process;

	if (last > names->last)
		names->last = last;
	switch (rec->kind) {
	case FA_REC_FILE:
		files_take(&s->files, (const struct fa_rec_file *)rec, at);
		return true;
	case FA_REC_SITE:
	case FA_REC_MODULE:
	case FA_REC_PROCESS:
		break;
	default:
		return true;
	}
	process = processes_of(&s->processes, block);
	if (process == MAP_NONE)
		return true;
	if (rec->kind == FA_REC_SITE)
		sites_take(s->sites, process, (const struct fa_rec_site *)rec);
	else if (rec->kind == FA_REC_MODULE)
		sites_module(s->sites, process, (const struct fa_rec_module *)rec);
	else
		processes_take(&s->processes, process, &s->recording,
			       (const struct fa_rec_process *)rec);
	return true;
}

static void read_names(struct summary *s)
{
	const struct fa_rec_header *h = &s->recording.header;
	struct names names = { .s = s };

	recording_walk(&s->recording, take_name, &names);
	s->recording.passed_over += s->files.forgotten + s->sites->forgotten;
	files_resolve(&s->files);
	sites_resolve(s->sites, &s->processes);
	s->duration =
		recording_ns(&s->recording,
			     h->end.cycles > h->begin.cycles ? h->end.cycles : names.last);
	s->heat_step = s->duration / HEAT_STEPS + 1;
}

/* ---- the second walk: see events.c ---- */

static void add_processes(struct summary *s)
{
	uint64_t most = 0;

	s->main = MAP_NONE;
	for (size_t i = 0; i < s->processes.n; i++) {
		struct process *p = &s->processes.process[i];

		for (unsigned int c = 0; c < COUNTERS_N; c++)
			s->counter[c] += p->counter[c];
		for (unsigned int f = 0; f < FALLBACKS_N; f++)
			s->fallback[f] += process_fallbacks(p, f);
		if (p->hidden > most || (p->calls && s->main == MAP_NONE)) {
			most = p->hidden;
			s->main = (uint32_t)i;
		}
	}
}

int summary_make(struct summary *s, const char *path, enum summary_by by, size_t top)
{
	*s = (struct summary){ .by = by, .top = top };
	if (recording_open(&s->recording, path) != 0)
		return EXIT_FAILURE;
	s->sites = need(1, sizeof(*s->sites));
	sites_init(s->sites);
	files_init(&s->files, &s->recording);
	read_names(s);
	events_read(s);
	add_processes(s);
	rows_make(s);
	return 0;
}

void summary_free(struct summary *s)
{
	rows_free(s);
	for (size_t i = 0; i < s->sequences_n; i++)
		free(s->sequence[i].tally.ns);
	free(s->sequence);
	free(s->spans.span);
	free(s->regime);
	free(s->cell);
	sites_free(s->sites);
	free(s->sites);
	files_free(&s->files);
	processes_free(&s->processes);
	recording_close(&s->recording);
}

/* ---- what is asked of it ---- */

void summary_warn(const struct summary *s)
{
	const struct recording *r = &s->recording;
	unsigned long long passed_over = r->passed_over;

	if (r->cut)
		complain("%s: cut short: this is what is left of it", r->path);
	else if (!r->header.end.cycles)
		complain("%s: killed, or still going on: this is what there is", r->path);
	if (r->timeless)
		complain("%s: does not say how long a cycle is: taken for 1 ns", r->path);
	if (passed_over)
		complain(
			"%s: passed over %llu blocks or records that make no sense, or are "
			"more than a report holds",
			r->path, passed_over);
	if (r->header.dropped)
		complain("%s: was full: %llu records were dropped", r->path,
			 (unsigned long long)r->header.dropped);
}

char *summary_signature(char *to, size_t size, uint64_t signature)
{
	FILE *text = fmemopen(to, size, "w");

	if (!text)
		return strncpy(to, "?", size);
	for (int shift = 60; shift >= 0; shift -= 4) {
		unsigned int step = (unsigned int)(signature >> shift) & 15U;

		if (step)
			fprintf(text, "%s%s", signature >> shift > 15U ? " " : "",
				step <= OPS_N ? op_names[step - 1] : "?");
	}
	fclose(text);
	return to;
}

uint64_t summary_hidden(const struct summary *s)
{
	return s->estimate.close + s->estimate.window + s->estimate.walk;
}

uint64_t summary_wall(const struct process *p)
{
	uint64_t end = p->end == PROCESSES_NEVER ? p->last : p->end;

	return end > p->begin ? end - p->begin : 0;
}

bool summary_gain(const struct summary *s, uint64_t *wall, uint64_t *left)
{
	const struct process *p;

	if (s->main == MAP_NONE)
		return false;
	p = &s->processes.process[s->main];
	*wall = summary_wall(p);
	if (p->threads != 1 || p->hidden >= *wall)
		return false;
	*left = *wall - p->hidden;
	return true;
}
