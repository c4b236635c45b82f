/* SPDX-License-Identifier: Apache-2.0 */
/* `mote run`: boot this kernel now, with the console on this terminal. */
#ifndef MOTE_VMM_RUN_H
#define MOTE_VMM_RUN_H

#include <stdint.h>

/*
 * The exit statuses of `mote run`, apart from 0 and from what the guest's command returned. 152 and
 * 153 are Firecracker's.
 */
enum run_exit {
	RUN_TRIPLE_FAULT = 122, /* the guest crashed */
	RUN_NO_STATUS = 123,	/* the guest ended, or was left, before its command did */
	RUN_FAILED = 125,	/* the host's fault: KVM, memory, a device */
	RUN_BAD_CALL = 148,	/* a system call that the filters refuse */
	RUN_BAD_CONFIG = 152,	/* kernel, initrd, disk or size that cannot be used */
	RUN_BAD_ARGUMENT = 153,
};

/*
 * Runs the subcommand with its own argv (argv[0] = "run"); returns the exit status of the process.
 * `start_ns`: CLOCK_MONOTONIC at the start of the process.
 */
int run_main(int argc, char **argv, uint64_t start_ns);

#endif
