/* SPDX-License-Identifier: MIT
 *
 * Log-linear histograms of times, as HdrHistogram has them: sixteen buckets for each
 * power of two, so that a value is known to one part in sixteen whatever its size.
 */
#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_SUB 16U     /* buckets per power of two */
#define HISTOGRAM_LOG_MAX 44U /* 2^44 ns are almost five hours; longer ones count there */
#define HISTOGRAM_BUCKETS ((HISTOGRAM_LOG_MAX - 4U + 1U) * HISTOGRAM_SUB)

struct histogram {
	uint64_t count, max; /* ns */
	uint64_t bucket[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *h, uint64_t ns);

/*
 * The value, in ns, that `share` (0 to 1) of what was added does not exceed: the
 * upper end of its bucket, but no more than the longest. 0 where nothing was added.
 */
uint64_t histogram_at(const struct histogram *h, double share);

/* The values that fall into a bucket: from low to high, both included. */
void histogram_bounds(unsigned int bucket, uint64_t *low, uint64_t *high);

#endif
