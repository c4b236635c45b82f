// SPDX-License-Identifier: Apache-2.0
#include "tests/guest/virtio.h"

#include <linux/virtio_blk.h>
#include <linux/virtio_mmio.h>

#include "tests/guest/guest.h"

#define MAX_DEVICES 8
#define POLLS	    20000000u
#define SECTOR	    512u

/* One page for each ring, for one device at a time. */
static uint8_t ring_memory[3][4096] __attribute__((aligned(4096)));

void dev_find(struct dev *d, uint32_t id)
{
	memset(d, 0, sizeof(*d));
	for (unsigned int i = 0; i < MAX_DEVICES; i++) {
		d->base = VIRTIO_FIRST + i * VIRTIO_STEP;
		if (rd32(d->base) == VIRTIO_MAGIC && rd32(d->base + VIRTIO_MMIO_DEVICE_ID) == id)
			return;
	}
	fail("no device has id %d", (unsigned long)id);
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

void dev_start(struct dev *d, uint64_t features)
{
	struct rings r = { (uint64_t)ring_memory[0], (uint64_t)ring_memory[1],
			   (uint64_t)ring_memory[2], QUEUE_SIZE };

	memset(ring_memory, 0, sizeof(ring_memory));
	d->desc = (void *)ring_memory[0];
	d->avail = (void *)ring_memory[1];
	d->used = (void *)ring_memory[2];
	d->used_seen = 0;
	dev_negotiate(d, features);
	dev_set_rings(d, &r);
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

enum outcome wait_for_outcome(struct dev *d)
{
	for (unsigned int i = 0; i < POLLS; i++) {
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
