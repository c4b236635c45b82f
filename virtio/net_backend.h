/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's end of a network device: where frames go and come from. Each frame has a header of
 * NET_HEADER bytes before it (virtio 1.2 §5.1.6), here and on the way to every backend.
 *
 *	net_tap.c	a tap, or a macvtap's or ipvtap's device file: the kernel takes headers as
 *they are, and does what the guest left undone net_stream.c	a program behind a Unix stream
 *socket, such as passt: plain frames only, so the guest is offered nothing that somebody else would
 *have to finish
 */
#ifndef MOTE_VIRTIO_NET_BACKEND_H
#define MOTE_VIRTIO_NET_BACKEND_H

#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "vmm/compiler.h"
#include "vmm/err.h"

#define NET_HEADER 12 /* struct virtio_net_hdr_v1 */

/* The longest frame, with its header: 64 KiB in one segment and an Ethernet header (§5.1.6.3.1). */
#define NET_FRAME_MAX 65562u

struct net_backend;
struct net_stream;

/* All of them on the event loop's thread, and none of them blocks. */
struct net_backend_ops {
	/* The guest may leave checksums and segmentation to the other end. */
	bool takes_headers;
	/*
	 * Puts one frame into `iov`, which has room for the longest one: its length, or -errno:
	 * -EAGAIN when there is none. The memory is the guest's.
	 */
	ssize_t (*receive)(struct net_backend *b, const struct iovec *iov, int nr);
	/*
	 * Sends one frame of NET_HEADER to NET_FRAME_MAX bytes: its length, or -errno and nothing
	 * is sent: -EAGAIN when there is no room now.
	 */
	ssize_t (*send)(struct net_backend *b, const struct iovec *iov, int nr);
	/* Sends what send() took and could not pass on: 0, -EAGAIN = some is left, -errno. */
	int (*flush)(struct net_backend *b);
	/* Says which offloads the guest takes, of those in b->offload: 0 or -errno. */
	int (*set_offload)(struct net_backend *b, unsigned int offload);
};

struct net_backend {
	const struct net_backend_ops *ops;
	int fd;			 /* -1 = closed; readable and writable as the backend is */
	unsigned int offload;	 /* TUN_F_*: what the other end can be told that the guest takes */
	unsigned int offload_on; /* what it was told last */
	struct net_stream *stream; /* the device's, while it runs; of net_stream.c */
};

/*
 * Opens what `name` says: "tap0" is an interface, which the kernel makes if we may and it is not
 * there; "/dev/tap7", with a slash, a device file; "unix:PATH" the socket of a program that listens
 * there; "fd:7" a descriptor of any of these that we inherited and that becomes ours. On failure *e
 * names it and what was expected, and nothing is held; a descriptor is then still the caller's.
 * Builder thread, as are the next two.
 */
int net_backend_open(struct net_backend *b, const char *name, struct err *e) MUST_CHECK;

/* A second handle on the same backend, with a descriptor of its own. -errno of fcntl. */
int net_backend_dup(struct net_backend *copy, const struct net_backend *b) MUST_CHECK;

void net_backend_close(struct net_backend *b);

/* An error of receive or send that will not pass. */
bool net_backend_lost(int error);

#endif
