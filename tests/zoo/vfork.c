/* SPDX-License-Identifier: MIT
 *
 * Children on the parent's memory: vfork, clone() on a stack of their own, and
 * the same by number. They replace and close descriptors and exec; the parent's
 * descriptors, what the library knows of them and its files must be unharmed.
 */
#include <sched.h>
#include <spawn.h>
#include <sys/resource.h>

#include "zoo.h"

extern char **environ;

static int held[4];
static char stack[65536] __attribute__((aligned(64)));

/* Cold files, partly read, that the parent has open over the child. */
static void hold(void)
{
	char buf[16];

	say("%lx\n", (unsigned long)warm());
	for (unsigned i = 0; i < 4; i++) {
		held[i] = MUST(open_here(file_name(i), O_RDONLY));
		MUST(read_here(held[i], buf, sizeof(buf)));
	}
}

static void check(void)
{
	struct stat st;

	for (unsigned i = 0; i < 4; i++) {
		MUST(fstat_here(held[i], &st));
		say("%d: %ld %lx\n", held[i], (long)st.st_size,
		    (unsigned long)sum_of(held[i]));
		MUST(close_here(held[i]));
	}
	say_open("parent");
	say("%lx\n", (unsigned long)warm());
}

static void child_work(void)
{
	int fd = open_here("f05", O_RDONLY);

	dup2(fd, held[0]);
	close_here(held[1]);
	close_here(held[2]);
	dup2(fd, held[2]);
	close_here(fd);
	open_here("f06", O_RDONLY);
	fcntl(held[3], F_SETFD, 0);
	execl("/proc/self/exe", "vfork", "show", (char *)NULL);
	_exit(97);
}

static int child_of_clone(void *unused)
{
	(void)unused;
	child_work();
	return 0;
}

static void show(void)
{
	say_open("child");
	for (int fd = 3; fd < 8; fd++)
		say("%d: %lx\n", fd, (unsigned long)sum_of(fd));
	say("%lx\n", (unsigned long)visit("f00"));
}

static void by_vfork(void)
{
	hold();
	for (unsigned i = 0; i < 3; i++) {
		pid_t pid = vfork();

		if (pid == 0)
			child_work();
		say_status("child", pid);
		for (unsigned j = 0; j < 4; j++)
			lseek(held[j], 16, SEEK_SET);
		visit("f07");
	}
	check();
}

static void by_clone(void)
{
	hold();
	say_status("child", MUST(clone(child_of_clone, stack + sizeof(stack),
				       CLONE_VM | CLONE_VFORK | SIGCHLD, NULL)));
	for (unsigned j = 0; j < 4; j++)
		lseek(held[j], 16, SEEK_SET);
	check();
}

/*
 * The child of a raw clone returns on the new stack: to the address that lies there.
 * Only a processor that keeps return addresses on the stack can be used like that.
 */
__attribute__((noreturn, unused)) static void start_of_raw(void)
{
	child_work();
	_exit(95);
}

static void by_number(void)
{
	hold();
#ifdef __x86_64__
	void (**top)(void) = (void (**)(void))(void *)(stack + sizeof(stack) - 64);

	*top = start_of_raw;
	say_status("child", MUST((pid_t)syscall(SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD,
						top, 0, 0, 0)));
	for (unsigned j = 0; j < 4; j++)
		lseek(held[j], 16, SEEK_SET);
#endif
	check();
}

/* Failing exec, and _exit in the child: the parent's statistics are its own. */
static void fails(void)
{
	pid_t pid;

	hold();
	pid = vfork();
	if (pid == 0) {
		execl("/nowhere/nothing", "nothing", (char *)NULL);
		_exit(errno == ENOENT ? 44 : 45);
	}
	say_status("child", pid);
	check();
}

/* The child puts a descriptor on every number near the top, where ours may be. */
static void high(void)
{
	struct rlimit rl;
	pid_t pid;

	MUST(getrlimit(RLIMIT_NOFILE, &rl));
	hold();
	pid = vfork();
	if (pid == 0) {
		int top = rl.rlim_cur > 16384 ? 16384 : (int)rl.rlim_cur;

		for (int fd = top - 1; fd > top - 24; fd--)
			if (dup2(1, fd) != fd)
				_exit(43);
		_exit(6);
	}
	say_status("child", pid);
	check();
}

static void spawned(void)
{
	char *argv[] = { (char *)"vfork", (char *)"show", NULL };
	posix_spawn_file_actions_t actions;
	pid_t pid;

	hold();
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, 7, "f08", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, 7, held[0]);
	posix_spawn_file_actions_addclose(&actions, held[1]);
	for (unsigned i = 0; i < 3; i++) {
		if (posix_spawn(&pid, "/proc/self/exe", &actions, NULL, argv, environ))
			_exit(96);
		say_status("child", pid);
		for (unsigned j = 0; j < 4; j++)
			lseek(held[j], 16, SEEK_SET);
	}
	check();
}

/* system() and popen(), which use the same from inside libc. */
static void shells(void)
{
	char line[64] = "";
	FILE *f;

	hold();
	say("system: %d\n", system("exit 3") >> 8);
	f = popen("cat f09 | wc -c", "r");
	if (!f || !fgets(line, sizeof(line), f))
		_exit(96);
	say("popen: %s", line);
	say("pclose: %d\n", pclose(f));
	check();
}

int main(int argc, char **argv)
{
	static const struct way ways[] = {
		{ "vfork", by_vfork }, { "clone", by_clone }, { "number", by_number },
		{ "fails", fails },    { "high", high },      { "spawned", spawned },
		{ "shells", shells },  { "show", show },      { NULL, NULL },
	};

	return choose(ways, argc, argv);
}
