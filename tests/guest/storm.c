// SPDX-License-Identifier: Apache-2.0
/* Doorbells without end, and two processors that work against each other. */
#include <linux/virtio_mmio.h>

#include "tests/guest/guest.h"
#include "tests/guest/virtio.h"

#define RINGS 30000u

static struct dev victim;
static volatile bool ap_running, ap_stop;

/* By the doorbell that leaves the guest, by the one that does not, and by wrong queues. */
void scenario_storm(void)
{
	struct dev d;

	dev_find(&d, ID_RNG);
	dev_start(&d, F_VERSION_1 | F_EVENT_IDX);
	for (unsigned int i = 0; i < RINGS; i++) {
		wr32(d.base + VIRTIO_MMIO_QUEUE_NOTIFY, i % 64 == 63 ? i : 0);
		if (i % 1000 == 999)
			mmio_write(d.base + VIRTIO_MMIO_QUEUE_NOTIFY, 0, 2);
	}
	for (unsigned int i = 0; i < 2000; i++) {
		wr32(d.base + VIRTIO_MMIO_STATUS, 0);
		wr32(d.base + VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	}
	print("%d doorbells\n", (unsigned long)RINGS);
	rng_must_work();
	print("it works\n");
}

/* The other processor rewrites the rings, and resets the device now and then. */
static void ap_attack(void)
{
	ap_running = true;
	for (unsigned int i = 0; !ap_stop; i++) {
		uint32_t r = random32();
		volatile struct vring_desc *v = &victim.desc[r % QUEUE_SIZE];

		v->len = r & 1 ? 64 : random32();
		v->next = (uint16_t)(r >> 8);
		v->flags = (uint16_t)(r >> 16 & 7);
		victim.avail->ring[r >> 4 & (QUEUE_SIZE - 1)] = (uint16_t)(r >> 20 & 31);
		if (i % 4096 == 0)
			wr32(victim.base + VIRTIO_MMIO_STATUS, 0);
		if (i % 512 == 0)
			wr32(victim.base + VIRTIO_MMIO_QUEUE_NOTIFY, 0);
	}
	ap_running = false;
}

void scenario_race(void)
{
	uint32_t ok = STATUS_ACK | STATUS_DRIVER | STATUS_FEATURES_OK | STATUS_DRIVER_OK;
	unsigned long resets = 0;

	dev_find(&victim, ID_RNG);
	dev_start(&victim, F_VERSION_1 | F_INDIRECT);
	start_ap(ap_attack);
	for (unsigned int i = 0; !ap_running; i++) {
		if (i > 2000000000u)
			fail("the second processor does not start");
	}
	for (unsigned int i = 0; i < 1000; i++) {
		/* Not dev_start: the other one resets at the worst times, and nothing is sure. */
		if (rd32(victim.base + VIRTIO_MMIO_STATUS) != ok) {
			struct rings r = { (uint64_t)victim.desc, (uint64_t)victim.avail,
					   (uint64_t)victim.used, QUEUE_SIZE };

			wr32(victim.base + VIRTIO_MMIO_STATUS, 0);
			wr32(victim.base + VIRTIO_MMIO_STATUS, STATUS_ACK | STATUS_DRIVER);
			wr32(victim.base + VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
			wr32(victim.base + VIRTIO_MMIO_DRIVER_FEATURES, 1);
			wr32(victim.base + VIRTIO_MMIO_STATUS,
			     STATUS_ACK | STATUS_DRIVER | STATUS_FEATURES_OK);
			dev_set_rings(&victim, &r);
			dev_driver_ok(&victim);
			resets++;
		}
		set_desc(&victim, i % QUEUE_SIZE, 0x1000000, 64, VRING_DESC_F_WRITE, -1);
		submit(&victim, (uint16_t)(i % QUEUE_SIZE));
	}
	ap_stop = true;
	while (ap_running)
		continue;
	print("%s\n", resets > 1 ? "reset and run against each other" : "nothing happened");
	rng_must_work();
	print("it works\n");
}
