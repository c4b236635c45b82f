/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest-physical map of an x86_64 microVM. Every fixed address that the guest or a client can
 * see stands here and nowhere else.
 *
 *   0x0000_0500   GDT (64-bit protocol)          0x0000_6000   PVH start info, module list, map
 *   0x0000_7000   zero page (64-bit protocol)    0x0000_9000   page tables (64-bit protocol)
 *   0x0002_0000   kernel command line            0x0009_fc00   MPTable, then ACPI tables from
 *   0x000a_0000   ACPI tables, VM generation id  0x000e_0000   RSDP
 *   0x0010_0000   RAM for kernel and initrd      0xc000_0000   report page, virtio-mmio windows
 *   0xfec0_0000   IOAPIC                         0xfee0_0000   local APIC
 *   0xfffb_c000   identity map, KVM's TSS        0x1_0000_0000 RAM above the hole
 */
#ifndef MOTE_VMM_X86_LAYOUT_H
#define MOTE_VMM_X86_LAYOUT_H

#include <stdint.h>

#define BOOT_GDT_GPA	    0x500u
#define BOOT_IDT_GPA	    0x520u
#define PVH_INFO_GPA	    0x6000u
#define PVH_MODLIST_GPA	    0x6040u
#define PVH_MEMMAP_GPA	    0x6100u
#define ZERO_PAGE_GPA	    0x7000u
#define BOOT_STACK_GPA	    0x8ff0u
#define BOOT_PML4_GPA	    0x9000u /* one PML4, one PDPT, four page directories: 0x9000-0xefff */
#define BOOT_PDPT_GPA	    0xa000u
#define BOOT_PD_GPA	    0xb000u

#define CMDLINE_GPA	    0x20000u
#define CMDLINE_MAX	    2048u /* bytes with the final NUL: COMMAND_LINE_SIZE of Linux on x86 */

#define LOW_RAM_END	    0x9fc00u /* what firmware calls the EBDA starts here */
#define MPTABLE_GPA	    0x9fc00u /* to 0x9ffff */
#define ACPI_GPA	    0xa0000u /* tables grow from here */
#define ACPI_END	    0xd0000u
#define VMGENID_GPA	    0xd0000u /* 16 bytes, a page of their own */
#define RSDP_GPA	    0xe0000u
#define HIGH_RAM_GPA	    0x100000u /* kernels are loaded from here */

#define MMIO_HOLE_GPA	    0xc0000000ull  /* end of low RAM, 3 GiB */
#define RAM_64BIT_GPA	    0x100000000ull /* start of RAM above the hole */

#define REPORT_GPA	    0xc0000000ull /* report page: boot timer, exit status */
#define REPORT_LEN	    0x1000u
#define VIRTIO_MMIO_GPA	    0xc0001000ull /* first virtio-mmio window */
#define VIRTIO_MMIO_LEN	    0x1000u	  /* each */
#define IOAPIC_GPA	    0xfec00000ull
#define LAPIC_GPA	    0xfee00000ull
#define KVM_IDENTITY_GPA    0xfffbc000ull
#define KVM_TSS_GPA	    0xfffbd000ull /* three pages */

#define COM1_PORT	    0x3f8u
#define COM1_GSI	    4u
#define COM2_PORT	    0x2f8u
#define COM2_GSI	    3u
#define I8042_GSI	    1u

#define ACPI_SLEEP_CTL_PORT 0x600u /* hardware-reduced ACPI, 6.5 §4.8.3.7 */
#define ACPI_SLEEP_STS_PORT 0x601u
#define ACPI_RESET_PORT	    0x602u
#define ACPI_RESET_VALUE    0x01u
#define ACPI_S5_TYPE	    5u /* SLP_TYP for S5, as _S5 in the DSDT says */

#define GSI_VIRTIO_FIRST    5u /* virtio devices: 5 to 22, in the order of creation */
#define GSI_VIRTIO_LAST	    22u
#define GSI_VMGENID	    23u
#define NR_GSIS		    24u

#define MAX_VCPUS	    32u

#endif
