/* SPDX-License-Identifier: MIT
 *
 * Whatever else a program does that somebody can notice comes after what it has sent
 * before: for each kind of effect a few rounds of an answer and the effect, after which
 * the program makes no call until the test has looked.
 */
#include <sched.h>
#include <spawn.h>
#include <sys/file.h>
#include <sys/mman.h>

#include "promise.h"

extern char **environ;

static int other = -1, file = -1;
static unsigned turn;

/* ---- output ---- */

static void by_pipe(void)
{
	told("write", write(STDOUT_FILENO, "x", 1));
}

static void by_writev(void)
{
	struct iovec iov = { "x", 1 };

	told("writev", writev(STDOUT_FILENO, &iov, 1));
}

static void by_dprintf(void)
{
	told("dprintf", dprintf(STDOUT_FILENO, "%c", 'x'));
}

static void by_printf(void)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	told("printf", printf("%c", 'x'));
}

static void by_puts(void)
{
	setvbuf(stdout, NULL, _IOLBF, 100);
	told("puts", puts("x") >= 0);
}

static void by_fflush(void)
{
	fputs("x", stdout);
	told("fflush", fflush(stdout));
}

static void by_fputc(void)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	told("fputc", fputc('x', stdout));
}

static void by_fwrite(void)
{
	setvbuf(stdout, NULL, _IONBF, 0);
	told("fwrite", (long)fwrite("x", 1, 1, stdout));
}

static void by_stderr(void)
{
	told("fprintf", fprintf(stderr, "x"));
}

static void by_perror(void)
{
	errno = 0;
	perror("x");
}

static void by_splice(void)
{
	int pair[2];

	MUST(pipe(pair));
	MUST(write(pair[1], "x", 1));
	told("splice", splice(pair[0], NULL, STDOUT_FILENO, NULL, 1, 0));
	close(pair[0]);
	close(pair[1]);
}

static void by_vmsplice(void)
{
	struct iovec iov = { "x", 1 };

	told("vmsplice", vmsplice(STDOUT_FILENO, &iov, 1, 0));
}

static void by_sendfile(void)
{
	off_t at = 0;

	told("sendfile", sendfile(STDOUT_FILENO, file, &at, 1));
}

/* ---- sockets: the test listens on what `number` says ---- */

static int dial(int type)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				  .sin_port = htons((uint16_t)style.number) };
	int fd = MUST(socket(AF_INET, type, 0));

	MUST(connect(fd, (struct sockaddr *)&to, sizeof(to)));
	return fd;
}

static void by_udp(void)
{
	told("send", send(other, "x", 1, 0));
}

static void by_sendto(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				  .sin_port = htons((uint16_t)style.number) };
	int fd = MUST(socket(AF_INET, SOCK_DGRAM, 0));

	told("sendto", sendto(fd, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)));
	close(fd);
}

static void by_tcp(void)
{
	told("write", write(other, "x", 1));
}

static void by_connect(void)
{
	close(other);
	other = dial(SOCK_STREAM);
	note("connected\n");
}

static void by_hangup(void)
{
	told("shutdown", shutdown(other, SHUT_WR));
}

static void by_close(void)
{
	told("close", close(other));
}

static void by_unix(void)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };

	snprintf(to.sun_path, sizeof(to.sun_path), "%s", style.with);
	told("sendto", sendto(other, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)));
}

/* ---- files ---- */

static const char *own(const char *name)
{
	static char path[2][128];
	static unsigned which;
	char *p = path[which++ % 2];

	snprintf(p, sizeof(path[0]), "%s/%s%u", style.own, name, turn);
	return p;
}

static void by_file(void)
{
	told("write", write(other, "x", 1));
}

static void by_pwrite(void)
{
	told("pwrite", pwrite(other, "x", 1, turn));
}

static void by_truncate(void)
{
	told("ftruncate", ftruncate(other, turn + 1));
}

static void by_copying(void)
{
	off_t at = 0;

	told("copy", copy_file_range(file, &at, other, NULL, 1, 0));
}

static void by_creat(void)
{
	told("creat", close(creat(own("n"), 0600)));
}

static void by_open(void)
{
	told("open", close(open(own("n"), O_WRONLY | O_CREAT, 0600)));
}

static void by_mkdir(void)
{
	told("mkdir", mkdir(own("n"), 0700));
}

static void by_symlink(void)
{
	told("symlink", symlink("f00", own("n")));
}

static void by_link(void)
{
	told("link", link("f00", own("n")));
}

static void by_rename(void)
{
	told("rename", rename(own("old"), own("n")));
}

static void by_fopen(void)
{
	FILE *f = fopen(own("n"), "w");

	told("fopen", f ? fclose(f) : -1);
}

static void by_unlock(void)
{
	told("flock", flock(other, LOCK_UN));
}

static void by_mmap(void)
{
	char *p = MUST(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, other, 0));

	p[turn] = 'x';
	munmap(p, 4096);
}

/* ---- processes: what the child writes to the pipe comes later as well ---- */

static void by_fork(void)
{
	pid_t pid = fork();

	if (!pid) {
		(void)!write(STDOUT_FILENO, "x", 1);
		_exit(0);
	}
}

static void by_raw_fork(void)
{
	pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	if (!pid) {
		(void)!syscall(SYS_write, STDOUT_FILENO, "x", 1);
		_exit(0);
	}
}

static void by_vfork(void)
{
	pid_t pid = vfork();

	if (!pid) {
		(void)!write(STDOUT_FILENO, "x", 1);
		_exit(0);
	}
}

static void by_spawn(void)
{
	char *argv[] = { "sh", "-c", "printf x", NULL };
	pid_t pid;

	told("spawn", posix_spawn(&pid, "/bin/sh", NULL, NULL, argv, environ));
}

static void by_system(void)
{
	told("system", system("printf x"));
}

static void by_popen(void)
{
	FILE *f = popen("printf x", "w");

	told("popen", f ? pclose(f) : -1);
}

static void by_syscall(void)
{
	told("syscall", syscall(SYS_write, STDOUT_FILENO, "x", 1));
}

/* A child is told by a signal, and the test by the child. */
static void by_kill(void)
{
	sigset_t set;
	int sig;

	if (!turn) {
		sigemptyset(&set);
		sigaddset(&set, SIGUSR1);
		sigprocmask(SIG_BLOCK, &set, NULL);
		other = MUST(fork());
		while (!other && !sigwait(&set, &sig))
			if (write(STDOUT_FILENO, "x", 1) != 1)
				_exit(1);
	}
	kill(other, SIGUSR1);
}

static const struct way effects[] = {
	{ "pipe", by_pipe },	     { "writev", by_writev },
	{ "dprintf", by_dprintf },   { "printf", by_printf },
	{ "puts", by_puts },	     { "fflush", by_fflush },
	{ "fputc", by_fputc },	     { "fwrite", by_fwrite },
	{ "stderr", by_stderr },     { "perror", by_perror },
	{ "splice", by_splice },     { "vmsplice", by_vmsplice },
	{ "sendfile", by_sendfile }, { "udp", by_udp },
	{ "sendto", by_sendto },     { "tcp", by_tcp },
	{ "connect", by_connect },   { "hangup", by_hangup },
	{ "close", by_close },	     { "unix", by_unix },
	{ "file", by_file },	     { "pwrite", by_pwrite },
	{ "truncate", by_truncate }, { "copying", by_copying },
	{ "creat", by_creat },	     { "open", by_open },
	{ "mkdir", by_mkdir },	     { "symlink", by_symlink },
	{ "link", by_link },	     { "rename", by_rename },
	{ "fopen", by_fopen },	     { "unlock", by_unlock },
	{ "mmap", by_mmap },	     { "fork", by_fork },
	{ "clone", by_raw_fork },    { "vfork", by_vfork },
	{ "spawn", by_spawn },	     { "system", by_system },
	{ "popen", by_popen },	     { "syscall", by_syscall },
	{ "kill", by_kill },	     { NULL, NULL },
};

static void before(void)
{
	if (what_is("udp"))
		other = dial(SOCK_DGRAM);
	else if (what_is("tcp") || what_is("hangup") || what_is("close"))
		other = dial(SOCK_STREAM);
	else if (what_is("unix"))
		other = MUST(socket(AF_UNIX, SOCK_DGRAM, 0));
	else if (style.own && !what_is("unlock"))
		other = MUST(open(own("file"), O_RDWR | O_CREAT, 0600));
	if (what_is("mmap"))
		MUST(ftruncate(other, 4096));
	file = MUST(open("f05", O_RDONLY));
}

static void elsewhere(void)
{
	int fd;

	listen_on();
	fd = take();
	before();
	for (turn = 0; turn < style.count; turn++) {
		if (what_is("rename"))
			MUST(close(creat(own("old"), 0600)));
		if (what_is("unlock")) {
			other = MUST(open(own("n"), O_RDWR | O_CREAT, 0600));
			MUST(flock(other, LOCK_EX));
		}
		stop(2 * turn + 1);
		answer(fd, file_name(turn));
		if (!pick(effects, style.what))
			note("no such effect\n");
		stop(2 * turn + 2);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
	}
	if (what_is("kill"))
		kill(other, SIGTERM);
	told("close", close(fd));
}

const struct way elsewheres[] = { { "elsewhere", elsewhere }, { NULL, NULL } };
