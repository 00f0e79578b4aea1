/* SPDX-License-Identifier: MIT
 *
 * What a file looks like after it has been sent: position, contents, attributes, by its
 * number, by another number of the same, and to somebody else.
 */
#include <sys/mman.h>

#include "promise.h"

static int fd, file;

static void begin(const char *name, int flags)
{
	file = MUST(open(name, O_RDONLY | flags));
	head_by(style.head, fd, "a header\n");
}

static void where(void)
{
	told("position", lseek(file, 0, SEEK_CUR));
}

static void a_byte(void)
{
	unsigned char byte = 0;

	told("read", read(file, &byte, 1));
	note("%02x\n", byte);
}

static void send_some(size_t n)
{
	told("sent", sendfile(fd, file, NULL, n));
}

static void by_tell(void)
{
	send_some(100);
	where();
	send_some(100);
	where();
	send_some(1 << 30);
	where();
	send_some(1);
	where();
}

static void by_read(void)
{
	send_some(100);
	a_byte();
	send_some(100);
	a_byte();
	where();
}

static void by_pread(void)
{
	unsigned char byte = 0;

	send_some(100);
	told("pread", pread(file, &byte, 1, 7));
	note("%02x\n", byte);
	a_byte();
}

static void by_seek(void)
{
	send_some(100);
	told("seek", lseek(file, -50, SEEK_CUR));
	send_some(100);
	told("seek", lseek(file, -10, SEEK_END));
	send_some(100);
	told("seek", lseek(file, 1000000, SEEK_SET));
	send_some(100);
	where();
	told("seek", lseek(file, -1, SEEK_SET));
	told("seek", lseek(file, 0, SEEK_DATA));
	told("seek", lseek(file, 0, SEEK_HOLE));
	where();
}

static void by_dup(void)
{
	int other;

	send_some(100);
	other = MUST(dup(file));
	told("by the other", lseek(other, 0, SEEK_CUR));
	told("sent", sendfile(fd, other, NULL, 10));
	where();
	send_some(100);
	told("by the other", lseek(other, 0, SEEK_CUR));
	close(file);
	told("sent", sendfile(fd, other, NULL, 10));
	file = other;
	where();
}

/* dup before anything was sent: who moves the position is not seen in the number. */
static void by_early_dup(void)
{
	int other = MUST(dup(file));

	send_some(100);
	told("by the other", lseek(other, 0, SEEK_CUR));
	told("seek", lseek(other, 500, SEEK_SET));
	send_some(100);
	close(other);
	where();
}

static void by_stat(void)
{
	struct stat st;
	struct statx stx;

	send_some(100);
	told("fstat", fstat(file, &st));
	note("%ld %o\n", (long)st.st_size, st.st_mode);
	send_some(100);
	told("statx", statx(file, "", AT_EMPTY_PATH, STATX_BASIC_STATS, &stx));
	note("%ld\n", (long)stx.stx_size);
	where();
}

/* Somebody else has the same open file. */
static void by_child(void)
{
	pid_t pid;

	send_some(100);
	pid = MUST(fork());
	if (!pid) {
		where();
		send_some(50);
		_exit(0);
	}
	say_status("child", pid);
	where();
	send_some(100);
}

static void by_pass(void)
{
	int pair[2];

	unix_pair(pair, SOCK_STREAM);
	send_some(100);
	pass(pair[0], file);
	close(file);
	file = passed(pair[1]);
	where();
	send_some(100);
	close(pair[0]);
	close(pair[1]);
}

static void by_proc(void)
{
	char path[64], text[256] = "";
	int other;

	send_some(100);
	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", file);
	other = MUST(open(path, O_RDONLY));
	MUST(read(other, text, 64));
	close(other);
	note("%.9s\n", text);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
	other = MUST(open(path, O_RDONLY));
	told("of its own", lseek(other, 0, SEEK_CUR));
	close(other);
}

static void by_stdio(void)
{
	FILE *f;

	send_some(100);
	f = fdopen(dup(file), "r");
	told("getc", f ? getc(f) : -1);
	if (f)
		fclose(f);
	told("seek", lseek(file, 300, SEEK_SET));
	send_some(10);
}

static void by_mmap(void)
{
	unsigned char *p;

	send_some(100);
	p = MUST(mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, file, 0));
	if (lseek(file, 0, SEEK_END) > 0)
		note("%02x\n", p[0]);
	told("seek", lseek(file, 50, SEEK_SET));
	munmap(p, 4096);
	where();
}

static void by_copy_out(void)
{
	off_t at = 5;
	int p[2];
	char part[64];

	MUST(pipe2(p, O_NONBLOCK));
	send_some(100);
	told("splice", splice(file, NULL, p[1], NULL, 30, 0));
	told("splice", splice(file, &at, p[1], NULL, 30, 0));
	told("read", read(p[0], part, sizeof(part)));
	where();
	told("by sendfile", sendfile(p[1], file, NULL, 7));
	where();
	close(p[0]);
	close(p[1]);
}

static void by_flags(void)
{
	send_some(100);
	told("flags", fcntl(file, F_GETFL));
	told("set", fcntl(file, F_SETFL, O_NONBLOCK));
	told("flags", fcntl(file, F_GETFL));
	told("advice", posix_fadvise(file, 0, 0, POSIX_FADV_SEQUENTIAL));
	send_some(100);
	where();
}

/* What is at an offset of the program's own moves nothing. */
static void by_offset(void)
{
	off_t at = 1000, far = 1L << 40, below = -1;

	told("sent", sendfile(fd, file, &at, 100));
	note("%ld\n", (long)at);
	where();
	send_some(10);
	told("sent", sendfile(fd, file, &at, 1L << 62));
	note("%ld\n", (long)at);
	told("sent", sendfile(fd, file, &far, 100));
	note("%ld\n", (long)far);
	told("sent", sendfile(fd, file, &below, 100));
	note("%ld\n", (long)below);
	where();
}

static void by_counts(void)
{
	volatile size_t most = SIZE_MAX, half = 1UL << 63, less = half - 1,
			page = less - 4095;

	told("sent", sendfile(fd, file, NULL, most));
	told("sent", sendfile(fd, file, NULL, half));
	send_some(10);
	told("sent", sendfile(fd, file, NULL, less));
	where();
	told("sent", sendfile(fd, file, NULL, page));
	told("seek", lseek(file, 0, SEEK_SET));
	told("sent", sendfile(fd, file, NULL, less));
	where();
}

static const struct way uses[] = {
	{ "tell", by_tell },	 { "read", by_read },	{ "pread", by_pread },
	{ "seek", by_seek },	 { "dup", by_dup },	{ "early_dup", by_early_dup },
	{ "stat", by_stat },	 { "child", by_child }, { "pass", by_pass },
	{ "proc", by_proc },	 { "stdio", by_stdio }, { "mmap", by_mmap },
	{ "copy", by_copy_out }, { "flags", by_flags }, { "offset", by_offset },
	{ "counts", by_counts }, { NULL, NULL },
};

/* Each of them, with files and flags of several kinds. */
static void use(void)
{
	static const char *const names[] = { "f03", "f01", "page", "one", "empty" };

	listen_on();
	fd = take();
	for (unsigned i = 0; i < 2 * sizeof(names) / sizeof(names[0]); i++) {
		const char *name = names[i / 2];

		note("--- %s\n", name);
		begin(name, i % 2 ? O_NONBLOCK | O_CLOEXEC : 0);
		pick(uses, style.what);
		close(file);
	}
	/* And a whole sequence, as servers have it. */
	answer(fd, "f02");
	told("close", close(fd));
}

/* The file's contents or name change between sendfile and the end. */
static void changes(void)
{
	char path[128], to[128];
	int writer;

	snprintf(path, sizeof(path), "%s/file", style.own);
	snprintf(to, sizeof(to), "%s/gone", style.own);
	listen_on();
	fd = take();
	for (unsigned i = 0; i < 6; i++) {
		writer = MUST(open(path, O_RDWR | O_CREAT | O_TRUNC, 0600));
		memset(to + 100, 'a' + (int)i, 20);
		MUST(write(writer, to + 100, 20));
		begin(path, 0);
		send_some(10);
		switch (i) {
		case 0:
			MUST(unlink(path));
			break;
		case 1:
			MUST(rename(path, to));
			break;
		case 2:
			MUST(chmod(path, 0));
			break;
		case 3: /* longer */
			MUST(pwrite(writer, "0123456789", 10, 20));
			break;
		case 4: /* shorter, behind what was sent */
			MUST(ftruncate(writer, 15));
			break;
		case 5:
			MUST(truncate(path, 15));
			break;
		}
		send_some(100);
		where();
		close(file);
		close(writer);
		chmod(path, 0600);
	}
	told("close", close(fd));
}

const struct way positions[] = { { "use", use }, { "changes", changes }, { NULL, NULL } };
