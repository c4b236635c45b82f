// SPDX-License-Identifier: Apache-2.0
/* Builder thread only. Fills low memory and the registers as the boot protocols ask for. */
#include "vmm/x86/boot.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "vmm/cmdline.h"
#include "vmm/util.h"
#include "vmm/x86/layout.h"

#define MEM_RAM	     1u /* the same numbers in e820 and in PVH's memory map */
#define MEM_RESERVED 2u
#define MEM_MAX	     (2 + GMEM_MAX_REGIONS)

/* Xen's public arch-x86/hvm/start_info.h, version 1. */
#define PVH_MAGIC   0x336ec578u
#define PVH_VERSION 1u

struct pvh_start_info {
	uint32_t magic;
	uint32_t version;
	uint32_t flags;
	uint32_t nr_modules;
	uint64_t modlist_gpa;
	uint64_t cmdline_gpa;
	uint64_t rsdp_gpa;
	uint64_t memmap_gpa;
	uint32_t memmap_entries;
	uint32_t reserved;
};

struct pvh_module {
	uint64_t gpa;
	uint64_t len;
	uint64_t cmdline_gpa;
	uint64_t reserved;
};

struct pvh_memmap_entry {
	uint64_t gpa;
	uint64_t len;
	uint32_t type;
	uint32_t reserved;
};

_Static_assert(sizeof(struct pvh_start_info) <= PVH_MODLIST_GPA - PVH_INFO_GPA, "overlap");
_Static_assert(sizeof(struct pvh_module) <= PVH_MEMMAP_GPA - PVH_MODLIST_GPA, "overlap");
_Static_assert(MEM_MAX * sizeof(struct pvh_memmap_entry) <= ZERO_PAGE_GPA - PVH_MEMMAP_GPA,
	       "overlap");

/* Linux Documentation/arch/x86/zero-page.rst and boot.rst. */
#define ZP_LEN		     4096u
#define ZP_RSDP		     0x070u /* protocol 2.14 */
#define ZP_EXT_RAMDISK_IMAGE 0x0c0u /* upper halves, protocol 2.12 */
#define ZP_EXT_RAMDISK_SIZE  0x0c4u
#define ZP_E820_ENTRIES	     0x1e8u
#define ZP_SETUP_HEADER	     0x1f1u
#define ZP_BOOT_FLAG	     0x1feu
#define ZP_HEADER	     0x202u
#define ZP_VERSION	     0x206u
#define ZP_LOADER_TYPE	     0x210u
#define ZP_LOADFLAGS	     0x211u
#define ZP_RAMDISK_IMAGE     0x218u
#define ZP_RAMDISK_SIZE	     0x21cu
#define ZP_CMDLINE	     0x228u
#define ZP_KERNEL_ALIGNMENT  0x230u
#define ZP_CMDLINE_SIZE	     0x238u
#define ZP_E820		     0x2d0u

#define BOOT_FLAG	     0xaa55u
#define LOADER_UNDEFINED     0xffu /* "no assigned id" */
#define LOADFLAGS_HIGH	     0x01u
#define VERSION_WITH_RSDP    0x020eu

struct e820_entry {
	uint64_t gpa;
	uint64_t len;
	uint32_t type;
} PACKED;

struct mem_range {
	uint64_t gpa;
	uint64_t len;
	uint32_t type;
};

#define CR0_PE	       0x1ull
#define CR0_ET	       0x10ull /* fixed to 1 */
#define CR0_PG	       0x80000000ull
#define CR4_PAE	       0x20ull
#define EFER_LME       0x100ull
#define EFER_LMA       0x400ull
#define RFLAGS_1       0x2ull /* fixed to 1 */

#define PTE_PRESENT_RW 0x3ull
#define PTE_LARGE      0x80ull
#define PT_ENTRIES     512u
#define PT_CHUNK       64u /* entries written at once: small enough for the stack */

#define BOOT_CS	       0x10u /* boot.rst, "64-bit boot protocol" */
#define BOOT_DS	       0x18u
#define BOOT_TR	       0x20u

static const uint64_t boot_gdt[] = {
	0, 0, 0x00af9b000000ffffull, /* BOOT_CS: 64-bit code */
	0x00cf93000000ffffull,	     /* BOOT_DS: flat data */
};
_Static_assert(BOOT_GDT_GPA + sizeof(boot_gdt) <= BOOT_IDT_GPA, "GDT reaches into the IDT");

/* Guest memory below 1 MiB; `ret` keeps the first failure, so that writers need not look. */
struct low_mem {
	const struct gmem *m;
	int ret;
};

static void put(struct low_mem *w, uint64_t gpa, const void *src, size_t len)
{
	int ret = gmem_write(w->m, gpa, src, len);

	if (w->ret == 0)
		w->ret = ret;
}

static void zero(struct low_mem *w, uint64_t gpa, uint64_t len)
{
	int ret = gmem_zero(w->m, gpa, len);

	if (w->ret == 0)
		w->ret = ret;
}

static void put8(struct low_mem *w, uint64_t gpa, uint8_t v)
{
	put(w, gpa, &v, sizeof(v));
}

static void put16(struct low_mem *w, uint64_t gpa, uint16_t v)
{
	put(w, gpa, &v, sizeof(v));
}

static void put32(struct low_mem *w, uint64_t gpa, uint32_t v)
{
	put(w, gpa, &v, sizeof(v));
}

static void put64(struct low_mem *w, uint64_t gpa, uint64_t v)
{
	put(w, gpa, &v, sizeof(v));
}

/* The map that the guest is given: what PCs keep for firmware is reserved, the rest as it is. */
static unsigned int memory_map(const struct gmem *m, struct mem_range *map)
{
	unsigned int nr = 0;

	map[nr++] = (struct mem_range){ 0, LOW_RAM_END, MEM_RAM };
	map[nr++] = (struct mem_range){ LOW_RAM_END, HIGH_RAM_GPA - LOW_RAM_END, MEM_RESERVED };
	for (unsigned int i = 0; i < m->nr; i++) {
		const uint64_t end = m->region[i].gpa + m->region[i].len;
		const uint64_t gpa = max_u64(m->region[i].gpa, HIGH_RAM_GPA);

		if (gpa < end)
			map[nr++] = (struct mem_range){ gpa, end - gpa, MEM_RAM };
	}
	return nr;
}

static void put_pvh(struct low_mem *w, const struct initrd_image *initrd, uint64_t rsdp)
{
	struct mem_range map[MEM_MAX];
	const unsigned int nr = memory_map(w->m, map);
	const struct pvh_module mod = { .gpa = initrd->gpa, .len = initrd->len };
	const struct pvh_start_info info = {
		.magic = PVH_MAGIC,
		.version = PVH_VERSION,
		.nr_modules = initrd->len ? 1 : 0,
		.modlist_gpa = initrd->len ? PVH_MODLIST_GPA : 0,
		.cmdline_gpa = CMDLINE_GPA,
		.rsdp_gpa = rsdp,
		.memmap_gpa = PVH_MEMMAP_GPA,
		.memmap_entries = nr,
	};

	put(w, PVH_INFO_GPA, &info, sizeof(info));
	put(w, PVH_MODLIST_GPA, &mod, sizeof(mod));
	for (unsigned int i = 0; i < nr; i++) {
		const struct pvh_memmap_entry ent = { .gpa = map[i].gpa,
						      .len = map[i].len,
						      .type = map[i].type };

		put(w, PVH_MEMMAP_GPA + i * sizeof(ent), &ent, sizeof(ent));
	}
}

/* An ELF image brings no setup header: these are the fields that Linux looks at. */
static void put_own_setup_header(struct low_mem *w)
{
	put16(w, ZERO_PAGE_GPA + ZP_BOOT_FLAG, BOOT_FLAG);
	put(w, ZERO_PAGE_GPA + ZP_HEADER, "HdrS", 4);
	put16(w, ZERO_PAGE_GPA + ZP_VERSION, VERSION_WITH_RSDP);
	put8(w, ZERO_PAGE_GPA + ZP_LOADFLAGS, LOADFLAGS_HIGH);
	put32(w, ZERO_PAGE_GPA + ZP_KERNEL_ALIGNMENT, (uint32_t)MIB(2));
	put32(w, ZERO_PAGE_GPA + ZP_CMDLINE_SIZE, CMDLINE_MAX - 1);
}

static void put_e820(struct low_mem *w)
{
	struct mem_range map[MEM_MAX];
	const unsigned int nr = memory_map(w->m, map);

	for (unsigned int i = 0; i < nr; i++) {
		const struct e820_entry ent = { map[i].gpa, map[i].len, map[i].type };

		put(w, ZERO_PAGE_GPA + ZP_E820 + i * sizeof(ent), &ent, sizeof(ent));
	}
	put8(w, ZERO_PAGE_GPA + ZP_E820_ENTRIES, (uint8_t)nr);
}

static uint16_t header16(const struct kernel_image *k, unsigned int off)
{
	uint16_t v = 0;

	if (off - ZP_SETUP_HEADER + sizeof(v) <= k->setup_header_len)
		memcpy(&v, k->setup_header + (off - ZP_SETUP_HEADER), sizeof(v));
	return v;
}

static uint32_t header32(const struct kernel_image *k, unsigned int off)
{
	return header16(k, off) | (uint32_t)header16(k, off + 2) << 16;
}

static void put_zero_page(struct low_mem *w, const struct kernel_image *k,
			  const struct initrd_image *initrd, uint64_t rsdp)
{
	zero(w, ZERO_PAGE_GPA, ZP_LEN);
	if (k->setup_header_len)
		put(w, ZERO_PAGE_GPA + ZP_SETUP_HEADER, k->setup_header, k->setup_header_len);
	else
		put_own_setup_header(w);
	put8(w, ZERO_PAGE_GPA + ZP_LOADER_TYPE, LOADER_UNDEFINED);
	put32(w, ZERO_PAGE_GPA + ZP_CMDLINE, CMDLINE_GPA);
	put32(w, ZERO_PAGE_GPA + ZP_RAMDISK_IMAGE, (uint32_t)initrd->gpa);
	put32(w, ZERO_PAGE_GPA + ZP_RAMDISK_SIZE, (uint32_t)initrd->len);
	put32(w, ZERO_PAGE_GPA + ZP_EXT_RAMDISK_IMAGE, (uint32_t)(initrd->gpa >> 32));
	put32(w, ZERO_PAGE_GPA + ZP_EXT_RAMDISK_SIZE, (uint32_t)(initrd->len >> 32));
	/* Older kernels have other things at this offset, and search for the RSDP themselves. */
	if (!k->setup_header_len || header16(k, ZP_VERSION) >= VERSION_WITH_RSDP)
		put64(w, ZERO_PAGE_GPA + ZP_RSDP, rsdp);
	put_e820(w);
}

/* Identity map of the first 4 GiB in 2 MiB pages, which every x86-64 CPU has. */
static void put_page_tables(struct low_mem *w)
{
	uint64_t pd[PT_CHUNK];

	put64(w, BOOT_PML4_GPA, BOOT_PDPT_GPA | PTE_PRESENT_RW);
	for (unsigned int i = 0; i < 4; i++)
		put64(w, BOOT_PDPT_GPA + i * sizeof(uint64_t),
		      (BOOT_PD_GPA + i * 4096u) | PTE_PRESENT_RW);
	for (unsigned int i = 0; i < 4 * PT_ENTRIES; i += PT_CHUNK) {
		for (unsigned int j = 0; j < PT_CHUNK; j++)
			pd[j] = (uint64_t)(i + j) << 21 | PTE_PRESENT_RW | PTE_LARGE;
		put(w, BOOT_PD_GPA + i * sizeof(pd[0]), pd, sizeof(pd));
	}
}

static int check_cmdline(const struct kernel_image *k, size_t len, struct err *e)
{
	const uint32_t kernel_max = header32(k, ZP_CMDLINE_SIZE);

	if (len >= CMDLINE_MAX)
		return err_set(e, -E2BIG, "kernel command line: %zu bytes, expected at most %u",
			       len, CMDLINE_MAX - 1);
	if (k->setup_header_len && kernel_max != 0 && len > kernel_max)
		return err_set(e, -E2BIG,
			       "kernel command line: %zu bytes, this kernel takes at most %u", len,
			       kernel_max);
	return 0;
}

bool boot_has_acpi(const char *cmdline)
{
	return !cmdline_has(cmdline, "noapic");
}

int boot_write(const struct gmem *m, const struct kernel_image *k,
	       const struct initrd_image *initrd, const char *cmdline, struct err *e)
{
	struct low_mem w = { .m = m };
	const size_t len = strlen(cmdline);
	const uint64_t rsdp = boot_has_acpi(cmdline) ? RSDP_GPA : 0;
	int ret = check_cmdline(k, len, e);

	if (ret < 0)
		return ret;
	put(&w, CMDLINE_GPA, cmdline, len + 1);
	if (k->protocol == BOOT_PVH) {
		put_pvh(&w, initrd, rsdp);
	} else {
		put_zero_page(&w, k, initrd, rsdp);
		put_page_tables(&w);
		put(&w, BOOT_GDT_GPA, boot_gdt, sizeof(boot_gdt));
	}
	if (w.ret < 0)
		return err_set(e, w.ret,
			       "guest memory: %" PRIu64 " bytes are too few for the boot data",
			       gmem_size(m));
	return 0;
}

/* Flat: base 0, limit 4 GiB. `l`: 64-bit code. */
static struct kvm_segment flat_segment(uint16_t selector, uint8_t type, bool l)
{
	return (struct kvm_segment){ .limit = 0xffffffff,
				     .selector = selector,
				     .type = type,
				     .present = 1,
				     .s = 1,
				     .db = l ? 0 : 1,
				     .l = l ? 1 : 0,
				     .g = 1 };
}

static void set_segments(struct kvm_sregs *s, bool long_mode)
{
	s->cs = flat_segment(BOOT_CS, 0xb, long_mode); /* execute, read, accessed */
	s->ds = flat_segment(BOOT_DS, 0x3, false);     /* read, write, accessed */
	s->es = s->ds;
	s->fs = s->ds;
	s->gs = s->ds;
	s->ss = s->ds;
	/* A busy TSS is what the CPU insists on; 0x67 is the smallest that it accepts. */
	s->tr = (struct kvm_segment){
		.limit = 0x67, .selector = BOOT_TR, .type = 0xb, .present = 1
	};
}

void boot_regs(const struct kernel_image *k, struct kvm_regs *regs, struct kvm_sregs *sregs)
{
	memset(regs, 0, sizeof(*regs));
	regs->rip = k->entry;
	regs->rflags = RFLAGS_1;
	/* Caches on: KVM's reset value has CD and NW set, as a real CPU's. */
	sregs->cr0 = CR0_PE | CR0_ET;
	sregs->cr4 = 0;
	sregs->efer = 0;
	set_segments(sregs, k->protocol == BOOT_LINUX64);
	if (k->protocol == BOOT_PVH) {
		regs->rbx = PVH_INFO_GPA;
		return;
	}
	regs->rsi = ZERO_PAGE_GPA;
	regs->rsp = BOOT_STACK_GPA;
	regs->rbp = BOOT_STACK_GPA;
	sregs->cr0 |= CR0_PG;
	sregs->cr3 = BOOT_PML4_GPA;
	sregs->cr4 = CR4_PAE;
	sregs->efer = EFER_LME | EFER_LMA;
	sregs->gdt = (struct kvm_dtable){ .base = BOOT_GDT_GPA, .limit = sizeof(boot_gdt) - 1 };
	/* No handler exists before the kernel has its own table: an exception ends in a reset. */
	sregs->idt = (struct kvm_dtable){ .base = BOOT_IDT_GPA, .limit = 0 };
}
