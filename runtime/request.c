/* SPDX-License-Identifier: MIT
 *
 * Reading the first bytes of a request. They are a stranger's: nothing is assumed
 * of them, nothing beyond them is read, and what is not plain is refused.
 */
#include "request.h"

#include <string.h>

#define VERB_MIN 2U
#define VERB_MAX 8U
#define VERSION 9U /* " HTTP/x.y" */
#define DIGITS 18  /* of a number that surely fits */

static bool is_upper(char c)
{
	return c >= 'A' && c <= 'Z';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static char lower(char c)
{
	return is_upper(c) ? (char)(c | 0x20) : c;
}

/* Without case, never 0. */
static uint32_t hash(const char *p, const char *end)
{
	uint32_t h = 0x811c9dc5U;

	for (; p < end; p++)
		h = (h ^ (unsigned char)lower(*p)) * 0x01000193U;
	return h ? h : 1;
}

/* Behind `word`, which is in lower case, or NULL when the bytes do not start so. */
static const char *after(const char *p, const char *end, const char *word)
{
	for (; *word; p++, word++)
		if (p == end || lower(*p) != *word)
			return NULL;
	return p;
}

static int hex(char c)
{
	if (is_digit(c))
		return c - '0';
	c = lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that "%hh" stands for, or -1. */
static int escaped(const char *p, const char *end)
{
	int high, low;

	if (end - p < 3)
		return -1;
	high = hex(p[1]);
	low = hex(p[2]);
	return high < 0 || low < 0 ? -1 : high << 4 | low;
}

/* Of a name without its port; the colons of an address are in brackets. */
static uint32_t host_of(const char *p, const char *end)
{
	const char *stop = p;
	bool address = false;

	for (; stop < end && (address || *stop != ':'); stop++)
		address = *stop == '[' || (address && *stop != ']');
	return stop > p ? hash(p, stop) : 0;
}

/* The first byte that "bytes=N-" or "bytes=N-M" asks for; anything else: 0. */
static uint64_t range_of(const char *p, const char *end)
{
	const char *digits = after(p, end, "bytes=");
	uint64_t from = 0;

	if (!digits)
		return 0;
	for (p = digits; p < end && is_digit(*p); p++) {
		if (p - digits == DIGITS)
			return 0;
		from = from * 10 + (uint64_t)(*p - '0');
	}
	if (p == end || *p != '-')
		return 0;
	do
		p++;
	while (p < end && is_digit(*p));
	return p == end ? from : 0;
}

/* Nothing but the last segment may be empty, and none may be a step in the tree. */
static bool is_plain(const char *segment, uint32_t n, bool last)
{
	return n == 0 ? last : segment[0] != '.' || n > 2 || (n == 2 && segment[1] != '.');
}

static bool read_target(struct fa_request *r, const char *p, const char *end, bool http)
{
	uint32_t n = 0, segment = 0;

	for (; p < end; p++) {
		int c = (unsigned char)*p;

		if (http) {
			if (c == '?' || c == '#')
				break;
			if (c == ' ')
				return false;
			if (c == '%') {
				c = escaped(p, end);
				if (c < 0)
					return false;
				p += 2;
			}
		}
		if (c < 0x20 || c == 0x7f || n == FA_TARGET - 1)
			return false;
		if (c == '/') {
			if (n && !is_plain(r->target + segment, n - segment, false))
				return false;
			segment = n + 1;
		}
		r->target[n++] = (char)c;
	}
	r->len = n;
	r->target[n] = 0;
	return n && is_plain(r->target + segment, n - segment, true);
}

/* "http://host/path" or "/path". */
static bool read_http_target(struct fa_request *r, const char *p, const char *end)
{
	const char *host = after(p, end, "http://");

	if (host) {
		p = memchr(host, '/', (size_t)(end - host));
		if (!p)
			return false;
		r->host = host_of(host, p);
	}
	return p < end && *p == '/' && read_target(r, p, end, true);
}

static void read_header(struct fa_request *r, const char *p, const char *end)
{
	const char *value = after(p, end, "host:");
	bool range = !value;

	if (range)
		value = after(p, end, "range:");
	if (!value)
		return;
	while (value < end && is_blank(*value))
		value++;
	while (value < end && is_blank(end[-1]))
		end--;
	if (range)
		r->from = range_of(value, end);
	else if (!r->host)
		r->host = host_of(value, end);
}

/* Only whole lines: half a name is another name. */
static void read_headers(struct fa_request *r, const char *p, const char *end)
{
	const char *lf;

	for (; p < end && (lf = memchr(p, '\n', (size_t)(end - p))); p = lf + 1) {
		if (lf == p || (lf == p + 1 && *p == '\r'))
			return;
		if (lower(*p) == 'h' || lower(*p) == 'r')
			read_header(r, p, lf);
	}
}

FA_HIDDEN bool fa_request_parse(const char *bytes, size_t n, struct fa_request *r)
{
	const char *end = bytes + n, *p = bytes, *line;
	size_t verb = 0;

	while (verb < n && verb <= VERB_MAX && is_upper(bytes[verb]))
		verb++;
	if (verb < VERB_MIN || verb > VERB_MAX || verb == n || bytes[verb] != ' ')
		return false;
	p = bytes + verb + 1;
	line = memchr(p, '\n', (size_t)(end - p));
	if (!line || *p == ' ')
		return false;
	r->verb = hash(bytes, bytes + verb);
	r->host = 0;
	r->from = 0;
	end = line > p && line[-1] == '\r' ? line - 1 : line;
	if (end - p <= (ptrdiff_t)VERSION || memcmp(end - VERSION, " HTTP/", 6) != 0)
		return read_target(r, p, end, false);
	if (!read_http_target(r, p, end - VERSION))
		return false;
	read_headers(r, line + 1, bytes + n);
	return true;
}
