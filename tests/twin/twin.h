/* SPDX-License-Identifier: MIT */
/*
 * twin: random but reproducible call programs. One seed is one program: it gets a
 * small tree of files, makes a few dozen file calls in it and logs everything that it
 * can see of them. The same seed run with and without the library must log the same.
 * What a program may not see (inode numbers, access times, how long a call took, how
 * often a timer fired) is kept out of the log; everything else is in it.
 */
#ifndef TWIN_H
#define TWIN_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#define BUF_SIZE (2u << 20)
#define FD_MAX 256 /* RLIMIT_NOFILE of a program */
#define FD_LOOK 64 /* descriptors below are chosen from, and dumped at the end */
#define ERRNO_BEFORE \
	77 /* what errno holds before each call, to see that it is left alone */

struct twin {
	uint64_t rng;
	unsigned line;
	unsigned depth;	 /* 0: the program, 1 and more: its children */
	unsigned thread; /* 0, or the number of the thread */
	bool limited;	 /* few descriptors: who gets the last one depends on timing */
	char *buf;	 /* BUF_SIZE bytes */
	const char *top; /* absolute path of the tree */
};

/* twin_log.c: a log in shared memory, so that it needs no descriptor and children and
 * threads write to the same. */
int log_make(void);
void log_clear(void);
const char *log_text(size_t *len);
__attribute__((format(printf, 2, 3))) void say(struct twin *t, const char *format, ...);
__attribute__((format(printf, 3, 4))) long did(struct twin *t, long result,
					       const char *format, ...);
/* A call whose result and errno are logged after the text. */
#define DID(t, call, ...) (before(), did(t, (long)(call), __VA_ARGS__))
void before(void);
uint64_t hash(const void *data, size_t n);
const char *stat_text(const struct stat *st, char text[160]);
void say_data(struct twin *t, ssize_t n, size_t room);
void say_fd(struct twin *t, int fd);

/* twin_rng.c */
uint64_t rnd(struct twin *t);
unsigned below(struct twin *t, unsigned n);
bool one_in(struct twin *t, unsigned n);
void nap(unsigned us);
/* Keeps the compiler from folding calls at different places into one call site. */
#define OWN_SITE() __asm__ volatile("" : : "i"(__LINE__))

/* twin_real.c: libc's own functions, past anything that is preloaded. Trees are made,
 * dumped and changed behind the program's back with these. */
struct real {
	int (*open)(const char *, int, ...);
	int (*openat)(int, const char *, int, ...);
	ssize_t (*read)(int, void *, size_t);
	ssize_t (*write)(int, const void *, size_t);
	off_t (*lseek)(int, off_t, int);
	int (*close)(int);
	int (*dup2)(int, int);
	int (*fcntl)(int, int, ...);
	int (*fstat)(int, struct stat *);
	int (*lstat)(const char *, struct stat *);
	int (*stat)(const char *, struct stat *);
	int (*rename)(const char *, const char *);
	int (*unlink)(const char *);
	int (*link)(const char *, const char *);
	int (*symlink)(const char *, const char *);
	int (*truncate)(const char *, off_t);
	int (*chmod)(const char *, mode_t);
	int (*mkdir)(const char *, mode_t);
	int (*chdir)(const char *);
	int (*rmdir)(const char *);
	pid_t (*fork)(void);
	void (*_exit)(int);
};
extern struct real real;
int real_find(void);
bool real_is_tcp(int fd);
/* May a call on it block for ever, or does what it returns depend on timing? */
bool fd_waits(int fd);

/* twin_tree.c */
int tree_make(const char *top);
void tree_say(struct twin *t, const char *top);
void tree_remove(const char *top);

/* twin_names.c */
#define FILES 7
extern const char *const file_names[FILES];
const char *any_path(struct twin *t);
const char *good_path(struct twin *t); /* a readable regular file, mostly */
const char *new_path(struct twin *t);  /* something to make or replace */
const char *path_text(struct twin *t, const char *path);
bool names_fifo(const char *path);
/* Random changes must never reach anything else on the machine. */
bool in_tree(struct twin *t, const char *path);
int any_fd(struct twin *t);
int any_dirfd(struct twin *t, bool *opened);
int any_flags(struct twin *t);

/* The calls: each makes one or a few and logs them. */
typedef void twin_op(struct twin *t);
twin_op op_open, op_stat, op_fstat, op_list;	       /* twin_open.c */
twin_op op_read, op_write, op_lseek, op_map;	       /* twin_io.c */
twin_op op_close, op_dup, op_fcntl, op_high, op_range; /* twin_fd.c */
twin_op op_sendfile, op_copy, op_pair, op_serve;       /* twin_send.c */
twin_op op_names, op_chdir, op_size;		       /* twin_fs.c */
twin_op op_fork, op_vfork, op_limit, op_lock;	       /* twin_proc.c */
twin_op op_signal, op_timer;			       /* twin_signal.c */
twin_op op_turns, op_together;			       /* twin_threads.c */
twin_op op_scan;				       /* twin_scan.c */
int open_somehow(struct twin *t, int dirfd, const char *path, int flags);
int stat_somehow(struct twin *t, int dirfd, const char *path, struct stat *st);
int close_somehow(struct twin *t, int fd);
ssize_t read_somehow(struct twin *t, int fd);
void send_somewhere(struct twin *t, int fd);
void change_something(struct twin *t, const char *path);
/* twin_program.c */
void program(struct twin *t, unsigned calls);
void calm_call(struct twin *t); /* one that starts no thread, child or signal */
void say_descriptors(struct twin *t);

#endif
