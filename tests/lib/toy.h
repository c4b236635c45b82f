/* SPDX-License-Identifier: Apache-2.0 */
/* A virtio device with two queues that does nothing but remember what the transport told it. */
#ifndef MOTE_TESTS_LIB_TOY_H
#define MOTE_TESTS_LIB_TOY_H

#include <linux/virtio_config.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/lib/board.h"
#include "virtio/virtio_dev.h"

/* The status bits (virtio 1.2 §2.1), short. */
enum {
	ACK = VIRTIO_CONFIG_S_ACKNOWLEDGE,
	DRIVER = VIRTIO_CONFIG_S_DRIVER,
	FEATURES_OK = VIRTIO_CONFIG_S_FEATURES_OK,
	DRIVER_OK = VIRTIO_CONFIG_S_DRIVER_OK,
	NEEDS_RESET = VIRTIO_CONFIG_S_NEEDS_RESET,
	FAILED = VIRTIO_CONFIG_S_FAILED,
};

#define VERSION_1      (1ull << VIRTIO_F_VERSION_1)
#define TOY_FEATURES   (1ull << 3 | 1ull << 40) /* its own, with VERSION_1 and EVENT_IDX */
#define TOY_SIZE       8			/* entries of the queues that toy_start sets up */
#define TOY_CONFIG     "0123456789ab"		/* of which the guest sees the first ten bytes */
#define TOY_CONFIG_LEN 10

struct toy {
	struct virtio_dev dev;
	struct virtq_chain chain[2];
	unsigned int activated;
	unsigned int resets;
	unsigned int kicked[2];
	unsigned int released;
	uint64_t features_seen;
	struct driver *feed; /* a driver that offers another chain while one is served */
	char order[64];	     /* 'a' + queue for each chain served */
	unsigned int served;
};

void toy_init(struct toy *toy);

/*
 * Drives the toy on `b` up to DRIVER_OK, with both queues, d[0] and d[1], at addresses 0 and
 * 0x1000. Each of their descriptors is a writable buffer of 16 bytes. Forgets the first kicks.
 */
void toy_start(struct toy *toy, struct board *b, struct driver *d);

#endif
