/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-vsock (virtio 1.2 §5.10): stream connections between the guest and Unix sockets of the
 * host. This is the device: queues and packets; vsock_conn.h has the connections.
 */
#ifndef MOTE_VIRTIO_VSOCK_H
#define MOTE_VIRTIO_VSOCK_H

#include "virtio/iov.h"
#include "virtio/virtio_dev.h"
#include "virtio/vsock_table.h"

#define VSOCK_BATCH 32u /* buffers for one read; Linux's hold 3.7 KiB each, so 64 KiB need 18 */

/*
 * Buffers of the guest's that were popped and are not used yet, in the queue's order. Their
 * segments are copied to conns.m->held_iov, of which nr_iov are in use.
 */
struct vsock_held {
	uint16_t nr;
	uint16_t nr_iov;
	uint16_t wanted; /* so many for the next read: twice as many when one has filled them all */
	uint16_t head[VSOCK_BATCH];
	struct iov_span room[VSOCK_BATCH];
};

struct vsock {
	struct virtio_dev dev;
	struct vsock_conns conns;
	struct vsock_held held;
	struct virtq_chain tx; /* the one being served */
	struct virtq_chain rx; /* the one being popped */
	uint16_t quiet;	       /* served chains that the driver need not hear of soon */
	bool tell_tx;	       /* others were served in this turn */
};

/*
 * Prepares the device for vmmio_init; takes over `uds`. Storage is the caller's. On failure *e has
 * the reason, and `uds` stays the caller's. Builder thread.
 */
int vsock_init(struct vsock *v, const struct vsock_uds *uds, uint32_t guest_cid, struct err *e)
	MUST_CHECK;

/*
 * Tells the driver that its connections are gone (§5.10.6.6): after a snapshot was taken. -EAGAIN:
 * the driver gave no buffer for it, or does not run. Loop thread.
 */
int vsock_transport_reset(struct vsock *v) MUST_CHECK;

#endif
