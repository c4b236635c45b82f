/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The report page: guest-physical 0xc0000000, where the monitor listens (through /dev/mem).
 *
 *	offset 0, 8 bits	123: init runs (the boot timer, as Firecracker defines it)
 *	offset 4, 32 bits	0..255: the command's exit status
 *	offset 8, 32 bits	1: the command's terminal is set up; input may be sent
 *	offset 12, 32 bits	how many bytes of input were taken from it so far, modulo 2^32
 *
 * Where nobody listens, the writes go nowhere and do no harm: only PID 1 of a guest may call these.
 */
#ifndef MOTE_INIT_REPORT_H
#define MOTE_INIT_REPORT_H

#include <stdint.h>

/*
 * Map the page and touch the boot timer: init's first deed, so it needs nothing but /dev/mem.
 * Returns the descriptor of /dev/mem, which closes on exec and is of no further use, or -errno;
 * then the others do nothing.
 */
int report_boot(void);

/* The command's terminal is ready for input. */
void report_ready(void);

/*
 * So many bytes of input were taken. An emulated serial port has no speed: who keeps what was sent
 * and not yet taken to less than 16 KiB loses nothing in the driver's buffers.
 */
void report_taken(uint32_t bytes);

/* The command has ended with this status (0..255). */
void report_status(unsigned int status);

#endif
