/* SPDX-License-Identifier: MIT */
/*
 * Threads: taking turns, so that the order of calls is known and everything can be
 * compared; and all at once, where only what each has read can be.
 */
#define _GNU_SOURCE 1
#include "twin.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define THREADS 3

static struct turns {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	unsigned turn, rounds, threads;
} turns;

static void *take_turns(void *arg)
{
	struct twin *t = arg;

	for (unsigned round = 0; round < turns.rounds; round++) {
		pthread_mutex_lock(&turns.lock);
		while (turns.turn % turns.threads != t->thread - 1)
			pthread_cond_wait(&turns.changed, &turns.lock);
		calm_call(t);
		turns.turn++;
		pthread_cond_broadcast(&turns.changed);
		pthread_mutex_unlock(&turns.lock);
	}
	return NULL;
}

void op_turns(struct twin *t)
{
	struct twin own[THREADS];
	pthread_t id[THREADS];

	turns = (struct turns){ PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0,
				2 + below(t, 4), 2 + below(t, 2) };
	for (unsigned i = 0; i < turns.threads; i++) {
		own[i] = *t;
		own[i].thread = i + 1;
		own[i].line = 0;
		own[i].rng = rnd(t);
	}
	for (unsigned i = 0; i < turns.threads; i++)
		if (pthread_create(&id[i], NULL, take_turns, &own[i]))
			_exit(99);
	for (unsigned i = 0; i < turns.threads; i++)
		pthread_join(id[i], NULL);
}

/* --- all at once -------------------------------------------------------- */

struct reader {
	pthread_t id;
	struct twin t;
	uint64_t sum;
	char result[400];
};

static void read_one(struct reader *r, const char *path, char *buf, size_t size)
{
	struct stat st = { 0 };
	size_t all = 0;
	ssize_t n;
	int fd;

	if (one_in(&r->t, 2)) {
		r->sum = r->sum * 31 + (uint64_t)stat(path, &st);
		nap(100 + below(&r->t, 300));
	}
	OWN_SITE();
	fd = open(path, O_RDONLY);
	if (fd >= 0 && fstat(fd, &st))
		r->sum++;
	while (fd >= 0 && (n = read(fd, buf, size)) > 0) {
		r->sum = r->sum * 31 + hash(buf, (size_t)n);
		all += (size_t)n;
	}
	if (fd >= 0 && close(fd))
		r->sum++;
	snprintf(r->result + strlen(r->result), sizeof(r->result) - strlen(r->result),
		 " %d:%zu:%lld", fd >= 0, all, (long long)st.st_size);
}

static void *read_some(void *arg)
{
	struct reader *r = arg;
	char buf[32768];

	for (unsigned n = 0; n < 6; n++)
		read_one(r, good_path(&r->t), buf, sizeof(buf));
	return NULL;
}

void op_together(struct twin *t)
{
	static struct reader readers[THREADS];

	if (t->limited)
		return;
	for (unsigned i = 0; i < THREADS; i++) {
		readers[i] = (struct reader){ .t = *t };
		readers[i].t.rng = rnd(t);
		if (pthread_create(&readers[i].id, NULL, read_some, &readers[i]))
			_exit(98);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(readers[i].id, NULL);
		say(t, "together %u sum %016llx%s", i, (unsigned long long)readers[i].sum,
		    readers[i].result);
	}
}
