/* SPDX-License-Identifier: MIT
 *
 * Text of other processes made fit to be shown, and numbers made short.
 */
#ifndef TOP_TEXT_H
#define TOP_TEXT_H

#include <stddef.h>

/*
 * `from` as valid UTF-8 that a terminal does nothing but show: control characters,
 * marks that change the direction of writing, and bytes that are no UTF-8 become \xNN.
 */
void text_safe(char *to, size_t size, const char *from);

/*
 * `from`, which is safe, in exactly `width` columns of the terminal: cut off, or
 * filled up with spaces, on the left if `right`. What the locale cannot show becomes '?'.
 */
void text_fit(char *to, size_t size, const char *from, int width, int right);

/* A number of at most six characters: 0.5, 12, 9999, 12.3k, 4.5M. */
void text_number(char *to, size_t size, double value);

/* A time: 850 us, 2.1 ms, 1.2 s. */
void text_duration(char *to, size_t size, double ns);

#endif
