/* SPDX-License-Identifier: MIT
 *
 * The kernel as the unit tests give it to the runtime.
 */
#include "fake.h"

#include <string.h>

#define CALLS 512

static struct {
	unsigned calls;
	unsigned nth; /* 0: `error` is for every call */
	int error;    /* 0: none */
	fake_call *hook;
} table[CALLS];

long fake_kernel(long nr, long a, long b, long c, long d, long e, long f)
{
	return fa_syscall6(nr, a, b, c, d, e, f);
}

long fa_fake_syscall(long n, long a, long b, long c, long d, long e, long f)
{
	unsigned count;

	if (n < 0 || n >= CALLS)
		return fake_kernel(n, a, b, c, d, e, f);
	count = __atomic_add_fetch(&table[n].calls, 1, __ATOMIC_RELAXED);
	if (table[n].error && (!table[n].nth || table[n].nth == count))
		return table[n].error;
	if (table[n].hook)
		return table[n].hook(a, b, c, d, e, f);
	return fake_kernel(n, a, b, c, d, e, f);
}

unsigned fake_calls(long nr)
{
	return __atomic_load_n(&table[nr].calls, __ATOMIC_RELAXED);
}

void fake_hook(long nr, fake_call *hook)
{
	table[nr].hook = hook;
}

void fake_fail(long nr, int error)
{
	table[nr].nth = 0;
	table[nr].error = error;
}

void fake_fail_nth(long nr, unsigned nth, int error)
{
	table[nr].nth = fake_calls(nr) + nth;
	table[nr].error = error;
}

long fake_no_time(long a, long b, long c, long d, long e, long f)
{
	(void)a, (void)b, (void)c, (void)d, (void)e, (void)f;
	return 0;
}

void fake_reset(void)
{
	memset(table, 0, sizeof(table));
}
