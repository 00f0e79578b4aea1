/* SPDX-License-Identifier: MIT
 *
 * Two hundred threads at a time, on stacks of 64 KiB or as little as libc allows,
 * each with its files; twice, so that what ended threads left is used again. And
 * a thread whose last calls come from the destructor of a thread-specific value.
 */
#include <limits.h>
#include <pthread.h>

#include "zoo.h"

#define THREADS 200

static pthread_barrier_t together;
static uint64_t expected[ZOO_FILES];
static int bad;
static pthread_key_t key;

static void *works(void *at)
{
	unsigned i = (unsigned)(uintptr_t)at;

	pthread_barrier_wait(&together);
	for (unsigned j = 0; j < 6; j++)
		if (visit(file_name(i + j)) != expected[(i + j) % ZOO_FILES])
			__atomic_add_fetch(&bad, 1, __ATOMIC_RELAXED);
	return NULL;
}

static void last_calls(void *at)
{
	unsigned round = (unsigned)(uintptr_t)at;

	if (visit("f02") != expected[2])
		__atomic_add_fetch(&bad, 1, __ATOMIC_RELAXED);
	if (round < 4) /* libc calls again, and so may come after the library's */
		pthread_setspecific(key, (void *)(uintptr_t)(round + 1));
}

static void *ends(void *unused)
{
	(void)unused;
	pthread_setspecific(key, (void *)1);
	warm();
	return NULL;
}

int main(void)
{
	pthread_attr_t attr;
	pthread_t t[THREADS];
	long least = sysconf(_SC_THREAD_STACK_MIN);

	warm();
	for (unsigned i = 0; i < ZOO_FILES; i++)
		expected[i] = visit(file_name(i));
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, least > 65536 ? (size_t)least : 65536);
	for (unsigned round = 0; round < 2; round++) {
		pthread_barrier_init(&together, NULL, THREADS);
		for (unsigned i = 0; i < THREADS; i++)
			if (pthread_create(&t[i], &attr, works, (void *)(uintptr_t)i))
				return 97;
		for (unsigned i = 0; i < THREADS; i++)
			pthread_join(t[i], NULL);
		say("bad %d\n", bad);
		say_open("all ended");
	}
	pthread_key_create(&key, last_calls);
	for (unsigned i = 0; i < 4; i++)
		pthread_create(&t[i], NULL, ends, NULL);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	say("bad %d\n", bad);
	say_open("end");
	return 0;
}
