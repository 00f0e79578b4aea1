/* SPDX-License-Identifier: MIT
 *
 * A percentage on standard error.
 */
#include <stdio.h>
#include <unistd.h>

#include "progress.h"

static time_t seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return now.tv_sec + 1;
}

void progress_show(struct progress *p, uint64_t done, uint64_t all)
{
	time_t now = seconds();

	if (!p->begun)
		p->begun = p->shown = now;
	if (now < p->begun + 2 || now == p->shown || !isatty(STDERR_FILENO))
		return;
	p->shown = now;
	fprintf(stderr, "\rfuse-aio: reading, %3u %%", (unsigned int)(done * 100 / all));
	fflush(stderr);
}

void progress_end(struct progress *p)
{
	/* Wipes the line. */
	if (p->shown != p->begun)
		fprintf(stderr, "\r\033[K");
}
