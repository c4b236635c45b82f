/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's end of a network device: a tap, found by its interface's name; a macvtap or ipvtap, by
 * its device file; or either, already open, by its descriptor. Every frame that is read or written
 * has a header of NET_HEADER bytes before it (virtio 1.2 §5.1.6).
 */
#ifndef MOTE_VIRTIO_NET_TAP_H
#define MOTE_VIRTIO_NET_TAP_H

#include "vmm/compiler.h"
#include "vmm/err.h"

#define NET_HEADER 12 /* struct virtio_net_hdr_v1 */

struct net_tap {
	int fd;			 /* non-blocking; -1 = closed */
	unsigned int offload;	 /* TUN_F_*: what the host can be told that the guest takes */
	unsigned int offload_on; /* what it was told last */
};

/*
 * Opens what `name` says: "tap0" is an interface, which the kernel makes if we may and it is not
 * there; "/dev/tap7", with a slash, a device file; "fd:7" a descriptor that we inherited and that
 * becomes ours. On failure *e names it and what was expected, and nothing is held; a descriptor is
 * then still the caller's.
 */
int net_tap_open(struct net_tap *t, const char *name, struct err *e) MUST_CHECK;

/* A second handle on the same tap, with a descriptor of its own. -errno of fcntl. */
int net_tap_dup(struct net_tap *copy, const struct net_tap *t) MUST_CHECK;

void net_tap_close(struct net_tap *t);

/* Says which offloads the guest takes, of those in t->offload. -errno: the tap is gone. */
int net_tap_set_offload(struct net_tap *t, unsigned int offload) MUST_CHECK;

#endif
