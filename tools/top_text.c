/* SPDX-License-Identifier: MIT
 *
 * Names of programs and mount points are whatever somebody chose. They are made
 * harmless once, where they are read; widths are the terminal's.
 */
#include "top_text.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

/* The character at `s` and its bytes; 0 bytes: it is no UTF-8. */
static uint32_t decode(const unsigned char *s, size_t *bytes)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t n = *s < 0x80	   ? 1
		   : *s >> 5 == 6  ? 2
		   : *s >> 4 == 14 ? 3
		   : *s >> 3 == 30 ? 4
				   : 0;
	uint32_t c = n == 1 ? *s : n ? *s & (0x7fU >> n) : 0;

	*bytes = 0;
	for (size_t i = 1; i < n; i++) {
		if (s[i] >> 6 != 2)
			return 0;
		c = c << 6 | (s[i] & 0x3fU);
	}
	if (n && c >= least[n] && c <= 0x10ffff && (c < 0xd800 || c > 0xdfff))
		*bytes = n;
	return c;
}

static int is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x200e || c == 0x200f ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

void text_safe(char *to, size_t size, const char *from)
{
	const unsigned char *s = (const unsigned char *)from;
	size_t used = 0;

	while (*s) {
		size_t n;
		uint32_t c = decode(s, &n);
		int plain = n && !is_control(c);
		size_t room = plain ? n : 4 * (n ? n : 1);

		if (used + room >= size)
			break;
		if (plain)
			memcpy(to + used, s, n);
		for (size_t i = 0; !plain && i < room / 4; i++)
			snprintf(to + used + 4 * i, 5, "\\x%02x", s[i]);
		used += room;
		s += n ? n : 1;
	}
	to[used] = '\0';
}

void text_fit(char *to, size_t size, const char *from, int width, int right)
{
	size_t used = 0, pad;
	mbstate_t state = { 0 };
	int columns = 0;

	while (*from) {
		wchar_t c;
		size_t n = mbrtowc(&c, from, strlen(from), &state);
		int bad = n == (size_t)-1 || n == (size_t)-2 || wcwidth(c) < 0;
		int w = bad ? 1 : wcwidth(c);

		if (bad) {
			memset(&state, 0, sizeof(state));
			for (n = 1; ((unsigned char)from[n] & 0xc0) == 0x80; n++)
				;
		}
		if (columns + w > width || used + n >= size)
			break;
		if (bad)
			to[used++] = '?';
		else
			used += (size_t)(mempcpy(to + used, from, n) - (void *)(to + used));
		columns += w;
		from += n;
	}
	pad = (size_t)(width > columns ? width - columns : 0);
	if (used + pad >= size)
		pad = size - 1 - used;
	if (right)
		memmove(to + pad, to, used);
	memset(right ? to : to + used, ' ', pad);
	to[used + pad] = '\0';
}

void text_number(char *to, size_t size, double value)
{
	static const char unit[] = "kMGTPE";
	size_t i = 0;

	if (value < 9.95 && value - (double)(int)value > 0) {
		snprintf(to, size, "%.1f", value);
		return;
	}
	if (value < 9999.5) {
		snprintf(to, size, "%.0f", value);
		return;
	}
	for (value /= 1000; value >= 999.5 && i < sizeof(unit) - 2; i++)
		value /= 1000;
	snprintf(to, size, value < 99.95 ? "%.1f%c" : "%.0f%c", value, unit[i]);
}

void text_duration(char *to, size_t size, double ns)
{
	if (ns < 1e6)
		snprintf(to, size, "%.0f us", ns / 1e3);
	else if (ns < 1e9)
		snprintf(to, size, "%.1f ms", ns / 1e6);
	else
		snprintf(to, size, "%.1f s", ns / 1e9);
}
