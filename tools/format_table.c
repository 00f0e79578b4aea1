/* SPDX-License-Identifier: MIT
 *
 * `fuse-aio report --format table`: what somebody wants to know first, in the width
 * of the terminal.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "devices.h"
#include "formats.h"
#include "table.h"
#include "text.h"

#define SEQUENCES_MAX 12U
#define RULE                                                                             \
	"Counted: cold closes; first reads after a cold open, as far as there is time "  \
	"between "                                                                       \
	"the two; runs of four and more cold stats or opens in one directory. Cold is "  \
	"what took "                                                                     \
	"at least 100 µs. Not counted: threads that serve requests, which a recording " \
	"does not "                                                                      \
	"show; there `auto` may gain much more."

static void put_header(struct table *t, const struct summary *s)
{
	const struct recording *r = &s->recording;
	time_t seconds = (time_t)(r->header.time_ns / 1000000000U);
	char *command = text_clean(r->header.command, sizeof(r->header.command));
	char text[64] = "", ns[TEXT_NUMBER];
	struct tm tm;

	table_rest(t, command, false);
	table_end(t);
	if (localtime_r(&seconds, &tm))
		strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	fprintf(t->out, "%s, %s, %zu process%s, ", text, text_ns(ns, s->duration),
		s->processes.n, s->processes.n == 1 ? "" : "es");
	fprintf(t->out, "%s calls, ", text_count(text, s->calls));
	fprintf(t->out, "%s in them", text_ns(ns, s->blocked));
	table_end(t);
	free(command);
	if (r->header.dropped)
		table_heading(
			t,
			"INCOMPLETE: the recording was full, %s records were dropped. "
			"Record into a larger one.",
			text_count(text, r->header.dropped));
}

static void put_calls(struct table *t, const struct summary *s)
{
	table_heading(t, "%-9s %12s %8s %7s %9s %9s %9s %9s %9s %9s", "Calls", "count",
		      "failed", "cold", "bytes", "blocked", "p50", "p90", "p99", "max");
	for (unsigned int op = 0; op < OPS_N; op++) {
		const struct call_sum *c = &s->call[op];

		if (!c->count)
			continue;
		table_left(t, 9, op_names[op]);
		table_count(t, 12, c->count);
		table_count(t, 8, c->failed);
		table_share(t, 7, c->cold, c->count);
		table_bytes(t, 9, c->bytes);
		table_ns(t, 9, c->blocked);
		table_ns(t, 9, histogram_at(&c->ns, 0.50));
		table_ns(t, 9, histogram_at(&c->ns, 0.90));
		table_ns(t, 9, histogram_at(&c->ns, 0.99));
		table_ns(t, 9, c->ns.max);
		table_end(t);
	}
}

static void put_tally(struct table *t, const struct tally *tally, uint64_t blocked)
{
	table_ns(t, 9, tally->blocked);
	table_share(t, 7, tally->blocked, blocked);
	table_count(t, 11, tally->count);
	table_share(t, 7, tally->cold, tally->count);
	if (tally->ns) {
		table_ns(t, 8, histogram_at(tally->ns, 0.50));
		table_ns(t, 8, histogram_at(tally->ns, 0.99));
	} else {
		table_right(t, 8, "");
		table_ns(t, 8, tally->max);
	}
}

/* Where there is no histogram, the longest stands for the 99th percentile. */
static const char *last_column(const struct summary *s)
{
	return s->by == BY_FILE ? "max" : "p99";
}

static void put_rows(struct table *t, const struct summary *s)
{
	bool path = s->by == BY_FILE;

	if (s->by == BY_OP || s->by == BY_SEQUENCE || !s->rows_n)
		return;
	table_heading(t, "%9s %7s %11s %7s %8s %8s By %s", "blocked", "share", "count",
		      "cold", path ? "" : "p50", last_column(s), summary_by_names[s->by]);
	for (size_t i = 0; i < s->rows_n; i++) {
		const struct row *row = &s->rows[i];

		put_tally(t, &row->tally, s->blocked);
		table_rest(t, row->name, path);
		table_end(t);
		if (!*row->detail || (s->by == BY_SITE && !strstr(row->detail, " < ")))
			continue;
		table_left(t, 12, "");
		table_rest(t, row->detail, false);
		table_end(t);
	}
	if (s->rows_all > s->rows_n)
		fprintf(t->out, "%9s %zu more; --top N shows N of them\n", "...",
			s->rows_all - s->rows_n);
}

static void put_sequences(struct table *t, const struct summary *s)
{
	size_t n = s->by == BY_SEQUENCE ? s->top : SEQUENCES_MAX;
	char signature[256];

	if (!s->sequences_n)
		return;
	table_heading(t, "%9s %7s %11s %7s %8s %8s Sequences", "blocked", "share", "count",
		      "cold", "p50", "p99");
	for (size_t i = 0; i < s->sequences_n && i < n; i++) {
		put_tally(t, &s->sequence[i].tally, s->blocked);
		table_rest(t,
			   summary_signature(signature, sizeof(signature),
					     s->sequence[i].signature),
			   false);
		table_end(t);
	}
	if (s->sequences_n > n)
		fprintf(t->out, "%9s %zu more; --by sequence --top N shows N of them\n",
			"...", s->sequences_n - n);
}

static void put_chains(struct table *t, const struct summary *s)
{
	bool heading = false;

	for (unsigned int by = 0; by < CHAINS_BY; by++) {
		const struct chain_sum *c = &s->chain[by];

		if (!c->count)
			continue;
		if (!heading)
			table_heading(t, "%-9s %11s %10s %10s %10s %10s %9s %9s %9s",
				      "Chains by", "count", "adopted", "used", "dropped",
				      "failed", "bytes", "ready p50", "p99");
		heading = true;
		table_left(t, 9, chain_by_names[by]);
		table_count(t, 11, c->count);
		for (unsigned int fate = 0; fate < CHAINS_FATE; fate++)
			table_count(t, 10, c->fate[fate]);
		table_bytes(t, 9, c->bytes);
		table_ns(t, 9, histogram_at(&c->ready, 0.50));
		table_ns(t, 9, histogram_at(&c->ready, 0.99));
		table_end(t);
	}
	if (s->held) {
		char held[TEXT_NUMBER], late[TEXT_NUMBER], p50[TEXT_NUMBER],
			p99[TEXT_NUMBER];

		fprintf(t->out,
			"\n%s events of readiness held, p50 %s, p99 %s; %s until their "
			"limit\n",
			text_count(held, s->held),
			text_ns(p50, histogram_at(&s->held_ns, 0.50)),
			text_ns(p99, histogram_at(&s->held_ns, 0.99)),
			text_count(late, s->late));
	}
}

static void put_sums(struct table *t, const struct summary *s)
{
	static const char *const fallback[][2] = {
#define FALLBACK(id, help) { #id, help },
#include "../include/fuse_aio_counters.def"
#undef FALLBACK
	};
	static const char *const counter[][2] = {
#define COUNTER(id, help) { #id, help },
#include "../include/fuse_aio_counters.def"
#undef COUNTER
	};
	bool heading = false;

	for (unsigned int i = 0; i < FALLBACKS_N; i++) {
		if (!s->fallback[i])
			continue;
		if (!heading)
			table_heading(t, "Stepped aside, and why");
		heading = true;
		table_count(t, 12, s->fallback[i]);
		table_left(t, 11, fallback[i][0]);
		table_rest(t, fallback[i][1], false);
		table_end(t);
	}
	heading = false;
	for (unsigned int i = 0; i < COUNTERS_N; i++) {
		if (!s->counter[i])
			continue;
		if (!heading)
			table_heading(t, "Counters");
		heading = true;
		table_count(t, 16, s->counter[i]);
		table_left(t, 11, counter[i][0]);
		table_rest(t, counter[i][1], false);
		table_end(t);
	}
}

static void put_regimes(struct table *t, const struct summary *s)
{
	if (!s->regimes_n)
		return;
	table_heading(t, "%9s %-5s %-9s %8s File systems, as the library learned them",
		      "wait", "", "calls", "device");
	for (size_t i = 0; i < s->regimes_n; i++) {
		const struct regime *r = &s->regime[i];
		char *mount = devices_mount(r->dev), dev[64];

		snprintf(dev, sizeof(dev), "%u:%u", major(r->dev), minor(r->dev));
		table_ns(t, 9, r->wait);
		table_left(t, 5, r->cold ? "cold" : "hot");
		table_left(t, 9, op_names[r->op]);
		table_right(t, 8, dev);
		table_rest(t, mount ? mount : "(not mounted now)", true);
		table_end(t);
		free(mount);
	}
}

static void put_estimate(struct table *t, const struct summary *s)
{
	uint64_t hidden = summary_hidden(s), wall, left;
	char a[TEXT_NUMBER], b[TEXT_NUMBER], c[TEXT_NUMBER], d[TEXT_NUMBER];

	bool running = s->main != MAP_NONE &&
		       !strcmp(process_mode(&s->processes.process[s->main]), "auto");

	table_heading(t, "What `auto` could %shide: %s of %s", running ? "still " : "",
		      text_ns(a, hidden), text_ns(b, s->blocked));
	if (hidden)
		fprintf(t->out, "closes %s, windows %s, walks %s (%s of them)\n",
			text_ns(a, s->estimate.close), text_ns(b, s->estimate.window),
			text_ns(c, s->estimate.walk), text_count(d, s->estimate.walks));
	if (hidden && summary_gain(s, &wall, &left))
		fprintf(t->out, "%s (%u): %s -> %s, %.1f times faster\n",
			s->processes.process[s->main].program,
			s->processes.process[s->main].pid, text_ns(a, wall),
			text_ns(b, left), (double)wall / (double)left);
	table_text(t, RULE);
}

int format_table(const struct summary *s, FILE *out)
{
	struct table t;

	table_init(&t, out);
	put_header(&t, s);
	put_calls(&t, s);
	put_rows(&t, s);
	put_sequences(&t, s);
	put_chains(&t, s);
	put_sums(&t, s);
	put_regimes(&t, s);
	put_estimate(&t, s);
	return 0;
}
