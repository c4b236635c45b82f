/* SPDX-License-Identifier: Apache-2.0 */
/* The state that a vCPU has at reset and that KVM does not set by itself: MSRs, FPU, local APIC. */
#ifndef MOTE_VMM_X86_STATE_H
#define MOTE_VMM_X86_STATE_H

#include "vmm/compiler.h"
#include "vmm/err.h"
#include "vmm/loader.h"
#include "vmm/x86/cpuid.h"

/*
 * Prepares vCPU `index` behind the KVM descriptor `vcpu_fd`: MSRs (IA32_MISC_ENABLE with fast
 * strings, MTRR default type write-back), FPU control words, XCR0 with all components that `t`
 * names, and for vCPU 0 LINT0 = ExtINT and LINT1 = NMI in the local APIC and the registers of `k`'s
 * boot protocol. The other vCPUs stay waiting for INIT and SIPI. `t` must have been given to
 * KVM_SET_CPUID2 before. Builder thread. Errors: what KVM's ioctl returned; -EINVAL for an MSR that
 * KVM refuses.
 */
int x86_vcpu_reset(int vcpu_fd, unsigned int index, const struct cpuid_table *t,
		   const struct kernel_image *k, struct err *e) MUST_CHECK;

#endif
