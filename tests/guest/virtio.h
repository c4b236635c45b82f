/* SPDX-License-Identifier: Apache-2.0 */
/* A driver for virtio-mmio devices that can be told to do everything wrong. One queue at a time. */
#ifndef MOTE_TESTS_GUEST_VIRTIO_H
#define MOTE_TESTS_GUEST_VIRTIO_H

#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stdint.h>

#define VIRTIO_MAGIC	   0x74726976u
#define ID_NET		   1u
#define ID_BLOCK	   2u
#define ID_RNG		   4u
#define ID_BALLOON	   5u
#define ID_VSOCK	   19u
#define MAX_QUEUES	   5u
#define QUEUE_SIZE	   16u

#define F_VERSION_1	   (1ull << 32)
#define F_INDIRECT	   (1ull << 28)
#define F_EVENT_IDX	   (1ull << 29)

#define STATUS_ACK	   1u
#define STATUS_DRIVER	   2u
#define STATUS_DRIVER_OK   4u
#define STATUS_FEATURES_OK 8u
#define STATUS_NEEDS_RESET 64u

/* Where the rings are and how long they claim to be: anything goes. */
struct rings {
	uint64_t desc, avail, used;
	uint32_t size;
};

struct dev {
	uint64_t base;
	uint32_t queue; /* the one that is driven: 0 unless the scenario says another */
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint16_t used_seen;
};

/* The first device with that id, or the last one; false when there is none. */
bool dev_look_for(struct dev *d, uint32_t id, bool last);

/* The first device with that id; ends the guest when there is none. */
void dev_find(struct dev *d, uint32_t id);

/* What the device offers, and how many queues it has now. */
uint64_t dev_offers(const struct dev *d);
unsigned int dev_queues(const struct dev *d);

/* Reset and negotiation up to FEATURES_OK, which the device must accept. */
void dev_negotiate(struct dev *d, uint64_t features);

void dev_set_rings(struct dev *d, const struct rings *r);
void dev_driver_ok(struct dev *d);

/* All of the above with rings that are right, in memory of the driver's own. */
void dev_start(struct dev *d, uint64_t features);

/* The same with all queues of the device; d->queue is the one whose rings `d` has. */
void dev_start_all(struct dev *d, uint64_t features);

/* Fills in descriptor `i`; `next` < 0: the chain ends there. */
void set_desc(struct dev *d, unsigned int i, uint64_t addr, uint32_t len, uint16_t flags, int next);

/* Makes the chain at `head` available and rings the doorbell. */
void submit(struct dev *d, uint16_t head);

/* How the device took the last chain. */
enum outcome {
	DONE,	/* it is in the used ring */
	BROKEN, /* the device stopped and says NEEDS_RESET */
	SILENT, /* neither, in a long time */
};
enum outcome wait_for_outcome(struct dev *d);

/* The same without much patience, for a queue from which nothing need be taken. */
enum outcome look_at_outcome(struct dev *d);

/* Bytes that the device says it wrote, of the chain that was DONE last. */
uint32_t used_len(const struct dev *d);

/* Attacks on queue d->queue (queues.c, chains.c): how many there were. `eager`: the device takes
 * what is made available at once, so that each chain must have the outcome that it should have. */
unsigned long attack_rings(struct dev *d);
unsigned long attack_chains(struct dev *d, bool eager);

/* Start the device anew and have it carry out a request, or end the guest. */
void rng_must_work(void);
void disk_must_work(void);

#endif
