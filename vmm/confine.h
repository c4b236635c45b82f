/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The walls that the monitor puts around itself: rights it gives up for good, seccomp, Landlock.
 *
 *   confine_begin     before anything of the user's is opened or listened to: main thread, alone
 *   confine_prepare   when the configuration is known, before threads are started
 *   confine_vcpu      in each vCPU's thread, before it enters the guest
 *   confine_loop      in the loop's thread, before a vCPU may enter the guest
 *
 * Each function with a struct confine takes NULL for "no walls" (tests of single parts).
 */
#ifndef MOTE_VMM_CONFINE_H
#define MOTE_VMM_CONFINE_H

#include <stdbool.h>

#include "vmm/compiler.h"
#include "vmm/err.h"
#include "vmm/seccomp.h"

/* Options of both faces of the program. */
struct confine_options {
	bool no_seccomp;
	bool seccomp_kill;
	bool core_dumps;
	bool unspoken; /* nobody can say anything to us before the guest runs: no filter until then
			*/
	const char *seccomp_filter; /* a file; NULL = built in */
};

/* What may still be opened once the guest runs. */
struct confine_files {
	bool read;
	bool write;
};

struct confine {
	struct seccomp_filters filters;
	bool core_dumps; /* then without Landlock, which would not let the kernel write one */
	/* Landlock's rules; -1 = none are in effect. */
	int nothing;
	int files;
};

/* -EINVAL with *e set when two of them contradict each other. */
int confine_check_options(const struct confine_options *o, struct err *e) MUST_CHECK;

int confine_begin(struct confine *c, const struct confine_options *o, struct err *e) MUST_CHECK;

/* May be called again when the start failed later. */
int confine_prepare(struct confine *c, struct confine_files files, struct err *e) MUST_CHECK;
int confine_vcpu(const struct confine *c, struct err *e) MUST_CHECK;
int confine_loop(struct confine *c, struct err *e) MUST_CHECK;

#endif
