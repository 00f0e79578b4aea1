/* SPDX-License-Identifier: MIT
 *
 * What fake_ring.c has of fake_ops.c: operations, without when they end.
 */
#ifndef FAKE_OPS_H
#define FAKE_OPS_H

#include <liburing.h>

/* Does it: a result, or FAKE_PENDING for a send whose peer makes no room. */
int fake_op_run(const struct io_uring_sqe *s);

/* A pending send that has come to its end by now, and its result. False: none. */
bool fake_op_sent(struct io_uring_sqe *s, int *result);

/* The ring goes, and what is pending with it. */
void fake_ops_end(void);

/* What is in a slot is closed. */
void fake_slot_clear(unsigned index);

#endif
