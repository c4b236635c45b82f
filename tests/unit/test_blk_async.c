// SPDX-License-Identifier: Apache-2.0
/* The block device's engine Async: requests in the kernel's hands, and what becomes of them. */
#include "virtio/blk.h"

#include "tests/lib/board.h"
#include "tests/lib/disk.h"
#include "tests/lib/fault.h"
#include "tests/lib/unit.h"
#include "vmm/util.h"

#include <errno.h>
#include <linux/io_uring.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <string.h>
#include <unistd.h>

#define SIZE	 64
#define SECTORS	 64u
#define REQUESTS 16 /* in flight at once, each with three descriptors */
#define HEADERS	 GUEST_MID
#define STATUSES (GUEST_MID + 0x800)
#define DATA	 (GUEST_MID + 0x1000)
#define PENDING	 0xee

static struct blk blk;
static struct board b;
static struct driver d;
static int disk;

static int set_up(void **state)
{
	struct blk_file file;
	struct err e;

	(void)state;
	disk = disk_new(SECTORS * BLK_SECTOR);
	disk_open(&file, disk, false);
	/* Files in memory are served at once, and the tests have no others. */
	assert_true(file.in_memory);
	file.in_memory = false;
	blk_init(&blk, &file, true);
	board_init(&b, &blk.dev);
	if (blk_make_async(&blk, &b.loop, &e) < 0)
		fail_msg("%s", e.msg);
	board_start(&b, &d, SIZE, 0, blk.dev.features);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	fault_disarm();
	board_release(&b);
	close(disk);
	return 0;
}

static uint8_t *status(unsigned int i)
{
	return guest_at(&b.g, STATUSES + i, 1);
}

static uint8_t *data(unsigned int i)
{
	return guest_at(&b.g, DATA + i * BLK_SECTOR, BLK_SECTOR);
}

/* Makes request `i` available: a sector at its own place. */
static void ask(unsigned int i, uint32_t type, uint64_t sector)
{
	const struct virtio_blk_outhdr h = { .type = type, .sector = sector };
	const struct vring_desc desc[] = {
		READS(HEADERS + i * 16, 16),
		{ DATA + i * BLK_SECTOR, BLK_SECTOR,
		  type == VIRTIO_BLK_T_OUT ? 0 : VRING_DESC_F_WRITE, 0 },
		WRITES(STATUSES + i, 1),
	};

	memcpy(guest_at(&b.g, HEADERS + i * 16, sizeof(h)), &h, sizeof(h));
	*status(i) = PENDING;
	driver_chain(&d, (uint16_t)(i * 3), desc, 3);
}

/* Takes used elements until there are `nr`; each head once. */
static void collect(unsigned int nr)
{
	uint64_t seen = 0;
	struct vring_used_elem e;

	while (nr != 0) {
		board_pump(&b);
		while (nr != 0 && driver_used(&d, &e)) {
			assert_false(seen >> e.id & 1);
			seen |= 1ull << e.id;
			nr--;
		}
	}
	assert_false(driver_used(&d, &e));
}

static void many_are_in_flight_and_all_come_back(void **state)
{
	uint8_t want[BLK_SECTOR];

	(void)state;
	for (unsigned int round = 0; round < 20; round++) {
		for (unsigned int i = 0; i < REQUESTS; i++)
			ask(i, VIRTIO_BLK_T_IN, (i * 7 + round) % SECTORS);
		board_kick(&b, 0);
		collect(REQUESTS);
		for (unsigned int i = 0; i < REQUESTS; i++) {
			disk_pattern(want, (i * 7 + round) % SECTORS * BLK_SECTOR, BLK_SECTOR);
			assert_int_equal(*status(i), VIRTIO_BLK_S_OK);
			assert_memory_equal(data(i), want, BLK_SECTOR);
		}
	}
	assert_int_equal(blk.nr_in_flight, 0);
	assert_int_equal(blk.dev.stats.requests, 20 * REQUESTS);
	assert_int_equal(blk.count.read_bytes, 20 * REQUESTS * BLK_SECTOR);
}

static void writes_reach_the_file(void **state)
{
	uint8_t got[BLK_SECTOR];

	(void)state;
	for (unsigned int i = 0; i < REQUESTS; i++) {
		memset(data(i), (int)(0x10 + i), BLK_SECTOR);
		ask(i, VIRTIO_BLK_T_OUT, i);
	}
	board_kick(&b, 0);
	collect(REQUESTS);
	ask(0, VIRTIO_BLK_T_FLUSH, 0);
	board_kick(&b, 0);
	collect(1);
	assert_int_equal(*status(0), VIRTIO_BLK_S_OK);
	for (unsigned int i = 0; i < REQUESTS; i++) {
		assert_int_equal(pread(disk, got, BLK_SECTOR, i * BLK_SECTOR), BLK_SECTOR);
		assert_int_equal(got[0], 0x10 + i);
		assert_int_equal(got[BLK_SECTOR - 1], 0x10 + i);
	}
}

/* Discard by a hole; zeroes by writing them, as a memfd cannot do better. */
static void ranges(void **state)
{
	static const uint32_t types[] = { VIRTIO_BLK_T_DISCARD, VIRTIO_BLK_T_WRITE_ZEROES };
	uint8_t got[4 * BLK_SECTOR], want[4 * BLK_SECTOR];

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(types); i++) {
		const struct virtio_blk_discard_write_zeroes range = { 1 + i, 1, 0 };
		const struct virtio_blk_outhdr h = { .type = types[i] };
		const struct vring_desc desc[] = { READS(HEADERS, 16), READS(DATA, sizeof(range)),
						   WRITES(STATUSES, 1) };

		memcpy(guest_at(&b.g, HEADERS, sizeof(h)), &h, sizeof(h));
		memcpy(data(0), &range, sizeof(range));
		*status(0) = PENDING;
		driver_chain(&d, 0, desc, 3);
		board_kick(&b, 0);
		collect(1);
		assert_int_equal(*status(0), VIRTIO_BLK_S_OK);
	}
	disk_pattern(want, 0, sizeof(want));
	memset(want + BLK_SECTOR, 0, 2 * BLK_SECTOR);
	assert_int_equal(pread(disk, got, sizeof(got), 0), sizeof(got));
	assert_memory_equal(got, want, sizeof(want));
}

/* The file got shorter: the kernel reads what is there, then nothing. */
static void truncated_file_gives_an_error(void **state)
{
	(void)state;
	assert_int_equal(ftruncate(disk, 2 * BLK_SECTOR + 100), 0);
	ask(0, VIRTIO_BLK_T_IN, 1);
	ask(1, VIRTIO_BLK_T_IN, 2);
	ask(2, VIRTIO_BLK_T_IN, 9);
	board_kick(&b, 0);
	collect(3);
	assert_int_equal(*status(0), VIRTIO_BLK_S_OK);
	assert_int_equal(*status(1), VIRTIO_BLK_S_IOERR);
	assert_int_equal(*status(2), VIRTIO_BLK_S_IOERR);
	assert_int_equal(blk.dev.stats.failures, 2);
	assert_int_equal(blk.nr_in_flight, 0);
}

/* What the ring does not take is done without it. */
static void refused_submissions_are_done_at_once(void **state)
{
	static const int errors[] = { EAGAIN, EBUSY, ENOMEM };
	uint8_t want[BLK_SECTOR];

	(void)state;
	for (unsigned int n = 0; n < ARRAY_SIZE(errors); n++) {
		for (unsigned int i = 0; i < REQUESTS; i++)
			ask(i, VIRTIO_BLK_T_IN, i);
		fault_arm(1, errors[n]);
		board_kick(&b, 0);
		collect(REQUESTS);
		assert_true(fault_disarm());
		for (unsigned int i = 0; i < REQUESTS; i++) {
			disk_pattern(want, i * BLK_SECTOR, BLK_SECTOR);
			assert_int_equal(*status(i), VIRTIO_BLK_S_OK);
			assert_memory_equal(data(i), want, BLK_SECTOR);
		}
	}
	fault_arm(1, EINTR);
	ask(0, VIRTIO_BLK_T_IN, 0);
	board_kick(&b, 0);
	collect(1);
	assert_true(fault_disarm());
}

/* A pipe in the file's place: a request that stays in flight until something is written to it. */
static void put_pipe(int ends[2])
{
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(blk_ring_set_file(&blk.ring, ends[0]), 0);
}

static void settling_waits_for_what_is_in_flight(void **state)
{
	char text[BLK_SECTOR];
	struct vring_used_elem e;
	int ends[2];

	(void)state;
	put_pipe(ends);
	ask(0, VIRTIO_BLK_T_IN, 0);
	board_kick(&b, 0);
	board_pump(&b);
	assert_int_equal(blk.nr_in_flight, 1);
	assert_int_equal(*status(0), PENDING);
	memset(text, 0x5a, sizeof(text));
	assert_int_equal(write(ends[1], text, sizeof(text)), sizeof(text));
	vmmio_settle(&b.t);
	assert_int_equal(blk.nr_in_flight, 0);
	assert_int_equal(*status(0), VIRTIO_BLK_S_OK);
	assert_memory_equal(data(0), text, sizeof(text));
	assert_true(driver_used(&d, &e));
	close(ends[0]);
	close(ends[1]);
}

/* The kernel gives parts: each time the rest is asked for. */
static void short_results_go_on(void **state)
{
	char text[BLK_SECTOR];
	int ends[2];

	(void)state;
	put_pipe(ends);
	ask(0, VIRTIO_BLK_T_IN, 0);
	board_kick(&b, 0);
	board_pump(&b);
	memset(text, 0x66, sizeof(text));
	assert_int_equal(write(ends[1], text, 200), 200);
	board_pump(&b);
	assert_int_equal(*status(0), PENDING);
	assert_int_equal(write(ends[1], text, BLK_SECTOR - 200), BLK_SECTOR - 200);
	collect(1);
	assert_int_equal(*status(0), VIRTIO_BLK_S_OK);
	assert_memory_equal(data(0), text, sizeof(text));
	close(ends[0]);
	close(ends[1]);
}

static void reset_waits_too(void **state)
{
	char text[BLK_SECTOR] = { 0 };
	int ends[2];

	(void)state;
	put_pipe(ends);
	ask(0, VIRTIO_BLK_T_IN, 0);
	board_kick(&b, 0);
	board_pump(&b);
	assert_int_equal(write(ends[1], text, sizeof(text)), sizeof(text));
	board_write(&b, VIRTIO_MMIO_STATUS, 0);
	assert_int_equal(blk.nr_in_flight, 0);
	assert_int_equal(board_read(&b, VIRTIO_MMIO_STATUS), 0);
	close(ends[0]);
	close(ends[1]);
}

static void another_file_is_used_from_then_on(void **state)
{
	int other = disk_new(2 * SECTORS * BLK_SECTOR);
	struct blk_file file;
	uint8_t want[BLK_SECTOR];

	(void)state;
	disk_open(&file, other, false);
	file.in_memory = false;
	memset(want, 0x31, sizeof(want));
	assert_int_equal(pwrite(other, want, BLK_SECTOR, 100 * BLK_SECTOR), BLK_SECTOR);
	fault_arm(1, ENOMEM);
	assert_int_equal(blk_change(&blk, &file), -ENOMEM);
	assert_true(fault_disarm());
	ask(0, VIRTIO_BLK_T_IN, 100);
	board_kick(&b, 0);
	collect(1);
	assert_int_equal(*status(0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(blk_change(&blk, &file), 0);
	ask(0, VIRTIO_BLK_T_IN, 100);
	board_kick(&b, 0);
	collect(1);
	assert_int_equal(*status(0), VIRTIO_BLK_S_OK);
	assert_memory_equal(data(0), want, BLK_SECTOR);
	close(other);
}

/* Each call of the set-up failing in turn: one line, and nothing left behind. */
static void set_up_can_fail(void **state)
{
	struct blk_file file;
	static struct blk other;
	struct err e;
	unsigned int before, n = 1;

	(void)state;
	disk_open(&file, disk, false);
	blk_init(&other, &file, true);
	before = fault_open_fds();
	for (bool failed = true; failed; n++) {
		int r;

		fault_arm(n, ENOSYS);
		r = blk_make_async(&other, &b.loop, &e);
		failed = fault_disarm();
		assert_int_equal(r, failed ? -ENOSYS : 0);
		if (failed)
			assert_int_equal(fault_open_fds(), before);
	}
	assert_int_equal(n, 7); /* setup, three of register, epoll_ctl fail; then nothing does */
	other.dev.ops->release(&other.dev);
	assert_int_equal(fault_open_fds(), before - 1);
	fault_arm(1, EPERM);
	assert_int_equal(blk_check_async(&e), -EPERM);
	assert_string_equal(e.msg, "io_engine Async: the host forbids io_uring "
				   "(kernel.io_uring_disabled, or seccomp); expected a host that "
				   "allows io_uring, or io_engine Sync");
	fault_arm(1, ENOSYS);
	assert_int_equal(blk_check_async(&e), -ENOSYS);
	assert_non_null(strstr(e.msg, "the host's kernel has no io_uring"));
	fault_arm(1, EINVAL); /* before Linux 5.19 */
	assert_int_equal(blk_check_async(&e), 0);
	assert_int_equal(fault_open_fds(), before - 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

/* What an intruder would ask for: seccomp sees nothing of it. */
static void the_ring_does_nothing_else(void **state)
{
	static const struct {
		uint8_t op, flags;
		int32_t result;
	} cases[] = {
		{ IORING_OP_OPENAT, 0, -EACCES },
		{ IORING_OP_OPENAT, IOSQE_FIXED_FILE, -EACCES },
		{ IORING_OP_SOCKET, IOSQE_FIXED_FILE, -EACCES },
		{ IORING_OP_CONNECT, IOSQE_FIXED_FILE, -EACCES },
		{ IORING_OP_FSYNC, 0, -EACCES },
		{ IORING_OP_FSYNC, IOSQE_FIXED_FILE, 0 },
	};
	struct blk_ring r;
	struct err e;
	uint64_t tag;
	int32_t result;

	(void)state;
	assert_int_equal(blk_ring_init(&r, disk, &e), 0);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct io_uring_sqe *s = &r.sqes[r.tail++ & r.sq_mask];

		memset(s, 0, sizeof(*s));
		s->opcode = cases[i].op;
		s->flags = cases[i].flags;
		s->user_data = i;
		assert_int_equal(blk_ring_submit(&r, 1), 0);
		assert_true(blk_ring_next(&r, &tag, &result));
		assert_int_equal(tag, i);
		assert_int_equal(result, cases[i].result);
	}
	blk_ring_release(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(many_are_in_flight_and_all_come_back),
		TEST(writes_reach_the_file),
		TEST(ranges),
		TEST(truncated_file_gives_an_error),
		TEST(refused_submissions_are_done_at_once),
		TEST(settling_waits_for_what_is_in_flight),
		TEST(short_results_go_on),
		TEST(reset_waits_too),
		TEST(another_file_is_used_from_then_on),
		TEST(set_up_can_fail),
		TEST(the_ring_does_nothing_else),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
