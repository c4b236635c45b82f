// SPDX-License-Identifier: Apache-2.0
/* A balloon's driver that names pages it does not have, its own rings, and too many at once. */
#include <linux/virtio_mmio.h>

#include "tests/guest/guest.h"
#include "tests/guest/virtio.h"

#define QUEUES	5u
#define NUMBERS 0x1000000ull /* page numbers: memory of ours that nothing else uses */
#define LENGTH	0x10000u
#define VICTIM	0x2000000ull /* a page that we really give */
#define ACTUAL	(VIRTIO_MMIO_CONFIG + 4)
#define ALL	(F_VERSION_1 | 1ull << 1 | 1ull << 3 | 1ull << 5)

/* Has queue `q` of a device that was just started take one buffer. */
static enum outcome give(struct dev *d, unsigned int q, uint64_t gpa, uint32_t len, uint16_t flags)
{
	d->queue = q;
	dev_start(d, ALL);
	set_desc(d, 0, gpa, len, flags, -1);
	submit(d, 0);
	/* The buffer for statistics is kept: nothing to wait for. */
	return q == 2 && len == 3 ? DONE : wait_for_outcome(d);
}

static void expect_outcome(enum outcome got, enum outcome want, const char *what, unsigned int q)
{
	if (got != want)
		fail("queue %d: %s", (unsigned long)q, what);
}

static void wrong_buffers(struct dev *d)
{
	for (unsigned int q = 0; q < QUEUES; q++) {
		uint16_t flags = q > 2 ? VRING_DESC_F_WRITE : 0;

		expect_outcome(give(d, q, NUMBERS, 0, flags), BROKEN, "length 0 is no fault", q);
		expect_outcome(give(d, q, NUMBERS, 0xffffffff, flags), BROKEN, "4 GiB are no fault",
			       q);
		expect_outcome(give(d, q, 1ull << 40, 4096, flags), BROKEN,
			       "a buffer outside of memory is no fault", q);
		expect_outcome(give(d, q, NUMBERS, 3, flags), DONE, "3 bytes are not taken", q);
	}
}

/* A quarter of a million numbers in one chain, of which no more than a few are pages; reset in the
 * middle.
 */
static void long_chains(struct dev *d)
{
	uint32_t *pfn = (uint32_t *)NUMBERS;

	for (unsigned int i = 0; i < LENGTH / 4; i++)
		pfn[i] = i % 3 ? random32() : (uint32_t)(VICTIM >> 12) + i % 7;
	for (unsigned int turn = 0; turn < 3; turn++) {
		d->queue = turn % 2;
		dev_start(d, ALL);
		for (unsigned int i = 0; i < QUEUE_SIZE; i++)
			set_desc(d, i, NUMBERS, LENGTH, 0, i + 1 < QUEUE_SIZE ? (int)i + 1 : -1);
		submit(d, 0);
		if (turn == 2)
			wr32(d->base + VIRTIO_MMIO_STATUS, 0);
		else
			expect_outcome(wait_for_outcome(d), DONE, "a long chain is lost", turn);
	}
}

/* The pages in which the rings lie: the device goes on with zeros, or breaks. */
static void own_rings(struct dev *d)
{
	volatile uint32_t *pfn = (uint32_t *)NUMBERS;

	d->queue = 0;
	dev_start(d, ALL);
	pfn[0] = (uint32_t)((uint64_t)d->desc >> 12);
	pfn[1] = (uint32_t)((uint64_t)d->avail >> 12);
	pfn[2] = (uint32_t)((uint64_t)d->used >> 12);
	set_desc(d, 0, NUMBERS, 12, 0, -1);
	submit(d, 0);
	wait_for_outcome(d);
	wr32(d->base + VIRTIO_MMIO_STATUS, 0);
}

static void anything(struct dev *d)
{
	for (unsigned int i = 0; i < 200; i++) {
		uint32_t r = random32();

		d->queue = r % QUEUES;
		dev_start(d, ALL);
		for (unsigned int n = 0; n < QUEUE_SIZE; n++)
			set_desc(d, n, NUMBERS + (random32() & 0xffffff), random32() & 0x1ffff,
				 (uint16_t)(random32() & 7), (int)(random32() % 17));
		wr32(d->base + ACTUAL, r);
		mmio_write(d->base + VIRTIO_MMIO_CONFIG + (r & 15), r, 1u << (r >> 4 & 3));
		submit(d, (uint16_t)(r >> 8 & 15));
	}
}

void scenario_balloon(void)
{
	volatile uint64_t *page = (uint64_t *)VICTIM;
	struct dev d;

	map_8_gib();
	dev_find(&d, ID_BALLOON);
	wrong_buffers(&d);
	long_chains(&d);
	own_rings(&d);
	anything(&d);
	print("it lives\n");
	page[0] = page[511] = 0x5a5a;
	*(uint32_t *)NUMBERS = (uint32_t)(VICTIM >> 12);
	expect_outcome(give(&d, 0, NUMBERS, 4, 0), DONE, "it does not inflate", 0);
	if (page[0] != 0 || page[511] != 0)
		fail("the page is still there");
	print("it works\n");
}
