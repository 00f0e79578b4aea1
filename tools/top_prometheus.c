/* SPDX-License-Identifier: MIT
 *
 * The text format of Prometheus, version 0.0.4: all samples of a metric together, below
 * its HELP and TYPE. Units are seconds, as its conventions want.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "commands.h"
#include "top_format.h"

static void metric(FILE *f, const char *name, const char *type, const char *help)
{
	fprintf(f, "# HELP fuse_aio_%s %s\n# TYPE fuse_aio_%s %s\n", name, help, name,
		type);
}

static void label(FILE *f, const char *name, const char *value)
{
	fprintf(f, "%s=\"", name);
	for (; *value; value++) {
		if (*value == '\\' || *value == '"')
			fputc('\\', f);
		if (*value == '\n')
			fputs("\\n", f);
		else
			fputc(*value, f);
	}
	fputc('"', f);
}

/* Up to the closing brace. */
static void sample(FILE *f, const char *name, const struct view *v)
{
	fprintf(f, "fuse_aio_%s{pid=\"%d\",", name, (int)v->pid);
	label(f, "program", v->program);
}

static void seconds(FILE *f, uint64_t ns)
{
	fprintf(f, "} %" PRIu64 ".%09" PRIu64 "\n", ns / 1000000000U, ns % 1000000000U);
}

static void write_counter(FILE *f, const struct rows *rows, unsigned i)
{
	bool time = i == VIEW_waited_ns;
	char name[64];

	snprintf(name, sizeof(name), "%s_total",
		 time ? "waited_seconds" : view_counters[i].name);
	metric(f, name, "counter",
	       time ? "time waited for futures at their touch" : view_counters[i].help);
	for (size_t r = 0; r < rows->n; r++) {
		const struct view *v = rows->row[r].view;

		if (v->state != VIEW_READ)
			continue;
		sample(f, name, v);
		if (time)
			seconds(f, v->counter[i]);
		else
			fprintf(f, "} %" PRIu64 "\n", v->counter[i]);
	}
}

static void write_fallbacks(FILE *f, const struct rows *rows)
{
	metric(f, "fallbacks_total", "counter", "times that the plain call ran instead");
	for (size_t r = 0; r < rows->n; r++) {
		const struct view *v = rows->row[r].view;

		for (unsigned i = 0; v->state == VIEW_READ && i < VIEW_FALLBACKS; i++) {
			sample(f, "fallbacks_total", v);
			fputc(',', f);
			label(f, "reason", view_fallbacks[i].name);
			fprintf(f, "} %" PRIu64 "\n", v->fallback[i]);
		}
	}
}

static void write_states(FILE *f, const struct rows *rows)
{
	size_t unreadable = rows->hidden + rows->left_out;

	metric(f, "threads", "gauge", "threads that made calls");
	for (size_t r = 0; r < rows->n; r++) {
		unreadable += rows->row[r].view->state != VIEW_READ;
		if (rows->row[r].view->state != VIEW_READ)
			continue;
		sample(f, "threads", rows->row[r].view);
		fprintf(f, "} %u\n", rows->row[r].view->threads);
	}
	metric(f, "off", "gauge", "1 while calls pass through");
	for (size_t r = 0; r < rows->n; r++) {
		const struct view *v = rows->row[r].view;

		if (v->state != VIEW_READ)
			continue;
		sample(f, "off", v);
		fputc(',', f);
		label(f, "mode", view_mode(v->mode));
		fprintf(f, "} %d\n", v->off);
	}
	metric(f, "unreadable_processes", "gauge", "processes that could not be looked at");
	fprintf(f, "fuse_aio_unreadable_processes %zu\n", unreadable);
}

/* One of the two gauges per file system and class of calls. */
static void write_regimes(FILE *f, const struct rows *rows, bool cold)
{
	const char *name = cold ? "cold" : "wait_seconds";

	metric(f, name, "gauge",
	       cold ? "1 while such calls there count as cold"
		    : "moving average of the calls there that waited");
	for (size_t r = 0; r < rows->n; r++) {
		const struct view *v = rows->row[r].view;
		unsigned n = v->state == VIEW_READ ? v->devices * VIEW_OPS : 0;

		for (unsigned i = 0; i < n; i++) {
			const struct view_device *d = &v->device[i / VIEW_OPS];
			unsigned op = i % VIEW_OPS;

			if (!d->op[op].wait_ns)
				continue;
			sample(f, name, v);
			fprintf(f, ",device=\"%u:%u\",", major(d->dev), minor(d->dev));
			label(f, "mountpoint", d->mount);
			fputc(',', f);
			label(f, "op", view_ops[op]);
			if (cold)
				fprintf(f, "} %d\n", d->op[op].cold);
			else
				seconds(f, d->op[op].wait_ns);
		}
	}
}

static int write_all(const struct rows *rows, const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
	int error;

	if (!f) {
		error = errno;
		if (fd >= 0)
			close(fd);
		return -error;
	}
	for (unsigned i = 0; i < VIEW_COUNTERS; i++)
		write_counter(f, rows, i);
	write_fallbacks(f, rows);
	write_states(f, rows);
	write_regimes(f, rows, false);
	write_regimes(f, rows, true);
	error = fflush(f) != 0 || ferror(f) ? errno : 0;
	if (fclose(f) != 0 && !error)
		error = errno;
	return -error;
}

int format_prometheus(const struct rows *rows, const char *file)
{
	sigset_t all, before;
	struct stat st;
	char *path;
	int r;

	if (lstat(file, &st) == 0 && !S_ISREG(st.st_mode))
		return complain("%s is no regular file: name one that may be replaced",
				file);
	if (asprintf(&path, "%s.%d", file, (int)getpid()) < 0)
		return complain("no memory for the name of a file");
	/* A signal that ends us must not leave half a file behind. */
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &before);
	unlink(path); /* of an earlier process of our number */
	r = write_all(rows, path);
	if (r == 0 && rename(path, file) < 0)
		r = -errno;
	if (r < 0)
		unlink(path);
	sigprocmask(SIG_SETMASK, &before, NULL);
	free(path);
	return r < 0 ? complain("%s: %s", file, strerror(-r)) : 0;
}
