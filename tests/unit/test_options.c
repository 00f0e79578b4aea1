/* SPDX-License-Identifier: MIT
 *
 * The environment, parsed by the one table: defaults, every value, every bad one.
 */
#include <string.h>

#include "fake.h"

static struct fa_options o;
static const char *allowed;

static const char *parse1(const char *one)
{
	static char copy[128];
	char *env[] = { (char *)"HOME=/", copy, NULL };

	strncpy(copy, one, sizeof(copy) - 1);
	memset(&o, 0xff, sizeof(o));
	allowed = NULL;
	return fa_options_parse(&o, env, &allowed);
}

static void defaults(void)
{
	assert_int_equal(o.mode, FA_MODE_AUTO);
	assert_string_equal(o.only, "");
	assert_string_equal(o.stats, "");
	assert_string_equal(o.log, "");
	assert_false(o.prespawn);
	assert_false(o.ring);
	assert_false(o.stacks);
}

static void test_defaults(void **state)
{
	(void)state;
	assert_null(parse1("SHELL=/bin/sh"));
	defaults();
}

static void test_no_environment(void **state)
{
	(void)state;
	memset(&o, 0xff, sizeof(o));
	assert_null(fa_options_parse(&o, NULL, &allowed));
	defaults();
}

static void test_empty_is_default(void **state)
{
	static const char *const empty[] = {
		"FUSE_AIO_MODE=", "FUSE_AIO_ONLY=",	"FUSE_AIO_STATS=",  "FUSE_AIO_LOG=",
		"FUSE_AIO_RING=", "FUSE_AIO_PRESPAWN=", "FUSE_AIO_STACKS=",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(empty) / sizeof(*empty); i++) {
		assert_null(parse1(empty[i]));
		defaults();
	}
}

static void test_modes(void **state)
{
	(void)state;
	assert_null(parse1("FUSE_AIO_MODE=auto"));
	assert_int_equal(o.mode, FA_MODE_AUTO);
	assert_null(parse1("FUSE_AIO_MODE=observe"));
	assert_int_equal(o.mode, FA_MODE_OBSERVE);
	assert_null(parse1("FUSE_AIO_MODE=off"));
	assert_int_equal(o.mode, FA_MODE_OFF);
	assert_null(parse1("FUSE_AIO_MODE=fuse"));
	assert_int_equal(o.mode, FA_MODE_FUSE);
}

static void test_bools(void **state)
{
	(void)state;
	assert_null(parse1("FUSE_AIO_PRESPAWN=1"));
	assert_true(o.prespawn && !o.ring && !o.stacks);
	assert_null(parse1("FUSE_AIO_RING=1"));
	assert_true(!o.prespawn && o.ring && !o.stacks);
	assert_null(parse1("FUSE_AIO_STACKS=1"));
	assert_true(!o.prespawn && !o.ring && o.stacks);
	assert_null(parse1("FUSE_AIO_STACKS=0"));
	assert_false(o.stacks);
}

static void test_texts(void **state)
{
	(void)state;
	assert_null(parse1("FUSE_AIO_ONLY=nginx,vsftpd"));
	assert_string_equal(o.only, "nginx,vsftpd");
	assert_null(parse1("FUSE_AIO_STATS=/a=b %p"));
	assert_string_equal(o.stats, "/a=b %p");
	assert_null(parse1("FUSE_AIO_LOG=x"));
	assert_string_equal(o.log, "x");
}

static void bad(const char *setting, const char *name, const char *values)
{
	const char *found = parse1(setting);

	assert_non_null(found);
	assert_string_equal(found, name);
	assert_string_equal(allowed, values);
	assert_int_equal(o.mode, FA_MODE_OFF);
}

static void test_bad_modes(void **state)
{
	static const char *const modes[] = {
		"FUSE_AIO_MODE=Auto",  "FUSE_AIO_MODE=aut",  "FUSE_AIO_MODE=autos",
		"FUSE_AIO_MODE=auto ", "FUSE_AIO_MODE=1",    "FUSE_AIO_MODE=auto|observe",
		"FUSE_AIO_MODE=|",     "FUSE_AIO_MODE=-off", "FUSE_AIO_MODE=observe|off",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++)
		bad(modes[i], "FUSE_AIO_MODE", "auto|observe|off|fuse");
}

static void test_bad_bools(void **state)
{
	static const char *const names[] = { "FUSE_AIO_RING", "FUSE_AIO_PRESPAWN",
					     "FUSE_AIO_STACKS" };
	static const char *const values[] = { "2", "yes", "true", "01", "-1", "0|1", " 1" };
	char setting[64];

	(void)state;
	for (size_t n = 0; n < sizeof(names) / sizeof(*names); n++)
		for (size_t v = 0; v < sizeof(values) / sizeof(*values); v++) {
			snprintf(setting, sizeof(setting), "%s=%s", names[n], values[v]);
			bad(setting, names[n], "0|1");
		}
}

static void test_bad_keeps_texts(void **state)
{
	char *env[] = { (char *)"FUSE_AIO_LOG=log", (char *)"FUSE_AIO_MODE=x",
			(char *)"FUSE_AIO_STATS=s", (char *)"FUSE_AIO_RING=x", NULL };

	(void)state;
	/* The first of the table, not of the environment; the log can tell. */
	assert_string_equal(fa_options_parse(&o, env, &allowed), "FUSE_AIO_MODE");
	assert_string_equal(o.log, "log");
	assert_string_equal(o.stats, "s");
}

static void test_similar_names(void **state)
{
	(void)state;
	assert_null(parse1("FUSE_AIO_MODES=off"));
	defaults();
	assert_null(parse1("XFUSE_AIO_MODE=off"));
	defaults();
	assert_null(parse1("FUSE_AIO_MODE"));
	defaults();
}

static void test_first_of_two_counts(void **state)
{
	char *env[] = { (char *)"FUSE_AIO_MODE=off", (char *)"FUSE_AIO_MODE=auto", NULL };

	(void)state;
	/* as getenv() has it */
	assert_null(fa_options_parse(&o, env, &allowed));
	assert_int_equal(o.mode, FA_MODE_OFF);
}

int main(void)
{
	const struct CMUnitTest options_tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_no_environment),
		cmocka_unit_test(test_empty_is_default),
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_bools),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_bad_modes),
		cmocka_unit_test(test_bad_bools),
		cmocka_unit_test(test_bad_keeps_texts),
		cmocka_unit_test(test_similar_names),
		cmocka_unit_test(test_first_of_two_counts),
	};

	return cmocka_run_group_tests_name("options", options_tests, NULL, NULL);
}
