/* SPDX-License-Identifier: MIT
 *
 * `fuse-aio report --format perfetto`: a trace for ui.perfetto.dev, in the JSON of
 * the Trace Event Format (Chrome, "Trace Event Format", 2016): complete events for
 * calls, nestable asynchronous ones for chains and held events, instants for
 * fallbacks. Written while the recording is gone through once more.
 */
#include <stdlib.h>

#include "formats.h"
#include "text.h"

#define FEW_CALLS 100000U
#define SHORT_CALL 1000U /* ns: a shorter one is left out where there are many */

struct trace {
	const struct summary *s;
	FILE *out;
	uint64_t id; /* of the last asynchronous event */
	bool any;
};

static const char *const reasons[] = {
#define FALLBACK(id, text) #id,
#include "../include/fuse_aio_counters.def"
#undef FALLBACK
};

/* Strings are clean: only these two are left to be escaped. */
static void put_string(FILE *out, const char *s)
{
	fputc('"', out);
	for (; *s; s++) {
		if (*s == '"' || *s == '\\')
			fputc('\\', out);
		fputc(*s, out);
	}
	fputc('"', out);
}

/* No larger than readers of JSON take. */
static long long number(uint64_t n)
{
	return n < INT64_MAX ? (long long)n : INT64_MAX;
}

/* ts and dur are in µs. */
static void put_us(FILE *out, const char *key, uint64_t ns)
{
	fprintf(out, ",\"%s\":%llu.%03u", key, (unsigned long long)(ns / 1000),
		(unsigned int)(ns % 1000));
}

static void begin_event(struct trace *t, const char *phase, const char *name, uint32_t pid,
			uint32_t tid)
{
	fprintf(t->out,
		"%s{\"ph\":\"%s\",\"pid\":%u,\"tid\":%u,\"name\":", t->any ? ",\n" : "\n",
		phase, pid, tid);
	put_string(t->out, name);
	t->any = true;
}

static void put_name(struct trace *t, const char *what, uint32_t pid, uint32_t tid,
		     const char *name)
{
	begin_event(t, "M", what, pid, tid);
	fputs(",\"args\":{\"name\":", t->out);
	put_string(t->out, name);
	fputs("}}", t->out);
}

static void put_names(struct trace *t)
{
	const struct processes *p = &t->s->processes;

	for (size_t i = 0; i < p->n; i++)
		put_name(t, "process_name", p->process[i].pid, 0, p->process[i].program);
	for (size_t i = 0; i < p->threads_n; i++) {
		const struct thread *thread = &p->thread[i];
		char *comm = text_clean(p->comm[thread->comm], sizeof(*p->comm));

		put_name(t, "thread_name", p->process[thread->process].pid, thread->tid,
			 comm);
		free(comm);
	}
}

static void put_file(struct trace *t, uint32_t id)
{
	uint32_t file = files_find(&t->s->files, id);

	fputs(",\"args\":{", t->out);
	if (!file)
		return;
	fputs("\"file\":", t->out);
	put_string(t->out, files_path(&t->s->files, file));
	fputc(',', t->out);
}

static void put_call(struct trace *t, const struct fa_rec_block *block,
		     const struct fa_rec_call *c)
{
	const struct recording *r = &t->s->recording;
	uint64_t ns = recording_span(r, (uint64_t)c->took * FA_REC_TOOK);
	uint32_t site = sites_find(t->s->sites, c->site);

	if (c->h.op >= OPS_N || (ns < SHORT_CALL && t->s->calls > FEW_CALLS))
		return;
	begin_event(t, "X", op_names[c->h.op], block->pid, block->tid);
	put_us(t->out, "ts", recording_ns(r, c->start));
	put_us(t->out, "dur", ns);
	fputs(",\"cat\":\"call\"", t->out);
	put_file(t, c->h.id);
	if (site && t->s->sites->site[site].n) {
		fputs("\"site\":", t->out);
		put_string(t->out, sites_frame(t->s->sites, site, 0, NULL));
		fputc(',', t->out);
	}
	if (c->h.flags & FA_REC_SETTLED)
		fputs("\"settled\":true,", t->out);
	if (c->h.flags & FA_REC_FORESEEN)
		fputs("\"foreseen\":true,", t->out);
	fprintf(t->out, "\"%s\":%lld}}", c->h.flags & FA_REC_FAILED ? "errno" : "result",
		(long long)c->value);
}

/* One of the events of an asynchronous slice, which its category and id hold together. */
static void put_async(struct trace *t, const char *phase, const struct fa_rec_block *block,
		      const char *category, const char *name, uint64_t cycles)
{
	begin_event(t, phase, name, block->pid, block->tid);
	put_us(t->out, "ts", recording_ns(&t->s->recording, cycles));
	fprintf(t->out, ",\"cat\":\"%s\",\"id\":\"0x%llx\"", category,
		(unsigned long long)t->id);
}

static void put_chain(struct trace *t, const struct fa_rec_block *block,
		      const struct fa_rec_chain *c)
{
	const char *name;

	if (c->h.op >= CHAINS_BY || c->h.flags >= CHAINS_FATE)
		return;
	name = chain_by_names[c->h.op];
	t->id++;
	put_async(t, "b", block, "chain", name, c->start);
	put_file(t, c->h.id);
	fprintf(t->out, "\"fate\":\"%s\",\"bytes\":%lld}}", chain_fate_names[c->h.flags],
		number(c->bytes));
	if (c->ready) {
		put_async(t, "n", block, "chain", "ready", c->ready);
		fputc('}', t->out);
	}
	put_async(t, "e", block, "chain", name, c->end);
	fputc('}', t->out);
}

static void put_hold(struct trace *t, const struct fa_rec_block *block,
		     const struct fa_rec_hold *h)
{
	t->id++;
	put_async(t, "b", block, "hold", "held", h->start);
	fprintf(t->out, ",\"args\":{\"descriptor\":%u,\"late\":%s}}", h->h.id,
		h->h.flags & 1U ? "true" : "false");
	put_async(t, "e", block, "hold", "held", h->end);
	fputc('}', t->out);
}

static void put_fallback(struct trace *t, const struct fa_rec_block *block,
			 const struct fa_rec_fallback *f)
{
	if (f->h.op >= FALLBACKS_N)
		return;
	begin_event(t, "i", reasons[f->h.op], block->pid, block->tid);
	put_us(t->out, "ts", recording_ns(&t->s->recording, f->when));
	fputs(",\"cat\":\"fallback\",\"s\":\"t\"}", t->out);
}

static bool put(void *data, const struct fa_rec_block *block, const struct fa_rec *rec,
		uint64_t at)
{
	struct trace *t = data;

	(void)at;
	switch (rec->kind) {
	case FA_REC_CALL:
		put_call(t, block, (const struct fa_rec_call *)rec);
		break;
	case FA_REC_CHAIN:
		put_chain(t, block, (const struct fa_rec_chain *)rec);
		break;
	case FA_REC_HOLD:
		put_hold(t, block, (const struct fa_rec_hold *)rec);
		break;
	case FA_REC_FALLBACK:
		put_fallback(t, block, (const struct fa_rec_fallback *)rec);
		break;
	default:
		break;
	}
	return !ferror(t->out);
}

int format_perfetto(const struct summary *s, FILE *out)
{
	struct trace t = { .s = s, .out = out };
	struct recording r = s->recording;
	char *command = text_clean(r.header.command, sizeof(r.header.command));

	fputs("{\"displayTimeUnit\":\"ns\",\"otherData\":{\"command\":", out);
	put_string(out, command);
	fprintf(out, ",\"dropped\":%lld},\"traceEvents\":[", number(r.header.dropped));
	put_names(&t);
	recording_walk(&r, put, &t);
	fputs("\n]}\n", out);
	free(command);
	return 0;
}
