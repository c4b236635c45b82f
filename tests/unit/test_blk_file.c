// SPDX-License-Identifier: Apache-2.0
#include "virtio/blk_file.h"

#include "tests/lib/disk.h"
#include "tests/lib/fault.h"
#include "tests/lib/unit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char path[64];

/* A new file of `len` bytes with a path; returns its descriptor. */
static int do_op(const struct blk_file *f, enum blk_op_kind kind, struct iovec *iov, int nr,
		 uint64_t off, uint64_t len)
{
	struct blk_op op = { .kind = kind, .iov = iov, .nr = nr, .off = off, .len = len };

	return blk_file_do(f, &op);
}

static int named_disk(uint32_t len)
{
	int fd = disk_new(len);

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return fd;
}

static void open_fills_in_what_there_is(void **state)
{
	int fd = named_disk(10 * BLK_SECTOR + 511);
	unsigned int before = fault_open_fds();
	struct blk_file again;
	struct blk_file f;
	struct err e;

	(void)state;
	assert_int_equal(blk_file_open(&f, path, false, &e), 0);
	assert_int_equal(f.sectors, 10);
	assert_false(f.read_only);
	assert_int_not_equal(f.id[0], 0);
	assert_int_equal(blk_file_open(&again, path, true, &e), 0);
	assert_true(again.read_only);
	assert_memory_equal(again.id, f.id, BLK_ID_LENGTH);
	blk_file_close(&again);
	blk_file_close(&f);
	assert_int_equal(f.fd, -1);
	blk_file_close(&f);
	assert_int_equal(fault_open_fds(), before);
	close(fd);
}

/* A placeholder, until the drive is changed; a rest smaller than a sector is not shown. */
static void small_files_have_no_sectors(void **state)
{
	static const uint32_t len[] = { 0, 1, BLK_SECTOR - 1 };

	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		int fd = named_disk(len[i]);
		struct blk_file f;

		assert_int_equal(blk_file_open(&f, path, false, NULL), 0);
		assert_int_equal(f.sectors, 0);
		blk_file_close(&f);
		close(fd);
	}
}

static void copies_are_closed_by_themselves(void **state)
{
	int fd = named_disk(BLK_SECTOR * 3);
	unsigned int before = fault_open_fds();
	struct blk_file f, copy;
	uint8_t byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };

	(void)state;
	assert_int_equal(blk_file_open(&f, path, false, NULL), 0);
	assert_int_equal(blk_file_dup(&copy, &f), 0);
	blk_file_close(&f);
	assert_int_equal(copy.sectors, 3);
	assert_int_equal(do_op(&copy, BLK_READ, &iov, 1, 0, 1), 0);
	blk_file_close(&copy);
	assert_int_equal(fault_open_fds(), before);
	close(fd);
}

static void what_is_no_disk_is_refused(void **state)
{
	char dir[] = "/tmp/test_blk_file.XXXXXX";
	char fifo[64];
	unsigned int before = fault_open_fds();
	struct blk_file f;
	struct err e;

	(void)state;
	assert_int_equal(blk_file_open(&f, "/nonexistent/disk", false, &e), -ENOENT);
	assert_string_equal(e.msg, "disk /nonexistent/disk: No such file or directory");
	assert_int_equal(blk_file_open(&f, "/tmp", false, &e), -EISDIR);
	assert_int_equal(blk_file_open(&f, "/tmp", true, &e), -EINVAL);
	assert_string_equal(e.msg, "disk /tmp: not a regular file or block device");
	assert_int_equal(blk_file_open(&f, "/dev/null", false, &e), -EINVAL);
	/* Opening a FIFO that nobody writes to must not wait for somebody to. */
	assert_non_null(mkdtemp(dir));
	snprintf(fifo, sizeof(fifo), "%s/fifo", dir);
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(blk_file_open(&f, fifo, true, &e), -EINVAL);
	assert_int_equal(blk_file_open(&f, fifo, false, &e), -EINVAL);
	unlink(fifo);
	rmdir(dir);
	assert_int_equal(fault_open_fds(), before);
}

static void transfers_move_exactly_what_they_are_asked_for(void **state)
{
	int fd = named_disk(8 * BLK_SECTOR);
	char got[3][100];
	struct iovec iov[3] = { { got[0], 100 }, { got[1], 100 }, { got[2], 100 } };
	uint8_t want[300];
	struct blk_file f;
	struct err e;

	(void)state;
	assert_int_equal(blk_file_open(&f, path, false, &e), 0);
	disk_pattern(want, 777, sizeof(want));
	assert_int_equal(do_op(&f, BLK_READ, iov, 3, 777, 300), 0);
	assert_memory_equal(got, want, sizeof(want));
	for (unsigned int i = 0; i < 3; i++)
		iov[i] = (struct iovec){ got[i], 100 };
	assert_int_equal(do_op(&f, BLK_WRITE, iov, 3, 0, 300), 0);
	memset(got, 0, sizeof(got));
	for (unsigned int i = 0; i < 3; i++)
		iov[i] = (struct iovec){ got[i], 100 };
	assert_int_equal(do_op(&f, BLK_READ, iov, 3, 0, 300), 0);
	assert_memory_equal(got, want, sizeof(want));
	assert_int_equal(do_op(&f, BLK_FLUSH, NULL, 0, 0, 0), 0);
	blk_file_close(&f);
	close(fd);
}

/* A read that the file's end cuts goes on from where it stopped, and finds nothing there. */
static void early_end_is_an_error(void **state)
{
	int fd = named_disk(2 * BLK_SECTOR);
	char got[2][BLK_SECTOR];
	struct iovec iov[2] = { { got[0], BLK_SECTOR }, { got[1], BLK_SECTOR } };
	struct blk_file f;
	struct err e;

	(void)state;
	assert_int_equal(blk_file_open(&f, path, false, &e), 0);
	assert_int_equal(ftruncate(fd, BLK_SECTOR + 10), 0);
	assert_int_equal(do_op(&f, BLK_READ, iov, 2, 0, 2 * BLK_SECTOR), -EIO);
	blk_file_close(&f);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(open_fills_in_what_there_is),
		cmocka_unit_test(small_files_have_no_sectors),
		cmocka_unit_test(copies_are_closed_by_themselves),
		cmocka_unit_test(what_is_no_disk_is_refused),
		cmocka_unit_test(transfers_move_exactly_what_they_are_asked_for),
		cmocka_unit_test(early_end_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
