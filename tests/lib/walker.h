/* SPDX-License-Identifier: Apache-2.0 */
/* A queue in guest memory and the device's view of it: the fixture of the walker's unit tests. */
#ifndef MOTE_TESTS_LIB_WALKER_H
#define MOTE_TESTS_LIB_WALKER_H

#include <linux/virtio_ring.h>
#include <stdint.h>

#include "tests/lib/driver.h"
#include "tests/lib/guest.h"
#include "virtio/virtq.h"

#define EVENT_IDX (1ull << VIRTIO_RING_F_EVENT_IDX)
#define INDIRECT  (1ull << VIRTIO_RING_F_INDIRECT_DESC)

struct walker {
	struct guest g;
	struct driver d;
	struct virtq q;
	struct virtq_chain c;
};

/* Fresh rings of `size` entries at GUEST_LOW, taken into use. */
void walker_enable(struct walker *w, uint16_t size, uint64_t features);

/* The next pop breaks the queue for this reason, and it stays broken. cmocka tests only. */
void walker_breaks(struct walker *w, enum virtq_fault why);

#endif
