/* SPDX-License-Identifier: MIT
 *
 * `fuse-aio top`: the counters of running processes, on a screen, as text, or as files
 * for other programs.
 */
#include <argp.h>
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "commands.h"
#include "screen.h"
#include "top_format.h"

struct options {
	pid_t *pids;
	size_t n;
	double interval;
	int once, json;
	const char *prometheus;
};

enum { ONCE = 0x100, JSON, PROMETHEUS };

static const struct argp_option flags[] = {
	{ "interval", 'i', "SECONDS", 0, "Time from one reading to the next (1)", 0 },
	{ "once", ONCE, NULL, 0, "Two readings, and plain text", 0 },
	{ "json", JSON, NULL, 0, "A line of JSON for each reading", 0 },
	{ "prometheus", PROMETHEUS, "FILE", 0,
	  "Replace FILE at each reading, for node_exporter's textfile collector", 0 },
	{ 0 },
};

static void add_pid(struct argp_state *state, struct options *o, const char *arg)
{
	char *end;
	long pid;

	errno = 0;
	pid = strtol(arg, &end, 10);
	if (errno || *end || end == arg || pid <= 0 || pid > INT32_MAX)
		argp_error(state, "'%s' is no process id", arg);
	if (o->n == SCAN_MAX)
		argp_error(state, "more than %u processes", SCAN_MAX);
	o->pids = reallocarray(o->pids, o->n + 1, sizeof(*o->pids));
	if (!o->pids)
		argp_failure(state, EXIT_FAILURE, ENOMEM, "reading the arguments");
	o->pids[o->n++] = (pid_t)pid;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *o = state->input;
	char *end;

	switch (key) {
	case 'i':
		o->interval = strtod(arg, &end);
		if (*end || end == arg || !(o->interval >= 0.1 && o->interval <= 3600))
			argp_error(state, "--interval takes 0.1 to 3600 seconds, not '%s'",
				   arg);
		return 0;
	case ONCE:
		o->once = 1;
		return 0;
	case JSON:
		o->json = 1;
		return 0;
	case PROMETHEUS:
		o->prometheus = arg;
		return 0;
	case ARGP_KEY_ARG:
		add_pid(state, o, arg);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int read_once(struct scan *scan, struct rows *rows)
{
	int r = scan_begin(scan);

	if (r == 0)
		r = scan_wait(scan, -1);
	if (r > 0)
		r = rows_update(rows, scan_result(scan));
	return r < 0 ? complain("reading processes: %s", strerror(-r)) : 0;
}

static void wait_for(struct timespec *next, double seconds)
{
	long whole = (long)seconds;
	struct timespec now;

	next->tv_sec += whole;
	next->tv_nsec += (long)((seconds - (double)whole) * 1e9);
	if (next->tv_nsec >= 1000000000) {
		next->tv_sec++;
		next->tv_nsec -= 1000000000;
	}
	clock_gettime(CLOCK_MONOTONIC, &now);
	/* After a pause it goes on from now. */
	if (now.tv_sec > next->tv_sec + 1)
		*next = now;
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, next, NULL) == EINTR)
		;
}

/* A process that was asked for by name must be there to be read. */
static int check_asked(const struct options *o, const struct rows *rows)
{
	int status = 0;

	for (size_t i = 0; o->n && i < rows->n; i++) {
		const struct view *v = rows->row[i].view;

		if (v->state == VIEW_GONE)
			status = complain("no process %d", (int)v->pid);
		else if (v->state != VIEW_READ)
			status = complain("process %d (%s) %s", (int)v->pid, v->program,
					  view_trouble(v));
	}
	return status;
}

static int still_there(const struct rows *rows)
{
	for (size_t i = 0; i < rows->n; i++)
		if (rows->row[i].view->state != VIEW_GONE)
			return 1;
	return 0;
}

static int show(const struct options *o, const struct rows *rows)
{
	int status = 0;

	if (o->prometheus)
		status = format_prometheus(rows, o->prometheus);
	if (!status && o->json)
		status = top_json(rows);
	if (!status && !o->json && !o->prometheus)
		status = format_plain(rows);
	return status;
}

/* Without a screen. The first reading is there already. */
static int stream(const struct options *o, struct scan *scan, struct rows *rows)
{
	bool rates = o->json || !o->prometheus;
	struct timespec next;
	int status = 0;

	clock_gettime(CLOCK_MONOTONIC, &next);
	/* Totals alone need no second reading. */
	if (!rates) {
		status = show(o, rows);
		if (status || o->once)
			return status;
	}
	do {
		wait_for(&next, o->interval);
		status = read_once(scan, rows);
		if (!status && o->n && !still_there(rows))
			return o->once ? complain("it has ended between two readings") : 0;
		if (!status) {
			rows_sort(rows, COL_CALLS, false);
			status = show(o, rows);
		}
	} while (!status && !o->once);
	return status;
}

int cmd_top(int argc, char **argv)
{
	const struct argp argp = { flags,
				   parse,
				   "[PID...]",
				   "The counters of running processes that have the "
				   "library; of all of them, or "
				   "of those given. Needs the right to trace them.",
				   NULL,
				   NULL,
				   NULL };
	struct options o = { .interval = 1 };
	struct rows rows = { 0 };
	struct scan *scan;
	int status;

	short_help();
	argp_parse(&argp, argc, argv, 0, NULL, &o);
	setlocale(LC_CTYPE, "");
	scan = scan_new(o.pids, o.n);
	if (!scan)
		return complain("memory for %u processes: %s", SCAN_MAX, strerror(errno));
	status = read_once(scan, &rows);
	if (!status)
		status = check_asked(&o, &rows);
	if (status)
		return status;
	if (o.once || o.json || o.prometheus) {
		status = stream(&o, scan, &rows);
		return ferror(stdout) && errno == EPIPE ? 0 : status;
	}
	return screen_run(scan, &rows, o.interval);
}
