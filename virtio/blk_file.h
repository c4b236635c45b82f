/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The disk behind virtio-blk: a regular file or a block device, and what can be done with it. Here
 * each operation is done when its function returns; blk_ring.h has those that go on meanwhile.
 */
#ifndef MOTE_VIRTIO_BLK_FILE_H
#define MOTE_VIRTIO_BLK_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "vmm/compiler.h"
#include "vmm/err.h"

#define BLK_SECTOR    512u
#define BLK_ID_LENGTH 20 /* virtio 1.2 §5.2.6: not NUL-terminated when full */

struct blk_file {
	int fd;
	bool read_only;
	bool in_memory;	  /* on a file system without a device under it: nothing to wait for */
	uint64_t sectors; /* of 512 bytes; a rest smaller than one is not shown to the guest */
	char id[BLK_ID_LENGTH];
};

enum blk_op_kind {
	BLK_READ,
	BLK_WRITE,
	BLK_FLUSH,
	BLK_DISCARD,	/* the contents may be lost, the room given back */
	BLK_ZERO,	/* zeroes, with the room kept */
	BLK_ZERO_UNMAP, /* zeroes, and the room may be given back */
};

/* One operation: `len` bytes at byte offset `off`; segments for reading and writing only. */
struct blk_op {
	enum blk_op_kind kind;
	int nr;
	struct iovec *iov;
	uint64_t off, len;
};

/*
 * Opens `path`. An empty file is a disk without sectors, a placeholder until it is changed for a
 * real one. On failure *e names it and what was expected, and nothing is held.
 */
int blk_file_open(struct blk_file *f, const char *path, bool read_only, struct err *e) MUST_CHECK;

/* Gives the disk another name for the guest: up to BLK_ID_LENGTH bytes of it. */
void blk_file_set_id(struct blk_file *f, const char *id);

void blk_file_close(struct blk_file *f);

/* A second handle on the same disk, with a descriptor of its own. -errno of fcntl. */
int blk_file_dup(struct blk_file *copy, const struct blk_file *f) MUST_CHECK;

/*
 * Does exactly this; it changes *op and its segments. 0; -EIO when the file ends early (it was
 * truncated under us); -EOPNOTSUPP for a BLK_DISCARD that the file system cannot do; or what the
 * kernel said. After BLK_FLUSH everything written before is on stable storage.
 */
int blk_file_do(const struct blk_file *f, struct blk_op *op) MUST_CHECK;

/*
 * What follows when the kernel has done an operation with `result`, its bytes or -errno. 1: it is
 * to be given the rest of it, which *op now says. Otherwise the operation is over, with 0 or
 * -errno. What the kernel only would do while we wait is done here.
 */
int blk_file_done(const struct blk_file *f, struct blk_op *op, int32_t result) MUST_CHECK;

/* fallocate's mode for a kind that is none of the first three. */
int blk_file_mode(enum blk_op_kind kind);

#endif
