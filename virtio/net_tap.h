/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A backend that is a tap, found by its interface's name; a macvtap or ipvtap, by its device file;
 * or either, already open. Builder thread.
 */
#ifndef MOTE_VIRTIO_NET_TAP_H
#define MOTE_VIRTIO_NET_TAP_H

#include "virtio/net_backend.h"

extern const struct net_backend_ops net_tap_ops;

/* "tap0" or "/dev/tap7", see net_backend_open. */
int net_tap_open(struct net_backend *b, const char *name, struct err *e) MUST_CHECK;

/* The open tap `fd`; `name` is for messages. On failure `fd` is still the caller's. */
int net_tap_adopt(struct net_backend *b, int fd, const char *name, struct err *e) MUST_CHECK;

#endif
