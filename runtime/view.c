/* SPDX-License-Identifier: MIT
 *
 * Where `fuse-aio top` finds the counters: the table of fuse_aio_view.h, and the note
 * that leads to it. Nothing here runs.
 */
#include "../include/fuse_aio_view.h"

#include <stddef.h>

#include "hints.h"
#include "process.h"
#include "report.h"

#define ADDRESS(of) ((uint64_t)(uintptr_t)(of))

/* Named in the assembly below only. */
extern const struct fa_view fa_view FA_HIDDEN;

FA_HIDDEN const struct fa_view fa_view __attribute__((used)) = {
	.version = FA_VIEW_VERSION,
	.size = sizeof(struct fa_view),
	.process = ADDRESS(&fa_process),
	.hints = ADDRESS(&fa_hints),
	.program = ADDRESS(fa_program),
	.mode = ADDRESS(&fa_options.mode),
	.off = ADDRESS(&fa_off),
	.threads = offsetof(struct fa_process, threads),
	.next = offsetof(struct fa_thread, next),
	.tid = offsetof(struct fa_thread, tid),
	.counters = offsetof(struct fa_thread, h.n),
	.looked = offsetof(struct fa_thread, h.looked),
	.fallbacks = offsetof(struct fa_thread, fallback),
	.counters_n = FA_COUNTERS,
	.fallbacks_n = FA_FALLBACKS,
	.regimes = offsetof(struct fa_hints, regime),
	.regimes_n = FA_DEVICES,
	.regime_size = sizeof(struct fa_regime),
	.dev = offsetof(struct fa_regime, dev),
	.op = offsetof(struct fa_regime, op),
	.op_n = FA_TIMED_OPS,
	.op_size = sizeof(((struct fa_regime *)0)->op[0]),
	.score = offsetof(struct fa_regime, op[0].score) - offsetof(struct fa_regime, op),
	.wait_ns =
		offsetof(struct fa_regime, op[0].wait_ns) - offsetof(struct fa_regime, op),
	.score_on = FA_SCORE_ON,
};

_Static_assert(sizeof(fa_options.mode) == 4, "read as 32 bits");
_Static_assert(sizeof(fa_off) == 1, "read as a byte");
_Static_assert(FA_VIEW_VERSION == 1, "the note's type says so too");

/* C has no constant for the distance of two objects. */
__asm__(".pushsection .note.fuse_aio, \"a\", %note\n"
	"	.balign 4\n"
	"	.4byte 2f - 1f, 4f - 3f, 1\n" /* sizes of name and description, type */
	"1:	.asciz \"fuse_aio\"\n"
	"2:	.balign 4\n"
	"3:	.8byte fa_view - 3b\n"
	"4:	.popsection\n");
