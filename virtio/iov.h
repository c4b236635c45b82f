/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A device sees a chain as two byte streams, what it reads and what it writes; how the driver cut
 * them into descriptors means nothing (virtio 1.2 §2.7.4). A span is one such stream, consumed
 * from either end. It changes the iovec array that it was made from.
 */
#ifndef MOTE_VIRTIO_IOV_H
#define MOTE_VIRTIO_IOV_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "vmm/compiler.h"

struct virtq_chain;

struct iov_span {
	struct iovec *iov;
	int nr;
	uint64_t len; /* bytes left */
};

/* The chain's readable and writable streams. The chain must outlive them. */
struct iov_span iov_readable(struct virtq_chain *c);
struct iov_span iov_writable(struct virtq_chain *c);

/* Takes `n` bytes off the front into `dst`. -EINVAL, and nothing taken: fewer are left. */
int iov_take(struct iov_span *s, void *dst, size_t n) MUST_CHECK;

/* Moves past the first `n` bytes, n <= s->len. */
void iov_skip(struct iov_span *s, size_t n);

/* Writes `n` bytes at the front and moves past them. -EINVAL, and nothing written: no room. */
int iov_put(struct iov_span *s, const void *src, size_t n) MUST_CHECK;

/* Splits the last `n` bytes off into *tail, which must lie inside one segment: use n = 1. */
int iov_split_tail(struct iov_span *s, size_t n, struct iovec *tail) MUST_CHECK;

#endif
