/* SPDX-License-Identifier: MIT
 *
 * Text in reports. Paths are what a recorded program made of them: a terminal, a
 * JSON parser or a flame graph must get through them unharmed.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "memory.h"
#include "text.h"

/* Length of the UTF-8 sequence at s, of n bytes; 0: none that may be shown. */
static size_t utf8(const unsigned char *s, size_t n)
{
	uint32_t c = *s;
	size_t length = c < 0x80 ? 1 : c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
	static const uint32_t least[] = { 0, 0x20, 0xa0, 0x800, 0x10000 };

	if (c == 0x7f || (c >= 0x80 && c < 0xc2) || c > 0xf4 || length > n)
		return 0;
	if (length > 1)
		c &= 0x7fU >> length;
	for (size_t i = 1; i < length; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3fU);
	}
	return c < least[length] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ? 0
										: length;
}

char *text_clean(const char *s, size_t n)
{
	const unsigned char *from = (const unsigned char *)s;
	char *clean, *to;

	n = strnlen(s, n);
	clean = to = need(4 * n + 1, 1);
	for (size_t i = 0; i < n;) {
		size_t length = utf8(from + i, n - i);

		if (!length) {
			to += sprintf(to, "\\x%02x", from[i++]);
			continue;
		}
		memcpy(to, from + i, length);
		to += length;
		i += length;
	}
	return clean;
}

char *text_format(const char *format, ...)
{
	va_list args;
	char *text;
	int length;

	va_start(args, format);
	length = vsnprintf(NULL, 0, format, args);
	va_end(args);
	text = need((size_t)length + 1, 1);
	va_start(args, format);
	vsnprintf(text, (size_t)length + 1, format, args);
	va_end(args);
	return text;
}

char *text_count(char to[TEXT_NUMBER], uint64_t n)
{
	char digits[24];
	int length = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)n);
	char *at = to;

	for (int i = 0; i < length; i++) {
		if (i && (length - i) % 3 == 0)
			*at++ = ',';
		*at++ = digits[i];
	}
	*at = '\0';
	return to;
}

struct unit {
	double size;
	const char *name;
};

/* Three significant digits in the largest unit that leaves at least 1. */
static char *scaled(char to[TEXT_NUMBER], double value, const struct unit *units)
{
	while (units[1].name && value < units->size * 0.9995)
		units++;
	value /= units->size;
	if (units->size <= 1.0 || value >= 99.95)
		snprintf(to, TEXT_NUMBER, "%.0f %s", value, units->name);
	else
		snprintf(to, TEXT_NUMBER, value < 9.995 ? "%.2f %s" : "%.1f %s", value,
			 units->name);
	return to;
}

char *text_ns(char to[TEXT_NUMBER], uint64_t ns)
{
	static const struct unit units[] = {
		{ 3600e9, "h" }, { 60e9, "min" }, { 1e9, "s" }, { 1e6, "ms" },
		{ 1e3, "µs" },	 { 1, "ns" },	  { 0, NULL },
	};

	return ns ? scaled(to, (double)ns, units) : strcpy(to, "0");
}

char *text_bytes(char to[TEXT_NUMBER], uint64_t n)
{
	static const struct unit units[] = {
		{ 0x1p60, "EiB" }, { 0x1p50, "PiB" }, { 0x1p40, "TiB" }, { 0x1p30, "GiB" },
		{ 0x1p20, "MiB" }, { 0x1p10, "KiB" }, { 1, "B" },	 { 0, NULL },
	};

	return n ? scaled(to, (double)n, units) : strcpy(to, "0");
}
