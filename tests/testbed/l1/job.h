/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTBED_L1_JOB_H
#define TESTBED_L1_JOB_H

#include <stdint.h>

struct request;

/** struct job_result - how the command ended, and how many bytes it wrote. */
struct job_result {
	int status;   /* exit status as a shell gives it: 128 + N for signal N */
	uint64_t out; /* bytes sent to the stdout port */
	uint64_t err; /* bytes sent to the stderr port */
};

/**
 * job_run() - run the command, copy what it writes, end whatever it leaves behind
 * @req: the command
 * @ctl: control port; a 'T' byte that arrives here ends the command early
 * @out: port for its standard output
 * @err: port for its standard error
 *
 * Returns when every process that the command started is gone and all output is in the ports.
 */
struct job_result job_run(const struct request *req, int ctl, int out, int err);

#endif
