/* SPDX-License-Identifier: MIT
 *
 * The trials of auto. What is compared is all that the thread does, in processor time,
 * and what it waits in commits: that counts what promises save elsewhere, and what they
 * cost elsewhere.
 */
#include "trial.h"

#include "process.h"
#include "sys.h"

/* Of 64 parts: what saves less is noise. */
#define CHEAPER 63U

/* Without, with, with, without, and so on: what drifts meets both alike. */
static bool with(uint32_t window)
{
	return (window + 1) / 2 & 1;
}

static struct fa_trial_site *site_of(struct fa_trials *r, uint64_t site)
{
	for (unsigned i = 0; i < FA_TRIAL_SITES; i++) {
		struct fa_trial_site *s = &r->site[i];

		if (!s->site) {
			s->site = site;
			s->rest = FA_TRIAL_FIRST;
		}
		if (s->site == site)
			return s;
	}
	return NULL;
}

static void trial_ends(struct fa_trials *r)
{
	r->trying->seen = 0;
	r->trying = NULL;
	r->on = false;
	for (unsigned i = 0; i < FA_TRIAL_SITES; i++)
		r->on = r->on || r->site[i].pays;
}

static void give_up(struct fa_trials *r)
{
	r->trying->pays = false;
	trial_ends(r);
}

static void decide(struct fa_trials *r)
{
	struct fa_trial_site *s = r->trying;
	bool paid = s->pays;

	/* Per open or stat of the program, as many as there were. */
	s->pays = r->cost[1] * r->paths[0] * 64 < r->cost[0] * r->paths[1] * CHEAPER;
	/* Where nothing has changed the next trial can wait longer. */
	if (s->pays != paid || s->rest < FA_TRIAL_REST)
		s->rest = FA_TRIAL_REST;
	else if (s->rest < FA_TRIAL_LONG)
		s->rest *= 2;
	trial_ends(r);
}

static void window_begins(struct fa_thread *t, struct fa_trials *r)
{
	r->first = t->paths;
	r->blocked = 0;
	r->began = fa_sys_thread_cpu_ns();
}

static void window_ends(struct fa_thread *t, struct fa_trials *r)
{
	r->paths[with(r->window)] += t->paths - r->first;
	r->cost[with(r->window)] += fa_sys_thread_cpu_ns() - r->began + r->blocked;
	if (++r->window == FA_TRIAL_WINDOWS)
		decide(r);
	else
		window_begins(t, r);
}

FA_HIDDEN bool fa_trial_opened(struct fa_thread *t, uint64_t site)
{
	struct fa_trials *r = &t->trials;

	if (!r->on && !r->trying)
		return false;
	if (r->trying && r->trying->site == site && t->paths - r->first >= FA_TRIAL_WINDOW)
		window_ends(t, r);
	/* Those that follow are to be seen; without promises they are passed by, as ever.
	 */
	if (r->on || (r->trying && with(r->window)))
		t->h.skip = t->granted = 0;
	if (r->trying && r->trying->site == site)
		return with(r->window);
	for (unsigned i = 0; i < FA_TRIAL_SITES; i++)
		if (r->site[i].site == site)
			return r->site[i].pays;
	return false;
}

FA_HIDDEN void fa_trial_sent(struct fa_thread *t, uint64_t site, uint32_t many)
{
	struct fa_trials *r = &t->trials;
	struct fa_trial_site *s;

	if (fa_options.mode != FA_MODE_AUTO || *fa_any_cold || fa_recording)
		return;
	/* One that is not seen any more does not keep others from theirs. */
	if (r->trying && r->trying->site != site && ++r->others == FA_TRIAL_OTHERS)
		give_up(r);
	s = site_of(r, site);
	if (!s)
		return;
	s->seen += many;
	if (r->trying || s->seen < s->rest || fa_threaded() || fa_process->no_promises)
		return;
	r->trying = s;
	r->window = r->others = 0;
	r->cost[0] = r->cost[1] = 0;
	r->paths[0] = r->paths[1] = 0;
	window_begins(t, r);
}
