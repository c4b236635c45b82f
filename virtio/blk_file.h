/* SPDX-License-Identifier: Apache-2.0 */
/* The disk behind virtio-blk: a regular file or a block device, accessed synchronously. */
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
	uint64_t sectors; /* of 512 bytes; a rest smaller than one is not shown to the guest */
	char id[BLK_ID_LENGTH];
};

/*
 * Opens `path`. An empty file is a disk without sectors, a placeholder until it is changed for a
 * real one. On failure *e names it and what was expected, and nothing is held.
 */
int blk_file_open(struct blk_file *f, const char *path, bool read_only, struct err *e) MUST_CHECK;

void blk_file_close(struct blk_file *f);

/* A second handle on the same disk, with a descriptor of its own. -errno of fcntl. */
int blk_file_dup(struct blk_file *copy, const struct blk_file *f) MUST_CHECK;

/*
 * Transfers exactly `len` bytes at byte offset `off` between the file and the segments, which it
 * changes. 0; -EIO when the file ends early (it was truncated under us); or what the kernel said.
 */
int blk_file_read(const struct blk_file *f, struct iovec *iov, int nr, uint64_t off, uint64_t len)
	MUST_CHECK;
int blk_file_write(const struct blk_file *f, struct iovec *iov, int nr, uint64_t off, uint64_t len)
	MUST_CHECK;

/* Everything written before is on stable storage when it returns 0. */
int blk_file_flush(const struct blk_file *f) MUST_CHECK;

#endif
