/* SPDX-License-Identifier: MIT */
/*
 * The queue of replies that wait for their time: a binary heap of complete
 * messages as libfuse made them, so that one mechanism serves every operation.
 */
#include "slowfs.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct reply {
	uint64_t due, seq; /* seq keeps equal times in their order */
	size_t len;
	unsigned char data[];
};

static struct reply **heap;
static size_t used, room;
static uint64_t seq;

uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static bool before(const struct reply *a, const struct reply *b)
{
	return a->due != b->due ? a->due < b->due : a->seq < b->seq;
}

static void swap(size_t a, size_t b)
{
	struct reply *r = heap[a];

	heap[a] = heap[b];
	heap[b] = r;
}

int delay_put(uint64_t due, const struct iovec *iov, int count)
{
	struct reply *r;
	size_t len = 0, i;

	if (used == room) {
		size_t more = room ? room * 2 : 256;
		struct reply **bigger = realloc(heap, more * sizeof(*heap));

		if (!bigger)
			return -1;
		heap = bigger;
		room = more;
	}
	for (int k = 0; k < count; k++)
		len += iov[k].iov_len;
	r = malloc(sizeof(*r) + len);
	if (!r)
		return -1;
	r->due = due;
	r->seq = seq++;
	r->len = 0;
	for (int k = 0; k < count; k++) {
		memcpy(r->data + r->len, iov[k].iov_base, iov[k].iov_len);
		r->len += iov[k].iov_len;
	}
	heap[used] = r;
	for (i = used++; i && before(heap[i], heap[(i - 1) / 2]); i = (i - 1) / 2)
		swap(i, (i - 1) / 2);
	return 0;
}

static struct reply *pop(void)
{
	struct reply *first = heap[0];
	size_t i = 0;

	heap[0] = heap[--used];
	for (;;) {
		size_t child = 2 * i + 1;

		if (child >= used)
			break;
		if (child + 1 < used && before(heap[child + 1], heap[child]))
			child++;
		if (!before(heap[child], heap[i]))
			break;
		swap(i, child);
		i = child;
	}
	return first;
}

uint64_t delay_next(void)
{
	return used ? heap[0]->due : UINT64_MAX;
}

void delay_send(int fd, uint64_t now)
{
	while (used && heap[0]->due <= now) {
		struct reply *r = pop();
		/* It fails when the caller was killed or the mount is gone. */
		ssize_t n = write(fd, r->data, r->len);

		(void)n;
		free(r);
	}
}

void delay_drop(void)
{
	while (used)
		free(pop());
	free(heap);
	heap = NULL;
	room = 0;
}
