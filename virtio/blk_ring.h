/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Operations on one file that the kernel executes by itself: io_uring, by its system calls. Many
 * may be in flight, and they end in any order. What is added goes to the kernel with the next
 * blk_ring_submit, all of it by one call.
 *
 * The library for this (liburing) is larger than the part of the interface that is needed here: one
 * thread, one file, no polling.
 */
#ifndef MOTE_VIRTIO_BLK_RING_H
#define MOTE_VIRTIO_BLK_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "virtio/blk_file.h"
#include "vmm/compiler.h"
#include "vmm/err.h"

/* How many may be in flight: a queue's worth. Whoever adds keeps count. */
#define BLK_RING_DEPTH 256u

struct io_uring_sqe;
struct io_uring_cqe;

struct blk_ring {
	int fd;	       /* readable while something has ended and was not taken; -1 = no ring */
	uint32_t tail; /* of the submission queue, with what was added and not submitted */
	uint32_t sq_mask, cq_mask;
	uint32_t *sq_head, *sq_tail, *cq_head, *cq_tail; /* shared with the kernel */
	struct io_uring_sqe *sqes;
	struct io_uring_cqe *cqes;
	void *queues; /* the mappings */
	size_t queues_len, sqes_len;
};

/*
 * Makes a ring for the file `fd`, which stays the caller's. On failure *e says so in a line (a host
 * may forbid io_uring: ENOSYS without it or under seccomp, EPERM by its settings), and nothing is
 * held. Loop thread, or before the loop runs; all of these.
 */
int blk_ring_init(struct blk_ring *r, int fd, struct err *e) MUST_CHECK;

/* Nothing may be in flight. */
void blk_ring_release(struct blk_ring *r);

/* From now on the ring works on file `fd`. Nothing may be in flight. -errno. */
int blk_ring_set_file(struct blk_ring *r, int fd) MUST_CHECK;

/*
 * Adds an operation called `tag`. Its iovec and all that it points to stay where they are until it
 * has ended.
 */
void blk_ring_add(struct blk_ring *r, const struct blk_op *op, uint64_t tag);

/*
 * Hands over what was added, and waits until `wait_for` operations have ended that were not taken.
 * -errno: what was not taken by the kernel is still there, for blk_ring_take_back.
 */
int blk_ring_submit(struct blk_ring *r, unsigned int wait_for) MUST_CHECK;

/* Takes back the last operation that was added and not handed over. False: there is none. */
bool blk_ring_take_back(struct blk_ring *r, uint64_t *tag);

/* Next operation that has ended: its tag, and its bytes or -errno. False: none. */
bool blk_ring_next(struct blk_ring *r, uint64_t *tag, int32_t *result);

#endif
