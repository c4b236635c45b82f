/* SPDX-License-Identifier: Apache-2.0 */
/* Well-formed UTF-8 (Unicode 15, table 3-7), and text of strangers for messages. Any thread. */
#ifndef MOTE_VMM_UTF8_H
#define MOTE_VMM_UTF8_H

#include <stddef.h>

/* Bytes of the character that begins at `p`, of which `len` bytes may be looked at: 1 to 4; 0 when
 * it is malformed, cut off, or `len` is 0. */
size_t utf8_char(const char *p, size_t len);

/*
 * Copies `text` into `out` (`cap` at least 6) in quotes, with control characters, quotes and
 * malformed bytes written as escapes, and "..." for what does not fit. Returns `out`.
 */
const char *utf8_quote(const char *text, char *out, size_t cap);

#endif
