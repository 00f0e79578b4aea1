/* SPDX-License-Identifier: MIT
 *
 * `fuse-aio report --format json`: everything that a summary has. The HTML page is
 * made of the same.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "commands.h"
#include "devices.h"
#include "flame.h"
#include "formats.h"
#include "text.h"

#define VERSION 1
#define FLAMES_MAX 2000U

json_t *json_number(uint64_t n)
{
	return json_integer(n < INT64_MAX ? (json_int_t)n : INT64_MAX);
}

static void set(json_t *object, const char *key, uint64_t n)
{
	json_object_set_new(object, key, json_number(n));
}

static void set_text(json_t *object, const char *key, const char *text)
{
	json_object_set_new(object, key, json_string(text));
}

json_t *json_times(const struct histogram *h)
{
	json_t *times;

	if (!h || !h->count)
		return json_null();
	times = json_object();
	set(times, "p50", histogram_at(h, 0.50));
	set(times, "p90", histogram_at(h, 0.90));
	set(times, "p99", histogram_at(h, 0.99));
	set(times, "max", h->max);
	return times;
}

static json_t *processes(const struct summary *s)
{
	json_t *array = json_array();

	for (size_t i = 0; i < s->processes.n; i++) {
		const struct process *p = &s->processes.process[i];
		json_t *one = json_object();

		set(one, "process", p->number);
		set(one, "pid", p->pid);
		set(one, "parent", p->parent);
		set_text(one, "program", p->program);
		set_text(one, "mode", process_mode(p));
		set(one, "begin_ns", p->begin);
		json_object_set_new(one, "end_ns",
				    p->end == PROCESSES_NEVER ? json_null()
							      : json_number(p->end));
		json_array_append_new(array, one);
	}
	return array;
}

static json_t *calls(const struct summary *s)
{
	json_t *array = json_array();

	for (unsigned int op = 0; op < OPS_N; op++) {
		const struct call_sum *c = &s->call[op];
		json_t *one;

		if (!c->count)
			continue;
		one = json_object();
		set_text(one, "op", op_names[op]);
		set(one, "count", c->count);
		set(one, "failed", c->failed);
		set(one, "cold", c->cold);
		set(one, "settled", c->settled);
		set(one, "foreseen", c->foreseen);
		set(one, "bytes", c->bytes);
		set(one, "blocked_ns", c->blocked);
		json_object_set_new(one, "ns", json_times(&c->ns));
		json_array_append_new(array, one);
	}
	return array;
}

static json_t *rows(const struct summary *s)
{
	json_t *array = json_array();

	for (size_t i = 0; i < s->rows_n; i++) {
		const struct row *row = &s->rows[i];
		json_t *one = json_object();

		set_text(one, "name", row->name);
		set_text(one, "detail", row->detail);
		set(one, "count", row->tally.count);
		set(one, "cold", row->tally.cold);
		set(one, "bytes", row->tally.bytes);
		set(one, "blocked_ns", row->tally.blocked);
		json_object_set_new(one, "ns", json_times(row->tally.ns));
		json_array_append_new(array, one);
	}
	return array;
}

static json_t *sequences(const struct summary *s)
{
	json_t *array = json_array();
	char signature[256];

	for (size_t i = 0; i < s->sequences_n; i++) {
		const struct sequence *q = &s->sequence[i];
		json_t *one = json_object();

		set_text(one, "signature",
			 summary_signature(signature, sizeof(signature), q->signature));
		set(one, "count", q->tally.count);
		set(one, "bytes", q->tally.bytes);
		set(one, "blocked_ns", q->tally.blocked);
		json_object_set_new(one, "ns", json_times(q->tally.ns));
		json_array_append_new(array, one);
	}
	return array;
}

static json_t *started(const struct summary *s)
{
	json_t *array = json_array();

	for (unsigned int by = 0; by < CHAINS_BY; by++) {
		const struct chain_sum *c = &s->chain[by];
		json_t *one;

		if (!c->count)
			continue;
		one = json_object();
		set_text(one, "by", chain_by_names[by]);
		set(one, "count", c->count);
		for (unsigned int fate = 0; fate < CHAINS_FATE; fate++)
			set(one, chain_fate_names[fate], c->fate[fate]);
		set(one, "bytes", c->bytes);
		json_object_set_new(one, "ready_ns", json_times(&c->ready));
		json_array_append_new(array, one);
	}
	return array;
}

static json_t *chains(const struct summary *s)
{
	json_t *object = json_object(), *spans = json_array();

	for (size_t i = 0; i < s->spans.n; i++) {
		const struct chain_span *span = &s->spans.span[i];
		json_t *one = json_object();

		set(one, "start_ns", span->start);
		json_object_set_new(one, "ready_ns",
				    span->ready ? json_number(span->ready) : json_null());
		set(one, "end_ns", span->end);
		set_text(one, "by", chain_by_names[span->by]);
		set_text(one, "fate", chain_fate_names[span->fate]);
		set_text(one, "file", files_path(&s->files, span->file));
		json_array_append_new(spans, one);
	}
	json_object_set_new(object, "started", started(s));
	json_object_set_new(object, "spans", spans);
	return object;
}

static json_t *held(const struct summary *s)
{
	json_t *object = json_object();

	set(object, "count", s->held);
	set(object, "late", s->late);
	json_object_set_new(object, "ns", json_times(&s->held_ns));
	return object;
}

static json_t *fallbacks(const struct summary *s)
{
	static const char *const help[][2] = {
#define FALLBACK(id, text) { #id, text },
#include "../include/fuse_aio_counters.def"
#undef FALLBACK
	};
	json_t *array = json_array();

	for (unsigned int i = 0; i < FALLBACKS_N; i++) {
		json_t *one;

		if (!s->fallback[i])
			continue;
		one = json_object();
		set_text(one, "reason", help[i][0]);
		set_text(one, "help", help[i][1]);
		set(one, "count", s->fallback[i]);
		json_array_append_new(array, one);
	}
	return array;
}

static json_t *counters(const struct summary *s)
{
	json_t *object = json_object();

#define COUNTER(id, help) set(object, #id, s->counter[COUNTER_##id]);
#include "../include/fuse_aio_counters.def"
#undef COUNTER
	return object;
}

static json_t *regimes(const struct summary *s)
{
	json_t *array = json_array();

	for (size_t i = 0; i < s->regimes_n; i++) {
		const struct regime *r = &s->regime[i];
		char *mount = devices_mount(r->dev);
		json_t *one = json_object();
		char dev[64];

		snprintf(dev, sizeof(dev), "%u:%u", major(r->dev), minor(r->dev));
		set_text(one, "dev", dev);
		json_object_set_new(one, "mount", mount ? json_string(mount) : json_null());
		set_text(one, "op", op_names[r->op]);
		set(one, "wait_ns", r->wait);
		json_object_set_new(one, "cold", json_boolean(r->cold));
		json_array_append_new(array, one);
		free(mount);
	}
	return array;
}

static json_t *estimate(const struct summary *s)
{
	json_t *object = json_object();
	uint64_t wall, left;
	bool gain = summary_gain(s, &wall, &left);

	set(object, "blocked_ns", s->blocked);
	set(object, "hidden_ns", summary_hidden(s));
	set(object, "close_ns", s->estimate.close);
	set(object, "window_ns", s->estimate.window);
	set(object, "walk_ns", s->estimate.walk);
	set(object, "walks", s->estimate.walks);
	json_object_set_new(object, "wall_ns", gain ? json_number(wall) : json_null());
	json_object_set_new(object, "times",
			    gain ? json_real((double)wall / (double)left) : json_null());
	return object;
}

static json_t *histograms(const struct summary *s)
{
	json_t *array = json_array();

	for (unsigned int op = 0; op < OPS_N; op++) {
		json_t *one, *buckets;
		uint64_t low, high;

		if (!s->call[op].count)
			continue;
		one = json_object();
		buckets = json_array();
		for (unsigned int i = 0; i < HISTOGRAM_BUCKETS; i++) {
			if (!s->call[op].ns.bucket[i])
				continue;
			histogram_bounds(i, &low, &high);
			json_array_append_new(
				buckets,
				json_pack("[o,o,o]", json_number(low), json_number(high),
					  json_number(s->call[op].ns.bucket[i])));
		}
		set_text(one, "op", op_names[op]);
		json_object_set_new(one, "buckets", buckets);
		json_array_append_new(array, one);
	}
	return array;
}

static bool level_used(const struct summary *s, unsigned int level)
{
	for (unsigned int step = 0; step < HEAT_STEPS; step++)
		if (s->heat[step][level])
			return true;
	return false;
}

static json_t *heat(const struct summary *s)
{
	json_t *object = json_object(), *levels = json_array(), *lines = json_array();
	unsigned int low = 0, high = HEAT_LEVELS;
	uint64_t steps = s->duration / s->heat_step + 1;

	if (steps > HEAT_STEPS)
		steps = HEAT_STEPS;
	while (low < high && !level_used(s, low))
		low++;
	while (high > low && !level_used(s, high - 1))
		high--;
	for (unsigned int level = low; level < high; level++) {
		json_t *line = json_array();

		for (uint64_t step = 0; step < steps; step++)
			json_array_append_new(line, json_number(s->heat[step][level]));
		json_array_append_new(lines, line);
		json_array_append_new(levels, json_number(1ULL << level));
	}
	set(object, "step_ns", s->heat_step);
	json_object_set_new(object, "levels_ns", levels);
	json_object_set_new(object, "rows", lines);
	return object;
}

static json_t *flames(const struct summary *s)
{
	json_t *array = json_array();
	size_t n;
	struct flame *flame = flame_make(s, &n);

	for (size_t i = 0; i < n && i < FLAMES_MAX; i++) {
		json_t *one = json_object(), *stack = json_array();
		char *rest = flame[i].stack, *part;

		while ((part = strsep(&rest, ";")))
			json_array_append_new(stack, json_string(part));
		json_object_set_new(one, "stack", stack);
		set(one, "blocked_ns", flame[i].blocked);
		set(one, "count", flame[i].count);
		json_array_append_new(array, one);
	}
	flame_free(flame, n);
	return array;
}

static void set_header(const struct summary *s, json_t *object)
{
	const struct recording *r = &s->recording;
	time_t seconds = (time_t)(r->header.time_ns / 1000000000U);
	char *command = text_clean(r->header.command, sizeof(r->header.command));
	char started_at[64] = "";
	struct tm tm;

	if (gmtime_r(&seconds, &tm))
		strftime(started_at, sizeof(started_at), "%Y-%m-%dT%H:%M:%SZ", &tm);
	json_object_set_new(object, "version", json_integer(VERSION));
	set_text(object, "command", command);
	set_text(object, "started", started_at);
	set(object, "duration_ns", s->duration);
	json_object_set_new(object, "complete",
			    json_boolean(r->header.end.cycles && !r->cut));
	json_object_set_new(object, "stacks",
			    json_boolean(r->header.flags & FA_REC_STACKS));
	set(object, "dropped", r->header.dropped);
	set(object, "passed_over", r->passed_over);
	free(command);
}

json_t *summary_json(const struct summary *s)
{
	json_t *object = json_object();

	set_header(s, object);
	json_object_set_new(object, "processes", processes(s));
	json_object_set_new(object, "calls", calls(s));
	set_text(object, "by", summary_by_names[s->by]);
	json_object_set_new(object, "rows", rows(s));
	json_object_set_new(object, "sequences", sequences(s));
	json_object_set_new(object, "chains", chains(s));
	json_object_set_new(object, "held", held(s));
	json_object_set_new(object, "fallbacks", fallbacks(s));
	json_object_set_new(object, "counters", counters(s));
	json_object_set_new(object, "regimes", regimes(s));
	json_object_set_new(object, "estimate", estimate(s));
	json_object_set_new(object, "histograms", histograms(s));
	json_object_set_new(object, "heat", heat(s));
	json_object_set_new(object, "flame", flames(s));
	return object;
}

int format_json(const struct summary *s, FILE *out)
{
	json_t *object = summary_json(s);
	int status = 0;

	if (json_dumpf(object, out, JSON_INDENT(1) | JSON_REAL_PRECISION(6)) != 0 &&
	    !ferror(out))
		status = complain("out of memory");
	else
		fputc('\n', out);
	json_decref(object);
	return status;
}
