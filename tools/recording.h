/* SPDX-License-Identifier: MIT
 *
 * Reading recordings: the file is gone through block by block, as often as somebody
 * likes, in a buffer of fixed size. Nothing in the file is believed: whoever visits
 * a record gets it whole, with at least the words that its kind has.
 */
#ifndef RECORDING_H
#define RECORDING_H

#include <stdbool.h>
#include <stdint.h>

#include "../include/fuse_aio_recording.h"

struct recording {
	const char *path;
	int fd;
	uint64_t size;
	struct fa_rec_header header;
	uint64_t blocks; /* that are in the file and were taken */
	uint64_t begin;	 /* cycles; all times are relative to it */
	double ns_per_cycle;
	bool timeless; /* the file does not say how long a cycle is: taken for 1 ns */
	bool cut;      /* the file is shorter than it should be, or cannot be read */
	bool walked;   /* once: what is passed over has been counted */
	uint64_t passed_over; /* blocks and records that make no sense */
};

/*
 * Called for each record; `at` is its offset in the file. `block->used` is what can be
 * relied on. Both are gone when it returns. A false ends the walk.
 */
typedef bool (*recording_visit)(void *data, const struct fa_rec_block *block,
				const struct fa_rec *rec, uint64_t at);

/* 0, or EXIT_FAILURE after a line that says what is wrong with the file. */
int recording_open(struct recording *r, const char *path);

/*
 * Visits the records in the order in which they are in the file: those of one thread
 * are in the order in which they were written.
 */
void recording_walk(struct recording *r, recording_visit visit, void *data);

void recording_close(struct recording *r);

/* ns since the beginning; 0 for what is before it. */
uint64_t recording_ns(const struct recording *r, uint64_t cycles);

/* ns of so many cycles. */
uint64_t recording_span(const struct recording *r, uint64_t cycles);

/* From `start` to `end` (cycles) in ns, 0 where they are the wrong way round. */
uint64_t recording_between(const struct recording *r, uint64_t start, uint64_t end);

/* Copies up to n bytes at `at`; how many there were. */
size_t recording_read(const struct recording *r, uint64_t at, void *to, size_t n);

#endif
