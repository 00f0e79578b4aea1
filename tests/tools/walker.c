/* SPDX-License-Identifier: MIT
 *
 * walker [options] DIRECTORY: does the same with each name of a directory, as file
 * tools do, and prints what it was told. What others change meanwhile shows.
 *
 *   --order stream|readdir|name|inode   stream: as the names come; else all of them
 *                                       are read before the first is touched
 *   --via opendir|fdopendir
 *   --form at|path|here                 a name by directory descriptor, by full path,
 *                                       or in the working directory
 *   --do STEP,...                       see steps[] below
 *   --ack WAY --out FD --in FD --peer PID   before each name: see ack.h
 *   --table FD                          generations, see bounds()
 *   --table-mapped                      read through memory instead of by a call
 *   --seconds S                         again and again
 *
 * Files are made of records of 16 bytes, "g%014d\n": their generation.
 */
#include <dirent.h>
#include <getopt.h>
#include <inttypes.h>
#include <limits.h>
#include <time.h>

#include "ack.h"

#define RECORD 16
#define BUFFER 262144

struct name {
	char *text;
	ino_t ino;
	unsigned char type;
};

static struct {
	const char *order, *via, *form, *steps, *directory;
	int table, seconds;
	const int64_t *mapped;
	struct ack ack;
} o = { "readdir", "opendir", "at", "lstat,open,fstat,read,close", NULL,
	-1,	   0,	      NULL, { "none", -1, -1, 0, NULL } };

static struct name *names;
static size_t count;
static int directory = -1;

/* ---- printing ---- */

static void print_name(const char *s)
{
	for (; *s; s++)
		if ((*s >= 'a' && *s <= 'z') || (*s >= '0' && *s <= '9') || *s == '.')
			putchar(*s);
		else
			printf("%%%02x", (unsigned char)*s);
}

static char type_letter(mode_t mode)
{
	static const char letters[] = "?pc?d?b?f?l?s???";

	return letters[mode >> 12 & 15];
}

static void print_stat(const char *what, long result, mode_t mode, uint64_t links,
		       int64_t size, int64_t mtime)
{
	if (result < 0) {
		printf(" %s %s", what, error_name((int)result));
		return;
	}
	printf(" %s %c%03o n%" PRIu64, what, type_letter(mode), mode & 07777, links);
	/* Directories have sizes that are their file system's business. */
	if (!S_ISDIR(mode))
		printf(" s%" PRId64, size);
	/* Not every one lets the times of a symbolic link be set. */
	if (!S_ISDIR(mode) && !S_ISLNK(mode))
		printf(" t%" PRId64, mtime);
}

/* ---- what can be done with a name ---- */

static int fd = -1; /* of the name that is being visited */
static int at;	    /* directory that `path` is relative to */
static const char *path;

static void via_stat(const char *what, int result, const struct stat *st)
{
	print_stat(what, result, st->st_mode, st->st_nlink, st->st_size, st->st_mtime);
}

static void do_lstat(void)
{
	struct stat st;

	if (at == AT_FDCWD)
		via_stat("lstat", HERE(lstat(path, &st)), &st);
	else
		via_stat("lstat", HERE(fstatat(at, path, &st, AT_SYMLINK_NOFOLLOW)), &st);
}

static void do_stat(void)
{
	struct stat st;

	if (at == AT_FDCWD)
		via_stat("stat", HERE(stat(path, &st)), &st);
	else
		via_stat("stat", HERE(fstatat(at, path, &st, 0)), &st);
}

static void statx_here(const char *what, int dirfd, const char *of, int flags)
{
	struct statx x;
	int r = HERE(statx(dirfd, of, flags, STATX_BASIC_STATS, &x));

	print_stat(what, r, x.stx_mode, x.stx_nlink, (int64_t)x.stx_size,
		   x.stx_mtime.tv_sec);
}

static void do_statx(void)
{
	statx_here("statx", at, path, AT_SYMLINK_NOFOLLOW);
}

static void do_xopen(void)
{
	if (fd >= 0)
		statx_here("xopen", fd, "", AT_EMPTY_PATH);
}

static void do_access(void)
{
	printf(" access %s", error_name(HERE(faccessat(at, path, R_OK, 0))));
}

static void do_readlink(void)
{
	char to[PATH_MAX];
	ssize_t n = HERE(readlinkat(at, path, to, sizeof(to) - 1));

	if (n < 0) {
		printf(" link %s", error_name(-1));
		return;
	}
	to[n] = '\0';
	printf(" link ");
	print_name(to);
}

static void open_with(const char *what, int flags)
{
	flags |= O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC;
	fd = at == AT_FDCWD ? HERE(open(path, flags)) : HERE(openat(at, path, flags));
	if (fd < 0)
		printf(" %s %s", what, error_name(fd));
	else
		printf(" %s %d", what, fd);
}

static void do_open(void)
{
	open_with("open", 0);
}

static void do_nofollow(void)
{
	open_with("nofollow", O_NOFOLLOW);
}

static void do_fstat(void)
{
	struct stat st;

	if (fd >= 0)
		via_stat("fstat", HERE(fstat(fd, &st)), &st);
}

static int64_t record(const char *bytes)
{
	char text[RECORD], *end;
	long long n;

	if (bytes[0] != 'g' || bytes[RECORD - 1] != '\n')
		return -1;
	memcpy(text, bytes + 1, RECORD - 2);
	text[RECORD - 2] = '\0';
	n = strtoll(text, &end, 10);
	return *end ? -1 : n;
}

/* All that there is; lowest and highest generation; and one number for the bytes. */
static void print_bytes(const char *bytes, size_t len)
{
	uint64_t h = 0xcbf29ce484222325ULL;
	int64_t low = len % RECORD ? -1 : INT64_MAX, high = -1;

	for (size_t i = 0; i + RECORD <= len; i += RECORD) {
		int64_t n = record(bytes + i);

		low = n < low ? n : low;
		high = n > high ? n : high;
	}
	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)bytes[i]) * 0x100000001b3ULL;
	printf(" read %zu g%" PRId64 "..%" PRId64 " #%" PRIx64, len, len ? low : 0,
	       len ? high : 0, h);
}

static void read_with(bool positioned)
{
	static char buffer[BUFFER];
	size_t len = 0;
	ssize_t n = 1;

	if (fd < 0)
		return;
	while (n > 0 && len < BUFFER) {
		n = positioned ? HERE(pread(fd, buffer + len, BUFFER - len, (off_t)len))
			       : HERE(read(fd, buffer + len, BUFFER - len));
		if (n > 0)
			len += (size_t)n;
	}
	if (n < 0)
		printf(" read %s", error_name(-1));
	else
		print_bytes(buffer, len);
}

static void do_read(void)
{
	read_with(false);
}

static void do_pread(void)
{
	read_with(true);
}

static void do_close(void)
{
	if (fd >= 0)
		printf(" close %s", error_name(HERE(close(fd))));
	fd = -1;
}

static const struct {
	const char *name;
	void (*run)(void);
} steps[] = {
	{ "lstat", do_lstat },	     { "stat", do_stat },	  { "statx", do_statx },
	{ "access", do_access },     { "readlink", do_readlink }, { "open", do_open },
	{ "nofollow", do_nofollow }, { "fstat", do_fstat },	  { "xopen", do_xopen },
	{ "read", do_read },	     { "pread", do_pread },	  { "close", do_close },
};

#define STEPS (sizeof(steps) / sizeof(steps[0]))

static void (*plan[STEPS * 2])(void);

static void parse_steps(void)
{
	char *text = strdup(o.steps);
	size_t n = 0;

	for (char *s = strtok(text, ","); s && n < STEPS * 2 - 1; s = strtok(NULL, ","))
		for (size_t i = 0; i < STEPS; i++)
			if (!strcmp(steps[i].name, s))
				plan[n++] = steps[i].run;
	free(text);
}

/* ---- one name ---- */

/*
 * For "f0012" entry 12 of the table: what was complete before, and what had been
 * begun after the visit. The visit may have seen any of these generations.
 */
static void bounds(const char *name, unsigned which, char separator)
{
	off_t offset = (off_t)(strtoul(name + 1, NULL, 10) * 16 + which * 8);
	int64_t n = -1;

	if (o.mapped)
		n = __atomic_load_n(o.mapped + offset / 8, __ATOMIC_SEQ_CST);
	else if (o.table >= 0)
		MUST(pread(o.table, &n, sizeof(n), offset));
	if (o.table >= 0)
		printf("%c%" PRId64, separator, n);
}

static void call_on(const struct name *name, int n)
{
	char full[PATH_MAX * 2];

	at = strcmp(o.form, "at") ? AT_FDCWD : directory;
	path = name->text;
	if (!strcmp(o.form, "path")) {
		snprintf(full, sizeof(full), "%s/%s", o.directory, name->text);
		path = full;
	}
	if (o.ack.way[0] == 'c')
		fflush(stdout); /* or the child would print it, too */
	ack_wait(&o.ack, n);
	printf("%d ", n);
	print_name(name->text);
	printf(" %d", name->type);
	bounds(name->text, 0, ' ');
	for (unsigned i = 0; plan[i]; i++)
		plan[i]();
	bounds(name->text, 1, ' ');
	putchar('\n');
}

/* ---- all of them ---- */

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct name *)a)->text, ((const struct name *)b)->text);
}

static int by_inode(const void *a, const void *b)
{
	ino_t x = ((const struct name *)a)->ino, y = ((const struct name *)b)->ino;

	return (x > y) - (x < y);
}

static DIR *open_directory(void)
{
	DIR *dir;
	int number;

	if (!strcmp(o.via, "fdopendir")) {
		number = MUST(open(o.directory, O_RDONLY | O_DIRECTORY | O_NOCTTY |
							O_NONBLOCK | O_CLOEXEC));
		dir = fdopendir(number);
	} else {
		dir = opendir(!strcmp(o.form, "here") ? "." : o.directory);
	}
	if (!dir) {
		printf("directory %s\n", error_name(-1));
		exit(3);
	}
	directory = dirfd(dir);
	return dir;
}

static void round_of_visits(void)
{
	bool stream = !strcmp(o.order, "stream");
	DIR *dir = open_directory();
	struct dirent *e;
	int n = 0;

	while ((e = HERE(readdir(dir)))) {
		struct name name = { e->d_name, e->d_ino, e->d_type };

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		if (stream) {
			call_on(&name, n++);
			continue;
		}
		name.text = strdup(e->d_name);
		names = realloc(names, (count + 1) * sizeof(*names));
		names[count++] = name;
	}
	if (!strcmp(o.order, "name"))
		qsort(names, count, sizeof(*names), by_name);
	else if (!strcmp(o.order, "inode"))
		qsort(names, count, sizeof(*names), by_inode);
	for (size_t i = 0; i < count; i++) {
		call_on(&names[i], n++);
		free(names[i].text);
	}
	count = 0;
	closedir(dir);
}

static void parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "order", 1, NULL, 'o' },   { "via", 1, NULL, 'v' },
		{ "form", 1, NULL, 'f' },    { "do", 1, NULL, 'd' },
		{ "ack", 1, NULL, 'a' },     { "out", 1, NULL, 'w' },
		{ "in", 1, NULL, 'r' },	     { "peer", 1, NULL, 'p' },
		{ "table", 1, NULL, 't' },   { "table-mapped", 0, NULL, 'm' },
		{ "seconds", 1, NULL, 's' }, { NULL, 0, NULL, 0 }
	};
	bool mapped = false;
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0)
		switch (c) {
		case 'o':
			o.order = optarg;
			break;
		case 'v':
			o.via = optarg;
			break;
		case 'f':
			o.form = optarg;
			break;
		case 'd':
			o.steps = optarg;
			break;
		case 'a':
			o.ack.way = optarg;
			break;
		case 'w':
			o.ack.out = atoi(optarg);
			break;
		case 'r':
			o.ack.in = atoi(optarg);
			break;
		case 'p':
			o.ack.peer = atoi(optarg);
			break;
		case 't':
			o.table = atoi(optarg);
			break;
		case 'm':
			mapped = true;
			break;
		case 's':
			o.seconds = atoi(optarg);
			break;
		default:
			exit(64);
		}
	if (optind != argc - 1)
		exit(64);
	o.directory = argv[optind];
	if (mapped)
		o.mapped = MUST(mmap(NULL, 65536, PROT_READ, MAP_SHARED, o.table, 0));
}

int main(int argc, char **argv)
{
	time_t end;

	parse(argc, argv);
	parse_steps();
	ack_start(&o.ack);
	if (!strcmp(o.form, "here")) {
		MUST(chdir(o.directory));
		o.directory = ".";
	}
	end = time(NULL) + o.seconds;
	do
		round_of_visits();
	while (o.seconds && time(NULL) < end);
	return 0;
}
