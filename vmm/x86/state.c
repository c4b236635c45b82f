// SPDX-License-Identifier: Apache-2.0
/*
 * Builder thread only. Only what KVM leaves at a value that a guest does not expect is written:
 * each register group is a system call of its own.
 */
#include "vmm/x86/state.h"

#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

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

/* The type of a request is libc's choice: int with musl, where half of KVM's are negative. */
#ifdef __GLIBC__
#define IOCTL_REQUEST(r) (r)
#else
#define IOCTL_REQUEST(r) ((int)(r))
#endif

static int vcpu_ioctl(int fd, unsigned long request, void *arg)
{
	int ret;

	do {
		ret = ioctl(fd, IOCTL_REQUEST(request), arg);
	} while (ret < 0 && errno == EINTR);
	return ret < 0 ? -errno : ret;
}

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
	int ret = vcpu_ioctl(fd, KVM_SET_MSRS, &msrs);

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
	int ret = vcpu_ioctl(fd, KVM_SET_FPU, &fpu);

	return ret < 0 ? err_sys(e, ret, "vCPU %u: set the FPU state", index) : 0;
}

/* Virtual wire mode, as firmware leaves it: interrupts of the 8259 on LINT0, NMI on LINT1. */
static int set_lapic(int fd, unsigned int index, struct err *e)
{
	const uint32_t extint = APIC_MODE_EXTINT, nmi = APIC_MODE_NMI;
	struct kvm_lapic_state lapic;
	int ret = vcpu_ioctl(fd, KVM_GET_LAPIC, &lapic);

	if (ret < 0)
		return err_sys(e, ret, "vCPU %u: get the local APIC", index);
	memcpy(lapic.regs + APIC_LVT_LINT0, &extint, sizeof(extint));
	memcpy(lapic.regs + APIC_LVT_LINT1, &nmi, sizeof(nmi));
	ret = vcpu_ioctl(fd, KVM_SET_LAPIC, &lapic);
	return ret < 0 ? err_sys(e, ret, "vCPU %u: set the local APIC", index) : 0;
}

static int set_registers(int fd, unsigned int index, const struct kernel_image *k, struct err *e)
{
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	int ret = vcpu_ioctl(fd, KVM_GET_SREGS, &sregs);

	if (ret < 0)
		return err_sys(e, ret, "vCPU %u: get the system registers", index);
	boot_regs(k, &regs, &sregs);
	ret = vcpu_ioctl(fd, KVM_SET_SREGS, &sregs);
	if (ret < 0)
		return err_sys(e, ret, "vCPU %u: set the system registers", index);
	ret = vcpu_ioctl(fd, KVM_SET_REGS, &regs);
	return ret < 0 ? err_sys(e, ret, "vCPU %u: set the registers", index) : 0;
}

int x86_vcpu_reset(int vcpu_fd, unsigned int index, const struct kernel_image *k, struct err *e)
{
	int ret = set_msrs(vcpu_fd, index, e);

	if (ret == 0)
		ret = set_fpu(vcpu_fd, index, e);
	/* The others get an INIT before they run, which would undo the rest. */
	if (ret < 0 || index != 0)
		return ret;
	ret = set_lapic(vcpu_fd, index, e);
	return ret ? ret : set_registers(vcpu_fd, index, k, e);
}
