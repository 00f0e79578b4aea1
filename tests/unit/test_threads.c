/* SPDX-License-Identifier: MIT
 *
 * Threads of the process: their blocks, storage that somebody else runs on,
 * busy threads, and what reaches all of them.
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <string.h>
#include <unistd.h>

#include <liburing.h>

#include "fake.h"

static struct fa_thread *block;

static void *one_call(void *arg)
{
	(void)arg;
	block = fa_thread_of(fa_enter());
	return NULL;
}

static struct fa_thread *in_a_thread(void)
{
	pthread_t thread;

	block = NULL;
	assert_int_equal(pthread_create(&thread, NULL, one_call, NULL), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	return block;
}

static unsigned blocks(void)
{
	unsigned n = 0;

	for (struct fa_thread *t = fa_process->threads; t; t = t->next)
		n++;
	return n;
}

static void test_each_has_its_own(void **state)
{
	const struct fa_thread *mine = unit_self();

	(void)state;
	assert_non_null(in_a_thread());
	assert_ptr_not_equal(block, mine);
	assert_int_equal(blocks(), 2);
}

static void test_block_is_used_again(void **state)
{
	struct fa_thread *first = in_a_thread();

	(void)state;
	assert_true(first->free);
	first->h.n[FA_N_sequences] = 5;
	assert_ptr_equal(in_a_thread(), first);
	assert_int_equal(blocks(), 1);
	/* Nothing that was counted is lost. */
	assert_int_equal(first->h.n[FA_N_calls], 2);
	assert_int_equal(first->h.n[FA_N_sequences], 5);
}

static void *with_ring(void *arg)
{
	struct fa_identity id = { 0, 0, 0, 0 };
	bool fast;

	block = fa_thread_of(fa_enter());
	fake_ring.result[IORING_OP_OPENAT] = FAKE_PENDING;
	fake_ring.result[IORING_OP_CLOSE] = FAKE_PENDING;
	unit_chain_start(block, AT_FDCWD, arg, O_RDONLY, 0, &id);
	fa_close_behind(block, 700, &fast);
	return block->ring.memory;
}

static void test_ring_goes_with_its_thread(void **state)
{
	pthread_t thread;
	void *memory;

	(void)state;
	fake_ring_use();
	assert_int_equal(pthread_create(&thread, NULL, with_ring, (void *)"/dev/null"), 0);
	assert_int_equal(pthread_join(thread, &memory), 0);
	assert_non_null(memory);
	assert_null(block->ring.memory);
	assert_false(fake_ring.made);
	assert_int_equal(block->h.chains, 0);
	assert_int_equal(block->closing, 0);
	assert_int_equal(block->h.n[FA_N_dropped], 1);
	/* Whoever waits for all rings does not wait for what went with it. */
	unit_self();
	fa_drain();
	assert_in_range(fake_calls(SYS_clock_nanosleep), 0, 1);
}

static long other_tid(long a, long b, long c, long d, long e, long f)
{
	(void)a, (void)b, (void)c, (void)d, (void)e, (void)f;
	return 1;
}

static void test_vfork_child_passes_through(void **state)
{
	struct fa_thread *t = unit_self();

	(void)state;
	fa_storage_shared(true);
	fake_hook(SYS_gettid, other_tid);
	assert_null(fa_enter());
	fa_privilege_changes(false); /* setuid of a child that shares our memory */
	fa_process_ends();	     /* and its _exit */
	assert_false(fa_process->ended);
	fake_hook(SYS_gettid, NULL);
	/* The parent runs again: back on the short way. */
	assert_ptr_equal(fa_enter(), &t->h);
	assert_int_equal(t->h.word, FA_T_READY);
}

static void test_storage_shared_for_good(void **state)
{
	struct fa_thread *t = unit_self();

	(void)state;
	fa_storage_shared(false);
	assert_ptr_equal(fa_enter(), &t->h);
	assert_int_equal(t->h.word, FA_T_SHARED);
	fake_hook(SYS_gettid, other_tid);
	assert_null(fa_enter());
	fake_hook(SYS_gettid, NULL);
	assert_ptr_equal(fa_enter(), &t->h);
}

static void test_signal_handler_passes_through(void **state)
{
	struct fa_thread *t = unit_self();

	(void)state;
	assert_true(fa_busy(t));
	assert_null(fa_enter());
	assert_false(fa_busy(t));
	fa_storage_shared(true);
	fa_drain();
	assert_int_equal(t->h.word, FA_T_BUSY);
	fa_ready(t);
	assert_ptr_equal(fa_enter(), &t->h);
}

static sem_t ready, go;

static void *waits(void *arg)
{
	(void)arg;
	block = fa_thread_of(fa_enter());
	sem_post(&ready);
	sem_wait(&go);
	return fa_enter();
}

static void test_filter_switches_all_off(void **state)
{
	pthread_t thread;
	void *after = &thread;

	(void)state;
	sem_init(&ready, 0, 0);
	sem_init(&go, 0, 0);
	assert_int_equal(pthread_create(&thread, NULL, waits, NULL), 0);
	sem_wait(&ready);
	unit_self();
	fa_filter_coming();
	assert_true(fa_off);
	assert_null(fa_enter());
	assert_int_equal(block->h.word, FA_T_OFF);
	sem_post(&go);
	assert_int_equal(pthread_join(thread, &after), 0);
	assert_null(after);
	assert_true(fa_process->ended);
	assert_int_equal(fa_thread_of(fa_self)->fallback[FA_F_filter], 1);
	sem_destroy(&ready);
	sem_destroy(&go);
}

static unsigned naps;

static long nap(long a, long b, long c, long d, long e, long f)
{
	(void)a, (void)b, (void)c, (void)d, (void)e, (void)f;
	assert_in_range(++naps, 1, 25000);
	return 0;
}

/* Two threads that never come out: a second for both of them, not for each. */
static void test_filter_waits_with_a_limit(void **state)
{
	static struct fa_thread stuck[2];

	(void)state;
	naps = 0;
	fake_hook(SYS_clock_nanosleep, nap);
	unit_self();
	stuck[0].h.word = stuck[1].h.word = FA_T_BUSY;
	stuck[0].next = &stuck[1];
	stuck[1].next = fa_process->threads;
	fa_process->threads = &stuck[0];
	fa_filter_coming();
	assert_in_range(naps, 1000, 2100);
	assert_int_equal(stuck[0].h.word, FA_T_OFF);
	assert_int_equal(stuck[1].h.word, FA_T_OFF);
}

static void test_drain_waits_with_a_limit(void **state)
{
	struct fa_thread *t = unit_self();
	bool fast;
	int fd = dup(0);

	(void)state;
	naps = 0;
	fake_ring_use();
	fake_hook(SYS_clock_nanosleep, nap);
	fake_ring.result[IORING_OP_CLOSE] = FAKE_PENDING;
	fake_ring.registers[IORING_REGISTER_SYNC_CANCEL] = -EALREADY;
	assert_true(fa_close_behind(t, fd, &fast));
	naps = 0;
	fa_drain();
	assert_in_range(naps, 10000, 20010);
	assert_int_equal(t->h.word, FA_T_READY);
	close(fd);
}

static void test_drain_without_rings_is_free(void **state)
{
	(void)state;
	unit_self();
	fa_drain();
	assert_int_equal(fake_calls(SYS_clock_nanosleep), 0);
}

int main(void)
{
	const struct CMUnitTest threads_tests[] = {
		TEST(test_each_has_its_own),
		TEST(test_block_is_used_again),
		TEST(test_ring_goes_with_its_thread),
		TEST(test_vfork_child_passes_through),
		TEST(test_storage_shared_for_good),
		TEST(test_signal_handler_passes_through),
		TEST(test_filter_switches_all_off),
		TEST(test_filter_waits_with_a_limit),
		TEST(test_drain_waits_with_a_limit),
		TEST(test_drain_without_rings_is_free),
	};

	return cmocka_run_group_tests_name("threads", threads_tests, NULL, NULL);
}
