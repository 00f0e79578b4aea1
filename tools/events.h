/* SPDX-License-Identifier: MIT
 *
 * The second walk through a recording: what happened.
 */
#ifndef EVENTS_H
#define EVENTS_H

#include "summary.h"

/* Adds up all that happened; the names are there already. */
void events_read(struct summary *s);

#endif
