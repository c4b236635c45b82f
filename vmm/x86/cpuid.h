/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a vCPU says it is: the host's supported CPUID, made consistent with the machine we build.
 */
#ifndef MOTE_VMM_X86_CPUID_H
#define MOTE_VMM_X86_CPUID_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmm/compiler.h"

#define CPUID_MAX_ENTRIES 256

/* struct kvm_cpuid2 with room for its entries, laid out as the ioctl wants it. */
struct cpuid_table {
	uint32_t nent;
	uint32_t padding;
	struct kvm_cpuid_entry2 entries[CPUID_MAX_ENTRIES];
};

/* Facts about the VM that the table depends on. */
struct cpuid_vm {
	unsigned int nr_vcpus;
	bool smt;	   /* vCPUs 2n and 2n+1 are threads of one core; nr_vcpus is 1 or even */
	bool tsc_deadline; /* KVM_CAP_TSC_DEADLINE_TIMER: KVM does not report the bit by itself */
	uint32_t tsc_khz;  /* 0 = unknown */
};

/*
 * Makes `t`, as KVM_GET_SUPPORTED_CPUID returned it, the same for all vCPUs: hypervisor bit, TSC
 * deadline timer, cache and core topology for `nr_vcpus` threads in one package, one or two of them
 * a core, TSC frequency, an XSAVE leaf whose sizes follow from its feature bits, no performance
 * counters. Done once for a VM.
 */
void cpuid_normalise(struct cpuid_table *t, const struct cpuid_vm *vm);

/*
 * The XCR0 with every user state component of a normalised table that a guest may enable without
 * asking first; 0 = the table has no XSAVE.
 */
uint64_t cpuid_xcr0(const struct cpuid_table *t);

/* Sets what differs between vCPUs: the APIC id `index` in leaves 1, 0xb, 0x1f, 0x8000001e. */
void cpuid_set_vcpu(struct cpuid_table *t, unsigned int index);

#endif
