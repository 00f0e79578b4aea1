/* SPDX-License-Identifier: MIT
 *
 * What `auto` would gain, from a recording alone.
 *
 * The rule. Only cold calls count, those that took at least 100 µs.
 *  close   all of it: a close runs behind the program.
 *  window  a first read or sendfile of the file that the same thread opened last,
 *          where that open was cold: as much of it as there is time between the
 *          two, for that is when it would have been on its way.
 *  walk    a run of cold stats or opens of different files in one directory, by one
 *          thread at one call site, and the reads and fstats of them, where they
 *          waited at least 250 µs each: from four files on, all of it but a
 *          sixty-fourth, or 150 µs a call where that is more: they run many at
 *          once, and that is about what each costs on a worker and a server that
 *          share two cores with the program.
 * What is in a walk does not count in a window. A thread that serves requests cannot
 * be told from a recording: what would be gained there is not counted.
 */
#ifndef ESTIMATE_H
#define ESTIMATE_H

#include <stdbool.h>
#include <stdint.h>

#define ESTIMATE_COLD 100000U /* ns */

#define ESTIMATE_RUNS 4 /* call sites of one thread that walk at the same time */

/* A run of cold calls that may become a walk. */
struct estimate_run {
	uint32_t site, file; /* the latest file */
	uint32_t files;	     /* 0: free */
	uint32_t calls;
	uint64_t directory;
	uint64_t waited; /* ns */
	uint64_t window; /* what its reads would gain if it becomes no walk */
	uint64_t used;	 /* when it last grew */
};

struct estimate_thread {
	struct estimate_run run[ESTIMATE_RUNS];
	uint32_t opened; /* file of the last open, if it was cold and is not read yet */
	uint64_t opened_end;
	uint64_t clock;
};

/* ns that could be hidden, by the rule that says so; the number of walks. */
struct estimate {
	uint64_t close, window, walk, walks;
};

struct estimate_call {
	unsigned int op;
	uint32_t file, site; /* file 0: not known */
	uint64_t directory;
	uint64_t start, ns;
	bool failed;
};

/* Takes the next cold call of a thread. Adds to `sum` what is sure by now. */
void estimate_take(struct estimate_thread *t, const struct estimate_call *c,
		   struct estimate *sum);

/* The thread makes no more calls. */
void estimate_end(struct estimate_thread *t, struct estimate *sum);

#endif
