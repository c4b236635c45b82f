/* SPDX-License-Identifier: Apache-2.0 */
/* Copies one descriptor to another, driven by poll(2). One thread. */
#ifndef MOTE_INIT_RELAY_H
#define MOTE_INIT_RELAY_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kernel-config/init/parmrk.h"

struct relay {
	int from, to; /* owned; -1 when closed */
	bool decode;  /* from is a terminal set up by tty_raw: a BREAK is the end */
	bool ended;   /* nothing more will be read */
	struct parmrk parmrk;
	uint32_t taken;	 /* bytes that came out of from and the decoder, modulo 2^32 */
	size_t off, len; /* what is yet to be written: buf[off] to buf[len - 1] */
	uint8_t buf[4096];
};

/*
 * Takes from and to, which must be non-blocking; a terminal as from may block, as it is only read
 * when it has something.
 */
void relay_init(struct relay *r, int from, int to, bool decode);

/* What to wait for: p->fd is -1, which poll ignores, when the relay is done. */
void relay_want(const struct relay *r, struct pollfd *p);

/*
 * Copy what can be copied now. At the end, or when the receiver is gone, closes both descriptors.
 * It does not read ahead of what it could write, so a slow receiver holds up the sender.
 */
void relay_step(struct relay *r);

bool relay_done(const struct relay *r);

#endif
