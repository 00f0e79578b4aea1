/* SPDX-License-Identifier: MIT
 *
 * The child writes what it finds into memory that it shares with us. When it gets no
 * further for two seconds it is killed, the process that it was at is remembered, and
 * another child reads the rest.
 */
#include "top_scan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 2000
#define SILENT_MAX 64U

struct shared {
	pid_t at;	/* the process that is being read */
	uint32_t steps; /* processes so far */
	bool complete;
	struct snapshot found;
};

struct scan {
	pid_t *pids;
	size_t n;
	struct shared *shared;
	pid_t child; /* 0: none */
	int end;     /* of a pipe that the child has, -1: none */
	uint32_t steps;
	int64_t moved, looked; /* when there was a step last, when we looked; ms */
	/* They stay so until they end. */
	struct {
		pid_t pid;
		uint64_t start;
	} silent[SILENT_MAX];
	unsigned silent_n;
};

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

struct scan *scan_new(const pid_t *pids, size_t n)
{
	struct scan *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->end = -1;
	s->n = n;
	s->pids = calloc(n ? n : 1, sizeof(*pids));
	s->shared = mmap(NULL, sizeof(*s->shared), PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (!s->pids || s->shared == MAP_FAILED) {
		free(s->pids);
		free(s);
		return NULL;
	}
	if (n)
		memcpy(s->pids, pids, n * sizeof(*pids));
	return s;
}

/* ---- in the child ---- */

static bool is_silent(const struct scan *s, struct view *view, pid_t pid)
{
	for (unsigned i = 0; i < s->silent_n; i++) {
		if (s->silent[i].pid != pid)
			continue;
		view_who(view, pid);
		return view->start == s->silent[i].start;
	}
	return false;
}

static void read_one(struct scan *s, pid_t pid)
{
	struct snapshot *f = &s->shared->found;
	static struct view spare;
	struct view *view = f->n < SCAN_MAX ? &f->view[f->n] : &spare;
	bool wanted = s->n > 0;

	__atomic_store_n(&s->shared->at, pid, __ATOMIC_RELEASE);
	__atomic_add_fetch(&s->shared->steps, 1, __ATOMIC_RELEASE);
	if (!is_silent(s, view, pid))
		view_read(view, pid);
	f->hidden += view->state == VIEW_HIDDEN;
	if (!wanted && (view->state == VIEW_GONE || view->state == VIEW_NO_LIBRARY ||
			view->state == VIEW_HIDDEN))
		return;
	if (view == &spare)
		f->left_out++;
	else
		f->n++;
}

static void read_all(struct scan *s)
{
	DIR *proc = s->n ? NULL : opendir("/proc");
	struct dirent *e;

	for (size_t i = 0; i < s->n; i++)
		read_one(s, s->pids[i]);
	while (proc && (e = readdir(proc))) {
		char *end;
		long pid = strtol(e->d_name, &end, 10);

		if (pid > 0 && !*end && pid != getpid())
			read_one(s, (pid_t)pid);
	}
	if (proc)
		closedir(proc);
	s->shared->complete = s->n || proc;
}

/* ---- and here ---- */

int scan_begin(struct scan *s)
{
	pid_t parent = getpid();
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return -errno;
	s->shared->complete = false;
	s->shared->found.n = s->shared->found.hidden = s->shared->found.left_out = 0;
	s->shared->steps = s->steps = 0;
	s->moved = s->looked = now_ms();
	s->child = fork();
	if (!s->child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGTSTP, SIG_IGN); /* curses' handler is the parent's business */
		if (getppid() == parent)
			read_all(s);
		_exit(0);
	}
	close(fds[1]);
	s->end = fds[0];
	if (s->child > 0)
		return 0;
	close(fds[0]);
	s->end = -1;
	s->child = 0;
	return -EAGAIN;
}

int scan_fd(const struct scan *s)
{
	return s->end;
}

/* It has ended, or does so when what it waits for allows. */
static void leave_child(struct scan *s, bool kill_it)
{
	struct pollfd p = { s->end, POLLIN, 0 };

	if (kill_it)
		kill(s->child, SIGKILL);
	/* Then it waits for something that is stronger: what is left of it is init's. */
	if (poll(&p, 1, kill_it ? 500 : -1) != 0)
		waitpid(s->child, NULL, 0);
	close(s->end);
	s->end = -1;
	s->child = 0;
}

/* The child has got no further than to this process: without it, then. */
static int again_without(struct scan *s)
{
	static struct view view;
	pid_t at = __atomic_load_n(&s->shared->at, __ATOMIC_ACQUIRE);

	if (s->silent_n == SILENT_MAX)
		return -ETIMEDOUT;
	if (!__atomic_load_n(&s->shared->steps, __ATOMIC_ACQUIRE))
		return -EIO;
	view_who(&view, at);
	s->silent[s->silent_n].pid = at;
	s->silent[s->silent_n++].start = view.start;
	return scan_begin(s);
}

static void terminate(struct snapshot *f)
{
	if (f->n > SCAN_MAX)
		f->n = SCAN_MAX;
	for (uint32_t i = 0; i < f->n; i++) {
		struct view *v = &f->view[i];

		v->program[sizeof(v->program) - 1] = v->why[sizeof(v->why) - 1] = '\0';
		if (v->devices > VIEW_DEVICES)
			v->devices = VIEW_DEVICES;
	}
}

/* Has it been at one process for too long? */
static bool stuck(struct scan *s)
{
	uint32_t steps = __atomic_load_n(&s->shared->steps, __ATOMIC_ACQUIRE);
	int64_t now = now_ms();

	/* Where nobody has looked for a while, all of us were stopped. */
	if (steps != s->steps || now - s->looked > PATIENCE_MS / 2)
		s->moved = now;
	s->steps = steps;
	s->looked = now;
	return now - s->moved > PATIENCE_MS;
}

int scan_wait(struct scan *s, int ms)
{
	int64_t until = now_ms() + ms;

	for (;;) {
		int64_t left = ms < 0 ? 100 : until - now_ms();
		struct pollfd p = { s->end, POLLIN, 0 };
		bool ended = poll(&p, 1, left < 0 ? 0 : left > 100 ? 100 : (int)left) > 0;
		int r = 0;

		if (ended || stuck(s)) {
			leave_child(s, !ended);
			if (s->shared->complete)
				break;
			r = again_without(s);
		}
		if (r < 0)
			return r;
		if (ms >= 0 && now_ms() >= until)
			return 0;
	}
	terminate(&s->shared->found);
	return 1;
}

const struct snapshot *scan_result(const struct scan *s)
{
	return &s->shared->found;
}
