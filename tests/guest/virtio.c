// SPDX-License-Identifier: Apache-2.0
#include "tests/guest/virtio.h"

#include <linux/virtio_blk.h>
#include <linux/virtio_mmio.h>

#include "tests/guest/guest.h"

#define MAX_DEVICES 8
#define POLLS	    20000000u
#define SECTOR	    512u

/* One page for each ring, for one device at a time. */
static uint8_t ring_memory[MAX_QUEUES][3][4096] __attribute__((aligned(4096)));

bool dev_look_for(struct dev *d, uint32_t id, bool last)
{
	memset(d, 0, sizeof(*d));
	for (uint64_t at = VIRTIO_FIRST; at < VIRTIO_FIRST + MAX_DEVICES * VIRTIO_STEP;
	     at += VIRTIO_STEP) {
		if (rd32(at) == VIRTIO_MAGIC && rd32(at + VIRTIO_MMIO_DEVICE_ID) == id &&
		    (last || d->base == 0))
			d->base = at;
	}
	return d->base != 0;
}

void dev_find(struct dev *d, uint32_t id)
{
	if (!dev_look_for(d, id, false))
		fail("no device has id %d", (unsigned long)id);
}

uint64_t dev_offers(const struct dev *d)
{
	uint64_t features;

	wr32(d->base + VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
	features = (uint64_t)rd32(d->base + VIRTIO_MMIO_DEVICE_FEATURES) << 32;
	wr32(d->base + VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
	return features | rd32(d->base + VIRTIO_MMIO_DEVICE_FEATURES);
}

unsigned int dev_queues(const struct dev *d)
{
	unsigned int q = 0;

	do {
		wr32(d->base + VIRTIO_MMIO_QUEUE_SEL, q);
	} while (rd32(d->base + VIRTIO_MMIO_QUEUE_NUM_MAX) != 0 && ++q < MAX_QUEUES);
	return q;
}

void dev_negotiate(struct dev *d, uint64_t features)
{
	uint32_t status = STATUS_ACK | STATUS_DRIVER;

	wr32(d->base + VIRTIO_MMIO_STATUS, 0);
	if (rd32(d->base + VIRTIO_MMIO_STATUS) != 0)
		fail("status is %x after a reset",
		     (unsigned long)rd32(d->base + VIRTIO_MMIO_STATUS));
	wr32(d->base + VIRTIO_MMIO_STATUS, STATUS_ACK);
	wr32(d->base + VIRTIO_MMIO_STATUS, status);
	for (unsigned int half = 0; half < 2; half++) {
		wr32(d->base + VIRTIO_MMIO_DRIVER_FEATURES_SEL, half);
		wr32(d->base + VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)(features >> 32 * half));
	}
	status |= STATUS_FEATURES_OK;
	wr32(d->base + VIRTIO_MMIO_STATUS, status);
	if (rd32(d->base + VIRTIO_MMIO_STATUS) != status)
		fail("features %x were refused", features);
}

void dev_set_rings(struct dev *d, const struct rings *r)
{
	const struct {
		uint32_t reg;
		uint64_t v;
	} address[] = {
		{ VIRTIO_MMIO_QUEUE_DESC_LOW, r->desc },
		{ VIRTIO_MMIO_QUEUE_AVAIL_LOW, r->avail },
		{ VIRTIO_MMIO_QUEUE_USED_LOW, r->used },
	};

	wr32(d->base + VIRTIO_MMIO_QUEUE_SEL, d->queue);
	wr32(d->base + VIRTIO_MMIO_QUEUE_NUM, r->size);
	for (size_t i = 0; i < ARRAY_SIZE(address); i++) {
		wr32(d->base + address[i].reg, (uint32_t)address[i].v);
		wr32(d->base + address[i].reg + 4, (uint32_t)(address[i].v >> 32));
	}
	wr32(d->base + VIRTIO_MMIO_QUEUE_READY, 1);
}

void dev_driver_ok(struct dev *d)
{
	wr32(d->base + VIRTIO_MMIO_STATUS,
	     STATUS_ACK | STATUS_DRIVER | STATUS_FEATURES_OK | STATUS_DRIVER_OK);
}

/* Makes queue `q` ready, in memory of its own that is zeroed. */
static void start_queue(struct dev *d, unsigned int q)
{
	uint8_t(*m)[4096] = ring_memory[q];
	struct rings r = { (uint64_t)m[0], (uint64_t)m[1], (uint64_t)m[2], QUEUE_SIZE };
	unsigned int driven = d->queue;

	memset(m, 0, sizeof(ring_memory[q]));
	d->queue = q;
	dev_set_rings(d, &r);
	d->queue = driven;
}

static void drive_queue(struct dev *d)
{
	d->desc = (void *)ring_memory[d->queue][0];
	d->avail = (void *)ring_memory[d->queue][1];
	d->used = (void *)ring_memory[d->queue][2];
	d->used_seen = 0;
}

void dev_start(struct dev *d, uint64_t features)
{
	dev_negotiate(d, features);
	start_queue(d, d->queue);
	drive_queue(d);
	dev_driver_ok(d);
}

void dev_start_all(struct dev *d, uint64_t features)
{
	dev_negotiate(d, features);
	for (unsigned int q = dev_queues(d); q-- > 0;)
		start_queue(d, q);
	drive_queue(d);
	dev_driver_ok(d);
}

void set_desc(struct dev *d, unsigned int i, uint64_t addr, uint32_t len, uint16_t flags, int next)
{
	d->desc[i] = (struct vring_desc){
		.addr = addr,
		.len = len,
		.flags = (uint16_t)(flags | (next >= 0 ? VRING_DESC_F_NEXT : 0)),
		.next = (uint16_t)(next >= 0 ? next : 0),
	};
}

void submit(struct dev *d, uint16_t head)
{
	uint16_t idx = d->avail->idx;

	d->avail->ring[idx % QUEUE_SIZE] = head;
	__atomic_store_n(&d->avail->idx, (uint16_t)(idx + 1), __ATOMIC_RELEASE);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	wr32(d->base + VIRTIO_MMIO_QUEUE_NOTIFY, d->queue);
}

static enum outcome poll_outcome(struct dev *d, unsigned int polls)
{
	for (unsigned int i = 0; i < polls; i++) {
		if (__atomic_load_n(&d->used->idx, __ATOMIC_ACQUIRE) != d->used_seen) {
			d->used_seen++;
			return DONE;
		}
		/* A register access leaves the guest: not too often. */
		if (i % 1024 == 1023 && (rd32(d->base + VIRTIO_MMIO_STATUS) & STATUS_NEEDS_RESET))
			return BROKEN;
		__asm__ volatile("pause");
	}
	return SILENT;
}

enum outcome wait_for_outcome(struct dev *d)
{
	return poll_outcome(d, POLLS);
}

enum outcome look_at_outcome(struct dev *d)
{
	return poll_outcome(d, 4096);
}

uint32_t used_len(const struct dev *d)
{
	return d->used->ring[(uint16_t)(d->used_seen - 1) % QUEUE_SIZE].len;
}

void rng_must_work(void)
{
	static uint8_t bytes[64];
	struct dev d;
	unsigned int zeroes = 0;

	dev_find(&d, ID_RNG);
	dev_start(&d, F_VERSION_1);
	memset(bytes, 0, sizeof(bytes));
	set_desc(&d, 0, (uint64_t)bytes, sizeof(bytes), VRING_DESC_F_WRITE, -1);
	submit(&d, 0);
	if (wait_for_outcome(&d) != DONE || used_len(&d) != sizeof(bytes))
		fail("the rng device does not work");
	for (size_t i = 0; i < sizeof(bytes); i++)
		zeroes += bytes[i] == 0;
	if (zeroes > 16)
		fail("of 64 random bytes %d are 0", (unsigned long)zeroes);
}

/* Reads the sector that the test's image has at 1: every byte is its own number. */
void disk_must_work(void)
{
	static struct virtio_blk_outhdr h = { .type = VIRTIO_BLK_T_IN, .sector = 1 };
	static uint8_t data[SECTOR];
	static uint8_t status;
	struct dev d;

	dev_find(&d, ID_BLOCK);
	dev_start(&d, F_VERSION_1);
	status = 0xff;
	set_desc(&d, 0, (uint64_t)&h, sizeof(h), 0, 1);
	set_desc(&d, 1, (uint64_t)data, sizeof(data), VRING_DESC_F_WRITE, 2);
	set_desc(&d, 2, (uint64_t)&status, 1, VRING_DESC_F_WRITE, -1);
	submit(&d, 0);
	if (wait_for_outcome(&d) != DONE || status != VIRTIO_BLK_S_OK)
		fail("the blk device does not work");
	for (size_t i = 0; i < SECTOR; i++) {
		if (data[i] != (uint8_t)i)
			fail("byte %d of sector 1 is %x", i, (unsigned long)data[i]);
	}
}
