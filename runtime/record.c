/* SPDX-License-Identifier: MIT
 *
 * Writing a recording: blocks, and the identifiers of files and sites.
 */
#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>

#include "hints.h"
#include "report.h"
#include "site.h"
#include "sys.h"

#define SITES 1024U /* that a thread remembers */
#define FILES 4096U
#define MODULES 256U /* of a process */
#define PATH_ROOM 1024U

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE \
	23 /* Linux 5.14; without it each page faults when it is written */
#endif

struct seen {
	uint64_t key; /* 0: empty */
	uint32_t id;
};

/* Of a thread; in memory that a fork wipes. */
struct fa_recorder {
	struct fa_rec_block *block; /* NULL: none yet */
	bool writing;
	bool full; /* there are no more blocks */
	int tid;   /* whose records are being written */
	struct seen site[SITES];
	struct seen file[FILES];
};

FA_HIDDEN bool fa_recording;

static struct fa_rec_header *header;
static uint32_t process; /* number of this one, 0: of its parent, not begun itself */
static uint32_t parent;
static uint32_t beginning; /* 1: a thread writes this process' first records */

/* Code of the process. Only grows; written by one thread at a time. */
static struct {
	uintptr_t low, high;
} module[MODULES];
static uint32_t modules, listing;

/* ---- blocks ---- */

static struct fa_rec_moment now(void)
{
	return (struct fa_rec_moment){ fa_cycles(), fa_sys_clock_ns() };
}

static struct fa_rec_block *block_take(struct fa_thread *t)
{
	uint64_t i = __atomic_fetch_add(&header->next, 1, __ATOMIC_RELAXED);
	struct fa_rec_block *b;

	if (i >= header->blocks) {
		t->recorder->full = true;
		return NULL;
	}
	b = (void *)((char *)header + FA_REC_HEADER + i * FA_REC_BLOCK);
	/* One fault for all its pages; and where the file has no room for them, no SIGBUS.
	 */
	if (fa_sys_madvise(b, FA_REC_BLOCK, MADV_POPULATE_WRITE) == -EFAULT) {
		t->recorder->full = true;
		return NULL;
	}
	b->process = process;
	b->pid = (uint32_t)fa_pid;
	b->tid = (uint32_t)t->tid;
	t->recorder->tid = t->tid;
	b->moment = now();
	memcpy(b->comm, fa_program, strnlen(fa_program, sizeof(b->comm) - 1));
	b->used = sizeof(*b);
	__atomic_store_n(&b->magic, FA_REC_BLOCK_MAGIC, __ATOMIC_RELEASE);
	return b;
}

/* Room for a record of so many bytes, filled with zeros by the file; NULL: none. */
static void *room(struct fa_thread *t, size_t bytes)
{
	struct fa_recorder *r = t->recorder;

	if (!r->block || r->block->used + bytes > FA_REC_BLOCK)
		r->block = r->full ? NULL : block_take(t);
	if (!r->block) {
		__atomic_add_fetch(&header->dropped, 1, __ATOMIC_RELAXED);
		return NULL;
	}
	return (char *)r->block + r->block->used;
}

/* The record is there: whoever reads `used` finds it whole. */
static void written(struct fa_thread *t, struct fa_rec *h, unsigned kind, size_t bytes)
{
	struct fa_rec_block *b = t->recorder->block;

	h->kind = (uint8_t)kind;
	h->words = (uint8_t)(bytes / 8);
	/* Nobody has written there yet: the next records need not wait for the lines. */
	__builtin_prefetch((char *)h + bytes + 64, 1);
	__builtin_prefetch((char *)h + bytes + 128, 1);
	__atomic_store_n(&b->used, b->used + (uint32_t)bytes, __ATOMIC_RELEASE);
}

static void copy(struct fa_thread *t, unsigned kind, const void *record, size_t bytes)
{
	void *to = room(t, bytes);

	if (!to)
		return;
	memcpy(to, record, bytes);
	written(t, to, kind, bytes);
}

/* The same with a text behind it. */
static void copy_text(struct fa_thread *t, unsigned kind, const void *record, size_t bytes,
		      const char *text)
{
	size_t len = strnlen(text, FA_REC_LONGEST - bytes - 1);
	size_t all = (bytes + len + 1 + 7) & ~(size_t)7;
	char *to = room(t, all);

	if (!to)
		return;
	memcpy(to, record, bytes);
	memcpy(to + bytes, text, len);
	written(t, (struct fa_rec *)to, kind, all);
}

/* The block of a thread that has ended goes on to the next one. */
static void other_thread(struct fa_thread *t)
{
	struct fa_rec *h;

	if (!t->recorder->block)
		return;
	h = room(t, sizeof(*h));
	if (!h)
		return;
	h->id = (uint32_t)t->tid;
	written(t, h, FA_REC_THREAD, sizeof(*h));
	t->recorder->tid = t->tid;
}

/* ---- processes and their code ---- */

static void program_path(char *path, size_t size)
{
	long n = fa_sys_readlinkat(AT_FDCWD, "/proc/self/exe", path, size - 1);

	path[n < 0 ? 0 : n] = '\0';
	if (n < 0)
		strncpy(path, fa_program, size - 1);
}

static int note_module(struct dl_phdr_info *info, size_t size, void *thread)
{
	struct fa_rec_module m = { .bias = info->dlpi_addr };
	char program[PATH_ROOM];

	(void)size;
	/* The program itself has no name. */
	if (!*info->dlpi_name)
		program_path(program, sizeof(program));
	for (unsigned i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];

		if (p->p_type != PT_LOAD || !(p->p_flags & PF_X))
			continue;
		m.low = info->dlpi_addr + p->p_vaddr;
		m.high = m.low + p->p_memsz;
		for (unsigned k = 0; k < modules; k++)
			if (module[k].low == m.low)
				return 0;
		if (modules == MODULES)
			return 1;
		module[modules].low = m.low;
		module[modules].high = m.high;
		__atomic_store_n(&modules, modules + 1, __ATOMIC_RELEASE);
		copy_text(thread, FA_REC_MODULE, &m, sizeof(m),
			  *info->dlpi_name ? info->dlpi_name : program);
	}
	return 0;
}

static void note_modules(struct fa_thread *t)
{
	uint32_t idle = 0;

	if (!__atomic_compare_exchange_n(&listing, &idle, 1, false, __ATOMIC_ACQUIRE,
					 __ATOMIC_RELAXED))
		return;
	dl_iterate_phdr(note_module, t);
	__atomic_store_n(&listing, 0, __ATOMIC_RELEASE);
}

static bool known_code(uintptr_t address)
{
	uint32_t n = __atomic_load_n(&modules, __ATOMIC_ACQUIRE);

	for (unsigned i = 0; i < n; i++)
		if (address >= module[i].low && address < module[i].high)
			return true;
	return false;
}

/* The first record of the process. Other threads drop theirs meanwhile. */
static bool begin(struct fa_thread *t)
{
	struct fa_rec_process p = { .h.id = parent };
	char path[PATH_ROOM] = "";
	uint32_t idle = 0;

	if (!__atomic_compare_exchange_n(&beginning, &idle, 1, false, __ATOMIC_ACQUIRE,
					 __ATOMIC_RELAXED))
		return false;
	process = __atomic_add_fetch(&header->next_process, 1, __ATOMIC_RELAXED);
	p.pid = (uint32_t)fa_pid;
	p.mode = fa_options.mode;
	p.moment = now();
	program_path(path, sizeof(path));
	copy_text(t, FA_REC_PROCESS, &p, offsetof(struct fa_rec_process, path), path);
	if (!modules)
		note_modules(t);
	return true;
}

FA_HIDDEN bool fa_record_enter(struct fa_thread *t)
{
	if (!t->recorder)
		t->recorder = fa_map_wiped(sizeof(*t->recorder));
	if (!t->recorder || t->recorder->writing) {
		__atomic_add_fetch(&header->dropped, 1, __ATOMIC_RELAXED);
		return false;
	}
	t->recorder->writing = true;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	if (fa_unlikely(!process) && !begin(t)) {
		t->recorder->writing = false;
		return false;
	}
	if (fa_unlikely(t->recorder->tid != t->tid))
		other_thread(t);
	return true;
}

FA_HIDDEN void fa_record_leave(struct fa_thread *t)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	t->recorder->writing = false;
}

FA_HIDDEN void fa_record_forked(void)
{
	if (!fa_recording)
		return;
	if (header->flags & FA_REC_PID_ONLY) {
		fa_recording = false;
		return;
	}
	if (process)
		parent = process;
	process = 0;
	beginning = 0;
	listing = 0;
}

FA_HIDDEN const char *fa_record_start(const char *path)
{
	struct fa_rec_header *h;
	struct statx stx = { 0 };
	const char *wrong = NULL;
	uint32_t nobody = 0;
	int fd = fa_sys_openat(AT_FDCWD, path, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
			       0);

	if (fd < 0)
		return "cannot be opened; nothing is recorded; check FUSE_AIO_RECORD";
	h = fa_sys_statx(fd, "", AT_EMPTY_PATH, STATX_SIZE, &stx) == 0 &&
			    stx.stx_size >= FA_REC_HEADER
		    ? fa_sys_map_file(fd, stx.stx_size)
		    : NULL;
	fa_sys_close(fd);
	if (!h)
		return "is no recording; make one with 'fuse-aio record'";
	if (memcmp(h->magic, FA_REC_MAGIC, sizeof(h->magic)) != 0 ||
	    h->version != FA_REC_VERSION || h->header_size != FA_REC_HEADER ||
	    h->block_size != FA_REC_BLOCK || h->blocks > FA_REC_MAX_BLOCKS ||
	    stx.stx_size < FA_REC_HEADER + h->blocks * FA_REC_BLOCK)
		wrong = "is no recording of this version; make one with 'fuse-aio record'";
	else if (h->flags & FA_REC_PID_ONLY &&
		 !__atomic_compare_exchange_n(&h->first_pid, &nobody, (uint32_t)fa_pid,
					      false, __ATOMIC_RELAXED, __ATOMIC_RELAXED) &&
		 nobody != (uint32_t)fa_pid)
		wrong = "is of another process only";
	if (wrong) {
		fa_sys_munmap(h, stx.stx_size);
		return wrong;
	}
	header = h;
	process = parent = beginning = modules = listing = 0;
	fa_recording = true;
	return NULL;
}

/* ---- identifiers ---- */

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15ULL;
	return h ^ h >> 29;
}

/* Where `key` is or may be put. */
static struct seen *slot(struct seen *table, uint32_t size, uint64_t key)
{
	return &table[(key >> 40) % size];
}

static uint32_t new_id(void)
{
	return __atomic_add_fetch(&header->next_id, 1, __ATOMIC_RELAXED);
}

static uint32_t site_id(struct fa_thread *t, uint64_t address)
{
	uint64_t frame[FA_SITE_FRAMES] = { address };
	uint64_t key = mix(1, fa_site(address)) | 1;
	struct seen *s = slot(t->recorder->site, SITES, key);
	struct fa_rec *to;
	size_t bytes;

	if (s->key == key)
		return s->id;
	bytes = sizeof(*to) + 8 * fa_site_stack(address, frame);
	if (!known_code(address))
		note_modules(t);
	to = room(t, bytes);
	if (!to)
		return 0;
	to->id = new_id();
	memcpy(to + 1, frame, bytes - sizeof(*to));
	written(t, to, FA_REC_SITE, bytes);
	*s = (struct seen){ key, to->id };
	return to->id;
}

static void identify(struct fa_rec_file *f, int fd)
{
	struct statx stx;

	if (f->ino || fd < 0 ||
	    fa_sys_statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_INO, &stx) < 0)
		return;
	f->dev = makedev(stx.stx_dev_major, stx.stx_dev_minor);
	f->ino = stx.stx_ino;
}

FA_HIDDEN uint32_t fa_record_file(struct fa_thread *t, int dirfd, const char *path, int fd,
				  const struct fa_identity *id)
{
	struct fa_rec_file f = { .dev = id ? id->dev : 0, .ino = id ? id->ino : 0 };
	struct fa_fd *directory = path[0] != '/' && dirfd >= 0 ? fa_fd_slot(dirfd) : NULL;
	uint64_t key = path[0] == '/' ? 0 : mix((uint32_t)dirfd, fa_directory);
	size_t len = strnlen(path, PATH_ROOM);
	struct seen *s;
	uint64_t word;

	if (!fa_record_enter(t))
		return 0;
	/* The same name in another directory is another file. */
	if (directory && directory->flags)
		f.directory = directory->file;
	if (directory && !f.directory)
		identify(&f, fd);
	key = mix(key, f.directory ? f.directory : f.ino);
	for (size_t i = 0; i < len; i += sizeof(word)) {
		word = 0;
		memcpy(&word, path + i, len - i < sizeof(word) ? len - i : sizeof(word));
		key = mix(key, word);
	}
	key = mix(key, len) | 1;
	s = slot(t->recorder->file, FILES, key);
	if (s->key != key) {
		identify(&f, fd);
		f.h.id = new_id();
		copy_text(t, FA_REC_FILE, &f, offsetof(struct fa_rec_file, path), path);
		*s = (struct seen){ key, f.h.id };
	}
	fa_record_leave(t);
	return s->id;
}

/* ---- records ---- */

FA_HIDDEN void fa_record_put(struct fa_thread *t, enum fa_rec_kind kind, const void *record,
			     size_t bytes, uint32_t *site, uint64_t address)
{
	if (!fa_record_enter(t))
		return;
	if (site)
		*site = site_id(t, address);
	copy(t, kind, record, bytes);
	fa_record_leave(t);
}

static void counters(struct fa_thread *t)
{
	struct {
		struct fa_rec h;
		uint64_t n[FA_COUNTERS];
	} c = { .h.op = 0 };
	struct {
		struct fa_rec h;
		uint64_t n[FA_FALLBACKS];
	} f = { .h.op = 1 };

	fa_stats_sum(c.n, f.n);
	copy(t, FA_REC_COUNTERS, &c, sizeof(c));
	copy(t, FA_REC_COUNTERS, &f, sizeof(f));
}

static void regimes(struct fa_thread *t)
{
	for (unsigned i = 0; fa_hints && i < FA_DEVICES * FA_TIMED_OPS; i++) {
		const struct fa_regime *r = &fa_hints->regime[i / FA_TIMED_OPS];
		enum fa_op op = (enum fa_op)(i % FA_TIMED_OPS);
		struct fa_rec_regime g = { .h = { .op = (uint8_t)op,
						  .flags = fa_regime_cold(r->dev, op) },
					   .dev = r->dev,
					   .wait_ns = r->op[op].wait_ns };

		if (r->dev && g.wait_ns)
			copy(t, FA_REC_REGIME, &g, sizeof(g));
	}
}

FA_HIDDEN void fa_record_end(struct fa_thread *t)
{
	struct fa_rec_process p = { .h = { .op = 1, .id = parent },
				    .pid = (uint32_t)fa_pid,
				    .mode = fa_options.mode };

	if (!fa_record_enter(t))
		return;
	p.moment = now();
	counters(t);
	regimes(t);
	copy(t, FA_REC_PROCESS, &p, offsetof(struct fa_rec_process, path));
	fa_record_leave(t);
}
