// SPDX-License-Identifier: Apache-2.0
/* What KVM is told, with a KVM that only listens. */
#include "vmm/x86/state.h"

#include "tests/lib/unit.h"
#include "vmm/kvm.h"
#include "vmm/util.h"
#include "vmm/x86/boot.h"

#include <errno.h>
#include <linux/kvm.h>
#include <string.h>

#define VCPU_FD 42

/* What the calls left behind, and what they are to meet. */
static struct {
	unsigned int calls;
	unsigned int fail_at; /* this call fails with EIO; 0 = none */
	int msrs_taken;	      /* what KVM_SET_MSRS returns; -1 = all */
	struct kvm_msr_entry msr[8];
	unsigned int nr_msrs;
	struct kvm_fpu fpu;
	struct kvm_xcrs xcrs;
	struct kvm_lapic_state lapic;
	struct kvm_sregs sregs;
	struct kvm_regs regs;
	bool got_lapic, got_sregs, set_lapic, set_sregs, set_regs;
} kvm;

static int set_msrs(const struct kvm_msrs *m)
{
	assert_true(m->nmsrs <= ARRAY_SIZE(kvm.msr));
	kvm.nr_msrs = m->nmsrs;
	memcpy(kvm.msr, m->entries, m->nmsrs * sizeof(kvm.msr[0]));
	return kvm.msrs_taken < 0 ? (int)m->nmsrs : kvm.msrs_taken;
}

static int answer(unsigned long request, void *arg)
{
	switch (request) {
	case KVM_SET_MSRS:
		return set_msrs(arg);
	case KVM_SET_FPU:
		memcpy(&kvm.fpu, arg, sizeof(kvm.fpu));
		return 0;
	case KVM_SET_XCRS:
		memcpy(&kvm.xcrs, arg, sizeof(kvm.xcrs));
		return 0;
	case KVM_GET_LAPIC:
		memset(arg, 0x5a, sizeof(kvm.lapic));
		kvm.got_lapic = true;
		return 0;
	case KVM_SET_LAPIC:
		memcpy(&kvm.lapic, arg, sizeof(kvm.lapic));
		kvm.set_lapic = true;
		return 0;
	case KVM_GET_SREGS:
		memset(arg, 0, sizeof(kvm.sregs));
		((struct kvm_sregs *)arg)->apic_base = 0xfee00900;
		kvm.got_sregs = true;
		return 0;
	case KVM_SET_SREGS:
		memcpy(&kvm.sregs, arg, sizeof(kvm.sregs));
		kvm.set_sregs = true;
		return 0;
	case KVM_SET_REGS:
		memcpy(&kvm.regs, arg, sizeof(kvm.regs));
		kvm.set_regs = true;
		return 0;
	default:
		fail_msg("request 0x%lx", request);
		return -EINVAL;
	}
}

/* Instead of vmm/kvm.c, which the linker then leaves out. */
int kvm_ioctl(int fd, unsigned long request, unsigned long arg)
{
	assert_int_equal(fd, VCPU_FD);
	if (++kvm.calls == kvm.fail_at)
		return -EIO;
	return answer(request, (void *)arg);
}

static const struct kernel_image kernel = { .protocol = BOOT_PVH, .entry = 0x1000040 };
static struct cpuid_table table;

static int set_up(void **state)
{
	(void)state;
	memset(&kvm, 0, sizeof(kvm));
	kvm.msrs_taken = -1;
	table.nent = 1;
	table.entries[0] = (struct kvm_cpuid_entry2){ .function = 0xd, .eax = 7 };
	return 0;
}

static uint32_t lapic_reg(size_t off)
{
	uint32_t v;

	memcpy(&v, kvm.lapic.regs + off, sizeof(v));
	return v;
}

static uint64_t msr(uint32_t index)
{
	for (unsigned int i = 0; i < kvm.nr_msrs; i++) {
		if (kvm.msr[i].index == index)
			return kvm.msr[i].data;
	}
	fail_msg("MSR 0x%x was not set", index);
	return 0;
}

static void the_first_vcpu_is_ready_to_run(void **state)
{
	struct kvm_sregs want_sregs = { .apic_base = 0xfee00900 };
	struct kvm_regs want_regs;
	struct err e;

	(void)state;
	assert_int_equal(x86_vcpu_reset(VCPU_FD, 0, &table, &kernel, &e), 0);
	assert_int_equal(msr(0x1a0) & 1, 1); /* fast strings */
	assert_int_equal(msr(0x2ff), 0x806); /* MTRRs on, write-back */
	assert_int_equal(kvm.fpu.fcw, 0x37f);
	assert_int_equal(kvm.fpu.mxcsr, 0x1f80);
	assert_int_equal(kvm.xcrs.nr_xcrs, 1);
	assert_int_equal(kvm.xcrs.xcrs[0].xcr, 0);
	assert_int_equal(kvm.xcrs.xcrs[0].value, 7);
	assert_int_equal(lapic_reg(0x350), 0x700);
	assert_int_equal(lapic_reg(0x360), 0x400);
	assert_int_equal(lapic_reg(0x340), 0x5a5a5a5a); /* the rest as KVM had it */
	assert_int_equal(lapic_reg(0x370), 0x5a5a5a5a);
	boot_regs(&kernel, &want_regs, &want_sregs);
	assert_memory_equal(&kvm.sregs, &want_sregs, sizeof(want_sregs));
	assert_memory_equal(&kvm.regs, &want_regs, sizeof(want_regs));
}

/* They start at INIT and SIPI, from what KVM says they are. */
static void the_others_keep_their_registers(void **state)
{
	struct err e;

	(void)state;
	assert_int_equal(x86_vcpu_reset(VCPU_FD, 1, &table, &kernel, &e), 0);
	assert_int_equal(msr(0x2ff), 0x806); /* the same on all */
	assert_int_equal(kvm.fpu.mxcsr, 0x1f80);
	assert_int_equal(kvm.xcrs.xcrs[0].value, 7);
	assert_false(kvm.set_lapic || kvm.set_sregs || kvm.set_regs);
}

static void no_xcr0_without_xsave(void **state)
{
	struct err e;

	(void)state;
	table.nent = 0;
	assert_int_equal(x86_vcpu_reset(VCPU_FD, 1, &table, &kernel, &e), 0);
	assert_int_equal(kvm.xcrs.nr_xcrs, 0);
}

static void a_refused_msr_is_named(void **state)
{
	struct err e;

	(void)state;
	kvm.msrs_taken = 1;
	assert_int_equal(x86_vcpu_reset(VCPU_FD, 3, &table, &kernel, &e), -EINVAL);
	assert_string_equal(e.msg, "vCPU 3: KVM refuses 0x806 for MSR 0x2ff");
}

/* Any call may fail: that is reported, and nothing more is tried. */
static void every_failing_call_is_reported(void **state)
{
	unsigned int n = 0;
	struct err e;
	int ret;

	do {
		set_up(state);
		kvm.fail_at = ++n;
		ret = x86_vcpu_reset(VCPU_FD, 0, &table, &kernel, &e);
		if (ret == 0)
			break;
		assert_int_equal(ret, -EIO);
		assert_int_equal(kvm.calls, n);
		assert_memory_equal(e.msg, "vCPU 0: ", 8);
	} while (n < 100);
	assert_int_equal(n, 9); /* eight calls, then none that fails */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(the_first_vcpu_is_ready_to_run, set_up),
		cmocka_unit_test_setup(the_others_keep_their_registers, set_up),
		cmocka_unit_test_setup(no_xcr0_without_xsave, set_up),
		cmocka_unit_test_setup(a_refused_msr_is_named, set_up),
		cmocka_unit_test_setup(every_failing_call_is_reported, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
