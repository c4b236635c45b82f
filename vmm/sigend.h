/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Signals that end the process, but not before all is given back: they are held back, the loop
 * learns of them, and in the end the process dies of the one that came. Main thread.
 */
#ifndef MOTE_VMM_SIGEND_H
#define MOTE_VMM_SIGEND_H

#include <signal.h>

#include "vmm/compiler.h"

/* Holds the signals of `set` back. Returns a descriptor that is readable while one waits, which is
 * not to be read; or -errno. */
int sigend_hold(const sigset_t *set) MUST_CHECK;

/* Which one waits; 0 = none. */
int sigend_waiting(void);

/* Delivers what waits. Returns when nothing does: from then on a signal has its usual effect. */
void sigend_release(void);

#endif
