/* SPDX-License-Identifier: Apache-2.0 */
/* ACPI 6.5 tables for a hardware-reduced machine: RSDP, XSDT, FADT, MADT and a DSDT in AML. */
#ifndef MOTE_VMM_X86_ACPI_H
#define MOTE_VMM_X86_ACPI_H

#include "vmm/err.h"
#include "vmm/gmem.h"
#include "vmm/x86/platform.h"

/*
 * Writes all tables at ACPI_GPA, the RSDP at RSDP_GPA and a fresh VM generation id (vmgenid.h). The
 * DSDT names the virtio-mmio windows (LNRO0005), which lie below 4 GiB, the serial ports (PNP0501),
 * the keyboard controller (PNP0303), a generic event device (ACPI0013) whose interrupt GSI_VMGENID
 * notifies the VM generation id device at VMGENID_GPA, and _S5. Builder thread.
 * -EINVAL: too many vCPUs or devices; -EFAULT: guest memory too small; -ENOMEM.
 */
int acpi_write(const struct gmem *m, const struct platform *p, struct err *e) MUST_CHECK;

#endif
