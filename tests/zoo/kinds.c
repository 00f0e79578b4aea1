/* SPDX-License-Identifier: MIT
 *
 * Other things than regular files at call sites that have learned on regular ones:
 * FIFO, directory, device, symbolic links, files that change between the stat and
 * the open, and flags of every kind.
 */
#include <dirent.h>
#include <pthread.h>

#include "zoo.h"

static void look_and_open(const char *path, int flags)
{
	struct stat st;
	char c = '-';
	int fd, r = stat_here(path, &st);

	say("%s: %s %o, ", path, error_name(r), r ? 0 : (unsigned)st.st_mode & S_IFMT);
	nap(300);
	fd = open_here(path, flags);
	say("open %s, ", error_name(fd));
	if (fd < 0) {
		say("\n");
		return;
	}
	say("fstat %s ", error_name(fstat_here(fd, &st)));
	say("%o %ld, ", (unsigned)st.st_mode & S_IFMT,
	    S_ISREG(st.st_mode) ? (long)st.st_size : 0L);
	say("read %s ", error_name((int)read_here(fd, &c, 1)));
	say("%d, ", c);
	say("flags %o %d, ", (unsigned)fcntl(fd, F_GETFL), fcntl(fd, F_GETFD));
	say("at %ld, ", (long)lseek(fd, 0, SEEK_CUR));
	say("close %s\n", error_name(close_here(fd)));
}

static void *writer(void *path)
{
	int fd = open(path, O_WRONLY);

	MUST(write(fd, "x", 1));
	nap(3000);
	close(fd);
	return NULL;
}

static void fifo(void)
{
	for (unsigned i = 0; i < 3; i++) {
		pthread_t t;

		pthread_create(&t, NULL, writer, (void *)(uintptr_t) "fifo");
		look_and_open("fifo", O_RDONLY);
		pthread_join(t, NULL);
	}
	look_and_open("fifo", O_RDONLY | O_NONBLOCK);
}

static const int flags[] = {
	O_RDONLY,
	O_RDONLY | O_CLOEXEC,
	O_RDONLY | O_NONBLOCK,
	O_RDONLY | O_NOFOLLOW,
	O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC,
	O_RDONLY | O_NOATIME,
	O_RDONLY | O_DIRECTORY,
	O_RDONLY | O_SYNC,
	O_RDONLY | O_APPEND,
	O_RDONLY | O_ASYNC,
	O_PATH,
	O_RDWR,
	O_RDWR | O_APPEND,
	O_WRONLY,
	O_RDONLY | O_CREAT,
	O_RDWR | O_EXCL | O_CREAT,
	3,
	-1,
};

/* The same flags until they are what the chain uses, then the next. */
static void all_flags(void)
{
	for (unsigned f = 0; f < sizeof(flags) / sizeof(flags[0]); f++)
		for (unsigned i = 0; i < 5; i++)
			look_and_open(file_name(i), flags[f]);
}

static void changing(void)
{
	struct stat st;
	int fd, w;

	for (unsigned i = 0; i < 4; i++) {
		char buf[8] = "";

		visit("f02");
		MUST(stat_here("f02", &st));
		nap(300);
		w = MUST(open("f02", O_WRONLY | O_TRUNC));
		MUST(write(w, i % 2 ? "short" : "longer", i % 2 ? 5 : 6));
		MUST(close(w));
		fd = MUST(open_here("f02", O_RDONLY));
		MUST(fstat_here(fd, &st));
		say("%ld ", (long)st.st_size);
		MUST(read_here(fd, buf, 7));
		say("%s\n", buf);
		MUST(close_here(fd));
		MUST(stat_here("f03", &st));
		nap(300);
		MUST(chmod("f03", i % 2 ? 0644 : 0600));
		fd = MUST(open_here("f03", O_RDONLY));
		MUST(fstat_here(fd, &st));
		say("%o\n", (unsigned)st.st_mode);
		MUST(close_here(fd));
		/* The directory that a relative path starts from. */
		MUST(stat_here("f04", &st));
		nap(300);
		MUST(chdir("sub"));
		look_and_open("f04", O_RDONLY);
		MUST(chdir(".."));
		/* A link that points elsewhere now. */
		MUST(stat_here("link", &st));
		nap(300);
		MUST(unlink("link"));
		MUST(symlink(i % 2 ? "f05" : "f06", "link"));
		look_and_open("link", O_RDONLY);
	}
}

/* The file shows the time of its last reading where it did so before. */
static void positions(void)
{
	for (unsigned i = 0; i < 4; i++) {
		int a, b;
		struct stat st;
		char c[2];

		MUST(stat_here("f07", &st));
		nap(300);
		a = MUST(open_here("f07", O_RDONLY));
		b = MUST(open_here("f07", O_RDONLY));
		MUST(read_here(a, c, 2));
		MUST(lseek(b, 5, SEEK_SET));
		say("%d %d %ld %ld\n", a, b, (long)lseek(a, 0, SEEK_CUR),
		    (long)lseek(b, 0, SEEK_CUR));
		MUST(close_here(a));
		MUST(close_here(b));
	}
}

int main(void)
{
	say("%lx\n", (unsigned long)warm());
	MUST(mkfifo("fifo", 0644));
	MUST(symlink("f05", "link"));
	MUST(symlink("fifo", "fifolink"));
	MUST(symlink("nowhere", "dangling"));
	MUST(symlink("loop", "loop"));
	MUST(mkdir("sub", 0755));
	MUST(symlink("../f08", "sub/f04"));
	for (unsigned i = 0; i < 3; i++) {
		look_and_open("sub", O_RDONLY);
		look_and_open("/dev/null", O_RDONLY);
		look_and_open("/proc/self/cmdline", O_RDONLY);
		look_and_open("link", O_RDONLY);
		look_and_open("link", O_RDONLY | O_NOFOLLOW);
		look_and_open("dangling", O_RDONLY);
		look_and_open("loop", O_RDONLY);
		look_and_open("f00/x", O_RDONLY);
		look_and_open("nothing", O_RDONLY);
		look_and_open("", O_RDONLY);
		look_and_open("./sub/../f09", O_RDONLY);
	}
	fifo();
	all_flags();
	changing();
	positions();
	say("%lx\n", (unsigned long)warm());
	say_open("end");
	return 0;
}
