/* SPDX-License-Identifier: MIT
 *
 * Columns of text in a terminal.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "table.h"
#include "text.h"

#define PLAIN_WIDTH 100 /* where it is no terminal */
#define LEAST_WIDTH 72

void table_init(struct table *t, FILE *out)
{
	const char *no_color = getenv("NO_COLOR");
	bool terminal = isatty(fileno(out));
	struct winsize size;

	*t = (struct table){ .out = out, .width = PLAIN_WIDTH };
	t->bold = terminal && !(no_color && *no_color);
	if (terminal && ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col)
		t->width = size.ws_col < LEAST_WIDTH ? LEAST_WIDTH : size.ws_col;
}

static bool continues(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

static int characters(const char *s)
{
	int n = 0;

	for (; *s; s++)
		n += !continues(*s);
	return n;
}

/* Past the first n characters. */
static const char *skip(const char *s, int n)
{
	while (*s && (n > 0 || continues(*s)))
		n -= !continues(*s++);
	return s;
}

/* Written only when something follows them. */
static void spaces(struct table *t, int n)
{
	if (n <= 0)
		return;
	t->column += n;
	t->spaces += n;
}

static void put(struct table *t, const char *text, size_t length)
{
	if (!length)
		return;
	fprintf(t->out, "%*s", t->spaces, "");
	t->spaces = 0;
	fwrite(text, 1, length, t->out);
}

void table_left(struct table *t, int width, const char *text)
{
	int n = characters(text);

	put(t, text, strlen(text));
	t->column += n;
	spaces(t, width - n + 1);
}

void table_right(struct table *t, int width, const char *text)
{
	int n = characters(text);

	spaces(t, width - n);
	put(t, text, strlen(text));
	t->column += n;
	spaces(t, 1);
}

void table_count(struct table *t, int width, uint64_t n)
{
	char text[TEXT_NUMBER];

	table_right(t, width, text_count(text, n));
}

void table_ns(struct table *t, int width, uint64_t ns)
{
	char text[TEXT_NUMBER];

	table_right(t, width, text_ns(text, ns));
}

void table_bytes(struct table *t, int width, uint64_t n)
{
	char text[TEXT_NUMBER];

	table_right(t, width, text_bytes(text, n));
}

void table_share(struct table *t, int width, uint64_t part, uint64_t whole)
{
	double share = whole ? 100.0 * (double)part / (double)whole : 0.0;
	char text[TEXT_NUMBER];

	snprintf(text, sizeof(text), "%.1f %%", share);
	table_right(t, width, text);
}

void table_rest(struct table *t, const char *text, bool path)
{
	int n = characters(text), room = t->width - t->column;

	if (n <= room) {
		put(t, text, strlen(text));
	} else if (path) {
		put(t, "…", strlen("…"));
		text = skip(text, n - room + 1);
		put(t, text, strlen(text));
	} else {
		put(t, text, (size_t)(skip(text, room - 1) - text));
		fputs("…", t->out);
	}
}

void table_end(struct table *t)
{
	fputc('\n', t->out);
	t->column = t->spaces = 0;
}

void table_heading(struct table *t, const char *format, ...)
{
	va_list args;

	fputs(t->bold ? "\n\033[1m" : "\n", t->out);
	va_start(args, format);
	vfprintf(t->out, format, args);
	va_end(args);
	if (t->bold)
		fputs("\033[0m", t->out);
	table_end(t);
}

void table_text(struct table *t, const char *text)
{
	while (*text) {
		const char *space = strchrnul(text, ' ');
		int length = (int)(space - text);

		if (t->column && t->column + length > t->width)
			table_end(t);
		put(t, text, (size_t)length);
		t->column += length;
		text = space;
		while (*text == ' ')
			text++;
		if (*text && t->column < t->width)
			spaces(t, 1);
	}
	table_end(t);
}
