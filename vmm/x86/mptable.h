/* SPDX-License-Identifier: Apache-2.0 */
/* The MultiProcessor Specification 1.4 table, for guests without ACPI. */
#ifndef MOTE_VMM_X86_MPTABLE_H
#define MOTE_VMM_X86_MPTABLE_H

#include "vmm/err.h"
#include "vmm/gmem.h"
#include "vmm/x86/platform.h"

/* Writes the floating pointer and the table at MPTABLE_GPA, inside 1 KiB. Builder thread. */
int mptable_write(const struct gmem *m, const struct platform *p, struct err *e) MUST_CHECK;

#endif
