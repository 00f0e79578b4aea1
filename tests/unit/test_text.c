/* SPDX-License-Identifier: MIT
 *
 * Text in a fixed buffer: what fits is right, what does not is cut.
 */
#include <string.h>

#include "fake.h"

#include "../../runtime/text.h"

static char buf[64];
static struct fa_text t;

static void text(size_t size)
{
	memset(buf, '#', sizeof(buf));
	t = (struct fa_text){ buf, size, 0 };
}

static void is(const char *expected)
{
	assert_int_equal(t.len, strlen(expected));
	assert_memory_equal(buf, expected, t.len);
	assert_int_equal(buf[t.len], '#');
}

static void test_appends(void **state)
{
	(void)state;
	text(32);
	fa_text_str(&t, "one");
	fa_text_char(&t, ' ');
	fa_text_str(&t, "");
	fa_text_str(&t, "two");
	is("one two");
}

static void test_numbers(void **state)
{
	(void)state;
	text(63);
	fa_text_num(&t, 0);
	fa_text_char(&t, ' ');
	fa_text_num(&t, 1090);
	fa_text_char(&t, ' ');
	fa_text_num(&t, UINT64_MAX);
	is("0 1090 18446744073709551615");
}

static void test_cut_where_it_ends(void **state)
{
	(void)state;
	text(5);
	fa_text_str(&t, "abcdefgh");
	fa_text_num(&t, 7);
	fa_text_quoted(&t, "x");
	is("abcde");
}

static void test_no_room_at_all(void **state)
{
	(void)state;
	text(0);
	fa_text_char(&t, 'a');
	fa_text_str(&t, "bc");
	is("");
}

static void test_quoted(void **state)
{
	(void)state;
	text(63);
	fa_text_quoted(&t, "nginx: worker");
	is("\"nginx: worker\"");
}

static void test_quoted_escapes(void **state)
{
	(void)state;
	text(63);
	fa_text_quoted(&t, "a\"b\\c\n\x7f\xc3\xa9");
	is("\"a\\\"b\\\\c\\u000a\\u007f\\u00c3\\u00a9\"");
}

int main(void)
{
	const struct CMUnitTest text_tests[] = {
		cmocka_unit_test(test_appends),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_cut_where_it_ends),
		cmocka_unit_test(test_no_room_at_all),
		cmocka_unit_test(test_quoted),
		cmocka_unit_test(test_quoted_escapes),
	};

	return cmocka_run_group_tests_name("text", text_tests, NULL, NULL);
}
