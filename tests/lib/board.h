/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A machine with one virtio device and nothing else: guest memory, an event loop, the transport.
 * For unit, fuzz and race tests of the transport and the devices, on either side of the loop:
 *
 *   board_init, board_pump: everything on the caller's thread, events when board_pump asks
 *   board_init, board_run, ..., board_stop: the loop on a thread of its own, as in the monitor
 */
#ifndef MOTE_TESTS_LIB_BOARD_H
#define MOTE_TESTS_LIB_BOARD_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "tests/lib/driver.h"
#include "tests/lib/guest.h"
#include "virtio/virtio_mmio.h"
#include "vmm/evloop.h"

struct board {
	struct guest g;
	struct evloop loop;
	struct vmmio t;
	struct virtio_dev *dev;
	_Alignas(4096) uint8_t page[VMMIO_WINDOW]; /* of registers, as the guest reads it */
	int irq_fd;				   /* counts interrupts; read by board_irqs */
	struct ev_source end_source;
	int end_fd;
	pthread_t thread;
	bool running;
};

/* The usual guest memory, and `d` behind a transport. */
void board_init(struct board *b, struct virtio_dev *d);
/* The same in two steps, for a device that wants memory or loop when it is made. */
void board_prepare(struct board *b);
void board_plug(struct board *b, struct virtio_dev *d);
void board_release(struct board *b); /* of the device too */

/* Handles events until there are none. Without a thread only. */
void board_pump(struct board *b);

/* Starts and stops the thread; stopping closes the loop to calls. */
void board_run(struct board *b);
void board_stop(struct board *b);

/* With a thread: waits until what was signalled before has been handled. */
void board_settle(struct board *b);

/* Interrupts since the last time. */
uint64_t board_irqs(struct board *b);

/* Register accesses as a vCPU makes them: 32 bits. */
uint32_t board_read(struct board *b, uint32_t off);
void board_write(struct board *b, uint32_t off, uint32_t v);

/* The steps of a driver (virtio 1.2 §3.1.1): all up to FEATURES_OK, a queue, DRIVER_OK. */
void board_negotiate(struct board *b, uint64_t features);
void board_queue(struct board *b, uint32_t q, const struct virtq_regs *r);
void board_driver_ok(struct board *b);

/* All of the above for a device with one queue, whose rings come to lie at `gpa`. */
void board_start(struct board *b, struct driver *d, uint16_t size, uint64_t gpa, uint64_t features);

/*
 * Aborts unless the transport's state is one that a driver can bring about (virtio 1.2 §2.1, §2.2,
 * §4.2.2). No access may be under way.
 */
void board_check(const struct board *b);

/* Rings the doorbell of queue `q` by its register. */
void board_kick(struct board *b, uint32_t q);

#endif
