// SPDX-License-Identifier: Apache-2.0
/*
 * Builder thread only. Only what KVM leaves at a value that a guest does not expect is written:
 * each register group is a system call of its own.
 */
#include "vmm/x86/state.h"

#include <errno.h>
#include <linux/kvm.h>
#include <string.h>

#include "vmm/kvm.h"
#include "vmm/util.h"
#include "vmm/x86/boot.h"

#define MSR_IA32_MISC_ENABLE   0x1a0u
#define MISC_ENABLE_FAST_STR   (1u << 0)
#define MISC_ENABLE_BTS_UNAVL  (1u << 11)
#define MISC_ENABLE_PEBS_UNAVL (1u << 12)
#define MSR_MTRR_DEF_TYPE      0x2ffu
#define MTRR_ENABLED	       (1u << 11)
#define MTRR_WRITE_BACK	       6u

#define APIC_LVT_LINT0	       0x350u
#define APIC_LVT_LINT1	       0x360u
#define APIC_MODE_NMI	       0x400u
#define APIC_MODE_EXTINT       0x700u

#define FPU_CONTROL_RESET      0x37fu
#define MXCSR_RESET	       0x1f80u

static int set_msrs(int fd, unsigned int index, struct err *e)
{
	/* struct kvm_msrs, with room for its entries. */
	struct {
		uint32_t nr;
		uint32_t padding;
		struct kvm_msr_entry entries[2];
	} msrs = {
		.nr = ARRAY_SIZE(msrs.entries),
		.entries = {
			/* Without fast strings Linux gives up its best memcpy. */
			{ .index = MSR_IA32_MISC_ENABLE,
			  .data = MISC_ENABLE_FAST_STR | MISC_ENABLE_BTS_UNAVL |
				  MISC_ENABLE_PEBS_UNAVL },
			/* Memory is uncached where no MTRR says otherwise, after a reset. */
			{ .index = MSR_MTRR_DEF_TYPE, .data = MTRR_ENABLED | MTRR_WRITE_BACK },
		},
	};
	int ret = kvm_ioctl(fd, KVM_SET_MSRS, (unsigned long)&msrs);

	if (ret < 0)
		return err_sys(e, ret, "vCPU %u: set %u MSRs", index, msrs.nr);
	if ((uint32_t)ret < msrs.nr)
		return err_set(e, -EINVAL, "vCPU %u: KVM refuses 0x%llx for MSR 0x%x", index,
			       (unsigned long long)msrs.entries[ret].data, msrs.entries[ret].index);
	return 0;
}

static int set_fpu(int fd, unsigned int index, struct err *e)
{
	struct kvm_fpu fpu = { .fcw = FPU_CONTROL_RESET, .mxcsr = MXCSR_RESET };
	int ret = kvm_ioctl(fd, KVM_SET_FPU, (unsigned long)&fpu);

	return ret < 0 ? err_sys(e, ret, "vCPU %u: set the FPU state", index) : 0;
}

/*
 * XCR0 starts with everything that Linux will enable, not with x87 alone as after a reset. KVM
 * derives the XSAVE size in CPUID from the XCR0 that it knows of; where KVM itself is emulated
 * (testbed), it does not see the guest's XSETBV, and size and components would never agree.
 */
static int set_xcr0(int fd, unsigned int index, uint64_t xcr0, struct err *e)
{
	struct kvm_xcrs xcrs = { .nr_xcrs = 1, .xcrs = { { .xcr = 0, .value = xcr0 } } };
	int ret;

	if (xcr0 == 0)
		return 0;
	ret = kvm_ioctl(fd, KVM_SET_XCRS, (unsigned long)&xcrs);
	if (ret < 0)
		return err_sys(e, ret, "vCPU %u: set XCR0 to 0x%llx", index,
			       (unsigned long long)xcr0);
	return 0;
}

/* Virtual wire mode, as firmware leaves it: interrupts of the 8259 on LINT0, NMI on LINT1. */
static int set_lapic(int fd, unsigned int index, struct err *e)
{
	const uint32_t extint = APIC_MODE_EXTINT, nmi = APIC_MODE_NMI;
	struct kvm_lapic_state lapic;
	int ret = kvm_ioctl(fd, KVM_GET_LAPIC, (unsigned long)&lapic);

	if (ret < 0)
		return err_sys(e, ret, "vCPU %u: get the local APIC", index);
	memcpy(lapic.regs + APIC_LVT_LINT0, &extint, sizeof(extint));
	memcpy(lapic.regs + APIC_LVT_LINT1, &nmi, sizeof(nmi));
	ret = kvm_ioctl(fd, KVM_SET_LAPIC, (unsigned long)&lapic);
	return ret < 0 ? err_sys(e, ret, "vCPU %u: set the local APIC", index) : 0;
}

static int set_registers(int fd, unsigned int index, const struct kernel_image *k, struct err *e)
{
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	int ret = kvm_ioctl(fd, KVM_GET_SREGS, (unsigned long)&sregs);

	if (ret < 0)
		return err_sys(e, ret, "vCPU %u: get the system registers", index);
	boot_regs(k, &regs, &sregs);
	ret = kvm_ioctl(fd, KVM_SET_SREGS, (unsigned long)&sregs);
	if (ret < 0)
		return err_sys(e, ret, "vCPU %u: set the system registers", index);
	ret = kvm_ioctl(fd, KVM_SET_REGS, (unsigned long)&regs);
	return ret < 0 ? err_sys(e, ret, "vCPU %u: set the registers", index) : 0;
}

int x86_vcpu_reset(int vcpu_fd, unsigned int index, const struct cpuid_table *t,
		   const struct kernel_image *k, struct err *e)
{
	int ret = set_msrs(vcpu_fd, index, e);

	if (ret == 0)
		ret = set_fpu(vcpu_fd, index, e);
	if (ret == 0)
		ret = set_xcr0(vcpu_fd, index, cpuid_xcr0(t), e);
	/* The others get an INIT before they run, which would undo the rest. */
	if (ret < 0 || index != 0)
		return ret;
	ret = set_lapic(vcpu_fd, index, e);
	return ret ? ret : set_registers(vcpu_fd, index, k, e);
}
