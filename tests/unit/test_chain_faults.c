/* SPDX-License-Identifier: MIT
 *
 * Chains that go wrong: the program's own call runs, the reason is counted, and
 * nothing stays open.
 */
#include "unit_chain.h"

#include <sys/mman.h>

static unsigned slots_open(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < FAKE_SLOTS; i++)
		n += fake_ring.slot[i] >= 0;
	return n;
}

static void test_fake_ring_adopts(void **state)
{
	const struct io_uring_sqe *sqe = NULL;
	int lowest = unit_lowest_fd(), fd;

	(void)state;
	chain_begin(O_RDONLY | O_CLOEXEC, FA_WINDOW_STEP + 1);
	assert_int_equal(slots_open(), 1);
	assert_int_equal(fake_ring_took(IORING_OP_OPENAT, &sqe), 1);
	assert_true(sqe->flags & IOSQE_ASYNC);
	assert_true(sqe->flags & IOSQE_IO_LINK);
	assert_int_equal(fake_ring_took(IORING_OP_FADVISE, &sqe), 1);
	assert_false(sqe->flags & IOSQE_IO_LINK);
	fd = chain_adopt(O_RDONLY | O_CLOEXEC);
	assert_int_equal(fd, lowest);
	assert_int_equal(slots_open(), 0);
	close(fd);
}

static void test_open_failed(void **state)
{
	(void)state;
	fake_ring.result[IORING_OP_OPENAT] = -EACCES;
	chain_begin(O_RDONLY, 200000);
	assert_int_equal(chain_adopt(O_RDONLY), -1);
	chain_lost(FA_F_failed);
	/* The advice that was linked to it never ran. */
	assert_int_equal(t->fallback[FA_F_cancelled], 1);
	/* Its place can be used again. */
	fake_ring.result[IORING_OP_OPENAT] = FAKE_RUN;
	for (int i = 0; i < 20; i++) {
		int fd;

		chain_begin(O_RDONLY, 0);
		fd = chain_adopt(O_RDONLY);
		assert_true(fd >= 0);
		close(fd);
	}
}

static void test_open_never_ends(void **state)
{
	const struct io_uring_sqe *sqe = NULL;
	int lowest = unit_lowest_fd();

	(void)state;
	fake_ring.result[IORING_OP_OPENAT] = FAKE_PENDING;
	chain_begin(O_RDONLY, 0);
	assert_int_equal(chain_adopt(O_RDONLY), -1);
	chain_lost(FA_F_timeout);
	assert_in_range(fake_ring.wait_ns, 1, 1000000000);
	assert_true(t->h.n[FA_N_waited_ns] > 900000000);
	/* It ends much later: nobody wants the file any more. */
	fake_ring_took(IORING_OP_OPENAT, &sqe);
	fake_ring.slot[0] = fcntl(0, F_DUPFD_CLOEXEC, 600);
	fake_ring_complete(sqe->user_data, 0);
	assert_int_equal(chain_adopt(O_RDONLY), -1);
	assert_int_equal(slots_open(), 0);
	assert_int_equal(unit_lowest_fd(), lowest);
}

static const struct io_uring_sqe *started;

static void open_ends(void)
{
	fake_ring.slot[started->file_index - 1] = open(file, O_RDONLY | O_CLOEXEC);
	fake_ring_complete(started->user_data, 0);
	fake_ring.on_wait = NULL;
}

static void test_waits_for_its_open(void **state)
{
	int fd;

	(void)state;
	fake_ring.result[IORING_OP_OPENAT] = FAKE_PENDING;
	chain_begin(O_RDONLY, 0);
	fake_ring_took(IORING_OP_OPENAT, &started);
	fake_ring.on_wait = open_ends;
	fd = chain_adopt(O_RDONLY);
	assert_true(fd >= 0);
	assert_int_equal(fake_ring.waits, 1);
	close(fd);
}

static void install_fails(int error)
{
	int lowest = unit_lowest_fd();

	fake_ring.result[FA_OP_FIXED_FD_INSTALL] = error;
	chain_begin(O_RDONLY, 0);
	assert_int_equal(chain_adopt(O_RDONLY), -1);
	chain_lost(FA_F_failed);
	assert_int_equal(slots_open(), 0);
	assert_int_equal(unit_lowest_fd(), lowest);
}

static void test_table_of_descriptors_full(void **state)
{
	(void)state;
	install_fails(-EMFILE);
}

static void test_install_refused(void **state)
{
	(void)state;
	install_fails(-EPERM);
}

static void test_install_not_submitted(void **state)
{
	(void)state;
	chain_begin(O_RDONLY, 0);
	fake_ring.take = -EAGAIN;
	assert_int_equal(chain_adopt(O_RDONLY), -1);
	chain_lost(FA_F_failed);
	assert_true(t->fallback[FA_F_refused] > 0);
	/* A close that could not be submitted: the next open takes the slot over. */
	fake_ring.take = 64;
	chain_begin(O_RDONLY, 0);
	assert_int_equal(slots_open(), 1);
}

static void another_file_is_open(const char *path)
{
	int lowest = unit_lowest_fd(), other;

	chain_begin(O_RDONLY, 0);
	other = open(path, O_RDONLY | O_CLOEXEC);
	dup2(other, fake_ring.slot[0]);
	close(other);
	assert_int_equal(chain_adopt(O_RDONLY), -1);
	chain_lost(FA_F_stale);
	assert_int_equal(unit_lowest_fd(), lowest);
	assert_int_equal(slots_open(), 0);
}

static void test_another_file_was_opened(void **state)
{
	(void)state;
	another_file_is_open(unit_file("other", 1));
}

static void test_file_of_another_device_was_opened(void **state)
{
	(void)state;
	another_file_is_open("/dev/null");
}

static void test_keys_collide(void **state)
{
	(void)state;
	chain_begin(O_RDONLY, 0);
	t->ahead->chain[0].path[1]++;
	assert_int_equal(chain_adopt(O_RDONLY), -1);
	assert_int_equal(t->h.chains, 1);
}

static void test_expired(void **state)
{
	(void)state;
	chain_begin(O_RDONLY, 0);
	t->ahead->chain[0].started = unit_ago(FA_CHAIN_LIFE + 100000000);
	assert_int_equal(chain_adopt(O_RDONLY), -1);
	chain_lost(FA_F_expired);
	assert_int_equal(slots_open(), 0);
}

static void test_not_yet_expired(void **state)
{
	int fd;

	(void)state;
	chain_begin(O_RDONLY, 0);
	t->ahead->chain[0].started = unit_ago(FA_CHAIN_LIFE / 2);
	fd = chain_adopt(O_RDONLY);
	assert_true(fd >= 0);
	close(fd);
}

static void test_working_directory_changed(void **state)
{
	struct fa_identity id;

	(void)state;
	chain_begin(O_RDONLY, 0);
	fa_directory_changes();
	assert_int_equal(unit_adopt(t, AT_FDCWD, file, O_RDONLY, &id), -1);
	assert_int_equal(t->h.n[FA_N_adopted], 0);
}

static void test_privileges_changed(void **state)
{
	(void)state;
	chain_begin(O_RDONLY, 0);
	fa_privilege_changes(false);
	assert_int_equal(t->h.chains, 0);
	assert_int_equal(t->h.n[FA_N_dropped], 1);
	assert_null(t->ring.memory);
	assert_int_equal(slots_open(), 0);
	assert_int_equal(chain_adopt(O_RDONLY), -1);
}

static void test_privileges_changed_elsewhere(void **state)
{
	int fd;

	(void)state;
	chain_begin(O_RDONLY, 0);
	fa_epoch++; /* as another thread would */
	assert_int_equal(chain_adopt(O_RDONLY), -1);
	assert_int_equal(t->h.n[FA_N_adopted], 0);
	chain_begin(O_RDONLY, 0);
	assert_int_equal(fake_calls(SYS_io_uring_setup), 2);
	fd = chain_adopt(O_RDONLY);
	assert_true(fd >= 0);
	close(fd);
}

static void begin_other(unsigned n, uint32_t window)
{
	char name[16];

	snprintf(name, sizeof(name), "/%u", n);
	unit_chain_start(t, AT_FDCWD, name, O_RDONLY, window, &seen.file);
}

static void test_table_full(void **state)
{
	(void)state;
	fake_ring.result[IORING_OP_OPENAT] = FAKE_PENDING;
	for (unsigned i = 0; i < FA_CHAINS_STATTED + 2; i++)
		begin_other(i, 0);
	assert_int_equal(t->h.chains, FA_CHAINS_STATTED);
	assert_int_equal(t->fallback[FA_F_ring_full], 2);
	assert_int_equal(fake_ring.logged, FA_CHAINS_STATTED);
}

static void test_too_much_in_flight(void **state)
{
	(void)state;
	fake_ring.result[IORING_OP_OPENAT] = FAKE_PENDING;
	fake_ring.result[IORING_OP_FADVISE] = FAKE_PENDING;
	for (unsigned i = 0; i < 6; i++)
		begin_other(i, FA_WINDOW_MAX);
	/* An open and the first step of its window each. */
	assert_int_equal(fake_ring.logged, 12);
	assert_int_equal(t->h.chains, 6);
	for (unsigned i = 12; i < FA_RING_FLIGHT; i++)
		assert_non_null(fa_ring_entry(t));
	assert_null(fa_ring_entry(t));
	assert_int_equal(t->fallback[FA_F_ring_full], 1);
}

static void test_chain_not_taken(void **state)
{
	(void)state;
	fake_ring.take = -EBUSY;
	chain_begin(O_RDONLY, 0);
	assert_int_equal(t->h.chains, 0);
	assert_int_equal(t->h.n[FA_N_chains], 0);
	assert_int_equal(t->fallback[FA_F_refused], 1);
	assert_int_equal(chain_adopt(O_RDONLY), -1);
}

static void test_chain_taken_in_part(void **state)
{
	int fd;

	(void)state;
	fake_ring.take = 1; /* the open without its window */
	chain_begin(O_RDONLY, 300000);
	assert_int_equal(t->h.chains, 1);
	assert_int_equal(t->h.n[FA_N_created], 1);
	fake_ring.take = 64;
	fd = chain_adopt(O_RDONLY);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(slots_open(), 0);
}

static void test_long_paths(void **state)
{
	char path[FA_CHAIN_PATH + 1];
	struct fa_identity id;

	(void)state;
	memset(path, '/', sizeof(path));
	path[FA_CHAIN_PATH] = '\0';
	unit_chain_start(t, AT_FDCWD, path, O_RDONLY, 0, &seen.file);
	assert_int_equal(t->fallback[FA_F_too_long], 1);
	assert_int_equal(t->h.chains, 0);
	assert_int_equal(fake_ring.logged, 0);
	path[FA_CHAIN_PATH - 1] = '\0';
	unit_chain_start(t, AT_FDCWD, path, O_RDONLY, 0, &seen.file);
	assert_int_equal(t->h.chains, 1);
	/* Longer than what is compared, and the same up to there. */
	path[FA_CHAIN_PATH - 1] = '/';
	assert_int_equal(unit_adopt(t, AT_FDCWD, path, O_RDONLY, &id), -1);
	assert_int_equal(t->h.chains, 1);
}

static void test_bad_addresses(void **state)
{
	char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct fa_identity id;

	(void)state;
	chain_begin(O_RDONLY, 0);
	assert_int_equal(unit_adopt(t, AT_FDCWD, NULL, O_RDONLY, &id), -1);
	assert_int_equal(unit_adopt(t, AT_FDCWD, page, O_RDONLY, &id), -1);
	assert_int_equal(unit_adopt(t, AT_FDCWD, (char *)-1, O_RDONLY, &id), -1);
	assert_int_equal(t->h.chains, 1);
	munmap(page, 4096);
}

/* A path that ends where the mapping ends is a good one. */
static void test_path_at_the_end_of_memory(void **state)
{
	char *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);
	char *path = pages + 4096 - strlen(file) - 1;
	struct fa_identity id;
	int fd;

	(void)state;
	mprotect(pages + 4096, 4096, PROT_NONE);
	strcpy(path, file);
	chain_begin(O_RDONLY, 0);
	fd = unit_adopt(t, AT_FDCWD, path, O_RDONLY, &id);
	assert_true(fd >= 0);
	close(fd);
	munmap(pages, 8192);
}

static void test_copy_refused(void **state)
{
	(void)state;
	chain_begin(O_RDONLY, 0);
	fake_fail(SYS_process_vm_readv, -ENOSYS);
	assert_int_equal(chain_adopt(O_RDONLY), -1);
	assert_int_equal(t->h.n[FA_N_adopted], 0);
}

static void test_no_ring_no_chain(void **state)
{
	(void)state;
	fake_fail(SYS_io_uring_setup, -EPERM);
	chain_begin(O_RDONLY, 0);
	chain_begin(O_RDONLY, 0);
	assert_int_equal(t->h.chains, 0);
	assert_int_equal(t->fallback[FA_F_no_ring], 1);
	assert_int_equal(chain_adopt(O_RDONLY), -1);
}

int main(void)
{
	const struct CMUnitTest faults_tests[] = {
		FAKE_TEST(test_fake_ring_adopts),
		FAKE_TEST(test_open_failed),
		FAKE_TEST(test_open_never_ends),
		FAKE_TEST(test_waits_for_its_open),
		FAKE_TEST(test_table_of_descriptors_full),
		FAKE_TEST(test_install_refused),
		FAKE_TEST(test_install_not_submitted),
		FAKE_TEST(test_another_file_was_opened),
		FAKE_TEST(test_file_of_another_device_was_opened),
		FAKE_TEST(test_keys_collide),
		FAKE_TEST(test_expired),
		FAKE_TEST(test_not_yet_expired),
		FAKE_TEST(test_working_directory_changed),
		FAKE_TEST(test_privileges_changed),
		FAKE_TEST(test_privileges_changed_elsewhere),
		FAKE_TEST(test_table_full),
		FAKE_TEST(test_too_much_in_flight),
		FAKE_TEST(test_chain_not_taken),
		FAKE_TEST(test_chain_taken_in_part),
		FAKE_TEST(test_long_paths),
		FAKE_TEST(test_bad_addresses),
		FAKE_TEST(test_path_at_the_end_of_memory),
		FAKE_TEST(test_copy_refused),
		FAKE_TEST(test_no_ring_no_chain),
	};

	return cmocka_run_group_tests_name("chain_faults", faults_tests, NULL, NULL);
}
