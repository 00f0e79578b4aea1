/* SPDX-License-Identifier: MIT
 *
 * Which call site is this? The return address, or, when FUSE_AIO_STACKS asks for
 * it, a hash of the stack as libunwind sees it.
 */
#ifndef FA_SITE_H
#define FA_SITE_H

#include "runtime.h"

/* At start, before any chroot: finds libunwind. False: it is not there. */
bool fa_site_stacks(void) FA_HIDDEN;

/* From now on by return address again. */
void fa_site_stop(void) FA_HIDDEN;

/* The identity of the site with this return address. */
uint64_t fa_site(uint64_t return_address) FA_HIDDEN;

#define FA_SITE_FRAMES 32U

/*
 * Its return addresses, the innermost first, `frame[0]` being the given one. How many:
 * 1 where stacks are not wanted.
 */
unsigned fa_site_stack(uint64_t return_address, uint64_t *frame) FA_HIDDEN;

#endif
