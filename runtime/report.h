/* SPDX-License-Identifier: MIT
 *
 * What the library says about itself: log lines and the statistics line.
 */
#ifndef FA_REPORT_H
#define FA_REPORT_H

#include "process.h"

/* One line: "libfuse_aio[PID] NAME: what: why". */
void fa_log(const char *what, const char *why) FA_HIDDEN;

/* The statistics line of this process, summed over its threads. */
void fa_stats_write(void) FA_HIDDEN;

/* Adds all threads' counters and fallbacks to these, in the order of their table. */
void fa_stats_sum(uint64_t *counter, uint64_t *fallback) FA_HIDDEN;

/* The name of the running program. */
extern char fa_program[64] FA_HIDDEN;

#endif
