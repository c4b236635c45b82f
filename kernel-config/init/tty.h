/* SPDX-License-Identifier: Apache-2.0 */
/* The two ways of using a terminal. Any process; the caller owns every descriptor. */
#ifndef MOTE_INIT_TTY_H
#define MOTE_INIT_TTY_H

/*
 * Open /dev/NAME with the flags of open(2), close-on-exec, without making it the controlling
 * terminal. Returns the descriptor, or -errno after saying it.
 */
int tty_open(const char *name, int flags);

/*
 * A byte stream: 8 bits, no echo, no translation, no signals. A BREAK and the byte 377 arrive as
 * parmrk.h says. The other side is held up by RTS when nobody reads. Returns 0 or -errno.
 */
int tty_raw(int fd);

/* For a person: lines, echo, signals; rows and cols unless 0. Returns 0 or -errno. */
int tty_cooked(int fd, unsigned short rows, unsigned short cols);

#endif
