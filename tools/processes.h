/* SPDX-License-Identifier: MIT
 *
 * The processes and threads of a recording, and what is known of each.
 */
#ifndef PROCESSES_H
#define PROCESSES_H

#include "estimate.h"
#include "map.h"
#include "recording.h"

#define PROCESSES_NEVER UINT64_MAX /* the end of a process that did not say it */

enum {
#define COUNTER(id, help) COUNTER_##id,
#include "../include/fuse_aio_counters.def"
#undef COUNTER
	COUNTERS_N
};

enum {
#define FALLBACK(id, help) FALLBACK_##id,
#include "../include/fuse_aio_counters.def"
#undef FALLBACK
	FALLBACKS_N
};

struct process {
	uint32_t number, parent; /* in the recording; parent 0: none */
	uint32_t pid, mode;
	uint64_t begin, end; /* ns; end: PROCESSES_NEVER */
	uint64_t last;	     /* ns: the latest thing that it did */
	char *program;	     /* path, or the name of its first block; clean */
	bool told;	     /* there was a PROCESS record */
	uint32_t threads;    /* that made calls */
	uint64_t calls, blocked, hidden;
	uint64_t counter[COUNTERS_N];
	uint64_t fallback[FALLBACKS_N]; /* by its sums */
	uint64_t stepped[FALLBACKS_N];	/* by single records */
};

struct thread {
	uint32_t process; /* index */
	uint32_t tid;
	uint32_t comm; /* index of its last name */
	uint64_t calls;
	struct estimate_thread estimate;
};

struct processes {
	struct map by_number, by_thread;
	struct process *process;
	struct thread *thread;
	char (*comm)[16]; /* names of threads as recorded, not clean */
	size_t n, room, threads_n, threads_room, comms_n, comms_room;
};

/*
 * Index of the process, or of the thread, that wrote the block; made if it is new.
 * MAP_NONE where there are more than a report can take.
 */
uint32_t processes_of(struct processes *p, const struct fa_rec_block *block);
uint32_t processes_thread(struct processes *p, const struct fa_rec_block *block);

/* Takes a PROCESS or a COUNTERS record of process `index`. */
void processes_take(struct processes *p, uint32_t index, const struct recording *r,
		    const struct fa_rec_process *rec);
void processes_count(struct processes *p, uint32_t index,
		     const struct fa_rec_counters *rec);

/* Index of the parent, MAP_NONE if it has none that is known. */
uint32_t processes_parent(const struct processes *p, uint32_t index);

/* How often a process stepped aside for a reason. */
uint64_t process_fallbacks(const struct process *p, unsigned int reason);

/* The value of FUSE_AIO_MODE, "unknown" for what this version does not know. */
const char *process_mode(const struct process *p);

void processes_free(struct processes *p);

#endif
