/* SPDX-License-Identifier: MIT
 *
 * Log-linear histograms of times.
 */
#include <math.h>

#include "histogram.h"

/* Below 16 each value has a bucket of its own. */
static unsigned int bucket_of(uint64_t ns)
{
	unsigned int log, bucket;

	if (ns < HISTOGRAM_SUB)
		return (unsigned int)ns;
	log = 63U - (unsigned int)__builtin_clzll(ns);
	bucket = (log - 3U) * HISTOGRAM_SUB + (unsigned int)((ns >> (log - 4U)) & 15U);
	return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1U;
}

void histogram_bounds(unsigned int bucket, uint64_t *low, uint64_t *high)
{
	unsigned int shift;

	if (bucket < HISTOGRAM_SUB) {
		*low = *high = bucket;
		return;
	}
	shift = bucket / HISTOGRAM_SUB - 1U;
	*low = (uint64_t)(HISTOGRAM_SUB + bucket % HISTOGRAM_SUB) << shift;
	*high = *low + (1ULL << shift) - 1U;
}

void histogram_add(struct histogram *h, uint64_t ns)
{
	h->count++;
	if (ns > h->max)
		h->max = ns;
	h->bucket[bucket_of(ns)]++;
}

uint64_t histogram_at(const struct histogram *h, double share)
{
	uint64_t wanted = (uint64_t)ceil((double)h->count * share), seen = 0, low, high;

	for (unsigned int i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += h->bucket[i];
		if (!seen || seen < wanted)
			continue;
		histogram_bounds(i, &low, &high);
		return high < h->max && i < HISTOGRAM_BUCKETS - 1U ? high : h->max;
	}
	return 0;
}
