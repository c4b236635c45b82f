// SPDX-License-Identifier: Apache-2.0
/*
 * Pure functions over the caller's table; any thread. Leaves are those of Intel's SDM volume 2A
 * (CPUID) and AMD's APM volume 3, appendix E. What is not touched here is passed on as KVM
 * reported it: the KVM leaves at 0x40000000, from which the guest learns of its clock, included.
 */
#include "vmm/x86/cpuid.h"

#include <linux/kvm.h>
#include <string.h>

#include "vmm/util.h"

#define BIT(n)		    (1u << (n))

#define L1_ECX_DTES64	    BIT(2)
#define L1_ECX_PDCM	    BIT(15)
#define L1_ECX_X2APIC	    BIT(21)
#define L1_ECX_TSC_DEADLINE BIT(24)
#define L1_ECX_XSAVE	    BIT(26)
#define L1_ECX_HYPERVISOR   BIT(31)
#define L1_EDX_DS	    BIT(21)
#define L1_EDX_HTT	    BIT(28)
#define L6_EAX_ARAT	    BIT(2)
#define L7_EDX_ARCH_LBR	    BIT(19)
#define L7_1_EAX_PERFMON    BIT(8)
#define A1_ECX_CMP_LEGACY   BIT(1)
#define A1_ECX_IBS	    BIT(10)
#define A1_ECX_PERFCTR	    (BIT(23) | BIT(24) | BIT(28)) /* core, northbridge, last level cache */
#define XSAVE_1_XSAVEC	    BIT(1)
#define XSAVE_1_XSAVES	    BIT(3)
#define XSAVE_N_SUPERVISOR  BIT(0)
#define XSAVE_N_ALIGNED	    BIT(1)

/* What XCR0 may hold without a permission from the host: x87, SSE, AVX, MPX, AVX-512, PKRU. */
#define XCR0_PLAIN	 0x2ffull

#define XSAVE_COMPONENTS 0x7ffffffffffffffcull /* those with a subleaf of their own: 2 to 62 */
#define XSAVE_LEGACY_LEN 576u /* FXSAVE area and header: x87 and SSE need no more */

#define TOPO_TYPE_SMT	 (1u << 8)
#define TOPO_TYPE_CORE	 (2u << 8)

#define LAPIC_HZ	 1000000000u /* KVM's local APIC timer ticks once a nanosecond */
#define LAPIC_KHZ	 1000000u
#define MAX_TSC_NUM	 4294u /* LAPIC_KHZ times this still has 32 bits */

static const struct kvm_cpuid_entry2 *find_const(const struct cpuid_table *t, uint32_t leaf,
						 uint32_t index)
{
	for (uint32_t i = 0; i < t->nent; i++) {
		const struct kvm_cpuid_entry2 *ent = &t->entries[i];

		if (ent->function == leaf &&
		    (ent->index == index || !(ent->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX)))
			return ent;
	}
	return NULL;
}

static struct kvm_cpuid_entry2 *find(struct cpuid_table *t, uint32_t leaf, uint32_t index)
{
	const struct kvm_cpuid_entry2 *ent = find_const(t, leaf, index);

	return ent ? &t->entries[ent - t->entries] : NULL;
}

/* Highest leaf of the range that starts at `base`. */
static uint32_t max_leaf(struct cpuid_table *t, uint32_t base)
{
	const struct kvm_cpuid_entry2 *ent = find(t, base, 0);

	return ent ? ent->eax : 0;
}

static void drop_at(struct cpuid_table *t, uint32_t i)
{
	t->nent--;
	memmove(&t->entries[i], &t->entries[i + 1], (t->nent - i) * sizeof(t->entries[0]));
}

static void drop_leaf(struct cpuid_table *t, uint32_t leaf)
{
	for (uint32_t i = 0; i < t->nent;) {
		if (t->entries[i].function == leaf)
			drop_at(t, i);
		else
			i++;
	}
}

/*
 * A leaf that KVM has no entry for reads as zeroes. Entries of zeroes are half of the table, and
 * KVM searches it from the start at each CPUID instruction.
 */
static void drop_empty(struct cpuid_table *t)
{
	for (uint32_t i = 0; i < t->nent;) {
		const struct kvm_cpuid_entry2 *ent = &t->entries[i];

		if ((ent->eax | ent->ebx | ent->ecx | ent->edx) == 0)
			drop_at(t, i);
		else
			i++;
	}
}

/* Sets one entry, which is added when it does not exist. The table has room: drop_empty made it. */
static struct kvm_cpuid_entry2 *set(struct cpuid_table *t, const struct kvm_cpuid_entry2 *want)
{
	struct kvm_cpuid_entry2 *ent = find(t, want->function, want->index);

	if (!ent) {
		if (t->nent == CPUID_MAX_ENTRIES)
			return NULL;
		ent = &t->entries[t->nent++];
	}
	*ent = *want;
	return ent;
}

static bool is_vendor(struct cpuid_table *t, const char *name)
{
	const struct kvm_cpuid_entry2 *ent = find(t, 0, 0);

	return ent && memcmp(&ent->ebx, name, 4) == 0 && memcmp(&ent->edx, name + 4, 4) == 0 &&
	       memcmp(&ent->ecx, name + 8, 4) == 0;
}

static bool is_amd(struct cpuid_table *t)
{
	return is_vendor(t, "AuthenticAMD") || is_vendor(t, "HygonGenuine");
}

/* Bits of an APIC id that tell `nr` cores apart. */
static uint32_t id_bits(unsigned int nr)
{
	uint32_t bits = 0;

	while ((1u << bits) < nr)
		bits++;
	return bits;
}

static void set_features(struct cpuid_table *t, const struct cpuid_vm *vm)
{
	struct kvm_cpuid_entry2 *ent = find(t, 1, 0);

	if (!ent)
		return;
	/* KVM emulates x2APIC on any host. With the hypervisor bit a guest looks for the KVM
	 * leaves. */
	ent->ecx |= L1_ECX_X2APIC | L1_ECX_HYPERVISOR;
	/* Without it Linux calibrates the local APIC timer against the PIT: milliseconds. */
	if (vm->tsc_deadline)
		ent->ecx |= L1_ECX_TSC_DEADLINE;
	else
		ent->ecx &= ~L1_ECX_TSC_DEADLINE;
	/* Bits 23-16: number of APIC ids in the package, valid with HTT. The rest is per vCPU or
	 * fixed. */
	ent->ebx = (ent->ebx & 0x0000ffffu) | vm->nr_vcpus << 16;
	if (vm->nr_vcpus > 1)
		ent->edx |= L1_EDX_HTT;
	else
		ent->edx &= ~L1_EDX_HTT;
	/*
	 * An APIC timer that never stops, which KVM's does not: else Linux keeps the PIT in
	 * reserve, and initialises it. The rest of leaf 6 is about power, which a guest does not
	 * manage.
	 */
	if (max_leaf(t, 0) >= 6)
		set(t, &(struct kvm_cpuid_entry2){ .function = 6, .eax = L6_EAX_ARAT });
}

/* No performance counters: a guest would spend time probing what the monitor does not offer. */
static void hide_pmu(struct cpuid_table *t)
{
	struct kvm_cpuid_entry2 *ent;

	drop_leaf(t, 0xa);
	drop_leaf(t, 0x1c);
	drop_leaf(t, 0x23);
	drop_leaf(t, 0x8000001b);
	drop_leaf(t, 0x80000022);
	ent = find(t, 1, 0);
	if (ent) {
		ent->ecx &= ~(L1_ECX_PDCM | L1_ECX_DTES64);
		ent->edx &= ~L1_EDX_DS;
	}
	ent = find(t, 7, 0);
	if (ent)
		ent->edx &= ~L7_EDX_ARCH_LBR;
	ent = find(t, 7, 1);
	if (ent)
		ent->eax &= ~L7_1_EAX_PERFMON;
	ent = find(t, 0x80000001, 0);
	if (ent)
		ent->ecx &= ~(A1_ECX_IBS | A1_ECX_PERFCTR);
}

static uint32_t threads(const struct cpuid_vm *vm)
{
	return vm->smt && vm->nr_vcpus > 1 ? 2 : 1;
}

/* Levels 1 and 2 of the caches belong to one core, what is further out to all. */
static void set_caches(struct cpuid_table *t, const struct cpuid_vm *vm)
{
	const uint32_t ids = 1u << id_bits(vm->nr_vcpus), inner = threads(vm);

	for (uint32_t i = 0; i < t->nent; i++) {
		struct kvm_cpuid_entry2 *ent = &t->entries[i];
		const bool outer = (ent->eax >> 5 & 0x7) > 2;

		if (ent->function == 4 && (ent->eax & 0x1f) != 0) {
			/* Bits 31-26: APIC ids of cores less one; 25-14: of sharers less one. */
			ent->eax &= 0x00003fffu;
			ent->eax |= (ids / inner - 1) << 26 | ((outer ? ids : inner) - 1) << 14;
		} else if (ent->function == 0x8000001d && (ent->eax & 0x1f) != 0) {
			ent->eax &= 0x00003fffu;
			ent->eax |= ((outer ? vm->nr_vcpus : inner) - 1) << 14;
		}
	}
}

/* Extended topology in the form of leaf 0xb: the threads of a core, then all of them. */
static void set_topology_leaf(struct cpuid_table *t, uint32_t leaf, const struct cpuid_vm *vm)
{
	struct kvm_cpuid_entry2 ent = { .function = leaf,
					.flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
					.eax = id_bits(threads(vm)),
					.ebx = threads(vm),
					.ecx = TOPO_TYPE_SMT };

	set(t, &ent);
	ent.index = 1;
	ent.eax = id_bits(vm->nr_vcpus);
	ent.ebx = vm->nr_vcpus;
	ent.ecx = TOPO_TYPE_CORE | 1;
	set(t, &ent);
}

static void set_topology(struct cpuid_table *t, const struct cpuid_vm *vm)
{
	const uint32_t max = max_leaf(t, 0), max_ext = max_leaf(t, 0x80000000);
	struct kvm_cpuid_entry2 *ent;

	drop_leaf(t, 0xb);
	drop_leaf(t, 0x1f);
	drop_leaf(t, 0x80000026);
	if (max >= 0xb)
		set_topology_leaf(t, 0xb, vm);
	if (max >= 0x1f)
		set_topology_leaf(t, 0x1f, vm);
	if (!is_amd(t))
		return;
	ent = find(t, 0x80000001, 0);
	if (ent && vm->nr_vcpus > 1)
		ent->ecx |= A1_ECX_CMP_LEGACY;
	else if (ent)
		ent->ecx &= ~A1_ECX_CMP_LEGACY;
	/* Bits 7-0: threads less one, 15-12: bits of the APIC id. */
	ent = find(t, 0x80000008, 0);
	if (ent)
		ent->ecx = (vm->nr_vcpus - 1) | id_bits(vm->nr_vcpus) << 12;
	/* Bits 15-8: threads of a core less one. One node; the ids are per vCPU. */
	if (max_ext >= 0x8000001e)
		set(t, &(struct kvm_cpuid_entry2){ .function = 0x8000001e,
						   .ebx = (threads(vm) - 1) << 8 });
}

/* How far n/d is from khz/LAPIC_KHZ, times d. */
static uint64_t miss(uint32_t khz, uint64_t n, uint64_t d)
{
	const uint64_t x = n * LAPIC_KHZ, y = khz * d;

	return x > y ? x - y : y - x;
}

/*
 * The fraction num/den nearest to khz/LAPIC_KHZ among those whose numerator Linux can multiply by
 * LAPIC_KHZ in 32 bits, by the continued fraction. Usually well below 1 part in a million off; near
 * a simple fraction that it does not reach, up to 200.
 */
static void tsc_ratio(uint32_t khz, uint32_t *num, uint32_t *den)
{
	uint64_t a = khz, b = LAPIC_KHZ;
	uint64_t n0 = 0, n1 = 1, d0 = 1, d1 = 0;

	while (b != 0) {
		const uint64_t q = a / b, r = a % b;
		const uint64_t fit = n1 ? min_u64(q, (MAX_TSC_NUM - n0) / n1) : q;
		const uint64_t n2 = fit * n1 + n0, d2 = fit * d1 + d0;

		/* A step that does not fit may be taken in part, where that is better than not. */
		if (fit < q && miss(khz, n2, d2) * d1 >= miss(khz, n1, d1) * d2)
			break;
		n0 = n1;
		n1 = n2;
		d0 = d1;
		d1 = d2;
		if (fit < q)
			break;
		a = b;
		b = r;
	}
	*num = (uint32_t)n1;
	*den = (uint32_t)d1;
}

/*
 * For guests on Intel that do not use KVM's clock: frequencies that they need not measure against
 * the PIT. The crystal is what drives the local APIC timer too, hence KVM's.
 */
static void set_frequency(struct cpuid_table *t, const struct cpuid_vm *vm)
{
	struct kvm_cpuid_entry2 crystal = { .function = 0x15, .ecx = LAPIC_HZ };
	const uint32_t mhz = vm->tsc_khz / 1000;

	drop_leaf(t, 0x15);
	drop_leaf(t, 0x16);
	if (mhz == 0 || !is_vendor(t, "GenuineIntel"))
		return;
	tsc_ratio(vm->tsc_khz, &crystal.ebx, &crystal.eax);
	if (max_leaf(t, 0) >= 0x15)
		set(t, &crystal);
	if (max_leaf(t, 0) >= 0x16)
		set(t, &(struct kvm_cpuid_entry2){
			       .function = 0x16, .eax = mhz, .ebx = mhz, .ecx = 100 });
}

/* State components of `mask` that have a subleaf to say how long they are. */
static uint64_t xsave_described(struct cpuid_table *t, uint64_t mask, uint32_t supervisor)
{
	for (uint32_t i = 2; i < 63; i++) {
		const struct kvm_cpuid_entry2 *ent = find(t, 0xd, i);

		if (!ent || ent->eax == 0 || (ent->ecx & XSAVE_N_SUPERVISOR) != supervisor)
			mask &= ~(1ull << i);
	}
	return mask;
}

/* Bytes of an XSAVE area with the components of `mask`, each at its fixed place or packed. */
static uint32_t xsave_len(struct cpuid_table *t, uint64_t mask, bool compacted)
{
	uint64_t len = XSAVE_LEGACY_LEN;

	for (uint64_t left = mask & XSAVE_COMPONENTS; left != 0; left &= left - 1) {
		const struct kvm_cpuid_entry2 *ent = find(t, 0xd, (uint32_t)__builtin_ctzll(left));
		uint64_t off;

		if (!ent)
			continue;
		off = ent->ebx;
		if (compacted)
			off = ent->ecx & XSAVE_N_ALIGNED ? align_up(len, 64) : len;
		len = max_u64(len, off + ent->eax);
	}
	return (uint32_t)len;
}

static void drop_xsave_subleaves(struct cpuid_table *t, uint64_t keep)
{
	for (uint32_t i = 0; i < t->nent;) {
		const struct kvm_cpuid_entry2 *ent = &t->entries[i];

		if (ent->function == 0xd && ent->index >= 2 &&
		    (ent->index >= 63 || !(keep & 1ull << ent->index)))
			drop_at(t, i);
		else
			i++;
	}
}

/*
 * Leaf 0xd: the sizes are made to follow from the components. Linux compares them, and prints a
 * page on the console when they differ, as they do under some emulators.
 */
static void set_xsave(struct cpuid_table *t)
{
	const struct kvm_cpuid_entry2 *leaf1 = find(t, 1, 0);
	struct kvm_cpuid_entry2 *main = find(t, 0xd, 0), *ext = find(t, 0xd, 1);
	uint64_t user, supervisor = 0;

	if (!main || !leaf1 || !(leaf1->ecx & L1_ECX_XSAVE)) {
		drop_leaf(t, 0xd);
		return;
	}
	user = xsave_described(t, main->eax | (uint64_t)main->edx << 32, 0);
	main->eax = (uint32_t)user;
	main->edx = (uint32_t)(user >> 32);
	/* With XCR0 as at reset; KVM follows the register from then on. */
	main->ebx = XSAVE_LEGACY_LEN;
	main->ecx = xsave_len(t, user, false);
	if (ext) {
		if (ext->eax & XSAVE_1_XSAVES)
			supervisor = xsave_described(t, ext->ecx | (uint64_t)ext->edx << 32,
						     XSAVE_N_SUPERVISOR);
		ext->ecx = (uint32_t)supervisor;
		ext->edx = (uint32_t)(supervisor >> 32);
		ext->ebx = 0;
		if (ext->eax & (XSAVE_1_XSAVEC | XSAVE_1_XSAVES))
			ext->ebx = xsave_len(t, user | supervisor, true);
	}
	drop_xsave_subleaves(t, user | supervisor);
}

void cpuid_normalise(struct cpuid_table *t, const struct cpuid_vm *vm)
{
	drop_empty(t);
	hide_pmu(t);
	set_features(t, vm);
	set_caches(t, vm);
	set_topology(t, vm);
	set_frequency(t, vm);
	set_xsave(t);
}

uint64_t cpuid_xcr0(const struct cpuid_table *t)
{
	const struct kvm_cpuid_entry2 *ent = find_const(t, 0xd, 0);

	return ent ? ent->eax & XCR0_PLAIN : 0;
}

void cpuid_set_vcpu(struct cpuid_table *t, unsigned int index)
{
	for (uint32_t i = 0; i < t->nent; i++) {
		struct kvm_cpuid_entry2 *ent = &t->entries[i];

		switch (ent->function) {
		case 0x1:
			ent->ebx = (ent->ebx & 0x00ffffffu) | (uint32_t)index << 24;
			break;
		case 0xb:
		case 0x1f:
			ent->edx = index;
			break;
		case 0x8000001e:
			/* Extended APIC id; in EBX the core, below its number of threads less one.
			 */
			ent->eax = index;
			ent->ebx = (ent->ebx & 0xff00u) |
				   (index / ((ent->ebx >> 8 & 0xffu) + 1) & 0xffu);
			break;
		default:
			break;
		}
	}
}
