/* SPDX-License-Identifier: MIT
 *
 * Seccomp filters that end the process when something of the library's is called
 * (vsftpd has such a one): inherited through exec, installed by the program by
 * prctl, by seccomp() and by number, for one thread or all. A process that would
 * live without the library must live with it.
 */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/prctl.h>

#include "zoo.h"

/* What the library calls and the program does not. */
static const uint32_t never[] = {
	SYS_io_uring_setup, SYS_io_uring_enter,	  SYS_io_uring_register,
	SYS_fadvise64,	    SYS_process_vm_readv, SYS_process_vm_writev,
	SYS_clock_gettime,  SYS_sched_yield,	  SYS_gettid,
};
static const uint32_t ring[] = { SYS_io_uring_setup, SYS_io_uring_enter,
				 SYS_io_uring_register };

#define STATEMENT(code, k) ((struct sock_filter)BPF_STMT((code), (k)))
#define JUMP(code, k, yes, no) ((struct sock_filter)BPF_JUMP((code), (k), (yes), (no)))
#define FIELD(f) ((uint32_t)offsetof(struct seccomp_data, f))

static struct sock_filter code[64];
static struct sock_fprog program = { 0, code };

/* By hand: libseccomp would ask the kernel about filters, and that is another test. */
static void build_of(const uint32_t *calls, size_t n, uint32_t action)
{
	struct sock_filter *p = code;

	*p++ = STATEMENT(BPF_LD | BPF_W | BPF_ABS, FIELD(nr));
	for (size_t i = 0; i < n; i++) {
		*p++ = JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[i], 0, 1);
		*p++ = STATEMENT(BPF_RET | BPF_K, action);
	}
	/* libc's own stat may be statx, but never with this flag. */
	if (calls == never) {
		*p++ = JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_statx, 0, 3);
		*p++ = STATEMENT(BPF_LD | BPF_W | BPF_ABS, FIELD(args[2]));
		*p++ = JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x4000, 0, 1);
		*p++ = STATEMENT(BPF_RET | BPF_K, action);
	}
	*p++ = STATEMENT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	program.len = (unsigned short)(p - code);
	MUST(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
}

static void build(uint32_t action)
{
	build_of(never, sizeof(never) / sizeof(never[0]), action);
}

static void by_prctl(void)
{
	build(SECCOMP_RET_KILL_PROCESS);
	say("%lx\n", (unsigned long)warm());
	MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0));
	say("%lx\n", (unsigned long)warm());
}

static void by_number(void)
{
	build(SECCOMP_RET_KILL_PROCESS);
	say("%lx\n", (unsigned long)warm());
	MUST(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program));
	say("%lx\n", (unsigned long)warm());
}

static void by_prctl_number(void)
{
	build(SECCOMP_RET_KILL_PROCESS);
	say("%lx\n", (unsigned long)warm());
	MUST(syscall(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0));
	say("%lx\n", (unsigned long)warm());
}

/* With a chain on its way and a close behind. */
static void in_flight(void)
{
	struct stat st;
	int fd;

	build(SECCOMP_RET_KILL_PROCESS);
	say("%lx\n", (unsigned long)warm());
	fd = MUST(open_here("f00", O_RDONLY));
	sum_of(fd);
	MUST(close_here(fd));
	MUST(stat_here("f01", &st));
	MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0));
	say("%lx\n", (unsigned long)visit("f01"));
	MUST(unlink("f02"));
	MUST(chdir("/"));
	say_status("child", child_exits(3));
	/* A number given back to no one: nothing has leaked. */
	say_open("end");
}

static pthread_barrier_t warmed, filtered;

static void *worker(void *unused)
{
	(void)unused;
	warm();
	pthread_barrier_wait(&warmed);
	pthread_barrier_wait(&filtered);
	visit("f01");
	return NULL;
}

/* A filter for all threads; those have rings, and end behind it. */
static void threads(void)
{
	pthread_t t[3];

	pthread_barrier_init(&warmed, NULL, 4);
	pthread_barrier_init(&filtered, NULL, 4);
	build(SECCOMP_RET_KILL_PROCESS);
	for (unsigned i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, worker, NULL);
	pthread_barrier_wait(&warmed);
	MUST(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC,
		     &program));
	pthread_barrier_wait(&filtered);
	for (unsigned i = 0; i < 3; i++)
		pthread_join(t[i], NULL);
	say("%lx\n", (unsigned long)warm());
}

/* One thread filters itself and goes on; so do the others. */
static void *filters_itself(void *unused)
{
	(void)unused;
	warm();
	MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0));
	warm();
	return NULL;
}

static void one_thread(void)
{
	pthread_t t;

	build(SECCOMP_RET_KILL_PROCESS);
	pthread_create(&t, NULL, filters_itself, NULL);
	say("%lx\n", (unsigned long)warm());
	pthread_join(t, NULL);
	say("%lx\n", (unsigned long)warm());
}

/* A child filters itself; the parent's library goes on. */
static void forked(void)
{
	pid_t pid;

	build(SECCOMP_RET_KILL_PROCESS);
	say("%lx\n", (unsigned long)warm());
	pid = MUST(fork());
	if (!pid) {
		MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0));
		say("%lx\n", (unsigned long)warm());
		exit(0);
	}
	say_status("child", pid);
	say("%lx\n", (unsigned long)warm());
}

/* vfork, filter, exec: what a sandbox starter does. */
static void vforked(void)
{
	pid_t pid;

	build(SECCOMP_RET_KILL_PROCESS);
	say("%lx\n", (unsigned long)warm());
	pid = MUST(vfork());
	if (!pid) {
		prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0);
		execl("/proc/self/exe", "filter", "plain", (char *)NULL);
		_exit(97);
	}
	say_status("child", pid);
	say("%lx\n", (unsigned long)warm());
}

static void plain(void)
{
	say("%lx\n", (unsigned long)warm());
	say("%lx\n", (unsigned long)warm());
}

static void then_plain(void)
{
	MUST(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0));
	execl("/proc/self/exe", "filter", "plain", (char *)NULL);
	_exit(97);
}

static void inherited(void)
{
	build(SECCOMP_RET_KILL_PROCESS);
	then_plain();
}

static void refusing(void)
{
	build(SECCOMP_RET_ERRNO | EPERM);
	then_plain();
}

/* Docker's way: only the ring is refused; FUSE_AIO_RING=1 says the rest may be used. */
static void ring_refused(void)
{
	build_of(ring, sizeof(ring) / sizeof(ring[0]), SECCOMP_RET_ERRNO | EPERM);
	then_plain();
}

/* A question about filters installs none: the library goes on. */
static void question(void)
{
	uint32_t action = SECCOMP_RET_KILL_PROCESS;

	say("%ld\n", syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action));
	say("%d\n", prctl(PR_GET_SECCOMP, 0, 0, 0, 0));
	plain();
}

/* A filter that is refused installs none either. */
static void failing(void)
{
	struct sock_fprog bad = { 0, NULL };

	say("%s\n",
	    error_name((int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &bad)));
	plain();
}

int main(int argc, char **argv)
{
	static const struct way ways[] = {
		{ "prctl", by_prctl },
		{ "number", by_number },
		{ "prctl_number", by_prctl_number },
		{ "in_flight", in_flight },
		{ "threads", threads },
		{ "one_thread", one_thread },
		{ "forked", forked },
		{ "vforked", vforked },
		{ "plain", plain },
		{ "inherited", inherited },
		{ "refusing", refusing },
		{ "ring_refused", ring_refused },
		{ "question", question },
		{ "failing", failing },
		{ NULL, NULL },
	};

	return choose(ways, argc, argv);
}
