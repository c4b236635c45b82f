// SPDX-License-Identifier: Apache-2.0
/* Guest memory and registers are looked at as a kernel would: by the protocols' offsets. */
#include "vmm/x86/boot.h"

#include "tests/lib/unit.h"
#include "vmm/util.h"
#include "vmm/x86/layout.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define CMDLINE	 "console=ttyS0 reboot=k"
#define RAM	 1u
#define RESERVED 2u

struct fixture {
	struct gmem m;
	struct kernel_image k;
	struct initrd_image initrd;
	struct err e;
};

struct range {
	uint64_t gpa;
	uint64_t len;
	uint32_t type;
};

static void add(struct gmem *m, uint64_t gpa, uint64_t len)
{
	void *p = mmap(NULL, len, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p == MAP_FAILED)
		abort();
	assert_int_equal(gmem_add(m, gpa, p, len), 0);
}

static void release(struct gmem *m)
{
	for (unsigned int i = 0; i < m->nr; i++)
		munmap(m->region[i].hva, m->region[i].len);
	gmem_init(m);
}

static void init_memory(struct fixture *x, uint64_t len)
{
	release(&x->m);
	add(&x->m, 0, min_u64(len, MMIO_HOLE_GPA));
	if (len > MMIO_HOLE_GPA)
		add(&x->m, RAM_64BIT_GPA, len - MMIO_HOLE_GPA);
}

static int set_up(void **state)
{
	static struct fixture x;

	init_memory(&x, MIB(128));
	x.k = (struct kernel_image){ .protocol = BOOT_PVH, .entry = 0x1000040 };
	x.initrd = (struct initrd_image){ .gpa = 0x7e00000, .len = 0x12345 };
	*state = &x;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *x = *state;

	release(&x->m);
	return 0;
}

static uint64_t get(const struct fixture *x, uint64_t gpa, size_t len)
{
	uint64_t v = 0;

	assert_int_equal(gmem_read(&x->m, gpa, &v, len), 0);
	return v;
}

static void write_boot(struct fixture *x)
{
	char cmdline[sizeof(CMDLINE)];

	assert_int_equal(boot_write(&x->m, &x->k, &x->initrd, CMDLINE, &x->e), 0);
	assert_int_equal(gmem_read(&x->m, CMDLINE_GPA, cmdline, sizeof(cmdline)), 0);
	assert_string_equal(cmdline, CMDLINE);
}

static void noapic_hides_acpi(void **state)
{
	struct fixture *x = *state;

	assert_int_equal(boot_write(&x->m, &x->k, &x->initrd, "ro noapic", &x->e), 0);
	assert_int_equal(get(x, PVH_INFO_GPA + 32, 8), 0);
	x->k.protocol = BOOT_LINUX64;
	assert_int_equal(boot_write(&x->m, &x->k, &x->initrd, "ro noapic", &x->e), 0);
	assert_int_equal(get(x, ZERO_PAGE_GPA + 0x070, 8), 0);
}

static void assert_pvh_map(struct fixture *x, const struct range *want, size_t nr)
{
	const uint64_t map = get(x, PVH_INFO_GPA + 40, 8);

	assert_int_equal(get(x, PVH_INFO_GPA + 48, 4), nr);
	for (size_t i = 0; i < nr; i++) {
		assert_int_equal(get(x, map + i * 24, 8), want[i].gpa);
		assert_int_equal(get(x, map + i * 24 + 8, 8), want[i].len);
		assert_int_equal(get(x, map + i * 24 + 16, 4), want[i].type);
		assert_int_equal(get(x, map + i * 24 + 20, 4), 0);
	}
}

static void assert_e820(struct fixture *x, const struct range *want, size_t nr)
{
	assert_int_equal(get(x, ZERO_PAGE_GPA + 0x1e8, 1), nr);
	for (size_t i = 0; i < nr; i++) {
		const uint64_t ent = ZERO_PAGE_GPA + 0x2d0 + i * 20;

		assert_int_equal(get(x, ent, 8), want[i].gpa);
		assert_int_equal(get(x, ent + 8, 8), want[i].len);
		assert_int_equal(get(x, ent + 16, 4), want[i].type);
	}
}

static void pvh_start_info(void **state)
{
	struct fixture *x = *state;
	const uint64_t info = PVH_INFO_GPA;
	uint64_t mod;

	write_boot(x);
	assert_int_equal(get(x, info, 4), 0x336ec578);
	assert_int_equal(get(x, info + 4, 4), 1);
	assert_int_equal(get(x, info + 8, 4), 0);
	assert_int_equal(get(x, info + 12, 4), 1);
	assert_int_equal(get(x, info + 24, 8), CMDLINE_GPA);
	assert_int_equal(get(x, info + 32, 8), RSDP_GPA);
	mod = get(x, info + 16, 8);
	assert_int_equal(get(x, mod, 8), 0x7e00000);
	assert_int_equal(get(x, mod + 8, 8), 0x12345);
	assert_int_equal(get(x, mod + 16, 8), 0);
	x->initrd.len = 0;
	write_boot(x);
	assert_int_equal(get(x, info + 12, 4), 0);
	assert_int_equal(get(x, info + 16, 8), 0);
}

static void memory_maps(void **state)
{
	struct fixture *x = *state;
	static const struct range low[] = { { 0, 0x9fc00, RAM }, { 0x9fc00, 0x60400, RESERVED } };
	struct range want[4] = { low[0], low[1] };
	const uint64_t len[] = { MIB(16), MIB(128), GIB(3), GIB(3) + MIB(1), GIB(5) };

	for (size_t i = 0; i < ARRAY_SIZE(len); i++) {
		const size_t nr = len[i] > GIB(3) ? 4 : 3;

		init_memory(x, len[i]);
		want[2] = (struct range){ MIB(1), min_u64(len[i], GIB(3)) - MIB(1), RAM };
		want[3] = (struct range){ GIB(4), len[i] - GIB(3), RAM };
		x->k.protocol = BOOT_PVH;
		write_boot(x);
		assert_pvh_map(x, want, nr);
		x->k.protocol = BOOT_LINUX64;
		write_boot(x);
		assert_e820(x, want, nr);
	}
}

/* Regions that touch below 1 MiB, in it and above: the map says RAM only where there is some. */
static void memory_map_of_many_regions(void **state)
{
	struct fixture *x = *state;
	static const struct range want[] = { { 0, 0x9fc00, RAM },
					     { 0x9fc00, 0x60400, RESERVED },
					     { MIB(1), MIB(1), RAM },
					     { MIB(4), MIB(1), RAM } };

	release(&x->m);
	add(&x->m, 0, MIB(1));
	add(&x->m, MIB(1), MIB(1));
	add(&x->m, MIB(4), MIB(1));
	write_boot(x);
	assert_pvh_map(x, want, ARRAY_SIZE(want));
}

static void zero_page_for_an_elf_kernel(void **state)
{
	struct fixture *x = *state;
	const uint64_t zp = ZERO_PAGE_GPA;
	uint8_t junk[4096];

	memset(junk, 0xa5, sizeof(junk));
	assert_int_equal(gmem_write(&x->m, zp, junk, sizeof(junk)), 0);
	x->k.protocol = BOOT_LINUX64;
	x->initrd = (struct initrd_image){ .gpa = 0x1122334455667000, .len = 0x8877665544332211 };
	write_boot(x);
	assert_int_equal(get(x, zp + 0x1ef, 1), 0); /* the sentinel: else Linux clears fields */
	assert_int_equal(get(x, zp + 0x1fe, 2), 0xaa55);
	assert_int_equal(get(x, zp + 0x202, 4), 0x53726448);
	assert_int_equal(get(x, zp + 0x206, 2), 0x20e);
	assert_int_equal(get(x, zp + 0x210, 1), 0xff);
	assert_int_equal(get(x, zp + 0x211, 1), 1);
	assert_int_equal(get(x, zp + 0x218, 4), 0x55667000);
	assert_int_equal(get(x, zp + 0x21c, 4), 0x44332211);
	assert_int_equal(get(x, zp + 0x0c0, 4), 0x11223344);
	assert_int_equal(get(x, zp + 0x0c4, 4), 0x88776655);
	assert_int_equal(get(x, zp + 0x228, 4), CMDLINE_GPA);
	assert_int_equal(get(x, zp + 0x0c8, 4), 0);
	assert_int_equal(get(x, zp + 0x238, 4), 2047);
	assert_int_equal(get(x, zp + 0x070, 8), RSDP_GPA);
	assert_int_equal(get(x, zp + 0xfff, 1), 0);
}

static void bzimage_header(struct kernel_image *k, uint16_t version)
{
	const uint32_t cmdline_size = 1000;

	k->protocol = BOOT_LINUX64;
	k->setup_header_len = 0x7b;
	for (size_t i = 0; i < SETUP_HEADER_MAX; i++)
		k->setup_header[i] = (uint8_t)(0x80 + i);
	memcpy(k->setup_header + (0x206 - 0x1f1), &version, sizeof(version));
	memcpy(k->setup_header + (0x238 - 0x1f1), &cmdline_size, sizeof(cmdline_size));
}

static void zero_page_for_a_bzimage(void **state)
{
	struct fixture *x = *state;
	const uint64_t zp = ZERO_PAGE_GPA;

	bzimage_header(&x->k, 0x20e);
	write_boot(x);
	assert_int_equal(get(x, zp + 0x1f1, 1), 0x80);
	assert_int_equal(get(x, zp + 0x26b, 1), 0x80 + 0x7a);
	assert_int_equal(get(x, zp + 0x26c, 1), 0); /* behind the header */
	assert_int_equal(get(x, zp + 0x206, 2), 0x20e);
	assert_int_equal(get(x, zp + 0x211, 1), 0x80 + 0x20);
	assert_int_equal(get(x, zp + 0x210, 1), 0xff);
	assert_int_equal(get(x, zp + 0x218, 4), 0x7e00000);
	assert_int_equal(get(x, zp + 0x21c, 4), 0x12345);
	assert_int_equal(get(x, zp + 0x228, 4), CMDLINE_GPA);
	assert_int_equal(get(x, zp + 0x070, 8), RSDP_GPA);
	bzimage_header(&x->k, 0x20d); /* has no such field */
	write_boot(x);
	assert_int_equal(get(x, zp + 0x070, 8), 0);
}

static void limits_the_command_line(void **state)
{
	struct fixture *x = *state;
	char line[CMDLINE_MAX + 1];

	memset(line, 'a', sizeof(line));
	line[CMDLINE_MAX] = '\0';
	assert_int_equal(boot_write(&x->m, &x->k, &x->initrd, line, &x->e), -E2BIG);
	assert_string_equal(x->e.msg, "kernel command line: 2048 bytes, expected at most 2047");
	line[CMDLINE_MAX - 1] = '\0';
	assert_int_equal(boot_write(&x->m, &x->k, &x->initrd, line, &x->e), 0);
	assert_int_equal(get(x, CMDLINE_GPA + CMDLINE_MAX - 2, 2), 'a');
	bzimage_header(&x->k, 0x20e);
	assert_int_equal(boot_write(&x->m, &x->k, &x->initrd, line, &x->e), -E2BIG);
	assert_non_null(strstr(x->e.msg, "this kernel takes at most 1000"));
	line[1000] = '\0';
	assert_int_equal(boot_write(&x->m, &x->k, &x->initrd, line, &x->e), 0);
}

/* Wherever guest memory ends, what does not fit is an error and no byte behind it is touched. */
static void refuses_too_little_memory(void **state)
{
	struct fixture *x = *state;

	for (uint64_t len = 0x1000; len <= 0x21000; len += 0x1000) {
		release(&x->m);
		add(&x->m, 0, len);
		x->k.protocol = len & 0x1000 ? BOOT_LINUX64 : BOOT_PVH;
		assert_int_equal(boot_write(&x->m, &x->k, &x->initrd, CMDLINE, &x->e),
				 len > CMDLINE_GPA ? 0 : -EFAULT);
	}
}

/* As the CPU walks it: four levels, of which the third ends the walk. */
static uint64_t translate(struct fixture *x, uint64_t cr3, uint64_t addr)
{
	uint64_t table = cr3;

	for (unsigned int shift = 39; shift > 21; shift -= 9) {
		const uint64_t ent = get(x, table + (addr >> shift & 511) * 8, 8);

		assert_int_equal(ent & 0xfff, 0x3);
		table = ent & ~0xfffull;
	}
	table = get(x, table + (addr >> 21 & 511) * 8, 8);
	assert_int_equal(table & 0xfff, 0x83);
	return (table & ~0x1fffffull) | (addr & 0x1fffff);
}

static void regs_for_linux64(void **state)
{
	struct fixture *x = *state;
	struct kvm_regs regs;
	struct kvm_sregs s;

	memset(&regs, 0xff, sizeof(regs));
	memset(&s, 0, sizeof(s));
	s.cr0 = 0x60000010;
	s.apic_base = 0xfee00900;
	x->k.protocol = BOOT_LINUX64;
	write_boot(x);
	boot_regs(&x->k, &regs, &s);
	assert_int_equal(regs.rip, x->k.entry);
	assert_int_equal(regs.rsi, ZERO_PAGE_GPA);
	assert_int_equal(regs.rsp, BOOT_STACK_GPA);
	assert_int_equal(regs.rflags, 2);
	assert_int_equal(regs.rdi, 0);
	assert_int_equal(s.cr0, 0x80000011);
	assert_int_equal(s.cr4, 0x20);
	assert_int_equal(s.efer, 0x500);
	assert_int_equal(s.apic_base, 0xfee00900); /* as KVM had it */
	assert_int_equal(s.cs.selector, 0x10);
	assert_int_equal(s.cs.l, 1);
	assert_int_equal(s.cs.db, 0);
	assert_int_equal(s.ds.selector, 0x18);
	assert_int_equal(s.ss.selector, 0x18);
	assert_int_equal(s.gdt.base, BOOT_GDT_GPA);
	assert_int_equal(s.gdt.limit, 31);
	/* The segment registers and the GDT say the same: 64-bit code, flat data. */
	assert_true(get(x, BOOT_GDT_GPA + 0x10, 8) == 0x00af9b000000ffff);
	assert_true(get(x, BOOT_GDT_GPA + 0x18, 8) == 0x00cf93000000ffff);
	for (uint64_t addr = 0x123; addr < GIB(4); addr += MIB(33) + 0x1111)
		assert_int_equal(translate(x, s.cr3, addr), addr);
	assert_int_equal(translate(x, s.cr3, GIB(4) - 1), GIB(4) - 1);
}

static void regs_for_pvh(void **state)
{
	struct fixture *x = *state;
	struct kvm_regs regs;
	struct kvm_sregs s;

	memset(&regs, 0xff, sizeof(regs));
	memset(&s, 0, sizeof(s));
	s.cr0 = 0x60000010;
	boot_regs(&x->k, &regs, &s);
	assert_int_equal(regs.rip, x->k.entry);
	assert_int_equal(regs.rbx, PVH_INFO_GPA);
	assert_int_equal(regs.rflags, 2);
	assert_int_equal(s.cr0, 0x11);
	assert_int_equal(s.cr4, 0);
	assert_int_equal(s.efer, 0);
	assert_int_equal(s.cs.type, 0xb);
	assert_int_equal(s.cs.db, 1);
	assert_int_equal(s.cs.l, 0);
	assert_int_equal(s.cs.limit, 0xffffffff);
	assert_int_equal(s.ss.type, 0x3);
	assert_int_equal(s.ss.db, 1);
	assert_int_equal(s.tr.type, 0xb);
	assert_int_equal(s.tr.limit, 0x67);
	assert_int_equal(s.tr.s, 0);
	assert_int_equal(s.tr.present, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(pvh_start_info),
		TEST(noapic_hides_acpi),
		TEST(memory_maps),
		TEST(memory_map_of_many_regions),
		TEST(zero_page_for_an_elf_kernel),
		TEST(zero_page_for_a_bzimage),
		TEST(limits_the_command_line),
		TEST(refuses_too_little_memory),
		TEST(regs_for_linux64),
		TEST(regs_for_pvh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
