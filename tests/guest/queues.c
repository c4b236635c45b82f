// SPDX-License-Identifier: Apache-2.0
/* Queues where no queue can be, and doorbells at the wrong time. */
#include <linux/virtio_mmio.h>

#include "tests/guest/guest.h"
#include "tests/guest/virtio.h"

static uint8_t good[3][8192] __attribute__((aligned(4096)));

/* The device may refuse such a queue or find nothing in it; what counts is that it survives. */
static void try_rings(struct dev *d, const struct rings *r)
{
	dev_negotiate(d, dev_offers(d));
	dev_set_rings(d, r);
	dev_driver_ok(d);
	wr32(d->base + VIRTIO_MMIO_QUEUE_NOTIFY, d->queue);
	rd32(d->base + VIRTIO_MMIO_STATUS);
}

static unsigned long try_addresses(struct dev *d)
{
	static const uint64_t wild[] = {
		0,
		1,
		8,
		0xa0000,
		0x7fffff0,
		0x7fffffe,
		0x8000000,
		0xbffffff0,
		REPORT,
		VIRTIO_FIRST,
		VIRTIO_FIRST + 0x50,
		0xfee00000,
		0xfffffffe,
		0x100000000,
		0x7ffffffffffffff0,
		0xfffffffffffffff0,
		0xffffffffffffffff,
	};
	unsigned long n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(wild); i++) {
		struct rings r[] = {
			{ wild[i], (uint64_t)good[1], (uint64_t)good[2], QUEUE_SIZE },
			{ (uint64_t)good[0], wild[i], (uint64_t)good[2], QUEUE_SIZE },
			{ (uint64_t)good[0], (uint64_t)good[1], wild[i], QUEUE_SIZE },
			{ wild[i], wild[i], wild[i], 256 },
		};

		for (size_t k = 0; k < ARRAY_SIZE(r); k++, n++)
			try_rings(d, &r[k]);
	}
	return n;
}

static unsigned long try_sizes(struct dev *d)
{
	static const uint32_t sizes[] = { 0,   1,     3,     255,	 257,
					  512, 32768, 65536, 0x80000000, UINT32_MAX };
	unsigned long n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++, n++) {
		struct rings r = { (uint64_t)good[0], (uint64_t)good[1], (uint64_t)good[2],
				   sizes[i] };

		try_rings(d, &r);
	}
	return n;
}

/* All three rings in one place: the device reads what it has just written. */
static void try_overlap(struct dev *d)
{
	struct rings r = { (uint64_t)good[0], (uint64_t)good[0], (uint64_t)good[0], 256 };

	for (unsigned int i = 0; i < 64; i++) {
		for (size_t k = 0; k < sizeof(good[0]) / 4; k++)
			((uint32_t *)(void *)good[0])[k] = random32();
		try_rings(d, &r);
	}
}

/* DRIVER_OK without FEATURES_OK, doorbells before and after, ready twice, other queues. */
static void wrong_order(struct dev *d)
{
	unsigned int queues;

	wr32(d->base + VIRTIO_MMIO_STATUS, 0);
	for (unsigned int i = 0; i < 4; i++)
		wr32(d->base + VIRTIO_MMIO_QUEUE_NOTIFY, i);
	wr32(d->base + VIRTIO_MMIO_STATUS, STATUS_DRIVER_OK);
	if (rd32(d->base + VIRTIO_MMIO_STATUS) & STATUS_DRIVER_OK)
		fail("DRIVER_OK is accepted before FEATURES_OK");
	wr32(d->base + VIRTIO_MMIO_STATUS, 0);
	wr32(d->base + VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
	wr32(d->base + VIRTIO_MMIO_DRIVER_FEATURES, UINT32_MAX);
	wr32(d->base + VIRTIO_MMIO_STATUS, STATUS_ACK | STATUS_DRIVER | STATUS_FEATURES_OK);
	if (rd32(d->base + VIRTIO_MMIO_STATUS) & STATUS_FEATURES_OK)
		fail("features that were never offered are accepted");
	dev_negotiate(d, dev_offers(d));
	queues = dev_queues(d);
	for (uint32_t q = 0; q < 70000; q += q < MAX_QUEUES ? 1 : 997) {
		wr32(d->base + VIRTIO_MMIO_QUEUE_SEL, q);
		if ((rd32(d->base + VIRTIO_MMIO_QUEUE_NUM_MAX) != 0) != (q < queues))
			fail("queue %d exists", (unsigned long)q);
		wr32(d->base + VIRTIO_MMIO_QUEUE_READY, 1);
		wr32(d->base + VIRTIO_MMIO_QUEUE_NOTIFY, q);
	}
	dev_driver_ok(d);
	dev_driver_ok(d);
	wr32(d->base + VIRTIO_MMIO_QUEUE_SEL, 0);
	wr32(d->base + VIRTIO_MMIO_QUEUE_READY, 0);
	wr32(d->base + VIRTIO_MMIO_QUEUE_READY, 1);
}

unsigned long attack_rings(struct dev *d)
{
	unsigned long n = try_addresses(d) + try_sizes(d);

	try_overlap(d);
	wrong_order(d);
	return n;
}

void scenario_queues(void)
{
	static const uint32_t ids[] = { ID_RNG, ID_BLOCK };
	struct dev d;

	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		dev_find(&d, ids[i]);
		print("%d wild queues on device %d\n", attack_rings(&d), (unsigned long)ids[i]);
	}
	rng_must_work();
	disk_must_work();
	print("they work\n");
}
