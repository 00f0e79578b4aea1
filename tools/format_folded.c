/* SPDX-License-Identifier: MIT
 *
 * `fuse-aio report --format folded`: a line for each stack with its blocked time in
 * microseconds, as flamegraph.pl and speedscope read it.
 */
#include "flame.h"
#include "formats.h"

int format_folded(const struct summary *s, FILE *out)
{
	size_t n;
	struct flame *flame = flame_make(s, &n);

	for (size_t i = 0; i < n; i++) {
		uint64_t us = (flame[i].blocked + 500) / 1000;

		if (us)
			fprintf(out, "%s %llu\n", flame[i].stack, (unsigned long long)us);
	}
	flame_free(flame, n);
	return 0;
}
