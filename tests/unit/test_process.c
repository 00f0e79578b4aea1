/* SPDX-License-Identifier: MIT
 *
 * The process from start to end: when the library works at all, who is it after
 * a fork, and what is written at the end.
 */
#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake.h"

#include "../../runtime/report.h"

static char text[4][300];

/* The environment of one start; the strings stay. */
static void start_with(const char *a, const char *b, const char *c)
{
	static char *env[4];
	const char *const all[3] = { a, b, c };
	unsigned n = 0;

	memset(env, 0, sizeof(env));
	for (unsigned i = 0; i < 3; i++) {
		if (!all[i])
			continue;
		snprintf(text[n], sizeof(text[n]), "%s", all[i]);
		env[n] = text[n];
		n++;
	}
	unit_start(env);
}

static void test_works(void **state)
{
	struct fa_thread *t = unit_self();

	(void)state;
	assert_int_equal(t->h.word, FA_T_READY);
	assert_int_equal(t->h.n[FA_N_calls], 1);
	assert_ptr_equal(fa_enter(), &t->h);
	assert_int_equal(t->h.n[FA_N_calls], 2);
	assert_string_equal(fa_program, program_invocation_short_name);
	assert_int_equal(fa_pid, getpid());
}

static void test_off(void **state)
{
	(void)state;
	start_with("FUSE_AIO_MODE=off", NULL, NULL);
	assert_null(fa_enter());
	assert_null(fa_process);
	fa_process_ends();
	fa_filter_coming();
	fa_drain();
	fa_privilege_changes(false);
	fa_forget_fds(0, 10);
}

static void test_bad_value(void **state)
{
	(void)state;
	start_with("FUSE_AIO_MODE=fast", NULL, NULL);
	assert_null(fa_enter());
}

static void test_only(void **state)
{
	const char *me = program_invocation_short_name;
	char list[128];

	(void)state;
	start_with("FUSE_AIO_ONLY=nginx,vsftpd", "FUSE_AIO_RING=1", NULL);
	assert_null(fa_enter());
	snprintf(list, sizeof(list), "FUSE_AIO_ONLY=nginx,%s,vsftpd", me);
	start_with(list, "FUSE_AIO_RING=1", NULL);
	assert_non_null(fa_enter());
	/* A part of a name is another name. */
	snprintf(list, sizeof(list), "FUSE_AIO_ONLY=%.*s", (int)strlen(me) - 1, me);
	start_with(list, "FUSE_AIO_RING=1", NULL);
	assert_null(fa_enter());
	snprintf(list, sizeof(list), "FUSE_AIO_ONLY=%sx", me);
	start_with(list, "FUSE_AIO_RING=1", NULL);
	assert_null(fa_enter());
}

static void test_observe_captures_all(void **state)
{
	(void)state;
	start_with("FUSE_AIO_MODE=observe", "FUSE_AIO_RING=1", NULL);
	assert_true(fa_capture_all);
	assert_false(fa_pass_path());
	assert_false(fa_pass_path());
}

static void test_few_are_looked_at_while_hot(void **state)
{
	struct fa_thread_head *h = fa_enter();
	unsigned looked_at = 0;

	(void)state;
	for (int i = 0; i < 320; i++)
		if (!fa_pass_path()) {
			looked_at++;
			h->skip = FA_SKIP;
		}
	assert_in_range(looked_at, 5, 40);
	unit_cold(1, FA_OPEN);
	assert_false(fa_pass_path());
	assert_false(fa_pass_path());
}

static void test_memory_refused_at_start(void **state)
{
	(void)state;
	for (unsigned nth = 1; nth <= 3; nth++) {
		fake_reset();
		fake_fail_nth(SYS_mmap, nth, -ENOMEM);
		unit_start(NULL);
		assert_null(fa_enter());
		fa_process_ends();
	}
}

static void test_no_memory_for_the_thread(void **state)
{
	(void)state;
	fake_fail_nth(SYS_mmap, 1, -ENOMEM);
	assert_null(fa_enter());
	assert_non_null(fa_enter());
}

static void test_errno_is_left_alone(void **state)
{
	(void)state;
	errno = 4711;
	fa_privilege_changes(false);
	fa_drain();
	fa_storage_shared(true);
	fa_enter();
	fake_fail(SYS_mmap, -ENOMEM);
	fa_self = NULL;
	fa_enter();
	assert_int_equal(errno, 4711);
}

static long status_opened(long a, long path, long c, long d, long e, long f)
{
	if (!strcmp((const char *)path, "/proc/self/status"))
		return 9999;
	return fake_kernel(SYS_openat, a, path, c, d, e, f);
}

static const char *status_text;

static long status_read(long fd, long buf, long n, long d, long e, long f)
{
	if (fd != 9999)
		return fake_kernel(SYS_read, fd, buf, n, d, e, f);
	assert_true((size_t)n > strlen(status_text));
	memcpy((char *)buf, status_text, strlen(status_text));
	return (long)strlen(status_text);
}

static void start_behind(const char *status, const char *a, const char *b)
{
	status_text = status;
	fake_reset();
	fake_hook(SYS_openat, status_opened);
	fake_hook(SYS_read, status_read);
	start_with(a, b, NULL);
}

static void test_inherited_filter(void **state)
{
	struct stat st;
	char stats[280];

	(void)state;
	snprintf(stats, sizeof(stats), "FUSE_AIO_STATS=%s", unit_path("stats"));
	start_behind("Name:\tx\nSeccomp:\t2\nSeccomp_filters:\t1\n", stats, NULL);
	assert_true(fa_behind_filter);
	assert_null(fa_enter());
	fa_process_ends();
	fa_process_ends();
	assert_return_code(stat(unit_path("stats"), &st), errno);
	assert_true(st.st_size > 0);
	assert_int_equal(fake_calls(SYS_write), 1);
	assert_int_equal(fa_process->threads->fallback[FA_F_filter], 1);
}

static void test_inherited_filter_and_no_memory(void **state)
{
	(void)state;
	for (unsigned nth = 1; nth <= 4; nth++) {
		fake_reset();
		fake_hook(SYS_openat, status_opened);
		fake_hook(SYS_read, status_read);
		fake_fail_nth(SYS_mmap, nth, -ENOMEM);
		status_text = "Name:\tx\nSeccomp:\t2\n";
		start_with(NULL, NULL, NULL);
		assert_null(fa_enter());
		fa_process_ends();
	}
}

static void test_no_filter(void **state)
{
	(void)state;
	start_behind("Name:\tx\nSeccomp:\t0\nSeccomp_filters:\t0\n", NULL, NULL);
	assert_false(fa_behind_filter);
	assert_non_null(fa_enter());
	/* Nobody to ask: a kernel without seccomp, no /proc. */
	start_behind("Name:\tx\n", NULL, NULL);
	assert_non_null(fa_enter());
	fake_fail(SYS_openat, -ENOENT);
	start_with(NULL, NULL, NULL);
	assert_non_null(fa_enter());
}

static void test_operator_knows_the_filter(void **state)
{
	(void)state;
	start_behind("Name:\tx\nSeccomp:\t2\n", "FUSE_AIO_RING=1", NULL);
	assert_non_null(fa_enter());
	assert_int_equal(fake_calls(SYS_openat), 0);
}

static bool child_is_clean(void)
{
	struct fa_thread *t = fa_thread_of(fa_self);
	int parent = fa_pid;

	CHECK(t->h.word == FA_T_WIPED);
	CHECK(fa_enter() == &t->h);
	CHECK(t->h.word == FA_T_READY);
	CHECK(t->h.n[FA_N_calls] == 1);
	CHECK(t->fallback[FA_F_refused] == 0);
	CHECK(t->tid == getpid());
	CHECK(t->patterns == NULL && t->arena.mapped == 0 && t->ring.memory == NULL);
	CHECK(fa_pid == getpid() && fa_pid != parent);
	CHECK(fa_process->threads == t && !t->next);
	CHECK(!fa_process->ended);
	return true;
}

static void test_fork(void **state)
{
	struct fa_thread *t = unit_self();

	(void)state;
	fa_fallback(t, FA_F_refused);
	fa_arena_alloc(&t->arena, 100);
	fa_process->ended = true;
	assert_true(unit_child(child_is_clean));
	assert_int_equal(t->h.n[FA_N_calls], 1);
	assert_int_equal(t->fallback[FA_F_refused], 1);
	assert_int_equal(fa_pid, getpid());
}

/* As a signal handler that comes while the child's first call is at its beginning. */
static long handler(long a, long b, long c, long d, long e, long f)
{
	fa_enter();
	return fake_kernel(SYS_gettid, a, b, c, d, e, f);
}

static bool child_with_a_signal(void)
{
	struct fa_thread *t = fa_thread_of(fa_self);

	fake_hook(SYS_gettid, handler);
	CHECK(fa_enter() == &t->h);
	CHECK(t->h.word == FA_T_READY);
	CHECK(fa_process->threads == t && !t->next);
	return true;
}

static void test_signal_after_fork(void **state)
{
	(void)state;
	unit_self();
	assert_true(unit_child(child_with_a_signal));
}

static bool grandchild(void)
{
	CHECK(fa_enter());
	CHECK(unit_child(child_is_clean));
	CHECK(fa_thread_of(fa_self)->h.n[FA_N_calls] == 1);
	return true;
}

static void test_fork_twice(void **state)
{
	(void)state;
	unit_self();
	assert_true(unit_child(grandchild));
}

static void test_ends_once(void **state)
{
	char stats[280];

	(void)state;
	snprintf(stats, sizeof(stats), "FUSE_AIO_STATS=%s", unit_path("stats"));
	start_with(stats, "FUSE_AIO_RING=1", NULL);
	fa_process_ends();
	fa_process_ends();
	assert_int_equal(fake_calls(SYS_write), 1);
}

static void test_statistics_cannot_be_opened(void **state)
{
	char log[280];
	struct stat st;

	(void)state;
	snprintf(log, sizeof(log), "FUSE_AIO_LOG=%s", unit_path("log"));
	start_with(log, "FUSE_AIO_STATS=/no/such/file", "FUSE_AIO_RING=1");
	assert_non_null(fa_enter());
	assert_return_code(stat(unit_path("log"), &st), errno);
	assert_true(st.st_size > 0);
}

int main(void)
{
	const struct CMUnitTest process_tests[] = {
		TEST(test_works),
		TEST(test_off),
		TEST(test_bad_value),
		TEST(test_only),
		TEST(test_observe_captures_all),
		TEST(test_few_are_looked_at_while_hot),
		TEST(test_memory_refused_at_start),
		TEST(test_no_memory_for_the_thread),
		TEST(test_errno_is_left_alone),
		TEST(test_inherited_filter),
		TEST(test_inherited_filter_and_no_memory),
		TEST(test_no_filter),
		TEST(test_operator_knows_the_filter),
		TEST(test_fork),
		TEST(test_fork_twice),
		TEST(test_signal_after_fork),
		TEST(test_ends_once),
		TEST(test_statistics_cannot_be_opened),
	};

	return cmocka_run_group_tests_name("process", process_tests, NULL, NULL);
}
