/* SPDX-License-Identifier: MIT
 *
 * Directory streams. Where opening a directory has waited, its stream is read here
 * instead of in libc, with the same getdents64() calls, because libc keeps to itself
 * the names that it has read and not yet given: those that a program which stats
 * each name as it comes will ask for next. A stream that is read here is so until
 * it is closed, also in a forked child.
 */
#ifndef FA_DIRSTREAM_H
#define FA_DIRSTREAM_H

#include <stdint.h>

#include "runtime.h"

#define FA_DIRSTREAMS 32U /* open at a time: others are libc's */

#endif
