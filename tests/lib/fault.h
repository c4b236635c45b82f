/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System calls that fail when a test wants them to. Every unit test is linked with
 * -Wl,--wrap for those in FAULT_CALLS of tests.mk; until fault_arm they do their work.
 */
#ifndef MOTE_TESTS_LIB_FAULT_H
#define MOTE_TESTS_LIB_FAULT_H

#include <stdbool.h>

/* The n-th wrapped call from now on (1 = the next) fails with `error`, a positive errno, once. */
void fault_arm(unsigned int n, int error);

/* Disarms. Returns true when the call failed, false when there were fewer than n. */
bool fault_disarm(void);

/* Open descriptors of this process, to show that a failed set-up left none behind. */
unsigned int fault_open_fds(void);

#endif
