/* SPDX-License-Identifier: Apache-2.0 */
/*
 * virtio-vsock (virtio 1.2 §5.10): stream connections between the guest and Unix sockets of the
 * host. This is the device: queues and packets; vsock_conn.h has the connections.
 */
#ifndef MOTE_VIRTIO_VSOCK_H
#define MOTE_VIRTIO_VSOCK_H

#include "virtio/virtio_dev.h"
#include "virtio/vsock_table.h"

struct vsock {
	struct virtio_dev dev;
	struct vsock_conns conns;
	struct virtq_chain tx; /* the one being served */
	struct virtq_chain rx; /* the next buffer for the guest */
	bool rx_held;	       /* it was popped and is not used yet */
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
