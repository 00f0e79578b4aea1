/* SPDX-License-Identifier: MIT
 *
 * The classes of calls, and other numbers in recordings that have names.
 */
#ifndef OPS_H
#define OPS_H

enum {
#define OP(id, name) OP_##id,
#include "../include/fuse_aio_ops.def"
#undef OP
	OPS_N
};

static const char *const op_names[] = {
#define OP(id, name) name,
#include "../include/fuse_aio_ops.def"
#undef OP
};

#endif
