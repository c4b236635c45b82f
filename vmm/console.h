/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The host's side of a serial port: carries bytes between the UART's rings and two descriptors,
 * without ever waiting for either. Event-loop thread.
 */
#ifndef MOTE_VMM_CONSOLE_H
#define MOTE_VMM_CONSOLE_H

#include <stdbool.h>
#include <stdint.h>

#include "virtio/rate_limit.h"
#include "vmm/err.h"
#include "vmm/evloop.h"
#include "vmm/serial.h"

/* What a person typed after the escape character, Ctrl-A. */
enum console_key {
	CONSOLE_EXIT,	      /* x: leave at once */
	CONSOLE_CTRL_ALT_DEL, /* d: ask the guest to reboot */
};

struct console_config {
	int in_fd;	      /* -1 = no input; stays the caller's */
	int out_fd;	      /* -1 = output is thrown away; stays the caller's */
	bool wait_for_reader; /* output is never dropped: a reader that is slow holds the guest */
	bool eof_as_break;    /* end of input is passed on as a break */
	bool paced;	      /* the guest says what it took, and gets no more than it can hold */
	struct rate_bucket_config limit; /* of output, bytes; what exceeds it is dropped */
	void (*on_key)(void *ctx, enum console_key key); /* NULL: no escape character */
	void *ctx;
};

struct console {
	struct console_config config;
	struct evloop *loop;
	struct serial *uart;
	int wake_fd; /* eventfd that the UART signals */
	int in_fd;   /* our own non-blocking descriptors, -1 = none */
	int out_fd;
	bool in_waits;	  /* for the UART to have room */
	bool out_blocked; /* waiting for the reader */
	bool escape;	  /* the last byte was Ctrl-A */
	struct rate_limit limit;
	uint32_t paid;	  /* the first bytes in the UART, which the limit has let pass */
	uint64_t dropped; /* bytes that it has not */
	uint64_t lost;	  /* bytes for which a disk had no room, or that a reader did not take */
	uint64_t errors;  /* times that it was */
	int timer_fd;	  /* runs while out_blocked, unless wait_for_reader */
	struct ev_source wake, in, out, timer;
};

/*
 * Makes the descriptors of the host's side. The UART is attached with console_attach, because it
 * needs c->wake_fd to be made. -errno with *e set on failure, nothing held.
 */
int console_init(struct console *c, struct evloop *loop, const struct console_config *config,
		 struct err *e) MUST_CHECK;
int console_attach(struct console *c, struct serial *uart, struct err *e) MUST_CHECK;

/*
 * Writes what the guest sent and nobody took yet. For a console that waits for its reader, until
 * all is written or the reader is gone; otherwise until the reader stops taking it for 100 ms.
 * After the guest has ended.
 */
void console_flush(struct console *c);

void console_release(struct console *c);

#endif
