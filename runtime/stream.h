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

#define FA_STREAMS 512U
#define FA_STREAM_STEP (128U << 10) /* bytes a read */
#define FA_STREAM_STEPS 4U	    /* reads a window at most */

/*
 * Windows on their way at a time. More would not be faster, but make many sockets
 * writable at once, and whoever else waits for the event loop wait for all of them.
 */
#define FA_STREAMS_FLIGHT 16U /* the last direct descriptors are theirs */

/* A window on its way, or waiting for its turn. */
struct fa_stream {
	int from, to;
	uint64_t at, end;
	uint32_t order;	 /* of waiting; 0: it does not */
	uint8_t pending; /* reads still to end; 0, and no order: the entry is free */
	uint8_t slot;	 /* of FA_STREAMS_FLIGHT, that its reads go by */
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
