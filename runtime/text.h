/* SPDX-License-Identifier: MIT
 *
 * Text built in a fixed buffer without stdio or locale, for the log and the
 * statistics line. What does not fit is cut; nothing fails.
 */
#ifndef FA_TEXT_H
#define FA_TEXT_H

#include <stddef.h>
#include <stdint.h>

struct fa_text {
	char *buf;
	size_t size, len;
};

static inline void fa_text_char(struct fa_text *t, char c)
{
	if (t->len < t->size)
		t->buf[t->len++] = c;
}

static inline void fa_text_str(struct fa_text *t, const char *s)
{
	while (*s)
		fa_text_char(t, *s++);
}

static inline void fa_text_num(struct fa_text *t, uint64_t v)
{
	char digits[20];
	unsigned n = 0;

	do
		digits[n++] = (char)('0' + v % 10);
	while (v /= 10);
	while (n)
		fa_text_char(t, digits[--n]);
}

/* A JSON string: names of programs may hold anything. */
static inline void fa_text_quoted(struct fa_text *t, const char *s)
{
	static const char hex[] = "0123456789abcdef";

	fa_text_char(t, '"');
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '"' || c == '\\') {
			fa_text_char(t, '\\');
			fa_text_char(t, (char)c);
		} else if (c < 0x20 || c >= 0x7f) {
			fa_text_str(t, "\\u00");
			fa_text_char(t, hex[c >> 4]);
			fa_text_char(t, hex[c & 15]);
		} else {
			fa_text_char(t, (char)c);
		}
	}
	fa_text_char(t, '"');
}

#endif
