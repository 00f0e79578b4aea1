/* SPDX-License-Identifier: MIT
 *
 * What the tests of staged chains share: one that a request has started for the
 * file, on a file system where opens wait however much is cached.
 */
#ifndef UNIT_STAGED_H
#define UNIT_STAGED_H

#include "unit_chain.h"

static inline unsigned slots_open(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < FAKE_SLOTS; i++)
		n += fake_ring.slot[i] >= 0;
	return n;
}

static inline bool foresees_at(const char *path, int flags, uint32_t window, uint64_t from)
{
	const char *text = "GET /f HTTP/1.0\r\n\r\n";
	struct fa_request r;
	bool started;

	assert_true(fa_request_parse(text, strlen(text), &r));
	r.listener = 1;
	r.from = from;
	started = fa_chain_foresee(t, path, flags, window, &r, -1);
	if (t->ring.prepared)
		fa_ring_submit(t);
	return started;
}

static inline struct fa_chain *foresees(uint32_t window)
{
	assert_true(foresees_at(file, O_RDONLY, window, 0));
	return &t->ahead->chain[0];
}

/* They are not so fast that nothing seems to wait. */
static inline void slowly(void)
{
	for (unsigned i = 0; i < FA_CHAINS; i++)
		t->ahead->chain[i].started = unit_ago(2000000);
}

/* All the operations of the chain stay pending until run() */
static inline void step_by_step(void)
{
	fake_ring.result[IORING_OP_STATX] = FAKE_PENDING;
	fake_ring.result[IORING_OP_OPENAT] = FAKE_PENDING;
	fake_ring.result[IORING_OP_READ] = FAKE_PENDING;
}

/* The nth of these operations ends, and what that leads to is submitted. */
static inline void run(unsigned op, unsigned nth)
{
	fake_ring_run(fake_ring_nth(op, nth));
	fa_chain_sweep(t);
}

static inline void ends_with(unsigned op, unsigned nth, int result)
{
	fake_ring_complete(fake_ring_nth(op, nth)->user_data, result);
	fa_chain_sweep(t);
}

static inline unsigned took(unsigned op)
{
	return fake_ring_took(op, NULL);
}

/* Nothing of any chain is left. */
static inline void all_gone(void)
{
	fa_chain_sweep(t);
	for (unsigned i = 0; i < FA_CHAINS / 64; i++)
		assert_true(t->ahead->used[i] == 0);
	assert_int_equal(slots_open(), 0);
	assert_int_equal(t->h.chains, 0);
	assert_int_equal(t->ahead->stalled, 0);
	assert_int_equal(t->ahead->dropped, 0);
	assert_int_equal(t->ahead->statted, 0);
}

static inline int staged_setup(void **state)
{
	fake_setup(state);
	unit_cold(seen.file.dev, FA_OPEN);
	unit_cold(seen.file.dev, FA_REOPEN);
	return 0;
}

#define STAGED_TEST(name) cmocka_unit_test_setup_teardown(name, staged_setup, unit_teardown)

#endif
