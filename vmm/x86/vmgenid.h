/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The VM generation id: 16 bytes that change whenever a VM starts from a state in which another one
 * has started too (Microsoft's "Virtual Machine Generation ID" paper). A guest that sees a new one
 * reseeds its random numbers.
 */
#ifndef MOTE_VMM_X86_VMGENID_H
#define MOTE_VMM_X86_VMGENID_H

#include "vmm/compiler.h"
#include "vmm/err.h"
#include "vmm/gmem.h"

#define VMGENID_LEN 16u

/*
 * Writes a fresh random id at VMGENID_GPA. Called for a new VM by acpi_write(), and after a restore
 * by whoever restores, before GSI_VMGENID is raised. Builder thread, or with the vCPUs stopped.
 */
int vmgenid_write(const struct gmem *m, struct err *e) MUST_CHECK;

#endif
