/* SPDX-License-Identifier: MIT
 *
 * Lookahead by directory: what is learned of a walk, and what is started for it.
 */
#include "unit_walk.h"

static unsigned looked_up(void)
{
	return took(IORING_OP_STATX);
}

/* Names in the order of the listing: after three the next ones are looked up. */
static void test_stats(void **state)
{
	(void)state;
	make_files("");
	list_files();
	assert_int_equal(t->h.listings, 1);
	walk_stat(0, 2000000);
	walk_stat(1, 2000000);
	assert_int_equal(looked_up(), 0);
	walk_stat(2, 2000000);
	assert_int_equal(looked_up(), 4);
	assert_int_equal(took(IORING_OP_OPENAT), 0);
	for (unsigned i = 3; i < WALK_FILES; i++)
		assert_false(walk_stat(i, 1000)); /* the plain call, always */
	assert_int_equal(looked_up(), WALK_FILES - 3);
	assert_int_equal(t->h.n[FA_N_hits], WALK_FILES - 3);
	assert_int_equal(t->h.n[FA_N_misses], 0);
	all_gone();
}

/* Stats that were foreseen are no measure: it stays cold. */
static void test_stays_cold(void **state)
{
	(void)state;
	make_files("");
	list_files();
	for (unsigned i = 0; i < WALK_FILES; i++)
		walk_stat(i, i < 3 ? 2000000 : 1000);
	assert_true(fa_regime_cold(seen.file.dev, FA_STAT));
}

/* Nothing waits there: nothing is started. */
static void test_hot(void **state)
{
	(void)state;
	unit_hot(seen.file.dev, FA_STAT);
	unit_hot(seen.file.dev, FA_OPEN);
	unit_hot(seen.file.dev, FA_READ);
	make_files("");
	list_files();
	for (unsigned i = 0; i < WALK_FILES; i++)
		walk_stat(i, 1000);
	assert_int_equal(looked_up(), 0);
}

static void test_backwards(void **state)
{
	(void)state;
	make_files("");
	list_files();
	for (unsigned i = WALK_FILES; i-- > 0;)
		walk_stat(i, i > WALK_FILES - 4 ? 2000000 : 1000);
	assert_int_equal(t->h.n[FA_N_hits], WALK_FILES - 3);
}

/* No order at all: nothing is ever sure. */
static void test_no_order(void **state)
{
	(void)state;
	make_files("");
	list_files();
	for (unsigned i = 0; i < WALK_FILES; i++)
		walk_stat(i * 17 % WALK_FILES, 2000000);
	assert_true(t->h.n[FA_N_misses] + t->h.n[FA_N_hits] < 10);
}

/* Opened, read, closed: the descriptor is handed over. */
static void test_opens(void **state)
{
	unsigned adopted = 0;

	(void)state;
	make_files("");
	list_files();
	for (unsigned i = 0; i < WALK_FILES; i++)
		adopted += walk_open(i, O_RDONLY);
	assert_in_range(adopted, WALK_FILES - 6, WALK_FILES - 2);
	assert_int_equal(t->h.n[FA_N_adopted], adopted);
	assert_int_equal(t->h.n[FA_N_misses], 0);
	all_gone();
}

/* The flags of the chains' opens are the program's. */
static void test_flags(void **state)
{
	const struct io_uring_sqe *sqe;

	(void)state;
	make_files("");
	list_files();
	for (unsigned i = 0; i < 8; i++)
		walk_open(i, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	assert_true(fake_ring_took(IORING_OP_OPENAT, &sqe) > 0);
	assert_int_equal(sqe->open_flags & (O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC),
			 O_NOFOLLOW | O_NONBLOCK);
}

/* Only names of one suffix are opened: the others are left alone. */
static void test_suffixes(void **state)
{
	struct stat st;
	int fd;

	(void)state;
	make_files(".c");
	fd = open(walk_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	walk_handle = fa_walk_directory(t, fd, walk_dir);
	close(fd);
	for (unsigned i = 0; i < WALK_FILES; i++) {
		char other[32];

		assert_return_code(stat(walk_file[i], &st), errno);
		fa_walk_name(t, walk_handle, name_of(i), st.st_ino, DT_REG);
		snprintf(other, sizeof(other), "f%02u.h", i);
		unit_file(other, 1);
		fa_walk_name(t, walk_handle, other, st.st_ino, DT_REG);
	}
	for (unsigned i = 0; i < 24; i++)
		walk_open(i, O_RDONLY);
	assert_true(t->h.n[FA_N_hits] >= 16);
	/* A few were started before it was known. */
	unit_sleep_ms(1050);
	fa_chain_sweep(t);
	assert_in_range(t->h.n[FA_N_misses], 0, 16 + 16);
}

/* Through a descriptor of the directory, whatever number it has by now. */
static void test_by_descriptor(void **state)
{
	struct fa_call c;
	struct stat st;
	int fd;

	(void)state;
	make_files("");
	list_files();
	fd = open(walk_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (unsigned i = 0; i < 6; i++) {
		fa_stat_begin(&c, fd, name_of(i), &st, false, (void *)0x11);
		assert_return_code(fstatat(fd, name_of(i), &st, AT_SYMLINK_NOFOLLOW),
				   errno);
		fa_stat_end(&c, 0, &st);
	}
	assert_true(looked_up() > 0);
	close(fd);
}

/* Another directory, or none, by the same names: not ours. */
static void test_elsewhere(void **state)
{
	struct fa_call c;
	struct stat st;

	(void)state;
	make_files("");
	list_files();
	for (unsigned i = 0; i < 6; i++) {
		char path[64];

		snprintf(path, sizeof(path), "/proc/%s", name_of(i));
		fa_stat_begin(&c, AT_FDCWD, path, &st, false, (void *)0x11);
		fa_stat_begin(&c, AT_FDCWD, name_of(i), &st, false, (void *)0x11);
		fa_stat_begin(&c, 9999, name_of(i), &st, false, (void *)0x11);
		fa_stat_begin(&c, AT_FDCWD, NULL, &st, false, (void *)0x11);
		fa_stat_begin(&c, AT_FDCWD, (char *)8, &st, false, (void *)0x11);
		fa_stat_begin(&c, AT_FDCWD, "", &st, false, (void *)0x11);
		fa_stat_begin(&c, AT_FDCWD, "/", &st, false, (void *)0x11);
	}
	assert_int_equal(looked_up(), 0);
	assert_int_equal(t->h.word, FA_T_READY);
}

/* A file that is another one by the time that it is opened is not handed over. */
static void test_replaced(void **state)
{
	unsigned i;

	(void)state;
	make_files("");
	list_files();
	for (i = 0; i < 8; i++)
		walk_open(i, O_RDONLY);
	assert_true(walk_open(i, O_RDONLY));
	i++;
	assert_return_code(rename(walk_file[WALK_FILES - 1], walk_file[i]), errno);
	assert_false(walk_open(i, O_RDONLY));
	assert_int_equal(t->fallback[FA_F_stale], 1);
}

static long asked; /* flags of the last statx by name */

static long on_statx(long dirfd, long path, long flags, long mask, long stx, long f)
{
	if (!(flags & AT_EMPTY_PATH))
		asked = flags;
	return fake_kernel(SYS_statx, dirfd, path, flags, mask, stx, f);
}

/* Somebody may have told of a change: the server is asked, not the kernel's cache. */
static void test_heard(void **state)
{
	const struct io_uring_sqe *sqe;
	unsigned before;

	(void)state;
	make_files("");
	list_files();
	worth_it();
	for (unsigned i = 0; i < 10; i++)
		walk_open(i, O_RDONLY);
	fake_hook(SYS_statx, on_statx);
	before = fake_ring_took(IORING_OP_STATX, &sqe);
	assert_false(sqe->statx_flags & AT_STATX_FORCE_SYNC);
	fa_heard();
	assert_true(walk_open(10, O_RDONLY));
	assert_false(asked & AT_STATX_FORCE_SYNC); /* the ring has asked for all */
	assert_true(fake_ring_took(IORING_OP_STATX, &sqe) > before + 4);
	assert_true(sqe->statx_flags & AT_STATX_FORCE_SYNC);
	before = fake_ring_took(IORING_OP_STATX, &sqe);
	assert_true(walk_open(11, O_RDONLY));
	assert_false(asked & AT_STATX_FORCE_SYNC); /* once is enough */
	assert_in_range(fake_ring_took(IORING_OP_STATX, &sqe), before, before + 2);
}

/* And again, while the answer to the first question is still on its way. */
static void test_heard_twice(void **state)
{
	struct fa_call c = { .flags = O_RDONLY };
	struct fa_chain *next;

	(void)state;
	make_files("");
	list_files();
	worth_it();
	for (unsigned i = 0; i < 10; i++)
		walk_open(i, O_RDONLY);
	fa_heard();
	assert_true(walk_open(10, O_RDONLY));
	c.path = walk_file[11];
	c.walk = walk_handle;
	c.name = 11;
	next = fa_chain_find(t, &c, O_RDONLY);
	assert_non_null(next);
	fa_heard();
	assert_true(fa_chain_ask(t, next, true) & AT_STATX_FORCE_SYNC);
	fake_hook(SYS_statx, on_statx);
	assert_true(walk_open(11, O_RDONLY));
}

/* All names are statted, then all are opened: nothing is opened for the first pass. */
static void test_two_passes(void **state)
{
	unsigned adopted = 0;

	(void)state;
	make_files("");
	for (unsigned round = 0; round < 2; round++) {
		unsigned opens = took(IORING_OP_OPENAT);

		list_files();
		worth_it();
		for (unsigned i = 0; i < WALK_FILES; i++)
			walk_stat(i, i < 3 ? 2000000 : 1000);
		assert_int_equal(took(IORING_OP_OPENAT), opens);
		for (unsigned i = WALK_FILES; i-- > 0;)
			adopted += walk_open(i, O_RDONLY);
	}
	/* In the second directory it was known what would come, but for the first name. */
	assert_in_range(adopted, 2 * WALK_FILES - 6, 2 * WALK_FILES - 2);
	all_gone();
}

/* All are statted, then opened as directories: those are handed over, without a window. */
static void test_directories(void **state)
{
	const struct io_uring_sqe *sqe;
	unsigned adopted = 0;

	(void)state;
	make_directories();
	list_as(DT_DIR);
	worth_it();
	for (unsigned i = 0; i < WALK_FILES; i++)
		walk_stat(i, i < 3 ? 2000000 : 1000);
	for (unsigned i = 0; i < WALK_FILES; i++)
		adopted += walk_open(i, O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_NOFOLLOW);
	assert_in_range(adopted, WALK_FILES - 6, WALK_FILES - 2);
	assert_int_equal(took(IORING_OP_READ), 0);
	assert_true(fake_ring_took(IORING_OP_OPENAT, &sqe) > 0);
	assert_true(sqe->open_flags & O_DIRECTORY);
	all_gone();
}

/* What is a file by now is not opened as a directory, nor the other way round. */
static void test_no_directory(void **state)
{
	(void)state;
	make_files("");
	list_as(DT_DIR);
	worth_it();
	for (unsigned i = 0; i < WALK_FILES; i++)
		walk_stat(i, i < 3 ? 2000000 : 1000);
	for (unsigned i = 0; i < 20; i++) {
		struct fa_call c;

		assert_int_equal(fa_open_begin(&c, AT_FDCWD, walk_file[i],
					       O_RDONLY | O_DIRECTORY, (void *)0x22),
				 -1);
		c.start = unit_ago(2000000);
		fa_open_end(&c, -1);
	}
	assert_int_equal(took(IORING_OP_OPENAT), 0);
}

/* Names of a kind that nothing is known of are not passed over. */
static void test_new_kind(void **state)
{
	(void)state;
	make_files("");
	list_as(DT_DIR);
	for (unsigned i = 0; i < 6; i++)
		walk_stat(i, i < 3 ? 2000000 : 1000);
	list_as(DT_REG);
	fa_walk_listed(t, walk_handle);
	for (unsigned i = 0; i < WALK_FILES; i++)
		walk_stat(i, i < 2 ? 2000000 : 1000);
	assert_in_range(t->h.n[FA_N_hits], WALK_FILES - 2, WALK_FILES + 6);
}

/* Nothing is left open for who waits for the end of the process. */
static void test_end(void **state)
{
	(void)state;
	make_files("");
	list_files();
	for (unsigned i = 0; i < 10; i++)
		walk_open(i, O_RDONLY);
	assert_true(t->h.chains > 0);
	assert_true(slots_open() > 0);
	fa_process_ends();
	assert_int_equal(t->h.chains, 0);
	assert_int_equal(slots_open(), 0);
}

/* Removals make chains wait: after one, nothing is started for a while. */
static void test_removals(void **state)
{
	unsigned before;

	(void)state;
	make_files("");
	list_files();
	for (unsigned i = 0; i < 6; i++)
		walk_stat(i, 2000000);
	before = looked_up();
	assert_true(before > 0);
	fa_drain();
	assert_int_equal(t->h.chains, 0);
	for (unsigned i = 6; i < WALK_FILES; i++)
		walk_stat(i, 2000000);
	assert_int_equal(looked_up(), before);
}

/* Where a stat waits although its chain has ended there is nothing to gain. */
static void test_useless(void **state)
{
	(void)state;
	make_files("");
	list_files();
	for (unsigned i = 0; i < WALK_FILES; i++)
		walk_stat(i, 2000000);
	assert_true(t->walk->pauses > 0);
	assert_true(looked_up() < WALK_FILES / 2);
}

/* Names take as long as before: running ahead gains nothing, and ends. */
static void test_gains_nothing(void **state)
{
	(void)state;
	make_files("");
	list_files();
	for (unsigned n = 0; n < 3; n++)
		for (unsigned i = 0; i < WALK_FILES; i++) {
			t->walk->came = unit_ago(50000);
			walk_stat(i, i < 3 ? 2000000 : 1000);
		}
	assert_true(t->walk->pauses > 0);
	assert_true(t->h.n[FA_N_hits] < 2 * WALK_FILES);
}

/* Two rounds over the same names. */
static void test_again(void **state)
{
	(void)state;
	make_files("");
	list_files();
	worth_it();
	for (unsigned n = 0; n < 2; n++)
		for (unsigned i = 0; i < WALK_FILES; i++)
			walk_stat(i, i < 3 ? 2000000 : 1000);
	assert_true(t->h.n[FA_N_hits] > 2 * WALK_FILES - 8);
}

/* More directories than are remembered. */
static void test_many_directories(void **state)
{
	char path[300];

	(void)state;
	make_files("");
	for (unsigned i = 0; i < FA_WALK_LISTINGS + 8; i++) {
		int fd;

		snprintf(path, sizeof(path), "%s/d%u", walk_dir, i);
		assert_return_code(mkdir(path, 0700), errno);
		fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		walk_handle = fa_walk_directory(t, fd, path);
		assert_true(fa_walk_name(t, walk_handle, "x", 1, DT_REG));
		close(fd);
	}
	assert_int_equal(t->h.listings, FA_WALK_LISTINGS);
	fa_walk_forget(t);
	assert_int_equal(t->h.listings, 0);
	assert_false(fa_walk_name(t, walk_handle, "x", 1, DT_REG));
	for (unsigned i = 0; i < FA_WALK_LISTINGS + 8; i++) {
		snprintf(path, sizeof(path), "%s/d%u", walk_dir, i);
		assert_return_code(rmdir(path), errno);
	}
}

/* In a forked child its parent's directories mean nothing. */
static bool child(void)
{
	CHECK(!fa_walk_name(unit_self(), walk_handle, "x", 1, DT_REG));
	CHECK(unit_self()->h.listings == 0);
	return true;
}

static void test_fork(void **state)
{
	(void)state;
	make_files("");
	list_files();
	assert_true(unit_child(child));
	assert_true(fa_walk_name(t, walk_handle, "x", 1, DT_REG));
}

static void test_no_memory(void **state)
{
	int fd;

	(void)state;
	make_files("");
	fd = open(walk_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	fake_fail(SYS_mmap, -ENOMEM);
	assert_int_equal(fa_walk_directory(t, fd, walk_dir), 0);
	assert_int_equal(t->fallback[FA_F_no_memory], 1);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WALK_TEST(test_stats),
		WALK_TEST(test_stays_cold),
		WALK_TEST(test_hot),
		WALK_TEST(test_backwards),
		WALK_TEST(test_no_order),
		WALK_TEST(test_opens),
		WALK_TEST(test_flags),
		WALK_TEST(test_suffixes),
		WALK_TEST(test_by_descriptor),
		WALK_TEST(test_elsewhere),
		WALK_TEST(test_replaced),
		WALK_TEST(test_heard),
		WALK_TEST(test_directories),
		WALK_TEST(test_no_directory),
		WALK_TEST(test_new_kind),
		WALK_TEST(test_heard_twice),
		WALK_TEST(test_two_passes),
		WALK_TEST(test_end),
		WALK_TEST(test_removals),
		WALK_TEST(test_useless),
		WALK_TEST(test_gains_nothing),
		WALK_TEST(test_again),
		WALK_TEST(test_many_directories),
		WALK_TEST(test_fork),
		WALK_TEST(test_no_memory),
	};

	return cmocka_run_group_tests_name("walk", tests, NULL, NULL);
}
