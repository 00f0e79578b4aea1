/* SPDX-License-Identifier: MIT
 *
 * From a process id to its counters: the library's note (view_note.c) leads to the
 * table, and the table to the rest. Every address and every count comes from a process
 * that may lie, end, or become another program: reads are bounded, and at the end the
 * table must still be where and what it was.
 */
#include "view.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "../include/fuse_aio_view.h"
#include "top_proc.h"
#include "top_text.h"
#include "view_note.h"

const struct view_name view_counters[VIEW_COUNTERS] = {
#define COUNTER(id, help) { #id, help },
#include "../include/fuse_aio_counters.def"
#undef COUNTER
};

const struct view_name view_fallbacks[VIEW_FALLBACKS] = {
#define FALLBACK(id, help) { #id, help },
#include "../include/fuse_aio_counters.def"
#undef FALLBACK
};

const char *const view_ops[VIEW_OPS] = {
#define OP(id, name) name,
#include "../include/fuse_aio_ops.def"
#undef OP
};

/* The options' values, split by '|'. */
static const struct {
	const char *id, *values;
} options[] = {
#define OPTION(id, env, type, def, values, help) { #id, values },
#include "../include/fuse_aio_options.def"
#undef OPTION
};

const char *view_mode(uint32_t mode)
{
	static char name[16];
	const char *v = "";

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (!strcmp(options[i].id, "mode"))
			v = options[i].values;
	for (; mode && *v; mode--) {
		v += strcspn(v, "|");
		v += *v == '|';
	}
	snprintf(name, sizeof(name), "%.*s", (int)strcspn(v, "|"), v);
	return *name ? name : NULL;
}

#define MAX_THREADS 32768U
#define MAX_REGIME 4096U

/* A process while it is being read. */
struct target {
	struct view *view;
	pid_t pid;
	int dir;
	struct fa_view table;
};

static enum view_state damaged(struct view *view, const char *why)
{
	snprintf(view->why, sizeof(view->why), "%s", why);
	return VIEW_DAMAGED;
}

/* What the errno of a read of memory means. */
static enum view_state failed(struct view *view)
{
	if (errno == EPERM || errno == EACCES)
		return VIEW_DENIED;
	if (errno == ESRCH)
		return VIEW_GONE;
	return damaged(view, "addresses in it lead nowhere");
}

static bool read_at(pid_t pid, uint64_t at, void *to, size_t size)
{
	struct iovec here = { to, size }, there = memory_range(at, size);
	ssize_t n = process_vm_readv(pid, &here, 1, &there, 1, 0);

	if (n >= 0 && (size_t)n < size)
		errno = EFAULT;
	return n == (ssize_t)size;
}

/* ---- the table ---- */

static bool inside(uint64_t offset, uint64_t size, uint64_t of)
{
	return offset + size <= of;
}

static enum view_state check_table(struct view *view, const struct fa_view *t)
{
	uint64_t classes = (uint64_t)t->op_size * (t->op_n ? t->op_n - 1 : 0);

	if (t->version != FA_VIEW_VERSION || t->size != sizeof(*t) ||
	    t->counters_n != VIEW_COUNTERS || t->fallbacks_n != VIEW_FALLBACKS) {
		snprintf(view->why, sizeof(view->why),
			 "version %u, %u counters; this tool: version %u, %u counters",
			 t->version, t->counters_n, FA_VIEW_VERSION,
			 (unsigned)VIEW_COUNTERS);
		return VIEW_STRANGE;
	}
	if (t->regimes_n > VIEW_DEVICES || t->op_n > VIEW_OPS ||
	    t->regime_size > MAX_REGIME || !inside(t->dev, 8, t->regime_size) ||
	    !inside(t->op + classes + t->score, 4, t->regime_size) ||
	    !inside(t->op + classes + t->wait_ns, 4, t->regime_size))
		return damaged(view, "sizes in its table cannot be");
	return VIEW_READ;
}

static enum view_state find_table(struct target *t)
{
	struct view *view = t->view;
	uint64_t note = 0, offset;
	enum view_state state = view_find_note(t->pid, t->dir, &note);

	if (state != VIEW_READ)
		return state;
	if (!read_at(t->pid, note, &offset, sizeof(offset)) ||
	    !read_at(t->pid, note + offset, &t->table, sizeof(t->table)))
		return failed(view);
	view->image = note + offset;
	return check_table(view, &t->table);
}

static enum view_state read_options(struct target *t)
{
	struct view *view = t->view;
	char name[64] = "";
	unsigned char off;

	if (!read_at(t->pid, t->table.mode, &view->mode, sizeof(view->mode)) ||
	    !read_at(t->pid, t->table.off, &off, sizeof(off)) ||
	    !read_at(t->pid, t->table.program, name, sizeof(name)))
		return failed(view);
	if (!view_mode(view->mode))
		return damaged(view, "its mode has no name");
	view->off = off != 0;
	name[sizeof(name) - 1] = '\0';
	if (*name) /* else the library has not started in it: the kernel's name is there */
		text_safe(view->program, sizeof(view->program), name);
	return VIEW_READ;
}

/* Of one thread. */
struct sums {
	uint64_t next, looked, counter[VIEW_COUNTERS], fallback[VIEW_FALLBACKS];
};

static bool read_thread(struct target *t, uint64_t at, struct sums *s)
{
	const struct iovec here[] = { { &s->next, sizeof(s->next) },
				      { &s->looked, sizeof(s->looked) },
				      { s->counter, sizeof(s->counter) },
				      { s->fallback, sizeof(s->fallback) } };
	const struct iovec there[] = {
		memory_range(at + t->table.next, sizeof(s->next)),
		memory_range(at + t->table.looked, sizeof(s->looked)),
		memory_range(at + t->table.counters, sizeof(s->counter)),
		memory_range(at + t->table.fallbacks, sizeof(s->fallback))
	};
	ssize_t n = process_vm_readv(t->pid, here, 4, there, 4, 0);

	if (n >= 0 && (size_t)n < sizeof(*s))
		errno = EFAULT;
	return n == (ssize_t)sizeof(*s);
}

/* False: nobody has counted that far. */
static bool sum(uint64_t *all, const uint64_t *more, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (more[i] > INT64_MAX - all[i])
			return false;
		all[i] += more[i];
	}
	return true;
}

static enum view_state read_threads(struct target *t, uint64_t process)
{
	struct view *view = t->view;
	struct sums s = { 0 };
	uint64_t at;

	if (!read_at(t->pid, process + t->table.threads, &at, sizeof(at)))
		return failed(view);
	for (; at; at = s.next) {
		if (view->threads++ == MAX_THREADS)
			return damaged(view, "its list of threads does not end");
		if (!read_thread(t, at, &s))
			return failed(view);
		/* What passes through counts one thing only. */
		if (s.counter[VIEW_calls] > s.looked)
			s.counter[VIEW_passthrough] += s.counter[VIEW_calls] - s.looked;
		if (!sum(view->counter, s.counter, VIEW_COUNTERS) ||
		    !sum(view->fallback, s.fallback, VIEW_FALLBACKS))
			return damaged(view, "its counts cannot be");
	}
	return VIEW_READ;
}

/* ---- what is learned ---- */

static void add_device(struct target *t, const char *regime)
{
	const struct fa_view *table = &t->table;
	struct view_device *d = &t->view->device[t->view->devices];
	char mount[sizeof(d->mount)];
	bool waited = false;

	memset(d, 0, sizeof(*d));
	memcpy(&d->dev, regime + table->dev, sizeof(d->dev));
	for (unsigned i = 0; d->dev && i < table->op_n; i++) {
		const char *class = regime + table->op + (size_t)i * table->op_size;
		uint32_t score;

		memcpy(&score, class + table->score, sizeof(score));
		memcpy(&d->op[i].wait_ns, class + table->wait_ns, sizeof(d->op[i].wait_ns));
		d->op[i].cold = d->op[i].wait_ns && score >= table->score_on;
		waited |= d->op[i].wait_ns != 0;
	}
	if (!waited)
		return;
	if (proc_mount(t->dir, d->dev, mount, sizeof(mount)))
		text_safe(d->mount, sizeof(d->mount), mount);
	t->view->devices++;
}

static enum view_state read_hints(struct target *t)
{
	static char regimes[VIEW_DEVICES * MAX_REGIME];
	const struct fa_view *table = &t->table;
	size_t size = (size_t)table->regimes_n * table->regime_size;
	uint64_t hints;

	if (!read_at(t->pid, table->hints, &hints, sizeof(hints)))
		return failed(t->view);
	if (!hints || !size)
		return VIEW_READ;
	if (!read_at(t->pid, hints + table->regimes, regimes, size))
		return failed(t->view);
	for (unsigned i = 0; i < table->regimes_n; i++)
		add_device(t, regimes + (size_t)i * table->regime_size);
	return VIEW_READ;
}

/* ---- all ---- */

static enum view_state read_all(struct target *t)
{
	uint64_t process;
	enum view_state state = find_table(t);

	if (state == VIEW_READ)
		state = read_options(t);
	if (state != VIEW_READ)
		return state;
	if (!read_at(t->pid, t->table.process, &process, sizeof(process)))
		return failed(t->view);
	if (process)
		state = read_threads(t, process);
	return state == VIEW_READ ? read_hints(t) : state;
}

/* Is it still the program that it was? */
static bool unchanged(struct target *t)
{
	struct fa_view again;

	return read_at(t->pid, t->view->image, &again, sizeof(again)) &&
	       !memcmp(&again, &t->table, sizeof(again));
}

static void begin(struct view *view, pid_t pid, const struct proc_who *who)
{
	struct timespec now;

	memset(view, 0, offsetof(struct view, device));
	clock_gettime(CLOCK_MONOTONIC, &now);
	view->when = (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
	view->pid = pid;
	if (who) {
		view->start = who->start;
		text_safe(view->program, sizeof(view->program), who->name);
	}
}

void view_who(struct view *view, pid_t pid)
{
	struct proc_who who;
	int dir = proc_open(pid);
	bool known = dir >= 0 && proc_who(dir, &who) == 0 && who.state != 'Z';

	begin(view, pid, known ? &who : NULL);
	view->state = known ? VIEW_SILENT : VIEW_GONE;
	if (dir >= 0)
		close(dir);
}

void view_read(struct view *view, pid_t pid)
{
	struct target t = { view, pid, proc_open(pid), { 0 } };
	struct proc_who who;

	/* A second time, when it has become another program meanwhile. */
	for (int i = 0; i < 3; i++) {
		bool known = t.dir >= 0 && proc_who(t.dir, &who) == 0 && who.state != 'Z';

		begin(view, pid, known ? &who : NULL);
		view->state = known ? read_all(&t) : VIEW_GONE;
		if (view->state != VIEW_READ && view->state != VIEW_DAMAGED)
			break;
		if (unchanged(&t))
			break;
		view->state = damaged(view, "it changes all the time");
	}
	/* The directory says nothing any more once the id may be another process'. */
	if (t.dir >= 0 && view->state != VIEW_GONE && proc_who(t.dir, &who) != 0)
		view->state = VIEW_GONE;
	if (t.dir >= 0)
		close(t.dir);
}

const char *view_trouble(const struct view *view)
{
	static char line[192];

	switch (view->state) {
	case VIEW_READ:
		return "";
	case VIEW_GONE:
		return "has ended";
	case VIEW_NO_LIBRARY:
		return "does not have the library: start it with 'fuse-aio run -- COMMAND'";
	case VIEW_DENIED:
	case VIEW_HIDDEN:
		if (geteuid() == 0)
			return "not permitted: it may not be traced from here (container, "
			       "lockdown)";
		if (view->state == VIEW_HIDDEN)
			return "not permitted: another user's, or its program is "
			       "protected; "
			       "run this as root";
		return "not permitted: run this as root, or set kernel.yama.ptrace_scope "
		       "to 0";
	case VIEW_SILENT:
		return "does not let itself be read: an attempt failed or did not end";
	case VIEW_STRANGE:
		snprintf(line, sizeof(line),
			 "has another version of the library (%s); use its "
			 "own fuse-aio",
			 view->why);
		return line;
	case VIEW_DAMAGED:
		snprintf(line, sizeof(line), "cannot be read: %s", view->why);
		return line;
	}
	return "";
}
