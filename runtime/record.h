/* SPDX-License-Identifier: MIT
 *
 * Writing a recording (include/fuse_aio_recording.h): each thread fills blocks of a
 * file that all recorded processes share. Nothing here makes a system call but for a
 * file or a site that the thread has not seen before, so what is recorded survives
 * whatever ends the process.
 *
 * Everything is called inside a captured call of the thread. A record that a signal
 * handler's call would write into the middle of another one is counted as dropped.
 */
#ifndef FA_RECORD_H
#define FA_RECORD_H

#include "../include/fuse_aio_recording.h"
#include "process.h"

/* Maps the recording at `path`, at start. NULL, or what is wrong with it. */
const char *fa_record_start(const char *path) FA_HIDDEN;

/* What a fork has left of it; called in the child, before its first call. */
void fa_record_forked(void) FA_HIDDEN;

/* The process ends: its counters. */
void fa_record_end(struct fa_thread *t) FA_HIDDEN;

/* The identifier of what the program names so; `fd` is it, or -1, or `id` tells. */
uint32_t fa_record_file(struct fa_thread *t, int dirfd, const char *path, int fd,
			const struct fa_identity *id) FA_HIDDEN;

/* The thread may write, until it leaves: its recorder is there and not in use. */
bool fa_record_enter(struct fa_thread *t) FA_HIDDEN;
void fa_record_leave(struct fa_thread *t) FA_HIDDEN;

/*
 * A record of a fixed size, filled in but for its kind and size. Where it has a call
 * site, *site becomes the identifier of the one with this return address.
 */
void fa_record_put(struct fa_thread *t, enum fa_rec_kind kind, const void *record,
		   size_t bytes, uint32_t *site, uint64_t address) FA_HIDDEN;

/* ---- record_call.c: what is recorded of what ---- */

/*
 * An open, or a stat that has told `id`; gives its file's identifier. A `result` below
 * 0 has left errno.
 */
uint32_t fa_record_path(struct fa_thread *t, const struct fa_call *c, int result,
			const struct fa_identity *id, unsigned flags) FA_HIDDEN;

/* A stat that failed. */
void fa_record_no_stat(struct fa_thread *t, const struct fa_call *c) FA_HIDDEN;

/* A call on a captured descriptor. */
void fa_record_use(const struct fa_call *c, enum fa_op op, int64_t result,
		   unsigned flags) FA_HIDDEN;

/* The close of one, whose hints may be another's already. */
void fa_record_close(const struct fa_call *c, unsigned flags) FA_HIDDEN;

/* Between open and close; before the hints are given up. */
void fa_record_sequence(struct fa_thread *t, const struct fa_fd *f) FA_HIDDEN;

/* A chain's fate is known. */
void fa_record_chain(struct fa_thread *t, const struct fa_chain *c) FA_HIDDEN;

void fa_record_hold(struct fa_thread *t, int fd, uint64_t since, bool late) FA_HIDDEN;
void fa_record_fallback(struct fa_thread *t, enum fa_fallback why) FA_HIDDEN;

/* A window behind an open; `used` or not. */
void fa_record_window(struct fa_thread *t, const struct fa_fd *f, bool used) FA_HIDDEN;

#endif
