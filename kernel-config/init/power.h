/* SPDX-License-Identifier: Apache-2.0 */
/* The guest's end. PID 1 only. */
#ifndef MOTE_INIT_POWER_H
#define MOTE_INIT_POWER_H

#include <stdbool.h>

/*
 * Stop every other process and wait until they are gone, 2 s at most. With ask, they get SIGTERM
 * and 1 s before SIGKILL.
 */
void power_stop_all(bool ask);

/*
 * The kernel calls its last words, "reboot: Power down", an emergency, and prints them whatever its
 * log level is. For a command whose output is somebody's data they are noise: where the level is
 * that of `quiet` or less, it becomes 0. Panics and oopses raise it again. Needs /proc, else does
 * nothing.
 */
void power_hush(void);

/* Stop every other process, leave clean disks, and power off, or reset where that does not work. */
_Noreturn void power_off(void);

/* The same, but reset the machine. */
_Noreturn void power_reset(void);

#endif
