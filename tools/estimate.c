/* SPDX-License-Identifier: MIT
 *
 * What `auto` would gain: the rule is in estimate.h.
 */
#include "estimate.h"
#include "ops.h"

#define WALK_FILES 4U	    /* from so many in a row it is a walk */
#define WALK_WAIT 250000U   /* ns: what is shorter is left to the program */
#define WALK_A_CALL 150000U /* ns that remain of each call: what one costs on a worker */
#define WALK_SHARE 64U	    /* and of all: so many run at once */

static void end_run(struct estimate_run *run, struct estimate *sum)
{
	uint64_t left = (uint64_t)run->calls * WALK_A_CALL,
		 least = run->waited / WALK_SHARE;

	if (left < least)
		left = least;
	if (run->files >= WALK_FILES) {
		sum->walks++;
		sum->walk += run->waited > left ? run->waited - left : 0;
	} else {
		sum->window += run->window;
	}
	*run = (struct estimate_run){ 0 };
}

/* The run of this call site, or the one that was not added to for longest. */
static struct estimate_run *run_of(struct estimate_thread *t, uint32_t site)
{
	struct estimate_run *oldest = t->run;

	for (int i = 0; i < ESTIMATE_RUNS; i++) {
		if (t->run[i].files && t->run[i].site == site)
			return &t->run[i];
		if (t->run[i].used < oldest->used)
			oldest = &t->run[i];
	}
	return oldest;
}

static void name(struct estimate_thread *t, const struct estimate_call *c,
		 struct estimate *sum)
{
	struct estimate_run *run;

	if (c->op == OP_OPEN && !c->failed) {
		t->opened = c->file;
		t->opened_end = c->start + c->ns;
	}
	if (c->ns < WALK_WAIT)
		return;
	run = run_of(t, c->site);
	if (run->files && (run->site != c->site || run->directory != c->directory))
		end_run(run, sum);
	if (!run->files || run->file != c->file)
		run->files++;
	run->site = c->site;
	run->directory = c->directory;
	run->file = c->file;
	run->waited += c->ns;
	run->calls++;
	run->used = ++t->clock;
}

static void contents(struct estimate_thread *t, const struct estimate_call *c,
		     struct estimate *sum)
{
	uint64_t hidden = 0;

	if (c->op != OP_FSTAT && t->opened == c->file && c->start > t->opened_end) {
		hidden = c->start - t->opened_end;
		if (hidden > c->ns)
			hidden = c->ns;
	}
	if (c->op != OP_FSTAT)
		t->opened = 0;
	for (int i = 0; i < ESTIMATE_RUNS && c->ns >= WALK_WAIT; i++) {
		struct estimate_run *run = &t->run[i];

		if (run->files && run->file == c->file) {
			run->waited += c->ns;
			run->calls++;
			run->window += hidden;
			return;
		}
	}
	sum->window += hidden;
}

void estimate_take(struct estimate_thread *t, const struct estimate_call *c,
		   struct estimate *sum)
{
	if (c->op == OP_CLOSE)
		sum->close += c->ns;
	if (!c->file)
		return;
	if (c->op == OP_OPEN || c->op == OP_STAT)
		name(t, c, sum);
	else if (c->op == OP_READ || c->op == OP_SENDFILE || c->op == OP_FSTAT)
		contents(t, c, sum);
}

void estimate_end(struct estimate_thread *t, struct estimate *sum)
{
	for (int i = 0; i < ESTIMATE_RUNS; i++)
		end_run(&t->run[i], sum);
}
