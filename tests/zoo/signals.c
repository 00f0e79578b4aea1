/* SPDX-License-Identifier: MIT
 *
 * Signal handlers that open, read and close while the main flow does, handlers
 * that fork, and handlers that jump out of whatever call they came into.
 */
#include <setjmp.h>
#include <sys/time.h>

#include "zoo.h"

static volatile sig_atomic_t alarms, bad;
static uint64_t expected;
static sigjmp_buf back;

static void every(long us)
{
	struct itimerval t = { { 0, us }, { 0, us } };

	setitimer(ITIMER_REAL, &t, NULL);
}

static void handle(int sig, void (*handler)(int), int flags)
{
	struct sigaction sa = { .sa_handler = handler, .sa_flags = flags };

	sigaction(sig, &sa, NULL);
}

/* The same files, the same numbers, the same places as the main flow. */
static void on_alarm(int sig)
{
	int saved = errno;

	(void)sig;
	alarms++;
	if (visit("f00") != expected)
		bad++;
	errno = saved;
}

static void nested(void)
{
	uint64_t sum[4];

	warm();
	expected = visit("f00");
	handle(SIGALRM, on_alarm, SA_RESTART);
	every(9100);
	for (unsigned i = 0; i < 4; i++)
		sum[i] = warm();
	every(0);
	for (unsigned i = 0; i < 4; i++)
		say("%lx\n", (unsigned long)sum[i]);
	say("handler %s, bad %d\n", alarms ? "ran" : "never ran", bad);
	say_open("end");
}

static void on_alarm_fork(int sig)
{
	int saved = errno;
	pid_t pid;

	(void)sig;
	if (alarms++ >= 24)
		return;
	pid = fork();
	if (!pid)
		_exit(visit("f00") == expected ? 7 : 8);
	int status;

	while (waitpid(pid, &status, 0) < 0)
		;
	bad += status != 7 << 8;
	errno = saved;
}

static void forks(void)
{
	warm();
	expected = visit("f00");
	handle(SIGALRM, on_alarm_fork, SA_RESTART);
	every(12300);
	for (unsigned i = 0; i < 4; i++)
		say("%lx\n", (unsigned long)warm());
	every(0);
	say("bad %d\n", bad);
	say_open("end");
}

static void on_alarm_jump(int sig)
{
	(void)sig;
	alarms++;
	siglongjmp(back, 1);
}

/* What the jumps leave open is timing; afterwards all must work as ever. */
static void jumps(void)
{
	volatile unsigned rounds = 0;

	warm();
	expected = visit("f00");
	handle(SIGALRM, on_alarm_jump, 0);
	while (rounds < 150) {
		rounds++;
		if (sigsetjmp(back, 1) == 0) {
			every(300 + (long)(rounds * 37 % 2500));
			for (;;) {
				visit(file_name(rounds));
				/* Where a jump might leave something half done. */
				unlink("nothing");
			}
		}
		every(0);
		closefrom(3);
	}
	handle(SIGALRM, SIG_IGN, 0);
	say("%lx\n", (unsigned long)warm());
	MUST(mkdir("d", 0755));
	visit("f01");
	MUST(rmdir("d"));
	pid_t pid = MUST(fork());

	if (!pid) {
		say("%lx\n", (unsigned long)warm());
		_exit(0);
	}
	say_status("child", pid);
	say_open("end");
}

/* Nobody restarts the calls: who gets EINTR without the library gets it with it. */
static void on_alarm_nothing(int sig)
{
	(void)sig;
	alarms++;
}

static void interrupts(void)
{
	uint64_t sum = 0;

	warm();
	handle(SIGALRM, on_alarm_nothing, 0);
	every(900);
	for (unsigned i = 0; i < 100; i++) {
		int fd = open_here("f02", O_RDONLY);

		if (fd < 0) {
			bad += errno != EINTR;
			continue;
		}
		sum = sum_of(fd);
		bad += close_here(fd) < 0 && errno != EINTR;
	}
	every(0);
	say("bad %d, last %s\n", bad, sum ? "read" : "not read");
	say_open("end");
}

int main(int argc, char **argv)
{
	static const struct way ways[] = {
		{ "nested", nested },	      { "forks", forks }, { "jumps", jumps },
		{ "interrupts", interrupts }, { NULL, NULL },
	};

	return choose(ways, argc, argv);
}
