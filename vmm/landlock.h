/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Landlock: what files a thread may still reach, whatever its rights. Kernels since 5.13 have it,
 * if it is switched on; each version of its interface covers more.
 */
#ifndef MOTE_VMM_LANDLOCK_H
#define MOTE_VMM_LANDLOCK_H

#include <stdbool.h>

#include "vmm/compiler.h"
#include "vmm/err.h"

/*
 * Makes a set of rules under which nothing may be created, removed, renamed, executed or listed, no
 * TCP port used and no abstract socket connected to; files that exist may be opened for reading or
 * writing where these say so. Descriptors that are open already stay as they are. Returns the set's
 * descriptor; -EOPNOTSUPP, without *e, when the kernel has no Landlock.
 */
int landlock_rules(bool read, bool write, struct err *e) MUST_CHECK;

/* Puts the calling thread, and those it starts, under the rules, for good. Needs no_new_privs. */
int landlock_enter(int rules, struct err *e) MUST_CHECK;

#endif
