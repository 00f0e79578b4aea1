/* SPDX-License-Identifier: MIT
 *
 * Reading requests: what is taken from good ones, what is refused, and that
 * nothing is assumed of the bytes.
 */
#include <stdlib.h>
#include <string.h>

#include "fake.h"

#include "../../runtime/request.h"

static struct fa_request r;

/* From memory that ends where the bytes do, for the sanitizers to see. */
static bool parse_bytes(const char *bytes, size_t n)
{
	char *copy = malloc(n + 1), *exact = copy + 1;
	bool ok;

	memcpy(exact, bytes, n);
	memset(&r, 0xa5, sizeof(r));
	r.listener = 7;
	ok = fa_request_parse(exact, n, &r);
	free(copy);
	assert_int_equal(r.listener, 7);
	return ok;
}

static bool parse(const char *text)
{
	return parse_bytes(text, strlen(text));
}

static void reads(const char *text, const char *target)
{
	if (!parse(text))
		fail_msg("refused: %s", text);
	assert_string_equal(r.target, target);
	assert_int_equal(r.len, strlen(target));
}

static void refuses(const char *text)
{
	if (parse(text))
		fail_msg("taken: %s", text);
}

static void http(const char *target, const char *decoded)
{
	char text[4200];

	snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\n\r\n", target);
	if (decoded)
		reads(text, decoded);
	else
		refuses(text);
}

static uint32_t host(const char *headers)
{
	char text[1024];

	snprintf(text, sizeof(text), "GET / HTTP/1.1\r\n%s\r\n", headers);
	reads(text, "/");
	return r.host;
}

static uint64_t range(const char *value)
{
	char text[1024];

	snprintf(text, sizeof(text), "GET / HTTP/1.1\r\nRange: %s\r\n\r\n", value);
	reads(text, "/");
	return r.from;
}

static void test_request_line(void **state)
{
	(void)state;
	reads("GET /a/b.html HTTP/1.1\r\n\r\n", "/a/b.html");
	assert_int_equal(r.host, 0);
	assert_int_equal(r.from, 0);
	reads("GET /a/b.html HTTP/1.0\n", "/a/b.html");
	reads("PROPFIND /x HTTP/1.1\r\n", "/x");
	refuses("PROPFINDS /x HTTP/1.1\r\n");
	refuses("G /x HTTP/1.1\r\n");
	refuses("get /x HTTP/1.1\r\n");
	refuses(" GET /x HTTP/1.1\r\n");
	refuses("GET\r\n");
	refuses("GET \r\n");
	refuses("GET  HTTP/1.1\r\n");
	refuses("GET  /x HTTP/1.1\r\n");
	refuses("GET\t/x HTTP/1.1\r\n");
	refuses("\r\n");
	refuses("");
	refuses("\x16\x03\x01\x02\x01\x01\xfc\x03\x03\n"); /* TLS */
	refuses("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
	refuses("OPTIONS * HTTP/1.1\r\n");
	refuses("CONNECT host:443 HTTP/1.1\r\n");
	refuses("GET a/b HTTP/1.1\r\n");
}

static void test_verbs_differ(void **state)
{
	uint32_t get;

	(void)state;
	reads("GET /x HTTP/1.1\r\n", "/x");
	get = r.verb;
	reads("HEAD /x HTTP/1.1\r\n", "/x");
	assert_int_not_equal(r.verb, get);
	reads("GET /y HTTP/1.0\r\n", "/y");
	assert_int_equal(r.verb, get);
}

/* Split over packets: nothing until the line is whole, then always the same. */
static void test_every_prefix(void **state)
{
	static const char text[] = "GET /some/file.bin?x=1 HTTP/1.1\r\nAccept: */*\r\n"
				   "Range: bytes=100-\r\nHost: example.org\r\n\r\n";
	size_t line = strcspn(text, "\n") + 1, n;
	uint32_t name = host("Host: example.org\r\n");

	(void)state;
	for (n = 0; n < line; n++)
		assert_false(parse_bytes(text, n));
	for (; n <= strlen(text); n++) {
		assert_true(parse_bytes(text, n));
		assert_string_equal(r.target, "/some/file.bin");
		/* Half a header says nothing. */
		assert_int_equal(r.from,
				 n >= (size_t)(strstr(text, "Host") - text) ? 100 : 0);
		assert_int_equal(r.host, n >= strlen(text) - 2 ? name : 0);
	}
}

static void test_decoding(void **state)
{
	(void)state;
	http("/a%20b%2Fc%2fd", "/a b/c/d");
	http("/%C3%A4\xc3\xa4", "/\xc3\xa4\xc3\xa4");
	http("/100%25", "/100%");
	http("/a+b", "/a+b");
	http("/%41%7a%7E", "/Az~");
	http("/%", NULL);
	http("/%4", NULL);
	http("/%4g", NULL);
	http("/%g4", NULL);
	http("/%%34", NULL);
	http("/a%00b", NULL);
	http("/a%0ab", NULL);
	http("/a%1fb", NULL);
	http("/a%7fb", NULL);
	http("/a\tb", NULL);
	http("/a\rb", NULL);
	http("/a b", NULL);
	assert_false(parse_bytes("GET /a\0b HTTP/1.1\r\n", 20));
}

static void test_query_and_fragment(void **state)
{
	(void)state;
	http("/a?b=c", "/a");
	http("/a?b/../c//d%zz", "/a");
	http("/a#b", "/a");
	http("/a#b?c", "/a");
	http("/?x", "/");
	http("/a%3fb%23c", "/a?b#c");
	http("?x", NULL);
}

static void test_segments(void **state)
{
	(void)state;
	http("/", "/");
	http("/a/", "/a/");
	http("//", NULL);
	http("//a", NULL);
	http("/a//b", NULL);
	http("/a//", NULL);
	http("/a/./b", NULL);
	http("/a/../b", NULL);
	http("/./a", NULL);
	http("/../a", NULL);
	http("/a/.", NULL);
	http("/a/..", NULL);
	http("/.", NULL);
	http("/..", NULL);
	http("/a/%2e%2e/b", NULL);
	http("/a/%2e", NULL);
	http("/a%2f%2fb", NULL);
	http("/a/..?x", NULL);
	http("/.a/..b/...", "/.a/..b/...");
	http("/a./b..", "/a./b..");
}

static void test_length(void **state)
{
	char target[4096], decoded[FA_TARGET];

	(void)state;
	memset(target, 'a', sizeof(target));
	target[0] = '/';
	target[FA_TARGET - 1] = 0;
	http(target, target);
	target[FA_TARGET - 1] = 'a';
	target[FA_TARGET] = 0;
	http(target, NULL);
	/* What counts is what is left of it. */
	for (size_t i = 0; i < 200; i++)
		memcpy(target + 1 + 3 * i, "%61", 4);
	memset(decoded, 'a', 201);
	decoded[0] = '/';
	decoded[201] = 0;
	http(target, decoded);
	memset(target + 1, '%', 3000);
	target[3001] = 0;
	http(target, NULL);
	memset(target + 1, '?', 900);
	target[901] = 0;
	http(target, "/");
}

static void test_absolute_form(void **state)
{
	uint32_t name = host("Host: example.org\r\n");

	(void)state;
	http("http://example.org/a%20b?c", "/a b");
	assert_int_equal(r.host, name);
	http("HTTP://EXAMPLE.org:8080/", "/");
	assert_int_equal(r.host, name);
	reads("GET http://example.org/ HTTP/1.1\r\nHost: other\r\n\r\n", "/");
	assert_int_equal(r.host, name);
	http("http://example.org", NULL);
	http("http://example.org/../x", NULL);
	http("ftp://example.org/x", NULL);
	http("http:/x", NULL);
}

static void test_host(void **state)
{
	uint32_t name = host("Host: example.org\r\n");

	(void)state;
	assert_int_not_equal(name, 0);
	assert_int_equal(host("HOST:example.ORG\r\n"), name);
	assert_int_equal(host("host: \t example.org:8080 \t\r\n"), name);
	assert_int_equal(host("Accept: */*\r\nReferer: x\r\nHost: example.org\r\n"), name);
	assert_int_equal(host("Host: example.org\n"), name);
	assert_int_equal(host("Host: example.org\r\nHost: other\r\n"), name);
	assert_int_not_equal(host("Host: example.com\r\n"), name);
	assert_int_equal(host(""), 0);
	assert_int_equal(host("Host:\r\n"), 0);
	assert_int_equal(host("Host: :80\r\n"), 0);
	assert_int_equal(host("Hosts: example.org\r\n"), 0);
	assert_int_equal(host("X-Host: example.org\r\n"), 0);
	assert_int_equal(host("\r\nHost: example.org\r\n"), 0); /* that is the body */
	assert_int_equal(host("\nHost: example.org\r\n"), 0);
	name = host("Host: [2001:db8::1]\r\n");
	assert_int_equal(host("Host: [2001:DB8::1]:80\r\n"), name);
	assert_int_not_equal(host("Host: [2001:db8::2]\r\n"), name);
	assert_int_not_equal(host("Host: [2001\r\n"), 0);
}

static void test_range(void **state)
{
	(void)state;
	assert_int_equal(range("bytes=100-"), 100);
	assert_int_equal(range("bytes=100-199"), 100);
	assert_int_equal(range("BYTES=0100-"), 100);
	assert_int_equal(range("bytes=999999999999999999-"), 999999999999999999);
	assert_int_equal(range("bytes=1000000000000000000-"), 0);
	assert_int_equal(range("bytes=99999999999999999999999999-"), 0);
	assert_int_equal(range("bytes=0-"), 0);
	assert_int_equal(range("bytes=-100"), 0);
	assert_int_equal(range("bytes=100"), 0);
	assert_int_equal(range("bytes=100x"), 0);
	assert_int_equal(range("bytes=100:200"), 0);
	assert_int_equal(range("bytes=100-199,300-"), 0);
	assert_int_equal(range("bytes=100-199x"), 0);
	assert_int_equal(range("bytes= 100-"), 0);
	assert_int_equal(range("bytes="), 0);
	assert_int_equal(range("lines=100-"), 0);
	assert_int_equal(range(""), 0);
	reads("GET / HTTP/1.1\r\nrange:bytes=5-\r\n\r\n", "/");
	assert_int_equal(r.from, 5);
}

static void test_ftp(void **state)
{
	(void)state;
	reads("RETR file.txt\r\n", "file.txt");
	assert_int_equal(r.host, 0);
	reads("RETR /pub/a b %41?#.txt\r\n", "/pub/a b %41?#.txt");
	reads("RETR sub/file\n", "sub/file");
	reads("LIST dir/\r\n", "dir/");
	/* The next command is no header. */
	reads("RETR a\r\nHost: example.org\r\nRange: bytes=5-\r\n", "a");
	assert_int_equal(r.host, 0);
	assert_int_equal(r.from, 0);
	refuses("RETR \r\n");
	refuses("RETR\r\n");
	refuses("retr a\r\n");
	refuses("RETR a");
	refuses("RETR ../a\r\n");
	refuses("RETR ./a\r\n");
	refuses("RETR .\r\n");
	refuses("RETR ..\r\n");
	refuses("RETR a//b\r\n");
	refuses("RETR a\tb\r\n");
}

/* ---- any bytes ---- */

static uint64_t seed;

static uint32_t dice(uint32_t n)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(seed >> 33) % n;
}

/* What the rest relies on, whatever came in. */
static void check(void)
{
	char closed[FA_TARGET + 1];

	assert_in_range(r.len, 1, FA_TARGET - 1);
	assert_int_equal(strlen(r.target), r.len);
	for (uint32_t i = 0; i < r.len; i++)
		assert_false((unsigned char)r.target[i] < 0x20 || r.target[i] == 0x7f);
	assert_null(strstr(r.target, "//"));
	snprintf(closed, sizeof(closed), "%s/", r.target);
	assert_null(strstr(closed, "/./"));
	assert_null(strstr(closed, "/../"));
	assert_in_range(r.from, 0, 999999999999999999);
	assert_int_not_equal(r.verb, 0);
}

static const char *const pieces[] = { "GET ", "RETR ", "/",	  "..",	    ".",
				      "%2e",  "%2f",   "%00",	  "%",	    "?",
				      "#",    " ",     "a",	  "b.c",    "HTTP/1.1",
				      "\r\n", "\n",    "\r",	  "Host:",  "[",
				      "]",    ":80",   "http://", "Range:", "bytes=",
				      "99",   "-",     ",",	  "\xff",   "\t" };

static void test_pieces(void **state)
{
	unsigned taken = 0;

	(void)state;
	seed = 1;
	for (unsigned i = 0; i < 200000; i++) {
		char text[512] = "GET /";
		size_t n = dice(4) ? 5 : 0;

		for (uint32_t k = dice(30); k; k--) {
			const char *p = pieces[dice(sizeof(pieces) / sizeof(pieces[0]))];

			memcpy(text + n, p, strlen(p));
			n += strlen(p);
		}
		if (parse_bytes(text, n)) {
			check();
			taken++;
		}
	}
	assert_in_range(taken, 2000, 198000);
}

static void test_mutations(void **state)
{
	static const char good[] = "GET /dir/some%20file.html?q=1 HTTP/1.1\r\n"
				   "Host: example.org:80\r\nRange: bytes=10-20\r\n\r\n";
	unsigned taken = 0;

	(void)state;
	seed = 2;
	for (unsigned i = 0; i < 200000; i++) {
		char text[sizeof(good)];

		memcpy(text, good, sizeof(good));
		for (uint32_t k = dice(4); k; k--)
			text[dice(sizeof(good) - 1)] = (char)dice(256);
		if (parse_bytes(text, dice(4) ? sizeof(good) - 1 : dice(sizeof(good)))) {
			check();
			taken++;
		}
	}
	assert_in_range(taken, 20000, 198000);
}

static void test_noise(void **state)
{
	(void)state;
	seed = 3;
	for (unsigned i = 0; i < 20000; i++) {
		char bytes[1024];
		size_t n = dice(sizeof(bytes));

		for (size_t k = 0; k < n; k++)
			bytes[k] = (char)dice(256);
		if (n > 4 && dice(2))
			memcpy(bytes, "GET /", 5);
		if (parse_bytes(bytes, n))
			check();
	}
}

#define PLAIN(name) cmocka_unit_test(name)

int main(void)
{
	const struct CMUnitTest request_tests[] = {
		PLAIN(test_request_line),
		PLAIN(test_verbs_differ),
		PLAIN(test_every_prefix),
		PLAIN(test_decoding),
		PLAIN(test_query_and_fragment),
		PLAIN(test_segments),
		PLAIN(test_length),
		PLAIN(test_absolute_form),
		PLAIN(test_host),
		PLAIN(test_range),
		PLAIN(test_ftp),
		PLAIN(test_pieces),
		PLAIN(test_mutations),
		PLAIN(test_noise),
	};

	return cmocka_run_group_tests_name("request", request_tests, NULL, NULL);
}
