/* SPDX-License-Identifier: MIT
 *
 * Everything that may wait: what has been sent before is on its way by then, the wait
 * ends as it would, and handlers run at once. The test ends the waits.
 */
#include <mqueue.h>
#include <sys/file.h>
#include <sys/timerfd.h>

#include "promise.h"

static int fd = -1; /* the connection */
static char room[64];

int epoll_of(int of, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.fd = of };
	int set = MUST(epoll_create1(0));

	MUST(epoll_ctl(set, EPOLL_CTL_ADD, of, &ev));
	return set;
}

/* ---- ended by a byte on standard input ---- */

static void in_read(void)
{
	told("read", read(STDIN_FILENO, room, 1));
}

static void in_readv(void)
{
	struct iovec iov = { room, 1 };

	told("readv", readv(STDIN_FILENO, &iov, 1));
}

static void in_poll(void)
{
	struct pollfd p = { STDIN_FILENO, POLLIN, 0 };

	told("poll", poll(&p, 1, -1));
	note("%x\n", p.revents);
}

static void in_ppoll(void)
{
	struct pollfd p = { STDIN_FILENO, POLLIN, 0 };

	told("ppoll", ppoll(&p, 1, NULL, NULL));
	note("%x\n", p.revents);
}

static void in_select(void)
{
	fd_set in;

	FD_ZERO(&in);
	FD_SET(STDIN_FILENO, &in);
	told("select", select(1, &in, NULL, NULL, NULL));
}

static void in_pselect(void)
{
	fd_set in;

	FD_ZERO(&in);
	FD_SET(STDIN_FILENO, &in);
	told("pselect", pselect(1, &in, NULL, NULL, NULL, NULL));
}

static void in_epoll(void)
{
	int set = epoll_of(STDIN_FILENO, EPOLLIN);
	struct epoll_event ev;

	told("epoll_wait", epoll_wait(set, &ev, 1, -1));
	close(set);
}

static void in_epoll_pwait(void)
{
	int set = epoll_of(STDIN_FILENO, EPOLLIN);
	struct epoll_event ev;

	told("epoll_pwait", epoll_pwait(set, &ev, 1, -1, NULL));
	close(set);
}

static void in_fgets(void)
{
	told("fgets", fgets(room, sizeof(room), stdin) != NULL);
}

static void in_getc(void)
{
	told("getc", getc(stdin));
}

static void in_fread(void)
{
	setvbuf(stdin, NULL, _IONBF, 0);
	told("fread", (long)fread(room, 1, 1, stdin));
}

static void in_scanf(void)
{
	told("scanf", scanf("%1s", room));
}

static void in_getline(void)
{
	char *line = NULL;
	size_t n = 0;

	told("getline", getline(&line, &n, stdin));
	free(line);
}

static void in_splice(void)
{
	int p[2];

	MUST(pipe(p));
	told("splice", splice(STDIN_FILENO, NULL, p[1], NULL, 1, 0));
	close(p[0]);
	close(p[1]);
}

static void in_syscall(void)
{
	told("syscall", syscall(SYS_read, STDIN_FILENO, room, 1L));
}

/* ---- by the peer, or another one ---- */

static void in_recv(void)
{
	told("recv", recv(fd, room, 1, 0));
}

static void in_recvfrom(void)
{
	told("recvfrom", recvfrom(fd, room, 1, 0, NULL, NULL));
}

static void in_recvmsg(void)
{
	struct iovec iov = { room, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };

	told("recvmsg", recvmsg(fd, &m, 0));
}

static void in_read_peer(void)
{
	told("read", read(fd, room, 1));
}

static void in_poll_peer(void)
{
	struct pollfd p = { fd, POLLIN, 0 };

	told("poll", poll(&p, 1, -1));
	note("%x\n", p.revents);
}

static void in_accept(void)
{
	int other = (int)told("accept", take_any());

	if (other >= 0)
		close(other);
}

/* ---- by a signal ---- */

static void in_pause(void)
{
	told("pause", pause());
}

static void in_sigsuspend(void)
{
	sigset_t none;

	sigemptyset(&none);
	told("sigsuspend", sigsuspend(&none));
}

static void in_sigwait(void)
{
	sigset_t set;
	int sig = 0;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigprocmask(SIG_BLOCK, &set, NULL);
	told("sigwait", sigwait(&set, &sig));
}

/* ---- by time: the test has 300 ms to see that all has come ---- */

#define LONG_MS 300

static void in_sleep(void)
{
	told("sleep", sleep(1));
}

static void in_usleep(void)
{
	told("usleep", usleep(LONG_MS * 1000));
}

static void in_nanosleep(void)
{
	struct timespec ts = { 0, LONG_MS * 1000000L };

	told("nanosleep", nanosleep(&ts, NULL));
}

static void in_clock_nanosleep(void)
{
	struct timespec ts = { 0, LONG_MS * 1000000L };

	told("clock_nanosleep", clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL));
}

static void in_poll_time(void)
{
	told("poll", poll(NULL, 0, LONG_MS));
}

static void in_timerfd(void)
{
	struct itimerspec it = { .it_value = { 0, LONG_MS * 1000000L } };
	int timer = MUST(timerfd_create(CLOCK_MONOTONIC, 0));
	uint64_t n;

	MUST(timerfd_settime(timer, 0, &it, NULL));
	told("timerfd", read(timer, &n, sizeof(n)));
	close(timer);
}

/* ---- by another process, which ends when the test says so ---- */

static pid_t helper;

static void in_waitpid(void)
{
	told("waitpid", waitpid(helper, NULL, 0) == helper);
}

static void in_wait(void)
{
	told("wait", wait(NULL) == helper);
}

static void in_waitid(void)
{
	siginfo_t info;

	told("waitid", waitid(P_PID, (id_t)helper, &info, WEXITED));
}

static int lock_file(void)
{
	char path[64];

	snprintf(path, sizeof(path), "%s/lock", style.own);
	return MUST(open(path, O_RDWR | O_CREAT, 0600));
}

static void in_flock(void)
{
	int lock = lock_file();

	told("flock", flock(lock, LOCK_EX));
	close(lock);
}

static void in_setlkw(void)
{
	struct flock l = { .l_type = F_WRLCK };
	int lock = lock_file();

	told("fcntl", fcntl(lock, F_SETLKW, &l));
	close(lock);
}

static void in_lockf(void)
{
	int lock = lock_file();

	told("lockf", lockf(lock, F_LOCK, 0));
	close(lock);
}

static void in_system(void)
{
	told("system", system("read x"));
}

static mqd_t queue;

static void in_mq_receive(void)
{
	told("mq_receive", mq_receive(queue, room, sizeof(room), NULL));
}

/* ---- the frame ---- */

const struct way wait_ways[] = {
	{ "read", in_read },
	{ "readv", in_readv },
	{ "poll", in_poll },
	{ "ppoll", in_ppoll },
	{ "select", in_select },
	{ "pselect", in_pselect },
	{ "epoll", in_epoll },
	{ "epoll_pwait", in_epoll_pwait },
	{ "fgets", in_fgets },
	{ "getc", in_getc },
	{ "fread", in_fread },
	{ "scanf", in_scanf },
	{ "getline", in_getline },
	{ "splice", in_splice },
	{ "syscall", in_syscall },
	{ "recv", in_recv },
	{ "recvfrom", in_recvfrom },
	{ "recvmsg", in_recvmsg },
	{ "read_peer", in_read_peer },
	{ "poll_peer", in_poll_peer },
	{ "accept", in_accept },
	{ "pause", in_pause },
	{ "sigsuspend", in_sigsuspend },
	{ "sigwait", in_sigwait },
	{ "sleep", in_sleep },
	{ "usleep", in_usleep },
	{ "nanosleep", in_nanosleep },
	{ "clock_nanosleep", in_clock_nanosleep },
	{ "poll_time", in_poll_time },
	{ "timerfd", in_timerfd },
	{ "waitpid", in_waitpid },
	{ "wait", in_wait },
	{ "waitid", in_waitid },
	{ "flock", in_flock },
	{ "setlkw", in_setlkw },
	{ "lockf", in_lockf },
	{ "system", in_system },
	{ "mq_receive", in_mq_receive },
	{ NULL, NULL },
};

static void on_signal(int sig)
{
	(void)sig;
	board->flag[0]++;
}

/* Ends at a byte, and sends a message then; holds the lock until then. */
static void start_helper(void)
{
	struct mq_attr attr = { .mq_maxmsg = 1, .mq_msgsize = sizeof(room) };
	struct flock l = { .l_type = F_WRLCK };
	char name[32];
	int lock;

	snprintf(name, sizeof(name), "/promise%d", getpid());
	queue = MUST(mq_open(name, O_RDWR | O_CREAT, 0600, &attr));
	MUST(mq_unlink(name));
	helper = MUST(fork());
	if (helper)
		return;
	lock = lock_file();
	if (what_is("flock"))
		MUST(flock(lock, LOCK_EX));
	else
		MUST(fcntl(lock, F_SETLK, &l));
	board->flag[1] = 1;
	while (read(STDIN_FILENO, room, 1) < 0)
		;
	mq_send(queue, "x", 1, 0);
	_exit(0);
}

static void needs_helper(void)
{
	static const char *const names[] = { "waitpid", "wait",	 "waitid",    "flock",
					     "setlkw",	"lockf", "mq_receive" };

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (what_is(names[i]))
			start_helper();
	while (helper && !board->flag[1])
		;
}

/*
 * An answer, and a wait; then another, to see that nothing is out of order. With
 * "rest" the answer is more than the kernel takes before the peer reads.
 */
static void waits_for(void)
{
	listen_on();
	fd = take();
	handle(SIGUSR1, on_signal, style.restart ? SA_RESTART : 0);
	needs_helper();
	stop(1);
	answer(fd, style.rest ? "big" : "f03");
	reached(2);
	if (!pick(wait_ways, style.what))
		note("no such wait\n");
	reached(9);
	/* No byte of the first answer is overtaken. */
	answer(fd, "f01");
	note("%d signals\n", board->flag[0]);
	told("close", close(fd));
}

/* recv with a limit of its own, on another connection. */
static void limited(void)
{
	struct timeval tv = { 0, 150000 };
	struct timespec before, after;
	int other;
	long ms;

	listen_on();
	fd = take();
	other = take();
	MUST(setsockopt(other, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	answer(fd, style.rest ? "big" : "f03");
	reached(2);
	clock_gettime(CLOCK_MONOTONIC, &before);
	told("recv", recv(other, room, 1, 0));
	clock_gettime(CLOCK_MONOTONIC, &after);
	ms = (after.tv_sec - before.tv_sec) * 1000 +
	     (after.tv_nsec - before.tv_nsec) / 1000000;
	fact("%ld ms\n", ms);
	note("%s\n", ms < 140 ? "too early" : ms > 2000 ? "too late" : "in time");
	reached(9);
	answer(fd, "f01");
	told("close", close(fd));
}

/* A pipe that is full is a wait as well. */
static void full_pipe(void)
{
	static char much[65536];
	int p[2];

	listen_on();
	fd = take();
	MUST(pipe(p));
	MUST(write(p[1], much, sizeof(much)));
	if (!MUST(fork())) {
		close(p[1]);
		while (__atomic_load_n(&board->go, __ATOMIC_ACQUIRE) < 2)
			nap(1000);
		while (read(p[0], much, sizeof(much)) > 0)
			;
		_exit(0);
	}
	stop(1);
	answer(fd, style.rest ? "big" : "f03");
	reached(2);
	told("write", write(p[1], "x", 1));
	reached(9);
	answer(fd, "f01");
	told("close", close(fd));
}

const struct way waits[] = {
	{ "waits", waits_for },
	{ "limited", limited },
	{ "full_pipe", full_pipe },
	{ NULL, NULL },
};
