/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Firecracker's documented JSON form of filters: an object with one filter for each thread. "vmm"
 * and "api" are both our loop, "vcpu" is ours; "setup" and "loop" may be given by our names.
 */
#ifndef MOTE_SECCOMP_JSON_H
#define MOTE_SECCOMP_JSON_H

#include <stdbool.h>

#include "seccomp/policy.h"
#include "vmm/seccomp_file.h"

/* Fills `policy` and says in `given` which kinds the file has. */
void json_read(const char *path, struct policy policy[SECCOMP_KINDS], bool given[SECCOMP_KINDS]);

#endif
