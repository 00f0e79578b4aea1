/* SPDX-License-Identifier: MIT
 *
 * Finding the library in the memory of another process.
 */
#ifndef VIEW_NOTE_H
#define VIEW_NOTE_H

#include <string.h>
#include <sys/uio.h>

#include "view.h"

/* Memory of the other process, for process_vm_readv(). */
static inline struct iovec memory_range(uint64_t at, size_t size)
{
	struct iovec v = { NULL, size };

	/* An address there, not here. */
	memcpy(&v.iov_base, &at, sizeof(v.iov_base));
	return v;
}

/*
 * The address of the description of its note. `dir` as from proc_open(). VIEW_READ, or
 * why not.
 */
enum view_state view_find_note(pid_t pid, int dir, uint64_t *note);

#endif
