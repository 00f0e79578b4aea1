/* SPDX-License-Identifier: MIT
 *
 * The counters of another process, read from its memory by the table that the library
 * in it has (fuse_aio_view.h).
 */
#ifndef VIEW_H
#define VIEW_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum view_counter {
#define COUNTER(id, help) VIEW_##id,
#include "../include/fuse_aio_counters.def"
#undef COUNTER
	VIEW_COUNTERS
};

enum view_fallback {
#define FALLBACK(id, help) VIEW_F_##id,
#include "../include/fuse_aio_counters.def"
#undef FALLBACK
	VIEW_FALLBACKS
};

enum view_op {
#define OP(id, name) VIEW_OP_##id,
#include "../include/fuse_aio_ops.def"
#undef OP
	VIEW_OPS
};

struct view_name {
	const char *name, *help;
};

extern const struct view_name view_counters[VIEW_COUNTERS];
extern const struct view_name view_fallbacks[VIEW_FALLBACKS];
extern const char *const view_ops[VIEW_OPS];

/* The name of a mode of FUSE_AIO_MODE by its index, until the next call; NULL: none. */
const char *view_mode(uint32_t mode);

#define VIEW_DEVICES 64U

enum view_state {
	VIEW_READ,
	VIEW_GONE,	 /* no such process, or it has just ended */
	VIEW_NO_LIBRARY, /* none that publishes its counters */
	VIEW_DENIED,	 /* has the library, but its memory is not ours to read */
	VIEW_HIDDEN,	 /* not even whether it has it is ours to know */
	VIEW_STRANGE,	 /* the library is of another version */
	VIEW_DAMAGED,	 /* what its memory says cannot be */
	VIEW_SILENT	 /* an attempt to read it failed or did not end */
};

/* A file system on which calls have waited. */
struct view_device {
	uint64_t dev;
	char mount[128]; /* safe text, "": not known */
	struct {
		uint32_t wait_ns; /* 0: has not waited */
		bool cold;
	} op[VIEW_OPS];
};

struct view {
	pid_t pid;
	enum view_state state;
	uint64_t start;	   /* of the process, by the kernel's clock */
	uint64_t image;	   /* address of the table: another program, another address */
	uint64_t when;	   /* ns of CLOCK_MONOTONIC */
	char program[256]; /* safe text */
	char why[96];	   /* what is wrong, for VIEW_STRANGE and VIEW_DAMAGED */

	/* With VIEW_READ only. */
	uint32_t mode; /* view_mode() has a name for it */
	bool off;      /* calls pass through */
	uint32_t threads;
	uint64_t counter[VIEW_COUNTERS]; /* as the statistics line has them */
	uint64_t fallback[VIEW_FALLBACKS];
	uint32_t devices;
	struct view_device device[VIEW_DEVICES];
};

/*
 * Reads all of it. Nothing that the process has in its memory is believed, but a read
 * of memory may wait for as long as the process wants (userfaultfd, FUSE): see
 * top_scan.c.
 */
void view_read(struct view *view, pid_t pid);

/* Only who it is, for one whose memory is better left alone. */
void view_who(struct view *view, pid_t pid);

/* What is to be said of a process that could not be read, "" with READ; until the next
 * call. */
const char *view_trouble(const struct view *view);

#endif
