/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The driver's side of a split virtqueue (virtio 1.2 §2.7), for unit, fuzz and race tests. It does
 * what it is told, right or wrong: the rules are the device's to enforce.
 */
#ifndef MOTE_TESTS_LIB_DRIVER_H
#define MOTE_TESTS_LIB_DRIVER_H

#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/lib/guest.h"
#include "virtio/virtq.h"

/* Initializers of a descriptor that the device reads from or writes to. */
#define READS(gpa, len)            \
	{                          \
		(gpa), (len), 0, 0 \
	}
#define WRITES(gpa, len)                            \
	{                                           \
		(gpa), (len), VRING_DESC_F_WRITE, 0 \
	}

struct driver {
	const struct guest *g;
	struct virtq_regs regs; /* what to tell the device */
	uint16_t avail_idx;	/* as last published */
	uint16_t used_seen;
};

/* Room that the three rings of a queue of `size` take, bytes. */
uint64_t driver_bytes(uint16_t size);

/* Lays out a queue's rings one after the other from `gpa` (16-byte aligned), all zero. */
void driver_init(struct driver *d, const struct guest *g, uint16_t size, uint64_t gpa);

/* Writes descriptor `i` of the queue, or of a table anywhere in guest memory. */
void driver_desc(struct driver *d, uint16_t i, struct vring_desc desc);
void driver_table_desc(struct driver *d, uint64_t table, uint16_t i, struct vring_desc desc);

/*
 * Writes `nr` descriptors from `first`, linked in order (their flags gain NEXT), and offers the
 * chain.
 */
void driver_chain(struct driver *d, uint16_t first, const struct vring_desc *desc, uint16_t nr);

/* Puts `head` into the available ring and publishes it. */
void driver_offer(struct driver *d, uint16_t head);

/* Publishes an index of the available ring as it is told. */
void driver_set_avail_idx(struct driver *d, uint16_t idx);

/* Takes the next used element. False: there is none. */
bool driver_used(struct driver *d, struct vring_used_elem *e);

/* The driver's wish about interrupts: the flag, and the event index. */
void driver_set_avail_flags(struct driver *d, uint16_t flags);
void driver_set_used_event(struct driver *d, uint16_t idx);

/* The device's wish about notifications: the flag, and the event index. */
uint16_t driver_used_flags(const struct driver *d);
uint16_t driver_avail_event(const struct driver *d);

#endif
