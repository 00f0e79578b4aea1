/* SPDX-License-Identifier: MIT
 *
 * What is recorded of calls, sequences, chains and held events.
 */
#include <errno.h>

#include "record.h"

static uint32_t took(uint64_t cycles)
{
	cycles /= FA_REC_TOOK;
	return cycles > UINT32_MAX ? UINT32_MAX : (uint32_t)cycles;
}

/* `end`: what is recorded here takes time, too. */
static void put_call(struct fa_thread *t, const struct fa_call *c, uint64_t end,
		     enum fa_op op, uint32_t file, int64_t result, unsigned flags)
{
	struct fa_rec_call r = {
		.h = { .op = (uint8_t)op,
		       .flags = (uint8_t)(flags | (result < 0 ? FA_REC_FAILED : 0)),
		       .id = file },
		.start = c->start,
		.took = took(end - c->start),
		.value = result < 0 ? (uint64_t)errno : (uint64_t)result
	};

	fa_record_put(t, FA_REC_CALL, &r, sizeof(r), &r.site, c->site);
}

/* Where the kernel could not read the path, neither can this. */
static uint32_t file_of(struct fa_thread *t, const struct fa_call *c, int result, int fd,
			const struct fa_identity *id)
{
	if (!c->path || (result < 0 && errno == EFAULT))
		return 0;
	return fa_record_file(t, c->fd, c->path, fd, id);
}

FA_HIDDEN uint32_t fa_record_path(struct fa_thread *t, const struct fa_call *c, int result,
				  const struct fa_identity *id, unsigned flags)
{
	uint64_t end = fa_cycles();
	uint32_t file = file_of(t, c, result, id ? -1 : result, id);

	put_call(t, c, end, id ? FA_STAT : FA_OPEN, file, result, flags);
	return file;
}

FA_HIDDEN void fa_record_no_stat(struct fa_thread *t, const struct fa_call *c)
{
	uint64_t end = fa_cycles();

	put_call(t, c, end, FA_STAT, file_of(t, c, -1, -1, NULL), -1, 0);
}

FA_HIDDEN void fa_record_use(const struct fa_call *c, enum fa_op op, int64_t result,
			     unsigned flags)
{
	put_call(fa_thread_of(c->t), c, fa_cycles(), op, c->f->file, result, flags);
}

FA_HIDDEN void fa_record_close(const struct fa_call *c, unsigned flags)
{
	put_call(fa_thread_of(c->t), c, fa_cycles(), FA_CLOSE, c->file, 0, flags);
}

FA_HIDDEN void fa_record_sequence(struct fa_thread *t, const struct fa_fd *f)
{
	struct fa_rec_sequence s = { .h.id = f->file,
				     .start = f->opened - f->cycles[FA_OPEN],
				     .end = fa_cycles(),
				     .signature = f->signature,
				     .bytes = f->bytes,
				     .calls = f->steps + 2 };

	for (unsigned i = 0; i < FA_OPS; i++)
		s.blocked += f->cycles[i];
	fa_record_put(t, FA_REC_SEQUENCE, &s, sizeof(s), &s.site, f->at[FA_OPEN]);
}

FA_HIDDEN void fa_record_chain(struct fa_thread *t, const struct fa_chain *c)
{
	bool warm = c->warms || (c->walk && !c->opens);
	struct fa_rec_chain r = { .start = c->started,
				  .ready = c->ready,
				  .end = fa_cycles(),
				  .bytes = c->window };

	r.h.op = c->walk ? FA_REC_BY_WALK : c->staged ? FA_REC_BY_REQUEST : FA_REC_BY_STAT;
	r.h.flags = c->used			  ? (warm ? FA_REC_USED : FA_REC_ADOPTED)
		    : c->state == FA_CHAIN_FAILED ? FA_REC_FAILURE
						  : FA_REC_DROPPED;
	r.h.id = fa_record_file(t, c->dirfd, c->path, -1, c->file.ino ? &c->file : NULL);
	fa_record_put(t, FA_REC_CHAIN, &r, sizeof(r), NULL, 0);
}

FA_HIDDEN void fa_record_window(struct fa_thread *t, const struct fa_fd *f, bool used)
{
	uint64_t now = fa_cycles();
	struct fa_rec_chain r = { .h = { .op = FA_REC_BY_OPEN,
					 .flags = used ? FA_REC_USED : FA_REC_DROPPED,
					 .id = f->file },
				  .start = f->opened,
				  .end = now };

	fa_record_put(t, FA_REC_CHAIN, &r, sizeof(r), NULL, 0);
}

FA_HIDDEN void fa_record_hold(struct fa_thread *t, int fd, uint64_t since, bool late)
{
	struct fa_rec_hold h = { .h = { .flags = late, .id = (uint32_t)fd },
				 .start = since,
				 .end = fa_cycles() };

	fa_record_put(t, FA_REC_HOLD, &h, sizeof(h), NULL, 0);
}

FA_HIDDEN void fa_record_fallback(struct fa_thread *t, enum fa_fallback why)
{
	struct fa_rec_fallback f = { .h.op = (uint8_t)why, .when = fa_cycles() };

	fa_record_put(t, FA_REC_FALLBACK, &f, sizeof(f), NULL, 0);
}
