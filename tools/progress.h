/* SPDX-License-Identifier: MIT
 *
 * A percentage on standard error, where that is a terminal, once something has taken
 * longer than a second.
 */
#ifndef PROGRESS_H
#define PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct progress {
	time_t begun, shown;
};

void progress_show(struct progress *p, uint64_t done, uint64_t all);
void progress_end(struct progress *p);

#endif
