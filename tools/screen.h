/* SPDX-License-Identifier: MIT
 *
 * The table on a terminal, kept up to date.
 */
#ifndef SCREEN_H
#define SCREEN_H

#include "top_rows.h"
#include "top_scan.h"

/*
 * Until the user leaves; a reading every `interval` seconds. Returns the exit status;
 * a signal that ends it does so when the terminal is as it was.
 */
int screen_run(struct scan *scan, struct rows *rows, double interval);

#endif
