/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decoder for what a terminal with PARMRK delivers (termios(3)): a serial BREAK is the bytes
 * 377 0 0, a byte X with a parity or framing error 377 0 X, and a plain byte 377 is 377 377.
 * Pure; one thread per struct.
 */
#ifndef MOTE_INIT_PARMRK_H
#define MOTE_INIT_PARMRK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct parmrk {
	uint8_t seen; /* how many bytes of an escape have been read: 0, 1 or 2 */
};

/*
 * Decode len bytes of src into dst, which has room for len bytes and may be src itself; escapes may
 * be split between calls. Stops behind the first BREAK and then sets *brk, which is otherwise left
 * alone; what follows a BREAK is dropped. A byte with an error is taken as it came. Returns the
 * number of bytes in dst.
 */
size_t parmrk_decode(struct parmrk *p, const uint8_t *src, size_t len, uint8_t *dst, bool *brk);

#endif
