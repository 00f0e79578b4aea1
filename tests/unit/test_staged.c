/* SPDX-License-Identifier: MIT
 *
 * Staged chains: statx, open and read, each when the one before has ended, and
 * what the program's open, stat and the clock make of them.
 */
#include "unit_staged.h"

#include <sys/stat.h>

#define KIB 1024U

static void test_one_after_the_other(void **state)
{
	const struct io_uring_sqe *sqe;
	const struct fa_chain *c;
	int lowest = unit_lowest_fd();

	(void)state;
	step_by_step();
	assert_true(foresees_at(file, O_RDONLY | O_CLOEXEC, 128 * KIB, 0));
	c = &t->ahead->chain[0];
	sqe = fake_ring_nth(IORING_OP_STATX, 0);
	assert_true(sqe->flags & IOSQE_ASYNC);
	assert_int_equal(sqe->fd, AT_FDCWD);
	assert_int_equal(fake_ring.logged, 1);
	assert_int_equal(t->h.chains, 1);
	run(IORING_OP_STATX, 0);
	assert_int_equal(c->state, FA_CHAIN_RUNNING);
	sqe = fake_ring_nth(IORING_OP_OPENAT, 0);
	assert_true(sqe->flags & IOSQE_ASYNC); /* it would wait */
	assert_false(sqe->open_flags & O_CLOEXEC);
	assert_int_equal(fake_ring.logged, 2);
	run(IORING_OP_OPENAT, 0);
	assert_int_equal(c->state, FA_CHAIN_READING);
	sqe = fake_ring_nth(IORING_OP_READ, 0);
	assert_true(sqe->flags & IOSQE_FIXED_FILE);
	assert_int_equal(fake_ring.logged, 3);
	run(IORING_OP_READ, 0);
	assert_int_equal(c->state, FA_CHAIN_OPEN);
	assert_int_equal(c->in_flight, 0);
	assert_int_equal(slots_open(), 1);
	assert_int_equal(unit_lowest_fd(), lowest);
	assert_int_equal(fake_ring.logged, 3);
}

static void test_adopted(void **state)
{
	int lowest = unit_lowest_fd(), fd;

	(void)state;
	foresees(128 * KIB);
	fd = chain_adopt(O_RDONLY);
	assert_int_equal(fd, lowest);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 0);
	assert_int_equal(t->found.warm, 0);
	assert_int_equal(t->found.from, 0);
	assert_int_equal(t->found.to, 5000);
	assert_int_equal(t->h.n[FA_N_adopted], 1);
	assert_int_equal(t->h.n[FA_N_dropped], 0);
	all_gone();
	close(fd);
	assert_int_equal(chain_adopt(O_RDONLY), -1);
}

static void test_flags_must_match(void **state)
{
	int fd;

	(void)state;
	foresees(0);
	assert_int_equal(chain_adopt(O_RDONLY | O_CLOEXEC), -1);
	assert_int_equal(t->h.chains, 1);
	fd = chain_adopt(O_RDONLY);
	assert_true(fd >= 0);
	close(fd);
}

/* ---- what the statx tells ---- */

static void never_opened(const char *path, int flags)
{
	struct fa_identity id;

	assert_true(foresees_at(path, flags, 128 * KIB, 0));
	fa_chain_sweep(t);
	assert_int_equal(t->ahead->chain[0].state, FA_CHAIN_FAILED);
	assert_int_equal(took(IORING_OP_OPENAT), 0);
	assert_int_equal(unit_adopt(t, AT_FDCWD, path, flags, &id), -1);
	assert_int_equal(t->h.n[FA_N_adopted], 0);
	all_gone();
}

static void test_not_there(void **state)
{
	(void)state;
	never_opened("/no/such/file", O_RDONLY);
}

static void test_not_a_regular_file(void **state)
{
	char path[280];

	(void)state;
	strcpy(path, unit_path("fifo"));
	assert_return_code(mkfifo(path, 0600), errno);
	never_opened(path, O_RDONLY);
	never_opened("/dev/null", O_RDONLY);
	never_opened("/proc", O_RDONLY);
	strcpy(path, unit_path("loop"));
	assert_return_code(symlink("loop", path), errno);
	never_opened(path, O_RDONLY);
}

static void test_link_not_followed(void **state)
{
	char path[280];

	(void)state;
	strcpy(path, unit_path("link"));
	assert_return_code(symlink("f", path), errno);
	never_opened(path, O_RDONLY | O_NOFOLLOW);
	/* The other way: the file behind it. */
	assert_true(foresees_at(path, O_RDONLY, 0, 0));
	fa_chain_sweep(t);
	assert_int_equal(t->ahead->chain[0].state, FA_CHAIN_OPEN);
}

/* The plain open runs at once: looking the path up again would only cost. */
static void test_what_failed_costs_nothing(void **state)
{
	struct fa_identity id;
	unsigned looked;

	(void)state;
	assert_true(foresees_at("/no/such/file", O_RDONLY, 0, 0));
	fa_chain_sweep(t);
	looked = fake_calls(SYS_statx);
	assert_int_equal(unit_adopt(t, AT_FDCWD, "/no/such/file", O_RDONLY, &id), -1);
	assert_int_equal(fake_calls(SYS_statx), looked);
}

static void test_hot_file_system(void **state)
{
	(void)state;
	unit_hot(seen.file.dev, FA_OPEN);
	foresees(128 * KIB);
	fa_chain_sweep(t);
	assert_int_equal(t->ahead->chain[0].state, FA_CHAIN_WARM);
	assert_int_equal(took(IORING_OP_OPENAT), 0);
	assert_int_equal(chain_adopt(O_RDONLY), -1);
	assert_int_equal(t->fallback[FA_F_stale], 0);
	assert_int_equal(t->found.warm, 0); /* nothing was warmed */
	all_gone();
	/* The next one is not even started: its neighbour was there. */
	assert_true(fa_place_dev(file) == seen.file.dev);
}

/* Opens that do not wait once the name is cached: nothing stays open. */
static void test_warmed(void **state)
{
	struct fa_call c;
	int fd;

	(void)state;
	unit_hot(seen.file.dev, FA_REOPEN);
	foresees(128 * KIB);
	fa_chain_sweep(t);
	assert_int_equal(t->ahead->chain[0].state, FA_CHAIN_WARM);
	assert_int_equal(took(IORING_OP_READ), 1);
	assert_int_equal(slots_open(), 0);
	assert_int_equal(fa_open_begin(&c, AT_FDCWD, file, O_RDONLY, (void *)5), -1);
	assert_true(t->found.warm == seen.file.dev);
	fd = open(file, O_RDONLY | O_CLOEXEC);
	fa_open_end(&c, fd);
	assert_int_equal(fa_fds[fd].resident_to, 5000);
	assert_true(fa_fds[fd].flags & FA_FD_COLD);
	assert_true(fa_fds[fd].dev == seen.file.dev);
	assert_int_equal(t->found.warm, 0);
	assert_int_equal(t->h.n[FA_N_settled], 1);
	assert_int_equal(t->h.n[FA_N_dropped], 0);
	all_gone();
	close(fd);
}

/* An open that waits although its name was cached is what adoption is for. */
static void test_warming_does_not_help(void **state)
{
	int fd;

	(void)state;
	unit_hot(seen.file.dev, FA_REOPEN);
	for (int i = 0; i < 2; i++) {
		struct fa_call c;

		foresees(0);
		fa_chain_sweep(t);
		assert_int_equal(fa_open_begin(&c, AT_FDCWD, file, O_RDONLY, (void *)5),
				 -1);
		c.start = unit_ago(2000000);
		fd = open(file, O_RDONLY | O_CLOEXEC);
		fa_open_end(&c, fd);
		close(fd);
	}
	foresees(0);
	fd = chain_adopt(O_RDONLY);
	assert_true(fd >= 0);
	close(fd);
}

/* ---- the window ---- */

static void reads(uint32_t window, uint64_t from, uint64_t at, uint32_t len)
{
	const struct io_uring_sqe *sqe = NULL;
	unsigned before = took(IORING_OP_READ);
	int fd;

	assert_true(foresees_at(file, O_RDONLY, window, from));
	slowly();
	fa_chain_sweep(t);
	assert_int_equal(t->ahead->chain[0].state, FA_CHAIN_OPEN);
	assert_int_equal(fake_ring_took(IORING_OP_READ, &sqe) - before, len > 0);
	if (len) {
		assert_int_equal(sqe->off, at);
		assert_int_equal(sqe->len, len);
	}
	fd = chain_adopt(O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(t->found.from, from);
	assert_int_equal(t->found.to, from + len);
	close(fd);
}

static void test_window(void **state)
{
	(void)state;
	reads(0, 0, 0, 0);
	reads(4096, 0, 0, 4096);
	reads(128 * KIB, 0, 0, 5000); /* all of the file */
	reads(128 * KIB, 4000, 4000, 1000);
	reads(500, 4000, 4000, 500);
	reads(128 * KIB, 4999, 4999, 1);
	reads(128 * KIB, 5000, 0, 0);
	reads(128 * KIB, UINT64_MAX / 2, 0, 0);
}

static void test_window_of_a_large_file(void **state)
{
	(void)state;
	assert_return_code(truncate(file, 10 << 20), errno);
	seen = unit_seen(file);
	reads(1 << 20, 0, 0, FA_CHAIN_READ);
	reads(1 << 20, 5 << 20, 5 << 20, FA_CHAIN_READ);
	reads(1 << 20, (10 << 20) - 1000, (10 << 20) - 1000, 1000);
}

static void test_empty_file(void **state)
{
	(void)state;
	assert_return_code(truncate(file, 0), errno);
	seen = unit_seen(file);
	reads(128 * KIB, 0, 0, 0);
}

/* ---- the touch comes early ---- */

/* Nothing is known of the file yet: the plain open does not wait for that. */
static void test_opened_while_looking(void **state)
{
	(void)state;
	step_by_step();
	foresees(128 * KIB);
	assert_int_equal(chain_adopt(O_RDONLY), -1);
	assert_int_equal(fake_ring.waits, 0);
	assert_int_equal(t->found.warm, 0);
	assert_int_equal(t->h.n[FA_N_dropped], 1);
	assert_int_equal(t->h.chains, 0);
	/* Its statx ends, and nothing follows. */
	run(IORING_OP_STATX, 0);
	assert_int_equal(took(IORING_OP_OPENAT), 0);
	all_gone();
}

static void open_ends(void)
{
	fake_ring.on_wait = NULL;
	fake_ring_run(fake_ring_nth(IORING_OP_OPENAT, 0));
}

static void test_opened_while_opening(void **state)
{
	int fd;

	(void)state;
	step_by_step();
	foresees(128 * KIB);
	run(IORING_OP_STATX, 0);
	fake_ring.on_wait = open_ends;
	fd = chain_adopt(O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(fake_ring.waits, 1);
	/* Its read has just been started: none of it is known to be there. */
	assert_int_equal(t->found.to, 0);
	run(IORING_OP_READ, 0);
	all_gone();
	close(fd);
}

static void test_opened_while_reading(void **state)
{
	int lowest = unit_lowest_fd(), fd;

	(void)state;
	step_by_step();
	foresees(128 * KIB);
	run(IORING_OP_STATX, 0);
	run(IORING_OP_OPENAT, 0);
	fd = chain_adopt(O_RDONLY);
	assert_int_equal(fd, lowest);
	assert_int_equal(fake_ring.waits, 0);
	assert_int_equal(t->found.to, 0);
	/* Its place is not another's before the read has ended. */
	assert_true(t->ahead->used[0] & 1);
	assert_true(foresees_at(file, O_RDONLY, 0, 0));
	assert_int_equal(t->ahead->chain[1].state, FA_CHAIN_LOOKING);
	ends_with(IORING_OP_READ, 0, 5000);
	assert_false(t->ahead->used[0] & 1);
	assert_int_equal(t->h.chains, 1);
	close(fd);
}

/* ---- dropped, at each stage ---- */

static void dropped_after(unsigned steps)
{
	static const unsigned op[] = { IORING_OP_STATX, IORING_OP_OPENAT, IORING_OP_READ };

	step_by_step();
	foresees(128 * KIB);
	for (unsigned i = 0; i < steps; i++)
		run(op[i], 0);
	assert_int_equal(fa_chain_drop_all(t), steps == 3);
	assert_int_equal(t->h.n[FA_N_dropped], 1);
	assert_int_equal(t->h.chains, 0);
	assert_int_equal(chain_adopt(O_RDONLY), -1);
	if (steps < 3)
		run(op[steps], 0);
	assert_true(fa_chain_drop_all(t));
	assert_int_equal(t->h.n[FA_N_dropped], 1);
	assert_int_equal(took(IORING_OP_STATX) + took(IORING_OP_OPENAT) +
				 took(IORING_OP_READ),
			 steps < 3 ? steps + 1 : 3);
	all_gone();
}

static void test_dropped_while_looking(void **state)
{
	(void)state;
	dropped_after(0);
}

static void test_dropped_while_opening(void **state)
{
	(void)state;
	dropped_after(1);
}

static void test_dropped_while_reading(void **state)
{
	(void)state;
	dropped_after(2);
}

static void test_dropped_when_open(void **state)
{
	(void)state;
	dropped_after(3);
}

static void test_expired(void **state)
{
	struct fa_chain *c;

	(void)state;
	c = foresees(128 * KIB);
	fa_chain_sweep(t);
	c->started = unit_ago(FA_CHAIN_LIFE - 300000000);
	t->ahead->swept = 0;
	fa_chain_sweep(t);
	assert_int_equal(t->h.chains, 1);
	c->started = unit_ago((uint64_t)FA_CHAIN_LIFE + 1000000);
	/* Found by the clock: nobody has to open that path. */
	t->ahead->swept = unit_ago(20000000);
	fa_chain_sweep(t);
	all_gone();
	assert_int_equal(t->fallback[FA_F_expired], 1);
	assert_int_equal(t->h.n[FA_N_dropped], 1);
}

static void test_expired_when_opened(void **state)
{
	struct fa_chain *c;

	(void)state;
	c = foresees(128 * KIB);
	fa_chain_sweep(t);
	c->started = unit_ago((uint64_t)FA_CHAIN_LIFE + 1000000);
	t->ahead->swept = fa_cycles();
	assert_int_equal(chain_adopt(O_RDONLY), -1);
	assert_int_equal(t->fallback[FA_F_expired], 1);
	all_gone();
}

static void test_changed_between(void **state)
{
	(void)state;
	foresees(128 * KIB);
	fa_chain_sweep(t);
	unit_sleep_ms(10); /* a tick of the file system's clock */
	assert_return_code(chmod(file, 0600), errno);
	assert_int_equal(chain_adopt(O_RDONLY), -1);
	assert_int_equal(t->fallback[FA_F_stale], 1);
	all_gone();
}

int main(void)
{
	const struct CMUnitTest staged_tests[] = {
		STAGED_TEST(test_one_after_the_other),
		STAGED_TEST(test_adopted),
		STAGED_TEST(test_flags_must_match),
		STAGED_TEST(test_not_there),
		STAGED_TEST(test_not_a_regular_file),
		STAGED_TEST(test_link_not_followed),
		STAGED_TEST(test_what_failed_costs_nothing),
		STAGED_TEST(test_hot_file_system),
		STAGED_TEST(test_warmed),
		STAGED_TEST(test_warming_does_not_help),
		STAGED_TEST(test_window),
		STAGED_TEST(test_window_of_a_large_file),
		STAGED_TEST(test_empty_file),
		STAGED_TEST(test_opened_while_looking),
		STAGED_TEST(test_opened_while_opening),
		STAGED_TEST(test_opened_while_reading),
		STAGED_TEST(test_dropped_while_looking),
		STAGED_TEST(test_dropped_while_opening),
		STAGED_TEST(test_dropped_while_reading),
		STAGED_TEST(test_dropped_when_open),
		STAGED_TEST(test_expired),
		STAGED_TEST(test_expired_when_opened),
		STAGED_TEST(test_changed_between),
	};

	return cmocka_run_group_tests_name("staged", staged_tests, NULL, NULL);
}
