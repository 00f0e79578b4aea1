/* SPDX-License-Identifier: MIT
 *
 * Asynchronous sendfile: a file that is sent to a non-blocking socket is read a
 * window ahead, and what is not in memory yet is answered with EAGAIN, or with a
 * short count, as such a socket may always do. The event that says when to try
 * again is held until the bytes are there.
 */
#ifndef FA_STREAM_H
#define FA_STREAM_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime.h"

struct fa_thread;

#define FA_STREAMS 128U
#define FA_STREAM_STEP (128U << 10) /* bytes a read */
#define FA_STREAM_STEPS 4U	    /* reads a window at most */

/* A window on its way. */
struct fa_stream {
	int from, to;
	uint64_t end;	 /* of the window */
	uint8_t pending; /* reads still to end; 0: the entry is free */
	bool failed;
};

/*
 * A sendfile has sent all that it was cut down to: the socket has room and will
 * not tell, so its event comes when the next window is there.
 */
void fa_stream_cut_short(struct fa_call *c, int to) FA_HIDDEN;

/* A read has ended. */
void fa_stream_completed(struct fa_thread *t, unsigned index, int result) FA_HIDDEN;

/* The ring has gone, and with it all that was on its way. */
void fa_stream_reset(struct fa_thread *t) FA_HIDDEN;

#endif
