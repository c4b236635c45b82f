/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A 16550A UART: what the guest sees of a serial port. The host's side (console.h) takes what the
 * guest sent from a ring, and puts what it should receive into another.
 *
 * When nobody takes the output and the ring is full, the port says "transmitter busy", so that a
 * driver waits and nothing is lost; after serial_tx_give_up it drops (and counts) instead, so that
 * a console that is never read does not hold the guest up. Input is offered only while the driver
 * holds RTS, so that nothing is lost before the port is opened, or when the guest is throttled; and
 * where it was held back, only after the guest has said that it set the terminal up.
 */
#ifndef MOTE_VMM_SERIAL_H
#define MOTE_VMM_SERIAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmm/bus.h"
#include "vmm/irq_line.h"

#define SERIAL_PORTS	8u     /* I/O ports that a UART takes */
#define SERIAL_RING_LEN 16384u /* bytes, a power of two */
#define SERIAL_WINDOW	8192u  /* paced input that the guest's driver may hold */

struct serial_ring {
	uint32_t head; /* next to take; runs freely, masked on use */
	uint32_t tail; /* next to fill */
	uint8_t data[SERIAL_RING_LEN];
};

struct serial {
	pthread_mutex_t lock; /* guards all below */
	struct irq_line irq;
	int wake_fd; /* eventfd to the host side: output to take, or room for input */
	uint8_t ier, lcr, mcr, fcr, scratch, dll, dlm;
	uint8_t pending;   /* interrupt causes that the guest has been told of */
	bool thr_pending;  /* "transmitter empty" not yet acknowledged */
	bool tx_stalled;   /* the guest waits for room */
	bool dropping;	   /* the host side gave up: drop when full */
	bool break_queued; /* a break follows the queued input */
	bool rx_wanted;	   /* the host side waits for room */
	bool rx_held;	   /* input stays queued, whatever the driver says */
	bool rx_paced;	   /* so does what is more than SERIAL_WINDOW ahead of rx_taken */
	uint32_t rx_sent;  /* bytes that the driver read; runs freely, as does rx_taken */
	uint32_t rx_taken; /* of which the guest's program has these */
	uint64_t tx_bytes;
	uint64_t tx_dropped;
	struct serial_ring tx;
	struct serial_ring rx;
};

/* *s is zeroed storage. `irq` is copied, `wake_fd` stays the caller's. Builder thread. */
void serial_init(struct serial *s, const struct irq_line *irq, int wake_fd);
void serial_release(struct serial *s);

/*
 * Keeps input from the guest until serial_rx_open. `paced`: from then on, as serial_rx_taken says;
 * an emulated port has no speed, and a driver drops what it cannot store. Builder thread.
 */
void serial_rx_hold(struct serial *s, bool paced);

/* Any thread, both. `total` is the number of all bytes that were ever taken, modulo 2^32. */
void serial_rx_open(struct serial *s);
void serial_rx_taken(struct serial *s, uint32_t total);

/* The eight ports; `ctx` is the struct serial. vCPU threads. */
extern const struct bus_ops serial_bus_ops;

/* Loop thread, all of the following. */

/* Copies out up to `max` bytes of output without consuming them; returns how many. */
uint32_t serial_tx_peek(struct serial *s, void *dst, uint32_t max);
/* Drops the first `n` bytes of the output, which were written somewhere. */
void serial_tx_consume(struct serial *s, uint32_t n);
/* From now on, until output is consumed again: what does not fit is dropped. */
void serial_tx_give_up(struct serial *s);

/* Bytes of input that can be queued now; 0 also asks for a wake-up when there is room again. */
uint32_t serial_rx_room(struct serial *s);
/* Queues input; n <= serial_rx_room(). */
void serial_rx_push(struct serial *s, const void *src, uint32_t n);
/* Queues a break condition after the input: the guest's end-of-file mark. */
void serial_rx_break(struct serial *s);

#endif
