/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtio-mmio transport, version 2 (virtio 1.2 §4.2): one register window a device.
 *
 * Register accesses come on vCPU threads and only touch the register file, under its lock.
 * Whatever changes the running device (DRIVER_OK, reset, stopping a queue) is sent to the event
 * loop and waited for. So a request on its way from a kick to an interrupt takes no lock at all:
 * the loop owns the queues, the interrupt status is an atomic.
 */
#ifndef MOTE_VIRTIO_VIRTIO_MMIO_H
#define MOTE_VIRTIO_VIRTIO_MMIO_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>

#include "virtio/virtio_dev.h"
#include "vmm/bus.h"
#include "vmm/evloop.h"
#include "vmm/gmem.h"

#define VMMIO_WINDOW 0x1000u /* bytes */

/* Everything that the guest can see of the transport, in fixed-width fields: fit for a snapshot. */
struct vmmio_state {
	uint64_t driver_features;
	uint32_t device_features_sel;
	uint32_t driver_features_sel;
	uint32_t queue_sel;
	uint32_t status;
	uint32_t config_generation;
	uint32_t reserved;
	struct virtq_regs queue[VIRTIO_MAX_QUEUES];
};

/* What the transport needs from the machine. */
struct vmmio_host {
	const struct gmem *mem;
	struct evloop *loop;
	/*
	 * Memory of VMMIO_WINDOW zero bytes that the guest reads in the window's place, without an
	 * exit, or NULL: then each read comes to vmmio_bus_ops. Writes always do. Reads that the
	 * specification forbids are not counted then.
	 */
	void *page;
	void (*interrupt)(void *ctx, uint32_t line); /* raises the device's line; loop thread */
	void *ctx;
	uint32_t line;
};

/* The doorbell of one queue. */
struct vmmio_kick {
	struct vmmio *transport;
	unsigned int queue;
	int fd; /* eventfd: bind QueueNotify to it (ioeventfd) */
	struct ev_source source;
};

struct vmmio {
	struct virtio_dev *dev;
	struct evloop *loop;
	struct vmmio_host host;
	struct vmmio_kick kick[VIRTIO_MAX_QUEUES];
	_Atomic uint32_t *interrupt_status; /* in the page, or the next field */
	_Atomic uint32_t own_interrupt_status;
	_Atomic uint64_t register_faults; /* accesses that the specification forbids */
	bool active;			  /* loop thread: between DRIVER_OK and reset */
	pthread_mutex_t lock;		  /* guards the state below, and dev->config */
	struct vmmio_state state;
};

/*
 * Joins `d` and the transport. On success creates the kick eventfds and
 * watches them; -errno otherwise, with nothing taken. Builder thread.
 */
int vmmio_init(struct vmmio *t, struct virtio_dev *d, const struct vmmio_host *host) MUST_CHECK;

/* Stops the device, closes its descriptors and calls ops->release. Loop thread, no vCPU runs. */
void vmmio_release(struct vmmio *t);

/*
 * When it returns, all that the device took from its queues is completed: nothing touches guest
 * memory until it is notified again. Loop thread.
 */
void vmmio_settle(struct vmmio *t);

/*
 * The guest has ended: serves what it made available before, each queue once, whether its doorbell
 * was heard or not, and settles. Loop thread, no vCPU runs.
 */
void vmmio_finish(struct vmmio *t);

/* The register window; `ctx` is the struct vmmio. */
extern const struct bus_ops vmmio_bus_ops;

/*
 * Changes the configuration space and tells the driver (§4.2.2 ConfigGeneration, interrupt bit 1).
 * `off + len` lies inside VIRTIO_CONFIG_MAX. Loop thread.
 */
void vmmio_config_change(struct vmmio *t, uint32_t off, const void *data, uint32_t len);

/* What the driver wrote into the configuration space; same bounds. Loop thread. */
void vmmio_config_get(struct vmmio *t, uint32_t off, void *data, uint32_t len);

#endif
