/* SPDX-License-Identifier: Apache-2.0 */
/* An interrupt line, as a platform device has it: what raises it, without a word on how. */
#ifndef MOTE_VMM_IRQ_LINE_H
#define MOTE_VMM_IRQ_LINE_H

#include <stdint.h>

struct irq_line {
	void (*pulse)(void *ctx, uint32_t gsi); /* an edge; any thread */
	void *ctx;
	uint32_t gsi;
};

static inline void irq_pulse(const struct irq_line *l)
{
	l->pulse(l->ctx, l->gsi);
}

#endif
