// SPDX-License-Identifier: Apache-2.0
/*
 * Block requests. Input: a byte of flags, then guest memory from address 0, where the queue's
 * rings lie. Whatever is asked for, the disk keeps its size, a read-only one its bytes too, and
 * each chain comes back unless it broke the queue.
 */
#include "virtio/blk.h"

#include "tests/lib/board.h"
#include "tests/lib/disk.h"
#include "tests/lib/require.h"

#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE  16
#define BYTES (8 * BLK_SECTOR + 300)

enum {
	READ_ONLY = 1,
	EVENT_IDX = 2,
	INDIRECT = 4,
	ASYNC = 8
};

static void check_disk(int disk, bool read_only)
{
	static uint8_t want[BYTES];
	static uint8_t got[BYTES];
	struct stat st;

	REQUIRE(fstat(disk, &st) == 0 && st.st_size == BYTES);
	disk_pattern(want, 0, BYTES);
	REQUIRE(pread(disk, got, BYTES, 0) == BYTES);
	/* What lies past the last whole sector is not the guest's. */
	REQUIRE(memcmp(got + 8 * BLK_SECTOR, want + 8 * BLK_SECTOR, 300) == 0);
	REQUIRE(!read_only || memcmp(got, want, BYTES) == 0);
}

static void check_queue(const struct board *b, const struct blk *blk, bool async)
{
	const struct virtq *q = &blk->dev.vq[0];
	bool broken = q->fault != VIRTQ_OK;

	REQUIRE(blk->dev.stats.failures <= blk->dev.stats.requests);
	REQUIRE(blk->nr_in_flight == 0);
	/* What ends when its queue is broken already is not given back: the guest has to reset it.
	 */
	REQUIRE(q->nr_in_flight == 0 || (async && broken));
	REQUIRE(broken == !!(b->t.state.status & VIRTIO_CONFIG_S_NEEDS_RESET));
	if (!broken)
		REQUIRE(q->published == q->next_used && q->next_used == q->next_avail);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	uint64_t features = 1ull << VIRTIO_F_VERSION_1;
	struct blk_file file;
	struct err e;
	static struct blk blk;
	struct driver d;
	struct board b;
	int disk;

	if (len == 0)
		return 0;
	if (data[0] & EVENT_IDX)
		features |= 1ull << VIRTIO_RING_F_EVENT_IDX;
	if (data[0] & INDIRECT)
		features |= 1ull << VIRTIO_RING_F_INDIRECT_DESC;
	disk = disk_new(BYTES);
	disk_open(&file, disk, data[0] & READ_ONLY);
	file.in_memory = false; /* or the engine Async would leave it to the other */
	blk_init(&blk, &file, true);
	board_init(&b, &blk.dev);
	if (data[0] & ASYNC)
		REQUIRE(blk_make_async(&blk, &b.loop, &e) == 0);
	board_start(&b, &d, SIZE, 0, features);
	guest_fill(&b.g, data + 1, len - 1);
	board_kick(&b, 0);
	board_pump(&b);
	vmmio_settle(&b.t);
	check_disk(disk, data[0] & READ_ONLY);
	check_queue(&b, &blk, data[0] & ASYNC);
	board_release(&b);
	close(disk);
	return 0;
}
