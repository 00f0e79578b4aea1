/* SPDX-License-Identifier: MIT
 *
 * Learning how a program walks through directories, and running ahead of it.
 */
#include "walk.h"

#include <dirent.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "hints.h"
#include "process.h"
#include "site.h"
#include "sys.h"

#define SCORE_MAX 8
#define SURE 2 /* names in a row that an order foretold */
#define DEPTH_FIRST 4U
#define SPAN 1024U  /* positions ahead at most, those passed over included */
#define LOOKED 256U /* names looked at for one visit */
#define HOLE 128U   /* one name in so many is not looked ahead, to measure */
#define WORTH_MAX 64
#define PAUSE 256U
#define AVERAGE 32U	/* names that a cost is the average of */
#define IDLE 32U	/* names for which nothing was started, in a row */
#define LOOK_NS 250000U /* a look-up on a worker costs some 90 us on two busy cores */
#define PAUSE_MAX 4096U
#define BLOCK 16U	  /* inodes that one read of the disk brings in, at least */
#define MEMORY (8U << 20) /* of all listings */

static void move(int8_t *score, int by)
{
	int v = *score + by;

	*score = (int8_t)(v > SCORE_MAX ? SCORE_MAX : v < -SCORE_MAX ? -SCORE_MAX : v);
}

/* ---- directories ---- */

static struct fa_walk *walk_of(struct fa_thread *t)
{
	if (!t->walk) {
		t->walk = fa_map_wiped(sizeof(*t->walk));
		if (!t->walk)
			fa_fallback(t, FA_F_no_memory);
	}
	return t->walk;
}

static void forget(struct fa_thread *t, struct fa_walked *d)
{
	if (!d->handle)
		return;
	fa_listing_free(&d->names);
	d->handle = 0;
	t->h.listings--;
}

FA_HIDDEN void fa_walk_forget(struct fa_thread *t)
{
	for (unsigned i = 0; t->walk && i < FA_WALK_LISTINGS; i++)
		forget(t, &t->walk->walked[i]);
}

static struct fa_walked *by_handle(struct fa_walk *w, uint32_t handle)
{
	for (unsigned i = 0; w && handle && i < FA_WALK_LISTINGS; i++)
		if (w->walked[i].handle == handle)
			return &w->walked[i];
	return NULL;
}

/* A free one, or the one that was not used for the longest time. */
static struct fa_walked *oldest(struct fa_walk *w, const struct fa_walked *but)
{
	struct fa_walked *old = NULL;

	for (unsigned i = 0; i < FA_WALK_LISTINGS; i++) {
		struct fa_walked *d = &w->walked[i];

		if (!d->handle && !but)
			return d;
		if (d->handle && d != but && (!old || d->used < old->used))
			old = d;
	}
	return old;
}

/* The path of a directory as a prefix of its files' paths shows it. */
static void set_path(struct fa_walked *d, const char *path)
{
	size_t n;

	d->path[0] = '\0';
	if (!path)
		return;
	n = strlen(path);
	while (n > 1 && path[n - 1] == '/')
		n--;
	if (n >= FA_WALK_PATH)
		return;
	memcpy(d->path, path, n);
	d->path[n] = '\0';
}

static bool identify(int fd, const char *path, uint64_t *dev, uint64_t *ino)
{
	struct statx stx;

	if (fa_sys_statx(fd, path, AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO, &stx) < 0)
		return false;
	*dev = makedev(stx.stx_dev_major, stx.stx_dev_minor);
	*ino = stx.stx_ino;
	return true;
}

static bool cold(uint64_t dev)
{
	return fa_device_cold(dev) || fa_regime_cold(dev, FA_STAT);
}

FA_HIDDEN uint32_t fa_walk_directory(struct fa_thread *t, int fd, const char *path)
{
	static uint32_t handles; /* a child goes on counting: its parent's mean nothing */
	struct fa_walk *w = walk_of(t);
	struct fa_walked *d;
	uint64_t dev, ino;

	if (!w || fa_process->in_line || !identify(fd, "", &dev, &ino))
		return 0;
	/* A disk's directories wait now and then; its files need not. */
	if (fa_device_local(dev) && !cold(dev))
		return 0;
	d = NULL;
	for (unsigned i = 0; i < FA_WALK_LISTINGS && !d; i++)
		if (w->walked[i].handle && w->walked[i].dev == dev &&
		    w->walked[i].ino == ino)
			d = &w->walked[i]; /* read anew */
	if (!d)
		d = oldest(w, NULL);
	forget(t, d);
	d->handle = ++handles ? handles : ++handles;
	d->used = ++w->tick;
	d->directory = fa_directory;
	d->fd = fd;
	d->listed = fa_cycles();
	d->dup = -1;
	d->next = d->at = 0;
	d->depth = w->worth > 0 ? FA_WALK_DEPTH : DEPTH_FIRST;
	d->flying = 0;
	d->missed = false;
	d->pass = 0;
	d->dev = dev;
	d->ino = ino;
	set_path(d, path);
	t->h.listings++;
	return d->handle;
}

static void keep_to_memory(struct fa_thread *t, struct fa_walk *w,
			   const struct fa_walked *but)
{
	uint64_t all = 0;

	for (unsigned i = 0; i < FA_WALK_LISTINGS; i++)
		all += fa_listing_size(&w->walked[i].names);
	while (all > MEMORY) {
		struct fa_walked *d = oldest(w, but);

		if (!d)
			return;
		all -= fa_listing_size(&d->names);
		forget(t, d);
	}
}

FA_HIDDEN bool fa_walk_name(struct fa_thread *t, uint32_t handle, const char *name,
			    uint64_t ino, uint8_t type)
{
	struct fa_walk *w = t->walk;
	struct fa_walked *d = by_handle(w, handle);

	if (!d)
		return false;
	if (name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2])))
		return true;
	if (d->names.n % 1024 == 0)
		keep_to_memory(t, w, d);
	return fa_listing_add(&d->names, name, ino, type);
}

/* ---- which name is this? ---- */

struct visit {
	char path[FA_CHAIN_PATH + 1];
	uint32_t prefix; /* length of what is before the name, slash included */
	int dirfd;
};

static bool path_is(const struct fa_walked *d, const struct visit *v)
{
	uint32_t n = v->prefix;

	if (!d->path[0] || (d->path[0] != '/' && d->directory != fa_directory))
		return false;
	while (n > 1 && v->path[n - 1] == '/')
		n--;
	if (!n) /* the working directory */
		return !strcmp(d->path, ".");
	return !strncmp(d->path, v->path, n) && !d->path[n];
}

static struct fa_walked *directory_of(struct fa_walk *w, const struct visit *v)
{
	bool by_number = !v->prefix && v->dirfd != AT_FDCWD;
	uint64_t dev = 0, ino = 0;

	/* Numbers are duplicated and used again: the directory itself is asked. */
	if ((v->prefix && v->dirfd != AT_FDCWD && v->path[0] != '/') ||
	    (!v->prefix &&
	     !identify(by_number ? v->dirfd : AT_FDCWD, by_number ? "" : ".", &dev, &ino)))
		return NULL;
	for (unsigned i = 0; i < FA_WALK_LISTINGS; i++) {
		struct fa_walked *d = &w->walked[i];

		if (d->handle &&
		    (v->prefix ? path_is(d, v) : d->ino == ino && d->dev == dev))
			return d;
	}
	return NULL;
}

/* How a visit names its directory. */
enum form { OTHERWISE, BY_STREAM, BY_DUPLICATE, BY_PATH };

static enum form form_of(const struct fa_walked *d, const struct visit *v)
{
	if (v->prefix)
		return v->path[v->prefix - 1] == '/' ? BY_PATH : OTHERWISE;
	if (v->dirfd == d->fd)
		return BY_STREAM;
	return v->dirfd == d->dup ? BY_DUPLICATE : OTHERWISE;
}

/* A visit of this form that is still to come. False: it could be any. */
static bool foretell(struct visit *v, const struct fa_walked *d, enum form form)
{
	size_t n = strlen(d->path);

	switch (form) {
	case BY_STREAM:
		v->dirfd = d->fd;
		v->prefix = 0;
		return true;
	case BY_DUPLICATE:
		v->dirfd = d->dup;
		v->prefix = 0;
		return d->dup >= 0;
	case BY_PATH:
		if (!n || !strcmp(d->path, ".") || d->path[n - 1] == '/' ||
		    (d->path[0] != '/' && d->directory != fa_directory))
			return false;
		memcpy(v->path, d->path, n);
		v->path[n] = '/';
		v->prefix = (uint32_t)n + 1;
		v->dirfd = AT_FDCWD;
		return true;
	default:
		return false;
	}
}

FA_HIDDEN void fa_duplicated(int fd, int to)
{
	struct fa_walk *w = fa_self ? fa_thread_of(fa_self)->walk : NULL;

	for (unsigned i = 0; w && i < FA_WALK_LISTINGS; i++)
		if (w->walked[i].handle && w->walked[i].fd == fd)
			w->walked[i].dup = to;
}

/* ---- learning ---- */

static struct fa_habit *habit_of(struct fa_walk *w, const struct fa_walked *d)
{
	return &w->habit[d->pass];
}

static struct fa_kind *kind_of(struct fa_habit *h, const struct fa_walked *d, uint32_t i)
{
	return &h->kind[d->names.names[i].kind];
}

static struct fa_kind *type_of(struct fa_habit *h, const struct fa_walked *d, uint32_t i)
{
	return &h->type[d->names.names[i].type & 15];
}

/* Nothing is looked at for a while. */
static void rest(struct fa_walk *w, unsigned visits)
{
	w->pause = visits;
	w->worth = 0;
	w->idle = 0;
}

/* It was for nothing: twice as long the next time. */
static void pause(struct fa_walk *w)
{
	rest(w, PAUSE << w->pauses);
	if (w->pause < PAUSE_MAX)
		w->pauses++;
}

/* How long the last name took, and whether it is worth running ahead at all. */
static void learn_cost(struct fa_walk *w, struct fa_habit *h, bool same_directory)
{
	uint64_t now = fa_cycles(), took = now - w->came;
	unsigned n = h->measured[w->ahead];

	w->came = now;

	if (!same_directory)
		return; /* what lies between directories belongs to neither */
	n = n < AVERAGE ? n + 1 : AVERAGE;
	h->measured[w->ahead] = n;
	h->cost[w->ahead] -= h->cost[w->ahead] / n;
	h->cost[w->ahead] += took / n;
	if (h->measured[0] < SURE || h->measured[1] < AVERAGE ||
	    h->cost[1] < h->cost[0] - h->cost[0] / 8)
		return;
	pause(w);
	/* Both are measured anew. */
	h->measured[0] = h->measured[1] = 0;
}

/* What was done with the name before this one. */
static void learn_name(struct fa_walk *w)
{
	struct fa_habit *h = &w->habit[w->last_pass];
	struct fa_kind *both[2];

	if (!w->last || w->last->handle != w->last_handle)
		return;
	both[0] = kind_of(h, w->last, w->last_name);
	both[1] = type_of(h, w->last, w->last_name);
	for (unsigned i = 0; i < 2; i++) {
		move(&both[i]->visited, 2);
		move(&both[i]->statted, w->statted ? 2 : -1);
		move(&both[i]->opened, w->opened ? 2 : -1);
	}
}

/* Names between the last one and this one were passed over. */
static void learn_passed(struct fa_walk *w, struct fa_walked *d, uint32_t i)
{
	struct fa_habit *h = habit_of(w, d);
	uint32_t from = fa_listing_position(&d->names, h->order, w->last_name);
	uint32_t to = fa_listing_position(&d->names, h->order, i);

	if (from == FA_LISTING_NONE || to == FA_LISTING_NONE || to - from > BLOCK)
		return;
	for (uint32_t at = from + 1; at < to; at++) {
		uint32_t passed = fa_listing_at(&d->names, h->order, at);

		move(&kind_of(h, d, passed)->visited, -1);
	}
}

static void learn_order(struct fa_walk *w, struct fa_walked *d, uint32_t i)
{
	struct fa_habit *h = habit_of(w, d);
	uint8_t best = h->order;

	for (unsigned o = 0; o < FA_ORDERS; o++)
		move(&h->score[o],
		     fa_listing_after(&d->names, o, w->last_name, i) ? 1 : -SCORE_MAX / 2);
	/* Where two have foretold as much, the one that was followed stays. */
	for (uint8_t o = 0; o < FA_ORDERS; o++)
		if (h->score[o] > h->score[best])
			best = o;
	if (best != h->order) {
		h->order = best;
		for (unsigned n = 0; n < FA_WALK_LISTINGS; n++)
			w->walked[n].next = w->walked[n].at = 0;
	}
}

static void learn(struct fa_walk *w, struct fa_walked *d, uint32_t i)
{
	uint8_t pass = d->names.names[i].seen;
	bool same = w->last == d && w->last_handle == d->handle && w->last_pass == pass;
	struct fa_habit *h;

	if (pass != d->pass) {
		d->pass = pass;
		d->next = d->at = 0;
	}
	d->names.names[i].seen = true;
	h = habit_of(w, d);
	learn_name(w);
	learn_cost(w, h, same);
	if (same) {
		learn_order(w, d, i);
		if (h->score[h->order] >= SURE)
			learn_passed(w, d, i);
	}
	w->last = d;
	w->last_handle = d->handle;
	w->last_pass = pass;
	w->last_name = i;
	w->statted = w->opened = w->ahead = false;
	d->used = ++w->tick;
}

/* ---- running ahead ---- */

/* Has its inode come in with another one's? On a disk neighbours share a block. */
static bool in_block(struct fa_walk *w, const struct fa_walked *d, uint32_t i, bool note)
{
	uint64_t block = d->names.names[i].ino / BLOCK + 1;
	uint64_t *slot = &w->blocks[block % FA_WALK_DEPTH];
	bool there = *slot == block;

	if (!fa_device_local(d->dev))
		return false;
	if (note)
		*slot = block;
	return there;
}

/* Starts what the name will need. False: no room, or that is not known. */
static bool start(struct fa_thread *t, struct fa_walk *w, struct visit *v,
		  struct fa_walked *d, uint32_t i)
{
	struct fa_habit *h = habit_of(w, d);
	const struct fa_kind *k = kind_of(h, d, i);
	const struct fa_name *name = &d->names.names[i];
	size_t len = strlen(fa_listing_name(&d->names, i));
	bool directory;
	struct fa_chain_plan plan = { .dirfd = v->dirfd,
				      .path = v->path,
				      .walk = d->handle,
				      .name = i,
				      .dev = d->dev,
				      .restat = w->restat > 1 };

	if (!k->visited)
		k = type_of(h, d, i); /* the first of its kind */
	if (!k->visited)
		return false; /* it is not known yet what becomes of those */
	if (k->visited < -SCORE_MAX / 2 || v->prefix + len >= FA_CHAIN_PATH)
		return true;
	directory = name->type == DT_DIR;
	/* Of this machine's: nothing is adopted there, and a directory has no window. */
	plan.lists = directory;
	plan.opens = k->opened > 1 && !(directory && fa_device_local(d->dev));
	if (!plan.opens && (k->statted < 1 || fa_regime_wait(d->dev, FA_STAT) < LOOK_NS ||
			    in_block(w, d, i, true)))
		return true;
	/* So it was called a moment ago; after a while it is looked at first. */
	plan.regular =
		name->type == DT_REG && fa_ns(fa_cycles() - d->listed) < FA_CHAIN_LIFE;
	plan.flags = plan.opens ? h->oflags[directory] : h->follow ? 0 : O_NOFOLLOW;
	plan.window = plan.opens && !directory
			      ? fa_hint_window(fa_hint_of(h->site), UINT64_MAX)
			      : 0;
	memcpy(v->path + v->prefix, fa_listing_name(&d->names, i), len + 1);
	if (!fa_chain_walk(t, &plan))
		return false;
	d->flying++;
	return true;
}

/* Chains for what comes next behind position `at`. */
static void fill(struct fa_thread *t, struct fa_walk *w, struct visit *v,
		 struct fa_walked *d, uint32_t at)
{
	unsigned looked = 0;

	for (; d->flying < d->depth && looked < LOOKED && d->next <= at + SPAN; looked++) {
		uint32_t name = fa_listing_at(&d->names, habit_of(w, d)->order, d->next);

		if (name == FA_LISTING_NONE)
			break;
		if (++w->hole >= HOLE && d->next != at)
			w->hole = 0;
		else if (!start(t, w, v, d, name))
			break;
		d->next++;
	}
	if (t->ring.prepared)
		fa_ring_submit(t);
}

static void run_ahead(struct fa_thread *t, struct fa_walk *w, struct visit *v,
		      struct fa_walked *d, uint32_t i)
{
	struct fa_habit *h = habit_of(w, d);
	uint32_t at = fa_listing_position(&d->names, h->order, i), first;

	if (at == FA_LISTING_NONE)
		return;
	/* What the program opens now, too: while it waits for that, all go on. */
	first = kind_of(h, d, i)->opened > 1 ? at : at + 1;
	if (d->next < first || at < d->at)
		d->next = first; /* or another round begins */
	d->at = at;
	fill(t, w, v, d, at);
}

static bool sure(struct fa_walk *w, const struct fa_walked *d)
{
	const struct fa_habit *h = habit_of(w, d);

	return !w->pause && h->score[h->order] >= SURE && cold(d->dev);
}

FA_HIDDEN void fa_walk_listed(struct fa_thread *t, uint32_t handle)
{
	struct fa_walked *d = by_handle(t->walk, handle);
	struct visit v;

	if (d && !fa_threaded() && sure(t->walk, d) &&
	    foretell(&v, d, habit_of(t->walk, d)->form))
		fill(t, t->walk, &v, d, 0);
}

FA_HIDDEN void fa_walk_visit(struct fa_thread *t, struct fa_call *c, enum fa_op op,
			     bool follow)
{
	struct fa_walk *w = t->walk;
	struct fa_walked *d;
	struct fa_habit *h;
	struct visit v = { .dirfd = c->fd };
	uint32_t name, len;
	long got;

	if (!w || !t->h.listings || (!*fa_any_cold && !t->h.chains) || fa_threaded())
		return;
	/* Towards its end a pause is used to measure what names cost without us. */
	if (w->pause && --w->pause > 2 * AVERAGE && !t->h.chains)
		return;
	got = fa_sys_copy(fa_pid, v.path, c->path, FA_CHAIN_PATH, false);
	if (got <= 0)
		return;
	v.path[got] = '\0';
	len = (uint32_t)strlen(v.path);
	for (v.prefix = len; v.prefix && v.path[v.prefix - 1] != '/';)
		v.prefix--;
	d = len ? directory_of(w, &v) : NULL;
	if (!d)
		return;
	name = fa_listing_find(&d->names, v.path + v.prefix, len - v.prefix);
	if (name == FA_LISTING_NONE)
		return;
	if (d != w->last || d->handle != w->last_handle || name != w->last_name)
		learn(w, d, name);
	c->walk = d->handle;
	c->name = name;
	h = habit_of(w, d);
	h->form = (uint8_t)form_of(d, &v);
	/* A descriptor for this one name may be gone when the next one is looked for. */
	if (h->form == OTHERWISE)
		foretell(&v, d, BY_PATH);
	if (op == FA_OPEN) {
		w->opened = true;
		bool directory = d->names.names[name].type == DT_DIR;

		h->oflags[directory] = c->flags;
		if (!directory)
			h->site = fa_site(c->site);
	} else {
		w->statted = true;
		h->follow = follow;
		c->foreseen = in_block(w, d, name, false);
	}
	if (sure(w, d)) {
		w->ahead = true;
		run_ahead(t, w, &v, d, name);
		w->idle = d->flying ? 0 : w->idle + 1;
		if (w->idle > IDLE)
			rest(w, PAUSE);
	}
}

/* ---- is it worth it? ---- */

/* Doubles until the first that was for nothing, then by steps; a quarter less each. */
static void adjust(struct fa_walked *d, bool used)
{
	unsigned depth = d->depth;

	d->flying--;
	d->missed |= !used;
	if (used)
		depth += d->missed ? 1 : depth;
	else
		depth -= depth / 4;
	d->depth = (uint16_t)(depth > FA_WALK_DEPTH ? FA_WALK_DEPTH
			      : depth < DEPTH_FIRST ? DEPTH_FIRST
						    : depth);
}

FA_HIDDEN void fa_walk_dropped(struct fa_thread *t, uint32_t handle, bool used)
{
	struct fa_walk *w = t->walk;
	struct fa_walked *d = by_handle(w, handle);

	if (d)
		adjust(d, used);
	if (!w)
		return;
	t->h.n[used ? FA_N_hits : FA_N_misses]++;
	if (used && w->worth < WORTH_MAX)
		w->worth++;
	else if (used)
		w->pauses = 0; /* it has long been worth it */
	if (!used && --w->worth < -WORTH_MAX)
		pause(w);
}

FA_HIDDEN void fa_walk_useless(struct fa_thread *t)
{
	struct fa_walk *w = t->walk;

	if (w && (w->worth -= 8) < 0)
		pause(w);
}

FA_HIDDEN void fa_walk_stale(struct fa_thread *t)
{
	if (t->walk)
		t->walk->restat++;
}

FA_HIDDEN void fa_walk_disturbed(struct fa_thread *t)
{
	bool flying = false;

	for (unsigned i = 0; t->walk && i < FA_WALK_LISTINGS; i++)
		flying |= t->walk->walked[i].handle && t->walk->walked[i].flying;
	if (flying)
		pause(t->walk);
}
