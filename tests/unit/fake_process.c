/* SPDX-License-Identifier: MIT
 *
 * A process that begins anew for each test, files for it to look at, and
 * children for what cannot be undone.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fake.h"

static char directory[64];
static char path[256];

static void remove_all(void)
{
	char command[sizeof(directory) + 16];

	if (!directory[0])
		return;
	snprintf(command, sizeof(command), "rm -rf '%s'", directory);
	if (system(command) != 0)
		fprintf(stderr, "%s could not be removed\n", directory);
	directory[0] = '\0';
}

const char *unit_path(const char *name)
{
	const char *base = getenv("TMPDIR");

	if (!directory[0]) {
		snprintf(directory, sizeof(directory), "%s/fa-unit-XXXXXX",
			 base ? base : "/tmp");
		assert_non_null(mkdtemp(directory));
	}
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return path;
}

const char *unit_file(const char *name, size_t size)
{
	int fd = open(unit_path(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_return_code(ftruncate(fd, (off_t)size), errno);
	close(fd);
	return path;
}

struct fa_seen unit_seen(const char *of)
{
	struct stat st;

	assert_return_code(stat(of, &st), errno);
	return (struct fa_seen){ .file = { st.st_dev, st.st_ino, st.st_ctim.tv_sec,
					   (uint32_t)st.st_ctim.tv_nsec },
				 .size = (uint64_t)st.st_size,
				 .mode = st.st_mode };
}

/* A crash within the start comes back in the teardown. */
static char **own_environ;

void unit_start(char **env)
{
	static char *plain[] = { "FUSE_AIO_RING=1", NULL };

	own_environ = environ;
	fa_self = NULL;
	fa_process = NULL;
	fa_hints = NULL;
	fa_fds = NULL;
	fa_any_cold = NULL;
	fa_capture_all = fa_behind_filter = fa_recording = false;
	fa_off = true;
	fa_epoch = fa_directory = 0;
	memset(&fa_options, 0, sizeof(fa_options));
	environ = env ? env : plain;
	fa_process_starts();
	environ = own_environ;
	own_environ = NULL;
}

int unit_setup(void **state)
{
	(void)state;
	fake_reset();
	unit_start(NULL);
	/* So long that the clock knows the rate of the cycle counter. */
	unit_sleep_ms(3);
	fa_ns(1);
	return 0;
}

int unit_teardown(void **state)
{
	(void)state;
	if (own_environ)
		environ = own_environ;
	own_environ = NULL;
	if (fa_self)
		fa_ring_retire(fa_thread_of(fa_self));
	fa_self = NULL;
	fake_reset();
	remove_all();
	return 0;
}

struct fa_thread *unit_self(void)
{
	struct fa_thread_head *h = fa_enter();

	assert_non_null(h);
	return fa_thread_of(h);
}

uint64_t unit_ago(uint64_t ns)
{
	/* fa_ns() is linear: its rate, with ten bits to spare */
	uint64_t many = fa_ns(1ULL << 40) >> 10;

	return fa_cycles() - (uint64_t)(((__uint128_t)ns << 30) / many);
}

void unit_sleep_ms(unsigned ms)
{
	struct timespec ts = { ms / 1000, (long)(ms % 1000) * 1000000 };

	while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
		;
}

void unit_cold(uint64_t dev, enum fa_op op)
{
	for (unsigned i = 0; i < 4; i++)
		fa_regime_note(dev, op, 2000000);
}

void unit_hot(uint64_t dev, enum fa_op op)
{
	for (unsigned i = 0; i < FA_SCORE_MAX; i++)
		fa_regime_note(dev, op, 1000);
}

int unit_lowest_fd(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	close(fd);
	return fd;
}

bool unit_child(bool (*body)(void))
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		signal(SIGALRM, SIG_DFL);
		alarm(20);
		_exit(body() ? 0 : 1);
	}
	while (waitpid(pid, &status, 0) < 0)
		assert_int_equal(errno, EINTR);
	if (WIFSIGNALED(status))
		fprintf(stderr, "the child ended by signal %d\n", WTERMSIG(status));
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}
