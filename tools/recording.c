/* SPDX-License-Identifier: MIT
 *
 * Reading recordings. Plain reads into a buffer instead of a mapping: the recording
 * may still be written to or cut short under our hands, and what was read does not
 * count as our memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "commands.h"
#include "memory.h"
#include "progress.h"
#include "recording.h"

#define WINDOW 16U /* blocks read at once */

/* Units of 8 bytes that a record of each kind has at least. */
static const uint8_t least_words[] = {
	[FA_REC_CALL] = sizeof(struct fa_rec_call) / 8,
	[FA_REC_SEQUENCE] = sizeof(struct fa_rec_sequence) / 8,
	[FA_REC_CHAIN] = sizeof(struct fa_rec_chain) / 8,
	[FA_REC_HOLD] = sizeof(struct fa_rec_hold) / 8,
	[FA_REC_FALLBACK] = sizeof(struct fa_rec_fallback) / 8,
	[FA_REC_FILE] = sizeof(struct fa_rec_file) / 8,
	[FA_REC_SITE] = sizeof(struct fa_rec_site) / 8,
	[FA_REC_MODULE] = sizeof(struct fa_rec_module) / 8,
	[FA_REC_PROCESS] = sizeof(struct fa_rec_process) / 8,
	[FA_REC_COUNTERS] = sizeof(struct fa_rec_counters) / 8,
	[FA_REC_REGIME] = sizeof(struct fa_rec_regime) / 8,
	[FA_REC_THREAD] = sizeof(struct fa_rec) / 8,
};

size_t recording_read(const struct recording *r, uint64_t at, void *to, size_t n)
{
	size_t done = 0;

	while (done < n) {
		ssize_t got = pread(r->fd, (char *)to + done, n - done, (off_t)(at + done));

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		done += (size_t)got;
	}
	return done;
}

/* ---- the clock ---- */

struct span {
	struct fa_rec_moment first, last;
};

static void widen(struct span *span, struct fa_rec_moment m)
{
	if (!m.ns || !m.cycles)
		return;
	if (!span->first.ns || m.cycles < span->first.cycles)
		span->first = m;
	if (!span->last.ns || m.cycles > span->last.cycles)
		span->last = m;
}

/* What is possible: 1 MHz to 100 GHz. */
static bool plausible(double ns_per_cycle)
{
	return ns_per_cycle >= 0.01 && ns_per_cycle <= 1000.0;
}

static uint64_t block_at(uint64_t index)
{
	return FA_REC_HEADER + index * FA_REC_BLOCK;
}

static void set_clock(struct recording *r)
{
	struct span span = { 0 };
	struct fa_rec_block block;

	r->begin = r->header.begin.cycles;
	r->ns_per_cycle = r->header.hz ? 1e9 / (double)r->header.hz : 0.0;
	if (plausible(r->ns_per_cycle))
		return;
	widen(&span, r->header.begin);
	widen(&span, r->header.end);
	for (uint64_t i = 0; i < r->blocks; i++)
		if (recording_read(r, block_at(i), &block, sizeof(block)) ==
			    sizeof(block) &&
		    block.magic == FA_REC_BLOCK_MAGIC)
			widen(&span, block.moment);
	if (span.last.cycles > span.first.cycles && span.last.ns > span.first.ns)
		r->ns_per_cycle = (double)(span.last.ns - span.first.ns) /
				  (double)(span.last.cycles - span.first.cycles);
	r->timeless = !plausible(r->ns_per_cycle);
	if (r->timeless)
		r->ns_per_cycle = 1.0;
}

uint64_t recording_span(const struct recording *r, uint64_t cycles)
{
	double ns = (double)cycles * r->ns_per_cycle;

	return ns < 0x1p62 ? (uint64_t)ns : 1ULL << 62;
}

uint64_t recording_between(const struct recording *r, uint64_t start, uint64_t end)
{
	return end > start ? recording_span(r, end - start) : 0;
}

uint64_t recording_ns(const struct recording *r, uint64_t cycles)
{
	return recording_between(r, r->begin, cycles);
}

/* ---- opening ---- */

static int check_header(struct recording *r, size_t got)
{
	const struct fa_rec_header *h = &r->header;

	if (got < sizeof(h->magic) || memcmp(h->magic, FA_REC_MAGIC, sizeof(h->magic)) != 0)
		return complain("%s: not a recording of 'fuse-aio record'", r->path);
	if (got < sizeof(*h) || r->size < FA_REC_HEADER)
		return complain(
			"%s: cut short within its first page: nothing is left of it",
			r->path);
	if (h->version == __builtin_bswap32(FA_REC_VERSION))
		return complain(
			"%s: made on a machine of the other byte order; report it there",
			r->path);
	if (h->version != FA_REC_VERSION)
		return complain(
			"%s: format %u, made by another version of fuse-aio; this one "
			"reads format %u",
			r->path, h->version, FA_REC_VERSION);
	if (h->header_size != FA_REC_HEADER || h->block_size != FA_REC_BLOCK)
		return complain("%s: damaged: its header has impossible sizes", r->path);
	return 0;
}

static void count_blocks(struct recording *r)
{
	const struct fa_rec_header *h = &r->header;
	uint64_t taken = h->next < h->blocks ? h->next : h->blocks;
	uint64_t there = (r->size - FA_REC_HEADER + FA_REC_BLOCK - 1) / FA_REC_BLOCK;

	r->cut = taken > (r->size - FA_REC_HEADER) / FA_REC_BLOCK;
	r->blocks = taken < there ? taken : there;
}

int recording_open(struct recording *r, const char *path)
{
	struct stat st;
	int status;

	*r = (struct recording){ .path = path };
	/* Not to hang on a FIFO. */
	r->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (r->fd < 0)
		return complain("%s: %s", path, strerror(errno));
	if (fstat(r->fd, &st) != 0)
		status = complain("%s: %s", path, strerror(errno));
	else if (S_ISDIR(st.st_mode))
		status = complain(
			"%s: a directory; name the file that 'fuse-aio record' wrote",
			path);
	else if (!S_ISREG(st.st_mode))
		status = complain("%s: no regular file; a recording is read more than once",
				  path);
	else if (!st.st_size)
		status = complain("%s: empty: nothing was recorded", path);
	else {
		r->size = (uint64_t)st.st_size;
		status = check_header(r,
				      recording_read(r, 0, &r->header, sizeof(r->header)));
	}
	if (status) {
		recording_close(r);
		return status;
	}
	r->header.command[sizeof(r->header.command) - 1] = '\0';
	count_blocks(r);
	set_clock(r);
	return 0;
}

void recording_close(struct recording *r)
{
	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
}

/* ---- walking ---- */

struct walk {
	struct recording *r;
	recording_visit visit;
	void *data;
};

static void pass_over(struct recording *r)
{
	if (!r->walked)
		r->passed_over++;
}

static bool known(const struct fa_rec *rec)
{
	return rec->kind && rec->kind < sizeof(least_words) &&
	       rec->words >= least_words[rec->kind];
}

/* The records of a block of which `size` bytes are there. */
static bool walk_block(const struct walk *w, char *data, size_t size, uint64_t at)
{
	struct fa_rec_block *block = (struct fa_rec_block *)data;
	size_t next = sizeof(*block);

	if (size < sizeof(*block) || block->magic != FA_REC_BLOCK_MAGIC) {
		/* Taken, but its thread was killed before it wrote anything: zeros. */
		if (size >= sizeof(*block) && block->magic)
			pass_over(w->r);
		return true;
	}
	block->comm[sizeof(block->comm) - 1] = '\0';
	if (block->used > FA_REC_BLOCK)
		pass_over(w->r);
	if (block->used > size)
		block->used = (uint32_t)size;
	while (next + sizeof(struct fa_rec) <= block->used) {
		const struct fa_rec *rec = (const struct fa_rec *)(data + next);
		size_t length = rec->words * 8U;

		/* Without a length there is no next one. */
		if (!length || next + length > block->used) {
			pass_over(w->r);
			return true;
		}
		if (!known(rec))
			pass_over(w->r);
		else if (rec->kind == FA_REC_THREAD)
			block->tid = rec->id;
		else if (!w->visit(w->data, block, rec, at + next))
			return false;
		next += length;
	}
	return true;
}

void recording_walk(struct recording *r, recording_visit visit, void *data)
{
	const struct walk w = { r, visit, data };
	char *buffer = need(r->blocks < WINDOW ? r->blocks : WINDOW, FA_REC_BLOCK);
	struct progress progress = { 0 };
	bool more = true;

	for (uint64_t i = 0; i < r->blocks && more; i += WINDOW) {
		uint64_t n = r->blocks - i < WINDOW ? r->blocks - i : WINDOW;
		size_t got = recording_read(r, block_at(i), buffer, n * FA_REC_BLOCK);

		if (got < n * FA_REC_BLOCK)
			r->cut = true;
		for (uint64_t b = 0; b < n && more && b * FA_REC_BLOCK < got; b++) {
			size_t left = got - b * FA_REC_BLOCK;

			more = walk_block(&w, buffer + b * FA_REC_BLOCK,
					  left < FA_REC_BLOCK ? left : FA_REC_BLOCK,
					  block_at(i + b));
		}
		progress_show(&progress, i, r->blocks);
	}
	progress_end(&progress);
	free(buffer);
	r->walked = true;
}
