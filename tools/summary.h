/* SPDX-License-Identifier: MIT
 *
 * What a recording says, added up: made in two walks through the file, one for what
 * its identifiers mean, one for what happened. All times are ns, those of events
 * relative to the beginning of the recording.
 */
#ifndef SUMMARY_H
#define SUMMARY_H

#include <stdio.h>

#include "files.h"
#include "histogram.h"
#include "ops.h"
#include "processes.h"
#include "recording.h"
#include "sites.h"

/* What the rows of a report stand for. */
enum summary_by { BY_SITE, BY_SEQUENCE, BY_FILE, BY_FS, BY_THREAD, BY_OP, BY_N };
extern const char *const summary_by_names[BY_N];

struct call_sum {
	uint64_t count, failed, cold, settled, foreseen, bytes, blocked;
	struct histogram ns;
};

/* Calls of one site, file, thread... */
struct tally {
	uint64_t count, cold, bytes, blocked, max;
	struct histogram *ns; /* NULL where there are too many to have one each */
	bool plain;	      /* of a file: no histogram */
};

struct tallies {
	struct tally *tally;
	size_t n, room;
};

/* A tally with its name, in the order of blocked time. */
struct row {
	char *name, *detail;
	struct tally tally;
};

struct sequence {
	uint64_t signature;
	struct tally tally;
};

enum { CHAINS_BY = FA_REC_BY_WALK + 1, CHAINS_FATE = FA_REC_FAILURE + 1 };
extern const char *const chain_by_names[CHAINS_BY];
extern const char *const chain_fate_names[CHAINS_FATE];

struct chain_sum {
	uint64_t count, bytes, fate[CHAINS_FATE];
	struct histogram ready; /* from its start until it was ready */
};

struct chain_span {
	uint64_t start, ready, end; /* ready 0: not before its end */
	uint32_t file;
	uint8_t by, fate;
};

#define SPANS_MAX 2000U

struct spans {
	struct chain_span *span;
	size_t n;
	uint64_t seen, every; /* one in so many is kept */
};

struct regime {
	uint64_t dev, wait;
	uint8_t op;
	bool cold;
};

/* Time by call site, name of the thread and class of calls: a leaf of the flames. */
struct cell {
	uint32_t comm, site;
	uint64_t count, blocked;
	unsigned int op;
};

#define HEAT_STEPS 200U
#define HEAT_LEVELS 45U /* powers of two of ns */

struct summary {
	struct recording recording;
	struct processes processes;
	struct files files;
	struct sites *sites; /* finds the names of functions when they are asked for */
	enum summary_by by;
	size_t top; /* rows that are wanted */

	uint64_t duration, calls, blocked;
	struct call_sum call[OPS_N];
	struct tallies by_key;
	struct row *rows;
	size_t rows_n, rows_all; /* that are there, and that there would be */
	struct sequence *sequence;
	size_t sequences_n, sequences_room;
	struct chain_sum chain[CHAINS_BY];
	struct spans spans;
	uint64_t held, late;
	struct histogram held_ns;
	uint64_t counter[COUNTERS_N], fallback[FALLBACKS_N];
	struct regime *regime;
	size_t regimes_n, regimes_room;
	struct estimate estimate;
	uint32_t main; /* index of the process that would gain most; MAP_NONE: none */
	struct cell *cell;
	size_t cells_n, cells_room;
	uint64_t heat_step;
	uint64_t heat[HEAT_STEPS][HEAT_LEVELS];
	size_t histograms; /* that tallies have */
};

/*
 * Reads a recording. 0, or EXIT_FAILURE after a line that says why not. To be freed
 * with summary_free() only if it was 0.
 */
int summary_make(struct summary *s, const char *path, enum summary_by by, size_t top);
void summary_free(struct summary *s);

/* A line on standard error for each thing that makes the summary less than whole. */
void summary_warn(const struct summary *s);

/* "open fstat read close" */
char *summary_signature(char *to, size_t size, uint64_t signature);

/* Hidden time of all rules, ns. */
uint64_t summary_hidden(const struct summary *s);

/* From the beginning to the end of a process, ns. */
uint64_t summary_wall(const struct process *p);

/*
 * Walls of the main process, as it was and as it would be; false where it has
 * several threads, which wait at the same time, or where there is none.
 */
bool summary_gain(const struct summary *s, uint64_t *wall, uint64_t *left);

/*
 * Makes the rows (summary_make() does). Calls are added to a tally while it reads;
 * `key` is the index of the site, file, ... that it belongs to.
 */
void rows_add(struct summary *s, size_t key, const struct tally *one);
void rows_make(struct summary *s);
void rows_free(struct summary *s);
void tally_add(struct summary *s, struct tally *t, const struct tally *one);

#endif
