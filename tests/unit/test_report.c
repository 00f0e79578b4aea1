/* SPDX-License-Identifier: MIT
 *
 * The statistics line, read by a parser that knows no more than JSON, and the
 * log.
 */
#include <errno.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "fake.h"

#include "../../runtime/report.h"

static char line[16384];
static size_t length;

/* ---- as much of JSON as a line of ours can hold ---- */

static const char *at;

/* Every value by its path, such as "futures.created". */
static struct {
	char path[96];
	char value[160];
} found[512];
static unsigned founds;

static bool value(char *path);

static bool string(char *out, size_t size)
{
	size_t n = 0;

	if (*at++ != '"')
		return false;
	for (; *at != '"'; at++) {
		if ((unsigned char)*at < 0x20 || (unsigned char)*at >= 0x7f ||
		    n + 1 >= size)
			return false;
		if (*at == '\\' && *++at == 'u') {
			unsigned code;

			if (sscanf(at, "u%4x", &code) != 1 || code > 255)
				return false;
			at += 4;
			out[n++] = (char)code;
			continue;
		}
		out[n++] = *at;
	}
	at++;
	out[n] = '\0';
	return true;
}

static bool members(char *path, char open, char close)
{
	char *end = path + strlen(path), name[64];

	at++;
	if (*at == close) {
		at++;
		return true;
	}
	for (unsigned i = 0;; i++) {
		if (open == '[')
			snprintf(name, sizeof(name), "%u", i);
		else if (!string(name, sizeof(name)) || *at++ != ':')
			return false;
		sprintf(end, "%s%s", end == path ? "" : ".", name);
		if (!value(path))
			return false;
		*end = '\0';
		if (*at == close) {
			at++;
			return true;
		}
		if (*at++ != ',')
			return false;
	}
}

static bool value(char *path)
{
	char *out = found[founds].value;

	if (*at == '{' || *at == '[')
		return members(path, *at, *at == '{' ? '}' : ']');
	if (founds + 1 >= sizeof(found) / sizeof(*found) ||
	    strlen(path) >= sizeof(found->path))
		return false;
	strcpy(found[founds++].path, path);
	if (*at == '"')
		return string(out, sizeof(found->value));
	for (unsigned n = 0; n < 24; n++, at++) {
		out[n] = '\0';
		if (!strchr("0123456789truefals", *at))
			return n > 0;
		out[n] = *at;
	}
	return false;
}

static const char *get(const char *path)
{
	for (unsigned i = 0; i < founds; i++)
		if (!strcmp(found[i].path, path))
			return found[i].value;
	fail_msg("%s is not in: %s", path, line);
	return NULL;
}

static void check_is(const char *path, const char *expected)
{
	assert_string_equal(get(path), expected);
}

static long catch (long fd, long buf, long n, long d, long e, long f)
{
	(void)fd, (void)d, (void)e, (void)f;
	assert_in_range(n, 1, sizeof(line) - 1);
	memcpy(line, (void *)buf, (size_t)n);
	line[n] = '\0';
	length = (size_t)n;
	return n;
}

static void write_and_parse(void)
{
	char path[256] = "";

	memset(found, 0, sizeof(found));
	founds = 0;
	fa_stats_write();
	assert_int_equal(fake_calls(SYS_write), 1);
	at = line;
	if (!value(path))
		fail_msg("not JSON from here on: %.80s", at);
	assert_string_equal(at, "\n");
}

static int setup(void **state)
{
	unit_setup(state);
	fa_own_open(FA_OWN_STATS, "/dev/null");
	fa_own_open(FA_OWN_LOG, "/dev/null");
	fake_reset();
	fake_hook(SYS_write, catch);
	return 0;
}

static void test_all_keys(void **state)
{
	static const char *const numbers[] = {
		"calls",
		"sequences",
		"patterns",
		"chains",
		"sqes",
		"enters",
		"futures.created",
		"futures.settled",
		"futures.adopted",
		"futures.dropped",
		"futures.waited_ns",
		"events.peeks",
		"events.hits",
		"events.misses",
		"events.held",
		"events.late",
		"events.put_off",
		"promises.promised",
		"promises.commits",
		"promises.broken",
		"passthrough",
	};
	struct fa_thread *t = unit_self();
	char pid[16], n[8];

	(void)state;
	for (unsigned i = 0; i < FA_COUNTERS; i++)
		t->h.n[i] = 100 + i;
	/* What passed through is what was not looked at. */
	t->h.n[FA_N_passthrough] = 0;
	t->h.n[FA_N_calls] = 200;
	t->h.looked = 200 - (100 + FA_N_passthrough);
	write_and_parse();
	get("version");
	check_is("mode", "auto");
	check_is("comm", program_invocation_short_name);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	check_is("pid", pid);
	assert_int_equal(sizeof(numbers) / sizeof(*numbers), FA_COUNTERS);
	for (unsigned i = 0; i < FA_COUNTERS; i++) {
		snprintf(n, sizeof(n), "%u", i == FA_N_calls ? 200 : 100 + i);
		check_is(numbers[i], n);
	}
	assert_non_null(strstr(line, "\"regimes\":[]"));
	assert_non_null(strstr(line, "\"fallbacks\":{}"));
	/* version, mode, pid, comm and the counters: nothing else. */
	assert_int_equal(founds, 4 + FA_COUNTERS);
}

static void test_sum_over_threads(void **state)
{
	static struct fa_thread other;
	struct fa_thread *t = unit_self();

	(void)state;
	t->h.n[FA_N_sequences] = 40;
	t->fallback[FA_F_stale] = 1;
	other.h.n[FA_N_sequences] = 2;
	other.fallback[FA_F_stale] = 2;
	other.fallback[FA_F_filter] = 5;
	other.next = fa_process->threads;
	fa_process->threads = &other;
	write_and_parse();
	check_is("sequences", "42");
	check_is("fallbacks.stale", "3");
	check_is("fallbacks.filter", "5");
	assert_null(strstr(line, "no_ring"));
}

static void test_regimes(void **state)
{
	(void)state;
	unit_cold(makedev(0, 45), FA_OPEN);
	fa_regime_note(makedev(8, 1), FA_READ, 300000);
	write_and_parse();
	/* In the order of the table, which is that of a hash. */
	for (unsigned i = 0; i < 2; i++) {
		char path[32];
		bool slow;

		snprintf(path, sizeof(path), "regimes.%u.dev", i);
		slow = !strcmp(get(path), "0:45");
		if (!slow)
			check_is(path, "8:1");
		snprintf(path, sizeof(path), "regimes.%u.op", i);
		check_is(path, slow ? "open" : "read");
		snprintf(path, sizeof(path), "regimes.%u.wait_ns", i);
		check_is(path, slow ? "2000000" : "300000");
		snprintf(path, sizeof(path), "regimes.%u.cold", i);
		check_is(path, slow ? "true" : "false");
	}
}

static void test_mode_and_strange_name(void **state)
{
	(void)state;
	fa_options.mode = FA_MODE_OBSERVE;
	strcpy(fa_program, "a\"b\\\n\xff");
	write_and_parse();
	check_is("mode", "observe");
	check_is("comm", "a\"b\\\n\xff");
}

/* Everything at its longest: regimes are left out, the line stays whole. */
static void test_longest_line(void **state)
{
	struct fa_thread *t = unit_self();

	(void)state;
	memset(fa_program, 0xff, sizeof(fa_program) - 1);
	memset(t->h.n, 0xff, sizeof(t->h.n));
	memset(t->fallback, 0xff, sizeof(t->fallback));
	for (unsigned i = 0; i < FA_DEVICES; i++) {
		struct fa_regime *r = &fa_hints->regime[i];

		r->dev = UINT64_MAX - i;
		for (unsigned op = 0; op < FA_TIMED_OPS; op++)
			r->op[op].wait_ns = UINT32_MAX;
	}
	write_and_parse();
	check_is("regimes.9.wait_ns", "4294967295");
	check_is("fallbacks.too_long", "18446744073709551615");
}

static void test_log_line(void **state)
{
	char expected[256];

	(void)state;
	strcpy(fa_program, "nginx");
	fa_log("what", "why not");
	snprintf(expected, sizeof(expected), "libfuse_aio[%d] nginx: what: why not\n",
		 fa_pid);
	assert_string_equal(line, expected);
}

static void test_log_line_is_cut(void **state)
{
	static char why[2000];

	(void)state;
	memset(why, 'x', sizeof(why) - 1);
	fa_log("what", why);
	assert_int_equal(length, 512);
	assert_int_equal(line[511], '\n');
	assert_int_equal(line[510], 'x');
}

static void test_each_reason_is_logged_once(void **state)
{
	struct fa_thread *t = unit_self();

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		for (unsigned why = 0; why < FA_FALLBACKS; why++)
			fa_fallback(t, (enum fa_fallback)why);
	assert_int_equal(fake_calls(SYS_write), FA_FALLBACKS);
	assert_int_equal(t->fallback[FA_F_stale], 3);
}

static int teardown(void **state)
{
	memset(fa_program, 0, sizeof(fa_program));
	return unit_teardown(state);
}

#define REPORT_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest report_tests[] = {
		REPORT_TEST(test_all_keys),
		REPORT_TEST(test_sum_over_threads),
		REPORT_TEST(test_regimes),
		REPORT_TEST(test_mode_and_strange_name),
		REPORT_TEST(test_longest_line),
		REPORT_TEST(test_log_line),
		REPORT_TEST(test_log_line_is_cut),
		REPORT_TEST(test_each_reason_is_logged_once),
	};

	return cmocka_run_group_tests_name("report", report_tests, NULL, NULL);
}
