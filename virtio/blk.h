/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-blk (virtio 1.2 §5.2): read, write, flush, get-id, discard, write zeroes on a blk_file.
 *
 * Two engines. Sync does each request when it is taken from the queue. Async gives it to the kernel
 * (blk_ring.h) and goes on; requests then end in any order. A file in memory has nothing to wait
 * for: it is served the first way by either.
 */
#ifndef MOTE_VIRTIO_BLK_H
#define MOTE_VIRTIO_BLK_H

#include "virtio/blk_file.h"
#include "virtio/blk_ring.h"
#include "virtio/virtio_dev.h"

/* Counters, loop thread; read by anybody. */
struct blk_count {
	uint64_t read_bytes, read_count;
	uint64_t write_bytes, write_count;
	uint64_t flush_count;
	uint64_t discard_count, discard_bytes;
	uint64_t zero_count, zero_bytes;
	uint64_t update_count; /* times that the file was changed */
};

struct blk_request;

struct blk {
	struct virtio_dev dev;
	struct blk_file file;
	struct blk_count count;
	struct virtq_chain chain; /* the one being served */

	struct blk_ring ring; /* engine Async; else its fd is -1 */
	struct evloop *loop;
	struct ev_source ended;	      /* the ring's */
	struct blk_request *requests; /* those in the ring, each at its chain's head */
	unsigned int nr_in_flight;
};

/*
 * Prepares the device for vmmio_init; takes over `file`. `flush`: VIRTIO_BLK_F_FLUSH is offered, so
 * that what the guest flushed survives the host (cache type Writeback). Storage is the caller's.
 * Builder thread.
 */
void blk_init(struct blk *b, const struct blk_file *file, bool flush);

/*
 * Makes the engine Async, between blk_init and vmmio_init. *e: the host has or allows no io_uring.
 * Memory for the requests is reserved here and used when there are as many. Builder thread.
 */
int blk_make_async(struct blk *b, struct evloop *loop, struct err *e) MUST_CHECK;

/* Whether the host lets us: blk_make_async without a device. */
int blk_check_async(struct err *e) MUST_CHECK;

/*
 * Puts another disk into the running drive, and tells the driver of its size. Takes over `file`; it
 * must be as writable as the old one, since the driver has been told. Waits for what is on its way
 * in the old one. 0, or -errno with the old one still there and `file` still the caller's. Loop
 * thread.
 */
int blk_change(struct blk *b, const struct blk_file *file) MUST_CHECK;

#endif
