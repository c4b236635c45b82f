/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TESTBED_L1_REQUEST_H
#define TESTBED_L1_REQUEST_H

#include <stdbool.h>
#include <stddef.h>

#define REQUEST_MAX    (4u << 20) /* arguments and environment together: execve allows less */
#define REQUEST_SHARES 32	  /* virtio-9p devices that fit on the PCI root bus */

/**
 * struct request - what tests/testbed/run asks L1 to do
 * @argv: the command and its arguments, NULL-terminated
 * @envp: its whole environment, NULL-terminated
 * @cwd: working directory
 * @shares: paths of the writable shares; share number I has the 9p tag "rwI"
 * @nr_shares: how many
 * @rcu_expedited: switch L1's RCU to expedited grace periods
 *
 * All strings lie in one buffer that lives as long as process 1.
 */
struct request {
	char **argv;
	char **envp;
	const char *cwd;
	const char *shares[REQUEST_SHARES];
	unsigned int nr_shares;
	bool rcu_expedited;
};

/**
 * request_read() - read and decode the request
 * @fd: control port
 * @req: filled in
 *
 * On the wire: a 32-bit little-endian length, then that many bytes of records. A record is a
 * letter, a value, and a zero byte: A argument, E environment, C directory, W share, X expedited.
 * Anything else ends in l1_fail(). Called once.
 */
void request_read(int fd, struct request *req);

#endif
