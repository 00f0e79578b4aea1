/* SPDX-License-Identifier: MIT
 *
 * USDT probes of provider fuse_aio, for perf and bpftrace: a nop each while nobody
 * looks. docs/PROBES.md lists them and their arguments.
 */
#ifndef FA_PROBE_H
#define FA_PROBE_H

#if __has_include(<sys/sdt.h>)
#include <sys/sdt.h>
#define FA_PROBE1(name, a) DTRACE_PROBE1(fuse_aio, name, a)
#define FA_PROBE2(name, a, b) DTRACE_PROBE2(fuse_aio, name, a, b)
#define FA_PROBE3(name, a, b, c) DTRACE_PROBE3(fuse_aio, name, a, b, c)
#else
#define FA_PROBE1(name, a) ((void)(a))
#define FA_PROBE2(name, a, b) ((void)(a), (void)(b))
#define FA_PROBE3(name, a, b, c) ((void)(a), (void)(b), (void)(c))
#endif

#endif
