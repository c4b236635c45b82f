/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A keyboard controller, as far as a microVM needs one: the reset command (0xfe to port 0x64), and
 * enough of a keyboard for Ctrl-Alt-Del to reach a guest that has the driver.
 */
#ifndef MOTE_VMM_I8042_H
#define MOTE_VMM_I8042_H

#include <pthread.h>
#include <stdint.h>

#include "vmm/bus.h"
#include "vmm/irq_line.h"

#define I8042_PORT  0x60u
#define I8042_PORTS 5u /* 0x60 data, 0x64 command and status */
#define I8042_QUEUE 32u

struct i8042 {
	pthread_mutex_t lock; /* guards all below */
	struct irq_line irq;
	void (*on_reset)(void *ctx); /* vCPU thread, without the lock */
	void *ctx;
	uint8_t config; /* command byte */
	uint8_t outport;
	uint8_t command; /* waiting for its parameter; 0 = none */
	uint8_t queue[I8042_QUEUE];
	uint8_t head;
	uint8_t count;
};

/* *k is zeroed storage; `irq` is copied. Builder thread. */
void i8042_init(struct i8042 *k, const struct irq_line *irq, void (*on_reset)(void *ctx),
		void *ctx);
void i8042_release(struct i8042 *k);

/*
 * Presses Ctrl-Alt-Del: in scan code set 2, as keyboards do, or in set 1 to a guest that has turned
 * the controller's translation on. -ENOSPC: the guest has not taken earlier keys. Any thread.
 */
int i8042_ctrl_alt_del(struct i8042 *k) MUST_CHECK;

/* Ports 0x60 to 0x64; `ctx` is the struct i8042. vCPU threads. */
extern const struct bus_ops i8042_bus_ops;

#endif
