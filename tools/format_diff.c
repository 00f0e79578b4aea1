/* SPDX-License-Identifier: MIT
 *
 * Two recordings beside each other: per class of calls and per sequence; and, where
 * the first was made without help and the second with it, what was expected and what
 * was gained.
 */
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "formats.h"
#include "memory.h"
#include "table.h"
#include "text.h"

/* What is compared: a NULL side has none. */
struct pair {
	const char *name;
	const struct histogram *ns[2];
	uint64_t count[2], blocked[2];
};

struct pairs {
	struct pair *pair;
	char **signature; /* that names of pairs point to */
	size_t calls, n;
};

static void add_calls(struct pairs *p, const struct summary *const side[2])
{
	for (unsigned int op = 0; op < OPS_N; op++) {
		struct pair *pair = &p->pair[p->n];

		*pair = (struct pair){ .name = op_names[op] };
		for (int i = 0; i < 2; i++) {
			pair->count[i] = side[i]->call[op].count;
			pair->blocked[i] = side[i]->call[op].blocked;
			pair->ns[i] = &side[i]->call[op].ns;
		}
		p->n += pair->count[0] || pair->count[1];
	}
	p->calls = p->n;
}

static void add_sequence(struct pairs *p, struct map *known, const struct sequence *q,
			 int i)
{
	uint32_t index = map_put(known, q->signature, (uint32_t)p->n);
	struct pair *pair = &p->pair[index];
	char text[256];

	if (index == p->n) {
		summary_signature(text, sizeof(text), q->signature);
		p->signature[p->n - p->calls] = text_format("%s", text);
		pair->name = p->signature[p->n++ - p->calls];
	}
	pair->count[i] = q->tally.count;
	pair->blocked[i] = q->tally.blocked;
	pair->ns[i] = q->tally.ns;
}

/* Those of the first in its order, then those that only the second has. */
static void make_pairs(struct pairs *p, const struct summary *const side[2])
{
	size_t sequences = side[0]->sequences_n + side[1]->sequences_n;
	struct map known = { 0 };

	*p = (struct pairs){ 0 };
	p->pair = need(OPS_N + sequences, sizeof(*p->pair));
	p->signature = need(sequences, sizeof(*p->signature));
	add_calls(p, side);
	for (int i = 0; i < 2; i++)
		for (size_t q = 0; q < side[i]->sequences_n; q++)
			add_sequence(p, &known, &side[i]->sequence[q], i);
	map_free(&known);
}

static void free_pairs(struct pairs *p)
{
	for (size_t i = p->calls; i < p->n; i++)
		free(p->signature[i - p->calls]);
	free(p->signature);
	free(p->pair);
}

static uint64_t at(const struct histogram *h, double share)
{
	return h ? histogram_at(h, share) : 0;
}

/* ---- table ---- */

static void put_side(struct table *t, const struct pair *p, int i)
{
	if (!p->count[i]) {
		table_right(t, 36, "-  ");
		return;
	}
	table_count(t, 10, p->count[i]);
	table_ns(t, 8, at(p->ns[i], 0.50));
	table_ns(t, 8, at(p->ns[i], 0.99));
	table_ns(t, 7, p->blocked[i]);
}

static void put_pairs(struct table *t, const struct pair *p, size_t n, const char *title)
{
	static const char columns[] = "%10s %8s %8s %7s %10s %8s %8s %7s %6s %s";

	if (!n)
		return;
	table_heading(t, "%27s %36s", "A", "B");
	fprintf(t->out, columns, "count", "p50", "p99", "blocked", "count", "p50", "p99",
		"blocked", "A : B", title);
	table_end(t);
	for (size_t i = 0; i < n; i++) {
		char ratio[TEXT_NUMBER] = "";

		put_side(t, &p[i], 0);
		put_side(t, &p[i], 1);
		if (p[i].blocked[0] && p[i].blocked[1])
			snprintf(ratio, sizeof(ratio), "%.2f",
				 (double)p[i].blocked[0] / (double)p[i].blocked[1]);
		table_right(t, 6, ratio);
		table_rest(t, p[i].name, false);
		table_end(t);
	}
}

static void put_gain(struct table *t, const struct summary *const side[2])
{
	char a[TEXT_NUMBER], b[TEXT_NUMBER];
	uint64_t wall, left;

	table_heading(t, "In calls: %s in A, %s in B", text_ns(a, side[0]->blocked),
		      text_ns(b, side[1]->blocked));
	fprintf(t->out, "hidden, as estimated from A:  %s\n",
		text_ns(a, summary_hidden(side[0])));
	fprintf(t->out, "gained in B:                  %s%s\n",
		side[1]->blocked > side[0]->blocked ? "-" : "",
		text_ns(a, side[1]->blocked > side[0]->blocked
				   ? side[1]->blocked - side[0]->blocked
				   : side[0]->blocked - side[1]->blocked));
	if (!summary_gain(side[0], &wall, &left) || side[1]->main == MAP_NONE)
		return;
	fprintf(t->out, "%s: ", side[0]->processes.process[side[0]->main].program);
	fprintf(t->out, "%s in A, estimated %s, ", text_ns(a, wall), text_ns(b, left));
	fprintf(t->out, "%s in B\n",
		text_ns(a, summary_wall(&side[1]->processes.process[side[1]->main])));
}

int format_diff_table(const struct summary *a, const struct summary *b, FILE *out)
{
	const struct summary *const side[2] = { a, b };
	struct pairs p;
	struct table t;

	table_init(&t, out);
	for (int i = 0; i < 2; i++) {
		char *command = text_clean(side[i]->recording.header.command,
					   sizeof(side[i]->recording.header.command));

		table_left(&t, 2, i ? "B" : "A");
		table_left(&t, 30, side[i]->recording.path);
		table_rest(&t, command, false);
		table_end(&t);
		free(command);
	}
	make_pairs(&p, side);
	put_pairs(&t, p.pair, p.calls, "Calls");
	put_pairs(&t, p.pair + p.calls, p.n - p.calls, "Sequences");
	free_pairs(&p);
	put_gain(&t, side);
	return 0;
}

/* ---- JSON ---- */

static json_t *pairs_json(const struct pair *p, size_t n, const char *key)
{
	json_t *array = json_array();

	for (size_t i = 0; i < n; i++) {
		json_t *one = json_object();

		json_object_set_new(one, key, json_string(p[i].name));
		for (int s = 0; s < 2; s++)
			json_object_set_new(one, s ? "b" : "a",
					    json_pack("{s:o,s:o,s:o}", "count",
						      json_number(p[i].count[s]),
						      "blocked_ns",
						      json_number(p[i].blocked[s]), "ns",
						      json_times(p[i].ns[s])));
		json_object_set_new(one, "ratio",
				    p[i].blocked[0] && p[i].blocked[1]
					    ? json_real((double)p[i].blocked[0] /
							(double)p[i].blocked[1])
					    : json_null());
		json_array_append_new(array, one);
	}
	return array;
}

static json_t *side_json(const struct summary *s)
{
	uint64_t wall, left;
	bool gain = summary_gain(s, &wall, &left);
	json_t *one = json_object();

	json_object_set_new(one, "file", json_string(s->recording.path));
	json_object_set_new(one, "duration_ns", json_number(s->duration));
	json_object_set_new(one, "blocked_ns", json_number(s->blocked));
	json_object_set_new(one, "hidden_ns", json_number(summary_hidden(s)));
	json_object_set_new(one, "wall_ns",
			    s->main == MAP_NONE ? json_null()
						: json_number(summary_wall(
							  &s->processes.process[s->main])));
	json_object_set_new(one, "estimated_wall_ns",
			    gain ? json_number(left) : json_null());
	return one;
}

int format_diff_json(const struct summary *a, const struct summary *b, FILE *out)
{
	const struct summary *const side[2] = { a, b };
	json_t *object = json_object();
	int64_t gained = (int64_t)a->blocked - (int64_t)b->blocked;
	struct pairs p;
	int status = 0;

	make_pairs(&p, side);
	json_object_set_new(object, "version", json_integer(1));
	json_object_set_new(object, "a", side_json(a));
	json_object_set_new(object, "b", side_json(b));
	json_object_set_new(object, "gained_ns", json_integer(gained));
	json_object_set_new(object, "calls", pairs_json(p.pair, p.calls, "op"));
	json_object_set_new(object, "sequences",
			    pairs_json(p.pair + p.calls, p.n - p.calls, "signature"));
	free_pairs(&p);
	if (json_dumpf(object, out, JSON_INDENT(1) | JSON_REAL_PRECISION(6)) != 0 &&
	    !ferror(out))
		status = complain("out of memory");
	else
		fputc('\n', out);
	json_decref(object);
	return status;
}
