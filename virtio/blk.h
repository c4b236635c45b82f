/* SPDX-License-Identifier: Apache-2.0 */
/* virtio-blk (virtio 1.2 §5.2): read, write, flush, get-id on a blk_file. */
#ifndef MOTE_VIRTIO_BLK_H
#define MOTE_VIRTIO_BLK_H

#include "virtio/blk_file.h"
#include "virtio/virtio_dev.h"

/* Counters, loop thread; read by anybody. */
struct blk_count {
	uint64_t read_bytes, read_count;
	uint64_t write_bytes, write_count;
	uint64_t flush_count;
	uint64_t update_count; /* times that the file was changed */
};

struct blk {
	struct virtio_dev dev;
	struct blk_file file;
	struct blk_count count;
	struct virtq_chain chain; /* the one being served */
};

/*
 * Prepares the device for vmmio_init; takes over `file`. `flush`: VIRTIO_BLK_F_FLUSH is offered, so
 * that what the guest flushed survives the host (cache type Writeback). Storage is the caller's.
 * Builder thread.
 */
void blk_init(struct blk *b, const struct blk_file *file, bool flush);

/*
 * Puts another disk into the running drive, and tells the driver of its size. Takes over `file`; it
 * must be as writable as the old one, since the driver has been told. Loop thread.
 */
void blk_change(struct blk *b, const struct blk_file *file);

#endif
