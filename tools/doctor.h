/* SPDX-License-Identifier: MIT
 *
 * `fuse-aio doctor`: its checks, and how they tell what they have found.
 */
#ifndef DOCTOR_H
#define DOCTOR_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* OK: nothing in the way. WARN: it helps less. BAD: it cannot help. */
enum verdict { OK, WARN, BAD };

struct doctor {
	bool json;
	enum verdict worst;
	json_t *lines;
	const char *command;	  /* NULL: none was given */
	const char *const *paths; /* n_paths; none: the current directory */
	unsigned n_paths;
};

/*
 * A line: what was looked at, what was found (a format), what to do about it (NULL:
 * nothing). Returns the line's object, which a check may add numbers to.
 */
json_t *doctor_say(struct doctor *d, enum verdict verdict, const char *what,
		   const char *advice, const char *found, ...)
	__attribute__((format(printf, 5, 6)));

/* A string for a line; bytes of a path that are not UTF-8 become '?'. */
json_t *doctor_text(const char *text);

/* Memory that a trial shares with this process; NULL: none is to be had. */
void *doctor_shared(size_t size);

/*
 * Runs try(shared) in a child of its own, `ms` at most. Returns the wait status, or
 * -errno: -ETIMEDOUT, or why there is no child.
 */
int doctor_try(void (*trial)(void *shared), void *shared, unsigned ms);

/* The operator says that the filter, if there is one, lets the ring through. */
bool doctor_may_try(void);

void check_process(struct doctor *d); /* filter, switches, limits, container */
void check_ring(struct doctor *d);
void check_library(struct doctor *d);
void check_files(struct doctor *d);
void check_program(struct doctor *d);

#endif
