// SPDX-License-Identifier: Apache-2.0
/*
 * The register window, with each device behind it. Input: a byte that names the device, then a list
 * of struct step. After every step the state is one that the specification allows.
 */
#include "virtio/virtio_mmio.h"

#include "tests/lib/board.h"
#include "tests/lib/disk.h"
#include "tests/lib/require.h"
#include "tests/lib/toy.h"
#include "virtio/blk.h"
#include "virtio/rng.h"

#include <linux/virtio_mmio.h>
#include <string.h>
#include <unistd.h>

struct __attribute__((packed)) step {
	uint8_t what; /* bits 0-1: enum below; bits 2-3: width of an access, log2; 0 stands for 4 */
	uint16_t at;  /* register, or guest address */
	uint32_t value;
};

enum {
	READ,
	WRITE,
	POKE,
	PUMP
};

/* What a step may not do to the state that it found. */
static void check(const struct board *b, const struct vmmio_state *before)
{
	const struct vmmio_state *now = &b->t.state;

	board_check(b);
	/* Bits go by a reset alone, and features stay once accepted. */
	REQUIRE(now->status == 0 || (before->status & ~now->status) == 0);
	if (before->status & now->status & FEATURES_OK)
		REQUIRE(now->driver_features == before->driver_features);
	/* A running device's rings stay where they are; a queue may be stopped. */
	for (unsigned int q = 0; before->status & now->status & DRIVER_OK && q < VIRTIO_MAX_QUEUES;
	     q++) {
		struct virtq_regs same = before->queue[q];

		REQUIRE(now->queue[q].ready <= same.ready);
		same.ready = now->queue[q].ready;
		REQUIRE(memcmp(&now->queue[q], &same, sizeof(same)) == 0);
	}
}

static void do_step(struct board *b, const struct step *s)
{
	uint32_t width = s->what >> 2 & 3 ? 1u << (s->what >> 2 & 3) >> 1 : 4;
	uint32_t off = s->at % (VIRTIO_MMIO_CONFIG + 64);
	uint64_t v = s->value;

	switch (s->what & 3) {
	case READ:
		vmmio_bus_ops.read(&b->t, off, &v, width);
		break;
	case WRITE:
		vmmio_bus_ops.write(&b->t, off, &v, width);
		break;
	case POKE:
		memcpy(guest_at(&b->g, s->at & 0xfffcu, 4), &s->value, 4);
		break;
	default:
		board_pump(b);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	static struct blk_file file;
	static struct toy toy;
	static struct rng rng;
	static struct blk blk;
	struct virtio_dev *dev[] = { &toy.dev, &rng.dev, &blk.dev };
	struct board b;
	int disk;

	if (len == 0)
		return 0;
	disk = disk_new(8 * BLK_SECTOR);
	disk_open(&file, disk, false);
	toy_init(&toy);
	rng_init(&rng);
	blk_init(&blk, &file, true);
	board_init(&b, dev[data[0] % 3]);
	for (data++, len--; len >= sizeof(struct step); len -= sizeof(struct step)) {
		const struct vmmio_state before = b.t.state;
		struct step s;

		memcpy(&s, data, sizeof(s));
		data += sizeof(s);
		do_step(&b, &s);
		check(&b, &before);
	}
	if (b.dev != &blk.dev)
		blk_file_close(&file);
	board_release(&b);
	close(disk);
	return 0;
}
