/* SPDX-License-Identifier: MIT
 *
 * Do promises pay at this call site? In auto that is measured: windows of sequences
 * without and with them take turns, and only where those with them have cost clearly
 * less are they made, until the next trial. It starts without.
 */
#ifndef FA_TRIAL_H
#define FA_TRIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "runtime.h"

struct fa_thread;

#define FA_TRIAL_SITES 8U
#define FA_TRIAL_FIRST 2048U	  /* sequences of a site before its first trial */
#define FA_TRIAL_WINDOW 512U	  /* opens and stats, of any site */
#define FA_TRIAL_WINDOWS 16U	  /* half of them with promises */
#define FA_TRIAL_REST (1U << 16)  /* sequences until the next one, */
#define FA_TRIAL_OTHERS 16384U	  /* sequences of other sites that end one */
#define FA_TRIAL_LONG (16U << 20) /* at most, where they never pay */

struct fa_trial_site {
	uint64_t site; /* 0: free */
	uint32_t seen; /* sequences that have sent, since the last trial */
	uint32_t rest; /* until the next */
	bool pays;
};

/* A thread's. */
struct fa_trials {
	struct fa_trial_site site[FA_TRIAL_SITES];
	struct fa_trial_site *trying; /* NULL: no trial is on */
	uint32_t window, others;
	uint32_t first;	   /* of the thread's opens and stats in this window */
	uint64_t began;	   /* thread CPU, ns */
	uint64_t blocked;  /* ns waited in commits since */
	uint64_t cost[2];  /* ns, without and with */
	uint64_t paths[2]; /* opens and stats */
	bool on;	   /* some site makes promises */
};

/* A file was opened at `site`: may it be promised about? */
bool fa_trial_opened(struct fa_thread *t, uint64_t site) FA_HIDDEN;

/* A sequence that began at `site` has sent a file, one of `many`. */
void fa_trial_sent(struct fa_thread *t, uint64_t site, uint32_t many) FA_HIDDEN;

#endif
