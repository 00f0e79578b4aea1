/* SPDX-License-Identifier: MIT
 *
 * Recordings: what is written of calls, by whom, and what becomes of it where there
 * is no room, no file, or a signal handler in between.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../runtime/record.h"
#include "fake.h"

#define ANY 0xffU

static struct fa_rec_header *rec;
static struct fa_thread *t;

/* A recording with room for so many blocks, shared with this test. */
static const char *make(uint64_t blocks, uint32_t flags)
{
	struct fa_rec_header h = { .version = FA_REC_VERSION,
				   .header_size = FA_REC_HEADER,
				   .block_size = FA_REC_BLOCK,
				   .flags = flags,
				   .blocks = blocks };
	size_t size = FA_REC_HEADER + blocks * FA_REC_BLOCK;
	static char path[300];
	int fd;

	strcpy(path, unit_path("recording"));
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	memcpy(h.magic, FA_REC_MAGIC, sizeof(h.magic));
	assert_true(fd >= 0);
	assert_int_equal(write(fd, &h, sizeof(h)), sizeof(h));
	assert_return_code(ftruncate(fd, (off_t)size), errno);
	rec = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(rec, MAP_FAILED);
	close(fd);
	return path;
}

static void start(const char *path)
{
	static char text[300];
	static char *env[] = { "FUSE_AIO_RING=1", "FUSE_AIO_MODE=observe", text, NULL };

	snprintf(text, sizeof(text), "FUSE_AIO_RECORD=%s", path);
	unit_start(env);
	t = unit_self();
}

static const struct fa_rec_block *block(unsigned i)
{
	return (void *)((char *)rec + FA_REC_HEADER + i * FA_REC_BLOCK);
}

/* The nth record of this kind and op in a block, or NULL. */
static const void *nth(unsigned i, unsigned kind, unsigned op, unsigned n)
{
	const char *b = (const void *)block(i);
	uint32_t at = sizeof(struct fa_rec_block);

	while (at < block(i)->used) {
		const struct fa_rec *r = (const void *)(b + at);

		assert_true(r->words > 0);
		if (r->kind == kind && (op == ANY || r->op == op) && n-- == 0)
			return r;
		at += 8U * r->words;
	}
	assert_int_equal(at, block(i)->used);
	return NULL;
}

static int opens(int dirfd, const char *path)
{
	struct fa_call c;
	int fd = fa_open_begin(&c, dirfd, path, O_RDONLY, (void *)&opens);

	assert_int_equal(fd, -1);
	return fa_open_end(&c, openat(dirfd, path, O_RDONLY | O_CLOEXEC));
}

static void reads(int fd, size_t n)
{
	struct fa_call c;
	char buf[64];

	fa_use_begin(&c, fd, FA_READ, (void *)&reads);
	fa_use_end(&c, FA_READ, read(fd, buf, n));
}

static void closes(int fd)
{
	struct fa_call c;

	if (fa_close_begin(&c, fd, (void *)&closes) < 0)
		fa_close_end(&c, close(fd));
}

/* Open, read, close: three calls, a sequence, a file and three sites. */
static void test_sequence(void **state)
{
	const struct fa_rec_sequence *s;
	const struct fa_rec_file *f;
	const struct fa_rec_call *c;
	struct fa_seen seen;
	const char *path;
	int fd;

	(void)state;
	start(make(16, 0));
	assert_true(fa_recording);
	path = unit_file("f", 100);
	seen = unit_seen(path);
	fd = opens(AT_FDCWD, path);
	reads(fd, 64);
	closes(fd);
	f = nth(0, FA_REC_FILE, ANY, 0);
	assert_non_null(f);
	assert_string_equal(f->path, path);
	assert_int_equal(f->ino, seen.file.ino);
	assert_int_equal(f->dev, seen.file.dev);
	assert_null(nth(0, FA_REC_FILE, ANY, 1));
	c = nth(0, FA_REC_CALL, FA_OPEN, 0);
	assert_int_equal(c->h.id, f->h.id);
	assert_int_equal(c->value, fd);
	assert_int_equal(c->h.flags, 0);
	assert_true(c->took > 0);
	c = nth(0, FA_REC_CALL, FA_READ, 0);
	assert_int_equal(c->value, 64);
	assert_int_equal(c->h.id, f->h.id);
	assert_non_null(nth(0, FA_REC_SITE, ANY, 2));
	assert_null(nth(0, FA_REC_SITE, ANY, 3));
	assert_non_null(nth(0, FA_REC_CALL, FA_CLOSE, 0));
	s = nth(0, FA_REC_SEQUENCE, ANY, 0);
	assert_int_equal(s->signature, 0x145);
	assert_int_equal(s->bytes, 64);
	assert_int_equal(s->calls, 3);
	assert_int_equal(s->h.id, f->h.id);
	assert_true(s->end > s->start);
	assert_int_equal(rec->dropped, 0);
}

/* The process and its code come first. */
static void test_process(void **state)
{
	const struct fa_rec_process *p;
	const struct fa_rec_module *m;

	(void)state;
	start(make(16, 0));
	opens(AT_FDCWD, "/nonexistent/file");
	assert_int_equal(block(0)->magic, FA_REC_BLOCK_MAGIC);
	assert_int_equal(block(0)->pid, getpid());
	assert_int_equal(block(0)->process, 1);
	p = nth(0, FA_REC_PROCESS, 0, 0);
	assert_int_equal(p->pid, getpid());
	assert_int_equal(p->mode, FA_MODE_OBSERVE);
	assert_non_null(strstr(p->path, "test_record"));
	m = nth(0, FA_REC_MODULE, ANY, 0);
	assert_string_equal(m->path, p->path);
	assert_in_range((uintptr_t)&test_process, m->low, m->high);
	fa_process_ends();
	p = nth(0, FA_REC_PROCESS, 1, 0);
	assert_non_null(p);
	assert_true(p->moment.ns > 0);
	assert_non_null(nth(0, FA_REC_COUNTERS, 0, 0));
	assert_non_null(nth(0, FA_REC_COUNTERS, 1, 0));
}

static void test_failures(void **state)
{
	const struct fa_rec_call *c;
	struct fa_call call;
	struct stat st;

	(void)state;
	start(make(16, 0));
	opens(AT_FDCWD, "/nonexistent/file");
	c = nth(0, FA_REC_CALL, FA_OPEN, 0);
	assert_int_equal(c->h.flags, FA_REC_FAILED);
	assert_int_equal(c->value, ENOENT);
	assert_true(c->h.id > 0);
	opens(AT_FDCWD, (const char *)8);
	c = nth(0, FA_REC_CALL, FA_OPEN, 1);
	assert_int_equal(c->value, EFAULT);
	assert_int_equal(c->h.id, 0);
	fa_stat_begin(&call, AT_FDCWD, "/nonexistent/file", &st, true, (void *)0x11);
	fa_stat_end(&call, stat("/nonexistent/file", &st), &st);
	c = nth(0, FA_REC_CALL, FA_STAT, 0);
	assert_int_equal(c->value, ENOENT);
	assert_int_equal(c->h.flags, FA_REC_FAILED);
}

/* One name in two directories is two files; the same one again is the same. */
static void test_relative_names(void **state)
{
	const struct fa_rec_file *f;
	uint32_t id;
	int one, two;

	(void)state;
	mkdir(unit_path("one"), 0700);
	mkdir(unit_path("two"), 0700);
	unit_file("one/f", 1);
	unit_file("two/f", 1);
	start(make(16, 0));
	one = opens(AT_FDCWD, unit_path("one"));
	two = opens(AT_FDCWD, unit_path("two"));
	closes(opens(one, "f"));
	closes(opens(two, "f"));
	closes(opens(one, "f"));
	f = nth(0, FA_REC_FILE, ANY, 2);
	assert_string_equal(f->path, "f");
	assert_int_equal(f->directory,
			 ((const struct fa_rec_file *)nth(0, FA_REC_FILE, ANY, 0))->h.id);
	id = f->h.id;
	f = nth(0, FA_REC_FILE, ANY, 3);
	assert_int_equal(f->directory,
			 ((const struct fa_rec_file *)nth(0, FA_REC_FILE, ANY, 1))->h.id);
	assert_null(nth(0, FA_REC_FILE, ANY, 4));
	assert_int_equal(
		((const struct fa_rec_call *)nth(0, FA_REC_CALL, FA_OPEN, 4))->h.id, id);
	close(one);
	close(two);
}

/* When it is full, what comes is counted, and the calls go on. */
static void test_full(void **state)
{
	const char *path;

	(void)state;
	start(make(1, 0));
	path = unit_file("f", 1);
	for (unsigned i = 0; i < 4000; i++)
		closes(opens(AT_FDCWD, path));
	assert_true(rec->dropped > 0);
	assert_true(block(0)->used <= FA_REC_BLOCK);
	assert_true(block(0)->used > FA_REC_BLOCK - FA_REC_LONGEST);
	assert_non_null(nth(0, FA_REC_CALL, FA_CLOSE, 200));
}

/* A handler's call in the middle of a record is counted, and nothing else. */
static void test_in_between(void **state)
{
	uint32_t used;

	(void)state;
	start(make(16, 0));
	opens(AT_FDCWD, "/nonexistent/file");
	used = block(0)->used;
	assert_true(fa_record_enter(t));
	opens(AT_FDCWD, "/nonexistent/other");
	assert_true(rec->dropped >= 1);
	assert_int_equal(block(0)->used, used);
	fa_record_leave(t);
	opens(AT_FDCWD, "/nonexistent/other");
	assert_true(block(0)->used > used);
}

static int child_opens(void)
{
	pid_t pid = fork();
	int status = 0;

	if (pid == 0) {
		opens(AT_FDCWD, "/nonexistent/of/child");
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	return pid;
}

static void test_fork(void **state)
{
	const struct fa_rec_process *p;
	int pid;

	(void)state;
	start(make(16, 0));
	opens(AT_FDCWD, "/nonexistent/file");
	pid = child_opens();
	assert_int_equal(rec->next, 2);
	assert_int_equal(block(1)->pid, pid);
	assert_int_equal(block(1)->process, 2);
	p = nth(1, FA_REC_PROCESS, 0, 0);
	assert_int_equal(p->h.id, 1);
	assert_int_equal(p->pid, pid);
	assert_null(nth(1, FA_REC_MODULE, ANY, 0));
	assert_non_null(nth(1, FA_REC_CALL, FA_OPEN, 0));
}

static void test_pid_only(void **state)
{
	(void)state;
	start(make(16, FA_REC_PID_ONLY));
	assert_int_equal(rec->first_pid, getpid());
	opens(AT_FDCWD, "/nonexistent/file");
	child_opens();
	assert_int_equal(rec->next, 1);
	rec->first_pid = 1;
	start(unit_path("recording"));
	assert_false(fa_recording);
}

/* What is no recording is left alone, and the program runs. */
static void test_no_recording(void **state)
{
	const char *path = make(16, 0);

	(void)state;
	start("/nonexistent/recording");
	assert_false(fa_recording);
	start(unit_file("short", 100));
	assert_false(fa_recording);
	start(unit_file("long", 100000));
	assert_false(fa_recording);
	rec->version++;
	start(path);
	assert_false(fa_recording);
	rec->version--;
	rec->blocks = 17;
	start(path);
	assert_false(fa_recording);
	rec->blocks = UINT64_MAX / FA_REC_BLOCK;
	start(path);
	assert_false(fa_recording);
	rec->blocks = 16;
	start(path);
	assert_true(fa_recording);
}

/* Without memory for what it has seen nothing is recorded. */
static void test_no_memory(void **state)
{
	(void)state;
	start(make(16, 0));
	fake_fail(SYS_mmap, -ENOMEM);
	opens(AT_FDCWD, "/nonexistent/file");
	assert_int_equal(rec->next, 0);
	assert_true(rec->dropped > 0);
}

int main(void)
{
#define RECORD_TEST(name) cmocka_unit_test_setup_teardown(name, unit_setup, unit_teardown)
	const struct CMUnitTest record_tests[] = {
		RECORD_TEST(test_sequence),	RECORD_TEST(test_process),
		RECORD_TEST(test_failures),	RECORD_TEST(test_relative_names),
		RECORD_TEST(test_full),		RECORD_TEST(test_in_between),
		RECORD_TEST(test_fork),		RECORD_TEST(test_pid_only),
		RECORD_TEST(test_no_recording), RECORD_TEST(test_no_memory),
	};

	return cmocka_run_group_tests_name("record", record_tests, NULL, NULL);
}
