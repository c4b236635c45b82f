/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a device is to the transport, and the transport to a device.
 *
 * A device is a constant table of functions (struct virtio_ops) and its state, which begins with a
 * struct virtio_dev. The transport (virtio_mmio.h) owns registers, feature negotiation, queue
 * set-up and interrupts; a device hears of a queue only when it is checked and running.
 *
 * Threads: every function of the table is called on the event loop's thread, and so must every
 * function below. vCPU threads never enter a device.
 */
#ifndef MOTE_VIRTIO_VIRTIO_DEV_H
#define MOTE_VIRTIO_VIRTIO_DEV_H

#include <stdbool.h>
#include <stdint.h>

#include "virtio/rate_limit.h"
#include "virtio/virtq.h"
#include "vmm/compiler.h"

#define VIRTIO_MAX_QUEUES 5
#define VIRTIO_CONFIG_MAX 128 /* bytes of device configuration space */

struct virtio_dev;
struct vmmio;

struct virtio_ops {
	const char *name; /* for messages and metrics */
	uint32_t id;	  /* virtio 1.2 §5: device type */
	uint16_t nr_queues;
	uint16_t queue_max; /* entries, at most VIRTQ_SIZE_MAX */

	/* The driver said DRIVER_OK: queues run, d->driver_features is final. NULL = nothing to do.
	 */
	void (*activate)(struct virtio_dev *d);
	/* The driver resets the device. When it returns, nothing touches guest memory any more. */
	void (*reset)(struct virtio_dev *d);
	/*
	 * The machine is to stand still: when it returns, everything that was taken from a queue is
	 * completed. NULL = nothing is ever in flight.
	 */
	void (*settle)(struct virtio_dev *d);
	/* The driver notified queue `q`. */
	void (*kick)(struct virtio_dev *d, unsigned int q);
	/* Frees what the device holds; the last call. */
	void (*release)(struct virtio_dev *d);
};

/* Counters, loop thread; read by anybody. `interrupts` may be fewer than the sum of the queues',
 * as one interrupt can be for several. */
struct virtio_stats {
	uint64_t kicks;		    /* notifications handled */
	uint64_t interrupts;	    /* used-buffer interrupts sent */
	uint64_t config_interrupts; /* of a changed configuration, or of a fault */
	uint64_t requests;	    /* chains completed */
	uint64_t failures;	    /* requests that the host could not do */
	uint64_t faults;	    /* times the guest broke the rules */
	struct {
		uint64_t kicks;
		uint64_t interrupts; /* that were, also, for this queue */
	} queue[VIRTIO_MAX_QUEUES];
};

struct virtio_dev {
	const struct virtio_ops *ops;
	struct vmmio *transport; /* set by vmmio_init */
	const struct gmem *mem;	 /* set by vmmio_init */
	uint64_t features;	 /* offered: VIRTIO_F_VERSION_1 and the device's own */
	uint64_t driver_features;
	struct virtq vq[VIRTIO_MAX_QUEUES];
	uint32_t config_len; /* bytes of `config` that the guest may read */
	uint8_t config[VIRTIO_CONFIG_MAX];
	/* Bytes of `config` that the driver may write, and what it wrote goes with a reset. */
	uint32_t config_rw_off, config_rw_len;
	struct virtio_stats stats;
	struct rate_limit limit; /* of what virtio_drain serves; see there */
};

/*
 * Publishes what was pushed to queue `q` and interrupts the driver when it wants that. Once after a
 * batch, not once a request.
 */
void virtio_notify(struct virtio_dev *d, unsigned int q);

/* The same of several queues (bit Q: queue Q), with one interrupt at most. */
void virtio_notify_queues(struct virtio_dev *d, unsigned int queues);

/*
 * Called when virtq_pop on queue `q` returned an error: the guest broke the rules. Stops the
 * device, sets DEVICE_NEEDS_RESET (§2.1.1) and counts it; everything else goes on.
 */
void virtio_broken(struct virtio_dev *d, unsigned int q);

/* Has the loop call `kick` for queue `q` in its next round: for a device that had its share. */
void virtio_again(struct virtio_dev *d, unsigned int q);

/* From `one` of virtio_drain: the chain is completed later. */
#define VIRTIO_LATER UINT32_MAX

/* Completes a chain that was kept; virtio_notify follows, once after a batch. */
void virtio_complete(struct virtio_dev *d, unsigned int q, uint16_t head, uint32_t written);

/*
 * Works through queue `q`: pops chains into *c, has `one` handle each (it returns the number of
 * bytes written into the chain, or VIRTIO_LATER when it has kept what it needs of *c and will call
 * virtio_complete), and takes care of notification, interrupts, faults and fairness: after a
 * queue's worth of chains it comes back by a new event, so that other devices get their turn.
 *
 * d->limit holds it up: none until rate_limit_set(&d->limit, ...), which is possible from
 * vmmio_init on. A request counts as the bytes that it gave or got, with the device's header. Only
 * for a device whose queue 0 is the one that is limited.
 */
void virtio_drain(struct virtio_dev *d, unsigned int q, struct virtq_chain *c,
		  uint32_t (*one)(struct virtio_dev *d, struct virtq_chain *c));

/* The same, but the notification is left to the caller, who has more to do in this turn. */
void virtio_serve(struct virtio_dev *d, unsigned int q, struct virtq_chain *c,
		  uint32_t (*one)(struct virtio_dev *d, struct virtq_chain *c));

#endif
