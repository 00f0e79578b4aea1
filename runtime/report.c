/* SPDX-License-Identifier: MIT
 *
 * Log and statistics, written with one write each, so that lines of processes
 * that share a file never mix.
 */
#include "report.h"

#include <string.h>
#include <sys/sysmacros.h>

#include "hints.h"
#include "own.h"
#include "probe.h"
#include "record.h"
#include "sys.h"
#include "text.h"

FA_HIDDEN char fa_program[64];

static const char *const counter_name[FA_COUNTERS] = {
#define COUNTER(id, help) #id,
#include "../include/fuse_aio_counters.def"
#undef COUNTER
};

static const char *const fallback_name[FA_FALLBACKS] = {
#define FALLBACK(id, help) #id,
#include "../include/fuse_aio_counters.def"
#undef FALLBACK
};

static const char *const fallback_help[FA_FALLBACKS] = {
#define FALLBACK(id, help) help,
#include "../include/fuse_aio_counters.def"
#undef FALLBACK
};

static const char *const op_name[FA_OPS] = {
#define OP(id, name) name,
#include "../include/fuse_aio_ops.def"
#undef OP
};
static const char *const mode_name[] = { "auto", "observe", "off", "fuse" };

FA_HIDDEN void fa_log(const char *what, const char *why)
{
	char line[512];
	struct fa_text t = { line, sizeof(line) - 1, 0 };

	fa_text_str(&t, "libfuse_aio[");
	fa_text_num(&t, (uint64_t)fa_pid);
	fa_text_str(&t, "] ");
	fa_text_str(&t, fa_program);
	fa_text_str(&t, ": ");
	fa_text_str(&t, what);
	fa_text_str(&t, ": ");
	fa_text_str(&t, why);
	line[t.len++] = '\n';
	fa_own_write(FA_OWN_LOG, line, t.len);
}

FA_HIDDEN void fa_fallback(struct fa_thread *t, enum fa_fallback why)
{
	uint32_t bit = 1U << why;

	t->fallback[why]++;
	FA_PROBE2(fallback, why, fallback_name[why]);
	if (fa_unlikely(fa_recording))
		fa_record_fallback(t, why);
	if (!(__atomic_fetch_or(&fa_process->logged, bit, __ATOMIC_RELAXED) & bit))
		fa_log(fallback_name[why], fallback_help[why]);
}

static void name(struct fa_text *t, const char *s)
{
	fa_text_char(t, '"');
	fa_text_str(t, s);
	fa_text_str(t, "\":");
}

FA_HIDDEN void fa_stats_sum(uint64_t *counter, uint64_t *fallback)
{
	for (struct fa_thread *th = fa_process->threads; th; th = th->next) {
		for (unsigned i = 0; i < FA_COUNTERS; i++)
			counter[i] += __atomic_load_n(&th->h.n[i], __ATOMIC_RELAXED);
		for (unsigned i = 0; i < FA_FALLBACKS; i++)
			fallback[i] += __atomic_load_n(&th->fallback[i], __ATOMIC_RELAXED);
		/* What passes through counts one thing only. */
		counter[FA_N_passthrough] += th->h.n[FA_N_calls] - th->h.looked;
	}
}

/* Counters that stand together in an object of the line. */
static const struct {
	const char *begins;
	bool ends;
} group[FA_COUNTERS] = {
	[FA_N_created] = { "futures", false },	 [FA_N_waited_ns] = { NULL, true },
	[FA_N_peeks] = { "events", false },	 [FA_N_put_off] = { NULL, true },
	[FA_N_promised] = { "promises", false }, [FA_N_broken] = { NULL, true },
};

static void counters(struct fa_text *t, const uint64_t *sum)
{
	for (unsigned i = 0; i < FA_COUNTERS; i++) {
		if (group[i].begins) {
			name(t, group[i].begins);
			fa_text_char(t, '{');
		}
		name(t, counter_name[i]);
		fa_text_num(t, sum[i]);
		fa_text_str(t, group[i].ends ? "}," : ",");
	}
}

static void regimes(struct fa_text *t)
{
	bool first = true;

	name(t, "regimes");
	fa_text_char(t, '[');
	for (unsigned i = 0; fa_hints && i < FA_DEVICES * FA_TIMED_OPS; i++) {
		const struct fa_regime *r = &fa_hints->regime[i / FA_TIMED_OPS];
		unsigned op = i % FA_TIMED_OPS;

		if (!r->dev || !r->op[op].wait_ns || t->len > t->size - 640)
			continue;
		fa_text_str(t, first ? "{" : ",{");
		first = false;
		name(t, "dev");
		fa_text_char(t, '"');
		fa_text_num(t, major(r->dev));
		fa_text_char(t, ':');
		fa_text_num(t, minor(r->dev));
		fa_text_str(t, "\",");
		name(t, "op");
		fa_text_quoted(t, op_name[op]);
		fa_text_char(t, ',');
		name(t, "wait_ns");
		fa_text_num(t, r->op[op].wait_ns);
		fa_text_char(t, ',');
		name(t, "cold");
		fa_text_str(t, fa_regime_cold(r->dev, (enum fa_op)op) ? "true}" : "false}");
	}
	fa_text_str(t, "],");
}

static void fallbacks(struct fa_text *t, const uint64_t *sum)
{
	bool first = true;

	name(t, "fallbacks");
	fa_text_char(t, '{');
	for (unsigned i = 0; i < FA_FALLBACKS; i++) {
		if (!sum[i])
			continue;
		if (!first)
			fa_text_char(t, ',');
		first = false;
		name(t, fallback_name[i]);
		fa_text_num(t, sum[i]);
	}
	fa_text_char(t, '}');
}

FA_HIDDEN void fa_stats_write(void)
{
	uint64_t counter[FA_COUNTERS] = { 0 }, fallback[FA_FALLBACKS] = { 0 };
	char line[8192];
	struct fa_text t = { line, sizeof(line) - 2, 0 };

	fa_stats_sum(counter, fallback);
	fa_text_str(&t, "{\"version\":1,");
	name(&t, "mode");
	fa_text_quoted(&t, mode_name[fa_options.mode]);
	fa_text_char(&t, ',');
	name(&t, "pid");
	fa_text_num(&t, (uint64_t)fa_pid);
	fa_text_char(&t, ',');
	name(&t, "comm");
	fa_text_quoted(&t, fa_program);
	fa_text_char(&t, ',');
	counters(&t, counter);
	regimes(&t);
	fallbacks(&t, fallback);
	line[t.len++] = '}';
	line[t.len++] = '\n';
	fa_own_write(FA_OWN_STATS, line, t.len);
}
