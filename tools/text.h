/* SPDX-License-Identifier: MIT
 *
 * Text in reports: names from a recording made harmless, numbers made readable.
 */
#ifndef TEXT_H
#define TEXT_H

#include <stddef.h>
#include <stdint.h>

#define TEXT_NUMBER 32 /* room for any of the numbers below */

/*
 * A copy of at most n bytes, up to the first NUL, as valid UTF-8 without control
 * characters: each byte that is something else becomes \xNN. To be freed.
 */
char *text_clean(const char *s, size_t n);

/* printf into a new string. To be freed. */
char *text_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Each writes into `to` and returns it. */
char *text_count(char to[TEXT_NUMBER], uint64_t n); /* 1,234,567 */
char *text_ns(char to[TEXT_NUMBER], uint64_t ns);   /* 1.23 ms */
char *text_bytes(char to[TEXT_NUMBER], uint64_t n); /* 1.5 KiB */

#endif
