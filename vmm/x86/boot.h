/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What must lie in guest memory, and in the registers of the first vCPU, when the kernel's first
 * instruction runs: memory map, command line, and the structures of the boot protocol.
 */
#ifndef MOTE_VMM_X86_BOOT_H
#define MOTE_VMM_X86_BOOT_H

#include <linux/kvm.h>
#include <stdbool.h>

#include "vmm/err.h"
#include "vmm/gmem.h"
#include "vmm/loader.h"

/*
 * Whether a guest with this command line is to have ACPI tables. With "noapic", which firectl and
 * firecracker-containerd pass, Linux leaves the I/O APIC alone; and as our ACPI is of the
 * hardware-reduced kind, it takes the 8259 for missing, too, and its interrupts end in exceptions.
 * Without ACPI it uses the 8259, which serves GSIs up to 15.
 */
bool boot_has_acpi(const char *cmdline);

/*
 * Writes the command line (NUL-terminated, at most CMDLINE_MAX bytes with the NUL, else -E2BIG) and
 * either the PVH start info with module list and memory map (version 1, Xen's hvm_start_info), or
 * the zero page with e820 table, page tables (identity map of 4 GiB in 2 MiB pages) and GDT.
 * Builder thread. -EFAULT: guest memory too small for it.
 */
int boot_write(const struct gmem *m, const struct kernel_image *k,
	       const struct initrd_image *initrd, const char *cmdline, struct err *e) MUST_CHECK;

/*
 * Fills the registers for the kernel's entry. `sregs` comes in as KVM_GET_SREGS returned it.
 * PVH: 32-bit protected mode, flat segments, ebx = start info.
 * LINUX64: long mode with our page tables and GDT, rsi = zero page (Linux boot protocol, "64-bit
 * boot protocol").
 */
void boot_regs(const struct kernel_image *k, struct kvm_regs *regs, struct kvm_sregs *sregs);

#endif
