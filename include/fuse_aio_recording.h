/* SPDX-License-Identifier: MIT
 *
 * The format of a recording, written by the library in the recorded processes and
 * read by `fuse-aio report`.
 *
 * A recording is one file: a header of a page, then blocks of equal size. The file
 * is made, with room for all blocks, by `fuse-aio record`; each process maps it
 * shared, and each thread takes a block when its last one is full (header.next)
 * and fills it with records, so what was written is there whatever becomes of the
 * process. Numbers are in the byte order of the machine; nothing is a pointer into
 * the file, and a reader believes nothing: sizes, counts and identifiers may be
 * wrong in a file that was cut short or is not a recording.
 *
 * Times are readings of the processor's cycle counter; each block and the header
 * have pairs of it and CLOCK_MONOTONIC to convert them by.
 */
#ifndef FUSE_AIO_RECORDING_H
#define FUSE_AIO_RECORDING_H

#include <stdint.h>

#define FA_REC_MAGIC "FUSEAIO\x1a" /* 8 bytes, no NUL */
#define FA_REC_VERSION 1U
#define FA_REC_HEADER 4096U /* bytes */
#define FA_REC_BLOCK 65536U /* bytes, a header of its own included */
#define FA_REC_MIN_BLOCKS 16U
#define FA_REC_MAX_BLOCKS (1U << 20) /* 64 GiB */

/* A moment by both clocks. */
struct fa_rec_moment {
	uint64_t cycles;
	uint64_t ns; /* CLOCK_MONOTONIC; 0: not known */
};

struct fa_rec_header {
	char magic[8];
	uint32_t version;
	uint32_t header_size, block_size;
	uint32_t flags;	  /* FA_REC_* */
	uint64_t blocks;  /* room for so many */
	uint64_t next;	  /* the next to be taken: more than `blocks` when it is full */
	uint64_t dropped; /* records for which there was no room */
	uint64_t hz;	  /* of the cycle counter; 0: by the moments */
	uint64_t time_ns; /* CLOCK_REALTIME at the beginning */
	struct fa_rec_moment begin, end; /* end: 0 while it goes on, or was killed */
	uint32_t next_id;		 /* of sites and files: so many are given */
	uint32_t next_process;		 /* of processes: so many have begun */
	uint32_t first_pid;		 /* with FA_REC_PID_ONLY the only one; 0: not yet */
	uint32_t reserved;
	char command[1024]; /* what was recorded, cut off; NUL-terminated */
};

#define FA_REC_STACKS (1U << 0)	  /* sites are stacks */
#define FA_REC_PID_ONLY (1U << 1) /* children are not recorded */

/* At the beginning of each block. */
struct fa_rec_block {
	uint32_t magic;	  /* FA_REC_BLOCK_MAGIC once it is in use */
	uint32_t used;	  /* bytes, this header included; stored after what it counts */
	uint32_t process; /* number of the process in this recording */
	uint32_t pid, tid;
	uint32_t reserved;
	struct fa_rec_moment moment; /* when it was taken */
	char comm[16];		     /* name of the program, NUL-terminated */
};

#define FA_REC_BLOCK_MAGIC 0x4b4c4246U /* "FBLK" */

/* Every record begins so, at a multiple of 8 bytes. */
struct fa_rec {
	uint8_t kind;  /* FA_REC_CALL etc.; a reader passes over unknown ones */
	uint8_t words; /* size in units of 8 bytes, this one included; never 0 */
	uint8_t op;    /* by kind */
	uint8_t flags; /* by kind */
	uint32_t id;   /* by kind */
};

#define FA_REC_LONGEST 2040U /* bytes of a record */

enum fa_rec_kind {
	FA_REC_CALL = 1,
	FA_REC_SEQUENCE,
	FA_REC_CHAIN,
	FA_REC_HOLD,
	FA_REC_FALLBACK,
	FA_REC_FILE,
	FA_REC_SITE,
	FA_REC_MODULE,
	FA_REC_PROCESS,
	FA_REC_COUNTERS,
	FA_REC_REGIME,
	FA_REC_THREAD
};

/*
 * CALL: a call of the program's. op: index in fuse_aio_ops.def; id: of the file, 0:
 * not known. value: bytes for read and sendfile, else the result; where it failed,
 * errno.
 */
struct fa_rec_call {
	struct fa_rec h;
	uint64_t start; /* cycles */
	uint32_t took;	/* in units of FA_REC_TOOK cycles */
	uint32_t site;
	uint64_t value;
};

#define FA_REC_TOOK 16U
#define FA_REC_FAILED (1U << 0)	  /* value is errno */
#define FA_REC_SETTLED (1U << 1)  /* answered by a future: the call was not made */
#define FA_REC_FORESEEN (1U << 2) /* made, after a chain had been started for it */

/*
 * SEQUENCE: from an open to its close. id: of the file. signature: op + 1 of each
 * step, 4 bits each, the first in the highest that are set, repeats collapsed.
 */
struct fa_rec_sequence {
	struct fa_rec h;
	uint64_t start;	  /* of the open, cycles */
	uint64_t end;	  /* of the close */
	uint64_t blocked; /* cycles in its calls */
	uint64_t signature;
	uint64_t bytes;
	uint32_t site; /* of the open */
	uint32_t calls;
};

/*
 * CHAIN: something the library started, written when its fate is known.
 * op: FA_REC_BY_*; flags: FA_REC_FATE_*; id: of the file, 0: not known.
 */
struct fa_rec_chain {
	struct fa_rec h;
	uint64_t start, ready, end; /* cycles; ready 0: not before its end */
	uint64_t bytes;		    /* of its window */
};

enum fa_rec_by { FA_REC_BY_OPEN, FA_REC_BY_STAT, FA_REC_BY_REQUEST, FA_REC_BY_WALK };
enum fa_rec_fate { FA_REC_ADOPTED, FA_REC_USED, FA_REC_DROPPED, FA_REC_FAILURE };

/* HOLD: a readiness event was held back. id: descriptor; flags 1: until its limit. */
struct fa_rec_hold {
	struct fa_rec h;
	uint64_t start, end; /* cycles */
};

/* FALLBACK: op: index among the FALLBACKs of fuse_aio_counters.def. */
struct fa_rec_fallback {
	struct fa_rec h;
	uint64_t when; /* cycles */
};

/*
 * FILE: what an id of a file means: the path as the program gave it, NUL-padded. One
 * path may have several ids. A relative path is one in `directory`, the id of another
 * file, or, where that is 0, in a directory that is not known.
 */
struct fa_rec_file {
	struct fa_rec h;
	uint64_t dev, ino; /* 0: not known; dev as in st_dev */
	uint32_t directory;
	uint32_t reserved;
	char path[];
};

/* SITE: what an id of a site means: return addresses, the innermost first. */
struct fa_rec_site {
	struct fa_rec h;
	uint64_t frame[]; /* words - 1 of them */
};

/* MODULE: code of the block's process. Address in the file: frame - bias. */
struct fa_rec_module {
	struct fa_rec h;
	uint64_t low, high; /* addresses of its code */
	uint64_t bias;
	char path[]; /* NUL-padded */
};

/* PROCESS: begins (op 0) or ends (op 1). id: of its parent's process number, 0: none. */
struct fa_rec_process {
	struct fa_rec h;
	struct fa_rec_moment moment;
	uint32_t pid, mode; /* index in the values of FUSE_AIO_MODE */
	char path[];	    /* of the program, NUL-padded */
};

/* COUNTERS: the process' sums in the order of fuse_aio_counters.def; op 1: FALLBACKs. */
struct fa_rec_counters {
	struct fa_rec h;
	uint64_t n[]; /* words - 1 of them */
};

/*
 * THREAD, nothing but its head: what follows in this block is of another thread, for
 * the one before has ended. id: its number.
 */

/* REGIME: at the end of the process; op: class of calls, flags 1: cold. */
struct fa_rec_regime {
	struct fa_rec h;
	uint64_t dev, wait_ns;
};

#endif
