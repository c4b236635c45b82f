/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-rng (virtio 1.2 §5.4): entropy from the host's getrandom(2). The smallest device there is,
 * and the template for new ones.
 */
#ifndef MOTE_VIRTIO_RNG_H
#define MOTE_VIRTIO_RNG_H

#include "virtio/virtio_dev.h"

struct rng {
	struct virtio_dev dev;
	struct virtq_chain chain; /* the one being served */
	uint64_t bytes;		  /* that the guest got */
};

/* Prepares the device for vmmio_init. Storage is the caller's. Builder thread. */
void rng_init(struct rng *r);

#endif
