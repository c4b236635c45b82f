/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What vsock connections do (virtio 1.2 §5.10.6), between packets of the guest and Unix sockets of
 * the host. Knows nothing of virtqueues: the device hands packets in and asks for packets.
 *
 *      LINE --CONNECT--> REQUESTED --RESPONSE--> OPEN --SHUTDOWN--> (DRAINING) --> gone
 *      guest's REQUEST ------------------------^
 *
 * Payload is read and written straight from and to guest memory. Only what a socket does not take
 * is kept, at most VSOCK_BUF_LEN a connection, which is the credit that the guest gets. Towards the
 * guest nothing is kept: bytes stay in the socket until the guest has room for them.
 *
 * Event-loop thread only.
 */
#ifndef MOTE_VIRTIO_VSOCK_CONN_H
#define MOTE_VIRTIO_VSOCK_CONN_H

#include <linux/virtio_vsock.h>
#include <stdbool.h>

#include "virtio/iov.h"
#include "virtio/vsock_table.h"

#define VSOCK_PACKET_MAX  65536u /* bytes of payload; also of one read */
#define VSOCK_CREDIT_STEP 4096u	 /* the guest hears of new credit when it has less than this */

/* Takes in a packet of the guest: its header, which was copied, and what follows it. */
void vsock_conns_receive(struct vsock_conns *s, const struct virtio_vsock_hdr *h,
			 const struct iov_span *payload);

/* Is there, perhaps, something for the guest? */
bool vsock_conns_pending(const struct vsock_conns *s);

/*
 * The next packets for the guest, of one connection, in turns among them. `room` are `nr` buffers
 * of the guest's, each larger than a header, with VSOCK_IOV_MAX segments in all: the payload is put
 * behind the places of the headers, which the caller puts in. Returns the number of packets, each
 * in a buffer of its own; 0: there was nothing after all.
 */
unsigned int vsock_conns_next(struct vsock_conns *s, struct virtio_vsock_hdr *h,
			      const struct iov_span *room, unsigned int nr) MUST_CHECK;

/*
 * What the host's side (vsock_host.h) tells of a connection, which may be gone afterwards: events
 * of its socket; that its client asked for `port` of the guest; that its time is up.
 */
void vsock_conn_event(struct vsock_conn *c, uint32_t events);
void vsock_conn_request(struct vsock_conn *c, uint32_t port);
void vsock_conn_expire(struct vsock_conn *c);

#endif
