// SPDX-License-Identifier: Apache-2.0
/* vCPU threads, and whoever presses keys; k->lock between them. */
#include "vmm/i8042.h"

#include <errno.h>
#include <stdbool.h>
#include <unistd.h>

#include "vmm/util.h"

enum {
	OFF_DATA = 0,
	OFF_COMMAND = 4,
};

enum {
	CMD_READ_CONFIG = 0x20,
	CMD_WRITE_CONFIG = 0x60,
	CMD_DISABLE_AUX = 0xa7,
	CMD_ENABLE_AUX = 0xa8,
	CMD_TEST_AUX = 0xa9,
	CMD_SELF_TEST = 0xaa,
	CMD_TEST_KBD = 0xab,
	CMD_DISABLE_KBD = 0xad,
	CMD_ENABLE_KBD = 0xae,
	CMD_READ_OUTPORT = 0xd0,
	CMD_WRITE_OUTPORT = 0xd1,
	CMD_RESET = 0xfe,
};

#define STATUS_OUTPUT_FULL 0x01
#define STATUS_SYSTEM	   0x04
#define STATUS_KBD_ON	   0x10
#define CONFIG_KBD_IRQ	   0x01
#define CONFIG_SYSTEM	   0x04
#define CONFIG_KBD_OFF	   0x10
#define CONFIG_TRANSLATE   0x40 /* from scan code set 2 to set 1 */
#define KBD_ACK		   0xfa

static void put(struct i8042 *k, uint8_t b)
{
	if (k->count < I8042_QUEUE)
		k->queue[(k->head + k->count++) % I8042_QUEUE] = b;
}

static void raise_irq(struct i8042 *k)
{
	if (k->count != 0 && (k->config & CONFIG_KBD_IRQ))
		irq_pulse(&k->irq);
}

static uint8_t take(struct i8042 *k)
{
	uint8_t b;

	if (k->count == 0)
		return 0;
	b = k->queue[k->head];
	k->head = (uint8_t)((k->head + 1) % I8042_QUEUE);
	k->count--;
	raise_irq(k); /* the next byte, if there is one */
	return b;
}

/* Returns true for a reset. */
static bool command(struct i8042 *k, uint8_t v)
{
	k->command = 0;
	switch (v) {
	case CMD_READ_CONFIG:
		put(k, k->config);
		break;
	case CMD_WRITE_CONFIG:
	case CMD_WRITE_OUTPORT:
		k->command = v;
		break;
	case CMD_TEST_AUX:
	case CMD_TEST_KBD:
		put(k, 0x00);
		break;
	case CMD_SELF_TEST:
		put(k, 0x55);
		break;
	case CMD_DISABLE_KBD:
		k->config |= CONFIG_KBD_OFF;
		break;
	case CMD_ENABLE_KBD:
		k->config &= (uint8_t)~CONFIG_KBD_OFF;
		break;
	case CMD_READ_OUTPORT:
		put(k, k->outport);
		break;
	case CMD_RESET:
		return true;
	case CMD_ENABLE_AUX:
	case CMD_DISABLE_AUX:
	default:
		break;
	}
	return false;
}

static void data(struct i8042 *k, uint8_t v)
{
	switch (k->command) {
	case CMD_WRITE_CONFIG:
		k->config = v;
		break;
	case CMD_WRITE_OUTPORT:
		k->outport = v;
		break;
	default: /* for the keyboard itself, which agrees to everything */
		put(k, KBD_ACK);
		raise_irq(k);
		break;
	}
	k->command = 0;
}

static void i8042_read(void *ctx, uint32_t off, void *data, uint32_t len)
{
	struct i8042 *k = ctx;
	uint8_t v = 0;

	if (len != 1)
		return;
	pthread_mutex_lock(&k->lock);
	if (off == OFF_COMMAND)
		v = STATUS_KBD_ON | STATUS_SYSTEM | (k->count > 0 ? STATUS_OUTPUT_FULL : 0);
	else if (off == OFF_DATA)
		v = take(k);
	pthread_mutex_unlock(&k->lock);
	*(uint8_t *)data = v;
}

static void i8042_write(void *ctx, uint32_t off, const void *bytes, uint32_t len)
{
	struct i8042 *k = ctx;
	uint8_t v;
	bool reset = false;

	if (len != 1)
		return;
	v = *(const uint8_t *)bytes;
	pthread_mutex_lock(&k->lock);
	if (off == OFF_COMMAND)
		reset = command(k, v);
	else if (off == OFF_DATA)
		data(k, v);
	pthread_mutex_unlock(&k->lock);
	if (reset)
		k->on_reset(k->ctx);
}

const struct bus_ops i8042_bus_ops = { .read = i8042_read, .write = i8042_write };

void i8042_init(struct i8042 *k, const struct irq_line *irq, void (*on_reset)(void *ctx), void *ctx)
{
	pthread_mutex_init(&k->lock, NULL);
	k->irq = *irq;
	k->on_reset = on_reset;
	k->ctx = ctx;
	k->config = CONFIG_SYSTEM | CONFIG_KBD_IRQ;
}

void i8042_release(struct i8042 *k)
{
	pthread_mutex_destroy(&k->lock);
}

int i8042_ctrl_alt_del(struct i8042 *k)
{
	/* Press Ctrl, Alt, Delete (extended); release in reverse. */
	static const uint8_t set1[] = { 0x1d, 0x38, 0xe0, 0x53, 0xe0, 0xd3, 0xb8, 0x9d };
	static const uint8_t set2[] = { 0x14, 0x11, 0xe0, 0x71, 0xe0, 0xf0,
					0x71, 0xf0, 0x11, 0xf0, 0x14 };
	const uint8_t *codes;
	size_t nr;
	int r = 0;

	pthread_mutex_lock(&k->lock);
	codes = k->config & CONFIG_TRANSLATE ? set1 : set2;
	nr = k->config & CONFIG_TRANSLATE ? sizeof(set1) : sizeof(set2);
	if (k->count + nr > I8042_QUEUE)
		r = -ENOSPC;
	for (size_t i = 0; r == 0 && i < nr; i++)
		put(k, codes[i]);
	if (r == 0)
		raise_irq(k);
	pthread_mutex_unlock(&k->lock);
	return r;
}
