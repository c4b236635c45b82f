/* SPDX-License-Identifier: Apache-2.0 */
/* What net.c and net_rx.c know of each other. Event-loop thread. */
#ifndef MOTE_VIRTIO_NET_IMPL_H
#define MOTE_VIRTIO_NET_IMPL_H

#include "virtio/net.h"
#include "vmm/mutants.h"

enum {
	RXQ,
	TXQ,
	NR_QUEUES
};

/* Frames of one round; then other devices get their turn. */
#define BUDGET 256u

static inline bool net_queue_runs(const struct virtq *vq)
{
	return MUT_QUEUE_RUNS(vq->enabled && vq->fault == VIRTQ_OK);
}

/* Waits for those events of the backend that something can be done about. */
void net_watch(struct net *n);

/* The backend is no more, for good. */
void net_gone(struct net *n);

/* Receives what there is and what there are buffers for. */
void net_rx_run(struct net *n);

/* Gives kept buffers back to the queue; a frame that was begun stays with us, whole. */
void net_rx_settle(struct net *n);

/* Forgets the buffers: the queue is stopped, and they are the driver's again. */
void net_rx_forget(struct net_rx *rx);

#endif
