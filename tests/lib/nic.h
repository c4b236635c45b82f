/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A network device whose tap is one end of a socket pair that keeps frames apart: what is written
 * to `wire` arrives at the device, what the device sends can be read there.
 *
 * Guest memory: the receive queue's rings at 0, the transmit queue's at NIC_TX_RINGS.
 */
#ifndef MOTE_TESTS_LIB_NIC_H
#define MOTE_TESTS_LIB_NIC_H

#include "tests/lib/board.h"
#include "virtio/net.h"

#define NIC_SIZE     16
#define NIC_TX_RINGS 0x1000u
#define NIC_RX	     0u
#define NIC_TX	     1u

struct nic {
	struct net net;
	struct board b;
	struct driver rx, tx;
	int wire;
};

/* A device as `c` says, but for its tap, and with the driver's queues up to DRIVER_OK. */
void nic_init(struct nic *nic, const struct net_config *c, uint64_t features);

/* The same, but it is a stream with lengths before the frames (net_stream.h). */
void nic_init_stream(struct nic *nic, const struct net_config *c, uint64_t features);

void nic_release(struct nic *nic);

#endif
