/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The terminal that a person sits at: put into raw mode so that every key reaches the guest, and
 * given back on every way out of the process that can be caught. One terminal a process.
 */
#ifndef MOTE_VMM_TERM_H
#define MOTE_VMM_TERM_H

#include <stdbool.h>

/* True when `fd` is a terminal and we are its foreground process group. */
bool term_usable(int fd);

/* Raw mode, until term_restore, exit() or a fatal signal. 0 or -errno. Main thread. */
int term_raw(int fd);

/* Gives the terminal back; harmless when it was not taken. Async-signal-safe. */
void term_restore(void);

#endif
