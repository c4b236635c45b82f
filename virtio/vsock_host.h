/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sockets of vsock connections on the event loop: accepting clients and reading their CONNECT
 * lines, events, time-outs, and the transfers themselves. Event-loop thread only.
 *
 * Sockets are watched edge-triggered: who does not read them, because the guest has no room, is not
 * woken again and again.
 */
#ifndef MOTE_VIRTIO_VSOCK_HOST_H
#define MOTE_VIRTIO_VSOCK_HOST_H

#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "virtio/vsock_table.h"

/* Begins to accept clients and to watch time. -errno: neither. */
int vsock_host_start(struct vsock_conns *s, struct evloop *loop) MUST_CHECK;

/* Closes all connections, without a word to the guest, and stops. No effect when not started. */
void vsock_host_stop(struct vsock_conns *s);

/* A connection around `fd`, watched; takes fd in any case. NULL: no slot, or nobody watches. */
struct vsock_conn *vsock_host_adopt(struct vsock_conns *s, int fd) MUST_CHECK;

/* Closes its socket, if open, and empties its buffer. */
void vsock_host_close(struct vsock_conn *c);

/* Whether to hear when the socket has room again. */
void vsock_host_want_out(struct vsock_conn *c, bool want);

/* One transfer, without waiting: a number of bytes, or -errno. */
ssize_t vsock_host_send(const struct vsock_conn *c, struct iovec *iov, int nr) MUST_CHECK;

/* The same; 0 is the end. *all: fewer bytes than asked for were all there are. */
ssize_t vsock_host_receive(const struct vsock_conn *c, struct iovec *iov, int nr, bool *all)
	MUST_CHECK;

#endif
