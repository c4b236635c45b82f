/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-blk (virtio 1.2 §5.2): read, write, flush, get-id on a blk_file. */
#ifndef MOTE_VIRTIO_BLK_H
#define MOTE_VIRTIO_BLK_H

#include "virtio/blk_file.h"
#include "virtio/virtio_dev.h"

struct blk {
	struct virtio_dev dev;
	struct blk_file file;
	struct virtq_chain chain; /* the one being served */
};

/* Prepares the device for vmmio_init; takes over `file`. Storage is the caller's. Builder thread.
 */
void blk_init(struct blk *b, const struct blk_file *file);

#endif
