/* SPDX-License-Identifier: MIT */
/*
 * The random numbers of a program: everything it decides comes from its seed.
 */
#include "twin.h"

#include <time.h>

/* splitmix64 (Steele, Lea, Flood 2014) */
uint64_t rnd(struct twin *t)
{
	uint64_t z = t->rng += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

unsigned below(struct twin *t, unsigned n)
{
	return (unsigned)((rnd(t) >> 33) % n);
}

bool one_in(struct twin *t, unsigned n)
{
	return !below(t, n);
}

void nap(unsigned us)
{
	struct timespec left = { .tv_nsec = us * 1000l };

	while (nanosleep(&left, &left))
		;
}
