/* SPDX-License-Identifier: MIT
 *
 * How `fuse-aio top` finds the counters of a running process: an ELF note in the
 * library points to a table that says where in the process' memory they are. The
 * process itself does nothing for it. Whoever may ptrace it may look.
 */
#ifndef FUSE_AIO_VIEW_H
#define FUSE_AIO_VIEW_H

#include <stdint.h>

#define FA_VIEW_SECTION ".note.fuse_aio"
#define FA_VIEW_NAME "fuse_aio" /* of the note; its type is FA_VIEW_VERSION */
#define FA_VIEW_VERSION 1U

/*
 * The note's description: a 64-bit offset from itself to the table. All that
 * follows are byte offsets in structures and counts of their elements, so that the
 * reader depends on no other header; `process` and `hints` are addresses of
 * pointers, relocated.
 */
struct fa_view {
	uint32_t version, size; /* FA_VIEW_VERSION, of this table */
	uint64_t process;	/* address of a pointer to the process, NULL: not started */
	uint64_t hints;		/* address of a pointer to what is learned, may be NULL */
	uint64_t program;	/* address of the program's name, NUL-terminated */
	uint64_t mode;		/* address of the mode, a 32-bit index */
	uint64_t off;		/* address of a byte: 1 while calls pass through */
	uint32_t threads;	/* in the process: pointer to the first thread */
	uint32_t next;		/* in a thread: pointer to the next one */
	uint32_t tid;		/* in a thread: 32 bits */
	uint32_t counters;	/* in a thread: 64-bit counters, fuse_aio_counters.def */
	uint32_t looked;    /* in a thread: calls looked at; the others passed through */
	uint32_t fallbacks; /* in a thread: 64-bit counters, the FALLBACKs */
	uint32_t counters_n, fallbacks_n;
	uint32_t regimes;   /* in the hints: the first regime */
	uint32_t regimes_n; /* devices */
	uint32_t regime_size;
	uint32_t dev; /* in a regime: 64 bits, 0: free */
	uint32_t op;  /* in a regime: the first class of calls */
	uint32_t op_n, op_size;
	uint32_t score;	  /* in a class: 32 bits; cold from score_on */
	uint32_t wait_ns; /* in a class: 32 bits */
	uint32_t score_on;
};

#endif
