/* SPDX-License-Identifier: MIT */
/*
 * Children of every kind, limits, and locks between processes.
 */
#define _GNU_SOURCE 1
#include "twin.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void say_end(struct twin *t, const char *what, pid_t pid)
{
	int status = -1;
	pid_t r;

	if (pid < 0) {
		say(t, "%s: %s", what, strerrorname_np(errno));
		return;
	}
	do
		r = waitpid(pid, &status, 0);
	while (r < 0 && errno == EINTR);
	say(t, "%s: own child %d status %#x", what, r == pid, (unsigned)status);
}

static pid_t fork_somehow(unsigned how)
{
	switch (how) {
	case 0:
		return _Fork();
	case 1:
		/* As vsftpd does: libc never learns of it. */
		return (pid_t)syscall(SYS_clone, (long)SIGCHLD, 0l, 0l, 0l, 0l);
	default:
		return fork();
	}
}

__attribute__((noreturn)) static void leave(unsigned how, int status)
{
	switch (how) {
	case 0:
		_exit(status);
	case 1:
		_Exit(status);
	default:
		exit(status);
	}
}

void op_fork(struct twin *t)
{
	unsigned how = below(t, 4), end = below(t, 3), calls = 2 + below(t, 6);
	struct twin child = *t;
	pid_t pid;

	child.rng = rnd(t);
	child.depth++;
	child.line = 0;
	if (t->depth >= 2)
		return;
	pid = fork_somehow(how);
	if (!pid) {
		program(&child, calls);
		leave(end, (int)(child.rng & 63));
	}
	say_end(t, "fork", pid);
}

/* A vfork child runs on our memory: what it does to its descriptors stays with it. */
static pid_t spawn_by_vfork(int fd, bool exec)
{
	static char *const argv[] = { (char *)"true", NULL };
	static char *const env[] = { NULL };
	pid_t pid = vfork();

	if (pid)
		return pid;
	close(fd);
	dup2(0, 9);
	open("f1", O_RDONLY);
	if (exec)
		execve("/bin/true", argv, env);
	_exit(7);
}

static pid_t spawn_by_posix(int fd)
{
	static char *const argv[] = { (char *)"true", NULL };
	posix_spawn_file_actions_t actions;
	extern char **environ;
	pid_t pid = -1;
	int e;

	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addclose(&actions, fd < 0 ? 200 : fd);
	posix_spawn_file_actions_addopen(&actions, 3, "f1", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, 3, 10);
	e = posix_spawn(&pid, "/bin/true", &actions, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	errno = e;
	return e ? -1 : pid;
}

void op_vfork(struct twin *t)
{
	int fd = any_fd(t);

	if (one_in(t, 3))
		say_end(t, "posix_spawn", spawn_by_posix(fd));
	else
		say_end(t, "vfork", spawn_by_vfork(fd, one_in(t, 2)));
}

void op_limit(struct twin *t)
{
	struct rlimit rl;
	bool before_this = t->limited;

	getrlimit(RLIMIT_NOFILE, &rl);
	rl.rlim_cur = one_in(t, 6) ? 0 : 3 + below(t, 16);
	DID(t, setrlimit(RLIMIT_NOFILE, &rl), "RLIMIT_NOFILE %d", (int)rl.rlim_cur);
	t->limited = true;
	for (unsigned n = 2 + below(t, 6); n; n--)
		calm_call(t);
	t->limited = before_this;
	rl.rlim_cur = FD_MAX;
	DID(t, prlimit(0, RLIMIT_NOFILE, &rl, NULL), "RLIMIT_NOFILE back");
}

/* A lock ends with the close, for everybody, at once. */
void op_lock(struct twin *t)
{
	struct flock read_lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET };
	struct flock write_lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	const char *path = good_path(t);
	bool whole = one_in(t, 2);
	struct twin child = *t;
	int fd = open_somehow(t, AT_FDCWD, path, O_RDONLY);
	pid_t pid;

	read(fd, t->buf, 1000);
	if (whole)
		DID(t, flock(fd, LOCK_SH | LOCK_NB), "flock shared");
	else
		DID(t, fcntl(fd, F_SETLK, &read_lock), "lock for reading");
	DID(t, close(fd), "close %d", fd);
	pid = fork();
	if (!pid) {
		child.depth++;
		fd = open(path, O_RDWR);
		say(&child, "opened %d", fd);
		if (whole)
			DID(&child, flock(fd, LOCK_EX | LOCK_NB), "flock exclusive");
		else
			DID(&child, fcntl(fd, F_SETLK, &write_lock), "lock for writing");
		_exit(0);
	}
	say_end(t, "locker", pid);
}
