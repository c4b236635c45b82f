// SPDX-License-Identifier: Apache-2.0
/* Requests of virtio-blk (virtio 1.2 §5.2.6) on a file that lives in memory. */
#include "virtio/blk.h"

#include "tests/lib/board.h"
#include "tests/lib/disk.h"
#include "tests/lib/fault.h"
#include "tests/lib/unit.h"
#include "vmm/util.h"

#include <errno.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_mmio.h>
#include <linux/virtio_ring.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE	16
#define SECTORS 8
#define EXTRA	300 /* bytes of the file past its last whole sector */
#define HEADER	GUEST_MID
#define DATA	(GUEST_MID + 0x1000)
#define STATUS	(GUEST_MID + 0x8000)
#define PENDING 0xee /* in the status byte until the device writes there */

static struct blk blk;
static struct board b;
static struct driver d;
static int disk; /* the file behind the device */

static int set_up_disk(bool read_only)
{
	struct blk_file file;

	disk = disk_new(SECTORS * BLK_SECTOR + EXTRA);
	disk_open(&file, disk, read_only);
	blk_init(&blk, &file, true);
	board_init(&b, &blk.dev);
	board_start(&b, &d, SIZE, 0, blk.dev.features);
	return 0;
}

static int set_up(void **state)
{
	(void)state;
	return set_up_disk(false);
}

static int set_up_read_only(void **state)
{
	(void)state;
	return set_up_disk(true);
}

static int tear_down(void **state)
{
	(void)state;
	fault_disarm();
	board_release(&b);
	close(disk);
	return 0;
}

static void put_header(uint32_t type, uint64_t sector)
{
	const struct virtio_blk_outhdr h = { .type = type, .sector = sector };

	memcpy(guest_at(&b.g, HEADER, sizeof(h)), &h, sizeof(h));
	memset(guest_at(&b.g, STATUS, 1), PENDING, 1);
}

/* Serves the chain; returns the length in the used ring. */
static uint32_t serve(const struct vring_desc *desc, uint16_t nr)
{
	struct vring_used_elem e;

	driver_chain(&d, 0, desc, nr);
	board_kick(&b, 0);
	board_pump(&b);
	assert_true(driver_used(&d, &e));
	assert_int_equal(e.id, 0);
	assert_false(driver_used(&d, &e));
	return e.len;
}

static uint8_t status(void)
{
	return *(uint8_t *)guest_at(&b.g, STATUS, 1);
}

/* A request in the usual three descriptors, or two without data. Returns its status byte. */
static uint8_t request(uint32_t type, uint64_t sector, uint32_t len)
{
	struct vring_desc desc[] = {
		READS(HEADER, 16),
		{ DATA, len, type == VIRTIO_BLK_T_OUT ? 0 : VRING_DESC_F_WRITE, 0 },
		WRITES(STATUS, 1),
	};

	put_header(type, sector);
	if (len == 0)
		desc[1] = desc[2];
	serve(desc, len == 0 ? 2 : 3);
	return status();
}

/* A discard or write-zeroes request; returns its status byte. */
static uint8_t range_request(uint32_t type, uint64_t sector, uint32_t nr, uint32_t flags)
{
	const struct virtio_blk_discard_write_zeroes range = { sector, nr, flags };
	const struct vring_desc desc[] = { READS(HEADER, 16), READS(DATA, sizeof(range)),
					   WRITES(STATUS, 1) };

	put_header(type, 0);
	memcpy(guest_at(&b.g, DATA, sizeof(range)), &range, sizeof(range));
	assert_int_equal(serve(desc, 3), 1);
	return status();
}

/* The disk is what it was at first, but for zeroes in these sectors. */
static void assert_zeroes(uint64_t sector, uint32_t nr)
{
	uint8_t want[SECTORS * BLK_SECTOR + EXTRA];
	uint8_t got[sizeof(want)];

	disk_pattern(want, 0, sizeof(want));
	memset(want + sector * BLK_SECTOR, 0, nr * BLK_SECTOR);
	assert_int_equal(pread(disk, got, sizeof(got), 0), sizeof(got));
	assert_memory_equal(got, want, sizeof(want));
}

static void *data(uint32_t len)
{
	return guest_at(&b.g, DATA, len);
}

static uint64_t file_size(void)
{
	struct stat st;

	assert_int_equal(fstat(disk, &st), 0);
	return (uint64_t)st.st_size;
}

static void identity_and_configuration(void **state)
{
	uint64_t capacity = 0;

	(void)state;
	assert_int_equal(board_read(&b, VIRTIO_MMIO_DEVICE_ID), VIRTIO_ID_BLOCK);
	vmmio_bus_ops.read(&b.t, VIRTIO_MMIO_CONFIG, &capacity, sizeof(capacity));
	assert_int_equal(capacity, SECTORS); /* the rest of the file is not shown */
	assert_int_equal(board_read(&b, VIRTIO_MMIO_CONFIG + 12), VIRTQ_SIZE_MAX - 2);
	assert_false(blk.dev.features & 1ull << VIRTIO_BLK_F_RO);
}

static void read_gives_the_sectors(void **state)
{
	const struct vring_desc desc[] = { READS(HEADER, 16), WRITES(DATA, 1024),
					   WRITES(STATUS, 1) };
	uint8_t want[1024];

	(void)state;
	disk_pattern(want, 3 * BLK_SECTOR, sizeof(want));
	put_header(VIRTIO_BLK_T_IN, 3);
	assert_int_equal(serve(desc, 3), 1025);
	assert_int_equal(status(), VIRTIO_BLK_S_OK);
	assert_memory_equal(data(1024), want, sizeof(want));
	assert_int_equal(board_irqs(&b), 1);
	assert_int_equal(blk.dev.stats.requests, 1);
	assert_int_equal(blk.dev.stats.failures, 0);
}

static void write_changes_the_sectors_and_no_others(void **state)
{
	const struct vring_desc desc[] = { READS(HEADER, 16), READS(DATA, 1024),
					   WRITES(STATUS, 1) };
	uint8_t want[SECTORS * BLK_SECTOR + EXTRA];
	uint8_t got[sizeof(want)];

	(void)state;
	disk_pattern(want, 0, sizeof(want));
	memset(want + 2 * BLK_SECTOR, 0x77, 1024);
	memset(data(1024), 0x77, 1024);
	put_header(VIRTIO_BLK_T_OUT, 2);
	assert_int_equal(serve(desc, 3), 1);
	assert_int_equal(status(), VIRTIO_BLK_S_OK);
	assert_int_equal(pread(disk, got, sizeof(got), 0), sizeof(got));
	assert_memory_equal(got, want, sizeof(want));
}

/* The whole disk in one request, its data in every second descriptor of the queue. */
static void many_segments(void **state)
{
	struct vring_desc desc[SIZE] = { READS(HEADER, 16) };
	uint8_t want[SECTORS * BLK_SECTOR];
	uint32_t at = 0;

	(void)state;
	for (uint16_t i = 1; i < SIZE - 1; i++) {
		uint32_t len = i < SIZE - 2 ? 37u * i : (uint32_t)sizeof(want) - at;

		desc[i] = (struct vring_desc)WRITES(DATA + at, len);
		at += len;
	}
	desc[SIZE - 1] = (struct vring_desc)WRITES(STATUS, 1);
	disk_pattern(want, 0, sizeof(want));
	put_header(VIRTIO_BLK_T_IN, 0);
	assert_int_equal(serve(desc, SIZE), sizeof(want) + 1);
	assert_int_equal(status(), VIRTIO_BLK_S_OK);
	assert_memory_equal(data(sizeof(want)), want, sizeof(want));
}

static void header_may_be_split(void **state)
{
	static const uint32_t cuts[] = { 1, 4, 8, 15 };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(cuts); i++) {
		const struct vring_desc desc[] = {
			READS(HEADER, cuts[i]),
			READS(HEADER + cuts[i], 16 - cuts[i]),
			WRITES(DATA, 512),
			WRITES(STATUS, 1),
		};
		uint8_t want[512];

		disk_pattern(want, i * BLK_SECTOR, sizeof(want));
		put_header(VIRTIO_BLK_T_IN, i);
		assert_int_equal(serve(desc, ARRAY_SIZE(desc)), 513);
		assert_int_equal(status(), VIRTIO_BLK_S_OK);
		assert_memory_equal(data(512), want, 512);
	}
}

static void header_may_share_a_descriptor_with_the_data(void **state)
{
	const struct vring_desc desc[] = { READS(HEADER, 16 + 512), WRITES(STATUS, 1) };
	uint8_t got[512];

	(void)state;
	put_header(VIRTIO_BLK_T_OUT, 1);
	memset(guest_at(&b.g, HEADER + 16, 512), 0x3c, 512);
	assert_int_equal(serve(desc, 2), 1);
	assert_int_equal(status(), VIRTIO_BLK_S_OK);
	assert_int_equal(pread(disk, got, 512, BLK_SECTOR), 512);
	assert_memory_equal(got, guest_at(&b.g, HEADER + 16, 512), 512);
}

static void status_may_share_a_descriptor_with_the_data(void **state)
{
	const struct vring_desc desc[] = { READS(HEADER, 16), WRITES(DATA, 513) };
	uint8_t want[513];

	(void)state;
	disk_pattern(want, 5 * BLK_SECTOR, 512);
	want[512] = VIRTIO_BLK_S_OK;
	put_header(VIRTIO_BLK_T_IN, 5);
	memset(data(513), PENDING, 513);
	assert_int_equal(serve(desc, 2), 513);
	assert_memory_equal(data(513), want, 513);
}

static void data_may_cross_touching_regions(void **state)
{
	const struct vring_desc desc[] = { READS(HEADER, 16), WRITES(GUEST_MID - 700, 512),
					   WRITES(GUEST_MID - 188, 512), WRITES(STATUS, 1) };
	uint8_t want[1024];
	uint8_t got[1024];

	(void)state;
	/* The header lies where the data comes to lie: it was read before. */
	disk_pattern(want, BLK_SECTOR, sizeof(want));
	put_header(VIRTIO_BLK_T_IN, 1);
	assert_int_equal(serve(desc, 4), 1025);
	assert_int_equal(status(), VIRTIO_BLK_S_OK);
	assert_int_equal(gmem_read(&b.g.mem, GUEST_MID - 700, got, sizeof(got)), 0);
	assert_memory_equal(got, want, sizeof(want));
}

static void requests_past_the_end_fail(void **state)
{
	static const struct {
		uint64_t sector;
		uint32_t len;
	} bad[] = {
		{ SECTORS, 512 },     { SECTORS - 1, 1024 },	 { 0, (SECTORS + 1) * 512 },
		{ SECTORS + 1, 512 }, { UINT64_MAX, 512 },	 { UINT64_MAX / 512, 512 },
		{ 1ull << 55, 512 },  { (1ull << 55) + 1, 512 }, /* times 512 it is sector 1 again
								  */
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(request(VIRTIO_BLK_T_IN, bad[i].sector, bad[i].len),
				 VIRTIO_BLK_S_IOERR);
		assert_int_equal(request(VIRTIO_BLK_T_OUT, bad[i].sector, bad[i].len),
				 VIRTIO_BLK_S_IOERR);
	}
	assert_int_equal(blk.dev.stats.failures, 2 * ARRAY_SIZE(bad));
	assert_int_equal(file_size(), SECTORS * BLK_SECTOR + EXTRA);
	assert_int_equal(request(VIRTIO_BLK_T_IN, SECTORS - 1, 512), VIRTIO_BLK_S_OK);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 0, SECTORS * 512), VIRTIO_BLK_S_OK);
}

static void broken_sectors_fail(void **state)
{
	static const uint32_t lens[] = { 1, 511, 513, 1000 };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(lens); i++) {
		assert_int_equal(request(VIRTIO_BLK_T_IN, 0, lens[i]), VIRTIO_BLK_S_IOERR);
		assert_int_equal(request(VIRTIO_BLK_T_OUT, 0, lens[i]), VIRTIO_BLK_S_IOERR);
	}
}

static void no_data_is_no_error(void **state)
{
	(void)state;
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, SECTORS, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(request(VIRTIO_BLK_T_IN, SECTORS + 1, 0), VIRTIO_BLK_S_IOERR);
}

static void truncated_file_gives_an_error(void **state)
{
	(void)state;
	assert_int_equal(ftruncate(disk, 2 * BLK_SECTOR + 100), 0);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 1, 512), VIRTIO_BLK_S_OK);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 2, 512), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, SECTORS * 512), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 7, 512), VIRTIO_BLK_S_IOERR);
	assert_int_equal(blk.dev.stats.failures, 3);
	assert_int_equal(board_read(&b, VIRTIO_MMIO_STATUS), 15); /* the device goes on */
}

static void host_errors_reach_the_guest_as_io_errors(void **state)
{
	(void)state;
	fault_arm(1, EIO);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, 512), VIRTIO_BLK_S_IOERR);
	fault_arm(1, ENOSPC);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 0, 512), VIRTIO_BLK_S_IOERR);
	fault_arm(1, EIO);
	assert_int_equal(request(VIRTIO_BLK_T_FLUSH, 0, 0), VIRTIO_BLK_S_IOERR);
	assert_true(fault_disarm());
	fault_arm(1, EINTR);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, 512), VIRTIO_BLK_S_OK);
	assert_int_equal(blk.dev.stats.failures, 3);
}

static void flush_reaches_the_file(void **state)
{
	(void)state;
	fault_arm(1, EDQUOT); /* the only wrapped call that a flush makes is fdatasync */
	assert_int_equal(request(VIRTIO_BLK_T_FLUSH, 0, 0), VIRTIO_BLK_S_IOERR);
	assert_true(fault_disarm());
	assert_int_equal(request(VIRTIO_BLK_T_FLUSH, 0, 0), VIRTIO_BLK_S_OK);
}

static void get_id_gives_twenty_bytes(void **state)
{
	const struct vring_desc desc[] = { READS(HEADER, 16), WRITES(DATA, 20), WRITES(STATUS, 1) };

	(void)state;
	put_header(VIRTIO_BLK_T_GET_ID, 0);
	assert_int_equal(serve(desc, 3), 21);
	assert_int_equal(status(), VIRTIO_BLK_S_OK);
	assert_memory_equal(data(20), blk.file.id, BLK_ID_LENGTH);
	assert_int_not_equal(blk.file.id[0], 0);
	assert_int_equal(request(VIRTIO_BLK_T_GET_ID, 0, 19), VIRTIO_BLK_S_IOERR);
	memset(data(64), PENDING, 64);
	assert_int_equal(request(VIRTIO_BLK_T_GET_ID, 0, 64), VIRTIO_BLK_S_OK);
	assert_int_equal(((uint8_t *)data(64))[20], PENDING);
}

static void other_types_are_unsupported(void **state)
{
	static const uint32_t types[] = { VIRTIO_BLK_T_SCSI_CMD, 3, VIRTIO_BLK_T_SECURE_ERASE,
					  0x80000000, UINT32_MAX };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(types); i++)
		assert_int_equal(request(types[i], 0, 512), VIRTIO_BLK_S_UNSUPP);
	assert_int_equal(blk.dev.stats.failures, 0);
}

static void read_only_disk_is_not_written(void **state)
{
	(void)state;
	assert_true(blk.dev.features & 1ull << VIRTIO_BLK_F_RO);
	memset(data(512), 0x99, 512);
	assert_int_equal(request(VIRTIO_BLK_T_OUT, 0, 512), VIRTIO_BLK_S_IOERR);
	assert_int_equal(request(VIRTIO_BLK_T_FLUSH, 0, 0), VIRTIO_BLK_S_OK);
	assert_int_equal(range_request(VIRTIO_BLK_T_DISCARD, 0, 1, 0), VIRTIO_BLK_S_IOERR);
	assert_int_equal(range_request(VIRTIO_BLK_T_WRITE_ZEROES, 0, 1, 0), VIRTIO_BLK_S_IOERR);
	assert_false(blk.dev.features &
		     (1ull << VIRTIO_BLK_F_DISCARD | 1ull << VIRTIO_BLK_F_WRITE_ZEROES));
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, 512), VIRTIO_BLK_S_OK);
	assert_int_not_equal(*(uint8_t *)data(1), 0x99);
}

static void short_header_is_an_error(void **state)
{
	const struct vring_desc desc[] = { READS(HEADER, 15), WRITES(STATUS, 1) };

	(void)state;
	put_header(VIRTIO_BLK_T_FLUSH, 0);
	assert_int_equal(serve(desc, 2), 1);
	assert_int_equal(status(), VIRTIO_BLK_S_IOERR);
	put_header(VIRTIO_BLK_T_FLUSH, 0);
	assert_int_equal(serve(desc + 1, 1), 1);
	assert_int_equal(status(), VIRTIO_BLK_S_IOERR);
}

/* In the file system of a memfd a range is made a hole, or written with zeroes: it has no third
 * way. */
static void ranges_become_zeroes(void **state)
{
	(void)state;
	assert_int_equal(range_request(VIRTIO_BLK_T_DISCARD, 2, 0, 0), VIRTIO_BLK_S_OK);
	assert_zeroes(0, 0);
	assert_int_equal(range_request(VIRTIO_BLK_T_DISCARD, 2, 3, 0), VIRTIO_BLK_S_OK);
	assert_zeroes(2, 3);
	assert_int_equal(range_request(VIRTIO_BLK_T_WRITE_ZEROES, 5, 1, 0), VIRTIO_BLK_S_OK);
	assert_zeroes(2, 4);
	assert_int_equal(range_request(VIRTIO_BLK_T_WRITE_ZEROES, 6, 2, 1), VIRTIO_BLK_S_OK);
	assert_zeroes(2, 6);
	assert_int_equal(file_size(), SECTORS * BLK_SECTOR + EXTRA);
	assert_int_equal(blk.count.discard_count, 2);
	assert_int_equal(blk.count.discard_bytes, 3 * BLK_SECTOR);
	assert_int_equal(blk.count.zero_count, 2);
	assert_int_equal(blk.count.zero_bytes, 3 * BLK_SECTOR);
}

static void ranges_are_checked(void **state)
{
	static const struct {
		uint64_t sector;
		uint32_t nr, flags;
		uint8_t want;
	} bad[] = {
		{ SECTORS, 1, 0, VIRTIO_BLK_S_IOERR },
		{ 0, SECTORS + 1, 0, VIRTIO_BLK_S_IOERR },
		{ UINT64_MAX, 2, 0, VIRTIO_BLK_S_IOERR },
		{ 0, UINT32_MAX, 0, VIRTIO_BLK_S_IOERR },
		{ 1ull << 55, 1, 0, VIRTIO_BLK_S_IOERR },
		{ 0, 1, 2, VIRTIO_BLK_S_UNSUPP },
		{ 0, 1, UINT32_MAX, VIRTIO_BLK_S_UNSUPP },
	};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(
			range_request(VIRTIO_BLK_T_DISCARD, bad[i].sector, bad[i].nr, bad[i].flags),
			bad[i].want);
		assert_int_equal(range_request(VIRTIO_BLK_T_WRITE_ZEROES, bad[i].sector, bad[i].nr,
					       bad[i].flags),
				 bad[i].want);
	}
	/* There is no discard that unmaps more than a discard does. */
	assert_int_equal(range_request(VIRTIO_BLK_T_DISCARD, 0, 1, 1), VIRTIO_BLK_S_UNSUPP);
	assert_zeroes(0, 0);
	/* On a disk that has as many sectors, the limits that we announced still hold. */
	blk.file.sectors = 1ull << 40;
	assert_int_equal(range_request(VIRTIO_BLK_T_DISCARD, 0, (1u << 22) + 1, 0),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(range_request(VIRTIO_BLK_T_WRITE_ZEROES, 0, (1u << 16) + 1, 0),
			 VIRTIO_BLK_S_IOERR);
	assert_zeroes(0, 0);
}

static void ranges_of_a_wrong_length_fail(void **state)
{
	static const uint32_t lens[] = { 1, 15, 17, 32 };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(lens); i++) {
		const struct vring_desc desc[] = { READS(HEADER, 16), READS(DATA, lens[i]),
						   WRITES(STATUS, 1) };

		put_header(VIRTIO_BLK_T_DISCARD, 0);
		memset(data(64), 0, 64);
		serve(desc, 3);
		assert_int_equal(status(), VIRTIO_BLK_S_IOERR);
	}
	assert_zeroes(0, 0);
}

/* What the file system cannot do is not an error of the disk: Linux then asks no more. */
static void host_without_discard(void **state)
{
	(void)state;
	fault_arm(1, EOPNOTSUPP);
	assert_int_equal(range_request(VIRTIO_BLK_T_DISCARD, 0, 1, 0), VIRTIO_BLK_S_UNSUPP);
	assert_true(fault_disarm());
	assert_int_equal(blk.dev.stats.failures, 0);
	fault_arm(1, EIO);
	assert_int_equal(range_request(VIRTIO_BLK_T_DISCARD, 0, 1, 0), VIRTIO_BLK_S_IOERR);
	assert_zeroes(0, 0);
	fault_arm(1, EOPNOTSUPP);
	assert_int_equal(range_request(VIRTIO_BLK_T_WRITE_ZEROES, 1, 2, 1), VIRTIO_BLK_S_OK);
	assert_true(fault_disarm());
	assert_zeroes(1, 2);
}

/* There is nobody to tell: the chain comes back untouched, and the next one is served. */
static void request_without_a_status_byte(void **state)
{
	const struct vring_desc desc[] = { READS(HEADER, 16), READS(DATA, 512) };
	uint8_t want[512];
	uint8_t got[512];

	(void)state;
	disk_pattern(want, 0, sizeof(want));
	put_header(VIRTIO_BLK_T_OUT, 0);
	memset(data(512), 0x42, 512);
	assert_int_equal(serve(desc, 2), 0);
	assert_int_equal(status(), PENDING);
	assert_int_equal(blk.dev.stats.faults, 1);
	assert_int_equal(pread(disk, got, 512, 0), 512);
	assert_memory_equal(got, want, 512);
	assert_int_equal(request(VIRTIO_BLK_T_IN, 0, 512), VIRTIO_BLK_S_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(identity_and_configuration),
		TEST(read_gives_the_sectors),
		TEST(write_changes_the_sectors_and_no_others),
		TEST(many_segments),
		TEST(header_may_be_split),
		TEST(header_may_share_a_descriptor_with_the_data),
		TEST(status_may_share_a_descriptor_with_the_data),
		TEST(data_may_cross_touching_regions),
		TEST(requests_past_the_end_fail),
		TEST(broken_sectors_fail),
		TEST(no_data_is_no_error),
		TEST(truncated_file_gives_an_error),
		TEST(host_errors_reach_the_guest_as_io_errors),
		TEST(flush_reaches_the_file),
		TEST(get_id_gives_twenty_bytes),
		TEST(other_types_are_unsupported),
		cmocka_unit_test_setup_teardown(read_only_disk_is_not_written, set_up_read_only,
						tear_down),
		TEST(short_header_is_an_error),
		TEST(request_without_a_status_byte),
		TEST(ranges_become_zeroes),
		TEST(ranges_are_checked),
		TEST(ranges_of_a_wrong_length_fail),
		TEST(host_without_discard),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
