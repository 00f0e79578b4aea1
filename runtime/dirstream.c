/* SPDX-License-Identifier: MIT
 *
 * Reading directory streams: what readdir, telldir, seekdir and rewinddir do in
 * glibc, on a buffer of ours. The lock is held over the system call, as there.
 */
#include "dirstream.h"

#include <dirent.h>
#include <errno.h>

#include "hints.h"
#include "process.h"
#include "record.h"
#include "sys.h"
#include "walk.h"

#define BUFFER 32768U  /* as glibc's */
#define TOLD_NS 10000U /* a readdir that took less has asked nobody */

struct dirstream {
	const void *dir; /* the program's DIR *; NULL: free */
	char *buffer;
	uint32_t at, len; /* next entry, and end, in the buffer */
	int64_t told;	  /* offset behind the last entry that was given */
	int fd;
	int lock;
	uint32_t listing; /* where its names are gathered, see walk.h */
};

/* Owner: the process, and its children by copy; each under its lock. */
static struct dirstream table[FA_DIRSTREAMS];
FA_HIDDEN uint32_t fa_dirstreams;

static struct dirstream *find(const void *dir)
{
	for (unsigned i = 0; i < FA_DIRSTREAMS; i++)
		if (__atomic_load_n(&table[i].dir, __ATOMIC_ACQUIRE) == dir)
			return &table[i];
	return NULL;
}

static void lock(struct dirstream *s)
{
	while (__atomic_exchange_n(&s->lock, 1, __ATOMIC_ACQUIRE))
		fa_sys_sleep_us(20);
}

static void unlock(struct dirstream *s)
{
	__atomic_store_n(&s->lock, 0, __ATOMIC_RELEASE);
}

/* ---- open and close ---- */

static void take_over(struct fa_thread *t, const void *dir, int fd, const char *path)
{
	struct dirstream *s = NULL;
	uint32_t listing;
	char *buffer;

	for (unsigned i = 0; i < FA_DIRSTREAMS && !s; i++)
		if (!table[i].dir)
			s = &table[i];
	/* With threads nothing is looked ahead, and the table would need a lock. */
	if (!s || fa_threaded())
		return;
	listing = fa_walk_directory(t, fd, path);
	if (!listing)
		return;
	buffer = s->buffer ? s->buffer
			   : fa_sys_mmap(NULL, BUFFER, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	if (!buffer) {
		fa_fallback(t, FA_F_no_memory);
		return;
	}
	*s = (struct dirstream){ .buffer = buffer, .fd = fd, .listing = listing };
	__atomic_store_n(&s->dir, dir, __ATOMIC_RELEASE);
	__atomic_add_fetch(&fa_dirstreams, 1, __ATOMIC_RELAXED);
}

FA_HIDDEN void fa_dir_opened(struct fa_call *c, const void *dir, int fd, const char *path)
{
	struct fa_thread *t = fa_thread_of(c->t);
	const struct fa_fd *f = fa_fd_slot(fd);
	uint64_t cycles = fa_cycles() - c->start;

	if (fa_unlikely(fa_recording) && path) {
		c->path = path;
		fa_record_path(t, c, fd, NULL, 0);
	}
	/* fdopendir() itself waits for nothing: the open before it may have. */
	if (!path)
		cycles = f && f->flags ? f->cycles[FA_OPEN] : 0;
	if ((!*fa_any_cold && fa_ns(cycles) < FA_COLD_NS) || !fa_starts() || !fa_busy(t))
		return;
	take_over(t, dir, fd, path);
	fa_ready(t);
}

FA_HIDDEN void fa_dir_failed(struct fa_call *c, const char *path)
{
	if (fa_likely(!fa_recording || !path))
		return;
	c->path = path;
	fa_record_path(fa_thread_of(c->t), c, -1, NULL, 0);
}

FA_HIDDEN void fa_dir_done_slow(uint64_t start, const void *site)
{
	struct fa_call c = { .t = fa_enter(), .start = start, .site = (uintptr_t)site };
	struct fa_fd none = { .file = 0 };

	/* What comes out of the buffer is not worth a record. */
	if (!c.t || fa_ns(fa_cycles() - start) < TOLD_NS)
		return;
	c.f = &none;
	fa_record_use(&c, FA_READDIR, 0, 0);
}

FA_HIDDEN void fa_dir_closed_slow(const void *dir)
{
	struct dirstream *s = fa_on_loan() ? NULL : find(dir);

	if (!s)
		return;
	__atomic_store_n(&s->dir, NULL, __ATOMIC_RELEASE);
	__atomic_sub_fetch(&fa_dirstreams, 1, __ATOMIC_RELAXED);
}

/* ---- reading ---- */

/* The names that have come are what the program may ask for next. */
static void gather(struct dirstream *s)
{
	struct fa_thread *t = fa_thread_of(fa_enter());
	bool first = !s->told;
	uint32_t at = 0;

	if (!t || !fa_busy(t))
		return;
	while (at < s->len) {
		const struct dirent *e = (const struct dirent *)(s->buffer + at);

		if (!fa_walk_name(t, s->listing, e->d_name, e->d_ino, e->d_type))
			break;
		at += e->d_reclen;
	}
	/* While the next call finds out that there is no more, the first are looked up. */
	if (first && s->listing && s->len < BUFFER / 4 * 3)
		fa_walk_listed(t, s->listing);
	fa_ready(t);
}

/* Bytes that came, 0 at the end, or -errno. */
static long fill(struct dirstream *s)
{
	long n = FA_SYS(SYS_getdents64, s->fd, s->buffer, BUFFER, 0, 0, 0);

	s->at = 0;
	s->len = n > 0 ? (uint32_t)n : 0;
	if (s->len)
		gather(s);
	/* A directory that was removed is at its end. */
	return n == -ENOENT ? 0 : n;
}

FA_HIDDEN bool fa_dir_read(const void *dir, struct dirent **entry, int *error)
{
	struct dirstream *s = find(dir);
	long n = 1;

	if (!s)
		return false;
	*entry = NULL;
	lock(s);
	while (!*entry) {
		struct dirent *e;

		if (s->at >= s->len)
			n = fill(s);
		if (n <= 0)
			break;
		e = (struct dirent *)(s->buffer + s->at);
		s->at += e->d_reclen;
		s->told = e->d_off;
		if (e->d_ino) /* 0: deleted, and glibc does not tell of it */
			*entry = e;
	}
	unlock(s);
	*error = n < 0 ? (int)-n : 0;
	return true;
}

FA_HIDDEN bool fa_dir_tell(const void *dir, int64_t *told)
{
	struct dirstream *s = find(dir);

	if (s)
		*told = s->told;
	return s;
}

FA_HIDDEN bool fa_dir_seek(const void *dir, int64_t to)
{
	struct dirstream *s = find(dir);

	if (!s)
		return false;
	lock(s);
	fa_sys_lseek(s->fd, to, SEEK_SET);
	s->at = s->len = 0;
	s->listing = 0; /* its names are known, or most of them */
	s->told = to;
	unlock(s);
	return true;
}
