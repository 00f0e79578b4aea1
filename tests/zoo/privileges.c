/* SPDX-License-Identifier: MIT
 *
 * Rights that go while the library knows the files and may have opened one
 * ahead: what only root may read is refused from then on, what the new rights
 * allow works. Files: f00..f15 readable by all, secret by root only.
 */
#include <grp.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <sys/fsuid.h>
#include <sys/prctl.h>

#include "zoo.h"

#define NOBODY 65534

/* The stat has started a chain when the rights go. */
static void look(void)
{
	struct stat st;

	say("%lx\n", (unsigned long)warm());
	for (unsigned i = 0; i < 4; i++)
		say("%d", visit("secret") != EACCES);
	say("\n");
	MUST(stat_here("secret", &st));
	nap(300);
}

static void try_all(const char *when)
{
	struct stat st;
	int fd = open_here("secret", O_RDONLY);

	say("%s: secret %s\n", when, error_name(fd));
	if (fd >= 0)
		MUST(close_here(fd));
	for (unsigned i = 0; i < 3; i++) {
		MUST(stat_here("secret", &st));
		nap(300);
		fd = open_here("secret", O_RDONLY);
		say("%s: secret %s\n", when, error_name(fd));
		if (fd >= 0)
			MUST(close_here(fd));
	}
	say("%s: others %lx\n", when, (unsigned long)warm());
}

static void by_setuid(void)
{
	look();
	MUST(setuid(NOBODY));
	try_all("setuid");
}

static void by_seteuid(void)
{
	look();
	MUST(seteuid(NOBODY));
	try_all("seteuid");
	MUST(seteuid(0));
	try_all("back");
}

static void by_setresuid(void)
{
	look();
	MUST(setresuid(NOBODY, NOBODY, NOBODY));
	try_all("setresuid");
}

static void by_setfsuid(void)
{
	look();
	setfsuid(NOBODY);
	try_all("setfsuid");
}

static void by_number(void)
{
	look();
	MUST(syscall(SYS_setresuid, NOBODY, NOBODY, NOBODY));
	try_all("number");
}

/* The file is its group's: without the group it cannot be read. */
static void by_groups(void)
{
	gid_t group = 4711;

	MUST(chown("secret", 1, group));
	MUST(chmod("secret", 0040));
	MUST(setgroups(1, &group));
	MUST(setegid(NOBODY));
	MUST(seteuid(NOBODY));
	look();
	MUST(seteuid(0));
	MUST(setgroups(0, NULL));
	MUST(seteuid(NOBODY));
	try_all("setgroups");
}

static void by_capset(void)
{
	struct __user_cap_header_struct head = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct __user_cap_data_struct none[2] = { { 0, 0, 0 }, { 0, 0, 0 } };

	MUST(chown("secret", 1, 1));
	look();
	MUST(syscall(SYS_capset, &head, none));
	try_all("capset");
}

static void by_chroot(void)
{
	struct stat st;
	int fd;

	MUST(mkdir("jail", 0755));
	look();
	MUST(chroot("jail"));
	try_all("chroot, old directory");
	MUST(chdir("/"));
	say("outside: %s\n", error_name(stat_here("f00", &st)));
	fd = open_here("f00", O_RDONLY);
	say("outside: %s\n", error_name(fd));
}

static void by_unshare(void)
{
	look();
	MUST(unshare(CLONE_FILES | CLONE_FS));
	try_all("unshare");
	MUST(unshare(CLONE_NEWNS));
	try_all("unshare mounts");
}

/* A table of descriptors of one's own: what is closed is closed there. */
static void by_files(void)
{
	int wrong = 0;

	look();
	MUST(unshare(CLONE_FILES));
	for (unsigned i = 0; i < 32; i++) {
		int fd = MUST(open_here(file_name(i), O_RDONLY));

		sum_of(fd);
		MUST(close_here(fd));
		wrong += fd != 3 || fcntl(fd, F_GETFD) >= 0;
	}
	say("wrong %d\n", wrong);
	try_all("files");
}

/* What only a process of one thread, sharing nothing, may do. */
static void by_namespaces(void)
{
	char top[4096];
	int ns;

	look();
	if (!getcwd(top, sizeof(top)))
		_exit(97);
	ns = MUST(open("/proc/self/ns/mnt", O_RDONLY));
	say("setns: %s\n", error_name(setns(ns, CLONE_NEWNS)));
	MUST(chdir(top));
	visit("f00");
	say("unshare user: %s\n", error_name(unshare(CLONE_NEWUSER)));
	try_all("namespaces");
}

/*
 * Another thread looks at and opens the file all the time while the rights change
 * for all threads: once seteuid() has returned, none of its opens may succeed. An
 * open that began before the change does not count.
 */
static volatile int changed, stop, wrong, right;

static void *opener(void *unused)
{
	(void)unused;
	while (!stop) {
		struct stat st;
		int before, fd;

		stat_here("secret", &st);
		nap(300);
		before = changed;
		fd = open_here("secret", O_RDONLY);
		if (fd >= 0 && before == 1 && changed == 1)
			wrong++;
		else if (fd < 0)
			right++;
		if (fd >= 0)
			close_here(fd);
	}
	return NULL;
}

static void threads(void)
{
	pthread_t t[2];

	look();
	for (unsigned i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, opener, NULL);
	for (unsigned i = 0; i < 12; i++) {
		nap(15000);
		MUST(seteuid(NOBODY));
		changed = 1;
		nap(15000);
		changed = 2;
		MUST(seteuid(0));
	}
	stop = 1;
	for (unsigned i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	say("opened without rights: %d; refused: %s\n", wrong, right ? "some" : "none");
}

int main(int argc, char **argv)
{
	static const struct way ways[] = {
		{ "setuid", by_setuid },
		{ "seteuid", by_seteuid },
		{ "setresuid", by_setresuid },
		{ "setfsuid", by_setfsuid },
		{ "number", by_number },
		{ "setgroups", by_groups },
		{ "capset", by_capset },
		{ "chroot", by_chroot },
		{ "unshare", by_unshare },
		{ "files", by_files },
		{ "namespaces", by_namespaces },
		{ "threads", threads },
		{ NULL, NULL },
	};

	return choose(ways, argc, argv);
}
