/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A network without privileges: passt, a program of its own, which turns the guest's packets into
 * ordinary sockets of the user's. It is started with one end of a socket pair and ends by itself
 * when the other one is closed, however we end; nothing is left to clean up.
 */
#ifndef MOTE_VMM_PASST_H
#define MOTE_VMM_PASST_H

#include "virtio/net_backend.h"

/* What the guest has to use; the host's own addresses are not told to it. */
#define PASST_GUEST   "10.0.2.15"
#define PASST_NETMASK "255.255.255.0"
#define PASST_GATEWAY "10.0.2.2"

/* Starts passt, found in PATH; *b is the way to it. -errno, with *e. Main thread, at set-up. */
int passt_start(struct net_backend *b, struct err *e) MUST_CHECK;

#endif
