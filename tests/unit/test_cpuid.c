// SPDX-License-Identifier: Apache-2.0
/* Two hosts, as KVM reports them: an AMD one without much, and an Intel one with everything. */
#include "vmm/x86/cpuid.h"

#include "tests/lib/unit.h"
#include "vmm/util.h"

#include <string.h>

#define SUBLEAF KVM_CPUID_FLAG_SIGNIFCANT_INDEX

static const struct kvm_cpuid_entry2 amd[] = {
	{ .function = 0, .eax = 0xd, .ebx = 0x68747541, .ecx = 0x444d4163, .edx = 0x69746e65 },
	{ .function = 1, .eax = 0x800f12, .ebx = 0x05080800, .ecx = 0x76f83203, .edx = 0x178bfbfd },
	{ .function = 2 },
	{ .function = 4, .flags = SUBLEAF },
	{ .function = 6, .eax = 0x77, .ecx = 9 },
	{ .function = 7, .flags = SUBLEAF, .ebx = 0x9801ab },
	{ .function = 0xa },
	{ .function = 0xb, .flags = SUBLEAF, .edx = 5 },
	{ .function = 0xd, .flags = SUBLEAF, .eax = 7, .ebx = 0x340, .ecx = 0x340 },
	{ .function = 0xd, .index = 1, .flags = SUBLEAF, .eax = 5, .ebx = 0x999 },
	{ .function = 0xd, .index = 2, .flags = SUBLEAF, .eax = 0x100, .ebx = 0x240 },
	{ .function = 0x80000000,
	  .eax = 0x80000021,
	  .ebx = 0x68747541,
	  .ecx = 0x444d4163,
	  .edx = 0x69746e65 },
	{ .function = 0x80000001, .ecx = 0x11c00477, .edx = 0x2dd3fbfd },
	{ .function = 0x80000008, .eax = 0x3028, .ebx = 0x2000000, .ecx = 0x70ff },
	{ .function = 0x8000001b, .eax = 0xff },
	{ .function = 0x8000001d, .flags = SUBLEAF, .eax = 0x4121, .ebx = 0x1c0003f },
	{ .function = 0x8000001d, .index = 3, .flags = SUBLEAF, .eax = 0x1c163 },
	{ .function = 0x80000026, .flags = SUBLEAF, .eax = 1, .ebx = 2, .ecx = 0x100 },
	{ .function = 0x40000000, .eax = 0x40000001, .ebx = 0x4b4d564b },
	{ .function = 0x40000001, .eax = 0x1007efb },
};

static const struct kvm_cpuid_entry2 intel[] = {
	{ .function = 0, .eax = 0x1f, .ebx = 0x756e6547, .ecx = 0x6c65746e, .edx = 0x49656e69 },
	{ .function = 1, .ebx = 0x13200800, .ecx = 0xf7fab227, .edx = 0x1fabfbff },
	{ .function = 4, .flags = SUBLEAF, .eax = 0xfc004121 },
	{ .function = 4, .index = 2, .flags = SUBLEAF, .eax = 0xfc004143 },
	{ .function = 4, .index = 3, .flags = SUBLEAF, .eax = 0xfc1fc163 },
	{ .function = 4, .index = 4, .flags = SUBLEAF },
	{ .function = 7, .flags = SUBLEAF, .eax = 2, .edx = 0xac084410 },
	{ .function = 7, .index = 1, .flags = SUBLEAF, .eax = 0x1d30 },
	{ .function = 0xa, .eax = 0x8300805 },
	{ .function = 0xb, .flags = SUBLEAF, .eax = 1, .ebx = 2, .ecx = 0x100, .edx = 0x13 },
	{ .function = 0xb, .index = 1, .flags = SUBLEAF, .eax = 7, .ebx = 0x40, .ecx = 0x201 },
	{ .function = 0xb, .index = 2, .flags = SUBLEAF, .eax = 9, .ebx = 9, .ecx = 0x502 },
	{ .function = 0xd, .flags = SUBLEAF, .eax = 0x602e7, .ebx = 0xa88, .ecx = 0x2b00 },
	{ .function = 0xd, .index = 1, .flags = SUBLEAF, .eax = 0x1f, .ebx = 1, .ecx = 0x1800 },
	{ .function = 0xd, .index = 2, .flags = SUBLEAF, .eax = 0x100, .ebx = 0x240 },
	{ .function = 0xd, .index = 5, .flags = SUBLEAF, .eax = 0x40, .ebx = 0x440 },
	{ .function = 0xd, .index = 6, .flags = SUBLEAF, .eax = 0x200, .ebx = 0x480 },
	{ .function = 0xd, .index = 7, .flags = SUBLEAF, .eax = 0x400, .ebx = 0x680 },
	{ .function = 0xd, .index = 9, .flags = SUBLEAF, .eax = 8, .ebx = 0xa80 },
	{ .function = 0xd, .index = 11, .flags = SUBLEAF, .eax = 16, .ecx = 1 },
	{ .function = 0xd, .index = 17, .flags = SUBLEAF, .eax = 0x40, .ebx = 0xac0, .ecx = 2 },
	{ .function = 0xd, .index = 18, .flags = SUBLEAF, .eax = 0x2000, .ebx = 0xb00, .ecx = 6 },
	{ .function = 0x1c, .flags = SUBLEAF, .eax = 0x4000000b },
	{ .function = 0x1f, .flags = SUBLEAF, .eax = 1, .ebx = 2, .ecx = 0x100, .edx = 0x13 },
	{ .function = 0x1f, .index = 2, .flags = SUBLEAF, .eax = 9, .ebx = 9, .ecx = 0x502 },
	{ .function = 0x80000000, .eax = 0x80000008 },
	{ .function = 0x80000001, .ecx = 0x121 },
	{ .function = 0x80000007, .edx = 0x100 },
	{ .function = 0x80000008, .eax = 0x302e, .ecx = 0x123 },
};

static struct cpuid_table t;

static void init(const struct kvm_cpuid_entry2 *ent, size_t nr)
{
	memset(&t, 0xa5, sizeof(t)); /* what lies behind the entries must not matter */
	t.nent = (uint32_t)nr;
	memcpy(t.entries, ent, nr * sizeof(*ent));
}

static const struct kvm_cpuid_entry2 *leaf(uint32_t function, uint32_t index)
{
	const struct kvm_cpuid_entry2 *found = NULL;

	for (uint32_t i = 0; i < t.nent; i++) {
		const struct kvm_cpuid_entry2 *ent = &t.entries[i];

		if (ent->function != function || ent->index != index)
			continue;
		assert_null(found); /* at most one */
		found = ent;
	}
	return found;
}

static void normalise(const struct kvm_cpuid_entry2 *ent, size_t nr, struct cpuid_vm vm)
{
	init(ent, nr);
	cpuid_normalise(&t, &vm);
}

#define NORMALISE(host, nr, ...) \
	normalise(host, ARRAY_SIZE(host), (struct cpuid_vm){ .nr_vcpus = (nr), ##__VA_ARGS__ })

static void features(void **state)
{
	(void)state;
	NORMALISE(amd, 1, .tsc_deadline = true);
	assert_int_equal(leaf(1, 0)->ecx, 0x76f83203 | 1u << 31 | 1u << 24 | 1u << 21);
	assert_int_equal(leaf(1, 0)->edx, 0x078bfbfd); /* no HTT */
	assert_int_equal(leaf(1, 0)->ebx, 0x00010800); /* one id, clflush kept */
	assert_int_equal(leaf(6, 0)->eax, 4);	       /* a timer that does not stop */
	assert_int_equal(leaf(6, 0)->ecx, 0);
	NORMALISE(intel, 4);
	assert_int_equal(leaf(1, 0)->ecx >> 24 & 1, 0);
	assert_int_equal(leaf(1, 0)->edx >> 28 & 1, 1);
	assert_int_equal(leaf(1, 0)->ebx, 0x00040800);
	assert_int_equal(leaf(6, 0)->eax, 4); /* added */
	assert_int_equal(leaf(0x80000007, 0)->edx, 0x100);
}

static void no_performance_counters(void **state)
{
	(void)state;
	NORMALISE(amd, 1);
	assert_null(leaf(0xa, 0));
	assert_null(leaf(0x8000001b, 0));
	assert_int_equal(leaf(0x80000001, 0)->ecx, 0x00400075); /* nor IBS, nor CmpLegacy */
	NORMALISE(intel, 1);
	assert_null(leaf(0xa, 0));
	assert_null(leaf(0x1c, 0));
	assert_int_equal(leaf(1, 0)->ecx & (1u << 2 | 1u << 15), 0);
	assert_int_equal(leaf(1, 0)->edx & 1u << 21, 0);
	assert_int_equal(leaf(7, 0)->edx, 0xac004410);
	assert_int_equal(leaf(7, 1)->eax, 0x1c30);
	assert_int_equal(leaf(0x80000001, 0)->ecx, 0x121);
}

static void other_leaves_are_passed_on(void **state)
{
	(void)state;
	NORMALISE(amd, 2);
	assert_memory_equal(leaf(0x40000000, 0), &amd[18], sizeof(amd[0]));
	assert_memory_equal(leaf(0x40000001, 0), &amd[19], sizeof(amd[0]));
	assert_memory_equal(leaf(7, 0), &amd[5], sizeof(amd[0]));
	assert_null(leaf(2, 0)); /* zeroes need no entry */
	assert_null(leaf(4, 0));
}

static void topology(void **state)
{
	const struct {
		unsigned int nr, bits;
	} vm[] = { { 1, 0 }, { 2, 1 }, { 3, 2 }, { 4, 2 }, { 5, 3 }, { 31, 5 }, { 32, 5 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(vm); i++) {
		const uint32_t leaves[] = { 0xb, 0x1f };

		NORMALISE(intel, vm[i].nr);
		for (size_t j = 0; j < ARRAY_SIZE(leaves); j++) {
			assert_int_equal(leaf(leaves[j], 0)->eax, 0);
			assert_int_equal(leaf(leaves[j], 0)->ebx, 1);
			assert_int_equal(leaf(leaves[j], 0)->ecx, 0x100);
			assert_int_equal(leaf(leaves[j], 1)->eax, vm[i].bits);
			assert_int_equal(leaf(leaves[j], 1)->ebx, vm[i].nr);
			assert_int_equal(leaf(leaves[j], 1)->ecx, 0x201);
			assert_int_equal(leaf(leaves[j], 1)->flags, SUBLEAF);
			assert_null(leaf(leaves[j], 2));
		}
		assert_int_equal(leaf(1, 0)->ebx >> 16 & 0xff, vm[i].nr);
		assert_int_equal(leaf(0x80000008, 0)->ecx, 0x123); /* not Intel's */
		NORMALISE(amd, vm[i].nr);
		assert_int_equal(leaf(0xb, 1)->ebx, vm[i].nr);
		assert_null(leaf(0x1f, 0)); /* beyond the highest leaf */
		assert_null(leaf(0x80000026, 0));
		assert_int_equal(leaf(0x80000008, 0)->ecx, (vm[i].nr - 1) | vm[i].bits << 12);
		assert_int_equal(leaf(0x80000001, 0)->ecx >> 1 & 1, vm[i].nr > 1);
	}
}

static void caches(void **state)
{
	(void)state;
	NORMALISE(intel, 5);
	assert_int_equal(leaf(4, 0)->eax, 0x1c000121);
	assert_int_equal(leaf(4, 2)->eax, 0x1c000143);
	assert_int_equal(leaf(4, 3)->eax, 0x1c01c163); /* eight ids share it */
	NORMALISE(intel, 32);
	assert_int_equal(leaf(4, 3)->eax, 0x7c07c163);
	NORMALISE(amd, 5);
	assert_int_equal(leaf(0x8000001d, 0)->eax, 0x121);
	assert_int_equal(leaf(0x8000001d, 0)->ebx, 0x1c0003f);
	assert_int_equal(leaf(0x8000001d, 3)->eax, 0x10163); /* five cores share it */
}

/* Pairs of vCPUs are threads of a core, which has the inner caches. */
static void threads_of_a_core(void **state)
{
	(void)state;
	NORMALISE(intel, 6, .smt = true);
	assert_int_equal(leaf(0xb, 0)->eax, 1);
	assert_int_equal(leaf(0xb, 0)->ebx, 2);
	assert_int_equal(leaf(0xb, 0)->ecx, 0x100);
	assert_int_equal(leaf(0x1f, 1)->eax, 3);
	assert_int_equal(leaf(0x1f, 1)->ebx, 6);
	assert_int_equal(leaf(1, 0)->ebx >> 16 & 0xff, 6);
	assert_int_equal(leaf(4, 0)->eax, 0x0c004121); /* two ids share it, of four cores */
	assert_int_equal(leaf(4, 3)->eax, 0x0c01c163); /* all eight share it */
	NORMALISE(amd, 6, .smt = true);
	assert_int_equal(leaf(0x8000001d, 0)->eax, 0x4121);
	assert_int_equal(leaf(0x8000001d, 3)->eax, 0x14163);
	assert_int_equal(leaf(0x80000008, 0)->ecx, 5 | 3 << 12);
	for (unsigned int i = 0; i < 6; i++) {
		cpuid_set_vcpu(&t, i);
		assert_int_equal(leaf(0x8000001e, 0)->eax, i);
		assert_int_equal(leaf(0x8000001e, 0)->ebx, 0x100 | i / 2);
	}
	NORMALISE(amd, 1, .smt = true); /* one vCPU is a core by itself */
	assert_int_equal(leaf(0xb, 0)->ebx, 1);
	assert_null(leaf(0x1f, 0));
	assert_int_equal(leaf(0x8000001e, 0)->ebx, 0);
}

static void xsave_sizes_follow_from_the_components(void **state)
{
	(void)state;
	NORMALISE(amd, 1);
	assert_int_equal(leaf(0xd, 0)->eax, 7);
	assert_int_equal(leaf(0xd, 0)->ebx, 576);
	assert_int_equal(leaf(0xd, 0)->ecx, 0x340);
	assert_int_equal(leaf(0xd, 1)->eax, 5);
	assert_int_equal(leaf(0xd, 1)->ebx, 0); /* neither XSAVEC nor XSAVES */
	assert_int_equal(cpuid_xcr0(&t), 7);
	NORMALISE(intel, 1);
	assert_int_equal(leaf(0xd, 0)->eax, 0x602e7);
	assert_int_equal(leaf(0xd, 0)->ecx, 0x2b00);
	/*
	 * Packed: 576, 100 AVX, 40 + 200 + 400 AVX-512, 8 PKRU, 16 CET (11; 12 has no subleaf and
	 * is taken out), 40 tile configuration and 2000 tiles, both aligned to 64.
	 */
	assert_int_equal(leaf(0xd, 1)->ecx, 0x800);
	assert_int_equal(leaf(0xd, 1)->ebx, 0x2a00);
	assert_int_equal(cpuid_xcr0(&t), 0x2e7); /* tiles need the host's permission */
}

/* Components that no subleaf describes, or that claim to be of the other kind, are not there. */
static void xsave_drops_what_is_not_described(void **state)
{
	struct kvm_cpuid_entry2 host[ARRAY_SIZE(amd)];

	(void)state;
	memcpy(host, amd, sizeof(host));
	host[8].eax = 0x1f; /* bounds registers without subleaves */
	host[8].edx = 0x40000000;
	NORMALISE(host, 1);
	assert_int_equal(leaf(0xd, 0)->eax, 7);
	assert_int_equal(leaf(0xd, 0)->edx, 0);
	host[10].ecx = 1; /* AVX as a supervisor component */
	NORMALISE(host, 1);
	assert_int_equal(leaf(0xd, 0)->eax, 3);
	assert_int_equal(leaf(0xd, 0)->ecx, 576);
	assert_null(leaf(0xd, 2));
	host[10].index = 77; /* no such component */
	NORMALISE(host, 1);
	assert_null(leaf(0xd, 77));
	host[1].ecx &= ~(1u << 26); /* no XSAVE at all */
	NORMALISE(host, 1);
	assert_null(leaf(0xd, 0));
	assert_null(leaf(0xd, 1));
	assert_int_equal(cpuid_xcr0(&t), 0);
}

/* How far n/d is from khz/1000000, in units of 1 / (d * 1000000). */
static uint64_t miss(uint64_t khz, uint64_t n, uint64_t d)
{
	return n * 1000000 > khz * d ? n * 1000000 - khz * d : khz * d - n * 1000000;
}

/* No other fraction that Linux can work with, in 32 bits, is nearer. */
static void assert_nearest(uint64_t khz, uint64_t n, uint64_t d)
{
	assert_true(n > 0 && d > 0 && n * 1000000 <= UINT32_MAX);
	for (uint64_t d2 = 1; khz * d2 <= UINT32_MAX; d2++) {
		const uint64_t n2 = (khz * d2 + 500000) / 1000000;

		if (n2 * 1000000 <= UINT32_MAX && miss(khz, n2, d2) * d < miss(khz, n, d) * d2)
			fail_msg("%llu kHz: %llu/%llu is nearer than %llu/%llu",
				 (unsigned long long)khz, (unsigned long long)n2,
				 (unsigned long long)d2, (unsigned long long)n,
				 (unsigned long long)d);
	}
}

static void frequencies(void **state)
{
	const uint32_t khz[] = { 1000000, 1000,	   1001,    800003,  1999999,
				 2000000, 2000100, 2494140, 2593904, 2994375,
				 3399999, 4200001, 4999999, 4294967, 1234567 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(khz); i++) {
		const struct kvm_cpuid_entry2 *c;

		NORMALISE(intel, 1, .tsc_khz = khz[i]);
		c = leaf(0x15, 0);
		assert_int_equal(c->ecx, 1000000000); /* what the local APIC timer counts */
		assert_nearest(khz[i], c->ebx, c->eax);
		assert_true(miss(khz[i], c->ebx, c->eax) * 5000 < (uint64_t)khz[i] * c->eax);
		assert_int_equal(leaf(0x16, 0)->eax, khz[i] / 1000);
		assert_int_equal(leaf(0x16, 0)->ebx, khz[i] / 1000);
	}
	NORMALISE(intel, 1);
	assert_null(leaf(0x15, 0));
	assert_null(leaf(0x16, 0));
	NORMALISE(amd, 1, .tsc_khz = 2500000);
	assert_null(leaf(0x15, 0));
}

static void each_vcpu_has_its_own_id(void **state)
{
	struct cpuid_table before;

	(void)state;
	NORMALISE(amd, 8);
	cpuid_set_vcpu(&t, 7);
	assert_int_equal(leaf(1, 0)->ebx, 0x07080800);
	assert_int_equal(leaf(0xb, 0)->edx, 7);
	assert_int_equal(leaf(0xb, 1)->edx, 7);
	assert_int_equal(leaf(0x8000001e, 0)->eax, 7);
	assert_int_equal(leaf(0x8000001e, 0)->ebx, 7);
	assert_int_equal(leaf(0x8000001e, 0)->ecx, 0);
	before = t;
	cpuid_set_vcpu(&t, 31);
	assert_memory_not_equal(&t, &before, sizeof(t));
	cpuid_set_vcpu(&t, 7); /* an id leaves nothing behind */
	assert_memory_equal(&t, &before, sizeof(t));
	NORMALISE(intel, 8);
	cpuid_set_vcpu(&t, 3);
	assert_int_equal(leaf(0x1f, 1)->edx, 3);
	assert_null(leaf(0x8000001e, 0));
}

/* An emulator may report next to nothing, or all that fits. */
static void strange_tables(void **state)
{
	static struct kvm_cpuid_entry2 full[CPUID_MAX_ENTRIES];

	(void)state;
	normalise(amd, 0, (struct cpuid_vm){ .nr_vcpus = 4, .tsc_khz = 1 });
	assert_int_equal(t.nent, 0);
	cpuid_set_vcpu(&t, 1);
	for (uint32_t i = 0; i < CPUID_MAX_ENTRIES; i++)
		full[i] = (struct kvm_cpuid_entry2){ .function = 0x40000100 + i, .eax = 1 };
	memcpy(full, intel, sizeof(intel));
	NORMALISE(full, 4, .tsc_khz = 2000000);
	assert_true(t.nent <= CPUID_MAX_ENTRIES);
	cpuid_set_vcpu(&t, 1);
	for (uint32_t i = 0; i < CPUID_MAX_ENTRIES; i++)
		full[i] = (struct kvm_cpuid_entry2){ .function = 0x40000100 + i, .eax = 1 };
	full[0] = amd[0];
	full[1] = amd[11];
	NORMALISE(full, 4);
	assert_int_equal(t.nent, CPUID_MAX_ENTRIES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(features),
		cmocka_unit_test(no_performance_counters),
		cmocka_unit_test(other_leaves_are_passed_on),
		cmocka_unit_test(topology),
		cmocka_unit_test(caches),
		cmocka_unit_test(threads_of_a_core),
		cmocka_unit_test(xsave_sizes_follow_from_the_components),
		cmocka_unit_test(xsave_drops_what_is_not_described),
		cmocka_unit_test(frequencies),
		cmocka_unit_test(each_vcpu_has_its_own_id),
		cmocka_unit_test(strange_tables),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
