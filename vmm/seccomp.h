/* SPDX-License-Identifier: Apache-2.0 */
/*
 * System call filters: one for each kind of thread, compiled by mote-seccomp from
 * seccomp/NAME.policy and built in, or from a file of the user's. A thread enters a filter for
 * good; filters add up, so that what one of them refuses stays refused.
 */
#ifndef MOTE_VMM_SECCOMP_H
#define MOTE_VMM_SECCOMP_H

#include <signal.h>
#include <stdbool.h>

#include "vmm/compiler.h"
#include "vmm/err.h"
#include "vmm/seccomp_file.h"

struct seccomp_filters {
	const struct seccomp_file *file; /* NULL = none: seccomp_enter does nothing */
};

/*
 * Takes the built-in filters, or those of file `path` where it is not NULL. `kill`: a refused call
 * kills the process at once instead of raising SIGSYS. -errno with *e set. Main thread, at start;
 * the memory is never given back.
 */
int seccomp_load(struct seccomp_filters *f, const char *path, bool kill, struct err *e) MUST_CHECK;

/*
 * Confines the calling thread, and those that it starts, to the filter of `kind`. The process must
 * have no_new_privs. Any thread.
 */
int seccomp_enter(const struct seccomp_filters *f, enum seccomp_kind kind, struct err *e)
	MUST_CHECK;

/* Logs which thread made which call, when SIGSYS came from a filter. For the signal's handler. */
void seccomp_explain(const siginfo_t *info);

/* Looks at the bytes of a filter file: 0, or -EINVAL with *e saying what is wrong with it. */
int seccomp_check_file(const void *data, size_t len, const char *name, struct err *e) MUST_CHECK;

#endif
