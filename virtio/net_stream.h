/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A backend that is a program behind a Unix stream socket: before each frame its length, 32 bits in
 * network byte order, as QEMU's `-netdev stream` and passt have it. The header of virtio does not
 * go over the socket.
 *
 * What the other end sends is foreign input: a length that no frame has ends the connection for
 * good. A frame that the socket took in part is completed before the next one, from memory of ours.
 */
#ifndef MOTE_VIRTIO_NET_STREAM_H
#define MOTE_VIRTIO_NET_STREAM_H

#include <stdint.h>

#include "virtio/net_backend.h"
#include "virtio/virtq.h"

#define NET_STREAM_PREFIX 4u /* bytes of a length */

/* Pages of it that are not needed are never touched. */
struct net_stream {
	uint32_t in_begin, in_end;   /* of `in`: what came and was not taken */
	uint32_t out_begin, out_end; /* of `out`: the rest of a frame, to be sent before others */
	struct iovec iov[VIRTQ_IOV_MAX + 1];
	uint8_t in[2 * (NET_STREAM_PREFIX + NET_FRAME_MAX)];
	uint8_t out[NET_STREAM_PREFIX + NET_FRAME_MAX];
};

extern const struct net_backend_ops net_stream_ops;

/* Is `fd` a stream socket? Any thread. */
bool net_stream_is(int fd) MUST_CHECK;

/* Takes `fd` over. -errno of fcntl. Builder thread. */
int net_stream_adopt(struct net_backend *b, int fd) MUST_CHECK;

/* Connects to the socket at `path`. Builder thread. */
int net_stream_connect(struct net_backend *b, const char *path, struct err *e) MUST_CHECK;

/* Nothing came and nothing waits. */
void net_stream_init(struct net_stream *s);

#endif
